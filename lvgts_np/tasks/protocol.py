"""Task and Distractor, the protocols that an environment of your own keeps; its episodes.

A class that inherits from `Task` has all optional parts. `tasks.check.check_task` says what is
wrong with one.
"""

from typing import NamedTuple, Protocol

import numpy as np

from lvgts_np.tasks import EpisodeError, fault
from lvgts_np.tasks.reference import name_of


class Task(Protocol):
    """Environment with continuous actions and a fixed number of steps. [§4.1]

    Arrays are (..., B), with any leading axes; in training there is one, the seeds. All randomness
    is drawn before an episode, and each episode depends on its own alone. The arguments of the
    class are attributes of the same names, as in a dataclass: config.json has them.
    """

    T: int  # steps of every episode, t = 0..T-1
    O: int  # numbers observed at each step
    A: int  # numbers of an action, each in (-a_max, a_max)
    a_max: float

    def draw(self, rng, B):
        """Randomness of B episodes of one seed, all of it: a dict of arrays (B, ...)."""
        raise NotImplementedError

    def reset(self, noise):
        """First state, of any type, and observation o_0 (..., B, O) of episodes with this noise."""
        raise NotImplementedError

    def step(self, state, a_t):
        """Next state, observation and rewards after the action a_t (..., B, A); neither is changed.

        Returns the next state, o_{t+1} (..., B, O) or None after the last step, the reward and a
        side reward (..., B). The return is the sum of the rewards; what is learned from is reward +
        distractor_scale * side reward.
        """
        raise NotImplementedError

    # Optional, from here on.
    cue = pay = ()  # steps to remember; steps, the only ones, that pay a reward for it
    differentiable = False  # whether `step` is written in autograd.numpy, for true credit
    active, a_m = False, 0.0  # whether one action is best at `credited` steps; which, or a middle

    @property
    def credited(self):
        """Steps of the cue whose actions may earn the pay: their true credit is taken."""
        return self.cue

    def bounds(self):
        """Expected returns, lines of the pictures; or {}.

        "floor_return" without memory, "myopic_return" without credit, "max_return".
        """
        return {}

    def phases(self):
        """Name, first step and end of each phase, one after the other from 0 to T; or []."""
        return []

    def phase(self, t):
        """Phase of step t, "" for none."""
        return next((name for name, start, end in self.phases() if start <= t < end), "")

    def channels(self):
        """Names of the observed numbers, in their order, by the panel that they are drawn in."""
        return {"observation": [f"o_{j}" for j in range(self.O)]}

    def explain(self, noise):
        """Numbers that the picture of an episode marks, (..., B) or (..., B, T), by name."""
        return {}


class Distractor(Protocol):
    """What a memory task has in its distractor phase: channels, and a reward of its own. [§4.1]

    As with a task, nothing is random but `draw`, and arguments are attributes of the same names. If
    `step` is not in autograd.numpy, `differentiable = False` says so.
    """

    def channels(self):
        """Names of its observed numbers, by the panel that they are drawn in; {} without any."""

    def draw(self, rng, B):
        """Randomness as in `Task.draw`; its names are neither "o_m" nor "eps"."""

    def reset(self, noise):
        """State, of any type, in which its phase begins, from the noise of the memory task."""

    def observe(self, state):
        """Observation of a state, (..., B, channels)."""

    def step(self, state, a_t):
        """Next state and reward (..., B) after the action a_t (..., B, 1); neither is changed."""


class Episodes(NamedTuple):
    """Whole episodes, B of them, time first. The side reward is not scaled."""

    o: np.ndarray  # (T, ..., B, O)
    a: np.ndarray  # (T, ..., B, A)
    r_recall: np.ndarray  # (T, ..., B), the reward
    r_distractor: np.ndarray  # (T, ..., B), the side reward


def play(task, noise, act):
    """Episodes played to the end: o_t -> a_t = act(o_t) -> o_{t+1}, t = 0..T-1. [Alg. 1]

    `act` is called once a step, in order, and keeps its own memory. EpisodeError where the task
    fails.
    """
    state, o_t = task.reset(noise)
    rows = []
    for t in range(task.T):
        a_t = np.array(act(o_t))  # a copy, as `act` may reuse its array
        try:
            state, o_tp1, r_recall, r_distractor = task.step(state, a_t)
        except Exception as error:
            raise EpisodeError(f"task {name_of(task)}, step {t}: {fault(error)}") from error
        if (o_tp1 is None) != (t == task.T - 1):
            words = "ends" if o_tp1 is None else "does not end (o is not None)"
            where = f"task {name_of(task)} {words} after step {t}"
            raise EpisodeError(f"{where}: every episode has T = {task.T} steps")
        rows.append((o_t, a_t, r_recall, r_distractor))
        o_t = o_tp1
    return Episodes(*(np.stack(column) for column in zip(*rows, strict=True)))


def phase_names(task):
    """Words for the cue and the pay: the phases that they begin in; "" for none."""
    both = zip((task.cue, task.pay), ("cue", "pay"), strict=True)
    return [task.phase(min(steps)) or word if len(steps) else "" for steps, word in both]
