"""A gradient held against derivatives that share no rule with it.

Reverse mode, or a gradient by hand, is compared along one random direction of each parameter, and
one of all together, with the complex step, which decides, and with differences, which check the
complex step and decide where it does not apply. Examples: docs/checking.md.
"""

import warnings

import autograd.numpy as np
import numpy as onp

from lvgts_np.check.oracles import EPS, Difference, complex_step, differences, frozen, moved
from lvgts_np.check.report import TOGETHER, GradientCheck, label, one_line
from lvgts_np.paper.autodiff import value_and_grad

SAME = 1e-9  # of the largest: what the values of two programs may differ by
EXACT = 1e-11  # of the size: what two exact derivatives may differ by
DECISIVE = 1e-6  # of the size: an oracle that knows a slope no better decides nothing
NOT_ANALYTIC = "f is not analytic (abs, norm, sign, var, eigh, ...)"


@onp.errstate(all="ignore")
def check_gradient(f, x, gradient=None, *, restatements=None, name=None, seed=0):
    """Gradient of f at x, checked, as a GradientCheck: true where it is right.

    f, a function (in autograd.numpy) of a dict, list or tuple of float64 arrays, returns a number
    or an array y; checked is the gradient of Σ c·y, with c random, or 1 for a number.
    gradient      None for reverse mode by autograd; or a dict or list like x, for f a number; or a
                  function (x, c) -> dict or list like x, or (values, dict or list like x)
    restatements  {"label": g}, with g(x) the same as f(x) and able to take complex arrays: its
                  values and its complex step are compared too
    seed          of c and of the directions
    TypeError or ValueError where x or f(x) is nothing to differentiate; x is not changed. Not for
    threads: `detach` is replaced while differences are taken.
    """
    check = GradientCheck(name or getattr(f, "__name__", "f").replace("<lambda>", "f"))
    x, like = as_dict(x)
    y, rng = output(check.name, f, x, like), onp.random.default_rng(seed)
    c = rng.standard_normal(y.shape) if y.ndim else onp.float64(1.0)
    natural = float(onp.sum(onp.abs(c * y)))

    def objective(g):
        return lambda x, c=c: np.sum(c * g(like(fresh(x))))

    L, restatements, gradients = objective(f), restatements or {}, {}
    exact = {"complex step": L} | {source: objective(g) for source, g in restatements.items()}
    values = {source: g(like(fresh(x))) for source, g in restatements.items()}
    if gradient is not None:
        if not callable(gradient) and y.ndim:
            raise ValueError(f"{check.name} returns an array: hand in a function (x, c) of Σ c·y")
        found = gradient(like(fresh(x)), c) if callable(gradient) else gradient
        if isinstance(found, tuple) and isinstance(found[-1], (dict, list, tuple)):
            values["by hand"], found = found
        gradients["by hand"] = by_hand(check, found, x)
        gradients |= attempt(check, "autograd", gradient_of, L, x)
    else:
        gradients["autograd"] = reverse(check, L, x)
    for source, value in values.items():
        compare_values(check, source, value, y)
    program = frozen(L, x)
    for p, v, scales in directions(x, rng):
        known = {s: g for s, g in gradients.items() if all(g[q] is not None for q in v)}
        slopes = {source: along(g, v) for source, g in known.items()}
        sizes = [along(g, v, onp.abs) for g in known.values()][-1:]  # autograd's, if there is one
        for source, g in exact.items():
            slopes |= attempt(check, source, lambda g=g, v=v: float(complex_step(g, x, v)))
        sizes.append(abs(slopes.get("complex step", 0.0)))
        size = max((s for s in sizes if onp.isfinite(s)), default=0.0)
        steps = scales, EPS * natural, size
        D = attempt(check, "differences", differences, program, x, v, *steps)
        D = D.get("differences", Difference(onp.nan, onp.inf, 0.0))
        noise = lambda v=v, slopes=slopes: rounding(L, x, v, c, slopes)  # noqa: E731
        judge(check, p, slopes, D, size, natural / scales[0], noise)
        if program.constants and p != TOGETHER:
            straight = check, p, L, x, v, scales[0], natural
            attempt(check, "differences straight through", compare_straight, *straight)
    return check


def as_dict(x):
    """Copies of the arrays of x by name, or by index, and the way back to a container like x."""
    kind = type(x)
    if not isinstance(x, (dict, list, tuple)) or not x:
        raise TypeError(f"x is a {kind.__name__}: hand in a dict or a list of arrays, such as [x]")
    items = dict(x) if isinstance(x, dict) else dict(enumerate(x))
    for name, a in items.items():
        if not isinstance(a, onp.ndarray) or a.dtype != float:
            what = getattr(a, "dtype", type(a).__name__)
            raise TypeError(f"x[{name!r}] is {what}: the oracles need a float64 array")
        if not onp.all(onp.isfinite(a)):
            raise ValueError(f"x[{name!r}] has entries that are not finite")
    like = getattr(x, "_make", kind)  # a named tuple is made another way
    return fresh(items), (lambda a: a if isinstance(x, dict) else like(a.values()))


def fresh(x):
    """x with its arrays copied, so that a function may write into them."""
    return {name: a.copy() if isinstance(a, onp.ndarray) else a for name, a in x.items()}


def output(name, f, x, like):
    """f(x) as an array; an error where f is not a function of x that has a derivative."""
    used = fresh(x)
    y, again = f(like(used)), f(like(fresh(x)))
    for p in x:
        if not onp.array_equal(used[p], x[p]):
            raise ValueError(f"{name} changes x[{p!r}] in place: autograd would not see it")
    if not isinstance(y, (float, onp.ndarray)) or onp.asarray(y).dtype != float:
        what = getattr(y, "dtype", type(y).__name__)
        raise TypeError(f"{name} returns {what}: it must return one float64 array, or a number")
    y, again = onp.asarray(y), onp.asarray(again)
    if y.size == 0 or not onp.all(onp.isfinite(y)):
        raise ValueError(f"{name} returns {'NaN or infinity' if y.size else 'an empty array'}")
    if y.shape != again.shape or onp.max(onp.abs(y - again)) > 1e-9 * onp.max(onp.abs(y)):
        raise ValueError(f"{name} returns something else each time: draw its noise outside")
    return y


def directions(x, rng):
    """(parameter, direction v, lengths over which f may change along v), and all together.

    v is random, of length 1; the lengths are that of the parameter, and that of ones.
    """
    unit, lengths = {}, {}
    for p, a in x.items():
        v = rng.standard_normal(a.shape)
        unit[p] = v / (onp.linalg.norm(v) or 1.0)
        lengths[p] = [s for s in (onp.linalg.norm(a), onp.sqrt(a.size)) if s] or [1.0]
        yield p, {p: unit[p]}, lengths[p]
    if len(x) > 1:
        yield TOGETHER, {p: lengths[p][0] * rng.permuted(v) for p, v in unit.items()}, [1.0]


def along(gradient, v, kind=lambda terms: terms):
    """Slope Σ g·v, or Σ |g·v|."""
    return float(sum(onp.sum(kind(gradient[p] * v[p])) for p in v))


def attempt(check, source, oracle, *args):
    """{source: oracle(*args)}; where it does not apply, {} and a sentence."""
    try:
        return {source: oracle(*args)}
    except Exception as error:
        check.aside(f"{source} set aside: {one_line(error)}")
        return {}


def gradient_of(f, x):
    """Gradient of scalar f by autograd, zero without a warning where f does not use x."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Output seems independent of input")
        return value_and_grad(f)(x)[1]


def reverse(check, f, x):
    """Gradient by autograd; None, and a text, where it raises or has another shape or dtype."""
    try:
        return gradient_of(f, x)
    except Exception as error:
        gradient, whole = dict.fromkeys(x), one_line(error)
    for p in x:
        try:
            gradient |= gradient_of(lambda own: f(x | own), {p: x[p]})
        except Exception as error:
            check.texts[p] = f"autograd: {one_line(error)}"
    check.texts = check.texts or dict.fromkeys(x, f"autograd: {whole}")
    return gradient


def by_hand(check, gradient, x):
    """Gradient handed in, as a dict; None, and a text, where it is not like its parameter."""
    if not isinstance(gradient, (dict, list, tuple)):
        kind = type(gradient).__name__
        raise TypeError(f"the gradient is {kind}: it must be a dict or list like x")
    g = dict(gradient if isinstance(gradient, dict) else enumerate(gradient))
    if extra := [p for p in g if p not in x]:
        raise ValueError(f"the gradient has {extra}, which x has not")
    for p, a in x.items():
        found = f"{onp.shape(g[p])} {onp.asarray(g[p]).dtype}" if p in g else "missing"
        if found != f"{a.shape} {a.dtype}":
            check.texts[p] = f"by hand: gradient is {found}, its parameter {a.shape} {a.dtype}"
            g[p] = None
    return g


def compare_values(check, source, values, y):
    """Values of a restatement, or by hand, against those of f, relative to the largest."""
    same, scale = onp.shape(values) == y.shape, onp.max(onp.abs(y)) or 1.0
    check.values[source] = float(onp.max(onp.abs(values - y)) / scale) if same else onp.inf
    if not check.values[source] <= SAME:
        check.wrong.setdefault("value", []).append(source)


def judge(check, p, slopes, D, size, natural, noise):
    """Which oracle decides, what is wrong, and a sentence for each oracle that is set aside."""
    C, sources = slopes.get("complex step", onp.nan), [s for s in slopes if s != "complex step"]
    exact, reach = EXACT * size, max(10 * D.error, EXACT * size)
    known = reach <= DECISIVE * size or not any((D.slope, *slopes.values()))
    kink, aside = not known and abs(D.kink) > D.error, []

    def beyond(value, bound):
        return [s for s in sources if not abs(slopes[s] - value) <= bound]

    wrong, far = beyond(C, exact), abs(C - D.slope) > reach
    contradicted = known and abs(C - D.slope) > DECISIVE * size
    blind = far and len(beyond(D.slope, reach)) < len(sources)
    blind = blind or (contradicted and len(wrong) == len(sources))
    if not onp.isfinite(C) or blind or (kink and "autograd" in wrong):
        decider, wrong = "differences", beyond(D.slope, reach)
        decided = known
        if onp.isfinite(C):
            why = "at a kink it takes a side" if kink else NOT_ANALYTIC
            aside.append(f"complex step {C:.6g} set aside, differences {D.slope:.6g}: {why}")
    else:
        decider, decided = "complex step", True
        if wrong:
            moves = 20 * noise()
            bound = max(moves, 16 * EPS * natural)
            if len(beyond(C, bound)) < len(wrong):
                if moves >= max(abs(slopes[s]) for s in wrong):
                    size = natural  # of a slope that is 0 but for rounding
                decided = bound <= DECISIVE * size
                aside.append(f"rounding: an error below {bound:.0e} would not show")
            wrong = beyond(C, max(exact, bound))
        if contradicted:
            wrong.append("differences")
    if not known and reach > DECISIVE * size:
        left, right = sorted((D.slope - D.kink / 2, D.slope + D.kink / 2))
        why = f"a kink at x, slopes {left:.6g} and {right:.6g} beside it"
        why = why if kink else f"known to {D.error:.0e} of {size:.0e}, by a branch or rounding"
        aside.append(f"differences set aside: {why}")
    for sentence in aside if p != TOGETHER else ():
        check.aside(f"{label(p)}: {sentence}")
    check.record(p, slopes | {"differences": D.slope}, size, decider, wrong, decided)


def rounding(f, x, v, c, slopes):
    """Largest change of the slope by the exact methods, where x, v and c change in the last places.

    v and c change entry by entry, as the slope is linear in both; all of x by one factor, so that
    equal entries stay equal.
    """
    rng = onp.random.default_rng(0)

    def changed(a):
        return a * (1.0 + EPS * rng.integers(-4, 5, onp.shape(a)))

    def exact(x, v, c):
        one = [along(gradient_of(lambda x: f(x, c), x), v)] if "autograd" in slopes else []
        return onp.array([*one, complex_step(lambda x: f(x, c), x, v)])

    moves = []
    for ulps in (1, 3, -2, 5):
        near = {p: a * (1.0 + ulps * EPS) for p, a in x.items()}
        other = exact(near, {p: changed(a) for p, a in v.items()}, changed(c))
        moves.append(onp.max(onp.abs(other - exact(x, v, c))))
    return max(moves)


def compare_straight(check, p, f, x, v, scale, natural):
    """A note where differences straight through the stop-gradients give another slope."""
    h = 1e-5 * scale
    straight = float(f(moved(x, v, h)) - f(moved(x, v, -h))) / (2 * h)
    slope, size = check.slopes[p][check.decider[p]], max(check.size[p], abs(straight))
    if abs(straight - slope) > DECISIVE * size + 1e-9 * natural / scale:
        change = f"from {straight:.6g} to {slope:.6g}"
        check.notes.append(f"the stop-gradients change {label(p)} {change}")
