"""The bounds against the readings' numbers, linear algebra, quadrature and agents that play."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import norm, qmc

from lvgts_np.tasks import bounds
from lvgts_np.tasks.bounds import Oracle, floor_return, max_return, myopic_return, posterior
from lvgts_np.tasks.check import bounds_of
from lvgts_np.tasks.memory import paper_task
from lvgts_np.tasks.protocol import play
from lvgts_np.training.config import TASKS

seeds = st.integers(0, 2**32 - 1)
B = 100_000
CONFIGS = [
    {},
    {"a_max": 1.0},
    {"a_max": 2.0},
    {"sigma": 2.0},
    {"sigma": 0.0},
    {"t1": 1},
    {"t1": 2, "a_m": -2.0},
    {"t1": 6, "sigma": 3.0, "t2": 7, "T": 9, "c": 1.0},
    {"a_m": 0.0},
    {"a_m": 4.0, "sigma": 0.5},
    {"a_m": -2.0, "a_max": 1.0},
]


def mean_and_error(task, remember=None):
    """Mean recall return of an oracle over B episodes, and its standard error."""
    noise = task.draw(np.random.default_rng(0), B)
    total = play(task, noise, Oracle(task, remember)).r_recall.sum(axis=0)
    return total.mean(), total.std() / np.sqrt(B)


def untrained(task, seed, *lead):
    """Remember actions a_max tanh(eta / a_max), (t1, *lead, 1)."""
    eta = np.random.default_rng(seed).standard_normal((task.t1, *lead, 1))
    return task.a_max * np.tanh(eta / task.a_max)


@pytest.mark.parametrize("changes", CONFIGS, ids=str)
@pytest.mark.parametrize("name", ["dummy_pmt", "dummy_amt"])
def test_the_oracle_attains_the_ceiling(name, changes):
    task = paper_task(name, **changes)
    mean, error = mean_and_error(task)
    assert abs(mean - max_return(task)) < 4 * error + 1e-12


@pytest.mark.parametrize("changes", CONFIGS, ids=str)
def test_the_myopic_oracle_attains_the_myopic_line(changes):
    task = paper_task("dummy_amt", **changes)
    mean, error = mean_and_error(task, untrained(task, 1, B))
    assert abs(mean - myopic_return(task)) < 4 * error + 1e-12


def test_the_readings_numbers():
    amt, pmt = paper_task("dummy_amt"), paper_task("dummy_pmt")
    assert max_return(amt) == max_return(pmt)
    for a_max, optimal in [(1.0, 1.397), (2.0, 1.954), (3.0, 1.998)]:
        assert round(max_return(paper_task("dummy_amt", a_max=a_max)), 3) == optimal
    assert round(myopic_return(amt), 2) == 1.28
    assert round(float(bounds.recall_return(amt, np.zeros(2))), 2) == 1.00
    assert floor_return(amt) == -2.0
    assert (
        round(max_return(paper_task("dummy_amt", t1=1)), 2) == 0.0
    )  # half of o_m's variance stays


def test_remember_actions_zero_earn_one():
    task = paper_task("dummy_amt")
    mean, error = mean_and_error(task, np.zeros((3, B, 1)))
    assert abs(mean - 1.0) < 4 * error
    assert error < 0.01


def test_without_memory_the_floor_is_reached_with_zeros():
    task = paper_task("dummy_amt")
    noise = task.draw(np.random.default_rng(0), B)
    total = play(task, noise, lambda o_t: 0.0 * o_t).r_recall.sum(axis=0)
    assert abs(total.mean() - floor_return(task)) < 4 * total.std() / np.sqrt(B)


@pytest.mark.parametrize("sigma", [0.1, 1.0, 3.0])
@pytest.mark.parametrize("a_m", [1.0, 2.5])
def test_myopic_line_with_one_informative_action_equals_quadrature(a_m, sigma):
    task = paper_task("dummy_amt", t1=2, a_m=a_m, sigma=sigma)

    def earned(eta):
        a = np.array([task.a_max * np.tanh(eta / task.a_max)])
        return float(bounds.recall_return(task, a)) * norm.pdf(eta)

    kink = task.a_max * np.arctanh(a_m / task.a_max)
    expected = quad(earned, -9, 9, points=[kink], limit=200, epsabs=1e-9)[0]
    assert myopic_return(task) == pytest.approx(expected, abs=2e-5)


@pytest.mark.parametrize("sigma", [1.0, 3.0])
@pytest.mark.parametrize("t1", [3, 6, 12, 30])
def test_myopic_line_is_accurate_for_many_actions(t1, sigma):
    """With p = 1 + 1/(a_m sigma)^2 + sum q_i, E[1/p] = ∫ e^{-u p_0} E[e^{-u q}]^{t1-1} du."""
    task = paper_task(
        "dummy_amt", t1=t1, t2=40, T=45, sigma=sigma, a_max=8.0
    )  # clips next to nothing
    eta = np.linspace(-9, 9, 20_000)  # 1 = a_m is no node: there q is infinite
    a = task.a_max * np.tanh(eta / task.a_max)
    q = 1.0 / ((task.a_m - a) * sigma) ** 2
    x = np.linspace(-14, 3.7, 600)  # u = e^x
    u = np.exp(x)[:, None]
    moment = np.exp(-u * q) @ (norm.pdf(eta) / norm.pdf(eta).sum())
    integrand = np.exp(x - np.exp(x) * (1 + 1 / sigma**2)) * moment ** (t1 - 1)
    variance = np.trapezoid(integrand, x) + np.exp(-14)
    assert myopic_return(task) == pytest.approx(4 * (0.5 - variance), abs=1.5e-4)


@given(seeds, st.integers(1, 8), st.floats(-4, 4), st.floats(0, 5), st.floats(0.1, 5))
def test_floor_myopic_line_and_ceiling_are_in_order(seed, t1, a_m, sigma, a_max):
    for name in TASKS:
        task = paper_task(name, t1=t1, t2=9, T=14, a_m=a_m, sigma=sigma, a_max=a_max)
        myopic = myopic_return(task)
        assert floor_return(task) <= myopic + 1e-12
        assert myopic <= max_return(task) + 1e-12
        assert max_return(task) <= 4 * task.c
        a = untrained(task, seed)[:-1, 0]
        assert bounds.recall_return(task, a) <= max_return(task) + 1e-12
        if not task.active:
            assert myopic == max_return(task)


@given(seeds, st.integers(1, 5), st.sampled_from([(), (2,)]), st.floats(0.01, 3))
def test_posterior_equals_conditioning_a_gaussian(seed, t1, lead, sigma):
    """(o_m, o_0..o_{t1-1}) is jointly Gaussian: condition on the observations by `solve`."""
    task = paper_task("pendulum_amt", t1=t1, sigma=sigma, a_m=0.7)
    rng = np.random.default_rng(seed)
    o = rng.standard_normal((task.T, *lead, 3, 4))
    a = rng.standard_normal((task.T, *lead, 3, 1))
    mean, variance = posterior(task, o, a)
    assert mean.shape == variance.shape == (*lead, 3)
    for i in np.ndindex(*lead, 3):
        a_tm1 = [0.0, *a[(slice(0, t1 - 1), *i, 0)]]
        noise = np.diag([(0.7 - x) ** 2 * sigma**2 for x in a_tm1])
        weights = np.linalg.solve(np.ones((t1, t1)) + noise, np.ones(t1))
        seen = o[(slice(0, t1), *i, 0)]
        assert mean[i] == pytest.approx(weights @ seen, rel=1e-6, abs=1e-8)
        assert variance[i] == pytest.approx(1.0 - weights.sum(), rel=1e-6, abs=1e-8)


@given(seeds, st.sampled_from(TASKS), st.sampled_from([0.0, 1e-170, 1.0]), st.integers(0, 1))
def test_posterior_is_exact_where_nothing_hides_o_m(seed, name, sigma, first):
    """a_0 or a_1 = a_m: then o_m is known, whatever is observed before and after. No warnings."""
    task = paper_task(name, sigma=sigma)
    noise = task.draw(np.random.default_rng(seed), 3)
    a = np.random.default_rng(seed).standard_normal((task.T, 3, 1))
    a[first] = task.a_m
    actions = iter(a)
    episodes = play(task, noise, lambda o_t: next(actions))
    mean, variance = posterior(task, episodes.o, episodes.a)
    assert np.array_equal(mean, noise["o_m"])
    assert np.array_equal(variance, np.zeros(3))


@given(seeds, st.sampled_from(TASKS), st.sampled_from([(), (2,)]))
def test_the_oracle_recalls_the_posterior_mean(seed, name, lead):
    task = paper_task(name, a_max=1.5)
    rng = np.random.default_rng(seed)
    noise = {"o_m": rng.standard_normal((*lead, 3)), "eps": rng.standard_normal((*lead, 3, task.T))}
    noise["pendulum"] = rng.standard_normal((*lead, 3, 2))
    remember = untrained(task, seed, *lead, 3)
    rows = iter(remember)
    episodes = play(task, noise, Oracle(task, remember))
    called = play(task, noise, Oracle(task, lambda o_t: next(rows)))
    assert np.array_equal(episodes.a, called.a)
    assert np.array_equal(episodes.a[:3], remember)
    assert np.array_equal(episodes.a[3:11], np.zeros((8, *lead, 3, 1)))
    mean, _ = posterior(task, episodes.o, episodes.a)
    for a_t in episodes.a[11:, ..., 0]:
        np.testing.assert_allclose(a_t, np.clip(mean, -1.5, 1.5), rtol=0, atol=1e-15)


def test_the_baseline_of_many_remember_steps():
    task = paper_task("dummy_amt", t1=40, t2=41, T=46, sigma=3.0)
    mean, error = mean_and_error(task, untrained(task, 1, B))
    assert abs(mean - myopic_return(task)) < 4 * error


@given(st.integers(1, 6), *[st.floats(-1e9, 1e9)] * 2, *[st.floats(0, 1e9)] * 2)
def test_right_bounds_are_never_refused(t1, a_m, c, sigma, a_max):
    for name in ("dummy_pmt", "dummy_amt"):
        task = paper_task(
            name, t1=t1, t2=41, T=46, c=c, a_m=a_m, sigma=sigma, a_max=max(a_max, 1e-300)
        )
        assert bounds_of(task)["myopic_return"] == myopic_return(task)


@pytest.mark.parametrize("wrong", [2.1, -2.1, np.nan, np.inf])
def test_a_bound_that_cannot_be_right_is_an_error(wrong, monkeypatch):
    myopic_return = lambda task: wrong  # noqa: E731
    myopic_return.__name__ = "myopic_return"
    monkeypatch.setattr(bounds, "myopic_return", myopic_return)
    with pytest.raises(ArithmeticError, match="cannot be right"):
        bounds_of(paper_task("dummy_amt"))


def test_sobol_points_that_an_interrupt_left_unmade_are_an_error(monkeypatch):
    """SciPy fills its table at the first use, and loses an interrupt there: zeros stay."""
    points = qmc.Sobol.random_base2
    monkeypatch.setattr(qmc.Sobol, "random_base2", lambda sobol, m: points(sobol, m) * [1.0, 0.0])
    with pytest.raises(ArithmeticError, match="start Python again"):
        bounds_of(paper_task("dummy_amt"))


def test_bad_arguments_are_named():
    task = paper_task("pendulum_amt")
    o, a = np.zeros((15, 4, 4)), np.zeros((15, 4, 1))
    with pytest.raises(ValueError, match=r"o has shape \(15, 4, 1\)"):
        posterior(task, o[..., :1], a)
    with pytest.raises(ValueError, match=r"o has shape \(2, 4, 4\)"):
        posterior(task, o[:2], a)
    with pytest.raises(ValueError, match=r"a has shape \(15, 3, 1\)"):
        posterior(task, o, a[:, 1:])
    with pytest.raises(ValueError, match=r"a has shape \(1, 4, 1\)"):
        posterior(task, o, a[:1])
    oracle, noise = Oracle(task), task.draw(np.random.default_rng(0), 4)
    play(task, noise, oracle)
    with pytest.raises(ValueError, match="make a new one"):
        play(task, noise, oracle)
