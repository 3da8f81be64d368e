"""What the README says is so: its length, commands, example, tables and numbers."""

import importlib
import inspect
import os
import re
import subprocess
import sys

import pytest
from pages import PAGES, ROOT, examples, in_code, rows_of, table
from test_faults import BUGS

from lvgts_np import cli
from lvgts_np.tasks import bounds
from lvgts_np.training.config import preset
from lvgts_np.training.trainer import make_task

README = PAGES["README.md"]
PAPER_TO_CODE = table("README.md", "paper", "text", "by hand", "test")


def test_it_is_short():
    assert len(README.splitlines()) <= 150
    assert len(README.split()) <= 1_500


@pytest.mark.parametrize("command", ["run.py --task dummy_pmt", "-m pytest -q"])
def test_the_two_commands_stand_on_lines_of_their_own(command):
    line = rf"^python3 -m venv \.venv && \.venv/bin/pip .*{re.escape(command)}$"
    assert len(re.findall(line, README, re.MULTILINE)) == 1


def test_the_result_line_has_the_form_that_is_printed(tmp_path, monkeypatch, capsys):
    (line,) = re.findall(r"^    (dummy_pmt lvgts .*)$", README, re.MULTILINE)
    monkeypatch.chdir(tmp_path)
    assert cli.main(["--task", "dummy_pmt", "--smoke", "--quiet"]) == 0
    trained, smoke = (re.split(r"(-?\d+\.\d\d|\d+ s)", x) for x in (line, capsys.readouterr().out))
    assert [*trained[::2][:-1], trained[-1] + "\n"] == smoke[::2]
    bounds_of_both = [(x[3], x[5]) for x in (trained, smoke)]
    assert bounds_of_both[0] == bounds_of_both[1] == ("2.00", "2.00")
    least, most = re.search(r"attention (0\.\d\d) to (0\.\d\d)", README).groups()
    assert f"return is {trained[1]}" in README
    assert float(least) <= float(trained[7]) <= float(most)


def test_the_example_runs_and_only_lvgts_has_credit_beyond_the_truncation(tmp_path):
    (code,) = examples("README.md")
    assert len(code.splitlines()) <= 15
    assert code.count("4_800") == 1
    credit = '    assert (rms[7, 0] != 0.0) == (algo == "lvgts"), rms[7, 0]\n'
    (tmp_path / "key.py").write_text(code.replace("4_800", "96") + credit)
    done = subprocess.run(
        [sys.executable, "key.py"], cwd=tmp_path, capture_output=True, text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert re.findall(r"^\w+$", done.stdout, re.MULTILINE) == ["lvgts", "lm_svg"]


def test_the_number_of_planted_bugs_is_that_of_the_tests():
    assert f"plant {len(BUGS)} bugs" in README


def find(name):
    room, module, *attributes = name.split(".")
    thing = importlib.import_module(f"lvgts_np.{room}.{module}")
    for attribute in attributes:
        thing = getattr(thing, attribute)
    return thing


@pytest.mark.parametrize("row", PAPER_TO_CODE, ids=lambda row: row[1])
def test_a_row_of_paper_to_code_has_its_tags_in_docstrings_and_its_names_in_tests(row):
    paper, text, by_hand, tests = row
    tags = paper.split(", ")
    for name in in_code(text) + in_code(by_hand):
        found = ", ".join(re.findall(r"\[([^\]]*)\]", inspect.getdoc(find(name))))
        assert any(re.search(rf"{re.escape(tag)}\b", found) for tag in tags), name
    sources = "".join((ROOT / path).read_text() for path in in_code(tests))
    for name in in_code(text):
        assert re.search(rf"\b{name.split('.')[-1]}\b", sources), name


def test_paper_to_code_has_the_whole_mathematics():
    named = {name.rpartition(".")[0] for row in PAPER_TO_CODE for name in in_code(row[1])}
    modules = ("attention", "model", "losses", "imagine", "credit", "value_gradients")
    assert named >= {f"paper.{module}" for module in modules}


def test_the_results_are_those_of_the_study():
    expected = []
    for row in rows_of("summary.csv"):
        solved = f"{row['solved']} of {row['n']}"
        mean, attention = (f"{float(row[name]):.2f}" for name in ("mean", "attention_remember"))
        expected.append([f"`{row['task']}`", f"`{row['algo']}`", mean, solved, attention])
    assert table("README.md", "task", "algo") == expected


def test_the_sentence_on_what_does_not_work():
    active = [row for row in rows_of("summary.csv") if row["task"].endswith("amt")]
    drifted = [row for row in active if row["algo"] == "lm_svg"]
    solved, runs = (sum(int(row[name]) for row in drifted) for name in ("solved", "n"))
    assert f"{solved} of its {runs} AMT runs" in README
    task = make_task(preset("dummy_amt"))
    optimal, myopic = bounds.max_return(task), bounds.myopic_return(task)
    assert f"optimal return of {optimal:.3f}" in README
    assert f"remember actions earns {myopic:.2f}" in README
    assert all(float(row["mean"]) < optimal - 0.05 for row in active if row["algo"] == "lvgts")
