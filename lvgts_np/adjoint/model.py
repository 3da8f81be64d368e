"""Gradient of the model's losses. [A.2, Eq. 3, Eq. 7]"""

import numpy as np

from lvgts_np.adjoint.encoder import encode, encode_adjoint
from lvgts_np.adjoint.layers import (
    Buffers,
    flatten_time,
    mlp,
    mlp_adjoint,
    mlp_gradient,
    networks,
    of_latents,
    parts,
    summed,
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
    size, blocks = max(1, ROWS // B), []
    for first in range(0, S, size):
        seeds = list(range(first, min(first + size, S)))
        # A single seed with a single episode NumPy would add up in another order.
        seeds *= 2 if len(seeds) * B == 1 else 1
        data = [np.swapaxes(x[:, seeds], 0, 1) for x in batch]  # (S, T, B, .)
        block_phi = {name: x[seeds] for name, x in phi.items()}
        blocks.append(block_gradient(block_phi, data, encoder, alphas, buffers, **forms or {}))
    losses, gradients = zip(*blocks, strict=True)
    losses = tuple(np.concatenate(loss)[:S] for loss in zip(*losses, strict=True))
    return losses, {name: np.concatenate([g[name] for g in gradients])[:S] for name in phi}


def block_gradient(
    phi, data, encoder, alphas, buffers, shortcut=True, transition="query", reward_units="huberized"
):
    """Losses and gradient of a few seeds, with data (S, T, B, .). [A.2, Eq. 7]"""
    (o, a, r), cut = data, (encoder["N"], encoder.get("count_from", 0))
    latents = of_latents(transition)
    nets = networks(phi, "b.q", "b.c", "d", "r", "f", reward_units=reward_units)
    (S, T, B, _), H = o.shape, phi["b.W"].shape[-1]
    W, n = phi["b.W"] * H**-0.5, T * B
    trace = encode(nets, W, (o, a), encoder["k"], encoder["rule"], buffers)
    lambda_h = buffers("lambda_h", trace.h.shape, trace.h.dtype)
    paying = paying_steps(nets["r"], r)
    losses, gradients = np.zeros((3, S)), []
    for steps in parts(T, B):
        after = slice(steps.start + 1, min(steps.stop + 1, T))
        h, a_t, one, lambda_h_t = (
            flatten_time(x[:, steps]) for x in (trace.h, a, trace.x_c[..., -1:], lambda_h)
        )
        loss_r, lambda_v, g_r = fit(
            "r", nets, (h, a_t, one), flatten_time(r[:, steps]), alphas[0] / paying, buffers, B=B
        )
        np.matmul(lambda_v, nets["r"].W1T[..., :H], out=lambda_h_t)  # r̂_t = r(h_t, a_t)
        loss_d, lambda_v, g_d = fit(
            "d", nets, (h, one), flatten_time(o[:, steps]), alphas[1] / n, buffers
        )
        lambda_h_t += np.matmul(lambda_v, nets["d"].W1T[..., :H])  # ô_t = d(h_t)
        q, h_m = (flatten_time(trace.x_c[:, after, :, x]) for x in (slice(H), slice(H, 2 * H)))
        x = [y[:, : q.shape[1]] for y in (h, a_t, one)]
        x[1:1] = [h_m] if latents and shortcut else []
        target = flatten_time(trace.h[:, after]) if latents else q  # SG: no λ
        loss_f, _, g_f = fit("f", nets, x, target, alphas[2] / (n - B), buffers, latents)
        losses += loss_r, loss_d, loss_f
        gradients.append(g_r | g_d | g_f)
    g_b = encode_adjoint(nets, W, trace, lambda_h, *cut, buffers)
    errors = 2.0 * np.stack([np.reshape(x, -1) * np.ones(S) for x in (paying, n, n - B)])
    return tuple(losses / errors), summed(gradients) | g_b


def fit(name, nets, x, target, alpha, buffers, tanh=False, B=None):
    """Squares of some steps' errors, and their gradient with respect to `name`. [A.2]

    L = Σ |e|²,   λ = α e,   e = (y - target, σ - |y - target|),   (y, σ) = MLP(x)

    Only f and r have a σ, and only f the tanh: y = tanh(MLP(x)), λ_MLP = λ_y (1 - y²). With a σ
    r's errors have weights, and with a p there is a third, p - z, see `detached`; B is given for r.
    x, the parts of the input, the last of them ones; alpha is α of Eq. 7 over the number of errors,
    one for all seeds or (S, 1, 1). Returns L (S,), λ_v (in a buffer), gradient.
    """
    net, n, dtype = nets[name], target.shape[1], x[0].dtype
    width, hidden = net.W1.shape[1:]
    x = np.concatenate(x, axis=-1, out=buffers("x", (len(target), n, width), dtype))
    shape = len(target), n, hidden
    v, lambda_v, slope = (buffers(what, shape, dtype) for what in ("v", "lambda_v", "slope"))
    error = mlp(net, x, v, buffers("zeros", v.shape[1:], dtype, np.zeros), slope=slope)
    inside = 1.0 - np.square(np.tanh(error, out=error)) if tanh else None
    F = target.shape[-1]
    mean, mae, p = error[..., :F], error[..., F : 2 * F], error[..., 2 * F :]
    mean -= target
    root, size, pays = detached(mae, p, mean, target, B)  # SG: no λ
    mae -= size
    p -= pays
    if root is not None:
        error *= root
    flat = error.reshape(len(error), -1)
    loss = np.vecdot(flat, flat)
    error *= alpha
    if root is not None:
        error *= root
    if tanh:
        error *= inside
    mlp_adjoint(net, v, error, lambda_v, slope)
    return loss, lambda_v, mlp_gradient(name, x, v, lambda_v, error)


def detached(mae, p, error, r, B):
    """What a loss takes as given: the roots of the weights of r's errors, else None; |e|; z. (M19)

    (√(w z), √z, 1),   w = c_t / s²,   s = max(σ, 0.2),   c_t = Σ_b z e² / Σ_b (z e² / s²)

    z = [r ≠ 0] where r has a p, else 1. All (S, T·B, .).
    """
    size = np.abs(error[..., : mae.shape[-1]])
    if B is None or mae.shape[-1] == 0:
        return None, size, p
    pays = (r != 0.0 if p.shape[-1] else np.ones(r.shape)).astype(error.dtype)
    s = np.maximum(mae, MIN_REWARD_ERROR).reshape(len(mae), -1, B)
    # Not times ones, which changes no number but the order in which a copy is added up.
    e = (error * pays if p.shape[-1] else error).reshape(s.shape)
    scaled = e / s
    total, part = np.vecdot(e, e), np.vecdot(scaled, scaled)
    c = np.divide(total, part, out=np.ones_like(part), where=part > 0.0)
    of_y = (np.sqrt(c)[..., None] / s).reshape(error.shape) * pays
    root = np.concatenate((of_y, pays, np.ones_like(p)), axis=-1)
    return root, size, pays[..., : p.shape[-1]]


def paying_steps(net, r):
    """Number of errors that L_rew averages over: all, or steps that pay if r has a p. (M19)

    r (S, T, B, 1); (S, 1, 1), at least one an episode.
    """
    if net.W2.shape[-1] < 3:
        return r[0].size
    paying = np.count_nonzero(r, axis=(1, 2, 3))
    return np.maximum(paying, r.shape[2]).astype(r.dtype)[:, None, None]
