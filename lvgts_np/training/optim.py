"""Adam and gradient clipping, each seed on its own: (S, P), P numbers per seed."""

from typing import NamedTuple

import numpy as np

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8  # Kingma and Ba 2015


class Adam(NamedTuple):
    """Moments of the gradient, (S, P) like it, and the number of steps taken."""

    m: np.ndarray
    v: np.ndarray
    step: int


def flatten(tree, like):
    """Arrays (S, ...) of a dict side by side, (S, P), in the order of the names of `like`."""
    return np.concatenate([tree[name].reshape(len(tree[name]), -1) for name in like], axis=-1)


def unflatten(x, like):
    """Inverse of `flatten`: views of x (S, P) as a dict of arrays shaped as those of `like`."""
    tree, end = {}, 0
    for name, array in like.items():
        start, end = end, end + array[0].size
        tree[name] = x[:, start:end].reshape(array.shape)
    return tree


def adam_init(x):
    """Initial state of Adam for x (S, P)."""
    return Adam(np.zeros_like(x), np.zeros_like(x), 0)


def adam_step(x, g, state, lr, beta_2=BETA_2):
    """Adam step down the gradient g of x. [Kingma and Ba 2015, Alg. 1]

    m ← β₁ m + (1-β₁) g,  v ← β₂ v + (1-β₂) g²,
    x ← x - lr · m / (1-β₁ᵗ) / (√(v / (1-β₂ᵗ)) + ε)

    Returns new x and a new state; the old ones stay as they are.
    """
    t = state.step + 1
    m = BETA_1 * state.m + (1 - BETA_1) * g
    v = beta_2 * state.v + (1 - beta_2) * g * g
    x = x - lr * (m / (1 - BETA_1**t)) / (np.sqrt(v / (1 - beta_2**t)) + EPSILON)
    return x, Adam(m, v, t)


def global_norm(g):
    """Global norm ‖g‖ over all parameters of each seed, (S,)."""
    return np.sqrt(np.vecdot(g, g))


def clip_norm(g, max_norm):
    """Gradient scaled, seed by seed, to a global norm of at most max_norm.

    g ← g · min(1, max_norm / ‖g‖)
    """
    return g * np.minimum(1.0, max_norm / np.maximum(global_norm(g), 1e-30))[:, None]
