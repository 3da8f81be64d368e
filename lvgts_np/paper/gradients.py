"""Algorithm 1's gradients and credit by autograd: the reference of the hand-written adjoint.

Signatures are those of `adjoint`; `buffers` is for it alone.
"""

import autograd.numpy as np

from lvgts_np.paper import credit as text
from lvgts_np.paper import imagine
from lvgts_np.paper.attention import append
from lvgts_np.paper.autodiff import value_and_grad
from lvgts_np.paper.imagine import imagined_return
from lvgts_np.paper.losses import model_losses, total_loss
from lvgts_np.paper.model import encode_step


class Encoder:
    """Encoder of episodes under way: B of each seed, one step at a time. [Alg. 1, line 5]"""

    def __init__(self, phi, k, rule, B, steps=None):
        self.phi, self.k, self.rule, self.memory = phi, k, rule, None
        S, H = phi["b.W"].shape[:2]
        self.h = np.zeros((S, B, H), phi["b.W"].dtype)

    def step(self, oa_t):
        """Next latent h_t (S, B, H) of (o_t, a_{t-1}) (S, B, O+A)."""
        self.h, _, _ = encode_step(self.phi, oa_t, self.h, self.memory, self.k, self.rule)
        self.memory = append(self.memory, self.h)
        return self.h


def infer(phi, theta, o, a, u, encoder, shortcut, transition="query", buffers=None):
    """Noise under which model and policy reproduce a real trajectory. [Alg. 1, line 14]"""
    return imagine.infer(phi, theta, o, a, u, encoder, shortcut, transition)


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


def response(phi, theta, inferred, a_max, rollout, cotangents, buffers=None):
    """Response Σ_j g_j ∂â_j / ∂â_i of the replay's actions, (T, S, B, A)."""
    return text.response(phi, theta, inferred, a_max, rollout, cotangents)
