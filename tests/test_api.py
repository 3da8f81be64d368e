"""The public names: all there, documented, loaded at first use; and the loop of a notebook."""

import inspect
import subprocess
import sys

import numpy as np
import pytest

import lvgts_np
from lvgts_np import ALGOS, ConfigError, Trainer, credit_over_episodes, diagnose, preset
from lvgts_np.training.config import SMOKE

TINY = preset("dummy_amt", **SMOKE)


@pytest.mark.parametrize("name", lvgts_np.__all__)
def test_every_public_name_is_there_and_documented(name):
    thing = getattr(lvgts_np, name)
    assert name in dir(lvgts_np)
    if callable(thing):
        assert len(inspect.getdoc(thing).splitlines()[0]) > 20
        assert thing.__module__.startswith("lvgts_np.")


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'lvgts_np' has no attribute 'Traner'"):
        lvgts_np.Traner  # noqa: B018


def test_the_import_alone_loads_nothing():
    code = "import sys, lvgts_np; print({'numpy', 'autograd', 'matplotlib'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_a_run_yields_the_rows_of_its_log():
    by_hand, rows = Trainer(TINY, [3, 5]), []
    while by_hand.iteration < TINY.iterations:
        by_hand.iterate()
        if by_hand.iteration in (2, 4, 6):
            rows.append(by_hand.evaluate())
    run = list(Trainer(TINY, seeds=range(3, 6, 2)).run())
    assert [row["episodes"].tolist() for row in run] == [[16, 16], [32, 32], [48, 48]]
    for row, other in zip(run, rows, strict=True):
        assert all(np.array_equal(row[name], other[name]) for name in other)


def test_an_agent_can_be_evaluated_before_it_learns():
    row = Trainer(TINY).evaluate()
    assert row["iteration"] == row["episodes"] == [0]
    missing = {name for name, column in row.items() if np.isnan(column).all()}
    assert missing == {"return_recall", "return_total"} | {
        f"loss_{name}" for name in ("reward", "decoder", "transition")
    }


@pytest.mark.parametrize("seeds", [0, [], "01", [0.5], [-1], [1, 1]])
def test_what_are_no_seeds_is_one_line(seeds):
    with pytest.raises(ConfigError, match=r"^seeds = .*such as \[0\] or range\(4\)$"):
        Trainer(TINY, seeds)


@pytest.mark.parametrize("algo", ALGOS)
def test_diagnose_gives_attention_and_credit_as_arrays(algo):
    trainer = Trainer(TINY.replace(algo=algo), [0, 1])
    for _ in trainer.run():
        pass
    d, T = diagnose(trainer, 5), TINY.T
    assert d.attention.shape == (2, T, T)
    np.testing.assert_allclose(d.attention[:, 1:].sum(axis=-1), 1.0, rtol=1e-5)
    mean, rms = credit_over_episodes(d.credit[0])
    np.testing.assert_allclose(mean, d.credit[0].mean(axis=(0, 1)), atol=1e-6 * rms.max())
    assert np.all(np.abs(mean) <= rms * (1 + 1e-6))
    assert np.any(rms[TINY.t2 + 1 :, : TINY.t1] != 0.0) == (algo == "lvgts")
    assert d.episodes.a.shape == (T, 2, 5, 1)
