"""Local checks: every formula of text and adjoint with random inputs and cotangents."""

import inspect

import numpy as np
import pytest
from draws import cases
from equations import UNITS
from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st

from ledger.measure import compare, measure

# A problem is small as it is: to shrink it would take minutes.
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
FEW = settings(max_examples=max(3, settings.default.max_examples // 8), phases=PHASES)
SMALL = {"T": st.integers(5, 8), "H": st.integers(2, 4), "scale": st.sampled_from([0.25, 0.5])}


def title(name):
    return inspect.getdoc(UNITS[name]).splitlines()[0].partition("   ")[0]


@pytest.mark.parametrize("name", UNITS, ids=title)
@FEW
@given(case=cases(**SMALL, seed=st.integers(0, 10_000)))
def test_its_forms_agree(name, case):
    """Text, by hand and naive restatement: value and derivatives, by every oracle."""
    with np.errstate(all="ignore"):
        _, votes, known = compare(UNITS[name](case), name, case.seed, random=True)
    assume(known)
    assert not votes, f"{title(name)}: {votes}"


@pytest.mark.parametrize("name", UNITS, ids=title)
def test_and_on_the_problems_of_the_ledger_to_rounding(name):
    unit = measure(name)
    assert not unit.wrong
    assert unit.errors
    assert all(error < 1e-10 for column, error in unit.errors.items() if column != "differences")
