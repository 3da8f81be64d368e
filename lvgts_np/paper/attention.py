"""Sparse attention over the past latents. [Alg. 2]"""

import autograd.numpy as np
import numpy as onp

from lvgts_np.paper.autodiff import value_of
from lvgts_np.paper.constants import MARGIN, SAB_EPS


def topk_weights(s, k, rule="paper"):
    """Top-k sparse attention weights from scores. [Alg. 2]

    w = relu(s - s_(k+1)) / Σ_i relu(s_i - s_(k+1)),   s_(j) the j-th largest score

    s (..., M), returns w (..., M): non-negative, summing to 1, min(k, M) of them non-zero where
    no scores tie. rule "sab" has s_(k) + 1e-7 for s_(k+1) and keeps one entry fewer. ValueError
    for any other rule.
    """
    if rule not in ("paper", "sab"):
        raise ValueError(f"unknown topk_rule {rule!r}")
    M = s.shape[-1]
    value = value_of(s)
    order = onp.argsort(-value, axis=-1, kind="stable")  # s_(1), s_(2), ...: the earlier of equals
    if M <= k:
        # DEVIATION: the paper's formula is 0/0 here; the lowest keeps a margin. (M5)
        excess = s - pick(s, order[..., -1:]) + MARGIN
        return excess / np.sum(excess, axis=-1, keepdims=True)
    if rule == "paper":
        threshold = pick(s, order[..., k : k + 1])
    else:
        # DEVIATION: the Sparse Attentive Backtracking code; Algorithm 2 has the line above. (M4)
        threshold = pick(s, order[..., k - 1 : k]) + SAB_EPS
    survives = value > value_of(threshold)
    # DEVIATION: the paper's formula is 0/0 where nothing exceeds the threshold (the k+1 largest
    # tie); the weight is then uniform over the largest. (M5)
    largest = pick(value, order[..., :1])
    tied = (value == largest) & (largest <= value_of(threshold))
    excess = (s - threshold) * survives + tied
    # DEVIATION: Algorithm 2 returns the excess, Algorithm 1 sums with it; both normalised. (M16)
    return excess / np.sum(excess, axis=-1, keepdims=True)


def pick(s, index):
    """Entry of s (..., M) at index (..., 1), as (..., 1), differentiable."""
    return np.sum(s * (onp.arange(s.shape[-1]) == index), axis=-1, keepdims=True)


def scores(q, W, memory):
    """Dot-product scores of the query against each remembered latent. [Alg. 2, Eq. 3]

    s_i = qᵀ (W h_i) / √H = (q W)ᵀ h_i / √H

    The key matrix is applied to the one query instead of the M memories, which is the same number.
    q (S, B, H), W (S, H, H) acting as key = h Wᵀ, memory (S, B, M, H); returns (S, B, M).
    """
    # DEVIATION: Algorithm 2 attends raw inputs; Eq. 3 attends latents, and so do we. (M1)
    # DEVIATION: nor has it a √H. (M17)
    key_query = np.matmul(q, W) / float(onp.sqrt(q.shape[-1]))
    return np.matmul(memory, key_query[..., None])[..., 0]  # (S, B, M)


def read(w, memory):
    """Memory read h_m. [Alg. 1, Alg. 2]

    h_m = Σ_i w_i h_i

    w (S, B, M), memory (S, B, M, H); returns (S, B, H).
    """
    return np.matmul(w[..., None, :], memory)[..., 0, :]


def read_nothing(w, memory):
    """Memory read of LM-SVG's transition, which has no such argument: h_m := 0. [§3.1]"""
    # DEVIATION: §3.1's f takes one argument fewer; with zeros it is the same function, and
    # both algorithms share shapes and initial weights, seed by seed. (M13)
    return onp.zeros(memory.shape[:-2] + memory.shape[-1:], dtype=value_of(memory).dtype)


def append(memory, h):
    """Memory (S, B, M, H), or None when empty, with h (S, B, H) appended. [Alg. 1, line 22]"""
    entry = h[..., None, :]
    return entry if memory is None else np.concatenate((memory, entry), axis=-2)
