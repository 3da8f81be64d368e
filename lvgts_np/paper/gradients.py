"""Algorithm 1's gradients and credit by autograd: the reference of the hand-written adjoint.

Signatures are those of `adjoint`; `buffers` is for it alone.
"""

import autograd.numpy as np

from lvgts_np.paper import credit as text
from lvgts_np.paper.autodiff import value_and_grad
from lvgts_np.paper.imagine import imagined_return
from lvgts_np.paper.losses import model_losses, total_loss


def model_loss_and_grad(phi, batch, encoder, alphas, buffers=None, forms=None):
    """Losses (L_rew, L_decoder, L_trans), each (S,), and their total's gradient. [A.2, Eq. 7]"""
    forms = forms or {}

    def objective(phi):
        losses = model_losses(phi, *batch, encoder, **forms)
        return np.sum(total_loss(losses, alphas)), losses

    (_, losses), gradient = value_and_grad(objective)(phi)
    return tuple(losses), gradient


def return_and_grad(phi, theta, inferred, a_max, rollout, buffers=None, gamma=1.0):
    """Return G (S,) of the replay, and the gradient of its sum over seeds. [Alg. 1, line 24]"""

    def objective(theta):
        G = imagined_return(phi, theta, inferred, a_max, rollout, gamma)
        return np.sum(G), G

    (_, G), gradient = value_and_grad(objective)(theta)
    return G, gradient


def credit(phi, theta, inferred, a_max, rollout, cotangents, buffers=None):
    """Credit C[p, i] = Σ_j g[p, j] ∂r̂_j / ∂â_i, (P, T, S, B, A). [Fig. 1]"""
    return text.credit(phi, theta, inferred, a_max, rollout, cotangents)
