"""Adam and the clip of the gradient's norm, each seed on its own."""

import math

import naive
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lvgts_np.training import optim

SHAPES = {"W": (2, 3, 2), "b": (2, 1, 2)}
seeds = st.integers(0, 2**32 - 1)


def draw(rng, scale=1.0):
    return scale * rng.standard_normal((2, 8))


def check_adam(seed, steps, scale, **changed):
    rng = np.random.default_rng(seed)
    first, gradients = draw(rng), [draw(rng, scale) for _ in range(steps)]
    x, state, seen = first, optim.adam_init(first), []
    for g in gradients:
        x, state = optim.adam_step(x, g, state, 0.01, **changed)
        seen.append(x)
    assert state.step == steps
    for e in np.ndindex(first.shape):
        path = naive.adam(
            first[e], [float(g[e]) for g in gradients], 0.01, **{"beta_2": 0.999} | changed
        )
        np.testing.assert_allclose([x[e] for x in seen], path, rtol=1e-10, atol=1e-14)


@given(seeds, st.integers(1, 5), st.sampled_from([1e-9, 1e-3, 1.0, 1e6]))
def test_adam_is_its_publication_in_scalars(seed, steps, scale):
    check_adam(seed, steps, scale)


@given(seeds, st.sampled_from([0.5, 0.95, 0.9999]))
def test_adam_with_another_beta_2(seed, beta_2):
    check_adam(seed, 4, 1.0, beta_2=beta_2)


def test_the_first_step_of_adam_has_the_length_of_the_rate():
    x, g = np.zeros((1, 2)), np.array([[3.0, -1e3]])
    moved, _ = optim.adam_step(x, g, optim.adam_init(x), 0.5)
    np.testing.assert_allclose(moved, [[-0.5, 0.5]], rtol=1e-8)


@given(seeds)
def test_a_step_leaves_what_it_was_given(seed):
    rng = np.random.default_rng(seed)
    x, g = draw(rng), draw(rng)
    x, state = optim.adam_step(x, g, optim.adam_init(x), 0.1)
    arrays = (x, g, state.m, state.v)
    copies = [array.copy() for array in arrays]
    optim.adam_step(x, g, state, 0.1)
    optim.clip_norm(g, 0.01)
    assert all(np.array_equal(x, y) for x, y in zip(arrays, copies, strict=True))
    assert state.step == 1


@given(seeds)
def test_flatten_goes_by_name_and_unflatten_takes_it_back(seed):
    rng = np.random.default_rng(seed)
    params = {name: rng.standard_normal(shape) for name, shape in SHAPES.items()}
    x = optim.flatten(dict(reversed(params.items())), params)
    assert x.shape == (2, 8)
    assert np.array_equal(x[:, :6], params["W"].reshape(2, 6))
    back = optim.unflatten(x, params)
    assert list(back) == list(params)
    assert all(np.array_equal(back[name], params[name]) for name in params)


def check_clip(seed, most, scale):
    """Seed by seed, in scalars."""
    g = draw(np.random.default_rng(seed), scale)
    clipped, norms = optim.clip_norm(g, most), optim.global_norm(g)
    for s in range(2):
        norm = math.sqrt(sum(float(x) ** 2 for x in g[s]))
        np.testing.assert_allclose(norms[s], norm, rtol=1e-13)
        np.testing.assert_allclose(clipped[s], min(1.0, most / norm) * g[s], rtol=1e-13)


@given(seeds, st.sampled_from([0.1, 1.0, 3.0, 100.0]), st.sampled_from([1e-6, 1.0, 1e6]))
def test_the_clip_scales_each_seed_to_the_norm(seed, most, scale):
    check_clip(seed, most, scale)


def test_a_gradient_within_the_norm_keeps_every_bit_and_zero_stays_zero():
    g = np.array([[0.3, 0.4], [0.0, 0.0], [30.0, 40.0]])
    clipped = optim.clip_norm(g, 1.0)
    assert np.array_equal(clipped[:2], g[:2])
    np.testing.assert_allclose(clipped[2], [0.6, 0.8])
