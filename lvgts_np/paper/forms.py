"""The two forms of the transition f, of queries as in `model`, and of latents. [§3, A.2] (M9)"""

from typing import NamedTuple

import autograd.numpy as np
import numpy as onp

from lvgts_np.paper.attention import append, read_nothing
from lvgts_np.paper.autodiff import detach, tanh, value_of
from lvgts_np.paper.model import combine, noise_scale, predict
from lvgts_np.paper.model import transition as query_transition
from lvgts_np.paper.nets import clip, flatten_time, mlp


class Form(NamedTuple):
    """What Algorithm 1 and A.2 need of f, and LM-SVG's memory read, where f has none."""

    step: object
    noise: object
    errors: object
    read_nothing: object


def form_of(transition):
    """The Form of this name; ValueError for any but "query" and "latent"."""
    if transition not in ("query", "latent"):
        raise ValueError(f"unknown transition {transition!r}")
    if transition == "query":
        return Form(query_transition, query_noise, query_errors, read_nothing)
    return Form(latent_transition, latent_noise, latent_errors, no_argument)


def query_noise(phi, h_t, h_m, a_t, q_tp1, h_tp1, seen):
    """Noise ξ_t = (q_{t+1} - q̂_{t+1}) / max(σ_{t+1}, 0.05), and ρ_t. [Alg. 1, line 14]

    seen is what the encoder read, h_m what f reads; ρ_t is the difference that this makes.
    """
    mean, mae = predict(phi, h_t, a_t)
    rho_t = onp.zeros_like(value_of(q_tp1))
    if h_m is not seen:  # LM-SVG
        rho_t = combine(phi, q_tp1, seen) - combine(phi, q_tp1, h_m)
    return (q_tp1 - mean) / noise_scale(mae), rho_t


def query_errors(phi, h, w, q, a, read):
    """Errors e = q̂_{t+1} - q_{t+1} and σ_{t+1} - SG(|e|) of lists over time, all steps. [A.2]"""
    # DEVIATION: A.2 compares the latents f(SG(h_t), a_t) and SG(h_{t+1}). Both are the same
    # function of their query and of what the memory holds, so the queries are compared. The
    # σ learns the mean absolute error of the mean, entry by entry. (M11)
    mean, mae = predict(phi, flatten_time(h[:-1]), flatten_time(a[:-1]))
    error = mean - flatten_time(q[1:])
    return error, mae - onp.abs(detach(error))


def latent_transition(phi, h_t, h_m, a_t, xi_t, rho_t=None):
    """Latent ĥ_{t+1} = tanh(MLP_f(ĥ_t, ĥ_m^{t+1}, a_t) + ξ_t); it has no ρ_t. [§3.2, A.2]"""
    return tanh(mlp(phi, "f", np.concatenate((h_t, h_m, a_t), axis=-1)) + xi_t)


def latent_noise(phi, h_t, h_m, a_t, q_tp1, h_tp1, seen):
    """Noise ξ_t = atanh(h_{t+1}) - MLP_f(h_t, h_m, a_t), and ρ_t = 0. [Alg. 1, line 14]"""
    bound = onp.nextafter(onp.ones((), value_of(h_tp1).dtype), 0)  # where h_{t+1} is rounded to ±1
    z_tp1 = np.arctanh(clip(h_tp1, -bound, bound))
    xi_t = z_tp1 - mlp(phi, "f", np.concatenate((h_t, h_m, a_t), axis=-1))
    return xi_t, onp.zeros_like(value_of(xi_t))


def latent_errors(phi, h, w, q, a, read):
    """Error f(h_t, h_m, a_t) - h_{t+1} of lists over time, all steps. [A.2]"""
    memory, h_m = None, []
    for h_t, w_tp1 in zip(h[:-1], w[1:], strict=True):
        memory = append(memory, h_t)
        h_m.append(read(w_tp1, memory))
    parts = flatten_time(h[:-1]), flatten_time(h_m), flatten_time(a[:-1])
    return (latent_transition(phi, *parts, 0.0) - flatten_time(h[1:]),)


def no_argument(w, memory):
    """Memory read of width 0: LM-SVG's f(ĥ_t, a_t) has no such argument. [§3.1]"""
    return memory[..., 0, :0]
