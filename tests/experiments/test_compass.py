"""The compass: what its estimators are, where it is taken, its picture."""

import numpy as np
import pytest

from lvgts_np.cli import main
from lvgts_np.experiments import compass
from lvgts_np.experiments.plots.compass_plot import compass_table, plot_compass
from lvgts_np.paper.credit import phase_cotangents
from lvgts_np.tasks.memory import paper_task
from lvgts_np.training.config import SMOKE, preset
from lvgts_np.training.files import read_table
from lvgts_np.training.replay_buffer import collect
from lvgts_np.training.trainer import Trainer
from lvgts_np.training.true_credit import ForcedAgent, true_credit

FORCED = compass.forced_actions(paper_task("dummy_amt"))


def trained(task="dummy_amt", seeds=(0, 1), **changes):
    fixed = {"warmup": 0.0, "dtype": "float64", "eval_episodes": 32}  # 8 a forced action
    config = preset(task, **SMOKE | fixed | changes)
    trainer = Trainer(config, seeds)
    for _ in range(4):
        trainer.iterate()
    return trainer


def cell(rows, forced, i, estimator):
    (found,) = [row for row in rows if row[1:4] == (forced, i, estimator)]
    return found[4:]


@pytest.mark.parametrize("algo", ["lvgts", "lm_svg"])
@pytest.mark.parametrize("task", ["dummy_amt", "pendulum_amt"])
def test_estimators_are_means_over_the_same_forced_episodes(task, algo):
    trainer, again = trained(task, algo=algo), trained(task, algo=algo)
    rows, (_, c) = compass.compass(trainer), (again.task, again.config)
    noise = again.draw("compass", 8 * len(FORCED))
    forced = np.repeat(FORCED, 8)
    agent = ForcedAgent(again.agent(), again.task, forced)
    episodes, u = collect(again.task, agent, noise)
    own = again.credit(again.infer(episodes, u), phase_cotangents(c.T, again.task.pay))[1, ..., 0]
    name = "shortcut, cut" if algo == "lvgts" else "no shortcut, cut"
    n = FORCED.index(0.5)
    for s in (0, 1):
        for i in (0, 1):
            cells = own[i, s, 8 * n : 8 * n + 8]
            mean, error = cell(rows[s], 0.5, i, name)
            assert mean == pytest.approx(cells.mean(), rel=1e-9, abs=1e-15)
            assert error == pytest.approx(cells.std() / 8**0.5, rel=1e-9, abs=1e-15)
            if algo == "lm_svg":
                assert mean == 0.0
    assert len({row[3] for row in rows[0]}) == len(compass.ESTIMATORS)
    assert cell(rows[0], 0.5, 0, "true")[0] != 0.0


def test_where_the_actions_are_the_agents_own_truth_is_the_true_credit():
    """An agent whose policy is a constant is told nothing new by force."""
    trainer = trained()
    for name, x in trainer.theta.items():
        if name.endswith(("W1", "W2")):
            trainer.theta[name] = 0.0 * x
    trainer.theta["pi.b1"] = 0 * trainer.theta["pi.b1"]
    trainer.theta["pi.b2"] = 0 * trainer.theta["pi.b2"]
    rows = compass.compass(trainer)
    again = trained()
    noise = again.draw("compass", 8 * len(FORCED))
    C = true_credit(trainer.task, trainer.agent(), noise)[:, 0, :, 0]
    n = FORCED.index(0.0)
    assert cell(rows[0], 0.0, 1, "true")[0] == pytest.approx(C[1, 8 * n : 8 * n + 8].mean())


def test_real_rewards_and_a_perfect_replay_leave_the_models_error_alone():
    """learned f and learned r differ from the rollout by one part each: none of it is all of it."""
    trainer = trained()
    for name in ("r.W1", "r.W2", "r.b1", "r.b2"):
        trainer.phi[name] = 0.0 * trainer.phi[name]
    rows = compass.compass(trainer)[0]
    assert cell(rows, 1.5, 0, "learned r") == (0.0, 0.0)
    assert cell(rows, 1.5, 0, "shortcut, cut") == (0.0, 0.0)
    assert cell(rows, 1.5, 0, "learned f")[0] != 0.0
    assert cell(rows, 1.5, 0, "true")[0] != 0.0


def test_the_moments_of_a_run():
    trainer = Trainer(preset("dummy_amt", episodes=16_000))
    assert moments(trainer) == [105, 130, 150, 200, 500]


def moments(trainer):
    """Iterations after which the compass is taken."""
    found = []
    for n in range(trainer.config.iterations + 1):
        trainer.iteration = n
        found += [n] * compass.due(trainer)
    return found


def test_only_actions_that_a_policy_can_take_are_forced():
    assert FORCED == [-1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0]
    assert compass.forced_actions(paper_task("dummy_amt", a_max=0.7)) == [-0.5, 0.0, 0.5]
    for changes in ({"t1": 1}, {"a_m": 9.0}):
        assert not moments(Trainer(preset("dummy_amt", **changes)))


def test_agreement_counts_the_cells_whose_truth_is_known():
    cells = [  # forced, true, its standard error, modelled
        (0.0, 1.0, 0.1, 0.5), (0.5, 1.0, 0.1, -0.5), (1.0, 1.0, 0.1, 9.0), (1.5, -1.0, 0.6, 9.0),
        (2.0, -2.0, 0.5, -1.0),
    ]  # fmt: skip
    rows = [(9, f, 0, "true", t, e) for f, t, e, _ in cells]
    rows += [(9, f, 0, "shortcut, cut", m, 0.0) for f, _, _, m in cells]
    rows += [(9, f, 0, "no shortcut, cut", 0.0, 0.0) for f, *_ in cells]
    rows += [(5, 0.0, 0, "true", 1.0, 0.0), (5, 0.0, 0, "shortcut, cut", -1.0, 0.0)]
    table = dict(zip(compass.HEADER, map(np.array, zip(*rows, strict=True)), strict=True))
    found = compass.agreement(paper_task("dummy_amt"), "lvgts", table)
    assert found == {"compass_sign": pytest.approx(2 / 3), "compass_ratio": 2.0 / 6.0}
    lm_svg = compass.agreement(paper_task("dummy_amt"), "lm_svg", table)
    assert lm_svg == {"compass_sign": 0.0, "compass_ratio": 0.0}
    none = {"compass_sign": None, "compass_ratio": None}
    assert compass.agreement(paper_task("dummy_amt"), "lvgts", {}) == none
    uncertain = table | {"standard_error": 9.0 + table["credit"]}
    assert compass.agreement(paper_task("dummy_amt"), "lvgts", uncertain) == none


def test_a_run_writes_it_and_its_picture(tmp_path):
    words = ["--task", "dummy_amt", "--smoke", "--quiet", "--seeds", "2", "--set", "hidden=8"]
    assert main([*words, "--out", str(tmp_path)]) == 0
    at = tmp_path / "dummy_amt/lvgts"
    tables = [read_table(at / f"seed_{seed}/compass.csv") for seed in (0, 1)]
    moments = sorted(set(tables[0]["iteration"]))
    assert (moments[0], moments[-1]) == (1, 6)
    assert len(tables[0]["credit"]) == len(moments) * len(FORCED) * 2 * 7
    drawn = read_table(at / "compass.csv")
    np.testing.assert_allclose(drawn["credit"], (tables[0]["credit"] + tables[1]["credit"]) / 2)
    assert (at / "compass.png").exists()


def test_the_table_keeps_the_moments_that_all_seeds_have():
    one = {
        "iteration": np.array([5.0, 9.0]), "forced": np.zeros(2), "i": np.zeros(2),
        "estimator": np.array(["true"] * 2), "credit": np.array([1.0, 2.0]),
        "standard_error": np.array([0.1, 0.2]),
    }  # fmt: skip
    other = {name: x[:1] for name, x in one.items()} | {"credit": np.array([3.0])}
    table = compass_table([one, other])
    assert table["credit"].tolist() == [2.0]
    assert table["standard_error"].tolist() == [1.0]
    assert compass_table([one])["standard_error"].tolist() == [0.1, 0.2]


def test_the_picture_draws_the_first_and_the_last_action():
    trainer = trained(t1=5)
    rows = compass.compass(trainer)[0]
    columns = map(np.array, zip(*rows, strict=True))
    table = compass_table([dict(zip(compass.HEADER, columns, strict=True))])
    figure = plot_compass(table, trainer.config)
    labels = [ax.get_ylabel() for ax in figure.axes if ax.get_ylabel()]
    assert labels == ["mean credit of $a_{0}$", "mean credit of $a_{3}$"]
    lines = {line.get_label(): line for line in figure.axes[0].lines}
    true = table["credit"][(table["estimator"] == "true") & (table["i"] == 0)]
    assert np.array_equal(lines["true, ± 2 standard errors"].get_ydata(), true)
