"""Gradient of the model's losses. [A.2, Eq. 3, Eq. 7]"""

from typing import NamedTuple

import numpy as np

from lvgts_np.adjoint.layers import (
    Buffers,
    flatten_time,
    latent,
    latent_adjoint,
    mlp,
    mlp_adjoint,
    mlp_gradient,
    networks,
    of_latents,
    read,
    read_adjoint,
)
from lvgts_np.paper.constants import MIN_REWARD_ERROR

ROWS = 640  # seeds x episodes at a time: what a step touches then stays in the cache


def model_loss_and_grad(phi, batch, encoder, alphas, buffers=None, forms=None):
    """Losses (L_rew, L_decoder, L_trans), each (S,), and their total's gradient. [A.2, Eq. 7]

    L = Σ_seeds α_rew L_rew + α_decoder L_decoder + α_trans L_trans

    batch is o (T, S, B, O), a (T, S, B, A), r (T, S, B, 1); encoder holds the keyword arguments
    of `encode`, forms those of `paper.losses.model_losses`. The gradient is a dict like phi.
    """
    buffers = Buffers() if buffers is None else buffers
    S, B = batch[0].shape[1:3]
    size, parts = max(1, ROWS // B), []
    for first in range(0, S, size):
        seeds = list(range(first, min(first + size, S)))
        # A single seed with a single episode NumPy would add up in another order.
        seeds *= 2 if len(seeds) * B == 1 else 1
        data = [np.swapaxes(x[:, seeds], 0, 1) for x in batch]  # (S, T, B, .)
        block_phi = {name: x[seeds] for name, x in phi.items()}
        parts.append(block_gradient(block_phi, data, encoder, alphas, buffers, **forms or {}))
    losses, gradients = zip(*parts, strict=True)
    losses = tuple(np.concatenate(loss)[:S] for loss in zip(*losses, strict=True))
    return losses, {name: np.concatenate([g[name] for g in gradients])[:S] for name in phi}


def block_gradient(
    phi, data, encoder, alphas, buffers, shortcut=True, transition="query", reward_units="huberized"
):
    """Losses and gradient of a few seeds, with data (S, T, B, .). [A.2, Eq. 7]"""
    (o, a, r), cut = data, (encoder["N"], encoder.get("count_from", 0))
    latents = of_latents(transition)
    nets = networks(phi, "b.q", "b.c", "d", "r", "f", reward_units=reward_units)
    B, H = o.shape[2], phi["b.W"].shape[-1]
    W = phi["b.W"] * H**-0.5
    trace = encode(nets, W, (o, a), encoder["k"], encoder["rule"], buffers)
    h, a, x_c = flatten_time(trace.h), flatten_time(a), flatten_time(trace.x_c)
    q, one = x_c[..., :H], x_c[..., -1:]

    loss_reward, lambda_v, g_r = fit(
        "r", nets, (h, a, one), flatten_time(r), alphas[0], buffers, B=B
    )
    lambda_h = np.matmul(lambda_v, nets["r"].W1[:, :H].mT)  # r̂_t = r(h_t, a_t)
    loss_decoder, lambda_v, g_d = fit("d", nets, (h, one), flatten_time(o), alphas[1], buffers)
    lambda_h += np.matmul(lambda_v, nets["d"].W1[:, :H].mT)  # ô_t = d(h_t)
    h_m = [x_c[:, B:, H:-1]] if latents and shortcut else []
    x = (h[:, :-B], *h_m, a[:, :-B], one[:, B:])
    target = (h if latents else q)[:, B:]  # SG: no λ
    loss_transition, _, g_f = fit("f", nets, x, target, alphas[2], buffers, latents)

    g_b = encode_adjoint(nets, W, trace, lambda_h.reshape(trace.h.shape), *cut, buffers)
    return (loss_reward, loss_decoder, loss_transition), g_r | g_d | g_f | g_b


def fit(name, nets, x, target, alpha, buffers, tanh=False, B=None):
    """Loss over all n = T·B steps and episodes, and its gradient with respect to `name`. [A.2]

    L = ½ Σ |e|² / n,   λ_y = α e / n,   e = (y - target, σ - |y - target|),   (y, σ) = MLP(x)

    Only f and r have a σ, and only f the tanh: y = tanh(MLP(x)), λ_MLP = λ_y (1 - y²). With a σ
    r's loss is ½ w (y - r)², see `detached`; B is given for r. x, the parts of the input, the
    last of them ones. Returns L (S,), λ_v (in a buffer), gradient.
    """
    net, n, dtype = nets[name], target.shape[1], x[0].dtype
    width, hidden = net.W1.shape[1:]
    x = np.concatenate(x, axis=-1, out=buffers("x", (len(target), n, width), dtype))
    v, lambda_v = (buffers(what, (len(target), n, hidden), dtype) for what in ("v", "lambda_v"))
    error = mlp(net, x, v, buffers("zeros", v.shape[1:], dtype, np.zeros))
    slope = 1.0 - np.square(np.tanh(error, out=error)) if tanh else None
    mean, mae = error[..., : target.shape[-1]], error[..., target.shape[-1] :]
    mean -= target
    root, size = detached(mae, mean, B)  # SG: no λ
    mae -= size
    if root is not None:
        mean *= root
    flat = error.reshape(len(error), -1)
    loss = np.vecdot(flat, flat) / (2.0 * n)
    error *= alpha / n  # L = ½ Σ error² / n
    if root is not None:
        mean *= root
    if tanh:
        error *= slope
    mlp_adjoint(net, v, error, lambda_v)
    return loss, lambda_v, mlp_gradient(name, x, v, lambda_v, error)


def detached(mae, error, B):
    """What a loss takes as given: √w of r's errors (S, T·B, 1), else None; and |e|. [A.2] (M19)

    w = c_t / s²,   s = max(σ, 0.2),   c_t = Σ_b e² / Σ_b (e² / s²)
    """
    size = np.abs(error[..., : mae.shape[-1]])
    if B is None or mae.shape[-1] == 0:
        return None, size
    s = np.maximum(mae, MIN_REWARD_ERROR).reshape(len(mae), -1, B)
    e = error.reshape(s.shape)
    scaled = e / s
    total, part = np.vecdot(e, e), np.vecdot(scaled, scaled)
    c = np.divide(total, part, out=np.ones_like(part), where=part > 0.0)
    return (np.sqrt(c)[..., None] / s).reshape(error.shape), size


class Trace(NamedTuple):
    """Values of the encoder's forward pass for its backward pass: buffers (S, T, B, .)."""

    x_q: np.ndarray  # (o_t, a_{t-1}, h_{t-1}, 1)
    v_q: np.ndarray  # hidden layer of b.q
    x_c: np.ndarray  # (q_t, h_m, 1)
    v_c: np.ndarray  # hidden layer of b.c, if there is one
    h: np.ndarray
    reads: list  # of Read, None at t = 0


def encode(nets, W, oa, k, rule, buffers):
    """Encoder b over whole episodes. [Eq. 3, Alg. 2]

    q_t = MLP_ψ(o_t, a_{t-1}, h_{t-1}),   h_m = Σ_i w_t[i] h_i,   h_t = tanh(q_t + MLP(q_t, h_m))

    W is the key matrix over √H; nets without "b.c" have h_t = tanh(q_t + h_m).
    """
    o, a = oa
    trace = empty_trace(nets, o, a, W, buffers)
    x_q, v_q, x_c, v_c, h, reads = trace
    S, T, B, H = h.shape
    zeros = buffers("zeros", v_q.shape[2:], h.dtype, np.zeros)
    keys = buffers("keys", (S, B, H, T), h.dtype)
    for t in range(T):
        q_t, h_m, h_t = x_c[:, t, :, :H], x_c[:, t, :, H:-1], h[:, t]
        mlp(nets["b.q"], x_q[:, t], v_q[:, t], zeros, q_t)
        if t > 0:
            h_m[...], step = read(np.matmul(q_t, W), h, keys, t, k, rule)
            reads.append(step)
        latent(nets.get("b.c"), x_c[:, t], v_c[:, t], zeros, h_t)
        keys[..., t] = h_t
        if t + 1 < T:
            x_q[:, t + 1, :, -H - 1 : -1] = h_t
    return trace


def empty_trace(nets, o, a, W, buffers):
    """Trace before the first step, with the known inputs filled in."""
    (S, T, B, O), H, OA = o.shape, W.shape[-1], o.shape[-1] + a.shape[-1]
    hidden = nets["b.q"].W1.shape[-1]
    widths = {"x_q": OA + H + 1, "v_q": hidden, "x_c": 2 * H + 1, "v_c": hidden, "h": H}
    trace = {name: buffers(name, (S, T, B, F), W.dtype) for name, F in widths.items()}
    x_q, x_c = trace["x_q"], trace["x_c"]
    x_q[..., :O], x_q[:, 1:, :, O:OA], x_q[..., -1] = o, a[:, :-1], 1.0
    x_q[:, 0, :, O:-1] = 0.0  # h_{-1} = a_{-1} = 0
    x_c[:, 0, :, H:-1], x_c[..., -1] = 0.0, 1.0  # nothing to read at t = 0
    return Trace(**trace, reads=[None])


def encode_adjoint(nets, W, trace, lambda_h, N, count_from, buffers):
    """Backward pass of the encoder: the gradient with respect to b. [Eq. 3, Alg. 2, §4.2]

    λ_h_t = ∂L/∂h_t + Σ_{s>t} (∂h_m^s/∂h_t)ᵀ λ_h_m^s + [N ∤ t+1+c] (∂q_{t+1}/∂h_t)ᵀ λ_q_{t+1}

    c is count_from. lambda_h (S, T, B, H) (in/out) enters with the losses' derivatives with respect
    to each latent, and gathers, from the last step to the first, those through later latents.
    """
    x_q, v_q, x_c, v_c, h, reads = trace
    H = h.shape[-1]
    lambda_z, lambda_q, lambda_key, lambda_v_q, lambda_v_c = (
        buffers("lambda_" + name, like.shape, h.dtype)
        for name, like in (("z", h), ("q", h), ("key", h), ("v_q", v_q), ("v_c", v_c))
    )
    W_h, lambda_key[:, 0] = nets["b.q"].W1[:, -H - 1 : -1], 0.0
    for t in reversed(range(h.shape[1])):
        lambda_q[:, t], lambda_h_m = latent_adjoint(  # h_t = latent(q_t, h_m)
            nets.get("b.c"), h[:, t], v_c[:, t], lambda_h[:, t], lambda_z[:, t], lambda_v_c[:, t]
        )
        if t > 0:
            lambda_key[:, t] = read_adjoint(reads[t], lambda_h_m, lambda_h)  # h_m = Σ_i w_t[i] h_i
            lambda_q[:, t] += np.matmul(lambda_key[:, t], W.mT)  # key_query = q_t W / √H
        mlp_adjoint(nets["b.q"], v_q[:, t], lambda_q[:, t], lambda_v_q[:, t])
        if t > 0 and (t + count_from) % N != 0:  # the truncation: else h_{t-1} is detached
            lambda_h[:, t - 1] += np.matmul(lambda_v_q[:, t], W_h.mT)  # q_t = MLP_ψ(., h_{t-1})
    g = {"b.W": np.matmul(flatten_time(x_c)[..., :H].mT, flatten_time(lambda_key)) * H**-0.5}
    g |= mlp_gradient("b.q", *(flatten_time(x) for x in (x_q, v_q, lambda_v_q, lambda_q)))
    if "b.c" in nets:
        g |= mlp_gradient("b.c", *(flatten_time(x) for x in (x_c, v_c, lambda_v_c, lambda_z)))
    return g
