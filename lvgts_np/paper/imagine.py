"""Policy improvement on real trajectories, replayed through the model. [Alg. 1, second loop]

The noise that makes model and policy reproduce what really happened is inferred once and held
fixed; the trajectory is then a function of the policy alone, and so is its return. LVGTS and LM-SVG
differ by one argument, `shortcut`: whether the transition reads the memory.
"""

from typing import NamedTuple

import autograd.numpy as np
import numpy as onp

from lvgts_np.paper.attention import append, read
from lvgts_np.paper.autodiff import detach
from lvgts_np.paper.forms import form_of
from lvgts_np.paper.model import act, encode, policy, reward


class Inferred(NamedTuple):
    """Constants of a replay, inferred from a real trajectory. [Alg. 1, line 14]"""

    h_0: onp.ndarray  # (S, B, H), first latent
    w: list  # w_t (S, B, t), the real attention, t = 0..T-1
    xi: list  # ξ_t (S, B, H), transition noise, t = 0..T-2
    rho: list  # ρ_t (S, B, H), the memory's term in the latent less that in f: 0 for LVGTS
    eta: list  # η_t (S, B, A), policy noise, t = 0..T-1


def infer(phi, theta, o, a, u, encoder, shortcut, transition="query"):
    """Noise under which model and policy reproduce a real trajectory. [Alg. 1, line 14]

    ξ_t, ρ_t of the form of f,    η_t = (u_t - μ(h_t)) / σ_π(h_t)

    o (T, S, B, O), a and pre-squash u (T, S, B, A); encoder holds the keyword arguments of
    `encode`; shortcut is True for LVGTS, False for LM-SVG; transition, "query" or "latent", is the
    form of f.
    """
    h, w, q = encode(phi, o, a, **encoder)
    form = form_of(transition)
    f_read, xi, rho, memory = transition_read(shortcut, form), [], [], None
    for t in range(len(h) - 1):
        memory = append(memory, h[t])
        # DEVIATION: Algorithm 1 makes h_{t+1} with w_t; §3.2 makes it with w_{t+1}, i <= t. (M7)
        seen = read(w[t + 1], memory)
        h_m = seen if f_read is read else f_read(w[t + 1], memory)
        # UNSPECIFIED: how ξ is inferred; what the prediction leaves, so the replay is exact. (M9)
        xi_t, rho_t = form.noise(phi, h[t], h_m, a[t], q[t + 1], h[t + 1], seen)
        xi.append(xi_t)
        rho.append(rho_t)
    eta = []
    for h_t, u_t in zip(h, u, strict=True):
        # DEVIATION: Algorithm 1 replays the η_t that was drawn; the encoder was trained since,
        # and only the inferred η_t gives the real action again. (M10)
        mean, std = policy(theta, h_t)
        eta.append((u_t - mean) / std)
    return Inferred(*detach([h[0], w, xi, rho, eta]))


def transition_read(shortcut, form):
    """Memory read of the transition, the one switch between LVGTS and LM-SVG. [§3.1, §3.2]"""
    return read if shortcut else form.read_nothing


def replay(
    phi, pi, inferred, N, shortcut, store="before", count_from=0, transition="query",
    reward_units="huberized", cut=detach,
):  # fmt: skip
    """Replay under the current policy, gradients cut every N steps. [Alg. 1, lines 10-23]

    â_t = π(ĥ_t, η_t),   r̂_t = r(ĥ_t, â_t),   ĥ_{t+1} = f(ĥ_t, h_m, â_t, ξ_t, ρ_t)

    pi(h_t, t) is the policy with its noise; shortcut is True for LVGTS, False for LM-SVG; store,
    "before" or "after", says if a latent enters the memory before or after its detach; count_from
    is the number of the first step, by which those that are cut are counted; transition is the form
    of f, "query" or "latent", reward_units are those of r; cut stands for Detach.
    Returns lists over t: r̂_t (S, B, 1), ĥ_t (S, B, H), â_t (S, B, A).
    Line numbers are those of Algorithm 1, one per statement.
    """
    if store not in ("before", "after"):
        raise ValueError(f"unknown store {store!r}")
    T, f = len(inferred.eta), form_of(transition)
    h_hat = [inferred.h_0]  # line 10
    memory = append(None, inferred.h_0)  # line 11
    r_hat, a_hat = [], []  # line 12: the terms of G
    carry = inferred.h_0
    for t in range(T):  # line 13
        a_hat.append(pi(carry, t))  # line 16
        r_hat.append(reward(phi, carry, a_hat[t], reward_units))  # lines 16, 18
        if t + 1 == T:
            break
        # DEVIATION: §3.2 attends anew, to ĥ; the weights are constants, as in Algorithm 1. (M15)
        h_m = transition_read(shortcut, f)(inferred.w[t + 1], memory)  # line 15
        xi_t, rho_t = inferred.xi[t], inferred.rho[t]
        h_hat.append(f.step(phi, carry, h_m, a_hat[t], xi_t, rho_t))  # line 17
        # DEVIATION: Algorithm 1 counts from 1, and cuts our latents 3, 7, 11 for N = 4; counted
        # from 0 they are 4, 8, 12. The carry that line 20 calls h_t is h_{t+1}. (M14)
        ends = (t + 1 + count_from) % N == 0  # line 19
        carry = cut(h_hat[t + 1]) if ends else h_hat[t + 1]  # lines 20-21
        # DEVIATION: line 22 stores what line 20 detached; a shortcut to such a latent would carry
        # no gradient, so the memory keeps its graph. (M8)
        memory = append(memory, h_hat[t + 1] if store == "before" else carry)  # line 22
    return r_hat, h_hat, a_hat


def imagined_return(phi, theta, inferred, a_max, rollout, gamma=1.0):
    """Predicted return G of the replay, mean over episodes, (S,). [Alg. 1, lines 18, 24]

    G = Σ_t γ^t r̂_t

    rollout holds the keyword arguments of `replay`. No gradient reaches phi
    when theta is what is differentiated.
    """
    r_hat, _, _ = replay(phi, policy_replay(theta, inferred, a_max), inferred, **rollout)
    # DEVIATION: Algorithm 1 has no γ, the abstract and A.1 compare with one; 1 is none. (A2)
    G = sum(gamma**t * r_t for t, r_t in enumerate(r_hat))  # (S, B, 1)
    return np.sum(G, axis=(-2, -1)) / G.shape[-2]


def policy_replay(theta, inferred, a_max):
    """Policy π_θ with the inferred noise, (ĥ_t, t) -> â_t, for `replay`. [Alg. 1, line 16]"""
    return lambda h_t, t: act(theta, h_t, inferred.eta[t], a_max)[0]
