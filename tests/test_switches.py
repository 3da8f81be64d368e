"""Switches: text, adjoint and restatement know the declared values and raise on any other."""

import inspect

import naive
import numpy as np
import pytest
from draws import A_MAX, Case, random_episode, random_model, random_replay

from lvgts_np import adjoint
from lvgts_np.adjoint import memory, policy
from lvgts_np.adjoint import model as encoder
from lvgts_np.paper import attention, constants, forms, gradients, imagine, losses, model, nets
from lvgts_np.training.config import Config

FORMS = ("transition", "reward_units")
ROLLOUT = ("store", "count_from", *FORMS)
SCORES = np.array([[[0.3, 0.1, 0.2, 0.5]]])


def replayed(backend, **switch):
    case = case_of(switch)
    phi, theta, inferred = random_replay(case, np.random.default_rng(0))
    return backend.return_and_grad(phi, theta, inferred, A_MAX, case.rollout | switch)


def case_of(switch):
    """Case whose f is as a switch says, if it says."""
    return Case(transition="latent" if switch.get("transition") == "latent" else "query")


def first(**switch):
    return model.init_model(np.random.default_rng(0), 1, 1, 2, 3, **switch)


def fitted(backend, **switch):
    case = case_of(switch)
    phi, _ = random_model(case, np.random.default_rng(0))
    o, a, _, r = random_episode(Case(), np.random.default_rng(1))
    args = phi, (o, a, r), Case().encoder, (1.0, 1.0, 1.0), None, case.forms | switch
    return backend.model_loss_and_grad(*args)


def naive_replay(store):
    return naive.replay(None, None, None, ([], [], []), 1, store, 0, False, "query", "relu")


RULE = {
    "text": lambda rule: attention.topk_weights(SCORES, 2, rule),
    "text, short memory": lambda rule: attention.topk_weights(SCORES, 9, rule),
    "adjoint": lambda rule: memory.threshold_rank(4, 2, rule),
    "restatement": lambda rule: naive.topk(SCORES[0, 0].tolist(), 2, rule),
}
STORE = {
    "text": lambda store: replayed(gradients, store=store),
    "adjoint": lambda store: replayed(adjoint, store=store),
}
P = naive.seed_of(random_model(Case(), np.random.default_rng(0))[0], 0)
UNITS = {
    "text": lambda units: replayed(gradients, reward_units=units),
    "text, losses": lambda units: fitted(gradients, reward_units=units),
    "adjoint": lambda units: replayed(adjoint, reward_units=units),
    "adjoint, losses": lambda units: fitted(adjoint, reward_units=units),
    "restatement": lambda units: naive.reward(P, [0.1, 0.2, 0.3], [0.4], units),
}
FORM = {
    "text": lambda f: replayed(gradients, transition=f),
    "text, losses": lambda f: fitted(gradients, transition=f),
    "text, first weights": lambda f: first(transition=f),
    "text, noise": lambda f: forms.form_of(f),
    "adjoint": lambda f: replayed(adjoint, transition=f),
    "adjoint, losses": lambda f: fitted(adjoint, transition=f),
    "restatement": lambda f: naive.argument(f, False, None, [[]]),
}
LOSS = {"text": lambda loss: first(reward_loss=loss)}
COMBINE = {"text": lambda combine: model.init_model(np.random.default_rng(0), 1, 1, 2, 3, combine)}


@pytest.mark.parametrize(
    ("switch", "values", "uses"),
    [
        ("topk_rule", ("paper", "sab"), RULE),
        ("store", ("before", "after"), STORE),
        ("combine", ("mlp", "add"), COMBINE),
        ("reward_units", ("huberized", "relu"), UNITS),
        ("transition", ("query", "latent"), FORM),
        ("reward_loss", ("weighted", "square", "hurdle"), LOSS),
    ],
)
def test_a_switch_knows_its_values_and_no_other(switch, values, uses):
    names = "TOPK_RULES", "STORES", "COMBINES", "REWARD_UNITS", "TRANSITIONS", "REWARD_LOSSES"
    assert values in [getattr(constants, name) for name in names]
    assert getattr(Config(), switch) == values[0]
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


PLAIN = (str, float, int, bool)


@pytest.mark.parametrize(
    ("function", "defaults"),
    [
        (attention.topk_weights, {"rule": "topk_rule"}),
        (model.encode, {"rule": "topk_rule", "count_from": "count_from"}),
        (model.reward, {"units": "reward_units"}),
        (model.predict_reward, {"units": "reward_units"}),
        (losses.model_losses, dict(zip(FORMS, FORMS, strict=True))),
        (encoder.block_gradient, dict(zip(FORMS, FORMS, strict=True))),
        (imagine.replay, dict(zip(ROLLOUT, ROLLOUT, strict=True))),
        (imagine.imagined_return, {"gamma": "gamma"}),
        (gradients.return_and_grad, {"gamma": "gamma"}),
        (policy.return_and_grad, {"gamma": "gamma"}),
        (policy.Rollout, dict(zip(ROLLOUT, ROLLOUT, strict=True))),
        (
            model.init_model,
            {"combine": "combine", "actions": "init_actions", "recurrence": "init_recurrence"}
            | {"transition": "transition", "reward_loss": "reward_loss"},
        ),
    ],
    ids=lambda x: getattr(x, "__name__", ""),
)
def test_a_function_s_defaults_are_those_of_a_run(function, defaults):
    arguments = inspect.signature(function).parameters
    given = {n: a.default for n, a in arguments.items() if type(a.default) in PLAIN}
    assert given.pop("shortcut", True) is True  # of the algorithm, LVGTS where nothing is said
    assert given == {name: getattr(Config(), field) for name, field in defaults.items()}


def test_a_network_s_last_layer_is_scaled_by_nothing_unless_asked_for():
    plain, whole = (
        nets.init_mlp(np.random.default_rng(0), "x", 2, 3, 1, *last) for last in ((), (1.0,))
    )
    assert all(np.array_equal(plain[name], whole[name]) for name in whole)
