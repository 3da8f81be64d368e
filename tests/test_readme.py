"""What the README says is so: its examples, tables, lists and numbers."""

import csv
import importlib
import inspect
import re
from pathlib import Path

import numpy as np
import pytest

from lvgts_np.cli import main
from lvgts_np.tasks import bounds
from lvgts_np.training.config import FIELDS, preset
from lvgts_np.training.trainer import make_task

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
PACKAGE = ROOT / "lvgts_np"
NUMBER = re.compile(r"-?\d+(\.\d+)?(e-?\d+)?")


SOURCES = list(PACKAGE.rglob("*.py"))


def table(heading):
    """The cells of the table under a heading, without its header."""
    section = README.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows[2:]]


def examples():
    return re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def test_the_first_example_prints_what_is_said(capsys):
    exec(compile(examples()[0], "README.md", "exec"), {})
    printed = capsys.readouterr().out.splitlines()
    assert printed == ["LVGTS credit", "LM-SVG exactly 0.0"]
    assert all(f"`{line}`" in README for line in printed)


def test_the_second_example_loads_an_agent_that_acts(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["--task", "dummy_pmt", "--smoke", "--quiet"]) == 0
    space = {}
    exec(compile(examples()[1], "README.md", "exec"), space)
    assert space["a_t"].shape == (1, 1)
    assert np.isfinite(space["a_t"]).all()


def test_every_python_example_is_run_here():
    assert len(examples()) == 2


def find(name):
    room, module, *attributes = name.split(".")
    thing = importlib.import_module(f"lvgts_np.{room}.{module}")
    for attribute in attributes:
        thing = getattr(thing, attribute)
    return thing


@pytest.mark.parametrize(("tag", "code", "what"), table("Paper to code"))
def test_the_paper_to_code_table_names_docstrings_with_that_tag(tag, code, what):
    doc = inspect.getdoc(find(code.strip("`")))
    tags = re.findall(r"\[([^\]]*)\]", doc)
    assert any(tag in one for one in tags), doc


def test_every_tagged_function_of_the_mathematics_is_in_the_table():
    named = {".".join(row[1].strip("`").split(".")[:2]) for row in table("Paper to code")}
    assert named >= {f"paper.{m}" for m in ("attention", "model", "losses", "imagine", "credit")}


def test_the_differences_are_those_that_the_code_marks():
    listed = [row[0] for row in table("Differences from the paper")]
    assert len(listed) == len(set(listed))
    assert set(listed) == marked()


def marked():
    """The rows named by comments that say DEVIATION: or UNSPECIFIED:."""
    rows = set()
    for path in SOURCES:
        for comment in re.findall(r"(?:^ *# .*\n)+", path.read_text(), re.MULTILINE):
            if "DEVIATION:" in comment or "UNSPECIFIED:" in comment:
                rows |= set(
                    re.findall(r"[TMA]\d+", " ".join(re.findall(r"\([TMA][^)]*\)", comment)))
                )
    return rows


def test_every_switch_is_a_field():
    switches = re.findall(r"\*\*switch\*\* `(\w+)`", README)
    assert len(switches) == 6
    assert set(switches) <= set(FIELDS)


def test_the_bounds_in_the_readme_are_those_of_the_tasks():
    for task in ("dummy_pmt", "dummy_amt"):
        t = make_task(preset(task))
        for value in (bounds.max_return(t), bounds.myopic_return(t), bounds.floor_return(t)):
            assert f"{value:.2f}" in README
    assert f"{bounds.max_return(make_task(preset('dummy_amt'))):.3f}" in README


def rows_of(name):
    with (ROOT / "docs" / name).open() as file:
        return list(csv.DictReader(file))


def test_the_results_are_those_of_the_files_beside_them():
    for row in rows_of("summary.csv"):
        x = {name: f"{float(cell):.2f}" for name, cell in row.items() if NUMBER.fullmatch(cell)}
        cells = [f"`{row['task']}`", f"`{row['algo']}`", x["mean"]]
        cells += [f"{x['iqm']} [{x['iqm_low']}, {x['iqm_high']}]", x["kept_mean"], x["worst"]]
        cells += [f"{row['solved']} of {row['n']} [{x['solved_low']}, {x['solved_high']}]"]
        cells += [x["attention_remember"]]
        assert f"| {' | '.join(cells)} |" in README
    for row in rows_of("claims.csv"):
        cells = [row[name] for name in ("words", "where", "result", "verdict")]
        assert f"| {' | '.join(cells)} |" in README


def test_the_tables_in_docs_are_one_study():
    finals, summary = rows_of("finals.csv"), rows_of("summary.csv")
    for cell in summary:
        runs = [r for r in finals if (r["task"], r["algo"]) == (cell["task"], cell["algo"])]
        returns = [float(r["final_return"]) for r in runs]
        assert float(cell["mean"]) == pytest.approx(np.mean(returns))
        assert int(cell["n"]) == len(returns) == 20
    assert {row["algo"] for row in finals} == {"lvgts", "lm_svg"}


def test_the_horizon_is_that_of_the_files_beside_it():
    runs = rows_of("horizon_runs.csv")
    for row in rows_of("horizon.csv"):
        x = {name: f"{float(row[name]):.2f}" for name in row if name != "algo"}
        cells = [row["lag"], f"`{row['algo']}`", f"{x['mean']} [{x['low']}, {x['high']}]"]
        cells += [x["worst"]]
        cells += [f"{row['solved']} of {row['n']} [{x['solved_low']}, {x['solved_high']}]"]
        cells += [x["attention_remember"]]
        assert f"| {' | '.join(cells)} |" in README
        own = [r for r in runs if (r["lag"], r["algo"]) == (row["lag"], row["algo"])]
        assert float(row["mean"]) == pytest.approx(np.mean([float(r["final_return"]) for r in own]))
        assert {r["seed"] for r in own} == set("01234")


def test_the_speeds_are_those_of_the_benchmark_s_output():
    output = (ROOT / "docs" / "benchmark.txt").read_text()
    one, twenty = output.split("\nS = 20")[0], output.split("\nS = 20")[1]
    names = {"`adjoint`": "adjoint", "`autograd`": "autograd", "PyTorch": "torch", "JAX": "jax"}
    for engine, dtype, *rates, ratios in table("Speed"):
        name = next(name for start, name in names.items() if engine.startswith(start))
        for text, rate, at in zip((one, twenty), rates, (0, 1), strict=True):
            line = re.search(rf"^{name} +{dtype} +(\S+) +(\S+)x", text, re.MULTILINE)
            assert line[1] == rate
            assert not ratios.strip() or line[2] == ratios.split(", ")[at]
