"""Switches: text, adjoint and restatement know the declared values and raise on any other."""

import naive
import numpy as np
import pytest
from draws import A_MAX, Case, random_replay

from lvgts_np import adjoint
from lvgts_np.adjoint import layers
from lvgts_np.paper import attention, constants, gradients, imagine, model
from lvgts_np.training.config import Config

SCORES = np.array([[[0.3, 0.1, 0.2, 0.5]]])


def replayed(backend, store):
    phi, theta, inferred = random_replay(Case(), np.random.default_rng(0))
    return backend.return_and_grad(phi, theta, inferred, A_MAX, {**Case().rollout, "store": store})


def naive_replay(store):
    return naive.replay(None, None, None, ([], [], []), 1, store, False)


RULE = {
    "text": lambda rule: attention.topk_weights(SCORES, 2, rule),
    "text, short memory": lambda rule: attention.topk_weights(SCORES, 9, rule),
    "adjoint": lambda rule: layers.excesses(np.sort(SCORES, axis=-1)[0, 0, 1:], 4, 2, rule),
    "restatement": lambda rule: naive.topk(SCORES[0, 0].tolist(), 2, rule),
}
STORE = {
    "text": lambda store: replayed(gradients, store),
    "adjoint": lambda store: replayed(adjoint, store),
}
COMBINE = {"text": lambda combine: model.init_model(np.random.default_rng(0), 1, 1, 2, 3, combine)}


@pytest.mark.parametrize(
    ("switch", "values", "uses"),
    [
        ("topk_rule", constants.TOPK_RULES, RULE),
        ("store", constants.STORES, STORE),
        ("combine", constants.COMBINES, COMBINE),
    ],
)
def test_a_switch_knows_its_values_and_no_other(switch, values, uses):
    assert getattr(Config(), switch) in values
    for use in uses.values():
        for value in values:
            use(value)
        with pytest.raises(ValueError, match=f"unknown {switch} 'mean'"):
            use("mean")


def test_the_restatement_raises_on_an_unknown_store():
    with pytest.raises(ValueError, match="unknown store 'mean'"):
        naive_replay("mean")


def test_the_text_s_replay_raises_by_itself():
    phi, theta, inferred = random_replay(Case(), np.random.default_rng(0))
    pi = imagine.policy_replay(theta, inferred, A_MAX)
    with pytest.raises(ValueError, match="unknown store 'mean'"):
        imagine.replay(phi, pi, inferred, N=2, shortcut=True, store="mean")
