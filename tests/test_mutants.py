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


def python(code, *options):
    command = [sys.executable, *(["-c", code] if code else ["mutants.py"]), *options]
    return subprocess.run(command, cwd=TESTS, capture_output=True, text=True)


def test_a_few_mutants_are_caught():
    done = python(None, "--sample", "3", "--seed", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "of 3 others" in done.stdout
    assert "score 100.0 %" in done.stdout


BOUNDS = """
import mutants

def for_ever():
    while True:
        pass

def without_end():
    x = [0]
    while True:
        x += x

def wrong():
    assert False

mutants.SECONDS, mutants.BYTES = 1, 2**30
print(*[mutants.lives(None, judge) for judge in (for_ever, without_end, wrong, len, dict)])
"""


def test_what_runs_away_is_caught_and_what_passes_lives():
    assert python(BOUNDS).stdout == "False False False False True\n"
