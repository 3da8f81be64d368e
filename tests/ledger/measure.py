"""Each formula in its three forms, held against each other; faults put down to functions.

A unit of `equations` gives one formula as text, by hand and as a naive restatement, and a
random problem. The three vote on its value and on its derivatives. Where one is wrong, the fault is
put down to the functions that no unit before it has used; units that use these are not judged.
"""

import inspect
import time
import traceback
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import naive
import numpy as np
from draws import Case
from equations import UNITS

import lvgts_np
from lvgts_np.check.gradient import check_gradient
from lvgts_np.paper import constants
from lvgts_np.paper.autodiff import value_and_grad

PACKAGE = Path(lvgts_np.__file__).parent
FORMS = ("text", "by hand", "naive")
COLUMNS = {"text": 1e-10, "complex step": 1e-10, "differences": 1e-6, "naive": 1e-10}  # bounds


class Measured(NamedTuple):
    """What one unit showed."""

    name: str
    title: str
    errors: dict  # column -> largest relative error
    wrong: dict  # form -> messages
    uses: dict  # form -> functions and constants of the package, name -> object
    seconds: float


class Fault(NamedTuple):
    """A unit that failed while all that it uses is right."""

    unit: Measured
    suspects: dict  # functions that no unit before it has used, name -> object
    later: list  # names of the units that use one of these and so are not judged


def cases():
    """Sizes and switches of the problems: every switch both ways, few and many memories."""
    return (
        Case(T=7, O=3, A=2, k=2, N=3, seed=10),
        Case(T=8, H=4, k=3, N=4, rule="sab", store="after", seed=11),
        Case(T=6, k=9, N=2, encoder_N=3, lm_svg=True, scale=0.5, seed=12),
        Case(T=7, B=3, k=2, N=2, combine="add", seed=13),
        Case(T=5, S=1, k=1, N=9, encoder_N=9, store="after", combine="add", seed=14),
        Case(T=8, k=3, N=4, encoder_N=4, scale=0.25, seed=15),
    )


def measure(name, cases):
    """Errors and votes of one unit, the worst over its problems."""
    start, errors, wrong, uses, unit = time.perf_counter(), {}, {}, {}, UNITS[name]
    with np.errstate(all="ignore"):
        for case in cases:
            try:
                problem = unit(case)
                uses = used_by(problem) or uses
                found, votes = compare(problem, name, case.seed)
            except Exception as error:  # of any kind: a formula that fails is wrong
                found, votes = {}, {"text": [f"{raised_in(error)}: {error!r}"]}
            for column, x in found.items():
                errors[column] = max(errors.get(column, 0.0), x)
            for form, message in votes.items():
                wrong.setdefault(form, []).extend(message)
    title = inspect.getdoc(unit).splitlines()[0]
    return Measured(name, title, errors, wrong, uses, time.perf_counter() - start)


def compare(problem, name, seed):
    """Largest relative errors by column, and messages by the form that is outvoted."""
    x, text, hand = problem.x, problem.text, problem.hand
    restated = {"naive": lambda x: problem.naive(naive, x)} if problem.naive else {}
    y = np.asarray(text(x))
    c = np.random.default_rng(seed).standard_normal(y.shape) if y.ndim else np.ones(())
    values = {"text": y} | {form: np.real(f(x)) for form, f in restated.items()}
    value, gradient = hand(x, c) if hand else (None, None)
    if value is not None:
        values["by hand"] = np.asarray(value)
    errors, votes = compare_values(values)
    if x:
        by_hand = (lambda x, c: hand(x, c)[1]) if gradient is not None else None
        check = check_gradient(text, x, by_hand, restatements=restated, name=name, seed=seed)
        for column, error in compare_slopes(check).items():
            errors[column] = max(errors.get(column, 0.0), error)
        for form in outvoted(check):
            votes.setdefault(form, []).append(repr(check))
    return errors, votes


def compare_values(values):
    """Errors and votes on the value of a formula, given as form -> array."""
    subject = values.get("by hand", values["text"])
    size = max(np.max(np.abs(subject), initial=0.0), 1e-300)
    apart = lambda a, b: distance(values[a], values[b]) / size  # noqa: E731
    first = "by hand" if "by hand" in values else "text"
    errors = {form: apart(first, form) for form in values if form != first}
    wrong = odd_ones(list(values), lambda a, b: apart(a, b) <= COLUMNS["text"])
    return errors, {form: [describe(values)] for form in wrong}


def distance(a, b):
    """Largest difference; infinite where shapes differ or a number is not finite."""
    if a.shape != b.shape or not np.all(np.isfinite(a - b)):
        return np.inf
    return np.max(np.abs(a - b), initial=0.0)


def describe(values):
    """The entry in which the values of a formula are furthest apart, by each form."""
    shapes = {form: y.shape for form, y in values.items()}
    if len(set(shapes.values())) > 1:
        return "the value: " + ", ".join(f"{form} {shape}" for form, shape in shapes.items())
    spread = np.max(list(values.values()), axis=0) - np.min(list(values.values()), axis=0)
    at = np.unravel_index(np.argmax(spread), spread.shape)
    each = ", ".join(f"{form} {y[at]:.9g}" for form, y in values.items())
    wrong, n = np.count_nonzero(spread > COLUMNS["text"] * np.max(np.abs(spread))), spread.size
    return f"the value: {each} (entry {tuple(map(int, at))}; {wrong} of {n} differ)"


def odd_ones(forms, agree):
    """The forms that no other agrees with; all where no two agree."""
    return [a for a in forms if not any(agree(a, b) for b in forms if b != a) and len(forms) > 1]


def compare_slopes(check):
    """Largest relative errors of a GradientCheck by column: by hand, or by autograd, against each."""
    errors = {}
    for parameter, slopes in check.slopes.items():
        first = "by hand" if "by hand" in slopes else "autograd"
        for source, slope in slopes.items():
            column = "text" if source == "autograd" else source
            if source != first and column in COLUMNS:
                error = abs(slope - slopes[first]) / max(check.size[parameter], 1e-300)
                errors[column] = max(errors.get(column, 0.0), error)
    return errors


def outvoted(check):
    """Forms whose derivative a GradientCheck finds wrong: the text's own, by hand, naive."""
    sources = {source for found in check.wrong.values() for source in found}
    forms = {"text"} if "autograd" in sources else set()
    if {"by hand", "naive"} <= sources:
        return forms | {"text"}  # two restatements against the text
    return forms | (sources & {"by hand", "naive"})


def faults(measured):
    """Faults of these units, in their order; what rests on one is not judged."""
    found, known = [], set()
    for unit in measured:
        own = {
            form: {n: f for n, f in uses.items() if n not in known}
            for form, uses in unit.uses.items()
        }
        everything = {n for uses in unit.uses.values() for n in uses}
        known |= everything
        if not unit.wrong:
            continue
        blamed = [fault for fault in found if everything & set(fault.suspects)]
        for fault in blamed:
            fault.later.append(unit.name)
        if not blamed:
            forms = [form for form in unit.wrong if own.get(form)] or list(unit.wrong)
            suspects = {
                n: f
                for form in forms
                for n, f in (own.get(form) or unit.uses.get(form, {})).items()
            }
            found.append(Fault(unit, suspects, []))
    return found


def used_by(problem):
    """Functions and constants of the package that each form uses, the naive ones included."""
    forms = dict(zip(FORMS, (problem.text, problem.hand, problem.naive), strict=True))
    uses = {}
    for form, f in forms.items():
        if f is not None:
            uses[form] = {}
            reach(f, uses[form], [naive] if form == "naive" else [])
    if problem.x:
        uses["text"][name_of(value_and_grad, "")] = value_and_grad
        reach(value_and_grad, uses["text"], [])
    mine = ("lvgts_np.paper.", "lvgts_np.adjoint.", "naive.")
    return {
        form: {n: f for n, f in found.items() if n.startswith(mine)} for form, found in uses.items()
    }


def reach(f, found, modules):
    """Add what f uses, and what that uses, to found: name -> object."""
    f = getattr(f, "fun", f)  # behind an operation of autograd
    for g in [*vars(f).values()] if isinstance(f, type) else [f]:
        if not hasattr(g, "__code__"):
            continue
        names = names_in(g.__code__)
        cells = (cell.cell_contents for cell in g.__closure__ or ())
        scope = g.__globals__ | dict(zip(g.__code__.co_freevars, cells, strict=True))
        reachable = {n: scope[n] for n in names if n in scope}
        for module in [*reachable.values(), *modules]:
            if isinstance(module, ModuleType) and module.__name__.startswith(("lvgts_np", "naive")):
                reachable |= {n: getattr(module, n) for n in names if hasattr(module, n)}
        for n, value in reachable.items():
            name = name_of(value, n)
            if name and name not in found:
                found[name] = value
                reach(value, found, modules)


def names_in(code):
    """Global names, attributes and closure variables of a code object and of those inside it."""
    inside = [names_in(c) for c in code.co_consts if hasattr(c, "co_names")]
    return {*code.co_names, *code.co_freevars}.union(*inside)


def name_of(value, name):
    """Dotted name of a function, class or fixed number; None for anything else."""
    value = getattr(value, "fun", value)
    if callable(value) and hasattr(value, "__module__") and hasattr(value, "__name__"):
        return f"{value.__module__}.{value.__name__}"
    return f"lvgts_np.paper.constants.{name}" if hasattr(constants, name) else None


def raised_in(error):
    """File and function of the package, or of the tests, in which an exception was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    inside = [
        f
        for f in frames
        if Path(f.filename).is_relative_to(PACKAGE) and "check" not in Path(f.filename).parts
    ]
    frame = (inside or frames)[-1]
    return f"{Path(frame.filename).name}:{frame.lineno} {frame.name}"
