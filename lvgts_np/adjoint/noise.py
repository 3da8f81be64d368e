"""Noise under which model and policy reproduce a real trajectory. [Alg. 1, line 14]"""

from typing import NamedTuple

import numpy as np

from lvgts_np.adjoint.encoder import encode
from lvgts_np.adjoint.forms import form_of
from lvgts_np.adjoint.layers import Buffers, flatten_time, networks, parts, values
from lvgts_np.adjoint.memory import Attention
from lvgts_np.paper.constants import LOG_STD


class Inferred(NamedTuple):
    """Constants of a replay, as `paper.imagine.Inferred`; arrays for its lists over time."""

    h_0: np.ndarray  # (S, B, H)
    w: Attention
    xi: np.ndarray  # (T-1, S, B, H)
    rho: np.ndarray  # (T-1, S, B, H)
    eta: np.ndarray  # (T, S, B, A)


def infer(phi, theta, o, a, u, encoder, shortcut, transition="query", buffers=None):
    """Inferred noise of a real trajectory, as `paper.imagine.infer`. [Alg. 1, line 14]

    ξ_t, ρ_t of the form of f,    η_t = (u_t - μ(h_t)) / σ_π(h_t)
    """
    buffers = Buffers() if buffers is None else buffers
    nets = networks(phi, "b.q", "b.c", "f") | networks(theta, "pi")
    (T, S, B, A), H = a.shape, phi["b.W"].shape[-1]
    oa = [np.swapaxes(x, 0, 1) for x in (o, a)]
    W, form = phi["b.W"] * H**-0.5, form_of(transition)
    trace = encode(nets, W, oa, encoder["k"], encoder["rule"], buffers)
    xi, rho = np.empty((2, T - 1, S, B, H), W.dtype)
    eta = np.empty(u.shape, W.dtype)
    for steps in parts(T, B):
        h, one = (flatten_time(x[:, steps]) for x in (trace.h, trace.x_c[..., -1:]))
        out = by_step(values(nets["pi"], h, one), B)
        eta[steps] = (u[steps] - out[..., :A]) / np.exp(np.clip(out[..., A:], *LOG_STD))
        after = slice(steps.start + 1, steps.stop + 1)  # none behind the last
        x_c, h_tp1 = (flatten_time(x[:, after]) for x in (trace.x_c, trace.h))
        h_t, a_t = (x[:, : x_c.shape[1]] for x in (h, flatten_time(oa[1][:, steps])))
        found = form.noise(nets, h_t, a_t, x_c, h_tp1, shortcut)
        xi[steps], rho[steps] = (by_step(x, B) for x in found)
    return Inferred(trace.h[:, 0].copy(), trace.memory.weights(), xi, rho, eta)


def by_step(x, B):
    """Array (S, n·B, F) as (n, S, B, F)."""
    return x.reshape(len(x), x.shape[1] // B, B, x.shape[-1]).swapaxes(0, 1)
