"""Ten functions of the kinds that autograd's own tests cover, five of them wrong on purpose.

`python tests/check/test_ten_functions.py` prints the table.
"""

import autograd.numpy as np
import numpy as onp
import pytest
from autograd.scipy.special import logsumexp

from lvgts_np.check import check_gradient

RNG = onp.random.default_rng(0)
A, b, row, column = (RNG.standard_normal(shape) for shape in ((4, 4), (4, 1), (1, 4), (4,)))
MASK = A > 0.0


def solve(x):
    return np.linalg.solve(x["A"], x["b"])


def log_det(x):
    return np.linalg.slogdet(x["A"])[1]


def eigenvalues(x):
    return np.linalg.eigh(np.matmul(x["A"], x["A"].T))[0]


def cholesky(x):
    return np.linalg.cholesky(np.matmul(x["A"], x["A"].T) + onp.eye(4))


def log_softmax(x):
    return x["A"] - logsumexp(x["A"], axis=1, keepdims=True)


def where_broadcast(x):
    """The condition is (4, 4), the branches are (4,) and (1, 4): autograd leaves them broadcast."""
    return np.where(MASK, x["column"], x["row"])


def einsum_size_1(x):
    """The summed j has size 4 in A and 1 in b: the gradient of A loses an axis."""
    return np.einsum("ij,jk->ik", x["A"], x["row"][:, :1])


def clip_array_bounds(x):
    """The bounds are (2, 4), x["column"] is (4,)."""
    return np.clip(x["column"], -onp.ones((2, 4)), onp.full((2, 4), 0.5))


def reused_buffer(x):
    """The factor is written over after the trace has kept it."""
    factor, y = onp.zeros(4), 0.0
    for t in range(3):
        factor[:] = t + 1.0
        y = y + x["column"] * factor
    return y


def inverse(x):
    return np.linalg.inv(x["A"])


def inverse_by_hand(x, c):
    """-A⁻ᵀ c A⁻ᵀ, but one transpose is missing."""
    inv = onp.linalg.inv(x["A"])
    return {"A": -inv.T @ c @ inv}


# function, names of its arguments, gradient by hand, what is wrong on purpose
FUNCTIONS = [
    (solve, "A b", None, None),
    (log_det, "A", None, None),
    (eigenvalues, "A", None, None),
    (cholesky, "A", None, None),
    (log_softmax, "A", None, None),
    (where_broadcast, "row column", None, r"TypeError: gradient of \w+ is \(4, 4\)"),
    (einsum_size_1, "A row", None, r"dL/d A: autograd: TypeError: gradient of A is \(4, 1\)"),
    (clip_array_bounds, "column", None, r"TypeError: gradient of column is \(2, 4\)"),
    (reused_buffer, "column", None, r"dL/d column: autograd \S+, complex step \S+$"),
    (inverse, "A", inverse_by_hand, r"dL/d A: by hand (\S+), autograd (\S+), complex step \2$"),
]


def check(function, names, by_hand):
    return check_gradient(function, {name: globals()[name] for name in names.split()}, by_hand)


@pytest.mark.parametrize("case", FUNCTIONS, ids=lambda case: case[0].__name__)
def test_the_wrong_ones_are_found_and_no_other(case):
    *what, wrong = case
    found = check(*what)
    assert found.conclusive
    if wrong is None:
        assert found
    else:
        assert not found
        with pytest.raises(AssertionError, match=wrong):
            raise AssertionError(repr(found))


if __name__ == "__main__":
    print(f"{'function':17}  {'wrong on purpose?':17}  {'verdict':7}  message")
    for *what, wrong in FUNCTIONS:
        found = check(*what)
        verdict = "right" if found else "wrong"
        print(f"{what[0].__name__:17}  {'yes' if wrong else 'no':17}  {verdict:7}  {found!r}")
