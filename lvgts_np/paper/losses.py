"""The three losses that train the model. [A.2, Eq. 7]"""

import autograd.numpy as np

from lvgts_np.paper.autodiff import detach
from lvgts_np.paper.forms import form_of
from lvgts_np.paper.imagine import transition_read
from lvgts_np.paper.model import decode, encode, reward
from lvgts_np.paper.nets import flatten_time


def model_losses(
    phi, o, a, r, encoder, shortcut=True, transition="query", reward_units="huberized"
):
    """Reward, decoder and transition loss, each one number per seed. [A.2]

    L_rew = ½ [r(h_t, a_t) - r_t]²
    L_decoder = ½ |d(h_t) - o_t|²
    L_trans = ½ |e|² + ½ |σ_{t+1} - SG(|e|)|²,   e = q̂_{t+1} - SG(q_{t+1})
        or ½ |f(SG(h_t), SG(h_m), a_t) - SG(h_{t+1})|² with transition "latent"

    q̂_{t+1} and σ_{t+1} are predicted from SG(h_t) and a_t. o (T, S, B, O), a (T, S, B, A),
    r (T, S, B, 1); encoder holds the keyword arguments of `encode`; the others are those of
    `replay`. Each loss (S,) is the mean over episodes and steps of the sum over features.
    """
    h, w, q = encode(phi, o, a, **encoder)
    form = form_of(transition)
    h_all, a_all = flatten_time(h), flatten_time(a)
    loss_reward = half_square(reward(phi, h_all, a_all, reward_units) - flatten_time(r))
    loss_decoder = half_square(decode(phi, h_all) - flatten_time(o))
    h, w, q = detach(h), detach(w), detach(q)
    errors = form.errors(phi, h, w, q, a, transition_read(shortcut, form))
    loss_transition = sum(half_square(error) for error in errors)
    return loss_reward, loss_decoder, loss_transition


def total_loss(losses, alphas):
    """L_models = α_rew L_rew + α_decoder L_decoder + α_trans L_trans, (S,). [Eq. 7]"""
    return sum(alpha * loss for alpha, loss in zip(alphas, losses, strict=True))


def half_square(error):
    """½ Σ_features error², averaged over the batch; error (S, B, F), returns (S,)."""
    # UNSPECIFIED: the reductions. (M11)
    return np.sum(error * error, axis=(-2, -1)) / (2.0 * error.shape[-2])
