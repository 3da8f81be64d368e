"""What a unit is, and what its problems are made with. Values are (S, B, n), time within n."""

from typing import NamedTuple

import autograd.numpy as np
import numpy as onp
from draws import random_episode, random_model

from lvgts_np.paper import autodiff, nets

ALPHAS = (20.0, 1.0, 0.5)
UNITS = {}


class Problem(NamedTuple):
    """One formula at random numbers; where x is empty only values are compared."""

    x: dict  # arrays to differentiate with respect to
    text: object  # x -> value, in autograd.numpy
    hand: object = None  # x, c -> value, gradient of Σ c · value; None for what it does not give
    naive: object = None  # the module naive, x (that may be complex) -> value


def unit(problem):
    """Decorator of a function Case -> Problem, whose docstring names the formula."""
    UNITS[problem.__name__] = problem
    return problem


def joined(*outputs):
    """Outputs (S, B, .), or lists of them over time, side by side."""
    return np.concatenate(
        [y for out in outputs for y in (out if isinstance(out, list) else [out])], axis=-1
    )


def by_episode(x):
    """Buffer (S, T, B, F) as (S, B, T·F)."""
    return x.swapaxes(1, 2).reshape(x.shape[0], x.shape[2], -1)


def by_time(c, F):
    """Buffer (S, T, B, F), new, of c (S, B, T·F)."""
    return c.reshape(*c.shape[:2], -1, F).swapaxes(1, 2).copy()


def scalars(n, f, params, *arrays):
    """f(p, x[s, b], ...) for every seed and episode: nested lists of numbers, as (S, B, n).

    p holds the parameters of seed s; arrays over time have it in front and are lists or arrays.
    """
    arrays = [x if x.ndim == 3 else onp.moveaxis(x, 0, 2) for x in map(onp.asarray, arrays)]
    S, B = arrays[0].shape[:2]
    p = [n.seed_of(params, s) for s in range(S)]
    return onp.array(
        [[flat(f(p[s], *(x[s, b].tolist() for x in arrays))) for b in range(B)] for s in range(S)]
    )


def flat(nested):
    """Numbers of nested lists, in order."""
    if not isinstance(nested, (list, tuple)):
        return [nested]
    return [number for x in nested for number in flat(x)]


def stream(case, n):
    """Random numbers that are not those of the parameters, nor of another n."""
    return onp.random.default_rng([case.seed, n])


def models(case):
    """Random phi and theta."""
    return random_model(case, case.rng)


def episode(case):
    """Random o, a, u, r (T, S, B, .)."""
    return random_episode(case, stream(case, 1))


def drawn(case, *widths, ties=False):
    """Random arrays (S, B, width); half of the problems with ties, if asked for, have many."""
    rng = stream(case, 2)
    arrays = [rng.standard_normal((case.S, case.B, width)) for width in widths]
    return [onp.round(x) if ties and case.seed % 2 else x for x in arrays]


def ones(x):
    """x (..., F) and the 1 behind it, whose weight is the bias."""
    return onp.concatenate((x, onp.ones(x.shape[:-1] + (1,))), axis=-1)


def part(params, *names):
    """Parameters of the networks of these names."""
    return {name: x for name, x in params.items() if name.startswith(names)}


def nudged(params, name, **nudges):
    """Parameters of MLP `name` with biases that differ by episode; b1 (S, B, hidden), b2."""
    return {**params, **{f"{name}.{b}": params[f"{name}.{b}"] + z for b, z in nudges.items()}}


def units_of(case):
    """Activation of r."""
    return {"huberized": nets.huberized_relu, "relu": nets.relu}[case.reward_units]


def hidden(params, name, x, activation=nets.relu):
    """Hidden layer of MLP `name`."""
    return activation(np.matmul(x, params[name + ".W1"]) + params[name + ".b1"])


def slope(f, **x):
    """Derivative of the sum of f(x) with respect to x."""
    return autodiff.value_and_grad(lambda x: np.sum(f(**x)))(x)[1]
