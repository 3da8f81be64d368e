"""Parity: text and adjoint are compared before training; a fault is one line that names it."""

import shutil
import subprocess
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from lvgts_np import adjoint
from lvgts_np.paper import gradients, imagine, losses
from lvgts_np.paper.constants import (
    COMBINES,
    REWARD_LOSSES,
    REWARD_UNITS,
    STORES,
    TOPK_RULES,
    TRANSITIONS,
)
from lvgts_np.training.backends import BACKENDS, ParityError, called, check_parity, flat, problem
from lvgts_np.training.config import ALGOS, SMOKE, TASKS, preset
from lvgts_np.training.trainer import Trainer, make_task

ROOT = Path(__file__).parents[2]


def check(task="dummy_amt", **changes):
    config = preset(task, **{**SMOKE, **changes})
    check_parity(config, make_task(config))


@pytest.mark.parametrize(("task", "algo"), list(product(TASKS, ALGOS)))
def test_the_backends_agree(task, algo):
    check(task, algo=algo)


NAMES = "combine", "topk_rule", "store", "reward_units", "count_from", "transition", "algo"


@pytest.mark.parametrize(
    "switches",
    list(product(COMBINES, TOPK_RULES, STORES, REWARD_UNITS, (0, 1), TRANSITIONS, ALGOS)),
)
def test_they_agree_whatever_the_switches(switches):
    check(**dict(zip(NAMES, switches, strict=True)))


@pytest.mark.parametrize("loss", REWARD_LOSSES)
@pytest.mark.parametrize("units", REWARD_UNITS)
def test_they_agree_on_every_loss_of_the_reward(loss, units):
    check(reward_loss=loss, reward_units=units)


def test_they_agree_on_a_discounted_return():
    check(gamma=0.5)
    config = preset("dummy_amt", gamma=0.5)
    args = dict(problem(config, make_task(config)))["return_and_grad"]
    assert args[-1] == 0.5


@pytest.mark.parametrize("loss", REWARD_LOSSES)
def test_the_problem_moves_every_parameter_and_credit_crosses_the_detaches(loss):
    config = preset("pendulum_amt", reward_loss=loss)
    for name, args in problem(config, make_task(config)):
        reference = flat(called(gradients, name, args))
        assert all(np.any(x != 0.0) for n, x in reference.items() if n != "rho"), name
    early, recall = reference["the actions"]
    assert np.any(recall[: config.t1] != 0.0)
    assert list(BACKENDS) == ["adjoint", "autograd"]


@pytest.mark.parametrize("loss", ["weighted", "hurdle"])
@pytest.mark.parametrize(
    ("function", "parameter"),
    [("model_loss_and_grad", "b.q.b1"), ("return_and_grad", "pi.W2")],
)
def test_a_wrong_parameter_is_named_with_its_function(monkeypatch, function, parameter, loss):
    right = getattr(adjoint, function)

    def wrong(*args):
        value, gradient = right(*args)
        return value, gradient | {parameter: gradient[parameter] * (1 + 1e-6)}

    monkeypatch.setattr(adjoint, function, wrong)
    with pytest.raises(ParityError, match=rf"^{function}: .* with respect to {parameter}; --grad"):
        check(reward_loss=loss)
    check(grad="autograd", reward_loss=loss)


@pytest.mark.parametrize("wrong", [lambda x: x + 1e-6, lambda x: x * np.nan, lambda x: x[:, :1]])
def test_wrong_values_are_found_too(monkeypatch, wrong):
    credit = adjoint.credit
    monkeypatch.setattr(adjoint, "credit", lambda *args: wrong(credit(*args)))
    with pytest.raises(ParityError, match="credit: .* with respect to the actions"):
        check()


def test_nothing_is_trained_before_the_backends_agree(monkeypatch):
    credit = adjoint.credit
    monkeypatch.setattr(adjoint, "credit", lambda *args: 2.0 * credit(*args))
    config = preset("dummy_amt", **SMOKE)
    with pytest.raises(ParityError):
        next(Trainer(config).run())
    assert next(Trainer(config).run(parity=False))["iteration"] == [2]


def test_the_check_draws_nothing_from_the_streams_of_a_run():
    config = preset("dummy_amt", **SMOKE)
    first, second = (next(Trainer(config).run(parity)) for parity in (True, False))
    assert all(np.array_equal(first[name], second[name]) for name in first)


PLANTED = [
    (losses, "    h, w, q = encode(phi, o, a, **encoder)\n", "    raise RuntimeError('planted')\n"),
    (
        imagine,
        "    return np.sum(G, axis=(-2, -1)) / G.shape[-2]\n",
        "    raise RuntimeError('planted')\n",
    ),
]


@pytest.mark.parametrize(("module", "line", "planted"), PLANTED)
def test_a_text_that_does_not_run_stops_a_run_with_one_line(tmp_path, module, line, planted):
    file = copy_of_the_package(tmp_path) / Path(module.__file__).relative_to(ROOT)
    plant(file, line, planted)
    function = "model_losses" if module is losses else "imagined_return"
    assert f"{file.parent.name}/{file.name}, {function}: RuntimeError" in smoke_run(tmp_path)
    smoke_run(tmp_path, "--no-parity", code=0)


def test_a_third_attention_rule_in_the_text_alone_stops_a_run_with_one_line(tmp_path):
    package = copy_of_the_package(tmp_path) / "lvgts_np"
    plant(package / "paper/constants.py", '("paper", "sab")', '("paper", "sab", "mean")')
    text = package / "paper/attention.py"
    plant(text, 'rule not in ("paper", "sab")', 'rule not in ("paper", "sab", "mean")')
    line = smoke_run(tmp_path, "--set", "topk_rule=mean")
    assert "adjoint/memory.py, threshold_rank: ValueError(\"unknown topk_rule 'mean'\")" in line


def copy_of_the_package(tmp_path):
    shutil.copytree(ROOT / "lvgts_np", tmp_path / "lvgts_np")
    shutil.copy(ROOT / "run.py", tmp_path)
    return tmp_path


def plant(file, old, new):
    text = file.read_text()
    assert text.count(old) == 1
    file.write_text(text.replace(old, new))


def smoke_run(folder, *options, code=1):
    """Standard error of a smoke run in the folder: one line and nothing written, or none."""
    command = [sys.executable, "run.py", "--task", "dummy_amt", "--smoke", "--quiet", *options]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    assert len(done.stderr.splitlines()) == code
    assert (folder / "results").exists() == (code == 0)
    return done.stderr
