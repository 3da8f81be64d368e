"""Passive and active memory task, PMT and AMT. [§4.1]

An episode has three phases. Remember: a number o_m is shown, in AMT under noise that the last
action scales. Distractor: nothing (dummy) or a pendulum. Recall: the action should be o_m.
All noise is drawn before the episode, so `step` is deterministic. Arrays are (..., B) with any
leading axes; in a whole episode time, 0-based, comes first.
"""

from dataclasses import dataclass
from typing import NamedTuple

import autograd.numpy as np

from lvgts_np.tasks import pendulum


class State(NamedTuple):
    """State of B episodes: the step t, their noise, and the pendulum (None in dummy tasks)."""

    t: int
    o_m: np.ndarray  # (..., B)
    eps: np.ndarray  # (..., B, T)
    pendulum: np.ndarray | None  # (..., B, 2)


class Episodes(NamedTuple):
    """Whole episodes, B of them, time first. The distractor's reward is not scaled."""

    o: np.ndarray  # (T, ..., B, O)
    a: np.ndarray  # (T, ..., B, A)
    r_recall: np.ndarray  # (T, ..., B)
    r_distractor: np.ndarray  # (T, ..., B)


@dataclass(frozen=True)
class Task:
    """Memory task and its numbers. [§4.1, §4.2]"""

    name: str  # one of config.TASKS
    t1: int = 3
    t2: int = 10
    T: int = 15
    c: float = 0.5
    # UNSPECIFIED: the action that reveals o_m, and the std of the noise that hides it. (T4)
    a_m: float = 1.0
    sigma: float = 1.0
    # UNSPECIFIED: the range of the actions. The policy's squash keeps to it; only `bounds` reads
    # it here, and the task clips nothing but the torque. (T6)
    a_max: float = 3.0
    pendulum_version: str = "v0"  # or "v1" (T7)
    A = 1  # one action: no annotation, so no field

    @property
    def active(self):
        """Whether the task is AMT: actions of the remember phase set the noise on o_m."""
        return self.name.endswith("amt")

    @property
    def has_pendulum(self):
        return self.name.startswith("pendulum")

    @property
    def O(self):  # noqa: E743 (the letter of the dimension key)
        return 4 if self.has_pendulum else 1

    @property
    def recall_steps(self):
        return self.T - self.t2 - 1

    def phase(self, t):
        """Phase of step t: "remember", "distractor" or "recall". [§4.1]"""
        # DEVIATION: the paper counts from 1 and leaves t1 and t2 themselves in no phase; we count
        # from 0 and give both to the distractor, for recall then has the 4 steps that make the
        # maximum return 4 c = 2. (T2)
        if t < self.t1:
            return "remember"
        return "distractor" if t <= self.t2 else "recall"

    def noise_scale(self, a_tm1):
        """Scale of the noise on o_m after the action a_{t-1} (...): signed, 0 in PMT. [§4.1 AMT]

        (a_m - a_{t-1}) σ
        """
        # DEVIATION: the paper says a_t; an action can only change the next observation. (T3)
        return (self.a_m - a_tm1) * self.sigma if self.active else np.zeros_like(a_tm1)

    def draw(self, rng, B):
        """Randomness of B episodes of one seed, all of it.

        "o_m" (B,) and "eps" (B, T) standard normal, "pendulum" (B, 2) in pendulum tasks. The
        caller adds a seed axis in front.
        """
        noise = {"o_m": rng.standard_normal(B), "eps": rng.standard_normal((B, self.T))}
        if self.has_pendulum:  # drawn last: all four tasks meet the same o_m and eps
            noise["pendulum"] = pendulum.draw_state(rng, B)
        return noise

    def reset(self, noise):
        """First state and observation o_0 (..., B, O) of episodes with this noise."""
        self._check_noise(noise)
        swing = noise["pendulum"] if self.has_pendulum else None
        state = State(0, noise["o_m"], noise["eps"], swing)
        return state, self._observe(state, np.zeros_like(state.o_m))  # a_{-1} = 0 (T3)

    def step(self, state, a_t):
        """Next state, observation and rewards after the action a_t. [§4.1]

        a_t (..., B, A); returns the state, o_{t+1} (..., B, O) or None after the last step, and
        r_recall and r_distractor (..., B).
        ValueError on a wrong shape, and beyond the end of the episode.
        """
        _check_shape("action", a_t, state.o_m.shape + (self.A,))
        if state.t >= self.T:
            raise ValueError(f"the episode is over: its last step was t = {self.T - 1}")
        a = a_t[..., 0]
        r_recall = self._recall_reward(state, a)
        swing, r_distractor = self._distract(state, a)
        state = state._replace(t=state.t + 1, pendulum=swing)
        o_tp1 = self._observe(state, a) if state.t < self.T else None
        return state, o_tp1, r_recall, r_distractor

    def _recall_reward(self, state, a):
        """Reward of the recall phase, 0 before it. [§4.1]   r_t = c - (a_t - o_m)²,  t > t₂"""
        if self.phase(state.t) != "recall":
            return np.zeros_like(state.o_m)
        # DEVIATION: the paper says (a_t - o_m)^2 + c; it would reward being wrong. (T1)
        return self.c - (a - state.o_m) ** 2

    def _distract(self, state, a):
        """Pendulum after this step, and its own reward; it hangs still outside its phase."""
        if not self.has_pendulum or self.phase(state.t) != "distractor":
            return state.pendulum, np.zeros_like(state.o_m)
        # DEVIATION: the paper says the maximum return is 2 in all cases, which leaves no room for
        # this reward; we return it apart and unscaled, and the caller weighs it. (T8)
        return pendulum.step(state.pendulum, a, self.pendulum_version)

    def _observe(self, state, a_tm1):
        """Observation o_t: memory channel and the pendulum's three, 0 outside its phase. [§4.1]"""
        memory = self._memory_channel(state, a_tm1)[..., None]  # (..., B, 1)
        if not self.has_pendulum:
            return memory
        swing = pendulum.observe(state.pendulum)  # (..., B, 3)
        # UNSPECIFIED: how the two tasks share one observation vector. (T7)
        if self.phase(state.t) != "distractor":
            swing = np.zeros_like(swing)
        return np.concatenate([memory, swing], axis=-1)  # (..., B, O)

    def _memory_channel(self, state, a_tm1):
        """Memory channel, the first of o_t, (..., B). [§4.1]

        o_m + (a_m - a_{t-1}) σ ε_t  for t < t₁,   0 for t₁ ≤ t ≤ t₂,   ε_t for t > t₂
        """
        eps_t = state.eps[..., state.t]
        phase = self.phase(state.t)
        if phase == "remember":
            return state.o_m + self.noise_scale(a_tm1) * eps_t
        # UNSPECIFIED: which "random unrelated observations"; we show N(0, 1). (T5)
        return eps_t if phase == "recall" else np.zeros_like(eps_t)

    def _check_noise(self, noise):
        batch = np.shape(noise.get("o_m"))  # (..., B)
        if not batch:
            raise ValueError("noise needs 'o_m', an array (..., B)")
        _check_shape("noise 'eps'", noise.get("eps"), batch + (self.T,))
        if self.has_pendulum:
            _check_shape("noise 'pendulum'", noise.get("pendulum"), batch + (2,))


def _check_shape(name, x, shape):
    if np.shape(x) != shape:
        raise ValueError(f"{name} has shape {np.shape(x)}, expected {shape}")


def play(task, noise, act):
    """Episodes played to the end: o_t -> a_t = act(o_t) -> o_{t+1}, t = 0..T-1. [Alg. 1]

    `act` is called once a step, in order, and keeps its own memory.
    """
    state, o_t = task.reset(noise)
    rows = []
    for _ in range(task.T):
        a_t = np.array(act(o_t))  # a copy, as `act` may reuse its array
        state, o_tp1, r_recall, r_distractor = task.step(state, a_t)
        rows.append((o_t, a_t, r_recall, r_distractor))
        o_t = o_tp1
    return Episodes(*(np.stack(column) for column in zip(*rows, strict=True)))
