"""Truncating a value gradient is shortening its horizon, for a deterministic chain. [A.1]

    a_t = π(s_t),   r_t = r(s_t, a_t),   s_{t+1} = f(s_t, a_t),   t = 0..T-1

Two ways to the same operator: a recursion over local derivatives that is cut after n transitions,
and the derivative of a return that ends after n transitions. Training uses neither: Algorithm 1
cuts at fixed times instead, where a step sees the N-1-(t mod N) transitions left in its block.
"""

from typing import NamedTuple

import numpy as np


class Local(NamedTuple):
    """Derivatives of one step of the chain; ds is that of the next state."""

    dr_ds: np.ndarray  # ∂r_t/∂s_t (D,)
    dr_da: np.ndarray  # ∂r_t/∂a_t (A,)
    ds_ds: np.ndarray  # ∂s_{t+1}/∂s_t (D, D)
    ds_da: np.ndarray  # ∂s_{t+1}/∂a_t (D, A)
    da_ds: np.ndarray  # ∂a_t/∂s_t (A, D)


def truncated_value_gradient(local, i, n):
    """The n-truncated value gradient ∂V^i/∂s_i, (D,), by backward recursion. [A.1, Eq. 4, Eq. 5]

    ∂V^t/∂s_t = ∂r_t/∂s_t + ∂r_t/∂a_t ∂a_t/∂s_t
                + (∂s_{t+1}/∂s_t + ∂s_{t+1}/∂a_t ∂a_t/∂s_t)ᵀ ∂V^{t+1}/∂s_{t+1}

    local holds one `Local` a step, t = 0..T-1; n >= 0 transitions are seen, fewer at the end.
    """
    # DEVIATION: Eq. 4 has its zero at the fixed time T-n, and Eq. 5 one Jacobian too many in each
    # product. The zero stands behind reward i+n, or T-1 where that is earlier, for each i; then
    # Eqs. 4, 5 and 6 are the same. (A1)
    dV = np.zeros_like(local[i].dr_ds)
    for step in reversed(local[i : i + n + 1]):
        dr = step.dr_ds + step.dr_da @ step.da_ds
        ds = step.ds_ds + step.ds_da @ step.da_ds
        dV = dr + ds.T @ dV
    return dV


def n_step_value(pi, r, f, s_i, horizon):
    """The n-step value V^i of the state s_i, to be differentiated as it stands. [A.1, Eq. 6]

    V^i = Σ_{k=i}^{i+n} r_k

    pi(s), r(s, a) and f(s, a) are the chain; horizon = min(n, T-1-i) transitions are made.
    """
    s, V = s_i, 0.0
    for k in range(horizon + 1):
        if k > 0:
            s = f(s, pi(s))
        V = V + r(s, pi(s))
    return V
