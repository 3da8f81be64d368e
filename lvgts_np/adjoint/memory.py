"""Memory of the encoder: latents appended and read, forward and backward. [Alg. 2]

    s_i = h_iᵀ key_query,   w = relu(s - s_(k+1)) / Σ_i relu(s_i - s_(k+1)),   h_m = Σ_i w_i h_i

A short episode weighs all its latents, in arrays whose long axis are the episodes; a long one keeps
of each read only the k+1 best, as nothing else has weight or gradient.
"""

from collections.abc import Sequence

import numpy as np

from lvgts_np.adjoint.layers import add_at, flat_indices
from lvgts_np.paper.constants import MARGIN, SAB_EPS

SHORT = 40  # steps, up to which all T x T weights in one array are faster


def memory(T, *args):
    """Memory of episodes of T steps; args are those of its class."""
    return (Dense if T <= SHORT else Sparse)(T, *args)


def threshold_rank(M, k, rule):
    """Rank of the score that is the threshold among M, 0 the highest; ValueError for no rule."""
    if rule not in ("paper", "sab"):
        raise ValueError(f"unknown topk_rule {rule!r}")
    return min(M - 1, k if rule == "paper" or M <= k else k - 1)


def excesses(s, threshold, M, k, rule, out=None):
    """Excesses relu(s - threshold) of scores (..., S, B) among M. [Alg. 2]"""
    if M <= k:
        return np.add(s - threshold, MARGIN, out=out)
    if rule == "sab":
        threshold = threshold + s.dtype.type(SAB_EPS)
    return np.maximum(s - threshold, 0.0, out=out)


class Dense:
    """Arrays (T, H, n) and (T, T, n) of n = S·B episodes."""

    def __init__(self, T, h, k, rule, buffers):
        S, _, B, H = h.shape
        self.shape, self.k, self.rule, self.at = (H, S, B), k, rule, [None] * T
        self.h, self.key_query, self.lambda_h_m = (
            buffers("memory " + x, (T, H, S * B), h.dtype) for x in ("h", "query", "lambda")
        )
        self.w, self.lambda_s = (
            buffers("memory " + x, (T, T, S * B), h.dtype) for x in ("w", "lambda_s")
        )
        self.total = buffers("memory total", (T, S * B), h.dtype)

    def put(self, where, t, x):
        """Write x (S, B, H) as (H, n)."""
        where[t].reshape(self.shape)[...] = x.transpose(2, 0, 1)
        return where[t]

    def rows(self, x):
        """x (H, n) as (S, B, H)."""
        return x.reshape(self.shape).transpose(1, 2, 0)

    def append(self, t, h_t):
        """Append h_t (S, B, H)."""
        self.put(self.h, t, h_t)

    def read(self, t, key_query):
        """Memory read h_m (S, B, H) at step t > 0. [Alg. 2]"""
        h, w, total = self.h[:t], self.w[t, :t], self.total[t]
        s = np.einsum("ihn,hn->in", h, self.put(self.key_query, t, key_query))
        rank = threshold_rank(t, self.k, self.rule)
        threshold = np.partition(s, t - 1 - rank, axis=0)[t - 1 - rank]
        self.at[t] = s == threshold
        if np.count_nonzero(self.at[t]) > threshold.size:  # of equals the earlier ranks first
            order = np.argsort(-s, axis=0, kind="stable")
            self.at[t] = np.arange(t)[:, None] == order[rank]
        excesses(s, threshold, t, self.k, self.rule, out=w)
        w.sum(axis=0, out=total)
        if not total.all():  # the largest tie (M5)
            none = total == 0.0
            tied = (s == s.max(axis=0))[:, none]
            w[:, none], total[none] = tied / tied.sum(axis=0), np.inf
            w[:, ~none] /= total[~none]
        else:
            w /= total
        return self.rows(np.einsum("in,ihn->hn", w, h))

    def read_adjoint(self, t, lambda_h_m):
        """Adjoint (S, B, H) of key_query. [Alg. 2]

        λ_w[i] = h_iᵀ λ_h_m,   λ_s[i] = [w_i > 0] (λ_w[i] - Σ_j w_j λ_w[j]) / Σ_j relu(s_j -
        s_(k+1)),   λ_s(k+1) = -Σ_i λ_s[i],   λ_key_query = Σ_i λ_s[i] h_i
        """
        h, w, lambda_s = self.h[:t], self.w[t, :t], self.lambda_s[t, :t]
        lambda_h_m = self.put(self.lambda_h_m, t, lambda_h_m)
        np.einsum("ihn,hn->in", h, lambda_h_m, out=lambda_s)  # λ_w; h_m = Σ_i w_i h_i
        lambda_s -= np.einsum("in,in->n", w, lambda_s)  # w = excess / total
        lambda_s *= w > 0.0  # excess = relu(s - threshold)
        lambda_s /= self.total[t]
        lambda_s -= self.at[t] * lambda_s.sum(axis=0)
        return self.rows(np.einsum("in,ihn->hn", lambda_s, h))  # s_i = h_iᵀ key_query

    def weights(self):
        """Attention of every step."""
        _, S, B = self.shape
        w = (self.w[t, :t].reshape(t, S, B).transpose(1, 2, 0) for t in range(len(self.w)))
        return attended(list(w))

    def of_reads(self, t):
        """λ_h_t (S, B, H) of the reads of all s > t: Σ_s w_s λ_h_m^s + λ_s key_query^s."""
        x = np.einsum("tn,thn->hn", self.w[t + 1 :, t], self.lambda_h_m[t + 1 :])  # the shortcut
        x += np.einsum("tn,thn->hn", self.lambda_s[t + 1 :, t], self.key_query[t + 1 :])
        return self.rows(x)


class Sparse:
    """The k+1 best of each read, (K, S, B); scores by keys (S, B, H, T), six times as fast."""

    def __init__(self, T, h, k, rule, buffers):
        S, _, B, H = h.shape
        self.h, self.k, self.rule, self.reads = h, k, rule, [None] * T
        self.keys = buffers("keys", (S, B, H, T), h.dtype)
        self.lambda_h = buffers("memory lambda_h", h.shape, h.dtype)

    def append(self, t, h_t):
        """Append h_t (S, B, H)."""
        self.keys[..., t] = h_t

    def read(self, t, key_query):
        """Memory read h_m (S, B, H) at step t > 0. [Alg. 2]"""
        s = np.matmul(key_query[..., None, :], self.keys[..., :t])[..., 0, :]
        rank = threshold_rank(t, self.k, self.rule)
        best, top = largest(s, min(t, self.k + 1))
        excess = excesses(top, top[rank], t, self.k, self.rule)
        total, tied = excess.sum(axis=0), None
        if not total.all():  # the largest tie (M5)
            tied = (s == s.max(axis=-1, keepdims=True)) & (total == 0.0)[..., None]
            tied = tied.astype(s.dtype)
            tied /= np.maximum(tied.sum(axis=-1, keepdims=True), 1.0)
            total[total == 0.0] = 1.0
        at, w = flat_indices(best, self.h.shape), excess / total
        h_m = np.einsum("ksb,ksbh->sbh", w, self.latents(at))
        if tied is not None:
            h_m += np.einsum("sbi,sibh->sbh", tied, self.h[:, :t])
        self.reads[t] = key_query, at, w, total, rank, tied
        return h_m

    def latents(self, at):
        """Latents (K, S, B, H) at flat indices."""
        return self.h.reshape(-1, self.h.shape[-1]).take(at, axis=0)

    def read_adjoint(self, t, lambda_h_m):
        """Adjoint (S, B, H) of key_query, as of `Dense`; those of the latents are kept."""
        if t + 1 == len(self.reads):  # the last step comes first
            self.lambda_h[...] = 0.0
        key_query, at, w, total, rank, tied = self.reads[t]
        h_i = self.latents(at)
        lambda_w = np.einsum("ksbh,sbh->ksb", h_i, lambda_h_m)  # h_m = Σ_i w_i h_i
        lambda_s = lambda_w - (w * lambda_w).sum(axis=0)  # w = excess / total
        lambda_s *= w > 0.0  # excess = relu(s - threshold)
        lambda_s /= total
        lambda_s[rank] -= lambda_s.sum(axis=0)
        lambda_i = lambda_s[..., None] * key_query  # s_i = h_iᵀ key_query
        lambda_i += w[..., None] * lambda_h_m  # the temporal shortcut: h_m = Σ_i w_i h_i
        add_at(self.lambda_h, at, lambda_i)
        if tied is not None:
            self.lambda_h[:, :t] += np.einsum("sbi,sbh->sibh", tied, lambda_h_m)
        return np.einsum("ksb,ksbh->sbh", lambda_s, h_i)  # s_i = h_iᵀ key_query

    def weights(self):
        """Attention of every step."""
        S, T, B, _ = self.h.shape
        best = [(np.zeros((0, S, B), self.h.dtype), np.zeros((0, S, B), np.intp))]
        for t in range(1, T):
            (_, at, w, _, _, tied), self.reads[t] = self.reads[t], None
            best.append((w[: self.k], at[: self.k]))  # behind them is the threshold, which has none
            if tied is not None:
                best[t] = sparse(dense(w, at, T, t) + tied, T)
        return Attention(best)

    def of_reads(self, t):
        """λ_h_t (S, B, H) of the reads of all s > t."""
        return self.lambda_h[:, t]


class Attention(Sequence):
    """Attention w[t] (S, B, t) of every step, kept as the few weights that are not 0.

    best[t] are these weights (K, S, B), and their flat indices in a buffer (S, T, B, .).
    """

    def __init__(self, best):
        self.best = best

    def __len__(self):
        return len(self.best)

    def __getitem__(self, t):
        if isinstance(t, slice):
            return [self[n] for n in range(len(self))[t]]
        return dense(*self.best[t], len(self), range(len(self))[t])


def attended(w):
    """Attention of a list over t of w_t (S, B, t)."""
    return w if isinstance(w, Attention) else Attention([sparse(w_t, len(w)) for w_t in w])


def sparse(w, T):
    """Non-zero weights (K, S, B) of w (S, B, t), K at most in an episode, and flat indices."""
    K = np.count_nonzero(w, axis=-1).max(initial=0)
    best = np.argsort(w, axis=-1).transpose(2, 0, 1)[w.shape[-1] - K :]
    at = flat_indices(best, (w.shape[0], T, w.shape[1], None)).astype(np.int32)  # K may be T
    return np.take_along_axis(w.transpose(2, 0, 1), best, axis=0), at


def dense(w, at, T, t):
    """Weights (S, B, t) of `sparse` ones."""
    found = np.zeros((*w.shape[1:], t), w.dtype)
    i = at // w.shape[2] % T
    np.put_along_axis(found, i.transpose(1, 2, 0), w.transpose(1, 2, 0), axis=-1)
    return found


def largest(s, K):
    """Indices and values (K, S, B) of the K largest of s (S, B, M), of equals the earlier before.

    K passes for a maximum take a tenth of the time that a sort of a long past takes.
    """
    S, B, M = s.shape
    first = np.arange(0, S * B * M, M).reshape(S, B)
    best, top = np.empty((K, S, B), np.intp), np.empty((K, S, B), s.dtype)
    for n in range(K):
        s.argmax(axis=-1, out=best[n])
        top[n] = s.take(first + best[n])
        s.put(first + best[n], -np.inf)
    s.put(first + best, top)
    return best, top
