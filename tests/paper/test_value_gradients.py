"""Appendix A.1: truncating a value gradient, shortening its horizon, and what Algorithm 1 does."""

import numpy as onp
from draws import A_MAX, Case, cases, random_replay
from equations.chains import jacobian, locals_along, random_chain
from hypothesis import given
from hypothesis import strategies as st

from lvgts_np.check.strategies import seeds
from lvgts_np.paper import credit, forms, imagine, model, value_gradients
from lvgts_np.paper.autodiff import value_and_grad
from lvgts_np.paper.value_gradients import Local


def sum_of_products(local, i, n):
    """Eq. 5 as it stands, each product ending at j-1, sums clipped at the end of the chain."""
    dr = [step.dr_ds + step.dr_da @ step.da_ds for step in local]
    ds = [step.ds_ds + step.ds_da @ step.da_ds for step in local]
    total, size = onp.zeros(len(dr[i])), onp.zeros(len(dr[i]))
    for j in range(i, min(i + n, len(local) - 1) + 1):
        term, bound = dr[j], onp.abs(dr[j])
        for l in reversed(range(i, j)):
            term, bound = term @ ds[l], bound @ onp.abs(ds[l])
        total, size = total + term, size + bound
    return total, size


def check_same_operator(seed, D, A, T, n, scale):
    rng = onp.random.default_rng(seed)
    chain = random_chain(rng, D, A, scale)
    local, states = locals_along(*chain, rng.standard_normal(D), T)
    for i, s_i in enumerate(states):
        recursion = value_gradients.truncated_value_gradient(local, i, n)
        horizon = min(n, T - 1 - i)
        _, gradient = value_and_grad(
            lambda x, m=horizon: value_gradients.n_step_value(*chain, x["s"], m)
        )({"s": s_i})
        products, size = sum_of_products(local, i, n)
        assert onp.all(onp.abs(recursion - products) <= 1e-11 * size)
        assert onp.all(onp.abs(recursion - gradient["s"]) <= 1e-11 * size)


@given(
    seed=seeds,
    D=st.integers(1, 4),
    A=st.integers(1, 3),
    T=st.integers(1, 6),
    n=st.integers(0, 7),
    scale=st.sampled_from([0.1, 0.5, 1.0]),
)
def test_recursion_products_and_n_step_value_have_the_same_derivative(seed, D, A, T, n, scale):
    check_same_operator(seed, D, A, T, n, scale)


def test_the_n_step_value_is_the_sum_of_n_plus_1_rewards():
    rng = onp.random.default_rng(0)
    pi, r, f = random_chain(rng, 3, 2, 0.5)
    s, rewards = rng.standard_normal(3), []
    states = [s]
    for _ in range(5):
        rewards.append(r(s, pi(s)))
        s = f(s, pi(s))
        states.append(s)
    for n in range(4):
        value = value_gradients.n_step_value(pi, r, f, states[1], n)
        onp.testing.assert_allclose(value, sum(rewards[1 : n + 2]), rtol=1e-14)


def test_a_longer_horizon_is_another_operator():
    rng = onp.random.default_rng(1)
    chain = random_chain(rng, 3, 2, 0.5)
    local, _ = locals_along(*chain, rng.standard_normal(3), 5)
    gradients = [value_gradients.truncated_value_gradient(local, 0, n) for n in range(7)]
    for n in range(4):
        assert onp.max(onp.abs(gradients[n] - gradients[n + 1])) > 1e-6
    assert onp.array_equal(gradients[4], gradients[5])  # clipped at the end of the chain
    assert onp.array_equal(gradients[4], gradients[6])


def replayed_locals(phi, theta, inferred, case):
    """Local derivatives along LM-SVG's replay of one seed and one episode (S = B = 1)."""
    rollout, form = case.rollout | {"N": 99, "shortcut": False}, forms.form_of(case.transition)
    pi = imagine.policy_replay(theta, inferred, A_MAX)
    _, h_hat, a_hat = imagine.replay(phi, pi, inferred, **rollout)
    local = []
    for t, (h, a) in enumerate(zip(h_hat, a_hat, strict=True)):
        h, a, zero = h[0, 0], a[0, 0], form.read_nothing(None, h[..., None, :])
        last = min(t, len(a_hat) - 2)  # no state follows the last step
        noise = inferred.xi[last], inferred.rho[last]

        def r(s, a):
            return model.reward(phi, s[None, None], a[None, None], case.reward_units)[0, 0, 0]

        def f(s, a, zero=zero, noise=noise):
            return form.step(phi, s[None, None], zero, a[None, None], *noise)[0, 0]

        local.append(
            Local(
                dr_ds=jacobian(lambda s, a=a: r(s, a), h),
                dr_da=jacobian(lambda a, h=h: r(h, a), a),
                ds_ds=jacobian(lambda s, a=a, f=f: f(s, a), h),
                ds_da=jacobian(lambda a, h=h, f=f: f(h, a), a),
                da_ds=jacobian(lambda s, t=t: pi(s[None, None], t)[0, 0], h),
            )
        )
    return local


def credit_by_rule(local, i, N, transitions, first=0):
    """∂G/∂a_i by A.1's recursion where the step behind i sees transitions(i+1) of them."""
    if i + 1 == len(local) or (first + i + 1) % N == 0:
        return local[i].dr_da
    dV = value_gradients.truncated_value_gradient(local, i + 1, transitions(i + 1))
    return local[i].dr_da + local[i].ds_da.T @ dV


@given(cases(S=st.just(1), B=st.just(1), lm_svg=st.just(True)))
def test_algorithm_1_sees_only_the_transitions_left_in_the_block(case):
    phi, theta, inferred = random_replay(case, case.rng)
    C = credit.credit(phi, theta, inferred, A_MAX, case.rollout, onp.ones((1, case.T)))[0]
    local = replayed_locals(phi, theta, inferred, case)
    size = onp.max(onp.abs(C))
    for i in range(case.T):
        left = lambda t: case.N - 1 - (t + case.count_from) % case.N  # noqa: E731
        expected = credit_by_rule(local, i, case.N, left, case.count_from)
        onp.testing.assert_allclose(C[i, 0, 0], expected, rtol=0, atol=1e-11 * size)


def test_no_sliding_window_is_algorithm_1():
    case = Case(S=1, B=1, T=7, N=3, lm_svg=True, seed=4)
    phi, theta, inferred = random_replay(case, case.rng)
    C = credit.credit(phi, theta, inferred, A_MAX, case.rollout, onp.ones((1, case.T)))[0]
    local = replayed_locals(phi, theta, inferred, case)
    for n in range(case.T):
        window = [credit_by_rule(local, i, case.T, lambda t, n=n: n) for i in range(case.T)]
        assert onp.max(onp.abs(C[:, 0, 0] - onp.stack(window))) > 1e-3
