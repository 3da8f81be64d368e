"""What an action is to blame for: predicted rewards differentiated by earlier actions. [Fig. 1]"""

import autograd.numpy as np
import numpy as onp

from lvgts_np.autodiff import pullback
from lvgts_np.imagine import policy_replay, replay


def credit(phi, theta, inferred, a_max, rollout, rows):
    """Derivatives of weighted sums of predicted rewards by each action of the replay.

    C[p, i] = Σ_j rows[p, j] ∂r̂_j / ∂â_i

    inferred holds real episodes, rows is (P, T); returns (P, T, S, B, A), per episode. The
    derivative is total: what later actions do in response counts, as it does in Algorithm 1, and
    so do the detaches.
    """
    pi = policy_replay(theta, inferred, a_max)

    def rewards(nudge):
        r_hat, _, _ = replay(phi, lambda h, t: pi(h, t) + nudge[t], inferred, **rollout)
        return np.concatenate(r_hat, axis=-1)  # (S, B, T)

    r_hat, vjp = pullback(rewards, [onp.zeros_like(eta_t) for eta_t in inferred.eta])
    rows = rows.astype(r_hat.dtype)
    return onp.stack([onp.stack(vjp(onp.broadcast_to(row, r_hat.shape))) for row in rows])


def credit_matrix(phi, theta, inferred, a_max, rollout):
    """C[j, i] = ∂r̂_j / ∂â_i for all steps j, i, per episode: (T, T, S, B, A). [Fig. 1]"""
    return credit(phi, theta, inferred, a_max, rollout, onp.eye(len(inferred.eta)))


def phase_rows(T, t2):
    """The rows (2, T) of `credit` that sum the rewards up to t2, and those after it. [§4.1]"""
    early = onp.arange(T) <= t2
    return onp.stack([early, ~early])
