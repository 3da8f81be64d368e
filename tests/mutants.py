"""Mutants of the mathematics, each of one token, and how many of them the tests catch.

    python tests/mutants.py [--sample N] [--seed S] [FILE ...]

A mutant is a file of paper/ or adjoint/ with one operator, number or word changed. The units of
`equations` judge it first, and the suites where they let it live. Needs os.fork (Linux, macOS).
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
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import NamedTuple

TESTS = Path(__file__).resolve().parent
PACKAGE = TESTS.parent / "lvgts_np"
CPU, MEMORY = 600, 4 * 2**30  # seconds and bytes of one mutant: some loop for ever
SUITES = ("paper", "adjoint", "test_switches.py", "training/test_trainer.py")

OTHER = {  # token -> what it becomes, one mutant each
    "+": "-", "-": "+", "*": "/", "/": "*", "**": "*", "%": "*", "//": "/", "@": "+",
    "+=": "-= =", "-=": "+= =", "*=": "/= =", "/=": "*= =", "|=": "=",
    "<": "<= >", "<=": "< >", ">": ">= <", ">=": "> <", "==": "!=", "!=": "==",
    "&": "|", "|": "&", "~": "+", "and": "or", "or": "and", "True": "False", "False": "True",
    "zeros": "ones", "ones": "zeros", "zeros_like": "ones_like", "ones_like": "zeros_like",
    "max": "min", "min": "max", "maximum": "minimum", "minimum": "maximum", "sum": "mean",
    "cos": "sin", "tanh": "sin", "sqrt": "abs", "break": "pass",
    '"paper"': '"sab"', '"sab"': '"paper"', '"before"': '"after"', '"after"': '"before"',
    '"mlp"': '"add"', '"add"': '"mlp"',
}  # fmt: skip


class Mutant(NamedTuple):
    """A file with one token changed."""

    path: Path
    number: int  # of the line
    line: str  # as it has become
    old: str
    new: str
    text: str  # of the whole file
    function: str | None  # or class, in which the line is

    def __str__(self):
        place = f"{self.path.relative_to(PACKAGE.parent)}:{self.number}"
        return f"{place}: {self.old} -> {self.new}: {self.line}"


def mutants(path):
    """All mutants of a file that compile."""
    source, before = path.read_text(), ""
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
            line = lines[row - 1]
            changed = line[:start] + new + line[end:]
            text = "".join((*lines[: row - 1], changed, *lines[row:]))
            if compiles(text):
                yield Mutant(
                    path, row, changed.strip(), token.string, new, text, functions.get(row)
                )
        before = token.string


def replacements(token, before):
    """What a token becomes: a number one more and 0, another as OTHER says, unless it unpacks."""
    if token.type == tokenize.NUMBER:
        number = ast.literal_eval(token.string)
        return [repr(number + 1)] + ([repr(number * 0)] if number else [])
    if token.string in ("*", "**") and before in ("(", ",", "[", "{", "=", "in", "return"):
        return []
    return OTHER.get(token.string, "").split()


def compiles(text):
    try:
        return compile(text, "<mutant>", "exec")
    except SyntaxError:
        return None


def lives(mutant, judge):
    """Whether no test fails, in a child that imports the mutant and has bounds on what it uses."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1] == 0
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(1, 2)
        resource.setrlimit(resource.RLIMIT_CPU, (CPU, CPU))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        get_code = SourceFileLoader.get_code
        SourceFileLoader.get_code = lambda self, name: (
            compile(mutant.text, self.path, "exec")
            if mutant and Path(self.path) == mutant.path
            else get_code(self, name)
        )
        judge()
        os._exit(0)
    finally:
        os._exit(1)


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


def used(out):
    """Write a line for each unit: its name, and the functions that it uses."""
    from ledger.measure import CASES, measure

    from equations import UNITS

    for name in UNITS:
        forms = measure(name, CASES[:1]).uses.values()
        print(name, *{f for form in forms for f in form}, file=out, flush=True)


def suites():
    """AssertionError where a test of SUITES fails."""
    import pytest

    options = ["-x", "-q", "-p", "no:cacheprovider", "--rootdir", str(TESTS.parent)]
    assert pytest.main([*options, *(str(TESTS / suite) for suite in SUITES)]) == 0


def files():
    return [path for part in ("paper", "adjoint") for path in sorted((PACKAGE / part).glob("*.py"))]


def equivalent(mutant):
    """Why no test can catch this mutant, or None."""
    for name, change, line, reason in EQUIVALENT:
        if (name, line) == (mutant.path.stem, mutant.line) and change == mutant.change:
            return reason
    return None


EQUIVALENT = ()


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--sample", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--units", action="store_true")
    options = parser.parse_args(argv)
    paths = [path.resolve() for path in options.files] or files()
    chosen = [mutant for path in paths for mutant in mutants(path)]
    if options.sample:
        chosen = random.Random(options.seed).sample(chosen, min(options.sample, len(chosen)))
    start = time.perf_counter()
    read, write = os.pipe()
    lives(None, lambda: used(os.fdopen(write, "w")))
    os.close(write)
    with os.fdopen(read) as lines:
        uses = {name: found for name, *found in map(str.split, lines)}
    survivors = []
    for i, mutant in enumerate(chosen):
        if lives(mutant, lambda: units(mutant, uses)):
            survivors.append(mutant)
            print(f"{i} {time.perf_counter() - start:.0f} s {mutant}", flush=True)
    print(len(chosen), len(survivors), f"{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.path[:0] = [str(TESTS.parent), str(TESTS), str(TESTS / "ledger")]
    import autograd.numpy  # noqa: F401
    import hypothesis  # noqa: F401
    import pytest  # noqa: F401
    import scipy.special  # noqa: F401

    sys.exit(main())
