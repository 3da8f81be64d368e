"""A seed's state: what is taken out of one stack goes on in another as if nothing had been."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from lvgts_np.training import checkpoint, files
from lvgts_np.training.config import SMOKE, preset
from lvgts_np.training.files import write_json
from lvgts_np.training.trainer import PARTS, STREAMS, Trainer

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


def change(state, **numbers):
    rest = json.loads(str(state["rest"]["json"])) | numbers
    return {**state, "rest": {"json": np.array(json.dumps(rest))}}


NAN = float("nan")
RESTS = {
    "iteration": (-1, 5, 10**9, 4.0, True, NAN, "4", None, []),
    "seed": (-1, 0, 1.5, "1", None),
    "adam_steps": ([0, 0], [NAN, 1], [-1, 1], 3, "ab"),
    "ring": ([10**9, 0], [20, -1], [20.0, 12], "ab", {}),
    "seconds": ({}, [], None, dict.fromkeys(PARTS, NAN), dict.fromkeys(PARTS, -1.0)),
    "frozen": ("", 3, [], False),
    "streams": ({}, [], "x", dict.fromkeys(STREAMS, {}), dict.fromkeys(STREAMS, 1)),
    "config": ({}, [], 3),
}


@pytest.mark.parametrize("name", RESTS)
def test_no_number_of_a_checkpoint_is_believed_unseen(tmp_path, name):
    trainer, path = trained(), tmp_path / "checkpoint.npz"
    state = checkpoint.state_of(trainer, 1)
    for value in RESTS[name]:
        files.save_arrays(path, change(state, **{name: value}))
        with pytest.raises(ValueError, match="[^\n]+$"):
            checkpoint.read(path, trainer.config, 1)
    files.save_arrays(path, state)
    assert checkpoint.check(trainer.config, 1, checkpoint.read(path, trainer.config, 1)) == 4


def test_a_checkpoint_names_only_files_of_a_run(tmp_path):
    trainer, path = trained(), tmp_path / "checkpoint.npz"
    state = checkpoint.state_of(trainer, 1)
    for group in ("logs", "digests"):
        for name in ("/etc/passwd", "../log.csv", "config.json", ""):
            files.save_arrays(path, state | {group: {name: 0}})
            with pytest.raises(ValueError, match="which no run writes"):
                checkpoint.read(path, trainer.config, 1)
    for length in (-1, NAN, 1.0, "0", [0, 1]):
        files.save_arrays(path, state | {"logs": {"log.csv": length}})
        with pytest.raises(ValueError, match=r"logs/log\.csv is "):
            checkpoint.read(path, trainer.config, 1)


def test_only_a_frozen_seed_may_hold_what_is_not_finite(tmp_path):
    trainer, path = trained(), tmp_path / "checkpoint.npz"
    for group in checkpoint.FINITE:
        state = checkpoint.state_of(trainer, 1)
        next(iter(state[group].values())).flat[0] = np.inf
        files.save_arrays(path, state)
        with pytest.raises(ValueError, match=f"{group}/.* is not finite"):
            checkpoint.read(path, trainer.config, 1)
        files.save_arrays(path, change(state, frozen="iteration 3: a loss is not finite"))
        checkpoint.read(path, trainer.config, 1)


def test_the_replay_is_stored_as_far_as_it_is_filled(tmp_path):
    trainer = trained(iterations=2)
    state = checkpoint.state_of(trainer, 0)
    assert state["replay"]["0"].shape == (1, 15, 16, 1)
    ring = trainer.replay_buffer.columns[0][:, :1].swapaxes(0, 1)
    whole = {**state, "replay": {n: np.zeros((1, 15, 20, 1), "f4") for n in state["replay"]}}
    whole["replay"]["0"] = ring  # as an earlier version stored it
    files.save_arrays(tmp_path / "old.npz", whole)
    old = checkpoint.read(tmp_path / "old.npz", trainer.config, 0)
    again = checkpoint.restore(trainer.config, [old])
    assert np.array_equal(again.replay_buffer.columns[0], ring.swapaxes(0, 1))


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
