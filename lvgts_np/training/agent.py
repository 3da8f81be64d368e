"""Agent that acts, one step at a time. [Alg. 1, lines 4-5]"""

import json

import numpy as np

from lvgts_np import adjoint
from lvgts_np.paper import gradients
from lvgts_np.paper.model import init_model, init_policy, policy, squash
from lvgts_np.tasks import reference
from lvgts_np.tasks.check import check_task
from lvgts_np.tasks.memory import paper_task
from lvgts_np.training import config_file
from lvgts_np.training.config import NUMBERS, TASKS, ConfigError, expanded
from lvgts_np.training.files import load_arrays

BACKENDS = {"adjoint": adjoint, "autograd": gradients}  # what differentiates, infers and encodes
MAX_PARAMETERS = 2**32  # bytes


class Agent:
    """Encoder, memory and policy of an episode under way.

    Parameters as in `paper.model`, of one seed or a batch of seeds; `reset` starts a new episode;
    grad is the backend that encodes.
    """

    def __init__(self, phi, theta, k, rule, a_max, grad="adjoint"):
        self.phi, self.theta = phi, theta
        self.k, self.rule, self.a_max, self.grad = k, rule, a_max, grad
        self.reset()

    @classmethod
    def load(cls, directory):
        """Agent that a run saved in its seed_<s>; ConfigError where there is none, or a damaged."""
        directory = expanded(directory)
        config, path = config_file.load(directory / "config.json"), directory / "checkpoint.npz"
        like = initial_parameters(config, np.random.default_rng(0))
        try:
            saved = load_arrays(path, MAX_PARAMETERS, (*like, "rest"))
            rest = json.loads(str(saved["rest"]["json"]))
            if rest["config"] != config.as_dict():
                raise ValueError("config.json is of another run")
            if directory.name.startswith("seed_") and directory.name != f"seed_{rest['seed']}":
                raise ValueError(f"it is of seed {rest['seed']}")
            for group, params in like.items():
                due, found = (
                    {name: (x.dtype, x.shape) for name, x in xs.items()}
                    for xs in (params, saved.get(group, {}))
                )
                if odd := [name for name in due | found if due.get(name) != found.get(name)]:
                    raise ValueError(f"{group}/{odd[0]} is missing, or not as config.json says")
                if not all(np.isfinite(x).all() for x in saved[group].values()):
                    raise ValueError(f"{group} is not finite")
        except (ValueError, LookupError, TypeError, RecursionError, MemoryError) as error:
            raise ConfigError(f"{path} holds no agent: {error}") from error
        c = config
        return cls(saved["phi"], saved["theta"], c.k, c.topk_rule, c.a_max, c.grad)

    def reset(self, steps=32):
        """Start a new episode, of about so many steps: h_{-1} = a_{-1} = 0, nothing remembered."""
        self.encoder, self.a, self.steps = None, None, steps
        self.h, self.u = [], []  # h_t (S, B, H) and u_t (S, B, A) of every step so far

    def act(self, o_t, eta_t=0.0):
        """Action on the next observation; without noise η_t, the policy's mean.

        a_t = squash(μ(h_t) + σ(h_t) η_t)

        o_t (B, O), or (S, B, O) for a batch of seeds; returns a_t (B, A) or (S, B, A).
        ValueError where o_t has another shape.
        """
        dtype = self.phi["b.W"].dtype
        o_t = np.asarray(o_t, dtype)
        S, O = len(self.theta["pi.W1"]), self.phi["d.b2"].shape[-1]
        o_sb = o_t if o_t.ndim == 3 else o_t[None]  # (S, B, O)
        if o_sb.ndim != 3 or o_sb.shape[0] != S or o_sb.shape[2] != O:
            raise ValueError(f"observation has shape {o_t.shape}: must be (B, {O}) or (S, B, O)")
        if self.encoder is None:
            encoder = BACKENDS[self.grad].Encoder
            self.encoder = encoder(self.phi, self.k, self.rule, o_sb.shape[1], self.steps)
            self.a = np.zeros(o_sb.shape[:2] + (self.theta["pi.b2"].shape[-1] // 2,), dtype)
        self.h.append(self.encoder.step(np.concatenate((o_sb, self.a), axis=-1)))
        mean, std = policy(self.theta, self.h[-1])
        self.u.append(mean + std * eta_t)
        self.a = squash(self.u[-1], self.a_max)
        return self.a.reshape(o_t.shape[:-1] + self.a.shape[-1:]).copy()  # some clip it in place


def make_task(config):
    """Task of a Config."""
    if config.task not in TASKS:
        return reference.make(config.task, config.arguments)
    numbers = {name: getattr(config, name) for name in (*NUMBERS, "T", "a_max")}
    return paper_task(config.task, **numbers)


def checked_task(config):
    """Task of a Config, to be trained on; TaskError where `check_task` finds a fault."""
    task = make_task(config)
    if config.task not in TASKS:  # these our tests check
        check_task(task)
    return task


def initial_parameters(config, rng):
    """Parameters of one seed before training, leading axis 1: {"phi": ..., "theta": ...}."""
    c, task = config, make_task(config)
    scales = c.init_actions, c.init_recurrence
    f_r = c.transition, c.rollout["shortcut"], c.reward_loss
    phi = init_model(rng, task.O, task.A, c.H, c.hidden, c.combine, *scales, *f_r)
    params = {"phi": phi, "theta": init_policy(rng, c.H, task.A, c.hidden)}
    return {g: {n: x.astype(c.dtype) for n, x in xs.items()} for g, xs in params.items()}
