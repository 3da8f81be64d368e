"""What the settings of the suite promise: which warnings are errors, which examples are drawn."""

import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from hypothesis import settings

ERRORS = [
    ("lvgts_np.paper.model", DeprecationWarning),
    ("lvgts_np", RuntimeWarning),
    ("test_model", UserWarning),
    ("equations.problem", DeprecationWarning),
    ("naive", RuntimeWarning),
    ("autograd.tracer", RuntimeWarning),
    ("autograd.tracer", UserWarning),
    ("numpy._core.fromnumeric", RuntimeWarning),
]
NONE = [
    ("numpy.lib.something", DeprecationWarning),
    ("matplotlib.style", DeprecationWarning),
    ("scipy.stats", FutureWarning),
    ("runpy", RuntimeWarning),
    ("a_dependency_of_one", ResourceWarning),
    ("_pytest.cacheprovider", pytest.PytestCacheWarning),
]


def warn_in(module, category):
    """A warning as if that module raised it."""
    exec(
        "import warnings\nwarnings.warn('?', category)", {"__name__": module, "category": category}
    )


@pytest.mark.parametrize(("module", "category"), ERRORS)
def test_a_warning_about_what_we_do_is_an_error(module, category):
    with pytest.raises(category):
        warn_in(module, category)


@pytest.mark.parametrize(("module", "category"), NONE)
def test_a_warning_of_a_dependency_about_itself_is_none(module, category):
    with warnings.catch_warnings(record=True) as caught:
        warn_in(module, category)
    assert [warning.category for warning in caught] in ([category], [])  # [] where one is hidden


DRAWS = """
import conftest
from hypothesis import given, seed, settings, strategies as st
settings.load_profile("{profile}")

@given(st.integers(0, 10**9))
def test(n):
    print(n)
"""


def drawn(tmp_path, profile, *options):
    """Examples that a test of this profile draws in a fresh process."""
    (tmp_path / "test_draws.py").write_text(DRAWS.format(profile=profile))
    command = [sys.executable, "-m", "pytest", "-sq", "-p", "no:cacheprovider", *options]
    done = subprocess.run(
        [*command, f"--rootdir={tmp_path}", str(tmp_path / "test_draws.py")],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parent)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return [int(line) for line in done.stdout.splitlines() if line.strip(".").isdigit()]


def test_ci_draws_other_examples_by_its_seed_and_the_usual_ones_are_fixed(tmp_path):
    five, again, six = (drawn(tmp_path, "ci", f"--hypothesis-seed={n}") for n in (5, 5, 6))
    assert five == again != six
    assert len(five) == len(six) == settings.get_profile("ci").max_examples
    assert settings.get_profile("quick").derandomize
