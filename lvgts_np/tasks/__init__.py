"""Environments: the protocol, memory tasks, what distracts, and what can be earned. [§4.1, §4.2]"""

import traceback
from pathlib import Path


class BoundsError(ArithmeticError):
    """Bounds of a task that cannot be right, one line."""


class TaskError(ValueError):
    """A task that cannot be made, or that is none, as `check_task` says: one line."""


class EpisodeError(RuntimeError):
    """A task that fails in an episode: one line."""


def fault(error):
    """An exception in words, with the last line of a user's own code that it came through."""
    words = " ".join(f"{type(error).__name__}: {error}".split())[:200]
    others = {Path(__file__).parents[1], "site-packages", "importlib"}
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename)
        if path.suffix == ".py" and not others & {*path.parents, *path.parts}:
            return f"{words} ({path.name}, line {frame.lineno})"
    return words


def call(words, function, *args):
    """Result of a function of a task; TaskError where it raises."""
    try:
        return function(*args)
    except Exception as error:
        raise TaskError(f"{words}: {fault(error)}") from error
