"""Tasks in words: made from them, and put into them."""

import json
import sys

import numpy as np
import pytest
from own_tasks import KeyToDoor

from lvgts_np.tasks import TaskError
from lvgts_np.tasks.memory import Dummy, MemoryTask
from lvgts_np.tasks.pendulum import Pendulum
from lvgts_np.tasks.reference import describe, make


class Keeping(Dummy):
    def __init__(self, x=None):
        vars(self)["x"] = x


class Inner:
    class Task(Keeping):
        pass


@pytest.mark.parametrize(
    "value",
    [3, 0.5, "Pendulum-v1", True, None, [1, [2.5]], {"a": 1}, Pendulum("v1"), [Keeping(2)]],
)
def test_what_is_described_is_made_again(value):
    name, arguments = describe(Keeping(value))
    assert name == "test_reference:Keeping"
    again = make(name, json.loads(json.dumps(arguments)))
    assert describe(again) == (name, arguments)
    if not isinstance(value, list):
        assert again.x == value


def test_an_object_inside_a_task_has_its_class_and_arguments():
    task = MemoryTask(False, Pendulum("v1"), T=20)
    name, arguments = describe(task)
    assert name == "lvgts_np.tasks.memory:MemoryTask"
    assert arguments["distractor"] == {"class": "lvgts_np.tasks.pendulum:Pendulum", "version": "v1"}
    assert make(name, arguments) == task


def test_numpys_numbers_and_tuples_become_json():
    assert describe(Keeping((np.float32(0.5), np.arange(2)))) == (
        "test_reference:Keeping",
        {"x": [0.5, [0, 1]]},
    )


def test_a_class_may_stand_in_a_class():
    assert describe(Inner.Task(1)) == ("test_reference:Inner.Task", {"x": 1})
    assert isinstance(make("test_reference:Inner.Task", {}), Inner.Task)


def local():
    class Local:
        pass

    return Local()


class Forgetful(Dummy):
    def __init__(self, n):
        vars(self)["m"] = n


@pytest.mark.parametrize(
    ("thing", "words"),
    [
        (KeyToDoor, "^task KeyToDoor: is a class, must be an object of it$"),
        (local(), "the class must be at the top of a file$"),
        (
            Forgetful(3),
            "^task test_reference:Forgetful: must keep its argument 'n' as an attribute$",
        ),
        (Keeping(len), "^task test_reference:Keeping: x = <built-in .*> cannot be kept in config"),
    ],
)
def test_what_has_no_words_is_named(thing, words):
    with pytest.raises(TaskError, match=words):
        describe(thing)


WHERE = "must be module:Class of a file in this directory, on PYTHONPATH or installed"


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("absent:Task", {}, f"ModuleNotFoundError: No module named 'absent'; {WHERE}"),
        ("test_reference:Absent", {}, f"AttributeError: module .* attribute 'Absent'; {WHERE}"),
        ("test_reference:local", {}, "must be a class with draw, reset and step"),
        ("test_reference:Keeping", {"y": 1}, "TypeError: .* argument 'y'; its arguments: x$"),
        ("test_reference:Forgetful", {}, "TypeError: .* argument: 'n'; its arguments: n$"),
        ("test_reference:Keeping", {"x": {"class": "absent:X"}}, "No module named 'absent'"),
        ("subprocess:Popen", {"args": ["false"]}, "must be a class with draw, reset and step"),
        (
            "lacking:Task",
            {},
            r"ModuleNotFoundError: No module named 'nowhere' \(lacking.py, line 1\)$",
        ),
        ("broken:Task", {}, rf"ZeroDivisionError: division by zero \(broken.py, line 2\); {WHERE}"),
    ],
)
def test_what_cannot_be_made_is_one_line(name, arguments, words, tmp_path, monkeypatch):
    (tmp_path / "broken.py").write_text("a = 1\nb = a / 0\n")
    (tmp_path / "lacking.py").write_text("import nowhere\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    with pytest.raises(TaskError, match=f"^task .*{words}") as found:
        make(name, arguments)
    assert "\n" not in str(found.value)
