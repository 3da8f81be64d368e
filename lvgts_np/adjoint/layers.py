"""MLP and latent, forward and backward; buffers and their indices. [Eq. 3, Alg. 2]"""

from typing import NamedTuple

import numpy as np

TALL = 384  # rows of a matmul, up to which OpenBLAS takes its fastest way


class MLP(NamedTuple):
    """Weights of an MLP. Its inputs end in a 1, so that b1 is one more row of W1."""

    W1: np.ndarray  # (S, d_in + 1, hidden)
    W2: np.ndarray  # (S, hidden, d_out)
    b2: np.ndarray  # (S, 1, d_out)
    W1T: np.ndarray  # W1ᵀ and W2ᵀ, contiguous: half the time of a matmul
    W2T: np.ndarray
    huberized: bool  # whether its ReLU is huberized, as that of r may be (M12)


def networks(params, *names, reward_units="huberized"):
    """MLPs of the flat dict `params`, those that it has; ValueError for unknown units of r."""
    if reward_units not in ("huberized", "relu"):
        raise ValueError(f"unknown reward_units {reward_units!r}")
    nets = {}
    for name in (name for name in names if name + ".W1" in params):
        W1, b1, W2, b2 = (params[f"{name}.{part}"] for part in ("W1", "b1", "W2", "b2"))
        huberized = name == "r" and reward_units == "huberized"
        W1 = np.concatenate((W1, b1), axis=-2)
        nets[name] = MLP(W1, W2, b2, *map(np.ascontiguousarray, (W1.mT, W2.mT)), huberized)
    return nets


def of_latents(transition):
    """Whether f predicts latents, not queries; ValueError for an unknown transition. (M9)"""
    if transition not in ("query", "latent"):
        raise ValueError(f"unknown transition {transition!r}")
    return transition == "latent"


def mlp(net, x, hidden, zeros, out=None, slope=None):
    """MLP(x), its hidden layer v left in `hidden`; x ends in a 1, zeros are (B, hidden). [Alg. 2]

    y = v W2 + b2,   v = relu(x W1)        huberized: v = s (x W1 - s/2), s = clip(x W1, 0, 1)

    A huberized net leaves s in `slope`.
    """
    hidden_layer(net, x, hidden, zeros, slope)
    y = np.matmul(hidden, net.W2, out=out)
    y += net.b2
    return y


def values(net, *x):
    """MLP(x) of the parts x of an input, the last of them ends in a 1; none of it kept."""
    x = np.concatenate(x, axis=-1)
    hidden = np.empty((*x.shape[:2], net.W2.shape[1]), x.dtype)
    return mlp(net, x, hidden, np.zeros(hidden.shape[1:], x.dtype))


def hidden_layer(net, x, hidden, zeros, slope=None):
    """The hidden layer v of `mlp`, left in `hidden`."""
    np.matmul(x, net.W1, out=hidden)
    if net.huberized:
        np.clip(hidden, 0.0, 1.0, out=slope)
        hidden -= 0.5 * slope
        hidden *= slope
    else:
        np.maximum(hidden, zeros, out=hidden)  # five times as fast as against the number 0


def mlp_adjoint(net, hidden, lambda_y, out=None, slope=None):
    """Adjoint of the hidden pre-activation; λ_x = λ_v W1ᵀ is left to the caller. [Alg. 2]

    λ_v = (λ_y W2ᵀ) · [v > 0]        huberized: (λ_y W2ᵀ) · s
    """
    product = np.multiply if lambda_y.shape[-1] == 1 else np.matmul
    lambda_v = product(lambda_y, net.W2T, out=out)  # y = v W2 + b2
    lambda_v *= slope if net.huberized else hidden > 0.0  # v = relu(x W1)
    return lambda_v


def mlp_gradient(name, x, hidden, lambda_v, lambda_y):
    """Gradient of an MLP's parameters, over all steps and episodes at once. [Alg. 2]

    λ_W1 = xᵀ λ_v (its last row is λ_b1),   λ_W2 = vᵀ λ_y,   λ_b2 = 1ᵀ λ_y
    """
    lambda_W1 = np.matmul(x.mT, lambda_v)
    return {
        name + ".W1": lambda_W1[:, :-1],
        name + ".b1": lambda_W1[:, -1:],
        name + ".W2": np.matmul(hidden.mT, lambda_y),
        name + ".b2": np.matmul(x[..., -1:].mT, lambda_y),
    }


def latent(net, x_c, hidden, zeros, h, rho=None):
    """Latent h of a query and its memory read. [Eq. 3, Alg. 2]

    h = tanh(q + MLP(q, h_m) + ρ)

    h (S, B, H) is (out), x_c is (q, h_m, 1) (S, B, 2H + 1). Without a net MLP(q, h_m) is h_m,
    without a rho ρ is 0.
    """
    H = h.shape[-1]
    c = x_c[..., H:-1] if net is None else mlp(net, x_c, hidden, zeros, h)
    np.add(x_c[..., :H], c, out=h)
    if rho is not None:
        h += rho
    np.tanh(h, out=h)


def latent_adjoint(net, h, hidden, lambda_h, lambda_z, lambda_v):
    """Adjoints of q and h_m; those of the two pre-activations in lambda_z, lambda_v. [Eq. 3]

    λ_z = λ_h (1 - h²),   (λ_q, λ_h_m) = (λ_z, 0) + λ_z ∂MLP/∂(q, h_m)
    """
    H = h.shape[-1]
    np.multiply(h, h, out=lambda_z)
    np.subtract(1.0, lambda_z, out=lambda_z)
    lambda_z *= lambda_h  # h = tanh(z)
    if net is None:  # z = q + h_m + ρ
        return lambda_z, lambda_z
    mlp_adjoint(net, hidden, lambda_z, lambda_v)  # z = q + MLP(q, h_m) + ρ
    lambda_x = np.matmul(lambda_v, net.W1T[..., :-1])
    lambda_x[..., :H] += lambda_z
    return lambda_x[..., :H], lambda_x[..., H:]


def flat_indices(i, shape):
    """Indices of the steps i (K, S, B) in a buffer (S, T, B, F) viewed as (S·T·B, F)."""
    S, T, B, _ = shape
    return (np.arange(0, S * T, T)[:, None] + i) * B + np.arange(B)


def add_at(buffer, indices, x):
    """In-place buffer[indices] += x, no index twice; x (..., F) is overwritten."""
    x += buffer.reshape(-1, buffer.shape[-1]).take(indices, axis=0)
    np.put(as_items(buffer), indices, as_items(x))


def as_items(x):
    """View of x (..., H) as (...) items of H numbers, which `put` moves three times as fast."""
    return x.view(np.dtype((np.void, x.shape[-1] * x.itemsize)))[..., 0]


def flatten_time(x):
    """Buffer (S, T, B, F) as one batch (S, T·B, F): what has no recurrence needs no loop."""
    return x.reshape(x.shape[0], -1, x.shape[-1])


def parts(T, B):
    """Steps 0..T-1 in slices, of some TALL rows of B episodes each."""
    size = max(1, TALL // B)
    return [slice(first, min(first + size, T)) for first in range(0, T, size)]


def summed(gradients):
    """Sum of gradients, dicts of the same names."""
    first, *others = gradients
    for g in others:
        for name, x in g.items():
            first[name] += x
    return first


class Buffers:
    """Arrays kept from call to call, by name: fresh memory costs as much as the work done in it.

    Their contents are whatever the last call left. One for each thread; nothing returned by a
    public function lies in one.
    """

    def __init__(self):
        self.arrays = {}

    def __call__(self, name, shape, dtype, make=np.empty):
        key = name, *shape, dtype
        if key not in self.arrays:
            self.arrays[key] = make(shape, dtype)
        return self.arrays[key]
