"""Figure 2's tables against plain Python; missing cells; the same bytes twice."""

import csv

import numpy as np
import pytest

from lvgts_np.experiments.plots import paper_plots
from lvgts_np.experiments.run_data import Seed
from lvgts_np.training.files import read_table


def make_seed(number, task, algo, final, frozen=None, steps=4):
    rng = np.random.default_rng(number)
    config = {"task": task, "algo": algo, "t1": 1, "t2": 3, "T": 6}
    summary = {
        "task": task, "algo": algo, "seed": number, "final_eval_return_recall": final,
        "attention_remember": 0.5, "credit_recall": 0.1, "frozen": frozen,
        "max_return": 2.0, "myopic_return": 1.3 if task.endswith("amt") else 2.0,
        "floor_return": -2.0,
    }  # fmt: skip
    log = {
        "episodes": 10.0 * np.arange(1, steps + 1),
        "eval_return_recall": np.linspace(-2.0, final, 4)[:steps],
    }
    t, i = np.tril_indices(6, -1)
    attention = {"t": t.astype(float), "i": i.astype(float), "weight": rng.random(len(t))}
    return Seed(number, config, summary, {"log": log, "attention": attention})


@pytest.fixture
def study():
    finals = {"lvgts": [1.9, 1.7, 1.8, 0.2], "lm_svg": [1.0, 1.5, -1.0, 0.5]}
    return {
        (task, algo): [make_seed(n, task, algo, x) for n, x in enumerate(finals[algo])]
        for task in ("dummy_amt", "dummy_pmt")
        for algo in finals
    }


def rows(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def test_the_tables_are_what_the_runs_say(study, tmp_path):
    paper_plots.draw(study, tmp_path)
    finals = rows(tmp_path / "finals.csv")
    assert [row["task"] for row in finals[::8]] == ["dummy_pmt", "dummy_amt"]
    kept = {(r["task"], r["algo"], r["seed"]): r["kept"] for r in finals}
    assert [kept["dummy_amt", "lvgts", str(n)] for n in range(4)] == ["1", "1", "1", "0"]
    assert [kept["dummy_amt", "lm_svg", str(n)] for n in range(4)] == ["1", "1", "0", "1"]
    table = [r for r in rows(tmp_path / "returns.csv") if r["algo"] == "lm_svg"]
    last = [r for r in table if r["task"] == "dummy_amt"][-1]
    assert float(last["mean"]) == pytest.approx((1.0 + 1.5 - 1.0 + 0.5) / 4)
    assert float(last["kept_mean"]) == pytest.approx((1.0 + 1.5 + 0.5) / 3)
    assert float(last["low"]) < float(last["mean"]) < float(last["high"])
    assert [float(last[str(n)]) for n in range(4)] == [1.0, 1.5, -1.0, 0.5]
    weights = rows(tmp_path / "attention.csv")
    first = next(r for r in weights if (r["task"], r["t"], r["i"]) == ("dummy_pmt", "4", "2"))
    maps = [s.tables["attention"] for s in study["dummy_pmt", "lvgts"]]
    where = [n for n in range(15) if (maps[0]["t"][n], maps[0]["i"][n]) == (4.0, 2.0)]
    expected = sum(float(m["weight"][where[0]]) for m in maps) / 4
    assert float(first["weight"]) == pytest.approx(expected)


def test_the_same_numbers_give_the_same_bytes(study, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        paper_plots.draw(study, tmp_path / name)
    names = sorted(p.name for p in (tmp_path / "a").iterdir())
    assert len(names) == 7
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@pytest.mark.parametrize("algo", ["lvgts", "lm_svg"])
def test_one_algorithm_on_one_task_is_drawn(study, tmp_path, algo):
    paper_plots.draw({("dummy_amt", algo): study["dummy_amt", algo]}, tmp_path)
    assert (tmp_path / "figure2.png").stat().st_size > 10_000


def test_a_lost_run_does_not_squeeze_the_others(study, tmp_path):
    study["dummy_amt", "lm_svg"][2] = make_seed(2, "dummy_amt", "lm_svg", -21.1)
    paper_plots.draw(study, tmp_path)
    finals = read_table(tmp_path / "finals.csv")
    spread = paper_plots.plot_final_returns(finals).axes
    finals["lag"] = np.where(finals["task"] == "dummy_amt", 10.0, 30.0)
    cells = {
        "lag": [10.0, 30.0, 10.0, 30.0], "algo": ["lvgts", "lvgts", "lm_svg", "lm_svg"],
        "mean": np.ones(4), "low": np.ones(4), "high": np.ones(4),
        "attention_remember": np.ones(4),
    }  # fmt: skip
    means = {name: np.array(column) for name, column in cells.items()}
    horizon = paper_plots.plot_lags(means, finals | {"attention_remember": finals["lag"] / 30}).axes
    for axes in (spread, horizon[:1]):
        assert [ax.get_ylim()[0] for ax in axes] == [-5.0] * len(axes)
        notes = [text.get_text() for ax in axes for text in ax.texts if "to" in text.get_text()]
        assert notes == ["to -21.1"]


def test_a_frozen_run_counts_as_a_failure_and_its_curve_ends(study, tmp_path):
    study["dummy_amt", "lvgts"][1] = make_seed(1, "dummy_amt", "lvgts", 1.0, "why", steps=2)
    paper_plots.draw(study, tmp_path)
    final = [r for r in rows(tmp_path / "finals.csv") if r["seed"] == "1"]
    frozen = next(r for r in final if (r["task"], r["algo"]) == ("dummy_amt", "lvgts"))
    assert float(frozen["final_return"]) == -2.0
    table = [
        r
        for r in rows(tmp_path / "returns.csv")
        if (r["task"], r["algo"]) == ("dummy_amt", "lvgts")
    ]
    assert [np.isfinite(float(r["mean"])) for r in table] == [True, True, False, False]


def test_no_run_covers_another_and_pairs_are_joined(study, tmp_path):
    paper_plots.draw(study, tmp_path)
    finals = read_table(tmp_path / "finals.csv")
    for ax in paper_plots.plot_final_returns(finals).axes:
        pairs = [line.get_xydata() for line in ax.lines if line.get_color() == "0.6"]
        runs = {line.get_marker(): line for line in ax.lines if line.get_marker() in "so"}
        assert len(pairs) == 4
        for n, marker in enumerate("so"):
            assert np.array_equal([pair[n] for pair in pairs], runs[marker].get_xydata())
            assert np.diff(runs[marker].get_xdata()).min() > 0.1


def test_both_algorithms_show_where_they_are_equal(study):
    """LM-SVG's dashes lie above LVGTS's line, which is broader."""
    lvgts, lm_svg = (paper_plots.LOOK[algo] for algo in ("lvgts", "lm_svg"))
    assert lm_svg["zorder"] > lvgts["zorder"]
    assert lm_svg["lw"] < 0.7 * lvgts["lw"]


def test_the_legend_of_the_lags_has_the_marker_of_each_algorithm():
    ones = {"algo": np.array(["lvgts", "lm_svg"]), "lag": np.array([10.0, 10.0])}
    means = ones | {name: np.ones(2) for name in ("mean", "low", "high", "attention_remember")}
    finals = ones | {name: np.ones(2) for name in ("final_return", "attention_remember")}
    finals |= {
        "max_return": 2 * np.ones(2),
        "myopic_return": np.ones(2),
        "floor_return": -np.ones(2),
    }
    handles = paper_plots.plot_lags(means, finals).legends[0].legend_handles
    assert [handle.get_marker() for handle in handles[:2]] == ["o", "s"]
