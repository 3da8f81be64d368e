"""The model's three losses: values, gradients, and where no gradient may go."""

import autograd.numpy as np
import naive
import numpy as onp
import pytest
from draws import Case, cases, random_episode, random_model
from equations.loss import naive_losses
from hypothesis import given
from oracles import assert_gradient, difference, largest, well_conditioned

from lvgts_np.adjoint import model as adjoint_model
from lvgts_np.check.oracles import frozen
from lvgts_np.paper import losses
from lvgts_np.paper.autodiff import value_and_grad
from lvgts_np.paper.constants import COMBINES

ALPHAS = (20.0, 1.0, 0.5)
ENCODER = ("b.q", "b.c", "b.W")


def problem(case):
    """phi and the arguments of `model_losses` behind it."""
    rng = case.rng
    phi, _ = random_model(case, rng)
    o, a, _, r = random_episode(case, rng)
    return phi, (o, a, r, case.encoder, *case.forms.values())


def gradient_of(phi, args, which):
    return value_and_grad(lambda phi: np.sum(losses.model_losses(phi, *args)[which]))(phi)[1]


def parts(gradient):
    """The networks, and b.W, that a non-zero gradient reaches."""
    reached = [name for name, g in gradient.items() if g.any()]
    return {name if name == "b.W" else name.rsplit(".", 1)[0] for name in reached}


def check_losses(case):
    phi, args = problem(case)
    out = onp.stack(well_conditioned(lambda: losses.model_losses(phi, *args)), axis=-1)
    onp.testing.assert_allclose(out, naive_losses(naive, case, phi, *args[:3]).real, rtol=1e-9)


@given(cases())
def test_the_losses_are_A_2_in_scalars(case):
    check_losses(case)


def check_total_gradient(case):
    phi, args = problem(case)
    f = lambda phi: np.stack(losses.model_losses(phi, *args))  # noqa: E731
    assert_gradient(f, phi, case.rng, cut=True)


@given(cases())
def test_the_gradient_of_the_losses(case):
    check_total_gradient(case)


def check_stop_gradients(case):
    """The gradient of each loss along a random direction, against the scalar program's stops."""
    phi, args = problem(case)
    rng = case.rng
    v = {name: rng.standard_normal(x.shape) for name, x in phi.items()}
    nudged = {name: phi[name] + 1e-20j * v[name] for name in phi}
    well_conditioned(lambda: losses.model_losses(phi, *args))
    slopes = naive_losses(naive, case, nudged, *args[:3]).imag / 1e-20
    for which in range(3):
        gradient = gradient_of(phi, args, which)
        for s in range(case.S):
            terms = onp.concatenate([(gradient[n][s] * v[n][s]).ravel() for n in phi])
            assert abs(slopes[s, which] - terms.sum()) <= 1e-10 * onp.abs(terms).sum()


@given(cases())
def test_the_stop_gradients_are_where_A_2_has_them(case):
    check_stop_gradients(case)


def check_frozen(case):
    phi, args = problem(case)
    f = lambda phi: np.sum(losses.total_loss(losses.model_losses(phi, *args), ALPHAS))  # noqa: E731
    truncated, constant = (value_and_grad(g)(phi)[1] for g in (f, frozen(f, phi)))
    assert difference(truncated, constant) <= 1e-12 * largest(constant)


@given(cases())
def test_freezing_what_is_detached_gives_the_same_gradient(case):
    check_frozen(case)


def check_no_encoder_gradient(case):
    phi, args = problem(case)
    transition = gradient_of(phi, args, 2)
    assert parts(transition) <= {"f"}
    for name, g in transition.items():
        if name.startswith(ENCODER):
            assert onp.all(g == 0.0)


@given(cases())
def test_no_gradient_reaches_the_encoder_through_the_transition_loss(case):
    check_no_encoder_gradient(case)


@given(cases())
def test_no_gradient_reaches_f_through_the_other_two(case):
    phi, args = problem(case)
    assert parts(gradient_of(phi, args, 0)) <= {"b.q", "b.c", "b.W", "r"}
    assert parts(gradient_of(phi, args, 1)) <= {"b.q", "b.c", "b.W", "d"}


@pytest.mark.parametrize("combine", COMBINES)
def test_each_loss_trains_all_that_it_should(combine):
    phi, args = problem(Case(T=8, B=3, H=4, combine=combine))
    encoder = {"b.q", "b.W"} | ({"b.c"} if combine == "mlp" else set())
    assert parts(gradient_of(phi, args, 0)) == encoder | {"r"}
    assert parts(gradient_of(phi, args, 1)) == encoder | {"d"}
    assert parts(gradient_of(phi, args, 2)) == {"f"}


def test_rewards_without_an_error_have_finite_weights():
    """As in a step whose rewards are known: 0/0 would be no number."""
    error = onp.array([[[0.0], [0.0], [1.0], [0.0]]])
    w = losses.reward_weights(onp.full((1, 4, 1), 0.5), error, T=2)
    onp.testing.assert_allclose(w[0, :, 0], [4.0, 4.0, 1.0, 1.0])
    mae = onp.full((1, 4, 1), 0.5)
    root, _, _ = adjoint_model.detached(mae, mae[..., :0], error, error, B=2)
    onp.testing.assert_allclose(root[..., :1] ** 2, w)


def hurdle_loss(y, p, r):
    """Reward loss of seeds with one guess each for all steps (S, T·B, 1), σ = 0.5."""
    out = (np.ones(r.shape) * np.reshape(x, (-1, 1, 1)) for x in (y, 0.5, p))
    return sum(losses.half_square(error) for error in losses.reward_errors(*out, r, T=1))


def test_the_least_loss_of_a_hurdle_is_at_what_is_paid_and_how_often():
    r = onp.array([[[0.0], [3.0], [0.0], [-1.0], [2.0]], [[0.0], [0.0], [0.0], [0.0], [4.0]]])
    best = {"y": onp.array([4 / 3, 4.0]), "p": onp.array([0.6, 0.2])}
    slopes = value_and_grad(lambda x: np.sum(hurdle_loss(**x, r=r)))(best)[1]
    for slope in slopes.values():
        onp.testing.assert_allclose(slope, [0.0, 0.0], atol=1e-12)
    for off in (0.1, -0.1):
        assert onp.all(hurdle_loss(best["y"], best["p"] + off, r) > hurdle_loss(**best, r=r))


def test_steps_that_surely_pay_nothing_change_no_loss_of_a_hurdle():
    rng, T, more = onp.random.default_rng(0), 3, 40
    y, mae, r = rng.standard_normal((3, 2, T * 4, 1))
    p = rng.random((2, T * 4, 1))
    longer = [onp.concatenate((x, 7.0 * onp.ones((2, more * 4, 1))), axis=1) for x in (y, mae)]
    longer += [onp.concatenate((x, onp.zeros((2, more * 4, 1))), axis=1) for x in (p, r)]
    both = (losses.reward_errors(*x, n) for x, n in (((y, mae, p, r), T), (longer, T + more)))
    short, long = (sum(losses.half_square(error) for error in errors) for errors in both)
    onp.testing.assert_allclose(long, short, rtol=1e-12)


def test_a_batch_without_any_reward_teaches_a_hurdle_only_that():
    y, mae, p = onp.ones((3, 1, 4, 1))
    errors = losses.reward_errors(y, mae, p, onp.zeros((1, 4, 1)), T=2)
    assert [losses.half_square(error)[0] for error in errors] == [0.0, 0.0, pytest.approx(0.5 * 2)]


def test_the_total_is_the_weighted_sum_for_each_seed():
    rows = onp.array([[1.0, 2.0], [10.0, 20.0], [100.0, 200.0]])
    assert onp.array_equal(losses.total_loss(list(rows), ALPHAS), [80.0, 160.0])


def test_as_many_weights_as_losses():
    with pytest.raises(ValueError, match="zip"):
        losses.total_loss([onp.ones(2)] * 3, [20.0, 1.0])


def test_half_square_sums_features_and_averages_the_batch():
    error = onp.array([[[1.0, 2.0], [3.0, 4.0], [0.0, 0.0]]])
    assert losses.half_square(error) == pytest.approx(0.5 * (1 + 4 + 9 + 16) / 3)
