"""Credit: derivatives of predicted rewards with respect to earlier actions. [Fig. 1]"""

import autograd.numpy as np
import numpy as onp

from lvgts_np.paper.autodiff import vjp
from lvgts_np.paper.imagine import policy_replay, replay


def credit(phi, theta, inferred, a_max, rollout, cotangents):
    """Credit of every action of the replay for weighted sums of predicted rewards. [Fig. 1]

    C[p, i] = Σ_j g[p, j] ∂r̂_j / ∂â_i

    inferred holds real episodes, cotangents g are (P, T), rollout the keyword arguments of
    `replay`; returns (P, T, S, B, A), per episode. The derivative is total: what later actions do
    in response counts, as it does in Algorithm 1, and so do the detaches.
    """
    pi = policy_replay(theta, inferred, a_max)

    def rewards(nudge):
        r_hat, _, _ = replay(phi, lambda h, t: pi(h, t) + nudge[t], inferred, **rollout)
        return np.concatenate(r_hat, axis=-1)  # (S, B, T)

    r_hat, backward = vjp(rewards, [onp.zeros_like(eta_t) for eta_t in inferred.eta])
    cotangents = cotangents.astype(r_hat.dtype)
    return onp.stack([onp.stack(backward(onp.broadcast_to(g, r_hat.shape))) for g in cotangents])


def response(phi, theta, inferred, a_max, rollout, cotangents):
    """Derivative of the replay's actions with respect to earlier ones: Σ_j g_j ∂â_j / ∂â_i.

    cotangents g (T, S, B, A), the others as in `credit`; returns (T, S, B, A), per episode.
    """
    pi = policy_replay(theta, inferred, a_max)

    def actions(nudge):
        _, _, a_hat = replay(phi, lambda h, t: pi(h, t) + nudge[t], inferred, **rollout)
        return np.concatenate([a_t[None] for a_t in a_hat])

    _, backward = vjp(actions, [onp.zeros_like(eta_t) for eta_t in inferred.eta])
    return onp.stack(backward(cotangents))


def credit_matrix(phi, theta, inferred, a_max, rollout):
    """Credit matrix, C[j, i] = ∂r̂_j / ∂â_i, per episode: (T, T, S, B, A). [Fig. 1]"""
    return credit(phi, theta, inferred, a_max, rollout, onp.eye(len(inferred.eta)))


def phase_cotangents(T, pay):
    """Cotangents (2, T) that sum the rewards at all steps but `pay`, and those at these. [§4.1]"""
    paid = onp.isin(onp.arange(T), list(pay))
    return onp.stack([~paid, paid])
