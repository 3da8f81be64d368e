"""What only our own tests need beside `lvgts_np.check`."""

from contextlib import ExitStack, contextmanager
from unittest.mock import patch

import numpy as np
from hypothesis import assume

from lvgts_np.check import check_gradient
from lvgts_np.paper import attention, forms, model
from lvgts_np.paper.autodiff import value_of


def assert_gradient(f, x, rng, gradient=None, cut=False, **options):
    """The gradient of f is right, and, unless `cut`, changed by no stop-gradient.

    An example that no oracle decides is set aside.
    """
    check = check_gradient(f, x, gradient, seed=rng.integers(2**32), **options)
    if not check.conclusive:
        assume(False)
    assert check
    assert cut or not check.notes


def largest(gradient):
    return max(np.max(np.abs(g)) for g in gradient.values())


def difference(first, second):
    """The largest entry of first - second, over all parameters."""
    return max(np.max(np.abs(first[name] - second[name])) for name in first)


@contextmanager
def observed():
    """The list that fills with (name, value, arguments) of every top-k and tanh."""
    calls = []

    def spy(stack, module, name):
        real = getattr(module, name)

        def wrapped(x, *args):
            calls.append((name, value_of(x), args))
            return real(x, *args)

        stack.enter_context(patch.object(module, name, wrapped))

    with ExitStack() as stack:
        for module, name in (
            (forms, "tanh"),
            (model, "tanh"),
            (attention, "topk_weights"),
            (model, "topk_weights"),
        ):
            spy(stack, module, name)
        yield calls


def well_conditioned(run):
    """run(), set aside where rounding alone would show.

    That is where a tanh saturates (1 - tanh² keeps few digits) or where what top-k divides by is
    small against the scores.
    """
    with observed() as calls:
        result = run()
    for name, x, args in calls:
        if name == "tanh" and np.any(np.abs(x) > 5.0):
            assume(False)
        if name == "topk_weights" and np.any(amplification(x, *args) > 1e4):
            assume(False)
    return result


def amplification(s, k, rule):
    """max|s| over what the top-k weights are decided by, which rounding must not decide.

    That is their total excess, or, where the largest tie, the distance of the next score below:
    BLAS may round equal memories by row, so that a tie of them all becomes one of some.
    """
    M = s.shape[-1]
    kept = M if M <= k else k - (rule == "sab")
    ranked = np.sort(s, axis=-1)[..., ::-1]
    lowest = min(kept, M - 1)
    total = np.sum(ranked[..., :kept] - ranked[..., lowest : lowest + 1], axis=-1)
    if M <= k:
        total = total + 1e-3
    else:
        below = np.where(ranked < ranked[..., :1], ranked, -np.inf)
        total = np.where(total == 0.0, ranked[..., 0] - np.max(below, axis=-1), total)
    return np.max(np.abs(s), axis=-1) / total
