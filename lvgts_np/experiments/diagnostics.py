"""Diagnostics of finished agents: attention, credit and an episode, as CSV. [Fig. 1, Fig. 2]"""

from typing import NamedTuple

import numpy as np

from lvgts_np.paper.imagine import policy_replay, replay
from lvgts_np.tasks.protocol import Episodes
from lvgts_np.training.arithmetic import isolated
from lvgts_np.training.files import write_table
from lvgts_np.training.limits import EPISODES_WRITTEN, ROWS
from lvgts_np.training.metrics import attention_map, per_seed

TABLES = ("attention.csv", "credit.csv", "credit_episodes.csv", "episode.csv")


class Diagnostics(NamedTuple):
    """Attention, credit and episodes of the noise-free policy, time from 0."""

    attention: np.ndarray  # (S, T, T), mean weight from step t to step i < t
    credit: np.ndarray  # (S, B, A, T, T), reward step j, action step i
    episodes: Episodes  # (T, S, B, ...)
    noise: dict  # the task's, (S, B, ...)
    r_hat: np.ndarray  # (T, S, B, 1), predicted rewards


@isolated()
def diagnose(trainer, B=64):
    """Diagnostics of every seed of a Trainer on B new evaluation episodes. [Fig. 1, Fig. 2]"""
    c = trainer.config
    episodes, noise, inferred = trainer.probe(B)
    C = trainer.credit(inferred, np.eye(c.T))  # (T, T, S, B, A)
    A, C = attention_map(inferred.w), C.transpose(2, 3, 4, 0, 1)
    return Diagnostics(A, C, episodes, noise, predicted_rewards(trainer, inferred))


def predicted_rewards(trainer, inferred):
    """Predicted rewards r̂_t of the replay, (T, S, B, 1)."""
    pi = policy_replay(trainer.theta, inferred, trainer.config.a_max)
    r_hat, _, _ = replay(trainer.phi, pi, inferred, **trainer.config.rollout)
    return np.stack(r_hat)


def credit_over_episodes(C):
    """Mean and root mean square over episodes and actions of C (B, A, T, T), (T, T). [Fig. 1]"""
    mean, square = moments(C)
    return mean, np.sqrt(square)


def moments(C):
    """Means over episodes and actions of C (B, A, T, T) and of its square."""
    C = C.reshape(-1, *C.shape[-2:])
    flat = per_seed(C.transpose(1, 2, 0), 0).reshape(C.shape[1:] + C.shape[:1])  # (T, T, B A)
    return flat.mean(-1), np.square(flat).mean(-1)


@isolated()
def write_diagnostics(trainer, directories):
    """Write attention.csv, credit.csv, credit_episodes.csv and episode.csv of every seed."""
    T, B = trainer.config.T, trainer.config.eval_episodes
    episodes, noise, parts = trainer.probe_in_parts(B)
    S, A, dtype, written = len(directories), trainer.task.A, trainer.config.dtype, 0
    attention, (mean, square) = np.zeros((S, T, T)), np.zeros((2, S, T, T), dtype)
    few = np.empty((S, min(B, EPISODES_WRITTEN), A, T, T), dtype)
    for share, inferred in parts:
        if written == 0:
            r_hat = predicted_rewards(trainer, inferred)
        attention += share * attention_map(inferred.w)
        size, new = max(1, ROWS // (T * inferred.h_0.shape[1] * A)), few[:, written:]
        for j in range(0, T, size):
            C = trainer.credit(inferred, np.eye(T)[j : j + size]).transpose(2, 3, 4, 0, 1)
            new[..., j : j + size, :][:, : C.shape[1]] = C[:, : new.shape[1]]  # (S, B, A, j, i)
            for s in range(S):
                for total, x in zip((mean, square), moments(C[s]), strict=True):
                    total[s, j : j + size] += share * x
        written += inferred.h_0.shape[1]
        del inferred, C  # before the next one is made
    rms, earlier = np.sqrt(square), np.tril_indices(T, -1)  # (t, i), i < t
    for s, path in enumerate(directories):
        rows = ((*at, attention[s][at]) for at in zip(*earlier, strict=True))
        write_table(path / "attention.csv", ("t", "i", "weight"), rows)
        rows = ((*at, mean[s][at], rms[s][at]) for at in np.ndindex(T, T))
        write_table(path / "credit.csv", ("j", "i", "mean", "rms"), rows)
        header, C = ("episode", "action", "j", "i", "credit"), few[s]
        if A == 1:
            header, C = ("episode", "j", "i", "credit"), C[:, 0]
        rows = ((*j, i, C[j][i]) for j in np.ndindex(C.shape[:-1]) for i in C[j].nonzero()[0])
        write_table(path / "credit_episodes.csv", header, rows)
        write_table(path / "episode.csv", *first_episode(trainer.task, episodes, noise, r_hat, s))


def first_episode(task, episodes, noise, r_hat, s):
    """Header and rows, one a step, of the first episode of the seed at position s."""
    o, a, *r = (x[:, s, 0] for x in (*episodes, r_hat[..., 0]))
    marks = {x: np.broadcast_to(y[s, 0], task.T) for x, y in task.explain(noise).items()}
    header = ("t", "phase", *marks, *action_names(task), "r_recall", "r_distractor", "r_hat")
    header += tuple(f"o_{j}" for j in range(task.O))
    steps = enumerate(zip(*marks.values(), *a.T, *r, *o.T, strict=True))
    return header, [(t, task.phase(t), *row) for t, row in steps]


def action_names(task):
    """Columns of the actions of an episode."""
    return [f"a_{j}" for j in range(task.A)] if task.A > 1 else ["a"]
