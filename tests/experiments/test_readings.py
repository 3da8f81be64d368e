"""`readings` from the command line to the picture; its table against plain Python."""

import csv
import re
from pathlib import Path
from statistics import mean, median

import pytest

from lvgts_np.cli import main
from lvgts_np.experiments.plots.readings_plot import plot_readings
from lvgts_np.experiments.studies import readings
from lvgts_np.training.config import FIELDS, SWITCHES, Config, preset
from lvgts_np.training.files import read_json, read_table

SIZES = ("hidden=8", "H=4", "episodes=16", "model_steps=1", "eval_episodes=8")
ROOT = Path(__file__).resolve().parents[2]


def read(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def test_every_switch_of_the_page_is_flipped_to_every_other_value():
    table = (ROOT / "docs/differences.md").read_text(encoding="utf-8").split("## Switches")[1]
    assert sorted(SWITCHES) == sorted(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE))
    for name, values in SWITCHES.items():
        limits, default = FIELDS[name].metadata["limits"], getattr(Config(), name)
        assert default not in values
        if isinstance(limits, tuple):
            assert sorted({default, *values}) == sorted(limits)


def test_each_reading_changes_its_own_fields_and_no_other(tmp_path):
    found = readings.conditions(preset("dummy_pmt", H=8), tmp_path)
    assert len({path for path, _ in found.values()}) == len(found)
    for (task, name), (path, config) in found.items():
        algo, reading = name.split(" ", 1)
        assert path.relative_to(tmp_path).parts[:3] == ("readings", task, algo)
        base = preset(task, algo=algo, H=8)
        changed = {x: getattr(config, x) for x in FIELDS if getattr(config, x) != getattr(base, x)}
        if reading == "defaults":
            assert not changed
        elif "=" in reading and algo == "lvgts":
            assert [f"{x}={y}" for x, y in changed.items()] == [reading]
        elif reading == "all to the letter":
            assert changed == readings.LETTER
        elif reading.startswith("not truncated"):
            assert changed["N"] == config.T
            assert set(changed) - {"N"} <= {"encoder_N"}
    names = {task: {name for t, name in found if t == task} for task in readings.AMT}
    alone = names["pendulum_amt"] - names["dummy_amt"]
    assert names["dummy_amt"] < names["pendulum_amt"]
    assert alone == {f"lvgts {x}={y}" for x in readings.PENDULUM for y in SWITCHES[x]}


def test_the_study_ends_with_a_picture_and_resumes_to_the_same_bytes(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(
        readings, "READINGS", {x: readings.READINGS[x] for x in ("defaults", "combine=add")}
    )
    monkeypatch.setattr(readings, "BASELINE", {"defaults": {}, "not truncated": {"N": None}})
    words = ["readings", "--smoke", "--quiet", "--out", str(tmp_path), "--seeds", "3", "--set"]
    assert main([*words, *SIZES]) == 0
    out, err = capsys.readouterr()
    folder, lines = tmp_path / "readings", out.splitlines()
    assert err == ""
    assert [line.split(":")[0] for line in lines[:4]] == [
        "dummy_amt lvgts defaults", "dummy_amt lvgts combine=add",
        "dummy_amt lm_svg defaults", "dummy_amt lm_svg not truncated",
    ]  # fmt: skip
    assert lines[-1] == f"-> {folder / 'readings.png'}"
    runs, rows = read(folder / "runs.csv"), read(folder / "readings.csv")
    assert (len(runs), len(rows)) == (24, 8)
    for row in rows:
        key = row["task"], row["algo"]
        own, base = (
            [r for r in runs if (r["task"], r["algo"], r["reading"]) == (*key, reading)]
            for reading in (row["reading"], "defaults")
        )
        x, y = ([float(r["final_return"]) for r in some] for some in (own, base))
        assert [r["seed"] for r in own] == [r["seed"] for r in base] == ["0", "1", "2"]
        assert float(row["mean"]) == pytest.approx(mean(x))
        assert float(row["difference"]) == pytest.approx(mean(x) - mean(y))
        assert float(row["difference_low"]) <= float(row["difference"])
        assert float(row["worst"]) == min(x)
        directory = folder / "/".join(key) / row["reading"].replace(" ", "_")
        seeds = [read_json(directory / f"seed_{n}/summary.json") for n in range(3)]
        known = [s["compass_sign"] for s in seeds if s["compass_sign"] is not None]
        assert row["compass_sign"] == (str(float(median(known))) if known else "")
    kept = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    assert set(kept) == {"readings.csv", "readings.pdf", "readings.png", "runs.csv"}
    (folder / "dummy_amt/lvgts/defaults/seed_1/summary.json").unlink()
    assert main([*words, *SIZES, "--resume"]) == 0
    assert {name: (folder / name).read_bytes() for name in kept} == kept


def test_every_run_has_its_point_and_runs_left_of_the_picture_their_number(tmp_path):
    lines = ["task,algo,reading,mean,low,high"]
    finals = ["task,algo,reading,seed,final_return,max_return,myopic_return,floor_return"]
    for task, names in (("dummy_amt", ["a"]), ("pendulum_amt", ["a", "b"])):
        for name in names:
            lines.append(f"{task},lvgts,{name},1.0,0.5,1.5")
            returns = (1.5, 0.5, -7.0 if name == "b" else 0.0)
            finals += [f"{task},lvgts,{name},{n},{x},2.0,1.3,-2.0" for n, x in enumerate(returns)]
    for name, text in (("means", lines), ("runs", finals)):
        (tmp_path / f"{name}.csv").write_text("\n".join(text) + "\n")
    figure = plot_readings(*(read_table(tmp_path / f"{x}.csv") for x in ("means", "runs")))
    labels = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert labels == ["LVGTS, a", "LVGTS, b"]
    points = [
        [x for line in ax.lines if line.get_marker() == "o" for x in line.get_xdata()]
        for ax in figure.axes
    ]
    assert points == [[1.5, 0.5, 0.0], [1.5, 0.5, 0.0, 1.5, 0.5]]
    assert [[text.get_text() for text in ax.texts] for ax in figure.axes] == [[], ["1 to -7.0"]]
