"""Hypothesis strategies for checks: sizes, scale and ties are drawn, numbers are seeded.

    @given(arrays(W=("d", "h"), b=("h",)))
    def test_the_gradient_of_a_layer(x):  # x["W"] is (d, h), x["b"] (h,), for drawn d and h
        check = check_gradient(layer, x)
        assume(check.conclusive)
        assert check

A task of your own is tested on drawn arguments, noise and actions:

    @given(st.builds(MyTask, n=st.integers(1, 5)), seeds, scales())
    def test_my_task(task, seed, scale):
        check_task(task, seed, scale)

Arrays of drawn floats would shrink to zeros, where all scores tie; a seed shrinks to numbers as
random as before. Ties are asked for, where they are meant.
"""

import numpy as np
from hypothesis import strategies as st

seeds = st.integers(0, 2**32 - 1)


def scales(low=-3, high=3):
    """Powers of two from 2^low to 2^high."""
    return st.integers(low, high).map(lambda e: 2.0**e)


def numbers(rng, shape, scale=1.0, ties=False):
    """Random array: normal, or integers from -2 to 2, of which many are equal; times scale."""
    x = rng.integers(-2, 3, shape).astype(float) if ties else rng.standard_normal(shape)
    return scale * x


@st.composite
def arrays(draw, shapes=None, /, *, size=st.integers(1, 4), scale=None, ties=None, **named):  # noqa: B008
    """Dicts of float64 arrays whose shapes are given by symbols, such as W=("d", "h"), or by ints.

    shapes is a dict for names that are no keywords ("d.W1"). One size is drawn for each symbol, one
    scale and whether there are ties for all arrays: strategies, or None for scales() and False.
    """
    shapes = (shapes or {}) | named
    symbols = dict.fromkeys(d for shape in shapes.values() for d in shape)
    sizes = {d: d if isinstance(d, int) else draw(size) for d in symbols}
    scale = draw(scales() if scale is None else scale)
    ties = ties is not None and draw(ties)
    rng = np.random.default_rng(draw(seeds))
    return {n: numbers(rng, [sizes[d] for d in s], scale, ties) for n, s in shapes.items()}
