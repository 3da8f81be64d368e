"""MLP and memory read, forward and backward. [Alg. 2]"""

from typing import NamedTuple

import numpy as np

from lvgts_np.paper.constants import MARGIN, SAB_EPS

SHORT = 12  # memories that are sorted faster than searched


class MLP(NamedTuple):
    """Weights of an MLP. Its inputs end in a 1, so that b1 is one more row of W1."""

    W1: np.ndarray  # (S, d_in + 1, hidden)
    W2: np.ndarray  # (S, hidden, d_out)
    b2: np.ndarray  # (S, 1, d_out)
    huberized: bool  # whether its ReLU is huberized, as that of r may be (M12)


def networks(params, *names, reward_units="huberized"):
    """MLPs of the flat dict `params`, those that it has; ValueError for unknown units of r."""
    if reward_units not in ("huberized", "relu"):
        raise ValueError(f"unknown reward_units {reward_units!r}")
    nets = {}
    for name in (name for name in names if name + ".W1" in params):
        W1, b1, W2, b2 = (params[f"{name}.{part}"] for part in ("W1", "b1", "W2", "b2"))
        huberized = name == "r" and reward_units == "huberized"
        nets[name] = MLP(np.concatenate((W1, b1), axis=-2), W2, b2, huberized)
    return nets


def of_latents(transition):
    """Whether f predicts latents, not queries; ValueError for an unknown transition. (M9)"""
    if transition not in ("query", "latent"):
        raise ValueError(f"unknown transition {transition!r}")
    return transition == "latent"


def mlp(net, x, hidden, zeros, out=None):
    """MLP(x), its hidden layer v left in `hidden`; x ends in a 1, zeros are (B, hidden). [Alg. 2]

    y = v W2 + b2,   v = relu(x W1)        huberized: v = s (relu(x W1) - s/2), s = min(relu, 1)
    """
    np.matmul(x, net.W1, out=hidden)
    np.maximum(hidden, zeros, out=hidden)  # five times as fast as against the number 0
    if net.huberized:
        slope = np.clip(hidden, 0.0, 1.0)  # a third of the time of a minimum
        hidden -= 0.5 * slope
        hidden *= slope
    y = np.matmul(hidden, net.W2, out=out)
    y += net.b2
    return y


def mlp_adjoint(net, hidden, lambda_y, out=None):
    """Adjoint of the hidden pre-activation; λ_x = λ_v W1ᵀ is left to the caller. [Alg. 2]

    λ_v = (λ_y W2ᵀ) · [v > 0]        huberized: (λ_y W2ᵀ) · √min(2 v, 1), as v = s²/2 where s < 1
    """
    product = np.multiply if lambda_y.shape[-1] == 1 else np.matmul
    lambda_v = product(lambda_y, net.W2.mT, out=out)  # y = v W2 + b2
    if net.huberized:  # v = s (relu(x W1) - s/2)
        slope = 2.0 * hidden
        np.sqrt(np.clip(slope, 0.0, 1.0, out=slope), out=slope)
    else:  # v = relu(x W1)
        slope = hidden > 0.0
    lambda_v *= slope
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
    lambda_q = np.matmul(lambda_v, net.W1[:, :H].mT)
    lambda_q += lambda_z
    return lambda_q, np.matmul(lambda_v, net.W1[:, H:-1].mT)


class Read(NamedTuple):
    """Memory read at one step: only the K = min(M, k+1) best have weight or gradient."""

    key_query: np.ndarray  # (S, B, H)
    indices: np.ndarray  # (K, S, B), of these in the buffer of latents, see `flat_indices`
    h_i: np.ndarray  # (K, S, B, H), the latents there, the lowest score first
    w: np.ndarray  # (K, S, B)
    survives: np.ndarray  # (K, S, B)
    total: np.ndarray  # (S, B), the normaliser of the weights
    threshold: int  # the one of the K whose score is the threshold
    tied: np.ndarray  # (S, B, M), weights of the episodes whose maxima tie, or None


def read(key_query, h, keys, t, k, rule):
    """Memory read h_m at step t, and its Read. [Alg. 2]

    s_i = h_iᵀ key_query,   w = relu(s - s_(k+1)) / Σ_i relu(s_i - s_(k+1)),   h_m = Σ_i w_i h_i

    key_query = qᵀ W / √H (S, B, H); h (S, T, B, H) is known for i < t, and once more as keys
    (S, B, H, T), which scores a long past six times as fast; k, rule of `topk_weights`.
    """
    S, T, B, H = h.shape
    s = np.matmul(key_query[..., None, :], keys[..., :t])[..., 0, :]
    best, top = largest(s, min(t, k + 1))
    excess, threshold = excesses(top, t, k, rule)
    total, tied = excess.sum(axis=0), None
    if not total.all():
        tied = uniform(s, total == 0.0)
        total[total == 0.0] = 1.0
    at, w = flat_indices(best, h.shape), excess / total
    h_i = h.reshape(-1, H).take(at, axis=0)
    h_m = np.einsum("ksb,ksbh->sbh", w, h_i)
    if tied is not None:
        h_m += np.einsum("sbi,sibh->sbh", tied, h[:, :t])
    return h_m, Read(key_query, at, h_i, w, excess > 0.0, total, threshold, tied)


def largest(s, K):
    """Indices and values (K, S, B) of the K largest of s (S, B, M), the lowest of them first.

    They are s_(K), ..., s_(1), of equals the earlier before. K passes for a maximum take a tenth
    of the time that a sort of a long past takes; a short one is sorted.
    """
    S, B, M = s.shape
    first = np.arange(0, S * B * M, M).reshape(S, B)
    if M <= SHORT:
        order = np.argsort(-s, axis=-1, kind="stable")
        best = np.ascontiguousarray(order.transpose(2, 0, 1)[K - M - 1 :: -1])
        return best, s.take(first + best)
    best, top = np.empty((K, S, B), np.intp), np.empty((K, S, B), s.dtype)
    for n in reversed(range(K)):
        s.argmax(axis=-1, out=best[n])
        top[n] = s.take(first + best[n])
        s.put(first + best[n], -np.inf)
    s.put(first + best, top)
    return best, top


def excesses(top, M, k, rule):
    """Excesses relu(s - s_(k+1)) of the best scores (K, S, B), and where s_(k+1) is. [Alg. 2]"""
    if rule not in ("paper", "sab"):
        raise ValueError(f"unknown topk_rule {rule!r}")
    if M <= k:
        return top - top[0] + MARGIN, 0
    if rule == "paper":
        return np.maximum(top - top[0], 0.0), 0
    return np.maximum(top - (top[1] + SAB_EPS), 0.0), 1


def uniform(s, none):
    """Weights (S, B, M): 1/n on each of n tied largest scores where `none` exceeds, else 0. (M5)"""
    tied = ((s == s.max(axis=-1, keepdims=True)) & none[..., None]).astype(s.dtype)
    return tied / np.maximum(tied.sum(axis=-1, keepdims=True), 1.0)


def read_adjoint(step, lambda_h_m, lambda_h):
    """Adjoints of the latents read, added to lambda_h (in/out); that of key_query. [Alg. 2]

    λ_w[i] = h_iᵀ λ_h_m,   λ_s[i] = [w_i > 0] (λ_w[i] - Σ_j w_j λ_w[j]) / Σ_j relu(s_j - s_(k+1)),
    λ_s(k+1) = -Σ_i λ_s[i],   λ_h[i] += w_i λ_h_m + λ_s[i] key_query,   λ_key_query = Σ_i λ_s[i] h_i
    """
    lambda_w = np.einsum("ksbh,sbh->ksb", step.h_i, lambda_h_m)  # h_m = Σ_i w_i h_i
    lambda_s = lambda_w - (step.w * lambda_w).sum(axis=0)  # w = excess / total
    lambda_s *= step.survives  # excess = relu(s - threshold)
    lambda_s /= step.total
    lambda_s[step.threshold] -= lambda_s.sum(axis=0)
    lambda_i = lambda_s[..., None] * step.key_query  # s_i = h_iᵀ key_query
    lambda_i += step.w[..., None] * lambda_h_m  # the temporal shortcut: h_m = Σ_i w_i h_i
    add_at(lambda_h, step.indices, lambda_i)
    if step.tied is not None:
        M = step.tied.shape[-1]
        lambda_h[:, :M] += np.einsum("sbi,sbh->sibh", step.tied, lambda_h_m)
    return np.einsum("ksb,ksbh->sbh", lambda_s, step.h_i)  # s_i = h_iᵀ key_query


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
