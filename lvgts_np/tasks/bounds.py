"""Bounds of a task: optimal return, myopic baseline and lower bound. [§4.2]

All three are expected recall returns, computed from the task: the pendulum's reward is not in
them. (T8)
"""

import numpy as np
from scipy.special import ndtr, ndtri
from scipy.stats import qmc

from lvgts_np.tasks import BoundsError

SOBOL_LOG2 = 17  # 2^17 points: the myopic baseline is good to 1e-4 for t1 <= 30, sigma <= 3


def posterior(task, o, a):
    """Posterior mean and variance (..., B) of o_m after the remember phase. [§4.1]

    o_m ~ N(0, 1),   o_t | o_m ~ N(o_m, (a_m - a_{t-1})² σ²),  t < t₁;   in PMT the variance is 0

    o (>= t1, ..., B, O), a (>= t1 - 1, ..., B, A): whole episodes will do. ValueError otherwise.
    """
    _check_episodes(task, o, a)
    mean, variance = np.zeros(o.shape[1:-1]), np.ones(o.shape[1:-1])
    for t in range(task.t1):
        a_tm1 = a[t - 1][..., 0] if t > 0 else np.zeros_like(mean)
        mean, variance = _update(mean, variance, o[t][..., 0], task.noise_scale(a_tm1))
    return mean, variance


def _update(mean, variance, o, scale):
    """Posterior after one more observation with noise of this scale: a scalar Kalman filter.

    K = V / (V + s²),   m ← (1 - K) m + K o,   V ← K s²
    """
    total = variance + scale**2
    # 0 / 0, something known seen without noise, teaches nothing: K = 0.
    gain = np.divide(variance, total, out=np.zeros_like(total), where=total > 0)
    return (1.0 - gain) * mean + gain * o, gain * scale**2


class Oracle:
    """Optimal policy, for `play`; one object plays one batch of episodes. [§4.2]

    Its remember actions are clip(a_m, ±a_max), its distractor actions 0, its recall actions the
    posterior mean, clipped too. Other remember actions may be given, as an array
    (>= t1, ..., B, A) or as a function of o_t: random ones make this the ideal myopic agent.
    """

    def __init__(self, task, remember_actions=None):
        self.task, self.t, self.remember_actions = task, 0, remember_actions

    def __call__(self, o_t):
        if self.t == self.task.T:
            raise ValueError("this Oracle has played its episode: make a new one")
        phase = self.task.phase(self.t)
        a_t = np.zeros_like(o_t[..., :1])  # (..., B, A)
        if phase == "remember":
            a_t = self._observe(o_t)
        elif phase == "recall":
            a_t += self._clip(self.mean)[..., None]
        self.t += 1
        return a_t

    def _observe(self, o_t):
        o = o_t[..., 0]
        if self.t == 0:  # the prior, and a_{-1} = 0 (T3)
            self.mean, self.variance, self.a_tm1 = np.zeros_like(o), np.ones_like(o), 0.0 * o
        scale = self.task.noise_scale(self.a_tm1)
        self.mean, self.variance = _update(self.mean, self.variance, o, scale)
        a_t = self._remember_action(o_t)
        self.a_tm1 = a_t[..., 0]
        return a_t

    def _remember_action(self, o_t):
        given = self.remember_actions
        if given is None:
            return np.full_like(o_t[..., :1], self._clip(self.task.a_m))
        return given(o_t) if callable(given) else given[self.t]

    def _clip(self, a):
        return np.clip(a, -self.task.a_max, self.task.a_max)


def recall_return(task, a):
    """Expected recall return of optimal recall after remember actions a fixed before. [§4.2]

    p = 1 + Σ_{t<t₁} 1 / ((a_m - a_{t-1})² σ²),   m ~ N(0, 1 - 1/p) the posterior mean
    (T - t₂ - 1) (c - 1/p - E[(|m| - a_max)₊²])

    a (t1 - 1, ...), as the last remember action changes no remember observation; returns (...)
    """
    a = np.concatenate([np.zeros_like(a, shape=(1,) + a.shape[1:]), a])  # a_{-1} = 0 (T3)
    with np.errstate(divide="ignore", over="ignore"):  # no noise: 1 / 0 = inf is its precision
        variance = 1.0 / (1.0 + np.sum(1.0 / task.noise_scale(a) ** 2, axis=0))
    return len(task.pay) * reward_of_mean(task, variance)


def reward_of_mean(task, variance):
    """Expected reward c - (a - o_m)² of the posterior mean m as action, o_m ~ N(0, 1).

    c - V - E[(|m| - a_max)₊²],   m ~ N(0, 1 - V),   V the posterior variance (...)
    """
    return task.c - variance - _clipping_loss(np.sqrt(1.0 - variance), task.a_max)


def max_return(task):
    """Optimal return: remember actions as near a_m as they can be. [§4.2]"""
    # DEVIATION: the paper says 2; actions within +-a_max cannot follow every o_m, nor reach an a_m
    # beyond them, and the noise stays wherever no action is in time to lift it. (T6, T8)
    a_star = np.clip(task.a_m, -task.a_max, task.a_max)
    return float(recall_return(task, np.full(task.t1 - 1, a_star)))


def myopic_return(task):
    """Myopic baseline: optimal recall after the remember actions of the untrained policy. [§4.2]

    E[recall_return(a)],   a_t = a_max tanh(η_t / a_max),   η_t ~ N(0, 1)
    """
    if not task.active:
        return max_return(task)
    return float(np.mean(recall_return(task, untrained_actions(task, task.t1 - 1))))


def untrained_actions(task, n):
    """Actions of n steps or numbers of the untrained policy, evenly over their range: (n, 2^17)."""
    u = qmc.Sobol(n, scramble=False).random_base2(SOBOL_LOG2).T  # (n, 2^17)
    # SciPy fills its tables once, and an interrupt then is lost: they stay wrong without a word.
    if not np.array_equal(np.sort(u), np.broadcast_to(np.arange(u.shape[1]) / u.shape[1], u.shape)):
        raise BoundsError("SciPy's Sobol points are wrong: start Python again")
    eta = ndtri(u + 0.5 ** (SOBOL_LOG2 + 1))  # half a grid step up, as the first point is 0
    # UNSPECIFIED: the "completely random" actions; ours are those of the untrained policy. (T4)
    return task.a_max * np.tanh(eta / task.a_max)


def floor_return(task):
    """Lower bound: without memory the best recall is 0, the prior's mean. [§4.2]

    (T - t₂ - 1) (c - Var(o_m))
    """
    return float(task.recall_steps * (task.c - 1.0))


def _clipping_loss(s, bound):
    """Expected cost of actions bounded by ±b for a posterior mean m ~ N(0, s²).

    E[(|m| - b)₊²] = 2 ((s² + b²) Φ(-b/s) - b s φ(b/s))
    """
    with np.errstate(divide="ignore"):  # s = 0: Φ(-inf) = 0
        z = bound / s
    density = np.exp(-0.5 * z**2) / np.sqrt(2.0 * np.pi)
    return 2.0 * ((s**2 + bound**2) * ndtr(-z) - bound * s * density)


def _check_episodes(task, o, a):
    if np.ndim(o) < 3 or np.shape(o)[-1] != task.O or len(o) < task.t1:
        raise ValueError(f"o has shape {np.shape(o)}: expected (>= {task.t1}, ..., B, {task.O})")
    batch = o.shape[1:-1]
    if np.shape(a)[1:] != batch + (task.A,) or len(a) < task.t1 - 1:
        raise ValueError(
            f"a has shape {np.shape(a)}: expected (>= {task.t1 - 1},) + {batch + (task.A,)}"
        )
