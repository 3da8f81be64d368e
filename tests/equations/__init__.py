"""Each formula of `paper` and `adjoint` with a random problem, from the bottom up.

A unit is one formula: the text, the same by hand, and the naive restatement of tests/naive.py,
whichever there are. It owns the functions that no unit before it uses: what it finds while all
units before it are right is wrong in one of these.
"""

# In the order of UNITS.
from equations import basics, attend, models, loss, replays, chains, outer  # noqa: F401, I001
from equations.problem import UNITS, Problem

__all__ = ["UNITS", "Problem"]
