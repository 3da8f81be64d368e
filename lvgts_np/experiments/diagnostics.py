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
    A, C = attention_map([inferred.w]), C.transpose(2, 3, 4, 0, 1)
    return Diagnostics(A, C, episodes, noise, predicted_rewards(trainer, inferred))


def predicted_rewards(trainer, inferred):
    """Predicted rewards r̂_t of the replay, (T, S, B, 1)."""
    pi = policy_replay(trainer.theta, inferred, trainer.config.a_max)
    r_hat, _, _ = replay(trainer.phi, pi, inferred, **trainer.config.rollout)
    return np.stack(r_hat)


def credit_over_episodes(C):
    """Mean and root mean square over episodes and actions of C (B, A, T, T), (T, T). [Fig. 1]"""
    C = C.reshape(-1, *C.shape[-2:])
    flat = per_seed(C.transpose(1, 2, 0), 0).reshape(C.shape[1:] + C.shape[:1])  # (T, T, B A)
    return flat.mean(-1), np.sqrt(np.square(flat).mean(-1))


@isolated()
def write_diagnostics(trainer, directories):
    """Write attention.csv, credit.csv, credit_episodes.csv and episode.csv of every seed."""
    T, B = trainer.config.T, trainer.config.eval_episodes
    episodes, noise, parts = trainer.probe_in_parts(B)
    A, earlier = attention_map([part.w for part in parts]), np.tril_indices(T, -1)  # (t, i), i < t
    mean, rms = np.empty((2, len(A), T, T), trainer.config.dtype)
    few = np.empty((len(A), min(B, EPISODES_WRITTEN), trainer.task.A, T, T), mean.dtype)
    size = max(1, ROWS // (T * B * trainer.task.A))
    for j in range(0, T, size):
        g = np.eye(T)[j : j + size]
        C = np.concatenate([trainer.credit(part, g) for part in parts], axis=3)
        C = C.transpose(2, 3, 4, 0, 1)  # (S, B, A, j, i)
        few[..., j : j + size, :] = C[:, : few.shape[1]]
        for s in range(len(A)):
            mean[s, j : j + size], rms[s, j : j + size] = credit_over_episodes(C[s])
    r_hat = predicted_rewards(trainer, parts[0])
    for s, path in enumerate(directories):
        rows = ((*at, A[s][at]) for at in zip(*earlier, strict=True))
        write_table(path / "attention.csv", ("t", "i", "weight"), rows)
        rows = ((*at, mean[s][at], rms[s][at]) for at in np.ndindex(T, T))
        write_table(path / "credit.csv", ("j", "i", "mean", "rms"), rows)
        header, C = ("episode", "action", "j", "i", "credit"), few[s]
        if trainer.task.A == 1:
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
