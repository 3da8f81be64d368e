"""Encoder b over whole episodes, forward and backward, and a step at a time. [Eq. 3, Alg. 2]"""

from typing import NamedTuple

import numpy as np

from lvgts_np.adjoint.layers import (
    Buffers,
    flatten_time,
    hidden_layer,
    latent,
    latent_adjoint,
    mlp,
    mlp_adjoint,
    mlp_gradient,
    networks,
    parts,
    summed,
)
from lvgts_np.adjoint.memory import Sparse, memory


class Trace(NamedTuple):
    """Values of the encoder's forward pass for its backward pass: buffers (S, T, B, .).

    Hidden layers are not among them: made again a part of the steps at a time, they stay in cache.
    """

    x_q: np.ndarray  # (o_t, a_{t-1}, h_{t-1}, 1)
    x_c: np.ndarray  # (q_t, h_m, 1)
    h: np.ndarray
    memory: object


def encode(nets, W, oa, k, rule, buffers):
    """Encoder b over whole episodes. [Eq. 3, Alg. 2]

    q_t = MLP_ψ(o_t, a_{t-1}, h_{t-1}),   h_m = Σ_i w_t[i] h_i,   h_t = tanh(q_t + MLP(q_t, h_m))

    W is the key matrix over √H; nets without "b.c" have h_t = tanh(q_t + h_m).
    """
    x_q, x_c, h, past = trace = empty_trace(oa, W, k, rule, buffers)
    (S, T, B, H), hidden = h.shape, nets["b.q"].W1.shape[-1]
    v = buffers("v_t", (S, B, hidden), h.dtype)
    zeros = buffers("zeros", v.shape[1:], h.dtype, np.zeros)
    for t in range(T):
        encode_step(nets, W, t, x_q[:, t], x_c[:, t], h[:, t], past, v, zeros)
        if t + 1 < T:
            x_q[:, t + 1, :, -H - 1 : -1] = h[:, t]
    return trace


def encode_step(nets, W, t, x_q, x_c, h, past, v, zeros):
    """Latent h (out) of step t, its query and memory read in x_c (out); v is for work. [Eq. 3]"""
    H = h.shape[-1]
    mlp(nets["b.q"], x_q, v, zeros, x_c[..., :H])
    if t > 0:
        x_c[..., H:-1] = past.read(t, np.matmul(x_c[..., :H], W))
    latent(nets.get("b.c"), x_c, v, zeros, h)
    past.append(t, h)


def empty_trace(oa, W, k, rule, buffers):
    """Trace before the first step, with the known inputs filled in."""
    (o, a), H = oa, W.shape[-1]
    (S, T, B, O), OA = o.shape, o.shape[-1] + a.shape[-1]
    x_q, x_c, h = (
        buffers(name, (S, T, B, F), W.dtype)
        for name, F in (("x_q", OA + H + 1), ("x_c", 2 * H + 1), ("h", H))
    )
    x_q[..., :O], x_q[:, 1:, :, O:OA], x_q[..., -1] = o, a[:, :-1], 1.0
    x_q[:, 0, :, O:-1] = 0.0  # h_{-1} = a_{-1} = 0
    x_c[:, 0, :, H:-1], x_c[..., -1] = 0.0, 1.0  # nothing to read at t = 0
    return Trace(x_q, x_c, h, memory(T, h, k, rule, buffers))


def encode_adjoint(nets, W, trace, lambda_h, N, count_from, buffers):
    """Backward pass of the encoder: the gradient with respect to b. [Eq. 3, Alg. 2, §4.2]

    λ_h_t = ∂L/∂h_t + Σ_{s>t} (∂h_m^s/∂h_t)ᵀ λ_h_m^s + [N ∤ t+1+c] (∂q_{t+1}/∂h_t)ᵀ λ_q_{t+1}

    c is count_from. lambda_h (S, T, B, H) (in/out) enters with the losses' derivatives with respect
    to each latent, and gathers, from the last step to the first, those through later latents.
    """
    h, past, (_, T, B, H) = trace.h, trace.memory, trace.h.shape
    W_h, W_T = nets["b.q"].W1T[..., -H - 1 : -1], np.ascontiguousarray(W.mT)
    gradients = []
    for steps in reversed(parts(T, B)):
        x_q, v_q = hidden_again(nets, "b.q", trace.x_q[:, steps], buffers)
        x_c, v_c = hidden_again(nets, "b.c", trace.x_c[:, steps], buffers)
        lambda_v_q, lambda_v_c = (buffers("lambda_v_" + x, v_q.shape, h.dtype) for x in "qc")
        lambda_z, lambda_q, lambda_key = (
            buffers("lambda_" + x, (*v_q.shape[:3], H), h.dtype) for x in ("z", "q", "key")
        )
        for n in reversed(range(v_q.shape[1])):
            t = steps.start + n
            if t + 1 < T:
                lambda_h[:, t] += past.of_reads(t)  # h_m^s = Σ_i w_s[i] h_i
            of_c = v_c[:, n], lambda_h[:, t], lambda_z[:, n], lambda_v_c[:, n]
            lambda_q[:, n], lambda_h_m = latent_adjoint(  # h_t = latent(q_t, h_m)
                nets.get("b.c"), h[:, t], *of_c
            )
            lambda_key[:, n] = past.read_adjoint(t, lambda_h_m) if t > 0 else 0.0
            lambda_q[:, n] += np.matmul(lambda_key[:, n], W_T)  # key_query = q_t W / √H
            mlp_adjoint(nets["b.q"], v_q[:, n], lambda_q[:, n], lambda_v_q[:, n])
            if t > 0 and (t + count_from) % N != 0:  # the truncation: else h_{t-1} is detached
                lambda_h[:, t - 1] += np.matmul(lambda_v_q[:, n], W_h)  # q_t = MLP_ψ(., h_{t-1})
        q, lambda_k = flatten_time(x_c[..., :H]), flatten_time(lambda_key)
        g = {"b.W": np.matmul(q.mT, lambda_k) * H**-0.5}
        g |= mlp_gradient("b.q", *map(flatten_time, (x_q, v_q, lambda_v_q, lambda_q)))
        if "b.c" in nets:
            g |= mlp_gradient("b.c", *map(flatten_time, (x_c, v_c, lambda_v_c, lambda_z)))
        gradients.append(g)
    return summed(gradients)


def hidden_again(nets, name, x, buffers):
    """Input x (S, n, B, .) of a network, and its hidden layer, if there is one."""
    v = buffers("v " + name, (*x.shape[:3], nets["b.q"].W1.shape[-1]), x.dtype)
    if name in nets:
        flat = flatten_time(v)
        zeros = buffers("zeros", flat.shape[1:], v.dtype, np.zeros)
        hidden_layer(nets[name], flatten_time(x), flat, zeros)
    return x, v


class Encoder:
    """Encoder of episodes under way: B of each seed, one step at a time. [Alg. 1, line 5; Eq. 3]

    There is room for `steps` of them at first, and then for twice as many, and so on.
    """

    def __init__(self, phi, k, rule, B, steps=32):
        self.nets, (S, _, H) = networks(phi, "b.q", "b.c"), phi["b.W"].shape
        self.W, self.k, self.rule, self.t = phi["b.W"] * H**-0.5, k, rule, 0
        width, hidden = self.nets["b.q"].W1.shape[1:]
        self.x_q, self.x_c, self.v, zeros = (
            np.zeros((S, B, F), self.W.dtype) for F in (width, 2 * H + 1, hidden, hidden)
        )
        self.x_q[..., -1], self.x_c[..., -1], self.zeros = 1.0, 1.0, zeros[0]
        self.make_room(steps, np.empty((S, 0, B, H), self.W.dtype))

    def make_room(self, T, h):
        """Room for T latents, of which h (S, t, B, H) are the first."""
        (S, t, B, H), self.T = h.shape, T
        self.h = np.empty((S, T, B, H), h.dtype)
        self.past = Sparse(T, self.h, self.k, self.rule, Buffers())
        self.h[:, :t], self.past.keys[..., :t] = h, h.transpose(0, 2, 3, 1)

    def step(self, oa_t):
        """Next latent h_t (S, B, H), a view of self.h, of (o_t, a_{t-1}) (S, B, O+A)."""
        if self.t == self.T:
            self.make_room(2 * self.T, self.h)
        OA, t = oa_t.shape[-1], self.t
        self.x_q[..., :OA] = oa_t
        work = self.x_q, self.x_c, self.h[:, t], self.past, self.v, self.zeros
        encode_step(self.nets, self.W, t, *work)
        self.x_q[..., OA:-1] = self.h[:, t]
        self.past.reads[t], self.t = None, t + 1  # no backward pass
        return self.h[:, t]
