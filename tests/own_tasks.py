"""Tasks as a user may write them, in a file that the package does not know."""

import numpy as np

from lvgts_np import Task


class Plain(Task):
    """The action should be the number seen: nothing optional."""

    T, O, A, a_max = 8, 1, 1, 2.0

    def draw(self, rng, B):
        return {"x": rng.standard_normal((B, self.T))}

    def reset(self, noise):
        return (0, noise["x"]), noise["x"][..., :1]

    def step(self, state, a_t):
        t, x = state
        r = -((a_t.sum(-1) - x[..., t]) ** 2)
        o = x[..., t + 1, None] if t + 1 < self.T else None
        return (t + 1, x), o, r, np.zeros_like(r)


class KeyToDoor(Task):
    """The key is how near the first actions are to a number; the door pays for it, much later."""

    T, O, A, a_max = 8, 2, 1, 3.0
    cue, pay = range(2), range(6, 8)

    def __init__(self, apples=0.3, shares=(0.5, 0.5)):
        self.apples, self.shares = apples, shares

    def draw(self, rng, B):
        return {"p": rng.standard_normal(B), "eps": rng.standard_normal((B, self.T))}

    def see(self, t, noise):
        p, eps = noise["p"], noise["eps"][..., t]
        x = p if t in self.cue else 0.0 * p if t in self.pay else eps
        return np.stack([x, 0.0 * p + (t in self.pay)], axis=-1)

    def reset(self, noise):
        return (0, noise, 0.0 * noise["p"]), self.see(0, noise)

    def step(self, state, a_t):
        t, noise, key = state
        a, r, apples = a_t[..., 0], 0.0 * key, 0.0 * key
        if t in self.cue:
            key = key + self.shares[t] * np.exp(-((a - noise["p"]) ** 2))
        elif t in self.pay:
            r = key
        else:
            apples = -self.apples * (a - noise["eps"][..., t]) ** 2
        o = self.see(t + 1, noise) if t + 1 < self.T else None
        return (t + 1, noise, key), o, r, apples

    def bounds(self):
        return {"floor_return": 0.0, "myopic_return": 1.155, "max_return": 2.0}

    def phases(self):
        return [("key", 0, 2), ("apples", 2, 6), ("door", 6, 8)]


class Apart(Task):
    """Two numbers to remember, each shown once; asked for twice: cue and pay in several pieces."""

    T, O, A, a_max = 8, 2, 2, 3.0
    cue, pay, credited = (0, 2), (4, 7), (2,)

    def draw(self, rng, B):
        return {"m": rng.standard_normal((B, 2)), "eps": rng.standard_normal((B, self.T, 2))}

    def reset(self, noise):
        return (0, noise["m"], noise["eps"]), noise["m"] * [1.0, 0.0]

    def step(self, state, a_t):
        t, m, eps = state
        r = (0.5 - ((a_t - m) ** 2).mean(-1)) * (t in self.pay)
        o = None if t == 7 else m * [0.0, 1.0] if t == 1 else eps[..., t + 1, :]
        return (t + 1, m, eps), o, r, np.zeros_like(r)

    def explain(self, noise):
        return {"m_0": noise["m"][..., 0], "m_1": noise["m"][..., 1]}

    def channels(self):
        return {"first": ["m_0"], "second": ["m_1"]}


class Draughts:
    """Distractor for MemoryTask: numbers that wander, and pay for an action like their sum."""

    def __init__(self, n=2):
        self.n = n

    def channels(self):
        return {"draughts": [f"x_{j}" for j in range(self.n)]}

    def draw(self, rng, B):
        return {"draughts": rng.standard_normal((B, self.n))}

    def reset(self, noise):
        return noise["draughts"]

    def observe(self, state):
        return state

    def step(self, state, a_t):
        return 0.9 * state, -((a_t[..., 0] - state.sum(-1)) ** 2)
