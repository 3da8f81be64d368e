"""Recurrent PPO on the same tasks: `python tests/benchmarks/ppo.py --help`, docs/results.md.

What a user would pick instead: RecurrentPPO of sb3-contrib (see requirements.txt). It has no model,
and its gradient goes through whole episodes. One thread; seconds are those that the process has had
the processor (CPU), and without evaluations.
"""

import argparse
import ast
import csv
import itertools
import os
import sys
import time
from pathlib import Path

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.append(str(Path(__file__).resolve().parents[2] / "docs"))

import numpy as np
import torch
from sb3_contrib import RecurrentPPO
from sb3_contrib.common.recurrent.policies import RecurrentActorCriticPolicy
from stable_baselines3.common.vec_env import VecEnv

from lvgts_np.experiments.studies.lags import at_lag
from lvgts_np.tasks.gym import PAPER, TaskEnv
from lvgts_np.tasks.protocol import play
from lvgts_np.training.config import ALGOS, LAG_SWEEP, preset
from lvgts_np.training.trainer import Trainer, make_task

COLUMNS = (
    "algo", "settings", "task", "seed", "budget", "episodes", "return_recall", "cpu_seconds",
)  # fmt: skip
EVALUATIONS, EVAL_EPISODES = 25, 256  # as in Figure 2
# Episodes of an update, passes over them, episodes of a mini-batch, share of the learning rate that
# is left at the end, what is added to the LSTMs' forget gates (PyTorch's start at about a half, and
# half of a memory is lost at each step); the rest as RecurrentPPO and its policy name them.
DEFAULTS = {
    "rollout": 32, "n_epochs": 10, "minibatch": 8, "learning_rate": 1e-3, "lr_end": 0.0,
    "gae_lambda": 0.95, "gamma": 1.0, "ent_coef": 0.0, "lstm_hidden_size": 64, "log_std_init": 0.0,
    "forget_bias": 5.0,
}  # fmt: skip
POLICY = ("lstm_hidden_size", "log_std_init")


class BatchEnv(VecEnv):
    """Episodes of a task in lock step: what as many `TaskEnv` would play, but one call a step."""

    def __init__(self, task, B, rng):
        self.task, self.rng, self.alone = task, rng, TaskEnv(task)
        super().__init__(B, self.alone.observation_space, self.alone.action_space)

    def reset(self):
        self.state, self.o = self.task.reset(self.task.draw(self.rng, self.num_envs))
        return self.o

    def step_async(self, actions):
        self.actions = np.asarray(actions, float)

    def step_wait(self):
        self.state, o, r, side = self.task.step(self.state, self.actions)
        over, infos = o is None, [{} for _ in range(self.num_envs)]
        if over:
            infos = [{"terminal_observation": x} for x in self.o]
        self.o = self.reset() if over else o
        r = r + self.alone.distractor_scale * side
        return self.o, r, np.full(self.num_envs, over), infos

    def get_attr(self, name, indices=None):
        return [getattr(self.alone, name)] * self.num_envs

    def env_is_wrapped(self, wrapper_class, indices=None):
        return [False] * self.num_envs

    def close(self):
        pass

    set_attr = env_method = None


class Policy(RecurrentActorCriticPolicy):
    """The same numbers sooner: a sequence goes through the LSTM in one call, not step by step.

    Only its first step can start an episode, as the rollout buffer cuts there.
    """

    @staticmethod
    def _process_sequence(features, lstm_states, episode_starts, lstm):
        n_seq = lstm_states[0].shape[1]
        kept = 1.0 - episode_starts.reshape(n_seq, -1)[:, 0].view(1, n_seq, 1)
        sequences = features.reshape(n_seq, -1, lstm.input_size).swapaxes(0, 1)
        out, states = lstm(sequences, tuple(kept * x for x in lstm_states))
        return out.transpose(0, 1).flatten(end_dim=1), states


def config_of(name, episodes):
    """Config of a task of the paper, `lag_<L>` of the lag sweep, or one of docs/suite.py."""
    if name.startswith("lag_"):
        sweep = preset("dummy_amt", **LAG_SWEEP | {"episodes": episodes})
        return at_lag(sweep, int(name.removeprefix("lag_")))
    return preset(name if name in PAPER else f"suite:{name}", episodes=episodes)


def learner(task, seed, episodes, settings):
    """RecurrentPPO with DEFAULTS but for these settings; an update is on whole episodes."""
    c = DEFAULTS | settings
    rate, fall, bias = c.pop("learning_rate"), 1.0 - c.pop("lr_end"), c.pop("forget_bias")
    env = BatchEnv(task, c.pop("rollout"), np.random.default_rng(seed))
    policy = {name: c.pop(name) for name in POLICY if name in c}
    batch_size = task.T * c.pop("minibatch")
    sizes = {"n_steps": task.T, "batch_size": batch_size, "seed": seed, "device": "cpu"}
    model = RecurrentPPO(Policy, env, rate, policy_kwargs=policy, **sizes, **c)
    model.lr_schedule = lambda _: rate * (1.0 - fall * model.num_timesteps / (episodes * task.T))
    for lstm in (model.policy.lstm_actor, model.policy.lstm_critic):
        lstm.bias_ih_l0.data.view(4, -1)[1] += bias  # input, forget, cell, output
    return model


def evaluate(model, task, rng):
    """Mean recall return of the noise-free policy on fresh episodes."""
    state, start = None, np.ones(EVAL_EPISODES)

    def act(o_t):
        nonlocal state, start
        a_t, state = model.predict(o_t, state, start, deterministic=True)
        start = np.zeros(EVAL_EPISODES)
        return a_t

    played = play(task, task.draw(rng, EVAL_EPISODES), act)
    return played.r_recall.sum(axis=0).mean()


def train(task, seed, episodes, settings):
    """Train a seed; yields episodes, return and CPU seconds, EVALUATIONS times."""
    model = learner(task, seed, episodes, settings)
    rng, spent = np.random.default_rng([seed, 1]), 0.0
    for n in range(1, EVALUATIONS + 1):
        goal, begin = round(episodes * n / EVALUATIONS), time.process_time()
        model.learn(goal * task.T - model.num_timesteps, reset_num_timesteps=False)
        spent += time.process_time() - begin
        yield model.num_timesteps // task.T, evaluate(model, task, rng), spent


def train_own(config, seed):
    """The seconds of LVGTS or LM-SVG; its returns are those of `run.py`."""
    trainer, begin = Trainer(config, [seed]), time.process_time()
    while trainer.iteration < config.iterations:
        trainer.iterate()
    yield config.episodes, "", time.process_time() - begin


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("tasks", nargs="+", help="dummy_amt, lag_30, KeyToDoor, ...")
    parser.add_argument("--algo", choices=("ppo", *ALGOS), default="ppo", help="others: seconds")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--episodes", type=int, default=8_000)
    parser.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE", help="of DEFAULTS")
    parser.add_argument("--out", type=Path, default=Path("ppo.csv"), help="its runs are kept")
    args = parser.parse_args()
    torch.set_num_threads(1)
    settings = {name: ast.literal_eval(x) for name, _, x in (s.partition("=") for s in args.set)}
    seeds = range(args.first_seed, args.first_seed + args.seeds)
    for seed, name in itertools.product(seeds, args.tasks):
        run = args.algo, " ".join(args.set), name, str(seed), str(args.episodes)
        done = args.out.read_text().splitlines() if args.out.exists() else []
        if any(tuple(row[: len(run)]) == run for row in csv.reader(done)):
            continue
        config = config_of(name, args.episodes)
        if args.algo == "ppo":
            found = train(make_task(config), seed, args.episodes, settings)
        else:
            found = train_own(config.replace(algo=args.algo), seed)
        rows = []
        for n, G, seconds in found:
            print(*run, n, G, f"{seconds:.1f} s", file=sys.stderr, flush=True)
            rows.append((*run, n, G, round(seconds, 2)))
        with args.out.open("a", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(rows if done else [COLUMNS, *rows])


if __name__ == "__main__":
    main()
