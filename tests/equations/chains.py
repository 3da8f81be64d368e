"""Truncated value gradients, and the first weights. [A.1]"""

import autograd.numpy as np
import numpy as onp

from equations.problem import (
    Problem,
    flat,
    unit,
)
from lvgts_np.paper import (
    model,
    value_gradients,
)


def chain(case):
    """Policy, reward and transition of a nonlinear deterministic chain, and its first state."""
    rng, D, A = case.rng, case.H, case.A
    P, Q, R, p, q = (rng.standard_normal(n) for n in ((D, A), (D, D), (A, D), D, A))

    def pi(s):
        return np.sin(np.matmul(s, P)) + np.cos(np.sum(s))

    def r(s, a):
        return np.sum(p * s) * np.sum(q * a) + np.sum(np.cos(s)) - np.sum(a * a)

    def f(s, a):
        return np.sin(np.matmul(s, Q) + np.matmul(a, R)) + 0.5 * s * np.cos(np.sum(a))

    return pi, r, f, rng.standard_normal(D)


def local_derivatives(pi, r, f, s, T):
    """One `Local` a step, by the complex step."""

    def jacobian(f, x):
        return onp.stack([onp.imag(f(x + 1e-20j * e)) for e in onp.eye(len(x))], axis=-1) / 1e-20

    local = []
    for _ in range(T):
        a = pi(s)
        both = [
            jacobian(g, x)
            for y in (r, f)
            for g, x in ((lambda s, y=y, a=a: y(s, a), s), (lambda a, y=y, s=s: y(s, a), a))
        ]
        local.append(value_gradients.Local(*both, jacobian(pi, s)))
        s = f(s, a)
    return local


@unit
def n_step_value(case):
    """n-step value, and the truncated value gradient as its derivative. [A.1, Eq. 4, Eq. 6]"""
    pi, r, f, s = chain(case)
    n, local = case.N, local_derivatives(pi, r, f, s, case.T)

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
    local, n = local_derivatives(*chain(case), case.T), case.N
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

    def text(x):
        params = model.init_model(case.rng, *sizes, case.combine, 0.4, 1.7)
        params |= model.init_policy(case.rng, case.H, case.A, case.hidden)
        return onp.concatenate([params[name].ravel() for name in sorted(params)])

    def naive(n, x):
        params = n.first_weights(case.rng, *sizes, case.combine, 0.4, 1.7)
        params |= n.mlp_weights(case.rng, "pi", case.H, case.hidden, 2 * case.A, 0.0)
        return onp.array([y for name in sorted(params) for y in flat(params[name])])

    return Problem({}, text, naive=naive)
