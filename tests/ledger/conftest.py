"""What every unit shows, measured once for all tests of the ledger."""

import pytest
from equations import UNITS

from ledger.measure import CASES, measure


@pytest.fixture(scope="session")
def measured():
    """Every unit on one problem, before any bug is planted."""
    return {name: measure(name, CASES[:1]) for name in UNITS}
