"""The three losses that train the model. [A.2, Eq. 7]"""

import autograd.numpy as np
import numpy as onp

from lvgts_np.paper.autodiff import detach
from lvgts_np.paper.model import decode, encode, predict, reward


def model_losses(phi, o, a, r, encoder, reward_units="huberized"):
    """Reward, decoder and transition loss, each one number per seed. [A.2]

    L_rew = ½ [r(h_t, a_t) - r_t]²
    L_decoder = ½ |d(h_t) - o_t|²
    L_trans = ½ |e|² + ½ |σ_{t+1} - SG(|e|)|²,   e = q̂_{t+1} - SG(q_{t+1})

    q̂_{t+1} and σ_{t+1} are predicted from SG(h_t) and a_t. o (T, S, B, O), a (T, S, B, A),
    r (T, S, B, 1); encoder holds the keyword arguments of `encode`; reward_units are those of r.
    Each loss (S,) is the mean over episodes and steps of the sum over features.
    """
    h, _, q = encode(phi, o, a, **encoder)
    h_all, a_all = flatten_time(h), flatten_time(a)
    loss_reward = half_square(reward(phi, h_all, a_all, reward_units) - flatten_time(r))
    loss_decoder = half_square(decode(phi, h_all) - flatten_time(o))
    h, q = detach(h), detach(q)
    # DEVIATION: A.2 compares the latents f(SG(h_t), a_t) and SG(h_{t+1}). Both are the same
    # function of their query and of what the memory holds, so the queries are compared. The
    # σ learns the mean absolute error of the mean, entry by entry. (M11)
    mean, mae = predict(phi, flatten_time(h[:-1]), flatten_time(a[:-1]))
    error = mean - flatten_time(q[1:])
    loss_transition = half_square(error) + half_square(mae - onp.abs(detach(error)))
    return loss_reward, loss_decoder, loss_transition


def total_loss(losses, alphas):
    """L_models = α_rew L_rew + α_decoder L_decoder + α_trans L_trans, (S,). [Eq. 7]"""
    return sum(alpha * loss for alpha, loss in zip(alphas, losses, strict=True))


def flatten_time(x):
    """T arrays (S, B, F) as one batch (S, T·B, F): what has no recurrence needs no loop."""
    return np.concatenate(list(x), axis=-2)


def half_square(error):
    """½ Σ_features error², averaged over the batch; error (S, B, F), returns (S,)."""
    # UNSPECIFIED: the reductions. (M11)
    return np.sum(error * error, axis=(-2, -1)) / (2.0 * error.shape[-2])
