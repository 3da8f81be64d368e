"""Diagnostics of finished agents: attention, credit and an episode, as CSV. [Fig. 1, Fig. 2]"""

from typing import NamedTuple

import numpy as np

from lvgts_np.paper.imagine import policy_replay, replay
from lvgts_np.tasks.memory import Episodes
from lvgts_np.training.arithmetic import isolated
from lvgts_np.training.files import write_table
from lvgts_np.training.metrics import attention_map, per_seed

TABLES = ("attention.csv", "credit.csv", "credit_episodes.csv", "episode.csv")
SINGLE_EPISODES = 8  # whose own credit matrices are written


class Diagnostics(NamedTuple):
    """Attention, credit and episodes of the noise-free policy, time from 0."""

    attention: np.ndarray  # (S, T, T), mean weight from step t to step i < t
    credit: np.ndarray  # (S, B, T, T), reward step j, action step i
    episodes: Episodes  # (T, S, B, ...)
    noise: dict  # the task's, (S, B, ...)
    r_hat: np.ndarray  # (T, S, B, 1), predicted rewards


@isolated()
def diagnose(trainer, B=64):
    """Diagnostics of every seed of a Trainer on B new evaluation episodes. [Fig. 1, Fig. 2]"""
    c = trainer.config
    episodes, noise, inferred = trainer.probe(B)
    C = trainer.credit(inferred, np.eye(c.T))[..., 0]  # (T, T, S, B)
    pi = policy_replay(trainer.theta, inferred, c.a_max)
    r_hat, _, _ = replay(trainer.phi, pi, inferred, **c.rollout)
    A, C = attention_map(inferred.w), C.transpose(2, 3, 0, 1)
    return Diagnostics(A, C, episodes, noise, np.stack(r_hat))


def credit_over_episodes(C):
    """Mean and root mean square over episodes of credit C (B, T, T), each (T, T). [Fig. 1]"""
    flat = per_seed(C.transpose(1, 2, 0), 0).reshape(C.shape[1:] + C.shape[:1])  # (T, T, B)
    return flat.mean(-1), np.sqrt(np.square(flat).mean(-1))


@isolated()
def write_diagnostics(trainer, directories):
    """Write attention.csv, credit.csv, credit_episodes.csv and episode.csv of every seed."""
    d = diagnose(trainer, trainer.config.eval_episodes)
    earlier = list(zip(*np.tril_indices(trainer.config.T, -1), strict=True))  # (t, i), i < t
    for s, path in enumerate(directories):
        A, C = d.attention[s], d.credit[s]
        mean, rms = credit_over_episodes(C)
        write_table(path / "attention.csv", ("t", "i", "weight"), [(*at, A[at]) for at in earlier])
        rows = [(*at, mean[at], rms[at]) for at in np.ndindex(mean.shape)]
        write_table(path / "credit.csv", ("j", "i", "mean", "rms"), rows)
        few = C[:SINGLE_EPISODES]
        rows = [(*at, few[at]) for at in zip(*few.nonzero(), strict=True)]  # most are 0
        write_table(path / "credit_episodes.csv", ("episode", "j", "i", "credit"), rows)
        write_table(path / "episode.csv", *first_episode(trainer.task, d, s))


def first_episode(task, d, s):
    """Header and rows, one a step, of the first episode of the seed at position s."""
    o, a, r_recall, r_distractor, r_hat = (x[:, s, 0] for x in (*d.episodes, d.r_hat))
    header = ("t", "phase", "o_m", "a", "r_recall", "r_distractor", "r_hat")
    steps = enumerate(zip(a[:, 0], r_recall, r_distractor, r_hat[:, 0], *o.T, strict=True))
    rows = [(t, task.phase(t), d.noise["o_m"][s, 0], *row) for t, row in steps]
    return (*header, *(f"o_{j}" for j in range(task.O))), rows
