"""The two forms of the transition f, forward and backward; see `paper.forms`. [§3, A.2]"""

from typing import NamedTuple

import numpy as np

from lvgts_np.adjoint.layers import latent, latent_adjoint, mlp, mlp_adjoint, of_latents, values
from lvgts_np.paper.constants import MIN_NOISE_SCALE


class Form(NamedTuple):
    """Step of f, ĥ_{t+1} (out), its adjoint, λ of (ĥ_t, â_t) and of h_m, and its noise. [§3.2]"""

    step: object
    step_adjoint: object
    noise: object


def form_of(transition):
    """The Form of this name; ValueError for any but "query" and "latent". (M9)"""
    if of_latents(transition):
        return Form(latent_step, latent_step_adjoint, latent_noise)
    return Form(query_step, query_step_adjoint, query_noise)


def query_step(nets, trace, inferred, t, x, zeros, h_tp1):
    """ĥ_{t+1} = tanh(q + MLP(q, h_m) + ρ_t),   q = q̂_{t+1} + max(σ_{t+1}, 0.05) ξ_t

    x (S, B, 2H+1) holds h_m behind H places, and a 1 at its end. [Alg. 1, line 17]
    """
    H, xi_t = h_tp1.shape[-1], inferred.xi[t]
    out = mlp(nets["f"], trace.x_r[:, t], trace.v_f[:, t], zeros)
    np.multiply(xi_t, out[..., H:] > MIN_NOISE_SCALE, out=trace.dq[:, t])
    noise = np.maximum(out[..., H:], MIN_NOISE_SCALE) * xi_t
    np.add(out[..., :H], noise, out=x[..., :H])
    latent(nets.get("b.c"), x, trace.v_c[:, t], zeros, h_tp1, inferred.rho[t])


def query_step_adjoint(nets, trace, t, lambda_h, lambda_z, lambda_v_c):
    """λ_f = (λ_q, λ_q ∂q/∂σ);   lambda_z and lambda_v_c are for work. [Alg. 1, line 17]"""
    net, h_tp1 = nets.get("b.c"), trace.x_pi[:, t + 1, :, :-1]
    lambda_q, lambda_h_m = latent_adjoint(  # ĥ_{t+1} = tanh(q + MLP(q, h_m) + ρ_t)
        net, h_tp1, trace.v_c[:, t], lambda_h, lambda_z, lambda_v_c
    )
    lambda_mae = lambda_q * trace.dq[:, t]  # q = q̂_{t+1} + max(σ_{t+1}, 0.05) ξ_t
    lambda_f = np.concatenate((lambda_q, lambda_mae), axis=-1)
    lambda_v = mlp_adjoint(nets["f"], trace.v_f[:, t], lambda_f)  # (q̂, σ) = MLP_f(ĥ_t, â_t)
    return np.matmul(lambda_v, nets["f"].W1T[..., :-1]), lambda_h_m


def latent_step(nets, trace, inferred, t, x, zeros, h_tp1):
    """ĥ_{t+1} = tanh(MLP_f(ĥ_t, h_m, â_t) + ξ_t);   x is (., h_m, ., 1). [Alg. 1, line 17]"""
    H, A = h_tp1.shape[-1], trace.du.shape[-1]
    x[..., :H], x[..., -A - 1 : -1] = trace.x_r[:, t, :, :H], trace.x_r[:, t, :, H:-1]
    mlp(nets["f"], x, trace.v_f[:, t], zeros, h_tp1)
    h_tp1 += inferred.xi[t]
    np.tanh(h_tp1, out=h_tp1)


def latent_step_adjoint(nets, trace, t, lambda_h, lambda_z, lambda_v_c):
    """λ_MLP = λ_z = λ_ĥ_{t+1} (1 - ĥ²_{t+1})"""
    H, A = lambda_h.shape[-1], trace.du.shape[-1]
    latent_adjoint(None, trace.x_pi[:, t + 1, :, :-1], None, lambda_h, lambda_z, None)  # tanh
    lambda_v = mlp_adjoint(nets["f"], trace.v_f[:, t], lambda_z)  # MLP_f(ĥ_t, h_m, â_t) + ξ_t
    lambda_x = np.matmul(lambda_v, nets["f"].W1T[..., :-1])
    lambda_h_a = np.concatenate((lambda_x[..., :H], lambda_x[..., -A:]), axis=-1)
    return lambda_h_a, lambda_x[..., H:-A]


def query_noise(nets, h, a, x_c, h_tp1, shortcut):
    """ξ_t = (q_{t+1} - q̂_{t+1}) / max(σ_{t+1}, 0.05);   ρ_t, as in the text. [Alg. 1, line 14]

    Several steps at once, (S, n, .), h and a those of t, x_c = (q, h_m, 1) and h_tp1 of t+1.
    """
    H = h.shape[-1]
    out = values(nets["f"], h, a, x_c[..., -1:])
    q, seen = x_c[..., :H], x_c[..., H:-1]
    xi, rho = (q - out[..., :H]) / np.maximum(out[..., H:], MIN_NOISE_SCALE), np.zeros_like(q)
    if not shortcut and "b.c" in nets:
        rho = values(nets["b.c"], x_c) - values(nets["b.c"], q, 0.0 * seen, x_c[..., -1:])
    elif not shortcut:
        rho = seen
    return xi, rho


def latent_noise(nets, h, a, x_c, h_tp1, shortcut):
    """ξ_t = atanh(h_{t+1}) - MLP_f(h_t, h_m, a_t),   ρ_t = 0. [Alg. 1, line 14]"""
    H, bound = h.shape[-1], np.nextafter(h.dtype.type(1), h.dtype.type(0))
    h_m = [x_c[..., H:-1]] if shortcut else []
    z = np.arctanh(np.clip(h_tp1, -bound, bound))  # what is rounded to ±1 is kept inside
    return z - values(nets["f"], h, *h_m, a, x_c[..., -1:]), np.zeros_like(h)
