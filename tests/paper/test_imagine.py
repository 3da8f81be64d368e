"""Algorithm 1's second loop: the replay is exact, and its gradient is truncated where it says."""

import autograd.numpy as np
import naive
import numpy as onp
import pytest
from draws import A_MAX, Case, cases, random_episode, random_model, random_replay
from hypothesis import given
from hypothesis import strategies as st
from oracles import assert_gradient, difference, largest, well_conditioned

from lvgts_np.check.oracles import detached_by, frozen, moved
from lvgts_np.paper import forms, imagine, model
from lvgts_np.paper.autodiff import value_and_grad


def objective(phi, inferred, case, **changes):
    """The imagined return of each seed as a function of theta."""
    rollout = case.rollout | changes
    return lambda theta: imagine.imagined_return(phi, theta, inferred, A_MAX, rollout, case.gamma)


def policy_gradient(phi, theta, inferred, case, **changes):
    G = objective(phi, inferred, case, **changes)
    return value_and_grad(lambda theta: np.sum(G(theta)))(theta)[1]


def check_replay_is_exact(case, trained):
    """An episode of one policy, replayed by itself or by models and a policy trained since."""
    rng = case.rng
    phi, theta = random_model(case, rng)
    o, a, u, _ = random_episode(case, rng)
    if trained:
        for params in (phi, theta):
            step = {name: rng.standard_normal(x.shape) for name, x in params.items()}
            params.update(moved(params, step, 0.1 * case.scale))
    inferred = imagine.infer(phi, theta, o, a, u, case.encoder, *case.f)
    pi = imagine.policy_replay(theta, inferred, A_MAX)
    r_hat, h_hat, a_hat = imagine.replay(phi, pi, inferred, **case.rollout)
    h, _, _ = model.encode(phi, o, a, **case.encoder)
    onp.testing.assert_allclose(onp.stack(h_hat), onp.stack(h), rtol=0, atol=1e-12)
    onp.testing.assert_allclose(onp.stack(a_hat), a, rtol=0, atol=1e-12)
    r = [model.reward(phi, *pair, case.reward_units) for pair in zip(h, a, strict=True)]
    onp.testing.assert_allclose(onp.stack(r_hat), onp.stack(r), rtol=0, atol=1e-11)


@pytest.mark.parametrize("trained", [False, True])
@given(case=cases(scale=st.sampled_from([0.125, 0.5, 1.0])))
def test_replaying_the_inferred_noise_gives_the_real_latents_and_actions(case, trained):
    check_replay_is_exact(case, trained)


def check_infer(case):
    """w, xi, rho and eta against scalars."""
    rng = case.rng
    phi, theta = random_model(case, rng)
    o, a, u, _ = random_episode(case, rng)
    inferred = well_conditioned(lambda: imagine.infer(phi, theta, o, a, u, case.encoder, *case.f))
    for s, b in onp.ndindex(case.S, case.B):
        episode = (x[:, s, b].tolist() for x in (o, a, u))
        p, pi = naive.seed_of(phi, s), naive.seed_of(theta, s)
        h, *noise = naive.infer(p, pi, *episode, case.encoder, *case.f)
        onp.testing.assert_allclose(inferred.h_0[s, b], h[0], atol=1e-12)
        for mine, theirs in zip(inferred[1:], noise, strict=True):
            for x, y in zip(mine, theirs, strict=True):
                onp.testing.assert_allclose(x[s, b], y, rtol=1e-9, atol=1e-9)


@given(cases())
def test_the_inferred_noise_is_line_14_in_scalars(case):
    check_infer(case)


def check_latent_at_its_bound(dtype=onp.float64):
    """A latent that is rounded to 1 is replayed as what lies next to it."""
    one, form = onp.ones((1, 1, 1), dtype), forms.form_of("latent")
    phi = {"f.W1": one[:, :0], "f.b1": one, "f.W2": one, "f.b2": 0 * one}
    nothing = one[..., :0]
    xi, rho = form.noise(phi, nothing, nothing, nothing, None, one, None)
    assert xi.dtype == rho.dtype == dtype
    assert onp.isfinite(xi).all()
    assert not rho.any()
    h = form.step(phi, nothing, nothing, nothing, xi, rho)
    onp.testing.assert_allclose(h, one, rtol=2 * onp.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", [onp.float32, onp.float64])
def test_a_latent_at_its_bound_has_finite_noise(dtype):
    check_latent_at_its_bound(dtype)


def scalar_replay(phi, theta, inferred, case, s, b):
    """Algorithm 1 in scalars for one episode of one seed."""
    p, pi = naive.seed_of(phi, s), naive.seed_of(theta, s)
    *noise, eta = ([x_t[s, b].tolist() for x_t in x] for x in inferred[1:])
    act_at = lambda h, t: naive.act(pi, h, eta[t], A_MAX)[0]  # noqa: E731
    h_0 = inferred.h_0[s, b].tolist()
    return naive.replay(p, act_at, h_0, noise, **case.rollout)


def check_replay(case):
    """Values of the replay and truncated slopes of the return, against scalars.

    The policy replayed is not the one that eta was inferred under, so latents leave the real ones.
    """
    rng = case.rng
    phi, theta, inferred = random_replay(case, rng)
    theta = moved(theta, {n: rng.standard_normal(x.shape) for n, x in theta.items()}, 0.1)
    pi = imagine.policy_replay(theta, inferred, A_MAX)
    out = imagine.replay(phi, pi, inferred, **case.rollout)
    G = well_conditioned(lambda: objective(phi, inferred, case)(theta))
    gradient = policy_gradient(phi, theta, inferred, case)
    v = {name: rng.standard_normal(x.shape) for name, x in theta.items()}
    for s in range(case.S):
        returns, slopes = [], []
        for b in range(case.B):
            nudged = moved(theta, v, 1e-20j)
            r_hat, *states = scalar_replay(phi, nudged, inferred, case, s, b)
            for mine, theirs in zip(out, ([[r] for r in r_hat], *states), strict=True):
                stacked = onp.stack(mine)[:, s, b]
                onp.testing.assert_allclose(stacked, onp.real(theirs), rtol=1e-9, atol=1e-9)
            G_b = naive.discounted(r_hat, case.gamma)
            returns.append(G_b.real)
            slopes.append(G_b.imag / 1e-20)
        onp.testing.assert_allclose(G[s], onp.mean(returns), rtol=1e-9, atol=1e-9)
        terms = onp.concatenate([(gradient[n][s] * v[n][s]).ravel() for n in theta])
        size = onp.abs(terms).sum() + onp.mean(onp.abs(slopes))
        assert abs(terms.sum() - onp.mean(slopes)) <= 1e-10 * size


@given(cases(scale=st.sampled_from([0.25, 0.5, 1.0])))
def test_the_replay_and_its_truncated_gradient_are_algorithm_1_in_scalars(case):
    check_replay(case)


def check_return_gradient(case):
    phi, theta, inferred = random_replay(case, case.rng)
    assert_gradient(objective(phi, inferred, case), theta, case.rng, cut=True)


@given(cases(scale=st.sampled_from([0.25, 0.5, 1.0])))
def test_the_gradient_of_the_imagined_return(case):
    check_return_gradient(case)


@pytest.mark.parametrize("N", [1, 2, 3, 4, 8])
@given(case=cases(T=8, scale=st.sampled_from([0.25, 0.5])))
def test_freezing_the_boundaries_gives_the_truncated_gradient(N, case):
    phi, theta, inferred = random_replay(case, case.rng)
    G = lambda theta: np.sum(objective(phi, inferred, case, N=N)(theta))  # noqa: E731
    truncated = value_and_grad(G)(theta)[1]
    constant = value_and_grad(frozen(G, theta))(theta)[1]
    assert difference(truncated, constant) <= 1e-12 * max(largest(constant), 1e-12)


@given(case=cases(scale=st.sampled_from([0.25, 0.5])), beyond=st.integers(0, 3))
def test_from_N_equal_T_on_nothing_is_cut(case, beyond):
    phi, theta, inferred = random_replay(case, case.rng)
    at_T = policy_gradient(phi, theta, inferred, case, N=case.T + case.count_from + beyond)
    with detached_by(lambda x: x):
        full = policy_gradient(phi, theta, inferred, case, N=1)
    assert difference(at_T, full) == 0.0


@given(
    case=cases(T=8, H=4, hidden=16, B=3, scale=st.just(1.0), N=st.integers(1, 7)),
)
def test_below_T_the_gradient_is_another_one(case):
    phi, theta, inferred = random_replay(case, case.rng)
    truncated, full = (
        policy_gradient(phi, theta, inferred, case, N=N) for N in (case.N, case.T + 1)
    )
    assert difference(truncated, full) > 1e-9 * largest(full)


@given(cases())
def test_no_gradient_reaches_the_models_through_what_was_inferred(case):
    rng = case.rng
    phi, theta = random_model(case, rng)
    o, a, u, _ = random_episode(case, rng)

    def noise(params):
        inferred = imagine.infer(params, params, o, a, u, case.encoder, *case.f)
        arrays = [inferred.h_0, *(x_t for x in inferred[1:] for x_t in x)]
        return sum(np.sum(x) for x in arrays) + np.sum(params["r.b2"])

    params = phi | theta
    gradient = value_and_grad(noise)(params)[1]
    assert onp.all(gradient.pop("r.b2") == 1.0)
    assert all(onp.all(g == 0.0) for g in gradient.values())
    for x in imagine.infer(
        moved(phi, phi, 1e-3j), moved(theta, theta, 1e-3j), o, a, u, case.encoder, *case.f
    ):
        assert all(onp.isrealobj(x_t) for x_t in x)


def test_an_action_for_each_latent():
    case = Case()
    phi, theta = random_model(case, case.rng)
    o, a, u, _ = random_episode(case, case.rng)
    with pytest.raises(ValueError, match="zip"):
        imagine.infer(phi, theta, o, a, u[:-1], case.encoder, case.shortcut)


def test_the_policy_objective_leaves_the_models_alone():
    case = Case()
    phi, theta, inferred = random_replay(case, case.rng)
    before = {name: x.copy() for name, x in phi.items()}
    gradient = policy_gradient(phi, theta, inferred, case)
    assert set(gradient) == set(theta)
    assert all(onp.array_equal(phi[name], before[name]) for name in phi)


@given(cases(scale=st.sampled_from([0.25, 1.0])))
def test_where_nothing_depends_on_the_memory_both_algorithms_are_one(case):
    rng = case.rng
    phi, theta, _ = random_replay(case._replace(combine="mlp", transition="query"), rng)
    o, a, u, _ = random_episode(case, rng)
    phi["b.c.W1"][:, case.H :] = 0.0
    results = []
    for shortcut in (False, True):
        inferred = imagine.infer(phi, theta, o, a, u, case.encoder, shortcut, "query")
        assert all(onp.all(rho_t == 0.0) for rho_t in inferred.rho)
        G = objective(phi, inferred, case, shortcut=shortcut, transition="query")
        results.append(value_and_grad(lambda theta, G=G: np.sum(G(theta)))(theta))
    (value, gradient), (other, other_gradient) = results
    onp.testing.assert_allclose(value, other, rtol=1e-12, atol=1e-12)
    assert difference(gradient, other_gradient) <= 1e-12 * largest(gradient)


@given(cases(lm_svg=st.just(False)))
def test_what_the_memory_does_beyond_f_is_exactly_nothing_for_lvgts(case):
    _, _, inferred = random_replay(case, case.rng)
    assert all(onp.all(rho_t == 0.0) for rho_t in inferred.rho)
