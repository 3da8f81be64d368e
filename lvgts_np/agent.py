"""A trained agent that acts, one step at a time. [Alg. 1, lines 4-5]"""

from pathlib import Path

import numpy as np

from lvgts_np import checkpoint, config
from lvgts_np.attention import remember
from lvgts_np.model import encode_step, policy, squash


class Agent:
    """Encoder, memory and policy of an episode under way.

    Parameters as in `model`, of one seed or a stack; `reset` forgets the episode.
    """

    def __init__(self, phi, theta, k, rule, a_max):
        self.phi, self.theta = phi, theta
        self.k, self.rule, self.a_max = k, rule, a_max
        self.reset()

    @classmethod
    def load(cls, folder):
        """The agent that a run saved in its folder seed_<s>; ConfigError where there is none."""
        folder = Path(folder)
        settings = config.load(folder / "config.json")
        saved = checkpoint.load(folder / "checkpoint.npz")
        return cls(saved["phi"], saved["theta"], settings.k, settings.topk_rule, settings.a_max)

    def reset(self):
        """Start a new episode: h_{-1} = a_{-1} = 0, nothing remembered."""
        self.memory = self.h = self.a = None
        self.u = []  # u_t (S, B, A) of every step so far

    def act(self, o_t, eta_t=0.0, least=0.0):
        """The action on the next observation; without noise η_t, the policy's mean.

        a_t = squash(μ(h_t) + max(σ(h_t), least) η_t)

        o_t (B, O), or (S, B, O) for a stack of seeds; returns a_t (B, A) or (S, B, A).
        """
        dtype = self.phi["b.W"].dtype
        o_t = np.asarray(o_t, dtype)
        S, O = len(self.theta["pi.W1"]), self.phi["d.b2"].shape[-1]
        stacked = o_t if o_t.ndim == 3 else o_t[None]
        if stacked.ndim != 3 or stacked.shape[0] != S or stacked.shape[2] != O:
            raise ValueError(f"observation has shape {o_t.shape}: must be (B, {O}) or (S, B, O)")
        if self.memory is None:
            self.h = np.zeros(stacked.shape[:2] + self.phi["b.W"].shape[-1:], dtype)
            self.a = np.zeros(stacked.shape[:2] + (self.theta["pi.b2"].shape[-1] // 2,), dtype)
        oa_t = np.concatenate((stacked, self.a), axis=-1)
        self.h, _, _ = encode_step(self.phi, oa_t, self.h, self.memory, self.k, self.rule)
        self.memory = remember(self.memory, self.h)
        mean, std = policy(self.theta, self.h)
        self.u.append(mean + np.maximum(std, least) * eta_t)
        self.a = squash(self.u[-1], self.a_max)
        return self.a.reshape(o_t.shape[:-1] + self.a.shape[-1:])
