"""Bugs planted in the source, one at a time.

A bug is a piece of a function's text and what it becomes. A piece that is no longer there, or there
twice, fails the test, so that no bug goes stale.
"""

import inspect
import sys
import textwrap
from types import FunctionType

import pytest

KNOWN_BY = ("lvgts_np", "test_", "equations", "ledger")  # modules that may import the function


def plant(monkeypatch, function, old, new, helpers=None):
    """Put the function with `old` replaced by `new` wherever the function is known."""
    module = sys.modules[function.__module__]
    for name, helper in (helpers or {}).items():
        if not hasattr(module, name):
            monkeypatch.setattr(module, name, helper, raising=False)
    code = changed(function, old, new, dict(vars(module))).__code__
    planted = FunctionType(code, vars(module), function.__name__, function.__defaults__)
    planted.__qualname__ = function.__qualname__
    if "." in function.__qualname__:  # a method
        kind = getattr(module, function.__qualname__.rpartition(".")[0])
        monkeypatch.setattr(kind, function.__name__, planted)
    for other in list(sys.modules.values()):
        for name, value in list(vars(other).items()) if hasattr(other, "__dict__") else ():
            if value is function and other.__name__.startswith(KNOWN_BY):
                monkeypatch.setattr(other, name, planted)


def changed(function, old, new, scope):
    """The function, or method, with `old` replaced by `new`, its globals looked up in scope."""
    source, namespace = textwrap.dedent(inspect.getsource(function)), {}
    assert source.count(old) == 1
    exec(compile(source.replace(old, new), "<planted>", "exec"), scope, namespace)
    return namespace[function.__name__]


def passes_unplanted(check, *args):
    """Skip the test where the check fails without a bug: what it says then is no news."""
    try:
        check(*args)
    except AssertionError:
        pytest.skip("the check fails without the bug")
