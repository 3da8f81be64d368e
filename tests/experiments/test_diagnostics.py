"""Evaluation and diagnostics of long episodes, a few at a time: the same numbers."""

import numpy as np
import pytest

from lvgts_np.experiments import compass, diagnostics
from lvgts_np.training import trainer as training
from lvgts_np.training.config import SMOKE, preset
from lvgts_np.training.files import read_table
from lvgts_np.training.trainer import Trainer


def found(tmp_path, algo):
    """Row of the log, tables of diagnostics and compass of one seed."""
    changes = {"algo": algo, "dtype": "float64", "warmup": 0.0, "eval_episodes": 11}
    config = preset("dummy_amt", **SMOKE | changes)
    trainer = Trainer(config, [0, 1])
    for _ in range(3):
        trainer.iterate()
    row = {name: x[1:] for name, x in trainer.evaluate().items()}
    rows = compass.compass(trainer)[1]
    diagnostics.write_diagnostics(trainer, [tmp_path / "0", tmp_path / "1"])
    tables = [read_table(tmp_path / "1" / name) for name in diagnostics.TABLES]
    return [row, {"compass": np.array([row[4:] for row in rows])}, *tables]


@pytest.mark.parametrize("algo", ["lvgts", "lm_svg"])
def test_a_few_episodes_and_rewards_at_a_time_give_the_same(monkeypatch, tmp_path, algo):
    for name in ("whole", "parts"):
        for seed in "01":
            (tmp_path / name / seed).mkdir(parents=True)
    whole = found(tmp_path / "whole", algo)
    monkeypatch.setattr(training, "ROOM", 4 * 15 + 1)  # 4, 4 and 3 episodes
    monkeypatch.setattr(diagnostics, "ROWS", 7 * 15 * 11)  # 7, 7 and 1 rewards
    parts = found(tmp_path / "parts", algo)
    for one, other in zip(whole, parts, strict=True):
        assert one.keys() == other.keys()
        for name, x in one.items():
            if x.dtype.kind == "f":
                np.testing.assert_allclose(other[name], x, rtol=1e-6, atol=1e-9, err_msg=name)
            else:
                assert np.array_equal(other[name], x)
