"""Truncated value gradients, and the first weights. [A.1]"""

import autograd.numpy as np
import numpy as onp

from equations.problem import (
    Problem,
    flat,
    unit,
)
from lvgts_np.check.oracles import COMPLEX_STEP
from lvgts_np.paper import (
    model,
    value_gradients,
)


def jacobian(f, x):
    """∂f/∂x of f(x) (m,) or a number, by one complex step a column."""
    columns = [onp.imag(f(x + 1j * COMPLEX_STEP * e)) for e in onp.eye(len(x))]
    return onp.stack(columns, axis=-1) / COMPLEX_STEP


def random_chain(rng, D, A, scale):
    """A nonlinear policy, reward and transition."""
    P, Q, R = (scale * rng.standard_normal(shape) for shape in ((D, A), (D, D), (A, D)))
    p, q = rng.standard_normal(D), rng.standard_normal(A)

    def pi(s):
        return np.sin(np.matmul(s, P)) + np.cos(np.sum(s))

    def r(s, a):
        return np.sum(p * s) * np.sum(q * a) + np.sum(np.cos(s)) - np.sum(a * a)

    def f(s, a):
        return np.sin(np.matmul(s, Q) + np.matmul(a, R)) + 0.5 * s * np.cos(np.sum(a))

    return pi, r, f


def locals_along(pi, r, f, s, T):
    """Local derivatives of T steps from s, by the complex step, and the states."""
    local, states = [], []
    for _ in range(T):
        a = pi(s)
        local.append(
            value_gradients.Local(
                dr_ds=jacobian(lambda s, a=a: r(s, a), s),
                dr_da=jacobian(lambda a, s=s: r(s, a), a),
                ds_ds=jacobian(lambda s, a=a: f(s, a), s),
                ds_da=jacobian(lambda a, s=s: f(s, a), a),
                da_ds=jacobian(pi, s),
            )
        )
        states.append(s)
        s = f(s, a)
    return local, states


def chain(case):
    """A random chain, its first state, and its local derivatives."""
    rng = case.rng
    parts = random_chain(rng, case.H, case.A, 1.0)
    s = rng.standard_normal(case.H)
    return parts, s, locals_along(*parts, s, case.T)[0]


@unit
def n_step_value(case):
    """n-step value, and the truncated value gradient as its derivative. [A.1, Eq. 4, Eq. 6]"""
    (pi, r, f), s, local = chain(case)
    n = case.N

    def hand(x, c):
        return None, {"s": c * value_gradients.truncated_value_gradient(local, 0, n)}

    horizon = min(n, case.T - 1)
    return Problem(
        {"s": s},
        lambda x: value_gradients.n_step_value(pi, r, f, x["s"], horizon),
        hand,
        lambda naive, x: naive.n_step_value(pi, r, f, x["s"], horizon),
    )


@unit
def truncated_value_gradient(case):
    """n-truncated value gradient, by recursion and as a sum of products. [A.1, Eq. 4, Eq. 5]"""
    (_, _, local), n = chain(case), case.N
    steps = [
        (step.dr_ds + step.dr_da @ step.da_ds, step.ds_ds + step.ds_da @ step.da_ds)
        for step in local
    ]
    return Problem(
        {},
        lambda x: onp.concatenate(
            [value_gradients.truncated_value_gradient(local, i, n) for i in range(case.T)]
        ),
        naive=lambda naive, x: onp.concatenate(
            [naive.sum_of_products(steps, i, n) for i in range(case.T)]
        ),
    )


@unit
def first_weights(case):
    """Initial parameters. (M1, M12)   W1 ~ N(0, 2 / d_in),  W2 ~ N(0, 1 / hidden),  W ~ -I"""
    sizes = case.O, case.A, case.H, case.hidden
    switches = case.combine, 0.4, 1.7, case.transition, case.shortcut, case.reward_loss

    def text(x):
        params = model.init_model(case.rng, *sizes, *switches)
        params |= model.init_policy(case.rng, case.H, case.A, case.hidden)
        return onp.concatenate([params[name].ravel() for name in sorted(params)])

    def naive(n, x):
        params = n.first_weights(case.rng, *sizes, *switches)
        params |= n.mlp_weights(case.rng, "pi", case.H, case.hidden, 2 * case.A, 0.0)
        return onp.array([y for name in sorted(params) for y in flat(params[name])])

    return Problem({}, text, naive=naive)
