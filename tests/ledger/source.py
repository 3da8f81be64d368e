"""What stands where: functions and lines of the package, readings, tests, derivations."""

import ast
import functools
import importlib
import inspect
import re
import textwrap
from pathlib import Path
from typing import NamedTuple

import lvgts_np

ROOT = Path(lvgts_np.__file__).parents[1]
READING = re.compile(r"\((?:see )?([TMA]\d+)\)")


class Source(NamedTuple):
    """A function: its file, its lines, and of these the one that is meant."""

    name: str  # as in "imagine.replay"
    path: str  # relative to the repository
    first: int
    lines: list
    at: int  # line number that is meant: the first, or that of the words behind "#"

    @property
    def place(self):
        return f"{self.path}:{self.at}"


@functools.cache
def source(name):
    """Source of "paper.imagine.replay", or of a line of it: "paper.imagine.replay # line 15".

    Where no line has the words, as when it was changed, the function as a whole is meant.
    """
    dotted, _, words = name.partition(" # ")
    f = find(dotted)
    lines, first = inspect.getsourcelines(getattr(f, "fun", f))
    lines = [line.rstrip() for line in lines]
    at = [n for n, line in enumerate(lines, first) if words and words in line]
    path = Path(inspect.getsourcefile(getattr(f, "fun", f))).relative_to(ROOT)
    return Source(".".join(dotted.split(".")[1:]), str(path), first, lines, at[0] if at else first)


def find(dotted):
    """Function, class or method below lvgts_np of a dotted name."""
    parts = dotted.split(".")
    for n in reversed(range(1, len(parts))):
        try:
            found = importlib.import_module(".".join(["lvgts_np", *parts[:n]]))
        except ModuleNotFoundError:
            continue
        return functools.reduce(getattr, parts[n:], found)
    raise LookupError(f"lvgts_np has no {dotted}")


def code(name):
    """(line number, text) of a function without its docstring."""
    s = source(name)
    tree = ast.parse(textwrap.dedent("\n".join(s.lines)))
    body = tree.body[0].body
    skipped = set()
    if ast.get_docstring(tree.body[0]) is not None:
        skipped = set(range(body[0].lineno, body[0].end_lineno + 1))
    return [(s.first + i - 1, line) for i, line in enumerate(s.lines, 1) if i not in skipped]


def equations(name):
    """Docstring of a function: its first line, and the lines of its equations."""
    f = find(name.partition(" # ")[0])
    return (inspect.getdoc(f) or "").split("\n\n")[:2]


def readings(names):
    """Rows of docs/differences.md that the sources of these functions name, id -> (paper, here)."""
    ids = {i for name in names for line in source(name).lines for i in READING.findall(line)}
    return {i: row for i, row in differences().items() if i in ids}


@functools.cache
def differences():
    """Rows of docs/differences.md: id -> (the paper, here)."""
    rows = re.findall(r"^\| ([TMA]\d+) \| (.*?) \| (.*?) \|$", read("docs/differences.md"), re.M)
    return {i: (paper, here) for i, paper, here in rows}


def derivation(names):
    """Sections of docs/adjoint.md on these functions, one text each."""
    sections = re.split(r"^## ", read("docs/adjoint.md"), flags=re.M)[1:]
    wanted = [name.partition(" # ")[0].split(".")[-1] for name in names]
    return [s.strip() for s in sections if re.split(r"\W", s, maxsplit=1)[0] in wanted]


def read(path):
    return (ROOT / path).read_text()


@functools.cache
def tests_by_name():
    """Names that each test uses, itself or through helpers of its file: "path::test" -> set."""
    found = {}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        functions = {n.name: n for n in ast.parse(path.read_text()).body if hasattr(n, "name")}
        for name in functions:
            if name.startswith("test_"):
                found[f"{path.relative_to(ROOT)}::{name}"] = names_used(name, functions)
    return found


def names_used(name, functions, seen=None):
    """Names and attributes in a function, and in those of the same file that it uses."""
    seen = {name} if seen is None else seen
    for node in ast.walk(functions[name]):
        n = getattr(node, "id", getattr(node, "attr", None))
        if n is not None and n not in seen:
            seen.add(n)
            if n in functions:
                names_used(n, functions, seen)
    return seen


def tests_of(names):
    """Tests that use one of these functions by name."""
    wanted = {name.partition(" # ")[0].split(".")[-1] for name in names}
    return [test for test, used in tests_by_name().items() if wanted & used]
