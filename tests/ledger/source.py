"""What stands where: functions and lines of the package, readings, tests, derivations."""

import ast
import functools
import importlib
import inspect
import itertools
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
    path, lines, first = located(dotted)
    commands = [(n, line) for n, line in body(lines, first) if not line.lstrip().startswith("#")]
    at = [n for n, line in commands if words and words in line]
    short = ".".join(dotted.split(".")[1:])
    return Source(short, str(path.relative_to(ROOT)), first, lines, at[0] if at else first)


def located(dotted):
    """File, lines and number of the first line of a function, class or fixed number.

    To an operation of autograd belongs what stands between it and its derivative, a `defvjp`.
    """
    f, (module, _, name) = find(dotted), dotted.rpartition(".")
    if not callable(f):
        path = Path(find(module).__file__)
        numbered = enumerate(path.read_text().splitlines(), 1)
        ((first, line),) = [(n, x) for n, x in numbered if re.match(rf"{name}\b.* = ", x)]
        return path, [line], first
    lines, first = inspect.getsourcelines(getattr(f, "fun", f))
    path, lines = Path(inspect.getsourcefile(getattr(f, "fun", f))), [x.rstrip() for x in lines]
    if hasattr(f, "fun"):
        rest = path.read_text().splitlines()[first + len(lines) - 1 :]
        ends = [n for n, line in enumerate(rest, 1) if line.startswith(f"defvjp({name},")]
        lines += rest[: ends[0]] if ends else []
    return path, lines, first


def find(dotted):
    """Function, class or method of a dotted name below lvgts_np, or of naive."""
    parts = dotted.split(".")
    package = [] if parts[0] == "naive" else ["lvgts_np"]
    for n in reversed(range(1, len(parts))):
        try:
            found = importlib.import_module(".".join(package + parts[:n]))
        except ModuleNotFoundError:
            continue
        return functools.reduce(getattr, parts[n:], found)
    raise LookupError(f"lvgts_np has no {dotted}")


def code(name):
    """(line number, text) of a function without its docstring."""
    s = source(name)
    return body(s.lines, s.first)


def body(lines, first):
    """(line number, text) of the lines of a function, from number first on, but its docstring."""
    f = ast.parse(textwrap.dedent("\n".join(lines))).body[0]
    skipped = set()
    if hasattr(f, "body") and ast.get_docstring(f) is not None:
        skipped = set(range(f.body[0].lineno, f.body[0].end_lineno + 1))
    return [(first + i - 1, line) for i, line in enumerate(lines, 1) if i not in skipped]


def equations(name):
    """Docstring of a function: its first line, and the lines of its equations."""
    f = find(name.partition(" # ")[0])
    return (inspect.getdoc(f) or "").split("\n\n")[:2]


def readings(names):
    """Rows of docs/differences.md that the sources of these functions name, id -> (paper, here)."""
    ids = {i for name in names for line in governed(name) for i in READING.findall(line)}
    return {i: row for i, row in differences().items() if i in ids}


def governed(name):
    """Lines of a function, or the line that is meant and the comment right above it."""
    s = source(name)
    last = s.at - s.first
    if last == 0:
        return s.lines
    above = itertools.takewhile(lambda line: line.lstrip().startswith("#"), s.lines[last - 1 :: -1])
    return [*above, s.lines[last]]


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


@functools.cache
def read(path):
    return (ROOT / path).read_text()


@functools.cache
def tests_by_name():
    """What each test uses of the package, itself or through its file: "path::test" -> names."""
    found = {}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        tree = ast.parse(path.read_text())
        imports, defined = imported(tree), defined_in(tree)
        for name in defined:
            if name.startswith("test_"):
                found[f"{path.relative_to(ROOT)}::{name}"] = used(name, imports, defined, {name})
    return found


def imported(tree):
    """Objects and modules of the package that a file imports, by their names there."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] == "lvgts_np":
            try:
                module = importlib.import_module(node.module)
            except ModuleNotFoundError:  # of Gymnasium, which nothing of the paper needs
                continue
            for alias in node.names:
                if not hasattr(module, alias.name):
                    importlib.import_module(f"{node.module}.{alias.name}")
                found[alias.asname or alias.name] = getattr(module, alias.name)
    return found


def defined_in(tree):
    """Functions, classes and variables of a file, name -> statement."""
    found = {node.name: node for node in tree.body if hasattr(node, "name")}
    assigned = [node for node in tree.body if isinstance(node, ast.Assign)]
    return found | {x.id: node for node in assigned for x in node.targets if hasattr(x, "id")}


def used(name, imports, defined, seen):
    """Full names of what a definition of a file, and those that it uses, take from the package.

    An attribute of anything else, such as an instance, is given as ".name".
    """
    found = set()
    for node in ast.walk(defined[name]):
        x = resolve(node, imports)
        if x is not None or isinstance(node, ast.Attribute):
            found.add(f".{node.attr}" if x is None else full_name(x))
        n = getattr(node, "id", getattr(node, "arg", None))  # an argument may be a fixture
        if n in defined and n not in seen:
            seen.add(n)
            found |= used(n, imports, defined, seen)
    return found


def resolve(node, imports):
    """Object of the package that a name, or a dotted name, of a file stands for, or None."""
    if isinstance(node, ast.Attribute):
        return getattr(resolve(node.value, imports), node.attr, None)
    return imports.get(node.id) if isinstance(node, ast.Name) else None


def full_name(x):
    x = getattr(x, "fun", x)  # behind an operation of autograd
    return f"{getattr(x, '__module__', '')}.{getattr(x, '__qualname__', '')}"


def tests_of(names):
    """Tests that use one of these functions by name; of a method, its name and its class."""
    wanted = []
    for name in names:
        module, *qualname = full_name(find(name.partition(" # ")[0])).rsplit(".", 1)
        is_method = module.split(".")[-1][0].isupper()
        wanted.append({module, "." + qualname[0]} if is_method else {f"{module}.{qualname[0]}"})
    return [t for t, found in tests_by_name().items() if any(each <= found for each in wanted)]
