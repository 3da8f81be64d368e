"""Algorithm 1's gradients and credit by autograd: what the hand-written adjoint is held against.

Signatures are those of `adjoint`; `buffers` is for it alone.
"""

import autograd.numpy as np

from lvgts_np import credit as text
from lvgts_np.attention import read, read_nothing
from lvgts_np.autodiff import value_and_grad
from lvgts_np.imagine import imagined_return
from lvgts_np.losses import model_losses, total_loss


def model_loss_and_grad(phi, batch, encoder, alphas, buffers=None):
    """(L_rew, L_decoder, L_trans), each (S,), and the gradient of their total. [A.2, Eq. 7]"""

    def objective(phi):
        losses = model_losses(phi, *batch, encoder)
        return np.sum(total_loss(losses, alphas)), losses

    (_, losses), gradient = value_and_grad(objective)(phi)
    return tuple(losses), gradient


def return_and_grad(theta, phi, inferred, a_max, rollout, buffers=None):
    """G (S,), the return of the replay, and the gradient of its sum over seeds. [Alg. 1]"""

    def objective(theta):
        G = imagined_return(theta, phi, inferred, a_max, keywords(rollout))
        return np.sum(G), G

    (_, G), gradient = value_and_grad(objective)(theta)
    return G, gradient


def credit(theta, phi, inferred, a_max, rollout, rows, buffers=None):
    """C[p, i] = Σ_j rows[p, j] ∂r̂_j / ∂â_i, (P, T, S, B, A). [Fig. 1]"""
    return text.credit(phi, theta, inferred, a_max, keywords(rollout), rows)


def keywords(rollout):
    """(N, shortcut, store) as the keyword arguments of `imagine.replay`."""
    N, shortcut, store = rollout
    return {"N": N, "recall": read if shortcut else read_nothing, "store": store}
