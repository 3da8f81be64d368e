"""Passive and active memory task, PMT and AMT. [§4.1]

An episode has three phases. Remember: a number o_m is shown, in AMT under noise that the last
action scales. Distractor: nothing, a pendulum, any other. Recall: the action should be o_m.
All noise is drawn before the episode, so `step` is deterministic. Arrays are (..., B) with any
leading axes; in a whole episode time, 0-based, comes first.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import autograd.numpy as np

from lvgts_np.tasks.pendulum import Pendulum
from lvgts_np.tasks.protocol import Distractor, Task


class State(NamedTuple):
    """State of B episodes: the step t, their noise, and the distractor's state."""

    t: int
    o_m: np.ndarray  # (..., B)
    eps: np.ndarray  # (..., B, T)
    distractor: Any


@dataclass(frozen=True)
class Dummy:
    """Distractor that shows nothing and pays nothing. [§4.1]"""

    def channels(self):
        return {}

    def draw(self, rng, B):
        return {}

    def reset(self, noise):
        return np.zeros((*noise["o_m"].shape, 0))

    def observe(self, state):
        return state

    def step(self, state, a_t):
        return state, np.zeros_like(a_t[..., 0])


@dataclass(frozen=True)
class MemoryTask(Task):
    """Memory task and its numbers. [§4.1, §4.2]"""

    active: bool = True  # AMT: actions of the remember phase set the noise on o_m; else PMT
    distractor: Distractor = Dummy()
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
    A = 1  # one action: no annotation, so no field

    @property
    def differentiable(self):
        return getattr(self.distractor, "differentiable", True)

    @property
    def O(self):  # noqa: E743 (the letter of the dimension key)
        return sum(map(len, self.channels().values()))

    @property
    def cue(self):
        return range(self.t1)

    @property
    def pay(self):
        return range(self.t2 + 1, self.T)

    @property
    def credited(self):
        """The remember phase but for its last step, whose action changes no observation of o_m."""
        return range(self.t1 - 1)

    def bounds(self):
        from lvgts_np.tasks import bounds  # SciPy's statistics take long to import

        found = bounds.floor_return, bounds.myopic_return, bounds.max_return
        return {f.__name__: f(self) for f in found}

    def phases(self):
        ends = (0, self.t1, self.t2 + 1, self.T)
        names = ("remember", "distractor", "recall")
        return list(zip(names, ends[:-1], ends[1:], strict=True))

    def channels(self):
        return {"observation": ["memory channel"], **self.distractor.channels()}

    def explain(self, noise):
        return {"o_m": noise["o_m"]}

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

        "o_m" (B,) and "eps" (B, T) standard normal, and the distractor's. The caller adds a seed
        axis in front.
        """
        noise = {"o_m": rng.standard_normal(B), "eps": rng.standard_normal((B, self.T))}
        # Drawn last: all four tasks of the paper meet the same o_m and eps.
        return self.distractor.draw(rng, B) | noise

    def reset(self, noise):
        """First state and observation o_0 (..., B, O) of episodes with this noise."""
        self._check_noise(noise)
        state = State(0, noise["o_m"], noise["eps"], self.distractor.reset(noise))
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
        distractor, r_distractor = self._distract(state, a_t)
        state = state._replace(t=state.t + 1, distractor=distractor)
        o_tp1 = self._observe(state, a) if state.t < self.T else None
        return state, o_tp1, r_recall, r_distractor

    def _recall_reward(self, state, a):
        """Reward of the recall phase, 0 before it. [§4.1]   r_t = c - (a_t - o_m)²,  t > t₂"""
        if self.phase(state.t) != "recall":
            return np.zeros_like(state.o_m)
        # DEVIATION: the paper says (a_t - o_m)^2 + c; it would reward being wrong. (T1)
        return self.c - (a - state.o_m) ** 2

    def _distract(self, state, a_t):
        """Distractor's state after this step, and its reward; it stands still outside its phase."""
        if self.phase(state.t) != "distractor":
            return state.distractor, np.zeros_like(state.o_m)
        # DEVIATION: the paper says the maximum return is 2 in all cases, which leaves no room for
        # this reward; we return it apart and unscaled, and the caller weighs it. (T8)
        return self.distractor.step(state.distractor, a_t)

    def _observe(self, state, a_tm1):
        """Observation o_t: memory channel and the distractor's, 0 outside its phase. [§4.1]"""
        memory = self._memory_channel(state, a_tm1)[..., None]  # (..., B, 1)
        shown = self.distractor.observe(state.distractor)
        # UNSPECIFIED: how the two tasks share one observation vector. (T7)
        if self.phase(state.t) != "distractor":
            shown = np.zeros_like(shown)
        return np.concatenate([memory, shown], axis=-1)  # (..., B, O)

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


def _check_shape(name, x, shape):
    if np.shape(x) != shape:
        raise ValueError(f"{name} has shape {np.shape(x)}, expected {shape}")


def paper_task(name, pendulum_version="v0", **numbers):
    """Task of the paper by its name, one of `config.TASKS`, and its numbers. [§4.1]"""
    tasks = {
        "dummy_pmt": (False, Dummy()),
        "dummy_amt": (True, Dummy()),
        "pendulum_pmt": (False, Pendulum(pendulum_version)),
        "pendulum_amt": (True, Pendulum(pendulum_version)),
    }
    return MemoryTask(*tasks[name], **numbers)
