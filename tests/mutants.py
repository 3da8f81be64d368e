"""Mutants of the mathematics, each of one token, and how many of them the tests catch.

    python tests/mutants.py [--sample N [--seed S]] [FILE ...]

A mutant is a file of paper/ or adjoint/ in which one operator, number or word is another. The units
of `equations` judge it first, and the suites where they let it live. Prints what no test catches,
and the score without the mutants that are equivalent; exit code 0 if it is 98 % or more. It needs
os.fork, as Linux and macOS have it.
"""

import argparse
import ast
import io
import os
import random
import resource
import sys
import time
import tokenize
from functools import partial
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import NamedTuple

from equivalent_mutants import EQUIVALENT

TESTS = Path(__file__).resolve().parent
PACKAGE = TESTS.parent / "lvgts_np"
SECONDS, BYTES = 300, 4 * 2**30  # of a mutant's tests: some loop for ever, or fill the memory
SCORE = 98.0
SUITES = ("test_switches.py", "paper", "adjoint")
# fmt: off
OTHER = {  # token -> what it becomes, one mutant each
    "+": "-", "-": "+", "*": "/", "/": "*", "**": "*", "%": "*", "//": "/",
    "+=": "-= =", "-=": "+= =", "*=": "/= =", "/=": "*= =", "|=": "=",
    "<": "<= >", "<=": "< >", ">": ">= <", ">=": "> <", "==": "!=", "!=": "==",
    "&": "|", "|": "&", "~": "+", "and": "or", "or": "and", "True": "False", "False": "True",
    "zeros": "ones", "ones": "zeros", "zeros_like": "ones_like", "ones_like": "zeros_like",
    "max": "min", "min": "max", "maximum": "minimum", "minimum": "maximum", "sum": "mean",
    "tanh": "sin", "sqrt": "abs", "break": "pass", "multiply": "add", "add": "subtract",
    '"paper"': '"sab"', '"sab"': '"paper"', '"before"': '"after"', '"after"': '"before"',
    '"mlp"': '"add"', '"add"': '"mlp"', '"query"': '"latent"', '"latent"': '"query"',
    '"huberized"': '"relu"', '"relu"': '"huberized"', '"square"': '"weighted"',
}
# fmt: on


class Mutant(NamedTuple):
    """A file with one token changed."""

    file: str
    number: int  # of the line
    line: str  # as it has become
    change: str
    function: str | None  # or class, in which the line is
    text: str  # of the whole file

    def __str__(self):
        return f"lvgts_np/{self.file}:{self.number}: {self.change}: {self.line}"


def mutants(path):
    """All mutants of a file that compile."""
    source, before, file = path.read_text(), "", path.relative_to(PACKAGE).as_posix()
    functions = {
        row: f"lvgts_np.{path.parent.name}.{path.stem}.{node.name}"
        for node in ast.parse(source).body
        if isinstance(node, (ast.FunctionDef, ast.ClassDef))
        for row in range(node.lineno, node.end_lineno + 1)
    }
    lines = source.splitlines(keepends=True)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        (row, start), (_, end) = token.start, token.end
        for new in replacements(token, before):
            line = lines[row - 1][:start] + new + lines[row - 1][end:]
            text = "".join((*lines[: row - 1], line, *lines[row:]))
            change = f"{token.string} -> {new}"
            if compiles(text):
                yield Mutant(file, row, line.strip(), change, functions.get(row), text)
        before = token.string


def replacements(token, before):
    """What a token becomes: a number one more and 0, others as OTHER says; * is left to unpack."""
    if token.type == tokenize.NUMBER:
        number = ast.literal_eval(token.string)
        return [repr(number + 1)] + ([repr(number * 0)] if number else [])
    unpacks = token.string in ("*", "**") and before in ("(", ",", "[", "{", "=", "in", "return")
    return [] if unpacks else OTHER.get(token.string, "").split()


def compiles(text):
    try:
        return compile(text, "<mutant>", "exec")
    except SyntaxError:
        return None


def files():
    return [path for part in ("paper", "adjoint") for path in sorted((PACKAGE / part).glob("*.py"))]


def reason(mutant):
    """Why no test can catch it, or None."""
    for file, pieces, why in EQUIVALENT:
        if file == mutant.file and any(piece in mutant.line for piece in pieces):
            return why
    return None


def lives(mutant, judge):
    """Whether judge() returns in a child that imports the mutant, within SECONDS and BYTES."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1] == 0
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(1, 2)
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
        resource.setrlimit(resource.RLIMIT_AS, (BYTES, BYTES))
        if mutant:
            usual = SourceFileLoader.get_code
            SourceFileLoader.get_code = lambda self, name: (
                compile(mutant.text, self.path, "exec")
                if Path(self.path).resolve() == PACKAGE / mutant.file
                else usual(self, name)
            )
        judge()
        os._exit(0)
    finally:
        os._exit(1)


def used(out):
    """Write a line for each unit: its name, and the functions that it uses."""
    from equations import UNITS
    from ledger.measure import CASES, measure

    for name in UNITS:
        forms = measure(name, CASES[:1]).uses.values()
        print(name, *{f for form in forms for f in form}, file=out, flush=True)


def units(mutant, uses):
    """AssertionError where a unit finds a fault: those that use the function, one problem first."""
    from ledger.measure import CASES, measure

    mine = [name for name in uses if mutant.function in uses[name]] or list(uses)
    for cases in (CASES[:1], CASES[1:]):
        for name in mine:
            for case in cases:
                unit = measure(name, [case])
                assert unit.errors
                assert not unit.wrong


def suites(mutant):
    """AssertionError where a test of SUITES fails: a short one, the mutant's folder, the others."""
    import pytest

    folder = mutant.file.partition("/")[0]
    paths = [TESTS / suite for suite in (SUITES[0], folder, *SUITES[1:])]
    options = ["-x", "-q", "-p", "no:cacheprovider", "--rootdir", str(TESTS.parent)]
    assert pytest.main([*options, *map(str, paths)]) == 0


def judge(chosen):
    """Print what lives; (caught by units, by suites, alive), each a number."""
    read, write = os.pipe()
    assert lives(None, lambda: used(os.fdopen(write, "w")))
    os.close(write)
    with os.fdopen(read) as lines:
        uses = {name: found for name, *found in map(str.split, lines)}
    none = Mutant("paper/model.py", 0, "", "", None, (PACKAGE / "paper/model.py").read_text())
    assert lives(none, partial(units, none, uses)), "a unit fails without a mutant"
    by_units = by_suites = alive = 0
    for n, mutant in enumerate(chosen, start=1):
        if not lives(mutant, partial(units, mutant, uses)):
            by_units += 1
            continue
        if by_suites + alive == 0:
            assert lives(none, partial(suites, none)), "a test fails without a mutant"
        if not lives(mutant, partial(suites, mutant)):
            by_suites += 1
        else:
            alive += 1
            print(f"alive: {mutant}", flush=True)
        if sys.stderr.isatty():
            print(f"{n} of {len(chosen)}", end="\r", file=sys.stderr)
    return by_units, by_suites, alive


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", type=Path, help="of paper/ or adjoint/; all of them")
    parser.add_argument("--sample", type=int, metavar="N", help="N mutants at random; all of them")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of the sample; 0")
    options = parser.parse_args()
    paths = [path.resolve() for path in options.files] or files()
    found = [mutant for path in paths for mutant in mutants(path)]
    chosen = [mutant for mutant in found if not reason(mutant)]
    if options.sample:
        chosen = random.Random(options.seed).sample(chosen, min(options.sample, len(chosen)))
    start = time.perf_counter()
    by_units, by_suites, alive = judge(chosen)
    score = 100.0 * (len(chosen) - alive) / max(len(chosen), 1)
    print(
        f"{len(found)} mutants, {sum(map(bool, map(reason, found)))} of them equivalent; of "
        f"{len(chosen)} others units caught {by_units}, suites {by_suites}, none {alive}: score "
        f"{score:.1f} %, {time.perf_counter() - start:.0f} s"
    )
    return 0 if score >= SCORE else 1


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.path[:0] = [str(TESTS.parent), str(TESTS)]
    # What no mutant is in, once for all of their processes.
    import autograd.numpy  # noqa: F401
    import hypothesis  # noqa: F401
    import matplotlib  # noqa: F401
    import pytest  # noqa: F401
    import scipy.special  # noqa: F401

    sys.exit(main())
