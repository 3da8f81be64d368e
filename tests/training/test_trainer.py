"""Training: what a seed's numbers may not depend on, and what happens when one goes wrong."""

import numpy as np
import pytest

from lvgts_np import adjoint
from lvgts_np.training import trainer as training
from lvgts_np.training.config import ALGOS, SMOKE, TASKS, preset
from lvgts_np.training.trainer import Trainer


def settings(task="dummy_amt", **changes):
    return preset(task, **{**SMOKE, "episodes": 24, "warmup": 0.4, **changes})


def learn(config, seeds):
    """The trainer after a whole run, and the rows of its log."""
    trainer, rows = Trainer(config, seeds), []
    while trainer.iteration < config.iterations:
        trainer.iterate()
        rows.append(trainer.evaluate())
    return trainer, rows


def of_seed(rows, s):
    return [{name: column[s] for name, column in row.items()} for row in rows]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("grad", ["adjoint", "autograd"])
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("algo", ALGOS)
def test_a_seed_learns_the_same_alone_and_in_a_stack_to_the_last_bit(task, algo, grad, dtype):
    config = settings(
        task, algo=algo, grad=grad, dtype=dtype, hidden=64, model_batch=128, model_steps=1
    )
    alone, rows_alone = learn(config, [7])
    together, rows_together = learn(config, [3, 7, 11])
    assert of_seed(rows_alone, 0) == of_seed(rows_together, 1)
    for name in alone.phi:
        assert np.array_equal(alone.phi[name][0], together.phi[name][1])
    for name in alone.theta:
        assert np.array_equal(alone.theta[name][0], together.theta[name][1])


@pytest.mark.parametrize("algo", ALGOS)
def test_both_engines_train_the_same_agent(algo):
    config = settings(algo=algo, dtype="float64")
    one, other = (learn(config.replace(grad=grad), [5, 6])[0] for grad in ("adjoint", "autograd"))
    for mine, theirs in ((one.phi, other.phi), (one.theta, other.theta)):
        for name in mine:
            np.testing.assert_allclose(mine[name], theirs[name], rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("grad", ["adjoint", "autograd"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_parameters_latents_and_replay_are_of_the_dtype_from_the_first_step_to_the_last(
    grad, dtype
):
    trainer, _ = learn(settings("pendulum_amt", grad=grad, dtype=dtype), [5])
    inferred = trainer.probe(4)[2]
    arrays = [*trainer.phi.values(), *trainer.theta.values(), *trainer.replay_buffer.columns]
    arrays += [trainer.adam_phi.m, trainer.adam_theta.v, inferred.h_0]
    arrays += [*inferred.xi, *inferred.rho, *inferred.eta, *inferred.w[1:]]
    assert {x.dtype for x in arrays} == {np.dtype(dtype)}


def test_float32_learns_what_float64_does_but_for_rounding():
    config = settings(clip_norm=1e3, warmup=1.0)
    first, second = (learn(config.replace(dtype=d), [5])[0] for d in ("float32", "float64"))
    assert all(x.dtype == np.float32 for x in first.phi.values())
    for name, x in second.phi.items():
        np.testing.assert_allclose(first.phi[name], x, atol=2e-3)  # Adam moves each by 6e-3 a step


def test_seeds_differ():
    _, rows = learn(settings(), [0, 1])
    assert of_seed(rows, 0) != of_seed(rows, 1)


def test_the_algorithms_start_from_the_same_weights_and_meet_the_same_episodes():
    config = settings()
    first, second = Trainer(config, [5]), Trainer(config.replace(algo="lm_svg"), [5])
    for name in first.phi:
        assert np.array_equal(first.phi[name], second.phi[name])
    first.iterate(), second.iterate()
    for a, b in zip(first.replay_buffer.columns, second.replay_buffer.columns, strict=True):
        assert np.array_equal(a, b)


def test_training_lowers_the_model_loss_and_moves_the_policy_only_after_the_warm_up():
    config = settings(episodes=320, warmup=0.975, model_steps=5)
    trainer = Trainer(config, [0])
    initial = {name: x.copy() for name, x in trainer.theta.items()}
    losses = []
    for _ in range(39):
        trainer.iterate()
        losses.append(trainer.evaluate()["loss_reward"][0])
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:5])
    assert all(np.array_equal(initial[name], trainer.theta[name]) for name in initial)
    trainer.iterate()
    assert not all(np.array_equal(initial[name], trainer.theta[name]) for name in initial)


def test_the_model_rate_falls_to_a_tenth_and_its_adam_has_its_own_beta_2(monkeypatch):
    steps = []
    step = training.adam_step
    monkeypatch.setattr(training, "adam_step", lambda *args: steps.append(args[3:]) or step(*args))
    config = settings(warmup=1.0, model_steps=1, model_beta_2=0.9)
    learn(config, [0])
    left = 0.1 + 0.9 * np.linspace(1.0, 0.0, 3)
    assert [lr for lr, _ in steps] == pytest.approx(config.model_lr * left)
    assert [beta_2 for _, beta_2 in steps] == [0.9] * 3


def test_actions_and_recurrence_start_at_their_scales_and_all_else_as_before():
    config = settings(dtype="float64", H=5)
    before, after = (
        Trainer(c, [3]).phi for c in (config, config.replace(init_actions=0.6, init_recurrence=4.5))
    )
    times = np.repeat([1.0, 0.6 / 0.3, 4.5 / 1.5], [1, 1, 5])[:, None]
    np.testing.assert_allclose(after.pop("b.q.W1"), times * before.pop("b.q.W1"), rtol=1e-15)
    assert all(np.array_equal(after[name], before[name]) for name in before)


def poison(monkeypatch, part, seed_position, at):
    """Make one seed's value from a gradient function of the adjoint NaN from its call `at` on."""
    real, calls = getattr(adjoint, part), []

    def poisoned(*args):
        calls.append(1)
        value, gradient = real(*args)
        bad = np.zeros(3, np.float32)
        bad[seed_position] = np.nan if len(calls) >= at else 0.0
        if part == "model_loss_and_grad":
            return (value[0], value[1] + bad, value[2]), gradient
        return value + bad, gradient

    monkeypatch.setattr(adjoint, part, poisoned)


@pytest.mark.parametrize(
    ("part", "at", "text"),
    [
        ("model_loss_and_grad", 4, "iteration 1: loss_decoder is not finite"),
        ("return_and_grad", 1, "iteration 1: imagined return is not finite"),
    ],
)
def test_a_seed_that_turns_non_finite_is_frozen_and_the_others_go_on(monkeypatch, part, at, text):
    config = settings()
    healthy, rows_healthy = learn(config, [0, 1, 2])
    before = Trainer(config, [0, 1, 2])
    before.iterate()
    poison(monkeypatch, part, 1, at)
    hurt, rows_hurt = learn(config, [0, 1, 2])
    assert hurt.frozen == {1: text}
    for s in (0, 2):
        assert of_seed(rows_hurt, s) == of_seed(rows_healthy, s)
        for name in hurt.phi:
            assert np.array_equal(hurt.phi[name][s], healthy.phi[name][s])
    for name in hurt.theta:  # the policy as it was before the bad step
        assert np.array_equal(hurt.theta[name][1], before.theta[name][1])
    assert all(np.isfinite(x).all() for x in hurt.phi.values())
    assert np.isfinite(hurt.adam_phi.m).all()
    assert np.isfinite(hurt.adam_phi.v).all()


def test_a_model_that_explodes_is_frozen_without_a_warning():
    trainer = Trainer(settings(dtype="float64"), [0])
    trainer.phi["r.W1"] *= 1e200
    trainer.iterate()
    assert trainer.frozen == {0: "iteration 0: loss_reward is not finite"}
    assert all(np.isfinite(x).all() for x in trainer.phi.values())
