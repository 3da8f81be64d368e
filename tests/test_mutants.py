"""The mutation script: it counts what is caught, runs away or lives; its list holds."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("resource", reason="processes have no bounds here")
import mutants
from equivalent_mutants import EQUIVALENT

TESTS = Path(__file__).parent


@pytest.fixture(scope="module")
def lines():
    """Lines of all mutants by file."""
    paths = mutants.files()
    return {p.relative_to(mutants.PACKAGE).as_posix(): list(mutants.mutants(p)) for p in paths}


def test_mutants_differ_from_the_source_in_one_line(lines):
    assert sum(map(len, lines.values())) > 900
    for file, found in lines.items():
        source = (mutants.PACKAGE / file).read_text().splitlines()
        for mutant in found[::10]:
            pairs = enumerate(zip(source, mutant.text.splitlines(), strict=True), start=1)
            assert [n for n, (old, new) in pairs if old != new] == [mutant.number]


@pytest.mark.parametrize(("file", "pieces", "why"), EQUIVALENT)
def test_an_equivalent_mutant_is_still_one(lines, file, pieces, why):
    source = (mutants.PACKAGE / file).read_text()
    for piece in pieces:
        assert piece not in source
        assert any(piece in mutant.line for mutant in lines[file]), piece


SCRIPT = """
import sys
from functools import partial

import autograd.numpy, hypothesis, scipy.special
import mutants

sys.path[:0] = [str(mutants.TESTS.parent), str(mutants.TESTS)]

def for_ever():
    while True:
        pass

def without_end():
    x = [0]
    while True:
        x += x

def wrong():
    assert False

found = list(mutants.mutants(mutants.PACKAGE / "paper/constants.py"))
for unit in ("margin", "sab_eps"):
    for mutant in found[0], found[2]:
        judge = partial(mutants.units, mutant, {unit: []})
        print(int(mutants.lives(mutant, judge)), unit, mutant)
mutants.SECONDS, mutants.BYTES = 1, 2**30
print([mutants.lives(found[0], judge) for judge in (for_ever, without_end, wrong, dict)])
"""


def test_what_a_unit_finds_or_runs_away_is_caught_and_all_else_lives():
    command = [sys.executable, "-c", SCRIPT]
    done = subprocess.run(command, cwd=TESTS, capture_output=True, text=True)
    *judged, bounds = done.stdout.splitlines()
    assert bounds == "[False, False, False, True]", done.stderr
    assert len(judged) == 4
    for line in judged:
        lived, unit, _, _, mutant = line.split(" ", 4)
        assert int(lived) == (unit.upper() not in line)
