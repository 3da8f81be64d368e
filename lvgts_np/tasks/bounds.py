"""Bounds of a task: optimal return, myopic baseline and lower bound. [§4.2]

All three are expected recall returns, computed from the task: the pendulum's reward is not in
them. (T8)
"""

import functools

import numpy as np
from scipy.special import ndtr, ndtri

SOBOL_LOG2 = 17  # 2^17 points: the myopic baseline is good to 1e-4 for t1 <= 30, sigma <= 3
# Of each dimension the primitive polynomial over GF(2), as bits, and the first direction numbers:
# the set new-joe-kuo-6.21201 of S. Joe and F. Y. Kuo, SIAM J. Sci. Comput. 30, 2008.
JOE_KUO = (
    (1, 1), (3, 1), (7, 1, 3), (11, 1, 3, 1), (13, 1, 1, 1), (19, 1, 1, 3, 3), (25, 1, 3, 5,
    13), (37, 1, 1, 5, 5, 17), (41, 1, 1, 5, 5, 5), (47, 1, 1, 7, 11, 19), (55, 1, 1, 5, 1, 1),
    (59, 1, 1, 1, 3, 11), (61, 1, 3, 5, 5, 31), (67, 1, 3, 3, 9, 7, 49), (91, 1, 1, 1, 15, 21,
    21), (97, 1, 3, 1, 13, 27, 49), (103, 1, 1, 1, 15, 7, 5), (109, 1, 3, 1, 15, 13, 25), (115,
    1, 1, 5, 5, 19, 61), (131, 1, 3, 7, 11, 23, 15, 103), (137, 1, 3, 7, 13, 13, 15, 69), (143,
    1, 1, 3, 13, 7, 35, 63), (145, 1, 3, 5, 9, 1, 25, 53), (157, 1, 3, 1, 13, 9, 35, 107), (167,
    1, 3, 1, 5, 27, 61, 31), (171, 1, 1, 5, 11, 19, 41, 61), (185, 1, 3, 5, 3, 3, 13, 69), (191,
    1, 1, 7, 13, 1, 19, 1), (193, 1, 3, 7, 5, 13, 19, 59),
)  # fmt: skip
APART = 0.1  # of the range from floor to optimum: more between two estimates is an error


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
    return _recall_return(task, a, np.zeros(np.shape(a)[1:]))  # a_{-1} = 0 (T3)


def _recall_return(task, a, a_t):
    """`recall_return` of actions that may come one by one, after the action a_{-1}."""
    with np.errstate(divide="ignore", over="ignore"):  # no noise: 1 / 0 = inf is its precision
        precision = 1.0 / task.noise_scale(a_t) ** 2
        for a_t in a:
            precision = precision + 1.0 / task.noise_scale(a_t) ** 2
        variance = 1.0 / (1.0 + precision)
    beyond = _clipping_loss(np.sqrt(1.0 - variance), task.a_max)
    return task.recall_steps * (task.c - variance - beyond)


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
    return _untrained_return(task, map(sobol, range(task.t1 - 1)))


def _untrained_return(task, u):
    """Mean recall return after untrained remember actions at uniform numbers u in (0, 1)."""
    # UNSPECIFIED: the "completely random" actions; ours are those of the untrained policy. (T4)
    a = (task.a_max * np.tanh(ndtri(u_t) / task.a_max) for u_t in u)
    return float(np.mean(_recall_return(task, a, np.zeros(1))))


def sobol(dimension):
    """Coordinates (2^17,) of the Sobol points in one dimension, each in the middle of its cell.

    Beyond the table, which covers t₁ <= 30, they are in random order: a Latin hypercube.
    """
    n = SOBOL_LOG2
    if dimension < len(JOE_KUO):
        index = np.arange(2**n)
        points, gray = np.zeros_like(index), index ^ (index >> 1)
        for bit, number in enumerate(_direction_numbers(dimension, n)):
            points ^= (gray >> bit & 1) * (number << (n - 1 - bit))
    else:
        points = np.random.default_rng(dimension).permutation(2**n)
    return (points + 0.5) / 2**n


def _direction_numbers(dimension, n):
    """Direction numbers m₁, ..., m_n of a polynomial x^s + a₁ x^{s-1} + ... + 1, by its first s.

    m_j = 2 a₁ m_{j-1} ⊕ 4 a₂ m_{j-2} ⊕ ... ⊕ 2^s m_{j-s} ⊕ m_{j-s}
    """
    polynomial, *m = JOE_KUO[dimension]
    s = polynomial.bit_length() - 1
    if s == 0:
        return [1] * n  # the van der Corput points
    for j in range(len(m), n):
        m.append(m[j - s])
        for i in range(1, s + 1):
            m[j] ^= (polynomial >> (s - i) & 1) * m[j - i] << i
    return m


@functools.cache
def bounds(task):
    """Floor, myopic and optimal return by name; ArithmeticError unless they can be right.

    They are finite and in order, and the myopic baseline is near a mean over 2^12 random episodes:
    by Hoeffding's inequality a right one is further off than 0.1 of the range once in 10^35.
    """
    with np.errstate(all="ignore"):  # what is not finite is found below
        found = {f.__name__: f(task) for f in (floor_return, myopic_return, max_return)}
        floor, myopic, optimal = found.values()
        u = np.random.default_rng(0).random((task.t1 - 1, 2**12))
        estimate = _untrained_return(task, u) if task.active else optimal
    rounding = 1e-9 * (abs(floor) + abs(optimal))
    near = abs(myopic - estimate) <= APART * (optimal - floor) + rounding
    if not (near and floor - rounding <= myopic <= optimal + rounding):
        raise ArithmeticError(f"{found} cannot be right for {task}: run it again")
    return found


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
