"""True credit: by reverse mode and by differences, of task and agent as one program."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lvgts_np.check.strategies import seeds
from lvgts_np.paper.model import init_model, init_policy
from lvgts_np.tasks.memory import paper_task
from lvgts_np.tasks.protocol import play
from lvgts_np.training.agent import Agent
from lvgts_np.training.config import SMOKE, TASKS, preset
from lvgts_np.training.metrics import credit_beside
from lvgts_np.training.replay_buffer import collect
from lvgts_np.training.trainer import Trainer, join_seeds
from lvgts_np.training.true_credit import (
    ForcedAgent,
    differences,
    real_return,
    true_credit,
    true_policy_gradient,
)


def problem(
    name, seed=0, S=2, B=4, H=5, k=2, rule="paper", t1=3, distractor=3, recall=2, scale=0.7
):
    """Task, agent with random weights, noise of the task and of the policy."""
    rng = np.random.default_rng(seed)
    task = paper_task(name, t1=t1, t2=t1 + distractor - 1, T=t1 + distractor + recall)
    made = [(init_model(rng, task.O, 1, H, 8), init_policy(rng, H, 1, 8)) for _ in range(S)]
    phi, theta = map(join_seeds, zip(*made, strict=True))
    phi, theta = (
        {n: x + scale * rng.standard_normal(x.shape) / np.sqrt(x.shape[-2]) for n, x in p.items()}
        for p in (phi, theta)
    )
    noise = join_seeds([task.draw(rng, B) for _ in range(S)], new_axis=True)
    return task, Agent(phi, theta, k, rule, 3.0), noise, rng.standard_normal((task.T, S, B, 1))


problems = {
    "seed": seeds, "S": st.integers(1, 2), "B": st.integers(1, 6), "H": st.integers(1, 6),
    "k": st.integers(1, 5), "rule": st.sampled_from(["paper", "sab"]), "t1": st.integers(1, 4),
    "distractor": st.integers(1, 5), "recall": st.integers(1, 4),
    "scale": st.sampled_from([0.1, 0.5, 1.0]),
}  # fmt: skip


@pytest.mark.parametrize("name", TASKS)
@settings(max_examples=15)
@given(st.fixed_dictionaries(problems))
def test_reverse_mode_and_differences_agree(name, sizes):
    """To 1e-8, but for the few episodes whose differences have not settled: at a kink."""
    task, agent, noise, eta = problem(name, **sizes)
    C = true_credit(task, agent, noise, eta)
    (D, E, F) = (
        differences(task, agent, noise, range(task.T), eta, h=h)[0] for h in (4e-5, 2e-5, 1e-5)
    )
    fine, size = (4 * F - E) / 3, max(np.abs(C).max(), 1.0)
    settled = np.abs(fine - (4 * E - D) / 3) < 1e-8 * size
    assert settled.mean() > 0.7
    assert np.abs(fine - C)[settled].max() < 1e-8 * size


def test_what_is_differentiated_is_the_return_that_agent_and_task_give():
    for name in TASKS:
        task, agent, noise, eta = problem(name)
        episodes, _ = collect(task, agent, noise, eta)
        zero = np.zeros_like(eta)
        R = real_return(task, agent, [agent.theta] * task.T, noise, eta, zero, share=0.1)
        real = (episodes.r_recall + 0.1 * episodes.r_distractor).sum(0)
        np.testing.assert_allclose(R, real, rtol=1e-12)


@pytest.mark.parametrize("name", TASKS)
def test_the_policy_gradient_is_the_slope_of_the_mean_return(name):
    task, agent, noise, eta = problem(name, B=8)
    gradient, early = true_policy_gradient(task, agent, noise, eta, 0.3)
    rng = np.random.default_rng(0)
    v = {n: rng.standard_normal(x.shape) for n, x in agent.theta.items()}

    def mean_return(step):
        theta = {n: x + step * v[n] for n, x in agent.theta.items()}
        moved = Agent(agent.phi, theta, agent.k, agent.rule, agent.a_max)
        episodes, _ = collect(task, moved, noise, eta)
        return (episodes.r_recall + 0.3 * episodes.r_distractor).sum((0, -1)).sum() / 8

    slope = sum(np.sum(gradient[n] * v[n]) for n in v)
    assert (mean_return(1e-6) - mean_return(-1e-6)) / 2e-6 == pytest.approx(slope, rel=1e-6)
    assert any(np.abs(early[n] - gradient[n]).max() > 1e-6 for n in v)


def test_the_remember_part_is_the_credit_of_the_remember_actions():
    task, agent, noise, eta = problem("dummy_amt")
    _, early = true_policy_gradient(task, agent, noise, eta)
    C = true_credit(task, agent, noise, eta)
    episodes, u = collect(task, agent, noise, eta)
    # The last bias moves the mean: da/db = da/du for that half of the policy's outputs.
    slope = C * (1 - (episodes.a / 3.0) ** 2)
    mean = slope[:3, ..., 0].sum(0).sum(-1) / eta.shape[2]  # (S,)
    np.testing.assert_allclose(early["pi.b2"][:, 0, 0], mean, rtol=1e-9, atol=1e-12)


def test_the_policys_mean_acts_where_there_is_no_noise():
    task, agent, noise, eta = problem("dummy_amt")
    C = true_credit(task, agent, noise)
    np.testing.assert_array_equal(C, true_credit(task, agent, noise, np.zeros_like(eta)))
    (D,) = differences(task, agent, noise, [1, 0], h=1e-6)
    np.testing.assert_allclose(D, C[[1, 0]], atol=1e-5)


def test_recall_actions_have_the_slope_of_their_own_reward_at_the_last_step():
    task, agent, noise, eta = problem("dummy_pmt")
    episodes, _ = collect(task, agent, noise, eta)
    last = -2 * (episodes.a[-1, ..., 0] - noise["o_m"])
    np.testing.assert_allclose(true_credit(task, agent, noise, eta)[-1, ..., 0], last, rtol=1e-12)


def test_a_forced_agent_does_what_it_is_told_in_the_remember_phase_alone():
    task, agent, noise, eta = problem("pendulum_amt", B=3)
    forced = np.array([-1.0, 0.5, 2.0])
    changed = ForcedAgent(agent, task, forced)
    episodes, u = collect(task, changed, noise, eta)
    assert np.array_equal(episodes.a[:3, 0, :, 0], [forced] * 3)
    np.testing.assert_allclose(3.0 * np.tanh(u / 3.0), episodes.a, rtol=1e-12)
    assert not np.isin(episodes.a[3:], forced).any()
    own, _ = collect(task, ForcedAgent(agent, task), noise, eta)
    plain, _ = collect(task, agent, noise, eta)
    assert np.array_equal(own.a, plain.a)
    assert play(task, noise, lambda o_t: np.zeros((2, 3, 1))).a.sum() == 0


def test_the_log_has_the_true_credit_of_every_seed_as_if_alone():
    config = preset("dummy_amt", **SMOKE | {"warmup": 0.0})
    rows = []
    for seeds_ in ([0, 1], [1]):
        trainer = Trainer(config, seeds_)
        for _ in range(3):
            trainer.iterate()
        rows.append(trainer.evaluate())
    both, alone = rows
    for name in ("true_credit_0", "true_credit_1", "modelled_credit_0", "credit_ratio"):
        assert both[name][1] == alone[name][0]
        assert alone[name][0] != 0.0


def test_credit_beside_the_truth_in_numbers():
    true = np.array([[[1.0, 3.0]], [[-1.0, -1.0]]])[..., None]  # (n, S, B, A): means 2, -1
    modelled = np.array([[[0.5, 0.5]], [[1.0, 3.0]]])[..., None]  # means 0.5, 2
    found = {name: float(x[0]) for name, x in credit_beside(true, modelled, "01").items()}
    assert found == {
        "true_credit_0": 2.0, "true_credit_1": -1.0, "modelled_credit_0": 0.5,
        "modelled_credit_1": 2.0, "credit_ratio": (0.5 * 2 - 2.0) / 5, "credit_sign": 0.5,
    }  # fmt: skip
    none = credit_beside(0 * true, modelled, "01")
    assert none["credit_ratio"] == 0.0
    nothing = credit_beside(true[:0], modelled[:0], "")
    assert [float(x[0]) for x in nothing.values()] == [0.0, 0.0]
