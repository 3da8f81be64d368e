"""The gradient check: what it finds, what it sets aside, what it refuses, and how it reads."""

import re
from collections import OrderedDict, namedtuple
from functools import partial

import autograd.numpy as np
import numpy as onp
import pytest
from autograd.extend import defvjp, primitive
from autograd.tracer import getval
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from lvgts_np.check import GradientCheck, check_gradient
from lvgts_np.check.oracles import complex_step, detached_by, differences, frozen
from lvgts_np.check.strategies import arrays, numbers, scales
from lvgts_np.paper import attention, autodiff
from lvgts_np.paper.autodiff import detach

ORACLES = ["complex step", "differences"]


def draw(*shapes, seed=0):
    rng = onp.random.default_rng(seed)
    return [rng.standard_normal(shape) for shape in shapes]


X = dict(zip(("W", "b", "u"), draw((3, 4), 4, 4), strict=True))
INPUT = onp.array([1.0, -2.0, 0.5])


def layer(x):
    return x["u"] * np.tanh(np.matmul(INPUT, x["W"]) + x["b"])


def layer_by_hand(x, c, sign=1.0, cut=1.0):
    z = INPUT @ x["W"] + x["b"]
    lambda_z = c * x["u"] * (1.0 - onp.tanh(z) ** 2)
    W = onp.outer(INPUT, lambda_z)
    return {"W": W, "b": sign * lambda_z * cut, "u": c * onp.tanh(z)}


def message(check):
    """What a failing `assert` of the check says."""
    with pytest.raises(AssertionError) as error:
        assert check
    return str(error.value)


def sizes_of(check, p, *sources):
    return [check.errors[p][source] for source in sources]


# Right and wrong


@pytest.mark.parametrize("by_hand", [None, layer_by_hand])
def test_what_is_right_is_true_by_all_sources(by_hand):
    check = check_gradient(layer, X, by_hand)
    assert check
    assert check.conclusive
    assert check.right == ["W", "b", "u"]
    assert check.wrong == {}
    assert check.set_aside == check.notes == []
    sources = ["by hand"] * bool(by_hand) + ["autograd", *ORACLES]
    for p in X:
        assert list(check.slopes[p]) == sources
        assert max(check.errors[p].values()) < 1e-9
        assert abs(check.slopes[p]["autograd"]) <= check.size[p]
    assert re.fullmatch(r"layer right: W, b, u, errors up to \de-1\d|.* 0e\+00", repr(check))


def test_a_slope_is_the_derivative_along_the_direction():
    x = {"a": onp.array(3.0)}
    check = check_gradient(lambda x: x["a"] ** 2, x)
    assert abs(check.slopes["a"]["autograd"]) == 6.0
    assert check.size["a"] == 6.0


def test_a_wrong_sign_is_found_and_named():
    check = check_gradient(layer, X, partial(layer_by_hand, sign=-1.0), name="layer [Eq. 0]")
    assert not check
    assert check.wrong == {"b": ["by hand"]}
    assert check.right == ["W", "u"]
    slopes = [check.slopes["b"][s] for s in ("by hand", "autograd", "complex step")]
    assert slopes == pytest.approx([-slopes[1], slopes[1], slopes[1]])
    expected = "by hand {:.6g}, autograd {:.6g}, complex step {:.6g}".format(*slopes)
    assert f"assert layer [Eq. 0] dL/d b: {expected}; right: W, u" in message(check)


@pytest.mark.parametrize("off", [1e-2, 1e-6, 1e-9])
def test_a_small_error_is_found(off):
    check = check_gradient(layer, X, partial(layer_by_hand, sign=1.0 + off))
    assert check.wrong == {"b": ["by hand"]}
    first, second = re.search(r"by hand (\S+), autograd (\S+),", repr(check)).groups()
    assert first != second  # as many digits as show the difference


def test_a_vjp_that_is_wrong_is_found_where_it_is_used():
    off = primitive(lambda x: x)
    defvjp(off, lambda y, x: lambda g: 2.0 * g)
    check = check_gradient(lambda x: layer(x | {"b": off(x["b"])}), X)
    assert check.wrong == {"b": ["autograd"]}
    assert check.right == ["W", "u"]


def test_a_gradient_cut_by_getval_is_wrong():
    check = check_gradient(lambda x: layer(x) * getval(x["u"]), X)
    assert check.wrong == {"u": ["autograd"]}
    assert check.slopes["u"]["complex step"] == pytest.approx(check.slopes["u"]["differences"])


@pytest.mark.parametrize("alias", [detach, partial(detach), lambda x: autodiff.detach([x])[0]])
def test_a_gradient_cut_by_detach_is_right_and_noted(alias):
    check = check_gradient(lambda x: layer(x) * alias(x["u"]), X)
    assert check
    (note,) = check.notes
    slope = check.slopes["u"]["autograd"]
    assert (
        re.search(r"the stop-gradients change dL/d u from \S+ to (\S+)", note)[1] == f"{slope:.6g}"
    )
    straight = check_gradient(lambda x: layer(x) * x["u"], X).slopes["u"]["autograd"]
    assert f"from {straight:.6g} to" in note
    assert note in repr(check)


def test_a_cut_that_only_the_differences_see_is_wrong():
    cut = lambda x: onp.real(getval(x))  # noqa: E731
    check = check_gradient(lambda x: layer(x) * cut(x["u"]), X)
    assert check.wrong == {"u": ["differences"]}
    assert re.search(r"dL/d u: autograd (\S+), complex step \1, differences (?!\1)", repr(check))


def test_a_list_that_autograd_cannot_cut_differs_from_a_gradient_by_hand_that_is_cut():
    def f(x):
        (u,) = getval([x["u"]])  # the box inside passes uncut
        return np.sum(u * u)

    check = check_gradient(f, {"u": X["u"]}, {"u": X["u"]})
    assert check.wrong == {"u": ["by hand"]}
    assert check.slopes["u"]["autograd"] == check.slopes["u"]["complex step"]


# Oracles set aside


@pytest.mark.parametrize(
    "function", [lambda b: np.logaddexp(b, 1.0), lambda b: np.arctan2(b, 2.0), lambda b: b % 1.5]
)
@pytest.mark.parametrize("off", [0.0, 1e-4])
def test_where_the_complex_step_raises_differences_decide(function, off):
    wrong = primitive(lambda x: x)
    defvjp(wrong, lambda y, x: lambda g: (1.0 + off) * g)
    check = check_gradient(lambda x: function(wrong(x["b"])), {"b": X["b"]})
    assert bool(check) == (off == 0.0)
    assert check.conclusive
    assert check.decider["b"] == "differences"
    assert list(check.slopes["b"]) == ["autograd", "differences"]
    assert check.set_aside[0].startswith("complex step set aside: TypeError")


@pytest.mark.parametrize("function", [np.abs, np.linalg.norm, np.var])
@pytest.mark.parametrize("off", [0.0, 1e-4])
def test_where_the_complex_step_is_wrong_differences_decide(function, off):
    wrong = primitive(lambda x: x)
    defvjp(wrong, lambda y, x: lambda g: (1.0 + off) * g)
    check = check_gradient(lambda x: function(wrong(x["b"])), {"b": X["b"]})
    assert bool(check) == (off == 0.0)
    assert check.conclusive
    if not off:
        assert re.fullmatch(
            r"dL/d b: complex step 0 set aside, differences \S+:"
            r" f is not analytic \(abs, norm, sign, var, eigh, ...\)",
            check.set_aside[0],
        )


def test_where_all_three_differ_differences_decide():
    """autograd's rule is that of a symmetric A, NumPy reads its lower half; conj is in both."""
    (A,) = draw((3, 3))
    check = check_gradient(lambda x: np.linalg.cholesky(x["A"]), {"A": A @ A.T + onp.eye(3)})
    assert check.wrong == {"A": ["autograd"]}
    assert check.decider == {"A": "differences"}
    assert re.search("dL/d A: autograd [^,]*, differences [^,]*$", repr(check))


def test_at_a_kink_differences_are_set_aside():
    x = {"x": onp.array([0.0, 1.0, -1.0])}
    check = check_gradient(lambda x: x["x"] * (getval(x["x"]).real > 0.0), x)
    assert check
    text = r"dL/d x: differences set aside: a kink at x, slopes (\S+) and (\S+) beside it"
    sides = [float(side) for side in re.fullmatch(text, check.set_aside[0]).groups()]
    assert min(sides) < check.slopes["x"]["differences"] < max(sides)


@pytest.mark.parametrize("distance", [1e-2, 1e-4, 1e-6])
def test_a_kink_beside_x_disturbs_no_verdict(distance):
    x = {"x": onp.array([distance, 1.0, -1.0])}
    relu = lambda x: x["x"] * (getval(x["x"]) > 0.0)  # noqa: E731
    check = check_gradient(relu, x)
    assert check
    assert check.set_aside == []
    assert not check_gradient(
        lambda x: 1.0001 * onp.real(relu(x)), x, lambda x, c: {"x": c * (x["x"] > 0)}
    )


def test_where_nothing_decides_the_check_is_neither_right_nor_wrong():
    x = {"x": onp.array([0.0]), "b": onp.ones(2)}
    check = check_gradient(lambda x: np.sum(np.logaddexp(np.maximum(x["x"], 0.0), 1.0) * x["b"]), x)
    assert not check
    assert not check.conclusive
    assert check.wrong == {}
    assert check.undecided == ["x"]
    assert check.right == ["b"]
    assert "undecided: x; dL/d x: differences set aside: a kink at x, slopes" in message(check)
    assert str(check).count("a kink at x") == 2


def test_a_jump_at_x_leaves_the_complex_step_alone():
    check = check_gradient(lambda x: x["x"] * 2.0 + (x["x"] > 0.0), {"x": onp.array([0.0])})
    assert check
    assert "differences set aside" in check.set_aside[0]


@pytest.mark.parametrize("rule", ["paper", "sab"])
def test_ties(rule):
    x = {"s": onp.array([[1.0, 2.0, 1.0, 0.0], [0.0, 1.0, 1.0, 2.0]])}
    check = check_gradient(lambda x: attention.topk_weights(x["s"], 2, rule), x)
    assert check
    wrong = check_gradient(
        lambda x: attention.topk_weights(x["s"] * 1.0, 2, rule), x, lambda x, c: {"s": c}
    )
    assert wrong.wrong == {"s": ["by hand"]}


# Rounding


def test_a_derivative_that_is_zero_but_for_rounding_is_right():
    x = dict(zip(("A", "b"), draw((3, 4), (3, 1)), strict=True))
    softmax = lambda z: np.exp(z) / np.sum(np.exp(z), axis=1, keepdims=True)  # noqa: E731
    check = check_gradient(lambda x: softmax(x["A"] + x["b"]), x)
    assert check
    assert abs(check.slopes["b"]["autograd"]) < 1e-14
    off = check_gradient(
        lambda x: softmax(x["A"] + x["b"])[0, 0],
        {"b": x["b"], "A": x["A"]},
        lambda x, c: {"A": onp.zeros((3, 4)), "b": onp.full((3, 1), 1e-12)},
    )
    assert off.wrong["b"] == ["by hand"]


@pytest.mark.parametrize("seed", range(20))
def test_a_constant_whose_terms_cancel_is_right(seed):
    """One attended of several: the weight is the constant 1, and rounding is left of its slope."""
    (s,) = draw((3, 5), seed=seed)
    check = check_gradient(lambda x: attention.topk_weights(x["s"], 1), {"s": 100.0 * s})
    assert check


def test_rounding_that_is_amplified_is_measured_and_said():
    x = {"s": onp.array([1.0, 1.0 + 3e-6, 0.5])}  # what the weights divide by is 3e-6
    check = check_gradient(lambda x: attention.topk_weights(x["s"], 2) ** 2, x)
    assert check
    off = lambda x, c: {"s": onp.zeros(3)}  # noqa: E731
    assert not check_gradient(lambda x: attention.topk_weights(x["s"], 2) ** 2, x, off)


def test_a_slope_below_the_rounding_of_its_function_is_right_to_that():
    """tanh(19.5) is 1 to the last bit or the last but one: 1 - tanh² keeps no digit."""
    check = check_gradient(lambda x: autodiff.tanh(x["x"]), {"x": onp.array([19.5])})
    assert check
    assert re.match(r"dL/d x: rounding: an error below \de-1\d would not show", check.set_aside[-1])
    assert repr(check).endswith(f"; {len(check.set_aside)} more when printed")


@pytest.mark.parametrize(("off", "conclusive"), [(1e-7, False), (1e-3, True)])
def test_an_error_that_hides_in_the_rounding_of_a_large_f_is_undecided(off, conclusive):
    f = lambda x: 1e10 + np.sum(np.sin(x["x"]))  # noqa: E731
    x = {"x": X["b"]}
    assert check_gradient(f, x)
    check = check_gradient(f, x, {"x": onp.cos(x["x"]) * (1.0 + off)})
    assert not check
    assert check.conclusive == conclusive
    assert check.wrong == ({"x": ["by hand"]} if conclusive else {})


# What is handed in


def test_a_list_and_a_tuple_are_checked_by_index():
    for kind in (list, tuple):
        f = lambda x, kind=kind: layer(dict(zip("Wbu", x, strict=True))) * isinstance(x, kind)  # noqa: E731
        check = check_gradient(f, kind(X.values()))
        assert check.right == [0, 1, 2]
        assert check.slopes[0] == check_gradient(layer, X).slopes["W"]
        assert repr(check).startswith("f right: x[0], x[1], x[2]")


def test_a_named_tuple_and_a_kind_of_dict():
    Named = namedtuple("Named", "W b u")
    assert check_gradient(lambda x: layer(x._asdict()), Named(**X)).right == [0, 1, 2]
    assert check_gradient(layer, OrderedDict(X)).right == ["W", "b", "u"]


def test_where_f_raises_beside_x_differences_are_set_aside():
    def f(x):
        if not onp.array_equal(onp.real(getval(x["b"])), X["b"]):
            raise ArithmeticError("only here")
        return x["b"] ** 2

    check = check_gradient(f, {"b": X["b"]})
    assert check
    assert "differences set aside: ArithmeticError: only here" in check.set_aside


def test_a_gradient_handed_in_as_numbers():
    f = lambda x: np.sum(layer(x))  # noqa: E731
    g = layer_by_hand(X, onp.ones(4))
    assert check_gradient(f, X, g)
    assert check_gradient(
        lambda x: f(dict(zip("Wbu", x, strict=True))), [*X.values()], [*g.values()]
    )
    assert check_gradient(f, X, g | {"W": -g["W"]}).wrong == {"W": ["by hand"]}
    with pytest.raises(ValueError, match=r"layer returns an array: hand in a function \(x, c\)"):
        check_gradient(layer, X, g)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"b": onp.zeros(3)}, r"by hand: gradient is \(3,\) float64, its parameter \(4,\) float64"),
        ({"b": onp.zeros(4, "f4")}, r"by hand: gradient is \(4,\) float32, its parameter \(4,\)"),
        ({"b": None}, r"by hand: gradient is missing"),
    ],
)
def test_a_gradient_of_another_shape_or_dtype_or_missing_is_wrong(change, text):
    g = layer_by_hand(X, onp.ones(4)) | change
    g = {p: a for p, a in g.items() if a is not None}
    check = check_gradient(lambda x: np.sum(layer(x)), X, g)
    assert check.wrong == {"b": ["by hand"]}
    assert re.search(text, message(check))
    assert re.search(text, str(check))


def test_a_gradient_of_something_else_is_an_error():
    with pytest.raises(
        TypeError, match="the gradient is ndarray: it must be a dict or list like x"
    ):
        check_gradient(layer, X, lambda x, c: c)
    with pytest.raises(ValueError, match=r"the gradient has \['c'\], which x has not"):
        check_gradient(layer, X, lambda x, c: layer_by_hand(x, c) | {"c": c})


def test_values_by_hand_are_compared():
    good = check_gradient(layer, X, lambda x, c: (layer(x), layer_by_hand(x, c)))
    assert good
    assert good.values == {"by hand": 0.0}
    check = check_gradient(layer, X, lambda x, c: (1.001 * layer(x), layer_by_hand(x, c)))
    assert check.wrong == {"value": ["by hand"]}
    assert check.values["by hand"] == pytest.approx(1e-3)
    assert "layer value: by hand off by 1e-03; right: W, b, u" in message(check)


def test_where_autograd_cannot_the_gradient_by_hand_is_checked_by_the_others():
    f = lambda x: onp.sum(layer({p: onp.asarray(a) + 0.0 for p, a in x.items()}))  # noqa: E731
    for sign in (1.0, -1.0):
        g = layer_by_hand(X, onp.ones(4), sign)
        check = check_gradient(lambda x: np.sum(np.flip(layer(x))), X, g)
        assert check.wrong == ({"b": ["by hand"]} if sign < 0 else {})
        assert check.set_aside == [
            "autograd set aside: NotImplementedError: VJP of flip wrt argnums (0,) not defined"
        ]
    assert f(X) == pytest.approx(onp.sum(layer(X)))


def naive(x):
    """`layer` in scalars."""
    y = []
    for j in range(4):
        z = sum(INPUT[i] * x["W"][i][j] for i in range(3)) + x["b"][j]
        y.append(x["u"][j] * onp.tanh(z))
    return y


def test_a_restatement_is_held_to_the_same_slopes_and_values():
    check = check_gradient(layer, X, restatements={"naive": naive})
    assert check
    assert check.values["naive"] < 1e-15
    assert all(check.errors[p]["naive"] < 1e-14 for p in X)
    other = lambda x: naive(x | {"b": x["b"] * 1.0001})  # noqa: E731
    check = check_gradient(layer, X, restatements={"naive": other})
    assert check.wrong["value"] == ["naive"]
    assert check.wrong["b"] == ["naive"]
    short = check_gradient(layer, X, restatements={"naive": lambda x: naive(x)[:3]})
    assert short.values["naive"] == onp.inf


def test_networks_are_named_whole_where_all_of_them_is_right():
    x = {"d.W": X["W"], "d.b": X["b"], "r.W": X["W"], "r.b": X["b"], "u.W": X["u"]}
    f = lambda x: np.sum(x["d.W"] * x["d.b"] + x["r.W"] * x["r.b"]) * np.sum(x["u.W"])  # noqa: E731
    gradient = check_gradient(f, x)
    assert "right: d, r, u.W," in repr(gradient)
    own = {p: autodiff.value_and_grad(f)(x)[1][p] for p in x}
    check = check_gradient(f, x, own | {"r.b": -own["r.b"]})
    assert repr(check).endswith("right: d, r.W, u.W")
    check = check_gradient(f, x, own | {"r.b": -own["r.b"], "d.W": own["d.W"] * 1.01})
    assert re.search(r"^f dL/d r.b: .*; also wrong: d.W; right: d.b, r.W, u.W$", repr(check))


def test_the_line_of_a_failure_fits_what_pytest_shows():
    x = {f"net{n}.W{n}": X["b"] for n in range(9)}
    check = check_gradient(
        lambda x: np.sum(sum(x.values()) ** 2),
        x,
        dict.fromkeys(x, X["b"]),
        name="function [Eq. 12]",
    )
    assert message(check).split("\n")[0].startswith("assert function [Eq. 12] dL/d net")


def test_printed_it_is_a_table():
    check = check_gradient(layer, X, partial(layer_by_hand, sign=-1.0))
    lines = str(check).splitlines()
    assert lines[0] == repr(check)
    assert lines[2].split("  ")[-1] == "error"
    assert [re.split(r"  +", line)[0] for line in lines[3:]] == [
        "dL/d W", "dL/d b", "dL/d u", "all together"
    ]  # fmt: skip
    assert re.split(r"  +", lines[4])[-2:] == ["1e+00", "wrong: by hand"]


# What is refused


@pytest.mark.parametrize(
    ("x", "error", "text"),
    [
        (X["b"], TypeError, r"x is a ndarray: hand in a dict or a list of arrays, such as \[x\]"),
        ({}, TypeError, "x is a dict"),
        ({"b": X["b"].astype("f4")}, TypeError, r"x\['b'\] is float32: .* float64 array"),
        ({"b": onp.arange(3)}, TypeError, r"x\['b'\] is int64"),
        ([1.0], TypeError, r"x\[0\] is float: "),
        ({"b": [1.0, 2.0]}, TypeError, r"x\['b'\] is list"),
        ({"b": onp.array([1.0, onp.nan])}, ValueError, r"x\['b'\] has entries that are not finite"),
    ],
)
def test_what_is_no_argument_is_an_error(x, error, text):
    with pytest.raises(error, match=text):
        check_gradient(lambda x: 0.0, x)


def changes(x):
    x["b"] *= 2.0
    return np.sum(x["b"])


NOISE = onp.random.default_rng(0)


@pytest.mark.parametrize(
    ("f", "error", "text"),
    [
        (lambda x: {"loss": x["b"]}, TypeError, "f returns dict: it must return one float64 array"),
        (lambda x: (x["b"], 0.0), TypeError, "f returns tuple"),
        (lambda x: None, TypeError, "f returns NoneType"),
        (lambda x: x["b"].astype("f4"), TypeError, "f returns float32"),
        (lambda x: x["b"] > 0, TypeError, "f returns bool"),
        (lambda x: x["b"] * 1j, TypeError, "f returns complex128"),
        (lambda x: np.log(x["b"] - 9.0), ValueError, "f returns NaN or infinity"),
        (lambda x: x["b"][:0], ValueError, "f returns an empty array"),
        (changes, ValueError, r"changes changes x\['b'\] in place"),
        (lambda x: x["b"] * NOISE.random(), ValueError, "f returns something else each time"),
    ],
)
def test_what_has_no_derivative_is_an_error(f, error, text):
    with pytest.raises(error, match=text):
        check_gradient(f, X)


def test_what_is_empty_or_not_used_has_no_derivative_and_is_right():
    check = check_gradient(layer, X | {"none": onp.zeros((0, 3)), "unused": onp.ones(2)})
    assert check
    for p in ("none", "unused"):
        assert set(check.slopes[p].values()) == {0.0}
    check = check_gradient(
        layer,
        X | {"unused": onp.ones(2)},
        lambda x, c: layer_by_hand(x, c) | {"unused": 1e-9 * x["unused"]},
    )
    assert check.wrong == {"unused": ["by hand"]}


def test_a_gradient_that_is_not_finite_is_wrong():
    check = check_gradient(lambda x: np.sqrt(x["b"] * x["b"] * 0.0), {"b": X["b"]})
    assert check.wrong == {"b": ["autograd"]}
    assert "autograd nan" in repr(check)


def test_warnings_of_numpy_are_no_errors():
    check = check_gradient(
        lambda x: np.tanh(x["x"]) * x["b"], {"x": onp.array([800.0]), "b": X["b"]}
    )
    assert check.right == ["x", "b"]


# What is left alone


def test_nothing_is_changed_and_a_seed_gives_the_same_again():
    x, state = {p: a.copy() for p, a in X.items()}, onp.random.get_state()[1].copy()
    for a in x.values():
        a.flags.writeable = False
    first, second = (check_gradient(layer, x, layer_by_hand, seed=3) for _ in range(2))
    assert first == second
    assert first.slopes != check_gradient(layer, x, layer_by_hand).slopes
    assert onp.array_equal(onp.random.get_state()[1], state)
    assert all(onp.array_equal(x[p], X[p]) for p in X)
    assert detach(onp.array(1.0 + 2.0j)) == 1.0
    assert isinstance(first, GradientCheck)


# The oracles


def test_differences_know_their_error():
    for f, slope in ((onp.sin, onp.cos(2.0)), (onp.exp, onp.exp(2.0)), (lambda a: a**7, 7 * 64.0)):
        D = differences(
            lambda x, f=f: float(f(x["a"])), {"a": 2.0}, {"a": 1.0}, (2.0, 1.0), 1e-16 * abs(f(2.0))
        )
        assert abs(D.slope - slope) <= D.error < 1e-7 * abs(slope)
    D = differences(lambda x: abs(x["a"]), {"a": 0.0}, {"a": 1.0})
    assert D.error >= 1.0
    assert D.kink == pytest.approx(2.0)


def test_a_frozen_program_has_the_constants_of_x():
    f = lambda x: np.sum(x["b"] * detach([x["b"]])[0])  # noqa: E731
    program, x = frozen(f, {"b": X["b"]}), {"b": X["b"] + 1.0}
    assert program(x) == pytest.approx(onp.sum(x["b"] * X["b"]))
    assert f(x) == pytest.approx(onp.sum(x["b"] * x["b"]))
    assert len(program.constants) == 1
    with detached_by(lambda a: a):
        assert complex_step(f, x, {"b": onp.ones(4)}) == pytest.approx(2 * onp.sum(x["b"]))
    assert complex_step(f, x, {"b": onp.ones(4)}) == pytest.approx(onp.sum(x["b"]))


def test_a_program_that_stops_more_away_from_x_sets_differences_aside():
    at = X["b"][0]
    f = lambda x: x["b"] * (1.0 if x["b"][0] == at else detach(x["b"]))  # noqa: E731
    check = check_gradient(f, {"b": X["b"]})
    assert onp.isnan(check.slopes["b"]["differences"]) or not check.conclusive or check.set_aside


# Strategies


@given(arrays({"d.W1": ("d", "h")}, b=("h",), c=(2, "h"), size=st.integers(2, 3)))
def test_arrays_share_the_size_of_a_symbol(x):
    d, h = x["d.W1"].shape
    assert {d, h} <= {2, 3}
    assert x["b"].shape == (h,)
    assert x["c"].shape == (2, h)
    assert all(a.dtype == float for a in x.values())


@given(arrays(s=(3, 5), ties=st.just(True), scale=scales(-1, 1)))
def test_ties_are_on_a_grid(x):
    assert any(onp.isin(x["s"] / 2.0**e, onp.arange(-2, 3)).all() for e in (-1, 0, 1))
    assert max(onp.unique(x["s"], return_counts=True)[1]) > 1


@settings(suppress_health_check=[HealthCheck.filter_too_much])
@given(arrays(W=("d", "h"), b=("h",), u=("d",), ties=st.booleans()))
def test_a_layer_of_drawn_sizes(x):
    f = lambda x: np.tanh(np.matmul(x["u"], x["W"]) + x["b"])  # noqa: E731
    check = check_gradient(f, x)
    assume(check.conclusive)
    assert check


def test_numbers_are_random_or_tied():
    rng = onp.random.default_rng(0)
    assert len(onp.unique(numbers(rng, (50,)))) == 50
    assert set(numbers(rng, (50,), 0.5, ties=True)) == {-1.0, -0.5, 0.0, 0.5, 1.0}
