"""A seed's state: what is taken out of one stack goes on in another as if nothing had been."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from lvgts_np.training import checkpoint, files
from lvgts_np.training.config import SMOKE, preset
from lvgts_np.training.files import write_json
from lvgts_np.training.trainer import STREAMS, Trainer

DERIVED = {"task", "backend", "buffers"}  # from the config alone


def trained(task="dummy_amt", seeds=(0, 1, 2), iterations=5, **changes):
    """A trainer in the middle of an interval of its log, its policy already moving."""
    settings = {**SMOKE, "hidden": 4, "replay_episodes": 20, "eval_every": 3, "warmup": 0.2}
    trainer = Trainer(preset(task, **{**settings, **changes}), seeds)
    while trainer.iteration < iterations:
        trainer.iterate()
        if trainer.due:
            trainer.evaluate()
    return trainer


def saved(path, state, **changes):
    """The file with a state, and other numbers in its rest."""
    rest = json.dumps(checkpoint.rest_of(state) | changes)
    files.save_arrays(path, {**state, "rest": {"json": np.array(rest)}})
    return path


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
    states = []
    for s in range(3):
        path = saved(tmp_path / f"{s}.npz", checkpoint.state_of(trainer, s))
        states.append(checkpoint.read(path, trainer.config, s))
    assert_same(trainer, checkpoint.restore(trainer.config, states))


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
    one, other = trained(seeds=[0]), trained(seeds=[1], iterations=4)
    with pytest.raises(ValueError, match="same number of iterations"):
        checkpoint.restore(one.config, [checkpoint.state_of(one, 0), checkpoint.state_of(other, 0)])


def test_a_state_is_checked_array_by_array():
    trainer = trained()
    new, state = Trainer(trainer.config, [1]), checkpoint.state_of(trainer, 1)
    checkpoint.check(new, state)
    for group, name in [(g, n) for g, arrays in state.items() if g != "rest" for n in arrays]:
        arrays, x = state[group], state[group][name]
        integers = np.zeros(x.shape, int)
        for other, words in (
            ({n: y for n, y in arrays.items() if n != name}, f"{group}/{name} is missing"),
            ({**arrays, name: x[..., :0]}, f"{group}/{name} is float.*, not float"),
            ({**arrays, name: np.full_like(x, np.inf)}, f"{group}/{name} is not finite"),
            ({**arrays, name: integers}, f"{group}/{name} is int64"),
            ({**arrays, "more": x}, f"{group}/more is of no run"),
        ):
            with pytest.raises(ValueError, match=re.escape(words).replace(r"\.\*", ".*")):
                checkpoint.check(new, {**state, group: other})
    with pytest.raises(ValueError, match="more/x is of no run"):
        checkpoint.check(new, {**state, "more": {"x": np.zeros(1)}})


NAN = float("nan")
PARTS = ("collect", "model", "policy", "evaluate")
RESTS = {
    "iteration": (-1, 4, 10**9, 5.0, True, NAN, "5", None, []),
    "seed": (-1, 0, 1.5, "1", True, None),
    "adam_steps": ([0, 0], [NAN, 1], [-1, 1], [10.0, 4], 3, "ab"),
    "ring": ([10**9, 0], [20, -1], [20.0, 0], [20, 1], "ab", {}),
    "seconds": ({}, [], None, dict.fromkeys(PARTS, NAN), dict.fromkeys(PARTS, -1.0)),
    "frozen": ("", 3, [], False),
    "streams": ({}, [], "x", dict.fromkeys(STREAMS, {}), dict.fromkeys(STREAMS, 1)),
    "config": ({}, [], 3, {"N": 1}),
}


@pytest.mark.parametrize("name", RESTS)
def test_no_number_of_a_checkpoint_is_believed_unseen(tmp_path, name):
    trainer, path = trained(), tmp_path / "checkpoint.npz"
    state = checkpoint.state_of(trainer, 1)
    for value in RESTS[name]:
        saved(path, state, **{name: value})
        with pytest.raises(ValueError, match="[^\n]+$"):
            checkpoint.read(path, trainer.config, 1)
    assert same(state, checkpoint.read(saved(path, state), trainer.config, 1))


@pytest.mark.parametrize("stream", STREAMS)
def test_a_stream_that_no_generator_can_be_in_is_refused(tmp_path, stream):
    trainer, path = trained(), tmp_path / "checkpoint.npz"
    state = checkpoint.state_of(trainer, 1)
    streams = checkpoint.rest_of(state)["streams"]
    for changed in (
        {"bit_generator": "MT19937"}, {"state": {"state": -1, "inc": 1}}, {"has_uint32": 2**40},
        {"state": {"state": 2**200, "inc": 1}}, {"state": {"state": 1.5, "inc": 1}},
    ):  # fmt: skip
        saved(path, state, streams=streams | {stream: streams[stream] | changed})
        with pytest.raises(ValueError, match="[^\n]+$"):
            checkpoint.read(path, trainer.config, 1)


def test_only_a_frozen_seed_may_hold_what_is_not_finite(tmp_path):
    trainer, path = trained(), tmp_path / "checkpoint.npz"
    state = checkpoint.state_of(trainer, 1)
    state["adam_phi"]["v"].flat[0] = np.inf
    saved(path, state, frozen="iteration 3: a loss is not finite")
    assert checkpoint.read(path, trainer.config, 1)["adam_phi"]["v"].flat[0] == np.inf


def test_the_replay_is_stored_as_far_as_it_is_filled():
    state = checkpoint.state_of(trained(iterations=2), 0)
    assert state["replay"]["0"].shape == (1, 15, 16, 1)


def test_a_write_that_fails_leaves_the_file_before_it(tmp_path, monkeypatch):
    path = tmp_path / "checkpoint.npz"
    files.save_arrays(path, {"phi": {"W": np.ones(3)}})

    def fail(file, **arrays):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", fail)
    with pytest.raises(OSError, match="No space"):
        files.save_arrays(path, {"phi": {"W": np.zeros(3)}})
    assert np.array_equal(files.load_arrays(path, 1000)["phi"]["W"], np.ones(3))
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
