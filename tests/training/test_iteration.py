"""Iterations of Algorithm 1 restated: the text's gradients, and one scalar Adam a number."""

import math
import sys
from functools import cache

import autograd.numpy as np
import naive
import numpy as onp
import pytest
from planted import changed, passes_unplanted

from lvgts_np.paper import gradients
from lvgts_np.paper.autodiff import value_and_grad
from lvgts_np.paper.imagine import imagined_return, infer
from lvgts_np.paper.model import init_model, init_policy
from lvgts_np.training import trainer as training
from lvgts_np.training.agent import Agent, initial_parameters
from lvgts_np.training.config import ALGOS, SMOKE, preset
from lvgts_np.training.replay_buffer import collect
from lvgts_np.training.trainer import Trainer, make_task

SMALL = {"H": 3, "hidden": 4, "model_batch": 3, "episodes": 20, "episodes_per_iteration": 4}
SMALL |= {
    "dtype": "float64",
    "warmup": 0.4,
    "t1": 2,
    "t2": 4,
    "T": 7,
    "N": 3,
    "encoder_N": 2,
    "k": 2,
}
CONFIGS = {
    "lvgts": preset("dummy_amt", **{**SMOKE, **SMALL, "reward_loss": "hurdle"}),
    "lm_svg": preset(
        "pendulum_pmt",
        **{
            **SMOKE,
            **SMALL,
            "algo": "lm_svg",
            "encoder_N": 0,
            "model_beta_2": 0.9,
        },
        **{"replay_episodes": 6, "clip_norm": 0.2, "store": "after", "count_from": 1},
        **{"combine": "add", "topk_rule": "sab", "alpha_decoder": 3.0, "distractor_scale": 0.5},
        **{"init_actions": 0.7, "init_recurrence": 1.1, "policy_lr": 0.02},
        **{"gamma": 0.9, "reward_units": "relu", "reward_loss": "square"},
    ),
    "latent": preset("dummy_amt", **{**SMOKE, **SMALL, "algo": "lm_svg", "transition": "latent"}),
}


class Restated:
    """One seed's parameters, every gradient so far, and the slots of its replay buffer."""

    def __init__(self, c, seed):
        names = "weights", "task", "policy", "batches", "evaluation"
        streams = zip(names, onp.random.SeedSequence(seed).spawn(5), strict=True)
        self.rng = {name: onp.random.default_rng(s) for name, s in streams}
        self.c, self.task, self.slots, self.count = c, make_task(c), {}, 0
        sizes, scales = (
            (self.task.O, self.task.A, c.H, c.hidden),
            (c.init_actions, c.init_recurrence),
        )
        f = c.transition, c.algo == "lvgts", c.reward_loss
        self.phi = init_model(self.rng["weights"], *sizes, c.combine, *scales, *f)
        self.theta = init_policy(self.rng["weights"], c.H, self.task.A, c.hidden)
        self.of_phi, self.of_theta = [], []  # gradients, clipped, as flat lists

    def iterate(self, i):
        """Iteration i = 0, 1, ... of n = episodes / (episodes per iteration)."""
        c, n = self.c, math.ceil(self.c.episodes / self.c.episodes_per_iteration)
        first = math.floor(c.warmup * n)  # iteration in which the policy learns
        p = max(0, i - first) / (n - first)  # share of the policy's training
        episodes, u = self.collect()
        for _ in range(c.model_steps):
            self.fit_model(c.model_lr * (0.1 + 0.9 * (1 - i / (n - 1))))
        if i >= first:
            self.improve_policy(episodes, u, c.policy_lr * (0.05 + 0.95 * (1 - p)))

    def collect(self):
        c, B = self.c, self.c.episodes_per_iteration
        noise = {name: x[None] for name, x in self.task.draw(self.rng["task"], B).items()}
        eta = self.rng["policy"].standard_normal((c.T, B, 1))[:, None]
        agent = Agent(self.phi, self.theta, c.k, c.topk_rule, c.a_max)
        episodes, u = collect(self.task, agent, noise, eta)
        r = episodes.r_recall + c.distractor_scale * episodes.r_distractor
        for b in range(B):
            slot = self.count % c.replay_episodes
            self.slots[slot] = episodes.o[:, 0, b], episodes.a[:, 0, b], r[:, 0, b, None]
            self.count += 1
        return episodes, u

    def fit_model(self, lr):
        c = self.c
        drawn = [
            self.slots[i] for i in self.rng["batches"].integers(len(self.slots), size=c.model_batch)
        ]
        batch = [onp.stack(x, axis=1)[:, None] for x in zip(*drawn, strict=True)]
        alphas = c.alpha_reward, c.alpha_decoder, c.alpha_transition
        _, gradient = gradients.model_loss_and_grad(
            self.phi, batch, self.encoder, alphas, None, self.forms
        )
        self.phi = self.step(self.phi, self.of_phi, gradient, lr, c.model_beta_2)

    def improve_policy(self, episodes, u, lr):
        """Adam goes down, and so down -G."""
        c, shortcut = self.c, self.c.algo == "lvgts"
        inferred = infer(
            self.phi, self.theta, episodes.o, episodes.a, u, self.encoder, shortcut, c.transition
        )
        rollout = {"N": c.N, "store": c.store, "count_from": c.count_from} | self.forms

        def minus_G(theta):
            return -np.sum(imagined_return(self.phi, theta, inferred, c.a_max, rollout, c.gamma))

        gradient = value_and_grad(minus_G)(self.theta)[1]
        self.theta = self.step(self.theta, self.of_theta, gradient, lr, 0.999)

    @property
    def forms(self):
        own = {"shortcut": self.c.algo == "lvgts", "transition": self.c.transition}
        return own | {"reward_units": self.c.reward_units}

    @property
    def encoder(self):
        c = self.c
        N = c.encoder_N if c.encoder_N > 0 else 99
        return {"N": N, "k": c.k, "rule": c.topk_rule, "count_from": c.count_from}

    def step(self, params, history, gradient, lr, beta_2):
        """Parameters after the last of the steps whose gradients are in history (in/out)."""
        flat = onp.concatenate([gradient[name].ravel() for name in params]).tolist()
        history.append(naive.clip_norm(flat, self.c.clip_norm))
        numbers = iter(zip(*history, strict=True))
        stepped = {}
        for name, x in params.items():
            # Of a path with rate 1 the last step, times this step's rate.
            steps = [(0.0, *naive.adam(0.0, next(numbers), 1.0, beta_2))[-2:] for _ in x.flat]
            stepped[name] = x + lr * onp.reshape([b - a for a, b in steps], x.shape)
        return stepped


def check_iterations(algo):
    """Parameters after each iteration, from the first on."""
    config = CONFIGS[algo]
    trainer, restated = Trainer(config, [3]), Restated(config, 3)
    for i in range(config.iterations):
        trainer.iterate()
        restated.iterate(i)
        for mine, theirs in ((trainer.phi, restated.phi), (trainer.theta, restated.theta)):
            for name in theirs:
                onp.testing.assert_allclose(mine[name], theirs[name], rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("algo", CONFIGS)
def test_each_iteration_is_algorithm_1_restated(algo):
    check_iterations(algo)


# method, what it says, what the bug makes of it, the run that must differ
# fmt: off
BUGS = [
    (Trainer._improve_policy, "-g for", "g for", "lvgts"),
    (Trainer._improve_policy, "1.0 - 0.95 *", "1.0 - 0.94 *", "lvgts"),
    (Trainer._improve_policy, "1.0 - 0.95 *", "1.0 + 0.95 *", "lvgts"),
    (Trainer._improve_policy, "c.policy_lr", "c.model_lr", "lm_svg"),
    (Trainer._fit_model, "losses, gradient, lr", "losses, {n: -g for n, g in gradient.items()}, lr",
     "lvgts"),
    (Trainer._fit_model, "1.0 - 0.9 *", "1.0 + 0.9 *", "lvgts"),
    (Trainer._fit_model, "c.iterations - 1", "c.iterations", "lvgts"),
    (Trainer._fit_model, ", c.model_beta_2", "", "lm_svg"),
    (Trainer.iterate, ">= self.config.warmup", "> self.config.warmup", "lvgts"),
    (Trainer.iterate, "range(self.config.model_steps)", "range(1)", "lvgts"),
    (Trainer.policy_progress.fget, "self.iteration - c.warmup", "self.iteration - 0 * c.warmup",
     "lvgts"),
    (Trainer._collect, "c.distractor_scale", "1.0", "lm_svg"),
    (Trainer._step, "clip_norm(g, self.config.clip_norm)", "g", "lm_svg"),
    (Trainer.infer, 'c.rollout["shortcut"]', "True", "lm_svg"),
    (Trainer._improve_policy, ", c.gamma", "", "lm_svg"),
    (Trainer._fit_model, ", c.forms", "", "lm_svg"),
    (initial_parameters, "*scales", "*scales[::-1]", "lvgts"),
]
# fmt: on


passes_once = cache(passes_unplanted)


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: f"{bug[0].__name__}: {bug[2]}")
def test_the_bug_is_caught(monkeypatch, bug):
    method, old, new, algo = bug
    passes_once(check_iterations, algo)
    planted = changed(method, old, new, vars(sys.modules[method.__module__]))
    owner = Trainer if hasattr(Trainer, method.__name__) else training
    monkeypatch.setattr(owner, method.__name__, planted)
    with pytest.raises(AssertionError):
        check_iterations(algo)


@pytest.mark.parametrize("algo", ALGOS)
def test_a_step_raises_the_imagined_return_and_lowers_the_loss(monkeypatch, algo):
    """Where nothing is detached, a first small step of either goes the right way."""
    config = CONFIGS["lvgts"].replace(algo=algo, N=7, alpha_transition=0.0, warmup=0.0)
    small = {"policy_lr": 1e-6, "model_lr": 1e-6, "model_steps": 1}
    config = config.replace(**small, reward_loss="square")  # with no weights and no σ
    trainer, seen = Trainer(config, [3]), {}
    for name in ("model_loss_and_grad", "return_and_grad"):
        backend = getattr(trainer.backend, name)
        spy = lambda *args, name=name, f=backend: seen.setdefault(name, (f, args)) and f(*args)  # noqa: E731
        monkeypatch.setattr(trainer.backend, name, spy)
    trainer.iterate()
    f, args = seen["model_loss_and_grad"]
    before, after = (np.dot(config.alphas, f(phi, *args[1:])[0]) for phi in (args[0], trainer.phi))
    assert after < before
    f, (phi, theta, *rest) = seen["return_and_grad"]
    before, after = (f(phi, pi, *rest)[0] for pi in (theta, trainer.theta))
    assert after > before
