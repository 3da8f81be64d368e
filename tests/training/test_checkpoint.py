"""A seed's state: what is taken out of one stack goes on in another as if nothing had been."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from lvgts_np.training import checkpoint, files
from lvgts_np.training.config import SMOKE, preset
from lvgts_np.training.files import write_json
from lvgts_np.training.trainer import Trainer

DERIVED = {"task", "backend", "buffers"}  # from the config alone


def trained(task="dummy_amt", seeds=(0, 1, 2), iterations=4, **changes):
    """A trainer in the middle of an interval of its log, its policy already moving."""
    config = preset(task, **{**SMOKE, "hidden": 4, "replay_episodes": 20, **changes})
    trainer = Trainer(config.replace(warmup=0.2), seeds)
    while trainer.iteration < iterations:
        if trainer.iteration == 2:
            trainer.evaluate()
        trainer.iterate()
    return trainer


def same(one, other):
    """Equal to the last bit, whatever they are made of."""
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other)
    if isinstance(one, np.random.Generator):
        return one.bit_generator.state == other.bit_generator.state
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return same(vars(one), vars(other)) if type(one).__name__ == "ReplayBuffer" else one == other


def assert_same(one, other):
    mine, theirs = vars(one), vars(other)
    names = mine.keys() - DERIVED
    assert [name for name in names if not same(mine[name], theirs[name])] == []


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("task", ["dummy_amt", "pendulum_pmt"])
def test_every_attribute_of_a_trainer_comes_back_from_the_disk(tmp_path, task, dtype):
    trainer = trained(task, dtype=dtype)
    assert len(trainer.interval) == 2
    assert trainer.adam_theta.step not in (0, trainer.adam_phi.step)
    assert trainer.replay_buffer.next != trainer.replay_buffer.size
    trainer.frozen = {1: "iteration 3: a loss is not finite"}
    for s in range(3):
        files.save_arrays(tmp_path / f"{s}.npz", checkpoint.state_of(trainer, s))
    saved = [files.load_arrays(tmp_path / f"{s}.npz") for s in range(3)]
    assert_same(trainer, checkpoint.restore(trainer.config, saved))


@pytest.mark.parametrize("algo", ["lvgts", "lm_svg"])
def test_seeds_that_change_stacks_learn_on_to_the_last_bit(algo):
    whole, parted, other = trained(algo=algo), trained(algo=algo), trained(algo=algo, seeds=[7])
    moved = [
        checkpoint.state_of(other, 0),
        checkpoint.state_of(parted, 2),
        checkpoint.state_of(parted, 0),
    ]
    mixed, alone = checkpoint.restore(whole.config, moved), checkpoint.select(parted, [1])
    assert mixed.seeds == [7, 2, 0]
    rows = []
    for trainer in (whole, mixed, alone):
        trainer.iterate()
        rows.append(trainer.evaluate())
    for name, column in rows[0].items():
        assert np.array_equal(column, [rows[1][name][2], rows[2][name][0], rows[1][name][1]])
    mixed.seconds = alone.seconds = whole.seconds
    again = [
        checkpoint.state_of(mixed, 2),
        checkpoint.state_of(alone, 0),
        checkpoint.state_of(mixed, 1),
    ]
    assert_same(whole, checkpoint.restore(whole.config, again))


def test_taking_a_state_out_leaves_the_stack_its_own():
    trainer, untouched = trained(), trained()
    part = checkpoint.select(trainer, [0, 1])
    part.iterate()
    part.evaluate()
    untouched.seconds = trainer.seconds
    assert_same(trainer, untouched)


def test_seeds_that_are_not_equally_far_make_no_stack():
    one, other = trained(seeds=[0]), trained(seeds=[1], iterations=3)
    with pytest.raises(ValueError, match="same number of iterations"):
        checkpoint.restore(one.config, [checkpoint.state_of(one, 0), checkpoint.state_of(other, 0)])


def test_a_state_is_checked_array_by_array():
    trainer = trained()
    config, state = trainer.config, checkpoint.state_of(trainer, 1)
    assert checkpoint.check(config, 1, state) == 4
    for group, arrays in state.items():
        for name, x in arrays.items():
            less = {**state, group: {n: y for n, y in arrays.items() if n != name}}
            if not group.startswith(checkpoint.INTERVAL):
                with pytest.raises(ValueError, match=f"{group}/{name} is missing"):
                    checkpoint.check(config, 1, less)
            if group != "rest" and not group.startswith(checkpoint.INTERVAL):
                wrong = {**state, group: {**arrays, name: x[..., :0]}}
                with pytest.raises(ValueError, match=f"{group}/{name} is float32 .*, not float32"):
                    checkpoint.check(config, 1, wrong)
    with pytest.raises(ValueError, match="it is of seed 1"):
        checkpoint.check(config, 2, state)


def test_a_write_that_fails_leaves_the_file_before_it(tmp_path, monkeypatch):
    path = tmp_path / "checkpoint.npz"
    files.save_arrays(path, {"phi": {"W": np.ones(3)}})

    def fail(archive, member, content):
        archive.fp.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(zipfile.ZipFile, "writestr", fail)
    with pytest.raises(OSError, match="No space"):
        files.save_arrays(path, {"phi": {"W": np.zeros(3)}})
    assert np.array_equal(files.load_arrays(path)["phi"]["W"], np.ones(3))
    assert list(tmp_path.iterdir()) == [path]


def test_nobody_finds_half_a_json_file(tmp_path, monkeypatch):
    path = tmp_path / "config.json"
    write_json(path, {"N": 4})

    def fail(path, content):
        with path.open("wb") as file:
            file.write(content[:3])
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(KeyboardInterrupt):
        write_json(path, {"N": 5})
    assert json.loads(path.read_text()) == {"N": 4}
    assert list(tmp_path.iterdir()) == [path]
