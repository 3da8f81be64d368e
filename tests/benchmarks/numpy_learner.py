"""The engines of `lvgts_np` behind the interface of the peers, and the problem they all get."""

from types import SimpleNamespace

import numpy as np

from lvgts_np import adjoint
from lvgts_np.paper import gradients
from lvgts_np.paper.model import init_model, init_policy
from lvgts_np.training.config import preset
from lvgts_np.training.optim import adam_init, adam_step, clip_norm, flatten, unflatten

ENGINES = {"adjoint": adjoint, "autograd": gradients}


class Learner:
    """Model and policy of a batch of seeds, as `peer_torch.Learner` and `peer_jax.Learner`."""

    def __init__(self, phi, theta, c, dtype="float32", engine="adjoint"):
        self.c, self.dtype, self.engine = c, dtype, ENGINES[engine]
        self.phi, self.theta = cast(phi, dtype), cast(theta, dtype)
        self.adam_phi, self.adam_theta = (
            adam_init(flatten(params, params)) for params in (self.phi, self.theta)
        )
        self.buffers = adjoint.Buffers()

    def fit(self, batch):
        """One Adam step on the model from a mini-batch o, a, r (T, S, B, .); -> its losses."""
        losses, gradient = self.model_gradient(batch)
        step = self.adam_phi, self.c.model_lr
        self.phi, self.adam_phi = self.descend(self.phi, gradient, *step)
        return losses

    def improve(self, o, a, u):
        """One Adam step up the imagined return of real episodes (T, S, B, .); -> G (S,)."""
        G, ascent = self.policy_gradient(o, a, u)
        step = self.adam_theta, self.c.policy_lr
        gradient = {name: -g for name, g in ascent.items()}
        self.theta, self.adam_theta = self.descend(self.theta, gradient, *step)
        return G

    def descend(self, params, gradient, adam, lr):
        g = clip_norm(flatten(gradient, params), self.c.clip_norm)
        x, adam = adam_step(flatten(params, params), g, adam, lr)
        return unflatten(x, params), adam

    def model_gradient(self, batch):
        data, c = [np.asarray(x, self.dtype) for x in batch], self.c
        encoder = {"N": c.N, "k": c.k, "rule": "paper"}
        return self.engine.model_loss_and_grad(self.phi, data, encoder, c.alphas, self.buffers)

    def policy_gradient(self, o, a, u):
        return self.improvement(self.infer(*(np.asarray(x, self.dtype) for x in (o, a, u))))

    def infer(self, o, a, u):
        encoder = {"N": self.c.N, "k": self.c.k, "rule": "paper"}
        args = self.phi, self.theta, o, a, u, encoder, True, "query", self.buffers
        return self.engine.infer(*args)

    def improvement(self, inferred):
        c = self.c
        rollout = {"N": c.N, "shortcut": True}
        return self.engine.return_and_grad(
            self.phi, self.theta, inferred, c.a_max, rollout, self.buffers
        )

    def params(self):
        return self.phi, self.theta

    def wait(self):
        """Nothing to wait for."""


def cast(params, dtype):
    return {name: np.asarray(x, dtype) for name, x in params.items()}


def settings(**changes):
    """What a Learner needs to know, from the default Config: H = 16, 64 hidden units, T = 15."""
    c = preset("dummy_amt", **changes)
    names = "N k alphas a_max model_lr policy_lr clip_norm H hidden T"
    return SimpleNamespace(config=c, **{name: getattr(c, name) for name in names.split()})


def parameters(S, c, O=1, A=1, seed=0):
    """phi and theta of S seeds, every entry random, in float64."""
    rng = np.random.default_rng(seed)
    fresh = (
        init_model(rng, O, A, c.H, c.hidden, reward_loss="square"),
        init_policy(rng, c.H, A, c.hidden),
    )
    return [
        {
            name: rng.standard_normal((S,) + x.shape[1:]) * (0.7 / np.sqrt(x.shape[-2]))
            for name, x in params.items()
        }
        for params in fresh
    ]


def episodes(S, B, T, O=1, A=1, seed=1):
    """Arrays like real episodes, (T, S, B, .): o, a, r and the pre-squash u."""
    rng = np.random.default_rng(seed)
    o, u, r = (rng.standard_normal((T, S, B, F)) for F in (O, A, 1))
    return o, 3.0 * np.tanh(u / 3.0), r, u
