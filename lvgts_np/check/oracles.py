"""Derivatives along a direction that share no rule with reverse mode, nor with each other.

All take a function of a dict of arrays, and a direction v: a dict of arrays like some of them.
"""

import warnings
from typing import NamedTuple
from unittest.mock import patch

import numpy as np

from lvgts_np.paper import autodiff

COMPLEX_STEP = 1e-20
EPS = float(np.finfo(float).eps)


def moved(x, v, step):
    """x + step · v; what v does not name stays."""
    return x | {name: x[name] + step * v[name] for name in v}


def complex_step(f, x, v):
    """Derivative Im f(x + i h v) / h, h = 1e-20, of any shape: no difference, so exact to rounding.

    Exact through `detach` too, which drops the imaginary part. f must be analytic where x is: abs,
    norm and sign lose the imaginary part without a word, others raise TypeError.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error", np.exceptions.ComplexWarning)
        return np.imag(f(moved(x, v, 1j * COMPLEX_STEP))) / COMPLEX_STEP


class Difference(NamedTuple):
    """Derivative by differences, a bound on its error, and the jump of the derivative at x."""

    slope: float
    error: float
    kink: float


def differences(f, x, v, scales=(1.0,), rounding=EPS, size=0.0):
    """Central differences of scalar f, extrapolated to h = 0 (Richardson), as a Difference.

    D(h) = (f(x + h v) - f(x - h v)) / 2h at h, h/2, h/4, whose errors of order h² and h⁴ cancel.
    The error is what the last extrapolation changes, plus the rounding of f, plus half the kink,
    lim (f(x + h v) - 2 f(x) + f(x - h v)) / h, which D cannot see: relu at 0 has D = 1/2.

    h is 1e-3, 1e-5, 1e-7 of each of scales (lengths over which f may change), until the error is
    below 1e-9 of `size`; the best is returned. rounding is that of f(x).
    """
    best, y = Difference(np.nan, np.inf, 0.0), float(f(x))
    for h in (step * scale for scale in scales for step in (1e-3, 1e-5, 1e-7)):
        pairs = [
            (s, float(f(moved(x, v, s))), float(f(moved(x, v, -s)))) for s in (h, h / 2, h / 4)
        ]
        D = [(up - down) / (2 * s) for s, up, down in pairs]
        bend = [(up - 2 * y + down) / s for s, up, down in pairs]
        first, second = (4 * D[1] - D[0]) / 3, (4 * D[2] - D[1]) / 3
        kink = 2 * bend[2] - bend[1]
        error = abs(second - first) + abs(kink) / 2 + 4 * rounding / (h / 4)
        if error < best.error:
            best = Difference((16 * second - first) / 15, error, kink)
        if best.error <= 1e-9 * size or not (any(D) or any(bend)):
            break
    return best


def detached_by(replacement):
    """A context in which `detach` returns replacement(array) for each array, wherever it is called.

    `detach` reads its arrays with the name `value_of` of its own module, which no other function
    does: the name is replaced there, and every alias of `detach` follows.
    """
    return patch.object(autodiff, "value_of", replacement)


def frozen(f, x):
    """The program f with every stop-gradient replaced by the constant that it returned at x.

    Its derivative is the one of f with the stop-gradients in place, and differences apply to it.
    Where f stops other gradients than it did at x, it returns NaN. frozen(f, x).constants lists
    what was stopped.
    """
    constants = []

    def record(value):
        constants.append(value_of(value))
        return constants[-1]

    value_of = autodiff.value_of
    with detached_by(record):
        f(x)

    def program(x):
        rest = iter(constants)
        with detached_by(lambda _: next(rest, np.nan)):
            return f(x)

    program.constants = constants
    return program
