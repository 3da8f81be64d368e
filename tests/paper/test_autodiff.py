"""Cutting and starting a graph."""

import autograd.numpy as np
import numpy as onp
import pytest
from autograd.extend import defvjp, primitive
from draws import Case, cases, random_model
from hypothesis import given
from hypothesis import strategies as st
from oracles import assert_gradient

from lvgts_np.check.oracles import complex_step
from lvgts_np.check.strategies import seeds
from lvgts_np.paper import autodiff, model
from lvgts_np.paper.autodiff import detach, value_and_grad, vjp


def test_detach_keeps_value_and_dtype_and_drops_the_imaginary_part():
    x = onp.array([1.5, -2.0], dtype=onp.float32)
    assert onp.array_equal(detach(x), x)
    assert detach(x).dtype == onp.float32
    assert onp.array_equal(detach(x + 1j), x)
    assert onp.isrealobj(detach(x + 1j))


def test_detach_maps_over_containers():
    x = onp.ones(2)
    assert isinstance(detach([x, (x,)]), list)
    nested = detach({"a": [x + 1j], "b": (x, {"c": x - 1j})})
    assert isinstance(nested["b"], tuple)
    for leaf in (nested["a"][0], nested["b"][0], nested["b"][1]["c"]):
        assert onp.isrealobj(leaf)
        assert onp.array_equal(leaf, x)


@pytest.mark.parametrize("container", [lambda x: x, lambda x: [x], lambda x: {"x": (x, x)}])
def test_no_gradient_passes_a_detach(container):
    def f(p):
        cut = detach(container(p["x"]))
        while not isinstance(cut, onp.ndarray):
            cut = cut["x"] if isinstance(cut, dict) else cut[0]
        return np.sum(cut * cut * p["x"])

    x = {"x": onp.array([2.0, -3.0])}
    assert onp.array_equal(value_and_grad(f)(x)[1]["x"], [4.0, 9.0])


def check_tanh(seed, scale):
    rng = onp.random.default_rng(seed)
    x = {"x": scale * rng.standard_normal(4)}
    assert_gradient(lambda x: autodiff.tanh(x["x"]), x, rng)


@given(seeds, st.sampled_from([1e-3, 0.3, 1.0, 3.0]))
def test_the_gradient_of_tanh(seed, scale):
    check_tanh(seed, scale)


def test_tanh_and_its_gradient_are_finite_without_a_warning_for_large_inputs():
    x = {"x": onp.array([-1e5, -400.0, 0.0, 400.0, 1e5])}
    value, gradient = value_and_grad(lambda p: np.sum(autodiff.tanh(p["x"])))(x)
    assert value == 0.0
    assert onp.array_equal(gradient["x"], [0.0, 0.0, 1.0, 0.0, 0.0])


def test_value_and_grad_returns_value_extra_and_zero_for_what_is_not_used():
    x = {"a": onp.array([1.0, 2.0]), "b": onp.ones((2, 1), dtype=onp.float32)}
    (value, extra), gradient = value_and_grad(
        lambda p: (np.sum(p["a"] ** 2), {"double": 2 * p["a"]})
    )(x)
    assert value == 5.0
    assert onp.array_equal(extra["double"], [2.0, 4.0])
    assert onp.array_equal(gradient["a"], [2.0, 4.0])
    assert onp.array_equal(gradient["b"], [[0.0], [0.0]])
    assert gradient["b"].dtype == onp.float32


def test_value_and_grad_and_vjp_return_plain_numbers_and_arrays_and_no_boxes():
    x = {"a": onp.array([1.0, 2.0])}

    def f(p):
        double = 2.0 * p["a"]
        return np.sum(double * double), {"double": double, "list": [double, (p["a"],)]}

    (value, extra), gradient = value_and_grad(f)(x)
    alone, _ = value_and_grad(lambda p: f(p)[0])(x)
    found, backward = vjp(lambda xs: 2.0 * xs[0], [x["a"]])
    leaves = [extra["double"], extra["list"][0], extra["list"][1][0], gradient["a"], found]
    assert {type(leaf) for leaf in (*leaves, *backward(found))} == {onp.ndarray}
    assert {type(number) for number in (value, alone)} == {onp.float64}
    assert isinstance(extra["list"], list)
    assert isinstance(extra["list"][1], tuple)


def test_a_gradient_that_has_not_its_parameters_dtype_is_an_error():
    x = {"x": onp.ones(3, dtype=onp.float32)}
    with pytest.raises(TypeError, match=r"gradient of x is \(3,\) float64, its parameter \(3,\)"):
        value_and_grad(lambda p: np.sum(p["x"] * onp.arange(3.0)))(x)


def test_a_gradient_that_autograd_broadcast_is_an_error():
    x = {"x": onp.ones((1, 3))}
    with pytest.raises(TypeError, match=r"gradient of x is \(2, 3\) float64"):
        value_and_grad(lambda p: np.sum(np.where(onp.ones((2, 3)) > 0, p["x"], 0.0)))(x)


@pytest.mark.parametrize("lose", [lambda g: g[:1], lambda g: g[0], lambda g: g[..., :1]])
def test_a_gradient_that_lost_an_axis_is_an_error_though_it_would_broadcast(lose):
    operation = primitive(lambda x: 2.0 * x)
    defvjp(operation, lambda y, x: lambda g: 2.0 * lose(g))
    with pytest.raises(TypeError, match="gradient of x is "):
        value_and_grad(lambda p: np.sum(operation(p["x"])))({"x": onp.ones((2, 3))})


def check_vjp(case):
    """Each row of the Jacobian, by vjp, against each column, by the complex step."""
    rng = case.rng
    phi, _ = random_model(case._replace(S=1, transition="query"), rng)
    x = {"h": rng.standard_normal((1, 1, case.H)), "a": rng.standard_normal((1, 1, case.A))}
    f = lambda h, a: model.predict(phi, h, a)[0]  # noqa: E731
    _, backward = vjp(lambda h_a: f(*h_a), list(x.values()))
    rows = onp.stack(
        [onp.concatenate(backward(e[None, None]), axis=-1)[0, 0] for e in onp.eye(case.H)]
    )
    columns = []
    for e in onp.eye(case.H + case.A):
        direction = {"h": e[: case.H], "a": e[case.H :]}
        columns.append(complex_step(lambda x: f(**x), x, direction)[0, 0])
    onp.testing.assert_allclose(rows, onp.stack(columns, axis=-1), rtol=1e-11, atol=1e-13)


@given(cases())
def test_vjp_gives_the_rows_of_the_jacobian(case):
    check_vjp(case)


def test_vjp_gives_the_value():
    case = Case()
    phi, _ = random_model(case, case.rng)
    h = case.rng.standard_normal((case.S, case.B, case.H))
    value, _ = vjp(lambda x: model.decode(phi, x[0]), [h])
    assert onp.array_equal(value, model.decode(phi, h))
