"""Credit assignment by hand: the backward passes of `losses` and `imagine`, in plain NumPy.

lambda_x names the adjoint of x, dL/dx. A backward loop reads upwards against the forward loop above
it; behind each of its lines stands the forward line that it transposes. What has no recurrence is
one matmul over all time steps, and so is every gradient of a weight, after the loop.

Arrays over time are buffers (S, T, B, F), written a step at a time; `tall` sees one as a batch.
"""

from typing import NamedTuple

import numpy as np

MARGIN = 1e-3  # what the lowest of M <= k scores keeps (M5)
SAB_EPS = 1e-7  # added to the threshold in the released SAB code (M4)
LOG_STD = (-4.0, 1.0)  # bounds of the policy's log-std (M10)


def model_loss_and_grad(phi, o, a, r, N, k, rule, shortcut, alphas):
    """The three losses (S,) and the gradient of their weighted sum over phi. [A.2, Eq. 7]

    L = α_rew L_rew + α_decoder L_decoder + α_trans L_trans

    o (T, S, B, O), a (T, S, B, A), r (T, S, B, 1); N, k and rule are the encoder's; shortcut is
    True for LVGTS, False for LM-SVG.
    """
    dtype, H = phi["b.W"].dtype, phi["b.W"].shape[-1]
    o, a, r = (np.swapaxes(x, 0, 1).astype(dtype) for x in (o, a, r))  # (S, T, B, .)
    B, gradient = o.shape[2], {}
    trace = encode(phi, o, a, k, rule)
    h, h_m, a = tall(trace.h), tall(trace.x_c[..., H:]), tall(a)
    h_a = np.concatenate((h, a), axis=-1)
    loss_reward, lambda_r = fit(phi, gradient, "r", h_a, tall(r), alphas[0])
    loss_decoder, lambda_d = fit(phi, gradient, "d", h, tall(o), alphas[1])
    h_m = h_m[:, B:] if shortcut else np.zeros_like(h[:, B:])
    h_h_m_a = np.concatenate((h[:, :-B], h_m, a[:, :-B]), axis=-1)
    loss_transition, _ = fit(phi, gradient, "f", h_h_m_a, h[:, B:], alphas[2])
    lambda_h = np.matmul(lambda_d, phi["d.W1"].mT)  # ô = d(h)
    lambda_h += np.matmul(lambda_r, phi["r.W1"][:, :H].mT)  # r̂ = r(h, a)
    encode_adjoint(phi, gradient, trace, lambda_h.reshape(trace.h.shape), N)
    return (loss_reward, loss_decoder, loss_transition), {name: gradient[name] for name in phi}


def fit(phi, gradient, name, x, target, alpha):
    """One loss, ½ |MLP(x) - target|² averaged over the batch, and its gradient. [A.2]

    λ_y = α (y - target) / n

    Puts the gradient of `name` into `gradient`; returns the loss (S,) and λ of the hidden layer.
    """
    error, hidden = mlp(phi, name, x)
    error -= target
    loss = np.einsum("sbf,sbf->s", error, error) / (2.0 * error.shape[1])
    error *= alpha / error.shape[1]
    lambda_hidden = through_w2(phi, name, hidden, error)
    weights(gradient, name, x, hidden, lambda_hidden, error)
    return loss, lambda_hidden


def mlp(params, name, x, hidden=None, out=None):
    """MLP(x) and its hidden layer. [Alg. 2, MLP_ψ]

    v = relu(x W1 + b1),   y = v W2 + b2
    """
    hidden = np.matmul(x, params[name + ".W1"], out=hidden)
    hidden += params[name + ".b1"]
    np.maximum(hidden, 0.0, out=hidden)
    out = np.matmul(hidden, params[name + ".W2"], out=out)
    out += params[name + ".b2"]
    return out, hidden


def through_w2(params, name, hidden, lambda_y, out=None):
    """λ of the hidden layer before its ReLU:   λ_v = (λ_y W2ᵀ) · [v > 0]"""
    W2 = params[name + ".W2"]
    if W2.shape[-1] == 1:
        out = np.multiply(lambda_y, W2.mT, out=out)
    else:
        out = np.matmul(lambda_y, W2.mT, out=out)
    out *= hidden > 0.0
    return out


def weights(gradient, name, x, hidden, lambda_hidden, lambda_y):
    """The gradient of an MLP's parameters, over all steps at once.

    λ_W1 = xᵀ λ_v,   λ_b1 = 1ᵀ λ_v,   λ_W2 = vᵀ λ_y,   λ_b2 = 1ᵀ λ_y
    """
    ones = np.ones((1, lambda_y.shape[1]), lambda_y.dtype)
    gradient[name + ".W1"] = np.matmul(x.mT, lambda_hidden)
    gradient[name + ".b1"] = np.matmul(ones, lambda_hidden)
    gradient[name + ".W2"] = np.matmul(hidden.mT, lambda_y)
    gradient[name + ".b2"] = np.matmul(ones, lambda_y)


def tall(x):
    """A buffer (S, T, B, F) as one batch (S, T·B, F)."""
    return x.reshape(x.shape[0], -1, x.shape[-1])


class Trace(NamedTuple):
    """What the encoder's forward pass leaves for its backward pass, (S, T, B, .)."""

    x_q: np.ndarray  # (o_t, a_{t-1}, h_{t-1})
    v_q: np.ndarray  # hidden layer of b.q
    x_c: np.ndarray  # (q_t, h_m)
    v_c: np.ndarray  # hidden layer of b.c, or None
    h: np.ndarray
    reads: list  # Read of each step, None at t = 0


class Read(NamedTuple):
    """One attention step: the K slots that can carry weight or gradient, lowest score first."""

    rows: np.ndarray  # (K, S, B), row of (s, i, b) in the flat memory (S·T·B, H)
    h: np.ndarray  # (K, S, B, H), the latents there
    w: np.ndarray  # (K, S, B)
    survives: np.ndarray  # (K, S, B)
    total: np.ndarray  # (S, B), what the weights were divided by
    pivot: int  # the slot whose score is the threshold
    uniform: np.ndarray  # (S, B, M), the weights of rows where all that counts ties, or None
    key_query: np.ndarray  # (S, B, H)


def encode(phi, o, a, k, rule):
    """The encoder b, forward. [Eq. 3, Alg. 2]

    q_t = MLP_ψ(o_t a_{t-1}, h_{t-1}),   h_t = tanh(q_t + MLP(q_t, h_m)),   h_m = Σ_i w_t[i] h_i
    """
    S, T, B, O = o.shape
    H, hidden, mlp_combines = phi["b.W"].shape[-1], phi["b.q.W1"].shape[-1], "b.c.W1" in phi
    OA = O + a.shape[-1]
    x_q, v_q, x_c, h = (np.empty((S, T, B, F), o.dtype) for F in (OA + H, hidden, 2 * H, H))
    v_c = np.empty((S, T, B, phi["b.c.W1"].shape[-1]), o.dtype) if mlp_combines else None
    x_q[..., :O], x_q[:, 1:, :, O:OA], x_q[:, 0, :, O:] = o, a[:, :-1], 0.0
    x_c[:, 0, :, H:] = 0.0
    W, reads = phi["b.W"] * H**-0.5, [None]
    for t in range(T):
        q_t, h_m = x_c[:, t, :, :H], x_c[:, t, :, H:]
        mlp(phi, "b.q", x_q[:, t], v_q[:, t], q_t)
        if t > 0:
            reads.append(read(np.matmul(q_t, W), h, t, k, rule, h_m))
        if mlp_combines:
            mlp(phi, "b.c", x_c[:, t], v_c[:, t], h[:, t])
            h[:, t] += q_t
        else:
            np.add(q_t, h_m, out=h[:, t])
        np.tanh(h[:, t], out=h[:, t])
        if t + 1 < T:
            x_q[:, t + 1, :, OA:] = h[:, t]
    return Trace(x_q, v_q, x_c, v_c, h, reads)


def encode_adjoint(phi, gradient, trace, lambda_h, N):
    """The encoder b, backward: where credit goes. [Eq. 3, Alg. 2, §4.2]

    lambda_h (S, T, B, H) comes with what the losses ask of each latent.
    """
    x_q, v_q, x_c, v_c, h, reads = trace
    S, T, B, H = h.shape
    OA = x_q.shape[-1] - H
    W, W_h = phi["b.W"] * H**-0.5, phi["b.q.W1"][:, OA:]
    lambda_z, lambda_q, lambda_key = np.empty_like(h), np.empty_like(h), np.zeros_like(h)
    lambda_v_q, lambda_v_c = np.empty_like(v_q), None if v_c is None else np.empty_like(v_c)
    for t in reversed(range(T)):
        z_t, q_t = lambda_z[:, t], lambda_q[:, t]
        np.multiply(h[:, t], h[:, t], out=z_t)
        np.subtract(1.0, z_t, out=z_t)
        z_t *= lambda_h[:, t]  # h_t = tanh(z_t)
        if v_c is None:
            q_t[...], lambda_h_m = z_t, z_t  # z_t = q_t + h_m
        else:
            through_w2(phi, "b.c", v_c[:, t], z_t, lambda_v_c[:, t])
            lambda_x_c = np.matmul(lambda_v_c[:, t], phi["b.c.W1"].mT)
            np.add(z_t, lambda_x_c[..., :H], out=q_t)
            lambda_h_m = lambda_x_c[..., H:]  # z_t = q_t + MLP(q_t, h_m)
        if t > 0:
            lambda_key[:, t] = read_adjoint(reads[t], lambda_h, lambda_h_m)
            q_t += np.matmul(lambda_key[:, t], W.mT)  # key_query = q_t W / √H
        through_w2(phi, "b.q", v_q[:, t], q_t, lambda_v_q[:, t])
        if t % N != 0:
            lambda_h[:, t - 1] += np.matmul(lambda_v_q[:, t], W_h.mT)
    weights(gradient, "b.q", tall(x_q), tall(v_q), tall(lambda_v_q), tall(lambda_q))
    gradient["b.W"] = np.matmul(tall(x_c)[..., :H].mT, tall(lambda_key)) * H**-0.5
    if v_c is not None:
        weights(gradient, "b.c", tall(x_c), tall(v_c), tall(lambda_v_c), tall(lambda_z))


def read(key_query, h, t, k, rule, out):
    """Attend and read the latents h_{i<t}; h_m goes to `out`. [Alg. 2]

    s_i = h_iᵀ key_query,   w = relu(s - s_(k+1)) / Σ,   h_m = Σ_i w_i h_i
    """
    S, T, B, H = h.shape
    s = np.einsum("sibh,sbh->sbi", h[:, :t], key_query)
    slots = np.moveaxis(np.argsort(s, axis=-1), -1, 0)[-(k + 1) :]  # (K, S, B), ascending
    sb = np.arange(S * B).reshape(S, B)
    top = s.ravel().take(slots + sb * t)
    pivot = 0 if t <= k or rule == "paper" else 1
    excess = top - top[pivot]
    if t <= k:
        excess += MARGIN
    else:
        if rule == "sab":
            excess -= SAB_EPS
        np.maximum(excess, 0.0, out=excess)
    total, uniform = excess.sum(0), None
    tied = total == 0.0
    if tied.any():
        total[tied] = 1.0
        uniform = ((s == s.max(-1, keepdims=True)) & tied[..., None]).astype(s.dtype)
        uniform /= np.maximum(uniform.sum(-1, keepdims=True), 1.0)
    rows = slots * B + (sb + np.arange(S)[:, None] * ((T - 1) * B))
    h_i = h.reshape(-1, H).take(rows, axis=0)
    w = excess / total
    np.einsum("ksb,ksbh->sbh", w, h_i, out=out)
    if uniform is not None:
        out += np.einsum("sbi,sibh->sbh", uniform, h[:, :t])
    return Read(rows, h_i, w, excess > 0.0, total, pivot, uniform, key_query)


def read_adjoint(step, lambda_h, lambda_h_m):
    """Backward through one read: credit to what was remembered; returns λ of key_query.

    λ_w[i] = h_iᵀ λ_hm,   λ_s = (λ_w - Σ w λ_w) / Σ excess,   minus its sum at the threshold
    """
    rows, h_i, w, survives, total, pivot, uniform, key_query = step
    lambda_w = np.einsum("ksbh,sbh->ksb", h_i, lambda_h_m)  # h_m = Σ w_i h_i
    lambda_s = (lambda_w - np.einsum("ksb,ksb->sb", w, lambda_w)) / total
    lambda_s *= survives
    lambda_s[pivot] -= lambda_s.sum(0)  # excess = s - threshold
    lambda_i = np.einsum("ksb,sbh->ksbh", lambda_s, key_query)  # s_i = h_iᵀ key_query
    lambda_i += np.einsum("ksb,sbh->ksbh", w, lambda_h_m)  # the temporal shortcut
    flat = lambda_h.reshape(-1, lambda_h.shape[-1])
    flat[rows] += lambda_i
    if uniform is not None:
        M = uniform.shape[-1]
        lambda_h[:, :M] += np.einsum("sbi,sbh->sibh", uniform, lambda_h_m)
    return np.einsum("ksb,ksbh->sbh", lambda_s, h_i)


def return_and_grad(theta, phi, inferred, a_max, N, shortcut, store):
    """The imagined return G (S,) of the replay and its gradient over theta. [Alg. 1, lines 10-24]"""
    xi, eta = inferred.xi, inferred.eta
    T, (S, B, H), A = len(eta), inferred.h_0.shape, eta[0].shape[-1]
    buffer = lambda F: np.empty((S, T, B, F), inferred.h_0.dtype)  # noqa: E731
    h, a, std, inside = buffer(H), buffer(A), buffer(A), buffer(A)
    v_pi, v_f = buffer(theta["pi.W1"].shape[-1]), buffer(phi["f.W1"].shape[-1])
    x_f = buffer(2 * H + A)
    h[:, 0] = inferred.h_0
    for t in range(T):
        out, _ = mlp(theta, "pi", h[:, t], v_pi[:, t])
        log_std = out[..., A:]
        inside[:, t] = (log_std > LOG_STD[0]) & (log_std < LOG_STD[1])
        np.exp(np.clip(log_std, *LOG_STD), out=std[:, t])
        u_t = out[..., :A] + std[:, t] * eta[t]
        np.multiply(a_max, np.tanh(u_t / a_max), out=a[:, t])
        if t + 1 < T:
            x = x_f[:, t]
            x[..., :H], x[..., H : 2 * H], x[..., 2 * H :] = h[:, t], 0.0, a[:, t]
            if shortcut:
                x[..., H : 2 * H] = np.einsum("sbi,sibh->sbh", inferred.w[t + 1], h[:, : t + 1])
            mlp(phi, "f", x, v_f[:, t], h[:, t + 1])
            h[:, t + 1] += xi[t]
    r_hat, v_r = mlp(phi, "r", tall(np.concatenate((h, a), axis=-1)))
    G = r_hat.sum((-2, -1)) / B

    lambda_v_r = np.multiply(phi["r.W2"].mT / B, v_r > 0.0)
    lambda_x_r = np.matmul(lambda_v_r, phi["r.W1"].mT).reshape(S, T, B, H + A)
    lambda_h, lambda_out, lambda_v_pi = np.zeros_like(h), buffer(2 * A), np.empty_like(v_pi)
    for t in reversed(range(T)):
        lambda_carry, lambda_a = lambda_x_r[:, t, :, :H], lambda_x_r[:, t, :, H:]
        if t + 1 < T:
            lambda_v = through_w2(phi, "f", v_f[:, t], lambda_h[:, t + 1])
            lambda_x = np.matmul(lambda_v, phi["f.W1"].mT)
            lambda_carry += lambda_x[..., :H]
            lambda_a += lambda_x[..., 2 * H :]
            if shortcut:
                lambda_h_m = lambda_x[..., H : 2 * H]
                if store == "after":
                    keep = np.arange(t + 1) % N != 0
                    lambda_h[:, : t + 1] += np.einsum(
                        "sbi,sbh->sibh", inferred.w[t + 1] * keep, lambda_h_m
                    )
                else:
                    lambda_h[:, : t + 1] += np.einsum(
                        "sbi,sbh->sibh", inferred.w[t + 1], lambda_h_m
                    )
        lambda_u = lambda_a * (1.0 - (a[:, t] / a_max) ** 2)
        lambda_out[:, t, :, :A] = lambda_u
        lambda_out[:, t, :, A:] = lambda_u * eta[t] * std[:, t] * inside[:, t]
        through_w2(theta, "pi", v_pi[:, t], lambda_out[:, t], lambda_v_pi[:, t])
        if t % N != 0:
            lambda_h[:, t] += lambda_carry + np.matmul(lambda_v_pi[:, t], theta["pi.W1"].mT)
    gradient = {}
    weights(gradient, "pi", tall(h), tall(v_pi), tall(lambda_v_pi), tall(lambda_out))
    return G, {name: gradient[name] for name in theta}
