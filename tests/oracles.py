"""The numerical derivatives that reverse mode is held against."""

from contextlib import ExitStack, contextmanager
from unittest.mock import patch

import autograd.numpy as np
import numpy as onp
from hypothesis import assume

from lvgts_np.paper import attention, imagine, losses, model, nets
from lvgts_np.paper.autodiff import detach, value_and_grad, value_of

COMPLEX_STEP, CENTRAL_STEP = 1e-20, 1e-5


def moved(x, direction, step):
    """x + step · direction, for dicts of arrays."""
    return {name: x[name] + step * direction[name] for name in x}


def largest(gradient):
    return max(onp.max(onp.abs(g)) for g in gradient.values())


def difference(first, second):
    """The largest entry of first - second, over all parameters."""
    return max(onp.max(onp.abs(first[name] - second[name])) for name in first)


def complex_step(f, x, direction):
    """Directional derivative Im f(x + i h v) / h, exact to rounding."""
    return onp.imag(f(moved(x, direction, 1j * COMPLEX_STEP))) / COMPLEX_STEP


@contextmanager
def observed():
    """The list that fills with (name, value, arguments) of every ReLU, clip, top-k and tanh."""
    calls = []

    def spy(stack, module, name):
        real = getattr(module, name)

        def wrapped(x, *args):
            calls.append((name, value_of(x), args))
            return real(x, *args)

        stack.enter_context(patch.object(module, name, wrapped))

    with ExitStack() as stack:
        spies = ((nets, "relu"), (nets, "clip"), (model, "clip"), (model, "tanh"))
        for module, name in (*spies, (attention, "topk_weights"), (model, "topk_weights")):
            spy(stack, module, name)
        yield calls


BRANCHES = {
    "relu": lambda x: x > 0,
    "clip": lambda x, low, high: (x > low) * 1 + (x < high) * 2,
    "topk_weights": lambda s, k, rule: onp.argsort(s, axis=-1),
    "tanh": lambda x: onp.zeros(0),
}


def well_conditioned(run):
    """run(), set aside where rounding alone would show.

    That is where a tanh saturates (1 - tanh² keeps few digits) or where what top-k divides by is
    small against the scores.
    """
    with observed() as calls:
        result = run()
    for name, x, args in calls:
        if name == "tanh" and onp.any(onp.abs(x) > 5.0):
            assume(False)
        if name == "topk_weights" and onp.any(amplification(x, *args) > 1e4):
            assume(False)
    return result


def amplification(s, k, rule):
    """max|s| over what the top-k weights are decided by, which rounding must not decide.

    That is their total excess, or, where the largest tie, the distance of the next score below:
    BLAS may round equal memories by row, so that a tie of them all becomes one of some.
    """
    M = s.shape[-1]
    kept = M if M <= k else k - (rule == "sab")
    ranked = onp.sort(s, axis=-1)[..., ::-1]
    lowest = min(kept, M - 1)
    total = onp.sum(ranked[..., :kept] - ranked[..., lowest : lowest + 1], axis=-1)
    if M <= k:
        total = total + 1e-3
    else:
        below = onp.where(ranked < ranked[..., :1], ranked, -onp.inf)
        total = onp.where(total == 0.0, ranked[..., 0] - onp.max(below, axis=-1), total)
    return onp.max(onp.abs(s), axis=-1) / total


def central_difference(f, x, direction):
    """(f(x + e v) - f(x - e v)) / 2e; an example whose sides take other branches is set aside."""
    sides, taken = [], []
    for step in (CENTRAL_STEP, -CENTRAL_STEP):
        with observed() as calls:
            sides.append(f(moved(x, direction, step)))
        taken.append([BRANCHES[name](value, *args).tobytes() for name, value, args in calls])
    if taken[0] != taken[1]:
        assume(False)
    return (sides[0] - sides[1]) / (2 * CENTRAL_STEP)


def frozen(f, x):
    """The program f with every StopGradient replaced by the constant that it returned at x."""
    constants = []

    def record(value):
        constants.append(detach(value))
        return constants[-1]

    with stop_gradient(record):
        f(x)

    def program(x):
        rest = iter(constants)
        with stop_gradient(lambda _: next(rest)):
            return f(x)

    return program


@contextmanager
def stop_gradient(replacement):
    """`detach` where it is a StopGradient of the paper, replaced inside the block."""
    with ExitStack() as stack:
        for module in (model, losses, imagine):
            stack.enter_context(patch.object(module, "detach", replacement))
        yield


def check_gradient(f, x, rng, least=0.0, differences=True):
    """Reverse mode of f against the complex step and, frozen, against central differences.

    f maps a dict of arrays to an array. `least` is added to the sum of absolute terms where f is
    known to cancel inside; differences=False where f has no derivative (ties).
    """
    y = well_conditioned(lambda: f(x))
    c = rng.standard_normal(y.shape)
    direction = {name: rng.standard_normal(value.shape) for name, value in x.items()}
    length = onp.sqrt(sum(onp.sum(v * v) for v in direction.values()))
    direction = {name: v / length for name, v in direction.items()}
    _, gradient = value_and_grad(lambda x: np.sum(c * f(x)))(x)
    terms = onp.concatenate([(gradient[name] * direction[name]).ravel() for name in x])
    slope, size = onp.sum(terms), onp.sum(onp.abs(terms)) + least
    assert abs(onp.sum(c * complex_step(f, x, direction)) - slope) <= 1e-11 * size
    if differences:
        difference = onp.sum(c * central_difference(frozen(f, x), x, direction))
        assert abs(difference - slope) <= 1e-6 * size + 1e-9 * onp.sum(onp.abs(c * y))
