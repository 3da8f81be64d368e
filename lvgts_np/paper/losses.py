"""The three losses that train the model. [A.2, Eq. 7]"""

import autograd.numpy as np
import numpy as onp

from lvgts_np.paper.autodiff import detach
from lvgts_np.paper.constants import MIN_REWARD_ERROR
from lvgts_np.paper.forms import form_of
from lvgts_np.paper.imagine import transition_read
from lvgts_np.paper.model import decode, encode, predict_reward
from lvgts_np.paper.nets import flatten_time


def model_losses(
    phi, o, a, r, encoder, shortcut=True, transition="query", reward_units="huberized"
):
    """Reward, decoder and transition loss, each one number per seed. [A.2]

    L_rew, the mean of half the squares of `reward_errors`
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
    out = predict_reward(phi, h_all, a_all, reward_units)
    errors = reward_errors(*out, flatten_time(r), T=len(h))
    loss_reward = sum(half_square(error) for error in errors)
    loss_decoder = half_square(decode(phi, h_all) - flatten_time(o))
    h, w, q = detach(h), detach(w), detach(q)
    errors = form.errors(phi, h, w, q, a, transition_read(shortcut, form))
    loss_transition = sum(half_square(error) for error in errors)
    return loss_reward, loss_decoder, loss_transition


def reward_errors(y, mae, p, r, T):
    """Errors of the reward's distribution (y, σ, p), as `predict_reward` has it. [Alg. 1, A.2]

    √(w z/π) e,   √(z/π) (σ - SG(|e|)),   √(1/π) (p - z),
    e = y - r,   z = [r ≠ 0],   π = max(mean of z, 1 / T),   w of `reward_weights`

    Without p all steps count as paying, z = π = 1; without σ there is only e. All (S, T·B, 1), of T
    steps; what r lacks, and the errors of that, are (S, T·B, 0).
    """
    error = y - r
    if mae.shape[-1] == 0:
        return (error,)
    # DEVIATION: A.2's loss is the plain square, though Algorithm 1's r is a distribution. (M19)
    # UNSPECIFIED: what r learns where few steps pay. y and σ learn from those that do, and all is
    # averaged over these: what one of them counts is the same in an episode of any length. (M19)
    pays = (r != 0.0).astype(r.dtype) if p.shape[-1] else onp.ones_like(r)
    share = onp.maximum(onp.mean(pays, axis=1, keepdims=True), 1.0 / T)
    weights = reward_weights(detach(mae), pays * detach(error), T) * pays
    of_mae = onp.sqrt(pays / share) * (mae - onp.abs(detach(error)))
    return onp.sqrt(weights / share) * error, of_mae, (p - pays) / onp.sqrt(share)


def reward_weights(mae, error, T):
    """Weights w of the squared errors of a reward, by the inverse of what is expected. [Alg. 1]

    w = c_t / s²,   s = max(σ, 0.2),   c_t = Σ e² / Σ (e² / s²): Σ w e² = Σ e²

    mae σ and error e (S, T·B, 1), plain numbers; sums over the B episodes at one of T steps.
    Returns (S, T·B, 1).
    """
    # UNSPECIFIED: what a distribution of rewards is learned for. A recall action far from the mean
    # of what can be known of o_m earns mostly noise, which at equal weights drowns what a clear
    # observation is worth. The weights compare the episodes at one step: with c_t the loss of each
    # step stays what it is, so that steps whose rewards are known take no share of others. (M19)
    s, e = (x.reshape(len(x), T, -1) for x in (onp.maximum(mae, MIN_REWARD_ERROR), error))
    total, part = (onp.sum(x**2, axis=-1, keepdims=True) for x in (e, e / s))
    c = onp.divide(total, part, out=onp.ones_like(part), where=part > 0.0)
    return (c / s**2).reshape(error.shape)


def total_loss(losses, alphas):
    """L_models = α_rew L_rew + α_decoder L_decoder + α_trans L_trans, (S,). [Eq. 7]"""
    return sum(alpha * loss for alpha, loss in zip(alphas, losses, strict=True))


def half_square(error):
    """½ Σ_features error², averaged over the batch; error (S, B, F), returns (S,)."""
    # UNSPECIFIED: the reductions. (M11)
    return np.sum(error * error, axis=(-2, -1)) / (2.0 * error.shape[-2])
