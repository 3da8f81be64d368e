"""Tasks in words, as in config.json: "module:Class", and the arguments in JSON."""

import functools
import importlib
import inspect
import os
import sys
from pathlib import Path

from lvgts_np.tasks import TaskError, fault

CLASS = "class"  # key of an argument that is an object: {"class": "module:Class", **arguments}


def make(name, arguments):
    """Object of the class "module:Class" with these arguments; TaskError where there is none."""
    try:
        cls = find(name)
    except Exception as error:
        words = f"task {name}: {fault(error)}"
        if (getattr(error, "name", None) or "") in name:  # else it is found, and lacks something
            words += (
                "; must be module:Class of a file in this directory, on PYTHONPATH or installed"
            )
        raise TaskError(words) from error
    # A config.json that is another's must not call just anything.
    if not isinstance(cls, type) or not is_one(cls):
        raise TaskError(
            f"task {name}: must be a class with draw, reset and step, see lvgts_np.Task"
        )
    try:
        return cls(**{x: made(value) for x, value in arguments.items()})
    except TaskError:
        raise
    except Exception as error:
        known = ", ".join(inspect.signature(cls).parameters) or "none"
        raise TaskError(f"task {name}: {fault(error)}; its arguments: {known}") from error


def find(name):
    """Class or function "module:name"."""
    module, _, path = name.partition(":")
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())  # last: a file here hides nothing that is installed
    # The running script is not imported a second time: it would train again.
    there = sys.modules["__main__"] if module == script() else importlib.import_module(module)
    return functools.reduce(getattr, path.split("."), there)


def is_one(thing):
    """Whether something has the methods that tasks and distractors have."""
    return all(hasattr(thing, name) for name in ("draw", "reset", "step"))


def made(value):
    """Argument from its JSON."""
    if isinstance(value, dict) and CLASS in value:
        return make(value[CLASS], {x: y for x, y in value.items() if x != CLASS})
    return value


def describe(thing):
    """Name "module:Class" of an object, and its arguments in JSON; TaskError where it has none."""
    cls, name, arguments = type(thing), name_of(thing), {}
    if isinstance(thing, type):
        raise TaskError(f"task {thing.__qualname__}: is a class, must be an object of it")
    if "<locals>" in name:
        raise TaskError(f"task {name}: the class must be at the top of a file")
    for x, parameter in inspect.signature(cls).parameters.items():
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            if not hasattr(thing, x):
                raise TaskError(f"task {name}: must keep its argument {x!r} as an attribute")
            arguments[x] = worded(getattr(thing, x), f"task {name}: {x}")
    return name, arguments


def name_of(thing):
    """ "module:Class" of an object."""
    cls = type(thing)
    module = script() if cls.__module__ in ("__main__", "__mp_main__") else cls.__module__
    return f"{module}:{cls.__qualname__}"


def worded(value, where):
    """Argument as JSON."""
    value = value.tolist() if hasattr(value, "tolist") else value  # NumPy's
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple)):
        return [worded(x, where) for x in value]
    if isinstance(value, dict):
        return {str(x): worded(y, where) for x, y in value.items()}
    if callable(value):
        raise TaskError(f"{where} = {value!r} cannot be kept in config.json")
    name, arguments = describe(value)
    return {CLASS: name, **arguments}


def script():
    """Name by which a later process imports the running script; of a session without, __main__."""
    main = sys.modules["__main__"]
    if getattr(main, "__spec__", None):
        return main.__spec__.name
    file = Path(getattr(main, "__file__", ""))
    return file.stem if file.suffix == ".py" else "__main__"
