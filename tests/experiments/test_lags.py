"""`horizon` from the command line to the curve; its tables against plain Python."""

import csv
import json
from pathlib import Path

import pytest

from lvgts_np.cli import main
from lvgts_np.experiments import runs
from lvgts_np.experiments.run_data import Seed
from lvgts_np.experiments.studies import lags
from lvgts_np.experiments.studies.summary import run_summaries
from lvgts_np.tasks.bounds import myopic_return
from lvgts_np.training.config import ALGOS, LAG_SWEEP, preset
from lvgts_np.training.config_file import load
from lvgts_np.training.trainer import make_task

SIZES = ("hidden=8", "episodes=16", "eval_episodes=8")


def run(out, *words):
    return main(["horizon", *words, "--smoke", "--seeds", "2", "--quiet", "--out", str(out)])


def read(path):
    with path.open() as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("t1", [2, 3])
def test_only_the_distractor_grows_with_the_lag(t1):
    base = preset("dummy_amt", t1=t1)
    for lag in lags.LAGS:
        config = lags.at_lag(base, lag)
        phases = [make_task(config).phase(t) for t in range(config.T)]
        last_seen = max(t for t in range(config.T) if phases[t] == "remember")
        assert phases.index("recall") - last_seen == lag
        assert phases.count("recall") == config.T - 1 - config.t2 == 4
        assert phases.count("remember") == t1
        assert config.model_batch == (base.model_batch if lag <= 100 else base.model_batch // 2)
        assert config.replace(t2=base.t2, T=base.T, model_batch=base.model_batch) == base


def test_the_myopic_line_does_not_depend_on_the_lag():
    base = preset("dummy_amt")
    assert len({myopic_return(make_task(lags.at_lag(base, lag))) for lag in (9, 100)}) == 1


def test_the_study_ends_with_a_curve_and_resumes_to_the_same_bytes(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(lags, "LAGS", (3, 20))
    assert run(tmp_path, "--set", *SIZES) == 0
    out, err = capsys.readouterr()
    assert err == ""
    lines = out.splitlines()
    assert [line.split(":")[0] for line in lines[:-1]] == [
        "lag 3 lvgts", "lag 3 lm_svg", "lag 20 lvgts", "lag 20 lm_svg",
    ]  # fmt: skip
    folder = tmp_path / "horizon"
    assert lines[-1] == f"-> {folder / 'horizon.png'}"
    runs = read(folder / "runs.csv")
    assert len(runs) == 8
    for row in runs:
        path = folder / f"lag_{row['lag']}" / row["algo"] / f"seed_{row['seed']}"
        config, summary = (
            load(path / "config.json"),
            json.loads((path / "summary.json").read_text()),
        )
        assert (config.t2, config.T, config.N, config.k) == (
            int(row["lag"]) + 1,
            config.t2 + 5,
            4,
            3,
        )
        assert float(row["final_return"]) == summary["final_eval_return_recall"]
    for row in read(folder / "horizon.csv"):
        own = [r for r in runs if (r["lag"], r["algo"]) == (row["lag"], row["algo"])]
        finals = [float(r["final_return"]) for r in own]
        middle = [(float(r["max_return"]) + float(r["myopic_return"])) / 2 for r in own]
        assert float(row["mean"]) == pytest.approx(sum(finals) / 2)
        assert float(row["worst"]) == min(finals)
        assert int(row["solved"]) == sum(x > line for x, line in zip(finals, middle, strict=True))
        assert float(row["low"]) <= float(row["mean"]) <= float(row["high"])
    kept = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    assert set(kept) == {"horizon.csv", "horizon.pdf", "horizon.png", "runs.csv"}
    (folder / "lag_20/lvgts/seed_1/summary.json").unlink()  # as if it had been cut off here
    assert run(tmp_path, "--set", *SIZES) == 2
    assert "holds a run already" in capsys.readouterr().err
    assert run(tmp_path, "--set", *SIZES, "--resume") == 0
    assert {name: (folder / name).read_bytes() for name in kept} == kept


def test_both_algorithms_get_the_same_settings_but_the_algorithm(tmp_path, monkeypatch):
    monkeypatch.setattr(lags, "LAGS", (3,))
    cells = {}
    train = lambda given, *_, **__: cells.update(given) or Path("/no").stat()  # noqa: E731
    monkeypatch.setattr(runs, "train", train)
    assert main(["horizon", "--quiet", "--out", str(tmp_path)]) == 1
    lm_svg, lvgts = (cells[tmp_path / "horizon/lag_3" / algo] for algo in sorted(ALGOS))
    assert lvgts == preset("dummy_amt", **LAG_SWEEP, t2=4, T=9)
    assert lm_svg == lvgts.replace(algo="lm_svg")


def test_a_run_that_has_not_ended_is_named_with_its_lag():
    study = {(30, "lvgts"): [Seed(2, {}, {}, {})]}
    with pytest.raises(ValueError, match=r"^30 lvgts: seed 2 has not ended: no summary$"):
        run_summaries(study, (30, "lvgts"))
