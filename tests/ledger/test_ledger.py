"""The ledger: every row stands where it says, every function is checked, faults change the rows."""

import inspect
import subprocess
import sys

import numpy as np
import pytest
from equations import UNITS
from planted import plant

from ledger import report, source
from ledger.measure import CASES, measure, raised_in
from ledger.rows import ROWS
from ledger.uses import faults
from lvgts_np import cli
from lvgts_np.adjoint import encoder, layers, memory, noise, policy
from lvgts_np.adjoint import forms as by_hand
from lvgts_np.adjoint import model as by_hand_losses
from lvgts_np.paper import (
    attention,
    autodiff,
    credit,
    forms,
    gradients,
    imagine,
    losses,
    model,
    nets,
    value_gradients,
)
from lvgts_np.training.config import ConfigError

TEXT = (autodiff, nets, attention, model, forms, losses, imagine, credit, value_gradients)
TEXT += (gradients,)
BY_HAND = (layers, memory, by_hand, encoder, by_hand_losses, noise, policy)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.tag)
def test_a_row_stands_where_it_says(row):
    for name in (*row.text, *row.hand):
        found, words = source.source(name), name.partition(" # ")[2]
        assert words in found.lines[found.at - found.first]
    assert set(row.units) <= set(UNITS)


def test_every_line_of_the_algorithms_and_every_equation_has_a_row():
    tags = " ".join(row.tag for row in ROWS)
    assert all(f"Eq. {n}" in tags for n in range(1, 8))
    steps = [row.tag.removeprefix("Alg. 1 l. ") for row in ROWS if row.tag.startswith("Alg. 1")]
    assert steps == ["2-8", "9", *map(str, range(10, 19)), "19-21", "22", "24"]
    assert [f"Alg. 2 l. {n}" in tags for n in range(1, 8)] == [True] * 7


def test_every_unit_is_in_a_row():
    assert {name for row in ROWS for name in row.units} >= set(UNITS)


def test_every_function_of_text_and_adjoint_is_used_by_a_unit(measured):
    used = {n for unit in measured.values() for uses in unit.uses.values() for n in uses}
    missing = []
    for module in (*TEXT, *BY_HAND):
        for name, f in vars(module).items():
            f = getattr(f, "fun", f)  # behind an operation of autograd
            if inspect.isfunction(f) and f.__module__ == module.__name__:
                missing += [f"{module.__name__}.{name}"] * (f"{f.__module__}.{name}" not in used)
    assert missing == ["lvgts_np.paper.autodiff.same_kind"]  # what `checked` has as its vjp


@pytest.mark.parametrize(
    ("tag", "tags"),
    [
        ("Eq.3", ["Eq. 3"]),
        ("eq 3", ["Eq. 3"]),
        ("Eq.2", ["Eq. 2 d", "Eq. 2 r", "Eq. 2 f"]),
        ("Alg. 1 l. 15", ["Alg. 1 l. 15"]),
        ("a.2 rew", ["A.2 rew"]),
        ("§3.1", ["§3.1"]),
        ("read_adjoint", ["Alg. 2 l. 6"]),
        ("encode_forward", ["Eq. 3", "Alg. 2 l. 1"]),
    ],
)
def test_rows_are_found_by_tag_function_and_unit(tag, tags):
    assert [row.tag for row in report.chosen(tag)] == tags


def test_an_unknown_equation_is_one_line(capsys):
    with pytest.raises(ConfigError, match=r"no equation or function 'Eq.33'; did you mean 'Eq. 3'"):
        report.chosen("Eq.33")
    assert cli.main(["check", "Eq.33"]) == 2
    assert cli.main(["check", "--seeds", "3"]) == 2
    assert cli.main(["check", "--html", "nowhere/page.html"]) == 2
    assert cli.main(["--quiet", "check"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 4


def test_one_equation_with_its_source_and_its_readings(capsys):
    assert report.main("Alg. 2 l. 5") == 0
    out = capsys.readouterr().out
    assert "M5  the paper:" in out
    for place in ("paper/attention.py:10", "adjoint/memory.py:31"):
        assert place in out
    assert "survives = value > value_of(threshold)" in out
    assert "tests/paper/test_attention.py::test_" in out
    assert out.splitlines()[-1].startswith("all right: 6 formulas")


def test_what_is_right_has_exit_code_0_and_a_row_each(capsys, monkeypatch, measured):
    monkeypatch.setattr(report, "measure", lambda name: measured[name])
    assert cli.main(["check"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines[1 : 1 + len(ROWS)]] == ["right"] * len(ROWS)
    assert lines[-1].startswith(f"all right: {len(UNITS)} formulas")


def test_a_planted_bug_turns_its_rows_and_is_shown(capsys, monkeypatch, measured):
    plant(monkeypatch, layers.mlp_adjoint, "hidden > 0.0", "hidden < 0.0")
    ledger = measured | {name: measure(name, CASES[1:2]) for name in UNITS if "mlp_" in name}
    later = {name: measure(name, CASES[:1]) for name in ("latent_adjoint", "return_and_grad")}
    monkeypatch.setattr(report, "measure", (ledger | later).get)
    assert cli.main(["check"]) == 1
    out = capsys.readouterr().out
    status = {row.tag: next(s for s in out.splitlines() if f"  {row.tag}  " in s) for row in ROWS}
    assert status["Alg. 2 l. 2"].startswith("WRONG")
    assert status["Alg. 2 l. 7"].startswith("not judged")
    assert status["Alg. 2 l. 4"].startswith("right")
    assert "1 wrong" in out
    assert "adjoint.layers.mlp_adjoint  lvgts_np/adjoint/layers.py:72" in out
    assert "not judged, as they use it: mlp_gradient, latent_adjoint, return_and_grad" in out


def test_a_formula_that_raises_is_put_down_to_the_function_that_raised(measured):
    try:
        nets.mlp({}, "d", np.ones(2))
    except KeyError as error:
        name, message = raised_in(error)
    assert name == "lvgts_np.paper.nets.mlp"
    assert message.startswith("nets.py:")
    assert message.endswith("mlp: KeyError('d.W1')")
    raised = measured["mlp"]._replace(wrong={"text": [message]}, raised=name)
    units = list((measured | {"mlp": raised}).values())
    (fault,) = faults(units)
    assert list(fault.suspects) == [name]


def test_what_raises_inside_a_function_is_put_down_to_the_function():
    pi = imagine.policy_replay({}, measure("infer", CASES[:1]), 3.0)
    try:
        pi(None, 0)
    except AttributeError as error:
        name, _ = raised_in(error)
    assert name == "lvgts_np.paper.imagine.policy_replay"
    assert source.code(name.removeprefix("lvgts_np."))


def test_the_command_in_a_process_of_its_own():
    command = [sys.executable, "run.py", "check", "Eq. 7"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=source.ROOT)
    assert done.returncode == 0, done.stderr
    assert "right" in done.stdout


def test_an_installed_package_says_that_it_needs_the_repository(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(cli, "__file__", str(tmp_path / "lvgts_np" / "cli.py"))
    assert cli.main(["check"]) == 2
    assert "check needs the repository" in capsys.readouterr().err


def test_a_missing_library_is_one_line(monkeypatch, capsys):
    for name in ("ledger", "ledger.report"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    monkeypatch.delitem(sys.modules, "draws", raising=False)
    monkeypatch.delitem(sys.modules, "ledger.measure", raising=False)
    assert cli.main(["check"]) == 2
    assert "check needs hypothesis: pip install" in capsys.readouterr().err
