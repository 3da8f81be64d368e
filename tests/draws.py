"""Random examples of every test: sizes and switches from Hypothesis, numbers from a seed."""

from typing import NamedTuple

import numpy as onp
from hypothesis import strategies as st

from lvgts_np.check.strategies import scales, seeds
from lvgts_np.paper import constants, model
from lvgts_np.paper.imagine import infer

A_MAX = 3.0


class Case(NamedTuple):
    """Sizes, switches and the seed of every random number of one example."""

    S: int = 2
    B: int = 2
    T: int = 6
    O: int = 2
    A: int = 1
    H: int = 3
    hidden: int = 5
    k: int = 2
    N: int = 3
    encoder_N: int = 2
    rule: str = "paper"
    store: str = "before"
    count_from: int = 0
    lm_svg: bool = False
    combine: str = "mlp"
    transition: str = "query"
    reward_units: str = "huberized"
    reward_loss: str = "square"
    gamma: float = 1.0
    scale: float = 1.0
    seed: int = 0

    @property
    def encoder(self):
        own = {"N": self.encoder_N, "k": self.k, "rule": self.rule}
        return own | {"count_from": self.count_from}

    @property
    def shortcut(self):
        return not self.lm_svg

    @property
    def rollout(self):
        return {"N": self.N, "store": self.store, "count_from": self.count_from} | self.forms

    @property
    def forms(self):
        own = {"shortcut": self.shortcut, "transition": self.transition}
        return own | {"reward_units": self.reward_units}

    @property
    def f(self):
        """Arguments of `infer`."""
        return self.shortcut, self.transition

    @property
    def rng(self):
        return onp.random.default_rng(self.seed)


def cases(**fixed):
    """Hypothesis strategy of cases; `fixed` pins or replaces fields."""
    ranges = {"S": (1, 2), "B": (1, 3), "T": (2, 8), "O": (1, 3), "A": (1, 2), "H": (1, 4)}
    ranges |= {"hidden": (1, 5), "k": (1, 9), "N": (1, 9), "encoder_N": (1, 9)}
    ranges |= {"count_from": (0, 1)}
    fields = {name: st.integers(*bounds) for name, bounds in ranges.items()}
    fields |= {
        "rule": st.sampled_from(constants.TOPK_RULES),
        "store": st.sampled_from(constants.STORES),
    }
    fields |= {"lm_svg": st.booleans(), "combine": st.sampled_from(constants.COMBINES)}
    fields |= {"transition": st.sampled_from(constants.TRANSITIONS)}
    fields |= {"reward_units": st.sampled_from(constants.REWARD_UNITS)}
    fields |= {"reward_loss": st.sampled_from(constants.REWARD_LOSSES)}
    fields |= {"gamma": st.sampled_from([1.0, 0.75]), "scale": scales(-3, 0)}
    fields |= {"seed": seeds}
    for name, value in fixed.items():
        fields[name] = value if isinstance(value, st.SearchStrategy) else st.just(value)
    return st.builds(Case, **fields)


def random_like(rng, params, S, scale):
    """Parameters shaped like those of one seed, for S seeds, every entry non-zero."""
    return {
        name: scale * rng.standard_normal((S,) + x.shape[1:]) / onp.sqrt(x.shape[-2])
        for name, x in params.items()
    }


def random_model(case, rng):
    """phi and theta with every weight and bias random."""
    sizes = (case.O, case.A, case.H, case.hidden)
    f = {"transition": case.transition, "shortcut": case.shortcut}
    phi = model.init_model(rng, *sizes, combine=case.combine, **f, reward_loss=case.reward_loss)
    theta = model.init_policy(rng, case.H, case.A, case.hidden)
    phi, theta = (random_like(rng, params, case.S, case.scale) for params in (phi, theta))
    phi["r.b2"][..., 1:] += 0.3  # σ of rewards, most of which would be below their least scale
    phi["r.W2"][..., 2:] *= 0.1  # p, where it has a slope: else few rewards would
    phi["r.b2"][..., 2:] = 0.5
    return [phi, theta]


def random_episode(case, rng):
    """o, a, u, r of shape (T, S, B, .); a is what u is squashed to."""
    o, u, r = (rng.standard_normal((case.T, case.S, case.B, F)) for F in (case.O, case.A, 1))
    r *= onp.random.default_rng(case.seed).random(r.shape) < 0.6  # some steps pay nothing
    return o, model.squash(u, A_MAX), u, r


def random_replay(case, rng):
    """phi, theta and what `infer` returns for a random episode under them."""
    phi, theta = random_model(case, rng)
    o, a, u, _ = random_episode(case, rng)
    return phi, theta, infer(phi, theta, o, a, u, case.encoder, *case.f)
