"""Truncation audit: what is differentiated under each kind, the numbers of a row, the command."""

import numpy as np
import pytest
from draws import Case, random_replay

from lvgts_np.cli import main
from lvgts_np.experiments.studies import truncation
from lvgts_np.paper import gradients
from lvgts_np.paper.autodiff import detach, value_and_grad
from lvgts_np.paper.imagine import policy_replay, replay
from lvgts_np.tasks.memory import paper_task
from lvgts_np.training.config import SMOKE, preset
from lvgts_np.training.files import read_table
from lvgts_np.training.trainer import Trainer

A_MAX = 3.0
T = 7
ROLLOUT = preset("dummy_amt").rollout
TASK = paper_task("dummy_amt", t1=2, t2=4, T=T)


def model_gradient(case, kind, n):
    phi, theta, inferred = random_replay(case, case.rng)
    return truncation.model_gradient(theta, phi, inferred, TASK, kind, n, case.rollout)[0]


def assert_same(one, other):
    for name, x in other.items():
        np.testing.assert_allclose(one[name], x, rtol=1e-10, atol=1e-13, err_msg=name)


@pytest.mark.parametrize("lm_svg", [False, True])
@pytest.mark.parametrize("n", [1, 3, T])
def test_block_is_algorithm_1s_gradient(n, lm_svg):
    case = Case(T=T, N=n, lm_svg=lm_svg)
    phi, theta, inferred = random_replay(case, case.rng)
    _, right = gradients.return_and_grad(phi, theta, inferred, A_MAX, case.rollout)
    assert_same(model_gradient(case, "block", n), right)


@pytest.mark.parametrize("lm_svg", [False, True])
def test_over_the_whole_episode_nothing_is_truncated(lm_svg):
    case = Case(T=T, lm_svg=lm_svg)
    assert_same(model_gradient(case, "sliding", T), model_gradient(case, "block", T))
    assert_same(model_gradient(case, "discount", 10**12), model_gradient(case, "block", T))
    assert_same(model_gradient(case, "discount", 1), model_gradient(case, "block", 1))


def test_the_whole_episode_is_uncut_however_steps_are_counted():
    phi, theta, inferred = random_replay(Case(T=T), np.random.default_rng(0))
    from_0, from_1 = (
        truncation.model_gradient(
            theta, phi, inferred, TASK, "block", T, ROLLOUT | {"count_from": x}
        )[0]
        for x in (0, 1)
    )
    assert_same(from_1, from_0)


@pytest.mark.parametrize("n", [1, 2, 4])
def test_sliding_is_the_sum_over_rewards_of_replays_cut_once(n):
    """Without shortcuts: reward j of a replay whose only cut is n transitions before it."""
    case = Case(T=T, lm_svg=True)
    phi, theta, inferred = random_replay(case, case.rng)

    def once(j):
        def objective(theta):
            steps = iter(range(1, T))
            cut = lambda h: detach(h) if next(steps) == j - n else h  # noqa: E731
            pi = policy_replay(theta, inferred, A_MAX)
            r_hat, _, _ = replay(phi, pi, inferred, 1, False, cut=cut)
            return np.sum(r_hat[j]) / r_hat[j].shape[1]

        return value_and_grad(objective)(theta)[1]

    every = [once(j) for j in range(T)]
    total = {name: sum(g[name] for g in every) for name in theta}
    assert_same(model_gradient(case, "sliding", n), total)


def test_a_shortcut_carries_past_a_sliding_window():
    def differ(lm_svg):
        case = Case(T=T, lm_svg=lm_svg, seed=3)
        one, two = (model_gradient(case, "sliding", n) for n in (1, 2))
        return max(np.abs(one[name] - two[name]).max() for name in one)

    phi, theta, inferred = random_replay(Case(T=T, seed=3), np.random.default_rng(3))
    with_it, early = truncation.model_gradient(
        theta, phi, inferred, TASK, "sliding", 1, ROLLOUT | {"shortcut": True}
    )
    without, alone = truncation.model_gradient(
        theta, phi, inferred, TASK, "sliding", 1, ROLLOUT | {"shortcut": False}
    )
    assert max(np.abs(early[name] - alone[name]).max() for name in theta) > 1e-6
    assert max(np.abs(with_it[name] - without[name]).max() for name in theta) > 1e-6
    assert differ(True) > 1e-6


def test_the_numbers_of_a_row():
    g, true, whole = np.array([[2.0, 1.0], [2.0, -1.0]]), np.array([4.0, 0.0]), np.array([0, 3.0])
    bias, cosine, cosine_uncut, size, snr = truncation.compare(g, true, whole)
    assert (bias, cosine, cosine_uncut, size, snr) == (0.5, 1.0, 0.0, 0.5, 2.0)


def test_an_audit_changes_nothing_of_the_training():
    config = preset("dummy_amt", **SMOKE | {"warmup": 0.0})
    one, other = Trainer(config, [0]), Trainer(config, [0])
    one.iterate(), other.iterate()
    rows = truncation.audit(one, [1, 4, config.T])
    assert len(rows) == 3 * 2 * 3 * 2
    one.iterate(), other.iterate()
    assert all(np.array_equal(one.phi[name], other.phi[name]) for name in one.phi)
    whole = [row for row in rows if row.kind == "block" and row.n == config.T]
    assert [row.cosine_uncut for row in whole] == pytest.approx([1.0] * 4)


def test_the_command_writes_a_table_and_a_picture(tmp_path, capsys):
    words = ["truncation", "--smoke", "--quiet", "--set", "t2=4", "T=6", "hidden=4", "H=3", "--out"]
    assert main([*words, str(tmp_path), "--seeds", "2", "--jobs", "2"]) == 0
    table = read_table(tmp_path / "truncation/truncation.csv")
    assert set(table["seed"]) == {0, 1}
    assert set(table["kind"]) == set(truncation.KINDS)
    assert (tmp_path / "truncation/truncation.png").exists()
    assert capsys.readouterr().out == f"-> {tmp_path / 'truncation/truncation.png'}\n"
    assert main([*words, str(tmp_path)]) == 2
    assert "is there already" in capsys.readouterr().err
    before = (tmp_path / "truncation/truncation.csv").read_bytes()
    assert main([*words, str(tmp_path), "--resume"]) == 0
    assert (tmp_path / "truncation/truncation.csv").read_bytes() == before
