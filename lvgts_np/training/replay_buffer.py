"""Real episodes: collection and replay buffer. [Alg. 1, lines 2-9]"""

import itertools

import numpy as np

from lvgts_np.tasks.protocol import play


def collect(task, agent, noise, eta=None):
    """Whole episodes that the agent plays: Episodes and pre-squash actions (T, S, B, A). [Alg. 1]

    noise (from `Task.draw`, with a seed axis) is the task's, eta (T, S, B, A) the policy's; without
    it the policy acts by its mean.
    """
    agent.reset(task.T)
    draws = itertools.repeat(0.0) if eta is None else iter(eta)
    episodes = play(task, noise, lambda o_t: agent.act(o_t, next(draws)))
    return episodes, np.stack(agent.u)


def training_reward(episodes, distractor_scale):
    """Reward that G sums, (T, S, B, 1): recall, and the distractor's share. [§4.1]"""
    # DEVIATION: §4.2's maximum of 2 leaves no room for the pendulum's reward, about -37. (T8)
    return (episodes.r_recall + distractor_scale * episodes.r_distractor)[..., None]


class ReplayBuffer:
    """Ring buffer of the last episodes of each seed: D of Algorithm 1."""

    def __init__(self, shapes, dtype):
        """One ring a column, of shape (T, S, capacity, features)."""
        self.columns = [np.zeros(shape, dtype) for shape in shapes]
        self.capacity, self.size, self.next = shapes[0][2], 0, 0

    def add(self, *columns):
        """Append episodes: arrays (T, S, B, features), one per ring."""
        B = columns[0].shape[2]
        slots = (self.next + np.arange(B)) % self.capacity
        for ring, x in zip(self.columns, columns, strict=True):
            ring[:, :, slots] = x
        self.next = (self.next + B) % self.capacity
        self.size = min(self.size + B, self.capacity)

    def sample(self, rngs, B):
        """Columns of B episodes of each seed, uniform with replacement, one generator per seed."""
        index = np.stack([rng.integers(self.size, size=B) for rng in rngs])  # (S, B)
        seed = np.arange(len(rngs))[:, None]
        return [ring[:, seed, index] for ring in self.columns]
