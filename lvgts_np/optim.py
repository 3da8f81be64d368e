"""Adam and the clip of a gradient's norm, each seed on its own."""

from typing import NamedTuple

import numpy as np

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8  # Kingma and Ba 2015


class Adam(NamedTuple):
    """Moments of the gradient, shaped like the parameters, and the number of steps taken."""

    m: dict
    v: dict
    step: int


def adam_init(params):
    """Adam's state before the first step."""
    zeros = {name: np.zeros_like(x) for name, x in params.items()}
    return Adam(zeros, zeros, 0)


def adam_step(params, gradient, state, lr):
    """One step down the gradient. [Kingma and Ba 2015, Alg. 1]

    m ← β₁ m + (1-β₁) g,  v ← β₂ v + (1-β₂) g²,
    x ← x - lr · m / (1-β₁ᵗ) / (√(v / (1-β₂ᵗ)) + ε)

    Returns new parameters and a new state; the old ones stay as they are.
    """
    t = state.step + 1
    m = {n: BETA_1 * state.m[n] + (1 - BETA_1) * g for n, g in gradient.items()}
    v = {n: BETA_2 * state.v[n] + (1 - BETA_2) * g * g for n, g in gradient.items()}
    params = {
        n: x - lr * (m[n] / (1 - BETA_1**t)) / (np.sqrt(v[n] / (1 - BETA_2**t)) + EPSILON)
        for n, x in params.items()
    }
    return params, Adam(m, v, t)


def global_norm(gradient):
    """‖g‖ over all parameters of each seed, (S,)."""
    squares = [np.sum(np.square(g.reshape(len(g), -1)), axis=-1) for g in gradient.values()]
    return np.sqrt(sum(squares))


def clip_norm(gradient, most):
    """The gradient scaled, seed by seed, to a global norm of at most `most`.

    g ← g · min(1, most / ‖g‖)
    """
    scale = np.minimum(1.0, most / np.maximum(global_norm(gradient), 1e-30))
    return {n: g * scale.reshape((-1,) + (1,) * (g.ndim - 1)) for n, g in gradient.items()}
