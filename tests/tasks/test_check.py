"""check_task: right of all tasks here, and twelve faults, each by its message."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from own_tasks import Apart, Draughts, KeyToDoor, Plain
from test_memory import tasks

from lvgts_np.check.strategies import scales, seeds
from lvgts_np.tasks import TaskError
from lvgts_np.tasks.check import check_task
from lvgts_np.tasks.memory import MemoryTask, paper_task
from lvgts_np.training.config import TASKS


@given(tasks(), seeds, scales())
def test_memory_tasks_are_right(task, seed, scale):
    check_task(task, seed, scale)


@pytest.mark.parametrize("name", TASKS)
def test_the_papers_tasks_are_right(name):
    check_task(paper_task(name))


@given(st.integers(1, 4), seeds, scales())
def test_a_memory_task_takes_any_distractor(n, seed, scale):
    task = MemoryTask(distractor=Draughts(n))
    assert task.O == 1 + n
    check_task(task, seed, scale)


@given(st.builds(KeyToDoor, st.floats(0, 2)) | st.sampled_from([Plain(), Apart()]), seeds, scales())
def test_tasks_of_a_user_are_right(task, seed, scale):
    check_task(task, seed, scale)


class Changed(Plain):
    """Plain, with a fault: attributes, or functions in the place of methods."""

    def __init__(self, **changes):
        vars(self).update(changes)


def stepping(change):
    """Plain whose step returns change(t, a_t, state, o, r, side reward)."""
    plain = Plain()

    def step(state, a_t):
        return change(state[0], a_t, *plain.step(state, a_t))

    return Changed(step=step)


def swapped(t, a_t, state, o, r, side):
    a_t[...] = 0.0
    return state, o, r, side


class Counted(Plain):
    """A state that `step` changes."""

    def reset(self, noise):
        state, o = super().reset(noise)
        return [*state], o

    def step(self, state, a_t):
        _, o, r, side = super().step(tuple(state), a_t)
        state[0] += 1
        return state, o, r, side


class Coupled(Plain):
    def step(self, state, a_t):
        state, o, r, side = super().step(state, a_t)
        return state, o, r - r.mean(-1, keepdims=True), side


class Flat(Plain):
    """No room for a seed axis."""

    def reset(self, noise):
        return (0, noise["x"]), noise["x"][:, :1]


class Failing(Plain):
    def step(self, state, a_t):
        if state[0] == 7:
            raise ZeroDivisionError("of my own")
        return super().step(state, a_t)


class Elsewhere(Plain):
    cue, pay, credited = [0], range(8), [1]


def ordered(floor, myopic, optimal):
    bounds = {"floor_return": floor, "myopic_return": myopic, "max_return": optimal}
    return Changed(bounds=lambda: bounds)


FAULTS = {
    "observation": (Changed(O=2), r"o_0 has shape \(3, 1\), must be \(3, 2\)"),
    "seed axis": (Flat(), r"o_0 has shape \(2, 1, \d\), must be \(2, 3, 1\)"),
    "reward": (
        stepping(lambda t, a, s, o, r, side: (s, o, r[..., None], side)),
        r"step 0: the reward has shape \(3, 1\), must be \(3,\)",
    ),
    "nan": (
        stepping(lambda t, a, s, o, r, side: (s, o, r * (np.nan if t == 5 else 1.0), side)),
        r"step 5: the reward is not finite",
    ),
    "side reward": (
        stepping(lambda t, a, s, o, r, side: (s, o, r, 0.0)),
        r"step 0: the side reward has shape \(\), must be \(3,\)",
    ),
    "early": (
        stepping(lambda t, a, s, o, r, side: (s, None if t == 4 else o, r, side)),
        "ends after 5 steps: every episode must have T = 8",
    ),
    "late": (
        stepping(lambda t, a, s, o, r, side: (s, o if t < 7 else r[..., None], r, side)),
        "does not end: step 7, the last, must return None for o_8",
    ),
    "exception": (Failing(), r"step 7: ZeroDivisionError: of my own \(test_check.py, line \d+\)"),
    "five": (
        stepping(lambda t, a, s, o, r, side: (o, r, False, False, {})),
        r"step 0: must return a tuple \(state, observation, reward, side reward\)",
    ),
    "impure": (Counted(), "step [01]: not pure: called again with this state"),
    "random step": (
        stepping(lambda t, a, s, o, r, side: (s, o, r + np.random.random(), side)),
        "step 0: not pure",
    ),
    "random draw": (
        Changed(draw=lambda rng, B: {"x": np.random.standard_normal((B, 8))}),
        "draw: 'x' must be drawn from rng alone",
    ),
    "episodes": (Coupled(), "episodes change each other"),
    "action": (stepping(swapped), "step 0: the action is changed in place"),
    "noise": (
        Changed(draw=lambda rng, B: {"x": rng.standard_normal((8, B))}),
        r"draw: 'x' has shape \(8, 3\), must be \(3, ...\)",
    ),
    "bounds": (
        ordered(0.0, 2.1, 2.0),
        "bounds: BoundsError: .* cannot be right: must be floor_return <= myopic",
    ),
    "bound": (ordered(0.0, np.nan, 2.0), "bounds: BoundsError: .* cannot be right"),
    "no T": (Changed(T=None), "T = None: must be a whole number >= 1, the same in all episodes"),
    "discrete": (Changed(a_max=None), "a_max = None: .* actions are continuous in "),
    "cue": (Changed(cue=[8], pay=[7]), r"cue = \[8\]: must be steps in 0..7"),
    "cue alone": (Changed(cue=[0]), "cue and pay: give both or neither"),
    "credited": (Elsewhere(), "credited: must be steps of the cue"),
    "pay": (Changed(cue=[0], pay=[7]), "step 0: a reward that is no side reward, but pay has no 0"),
    "phases": (
        Changed(phases=lambda: [("a", 0, 3), ("b", 4, 8)]),
        "phase 'b' is 4..8: must begin at 3",
    ),
    "channels": (
        Changed(channels=lambda: {"observation": ["x", "y"]}),
        "channels: 2 names of O = 1 observed",
    ),
    "explain": (
        Changed(explain=lambda noise: {"m": noise["x"][..., :2]}),
        "explain: 'm' has shape",
    ),
    "derivative": (
        Changed(differentiable=True, step=lambda s, a: Plain().step(s, np.array(a, dtype=float))),
        "differentiable, so step must be in autograd.numpy: ",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named_in_one_line(name):
    task, words = FAULTS[name]
    with pytest.raises(
        TaskError, match=f"^task test_check:{type(task).__name__}: {words}"
    ) as found:
        check_task(task)
    assert "\n" not in str(found.value)


def test_a_class_that_is_no_task_is_told_what_it_lacks():
    class Nothing:
        T = O = A = a_max = 1

    with pytest.raises(TaskError, match="no 'draw'; lvgts_np.Task, to inherit from, has"):
        check_task(Nothing())
