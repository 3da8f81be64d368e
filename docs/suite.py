"""Tasks beside the paper's, each for one question of memory or credit; docs/tasks.md has results.

`PYTHONPATH=docs python run.py --task suite:KeyToDoor`, arguments by `--set task.wait=20`. What is
drawn is N(0, 1) unless it is said otherwise, and one step pays c = 0.5 at best.
"""

from dataclasses import dataclass

import autograd.numpy as np
from scipy.special import ndtr

from lvgts_np.tasks.bounds import reward_of_mean, untrained_actions
from lvgts_np.tasks.check import BOUNDS
from lvgts_np.tasks.protocol import Task


class Numbers(Task):
    """Base: t1 steps of a cue, some to wait, some that pay; x, 0 at first, is what actions leave.

    A task has `see`, the channels of o_t; `act`, the next x, the reward if this step pays, and the
    side reward; and `expected`, the bounds of one step that pays.
    """

    t1, wait, paid, n, names = 3, 8, 4, 1, ("remember", "wait", "recall")
    A, a_max, c, differentiable = 1, 3.0, 0.5, True
    T = property(lambda self: self.t1 + self.wait + self.paid)
    cue = property(lambda self: range(self.t1))
    pay = property(lambda self: range(self.t1 + self.wait, self.T))

    def draw(self, rng, B):
        return {"m": rng.standard_normal((B, self.n)), "eps": rng.standard_normal((B, self.T))}

    def reset(self, noise):
        state = 0, noise, np.zeros_like(noise["m"][..., 0])
        return state, self.observe(*state)

    def observe(self, t, noise, x):
        zero = np.zeros_like(noise["m"][..., 0])
        return np.stack([y + zero for y in self.see(t, noise, x)], axis=-1)

    def step(self, state, a_t):
        t, noise, x = state
        x, r, side = self.act(t, noise, x, a_t)
        r, zero = r * (t in (self.pay or range(self.T))), np.zeros_like(a_t[..., 0])
        o = self.observe(t + 1, noise, x) if t + 1 < self.T else None
        return (t + 1, noise, x), o, r, side + zero

    def phases(self):
        ends = (0, self.t1, self.t1 + self.wait, self.T)
        return list(zip(self.names, ends, ends[1:], strict=False))  # or no names

    def bounds(self):
        steps = len(self.pay) or self.T
        return {name: steps * r for name, r in zip(BOUNDS, self.expected(), strict=True)}

    def expected(self):
        return self.c - 1.0, *2 * [reward_of_mean(self, 0.0)]  # credit is not needed


@dataclass(frozen=True)
class KeyToDoor(Numbers):
    """Key: act as the number shown. Apples: stand still. Door: pays for the key, long after.

    x = Σ_{t<t₁} exp(-(a_t - m)²) / t₁,   r = c x;   apples: side reward umbrella ε'_t - 0.3 a_t²
    """

    wait: int = 8
    umbrella: float = 0.0  # std of the noise in the apples' rewards
    O, names = 2, ("key", "apples", "door")

    def draw(self, rng, B):
        return super().draw(rng, B) | {"rain": rng.standard_normal((B, self.T))}

    def see(self, t, noise, x):
        shown = noise["m"][..., 0] if t in self.cue else noise["eps"][..., t]
        return [shown * (t not in self.pay), t in self.pay]

    def act(self, t, noise, x, a_t):
        near = np.exp(-((a_t - noise["m"])[..., 0] ** 2)) / self.t1
        apples = self.umbrella * noise["rain"][..., t] - 0.3 * a_t[..., 0] ** 2
        return x + (t in self.cue) * near, self.c * x, apples * (self.phase(t) == "apples")

    def expected(self):
        # E[exp(-m²)] of standing still, as the apples teach; at best E[exp(-(|m| - a_max)₊²)].
        still, b = 3.0**-0.5, self.a_max
        best = 1.0 - 2.0 * ndtr(-b) + 2.0 * still * np.exp(-(b**2) / 3.0) * ndtr(-b * still)
        return self.c * still, self.c * still, self.c * best


@dataclass(frozen=True)
class Memories(Numbers):
    """Numbers, one at a step, all to be recalled at once by an action of n numbers.

    o_{j+1} = m_j + (1 - mean(a_j)) ε, without ε unless active;   r = c - mean_j (a_j - m_j)²
    """

    n: int = 2  # above k, attention cannot read them all at once
    wait: int = 8
    active: bool = False
    O, a_m = 2, 1.0
    A = property(lambda self: self.n)
    t1 = property(lambda self: self.n + 1)  # step 0 shows nothing, but its action is in time
    credited = property(lambda self: range(self.n))

    def see(self, t, noise, x):
        m = noise["m"][..., t - 1] + x * noise["eps"][..., t] if 0 < t <= self.n else 0.0
        return [m, t in self.pay]

    def act(self, t, noise, x, a_t):
        r = self.c - np.mean((a_t - noise["m"]) ** 2, axis=-1)
        return self.active * (self.a_m - np.mean(a_t, axis=-1)), r, 0.0

    def expected(self):
        a = np.mean(untrained_actions(self, self.n), axis=0) if self.active else self.a_m
        myopic = np.mean(reward_of_mean(self, 1.0 - 1.0 / (1.0 + (self.a_m - a) ** 2)))
        return self.c - 1.0, myopic, reward_of_mean(self, 0.0)


@dataclass(frozen=True)
class ByContent(Numbers):
    """Numbers with a direction each, in any order; every recall step asks for one by its direction.

    o_j = (cos φ_j, sin φ_j, m_j),  j < n;   o_t = (cos φ_q, sin φ_q, 0),   r = c - (a_t - m_q)²
    """

    n: int = 3
    wait: int = 8
    O, t1 = 4, property(lambda self: self.n)

    def draw(self, rng, B):
        angles = 2.0 * np.pi / self.n * np.arange(self.n)
        order = rng.permuted(np.tile(angles, (B, 1)), axis=1)
        return super().draw(rng, B) | {"order": order, "asked": rng.choice(angles, (B, self.T))}

    def see(self, t, noise, x):
        pays, angle = t in self.pay, noise["order" if t in self.cue else "asked"][..., t]
        shown = pays or t in self.cue
        m = noise["m"][..., t] if t in self.cue else 0.0
        return [shown * np.cos(angle), shown * np.sin(angle), m, pays]

    def act(self, t, noise, x, a_t):
        at = noise["order"] == noise["asked"][..., t, None]
        return x, self.c - (a_t[..., 0] - np.sum(noise["m"] * at, axis=-1)) ** 2, 0.0


@dataclass(frozen=True)
class Chain(Numbers):
    """Choice of a number for each lag, all at step 0, that pays lag by lag. Is credit discounted?

    o_0 = (m, 0),   o_t = (0, e_j) at t = lag_j, where r = c - (a_0j - m)²
    """

    lags: tuple = (1, 3, 10, 30, 100)
    t1, names = 1, ()
    n = A = property(lambda self: len(self.lags))
    O = property(lambda self: 1 + self.n)
    T = property(lambda self: max(self.lags) + 1)
    pay = property(lambda self: sorted(self.lags))

    def see(self, t, noise, x):
        return [noise["m"][..., 0] * (t == 0), *(t == lag for lag in self.lags)]

    def act(self, t, noise, x, a_t):
        x = x if t else a_t
        wrong = (x - noise["m"][..., :1]) ** 2 * np.equal(self.lags, t)
        return x, self.c - np.sum(wrong, axis=-1), 0.0

    def expected(self):
        return self.c - 1.0, self.c - 1.0, reward_of_mean(self, 0.0)


@dataclass(frozen=True)
class TMaze(Numbers):
    """Sign, perhaps to be sought, of the side to take at the end of a corridor.

    m = ±1,   o_t = m + 3 (1 - x) ε_t,  t < t₁,   x = Σ_{i<t} a_i,   without ε unless seek
    r = c m tanh(a_t)
    """

    wait: int = 8
    seek: bool = False
    O, sigma, names = 3, 3.0, ("sign", "corridor", "junction")

    def see(self, t, noise, x):
        hidden = self.seek * self.sigma * (1.0 - x) * noise["eps"][..., t]
        return [(np.sign(noise["m"][..., 0]) + hidden) * (t in self.cue), x, t in self.pay]

    def act(self, t, noise, x, a_t):
        a = a_t[..., 0]
        return x + a * (t in self.cue), self.c * np.sign(noise["m"][..., 0]) * np.tanh(a), 0.0

    def expected(self):
        # The likelier sign is right with probability Φ(√p), p the sum of 1 / std² of what is seen.
        x = np.cumsum(untrained_actions(self, self.t1 - 1), axis=0)
        p = (1.0 + np.sum((1.0 - x) ** -2.0, axis=0)) / self.sigma**2
        best = self.c * np.tanh(self.a_max)
        return 0.0, best * (np.mean(2.0 * ndtr(p**0.5) - 1.0) if self.seek else 1.0), best


@dataclass(frozen=True)
class Tracking(Numbers):
    """State that drifts at random and is seen under noise, to be told at every step.

    x_0 = m_0,   x_t = ρ x_{t-1} + √(1 - ρ²) m_t,   o_t = x_t + ε_t,   r = c - (a_t - x_t)²
    """

    T: int = 15
    rho: float = 0.95
    O, n, cue, pay, names = 1, property(lambda self: self.T), (), (), ()

    def latent(self, t, noise, x):
        return self.rho * x + (1.0 - self.rho**2 * (t > 0)) ** 0.5 * noise["m"][..., t]

    def see(self, t, noise, x):
        return [self.latent(t, noise, x) + noise["eps"][..., t]]

    def act(self, t, noise, x, a_t):
        x = self.latent(t, noise, x)
        return x, self.c - (a_t[..., 0] - x) ** 2, 0.0

    def expected(self):
        V = [0.5]  # of the posterior after each observation, by Kalman
        for _ in range(1, self.T):
            prior = self.rho**2 * V[-1] + 1.0 - self.rho**2
            V.append(prior / (prior + 1.0))
        best = np.mean(reward_of_mean(self, np.array(V)))
        return reward_of_mean(self, 0.5), best, best
