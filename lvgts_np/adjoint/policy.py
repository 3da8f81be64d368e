"""Gradient of the imagined return, and credit of each action. [Alg. 1, Fig. 1]"""

from typing import NamedTuple

import numpy as np

from lvgts_np.adjoint.forms import form_of
from lvgts_np.adjoint.layers import (
    Buffers,
    add_at,
    flatten_time,
    mlp,
    mlp_adjoint,
    mlp_gradient,
    networks,
    of_latents,
)
from lvgts_np.adjoint.memory import attended
from lvgts_np.paper.constants import LOG_STD, PAY_MARGIN


class Rollout(NamedTuple):
    """Keyword arguments of `paper.imagine.replay`."""

    N: int
    shortcut: bool
    store: str = "before"
    count_from: int = 0
    transition: str = "query"
    reward_units: str = "huberized"


def return_and_grad(phi, theta, inferred, a_max, rollout, buffers=None, gamma=1.0):
    """Return G (S,) of the replay, mean over episodes, and its gradient. [Alg. 1, line 24]

    G = Σ_t γ^t Σ_b r̂_t[b] / B

    inferred is what `infer` returns; rollout holds the keyword arguments of `paper.imagine.replay`.
    The gradient of Σ_seeds G with respect to theta is a dict like theta.
    """
    buffers = Buffers() if buffers is None else buffers
    rollout = Rollout(**rollout)
    nets, reads, trace, r_hat, dr = imagine(phi, theta, inferred, a_max, rollout, buffers)
    T, B = len(inferred.eta), inferred.h_0.shape[1]
    discount = gamma ** np.arange(T, dtype=dr.dtype)
    G = (r_hat * np.repeat(discount, B)).sum(axis=-1) / B
    dr /= B  # G = Σ_t γ^t Σ_b r̂_t[b] / B
    dr *= discount[:, None, None]
    lambda_v, lambda_out = replay_adjoint(nets, trace, reads, dr, rollout, buffers)
    of_pi = trace.x_pi, trace.v_pi, lambda_v, lambda_out
    gradient = mlp_gradient("pi", *map(flatten_time, of_pi))
    return G, {name: gradient[name] for name in theta}


def credit(phi, theta, inferred, a_max, rollout, cotangents, buffers=None):
    """Credit of every action of the replay for weighted sums of predicted rewards. [Fig. 1]

    C[p, i] = Σ_j g[p, j] ∂r̂_j / ∂â_i = λ_â_i of the return Σ_j g[p, j] r̂_j

    cotangents g (P, T), the others as in `return_and_grad`; returns (P, T, S, B, A), per episode.
    """
    buffers = Buffers() if buffers is None else buffers
    rollout = Rollout(**rollout)
    nets, reads, trace, _, dr = imagine(phi, theta, inferred, a_max, rollout, buffers)
    H, (S, T, B, _) = inferred.h_0.shape[-1], dr.shape
    C = np.empty((len(cotangents), T, S, B, dr.shape[-1] - H), dr.dtype)
    for p, cotangent in enumerate(cotangents.astype(dr.dtype)):
        lambda_x = dr * cotangent[:, None, None]
        last = np.flatnonzero(cotangent).max(initial=0)
        replay_adjoint(nets, trace, reads, lambda_x, rollout, buffers, last)
        C[p] = lambda_x[..., H:].swapaxes(0, 1)
    return C


def response(phi, theta, inferred, a_max, rollout, cotangents, buffers=None):
    """Derivative of the replay's actions with respect to earlier ones: Σ_j g_j ∂â_j / ∂â_i.

    cotangents g (T, S, B, A), the others as in `return_and_grad`; returns (T, S, B, A).
    """
    buffers = Buffers() if buffers is None else buffers
    rollout = Rollout(**rollout)
    nets, reads, trace, _, lambda_x = imagine(phi, theta, inferred, a_max, rollout, buffers)
    H = inferred.h_0.shape[-1]
    lambda_x[..., :H], lambda_x[..., H:] = 0.0, np.swapaxes(cotangents, 0, 1)
    replay_adjoint(nets, trace, reads, lambda_x, rollout, buffers)
    return lambda_x[..., H:].swapaxes(0, 1)


def imagine(phi, theta, inferred, a_max, rollout, buffers):
    """Replay and its rewards: nets, reads, Trace, r̂ (S, T·B), ∂r̂_t / ∂(ĥ_t, â_t)."""
    if rollout.store not in ("before", "after"):
        raise ValueError(f"unknown store {rollout.store!r}")
    nets = networks(theta, "pi")
    nets |= networks(phi, "f", "b.c", "r", reward_units=rollout.reward_units)
    reads = attended(inferred.w).best if rollout.shortcut else None
    trace = replay(nets, inferred, reads, a_max, rollout.transition, buffers)
    net, x = mean_of(nets["r"]), flatten_time(trace.x_r)
    shape = x.shape[:2] + net.W1.shape[2:]
    v = buffers("v_r", shape, x.dtype)
    zeros = buffers("zeros", shape[1:], x.dtype, np.zeros)
    slope = buffers("slope_r", shape, x.dtype)
    r_hat, lambda_out = mean_and_slopes(mlp(net, x, v, zeros, slope=slope))
    lambda_v = mlp_adjoint(net, v, lambda_out, slope=slope)
    dr = np.matmul(lambda_v, net.W1T[..., :-1])  # r̂_t = r(ĥ_t, â_t)
    return nets, reads, trace, r_hat[..., 0], dr.reshape(trace.x_r.shape[:-1] + dr.shape[-1:])


def mean_of(net):
    """r without its σ, the second of (y, σ, p), which no return depends on."""
    kept = slice(None, None, 2) if net.W2.shape[-1] == 3 else slice(1)
    return net._replace(W2=net.W2[..., kept], W2T=net.W2T[:, kept], b2=net.b2[..., kept])


def mean_and_slopes(out):
    """Mean reward r̂ and its derivatives with respect to (y, p), or to y alone. [Eq. 2]

    r̂ = p̄ y,   p̄ = clip((p - 0.05) / 0.9, 0, 1);   ∂r̂/∂y = p̄,   ∂r̂/∂p = y ∂p̄/∂p
    """
    y, p = out[..., :1], out[..., 1:]
    if p.shape[-1] == 0:
        return y, np.ones_like(y)
    p = np.clip((p - PAY_MARGIN) / (1.0 - 2.0 * PAY_MARGIN), 0.0, 1.0)
    inside = (p > 0.0) & (p < 1.0)
    return p * y, np.concatenate((p, y * inside / (1.0 - 2.0 * PAY_MARGIN)), axis=-1)


class Trace(NamedTuple):
    """Values of the replay's forward pass for its backward pass: (S, T, B, .)."""

    x_pi: np.ndarray  # (ĥ_t, 1)
    v_pi: np.ndarray  # hidden layer of pi
    x_r: np.ndarray  # (ĥ_t, â_t, 1)
    v_f: np.ndarray  # hidden layer of f, t < T-1
    v_c: np.ndarray  # hidden layer of b.c that makes ĥ_{t+1}, if f uses it, t < T-1
    dq: np.ndarray  # ∂q/∂σ, if f has a σ, t < T-1
    du: np.ndarray  # ∂â/∂u
    du_dout: np.ndarray  # ∂u/∂(μ, log σ)


def replay(nets, inferred, reads, a_max, transition, buffers):
    """Replay under the current policy. [Alg. 1, lines 10-17]

    â_t = a_max tanh(u_t / a_max),   u_t = μ(ĥ_t) + σ(ĥ_t) η_t,
    ĥ_{t+1} = f(ĥ_t, h_m, â_t, ξ_t, ρ_t)

    h_m = Σ_i w_{t+1}[i] ĥ_i, the best of `Attention` in reads; 0 where that is None (LM-SVG).
    """
    T, (S, B, H), A = len(inferred.eta), inferred.h_0.shape, inferred.eta[0].shape[-1]
    hidden, dtype = nets["pi"].W1.shape[-1], nets["pi"].W1.dtype
    widths = {"x_pi": H + 1, "v_pi": hidden, "x_r": H + A + 1, "v_f": hidden, "v_c": hidden}
    widths |= {"dq": H, "du": A, "du_dout": 2 * A}
    trace = Trace(**{name: buffers(name, (S, T, B, F), dtype) for name, F in widths.items()})
    x_pi, v_pi, x_r, *_, du, du_dout = trace
    F = nets["f"].W1.shape[1] if of_latents(transition) else 2 * H + 1
    x = buffers("x_t", (S, B, F), dtype)  # what makes ĥ_{t+1}: h_m from H to 2H
    x_pi[..., -1], x_r[..., -1], x[..., H:-1], x[..., -1] = 1.0, 1.0, 0.0, 1.0
    zeros, step = buffers("zeros", (B, hidden), dtype, np.zeros), form_of(transition).step
    h_hat, a_hat, h_tp1 = x_pi[..., :-1], x_r[..., H:-1], buffers("h_tp1", (S, B, H), dtype)
    h_hat[:, 0] = x_r[:, 0, :, :H] = inferred.h_0  # line 10
    for t in range(T):  # line 13
        out = mlp(nets["pi"], x_pi[:, t], v_pi[:, t], zeros)
        mean, log_std = out[..., :A], out[..., A:]
        noise = np.exp(np.clip(log_std, *LOG_STD)) * inferred.eta[t]
        tanh = np.tanh((mean + noise) / a_max)
        np.multiply(a_max, tanh, out=a_hat[:, t])  # line 16
        du[:, t] = 1.0 - tanh * tanh
        du_dout[:, t, :, :A] = 1.0
        du_dout[:, t, :, A:] = noise * ((log_std > LOG_STD[0]) & (log_std < LOG_STD[1]))
        if t + 1 == T:
            break
        if reads is not None:  # line 15
            w, at = reads[t + 1]
            h_i = x_pi.reshape(-1, H + 1).take(at, axis=0)[..., :-1]
            np.einsum("ksb,ksbh->sbh", w, h_i, out=x[..., H : 2 * H])
        step(nets, trace, inferred, t, x, zeros, h_tp1)  # line 17
        h_hat[:, t + 1] = x_r[:, t + 1, :, :H] = h_tp1
    return trace


def replay_adjoint(nets, trace, reads, lambda_x_r, rollout, buffers, last=None):
    """Backward pass of the replay: the derivative of the return. [Alg. 1, lines 15-24]

    λ_ĥ_t = [N ∤ t+c] (∂r̂ + λ_ĥ_{t+1} ∂f/∂ĥ_t + λ_u_t ∂u_t/∂ĥ_t) + Σ_{s>t} w_s[t] λ_h_m^s

    c is count_from. With store "after" it is 0 where N | t+c.

    lambda_x_r (S, T, B, H+A) (in/out) enters with the rewards' derivatives with respect to
    (ĥ_t, â_t), and is left with the return's: â_t's part is its credit. Returns λ_v and λ of the
    output of pi, in buffers. Nothing behind the step `last` is predicted to be rewarded.
    """
    (x_pi, v_pi, *_, du, du_dout), form = trace, form_of(rollout.transition)
    S, T, B, H = *x_pi.shape[:3], x_pi.shape[3] - 1
    W_pi = nets["pi"].W1T[..., :-1]
    lambda_h = buffers("lambda_h_hat", (S, T, B, H), du.dtype)
    lambda_out = buffers("lambda_out", du_dout.shape, du.dtype)
    lambda_v_pi = buffers("lambda_v_pi", v_pi.shape, du.dtype)
    lambda_z = buffers("lambda_z_t", (S, B, H), du.dtype)
    lambda_v_c = buffers("lambda_v_c_t", (S, B, v_pi.shape[-1]), du.dtype)
    lambda_h[...] = 0.0
    last = T - 1 if last is None else last
    for t in reversed(range(last + 1)):
        lambda_h_t, lambda_a = lambda_x_r[:, t, :, :H], lambda_x_r[:, t, :, H:]
        if t < last:
            lambda_h_a, lambda_h_m = form.step_adjoint(  # ĥ_{t+1} = f(ĥ_t, h_m, â_t)
                nets, trace, t, lambda_h[:, t + 1], lambda_z, lambda_v_c
            )
            lambda_x_r[:, t] += lambda_h_a
        if t < last and reads is not None:  # h_m = Σ_i w_{t+1}[i] ĥ_i
            w, at = reads[t + 1]
            add_at(lambda_h, at, w[..., None] * lambda_h_m)  # the temporal shortcut
        lambda_u = lambda_a * du[:, t]  # â_t = a_max tanh(u_t / a_max)
        np.multiply(np.tile(lambda_u, 2), du_dout[:, t], out=lambda_out[:, t])  # u_t = μ + σ η_t
        mlp_adjoint(nets["pi"], v_pi[:, t], lambda_out[:, t], lambda_v_pi[:, t])
        if (t + rollout.count_from) % rollout.N != 0:  # the truncation: else the carry is detached
            lambda_h[:, t] += lambda_h_t + np.matmul(lambda_v_pi[:, t], W_pi)
        elif rollout.store == "after":  # the memory holds the detached latent too
            lambda_h[:, t] = 0.0
    return lambda_v_pi, lambda_out
