"""Each formula in its three forms, held against each other on random problems.

A unit of `equations` gives one formula as text, by hand and as a naive restatement, whichever there
are. They vote on its value and on its derivatives.
"""

import inspect
import time
import traceback
from pathlib import Path
from typing import NamedTuple

import naive
import numpy as np
from draws import Case
from equations import UNITS

from ledger.uses import used_by
from lvgts_np import paper
from lvgts_np.check import check_gradient

COLUMNS = {"text": 1e-10, "complex step": 1e-10, "differences": 1e-6, "naive": 1e-10}  # bounds
ROUNDED = 1e-13  # a slope that is zero but for rounding; those of the problems are about 1
CASES = (  # every switch both ways, few memories and many
    Case(T=7, O=3, A=2, k=2, N=3, reward_loss="hurdle", seed=10),
    Case(T=8, H=4, k=3, N=4, rule="sab", store="after", gamma=0.8, seed=11),
    Case(T=6, k=9, N=2, encoder_N=3, count_from=1, lm_svg=True, gamma=0.9, scale=0.5,
         reward_loss="weighted", seed=12),
    Case(T=7, B=3, k=2, N=2, count_from=1, combine="add", reward_units="relu", seed=13),
    Case(T=5, S=1, k=1, N=9, encoder_N=9, store="after", combine="add", seed=18),
    Case(T=8, k=3, N=4, encoder_N=4, scale=0.25, reward_loss="hurdle", seed=15),
    Case(T=5, S=1, B=1, k=1, rule="sab", N=2, reward_units="relu", seed=16),
    Case(T=7, A=2, k=2, N=3, transition="latent", scale=0.5, reward_loss="weighted", seed=17),
    Case(T=6, k=2, N=3, transition="latent", lm_svg=True, combine="add", scale=0.5, seed=20),
)  # fmt: skip


class Measured(NamedTuple):
    """What one unit showed."""

    name: str
    title: str
    errors: dict  # column -> largest relative error
    wrong: dict  # form, "text", "by hand" or "naive" -> messages
    uses: dict  # form -> functions and fixed numbers of the package, name -> object
    raised: str | None  # the function that raised an exception
    seconds: float


def measure(name, cases=CASES):
    """Errors and votes of one unit, the worst over its problems."""
    start, unit = time.perf_counter(), UNITS[name]
    errors, wrong, uses, raised = {}, {}, {}, None
    with np.errstate(all="ignore"):
        for case in cases:
            try:
                problem = unit(case)
                for form, found in used_by(problem).items():
                    uses[form] = uses.get(form, {}) | found
                found, votes, _ = compare(problem, name, case.seed)
            except Exception as error:  # of any kind: a formula that fails is wrong
                raised, message = raised_in(error)
                found, votes = {}, dict.fromkeys(uses or ("text",), [message])
            errors = worst(errors, found)
            for form, messages in votes.items():
                wrong.setdefault(form, []).extend(f"{m} ({switches(case)})" for m in messages)
    title = inspect.getdoc(unit).splitlines()[0]
    return Measured(name, title, errors, wrong, uses, raised, time.perf_counter() - start)


def worst(*errors):
    """The largest of errors by column."""
    columns = dict.fromkeys(column for found in errors for column in found)
    return {x: max(found[x] for found in errors if x in found) for x in columns}


def switches(case):
    """Sizes and switches of a problem that choose a branch, as text."""
    algo = "LM-SVG" if case.lm_svg else "LVGTS"
    first = f"N = {case.N} from {case.count_from}"
    reward = case.reward_units, case.reward_loss
    words = case.rule, case.store, case.combine, case.transition, *reward, algo
    return f"k = {case.k}, {first}, {', '.join(words)}"


def compare(problem, name, seed, random=False):
    """Largest relative errors by column, messages by the form that is outvoted, if that is known.

    Problems are random, or are those of the ledger: there nothing is set aside, and all is known.
    """
    x, text, hand, known = problem.x, problem.text, problem.hand, True
    restated = {"naive": lambda x: problem.naive(naive, x)} if problem.naive else {}
    y = np.asarray(text(x))
    c = np.random.default_rng(seed).standard_normal(y.shape)
    values = {"text": y} | {form: np.real(f(x)) for form, f in restated.items()}
    value, gradient = hand(x, c) if hand else (None, None)
    if value is not None:
        values["by hand"] = np.asarray(value)
    errors, votes = compare_values(values)
    if x and not votes:
        by_hand = None if gradient is None else lambda x, c: hand(x, c)[1]
        check = check_gradient(text, x, by_hand, restatements=restated, name=name, seed=seed)
        known = check.conclusive
        errors = worst(errors, compare_slopes(check, random))
        votes = {form: [repr(check)] for form in outvoted(check)}
    return errors, votes, known


def compare_values(values):
    """Errors and votes on the value of a formula, given as form -> array."""
    first = "by hand" if "by hand" in values else "text"
    size = max(np.max(np.abs(values[first]), initial=0.0), 1e-300)

    def apart(a, b):
        return distance(values[a], values[b]) / size

    errors = {form: apart(first, form) for form in values if form != first}
    odd = odd_ones(list(values), lambda a, b: apart(a, b) <= COLUMNS["text"])
    return errors, {form: [describe(values)] for form in odd}


def distance(a, b):
    """Largest difference; infinite where shapes differ or a number is not finite."""
    if a.shape != b.shape or not np.all(np.isfinite(a - b)):
        return np.inf
    return np.max(np.abs(a - b), initial=0.0)


def odd_ones(forms, agree):
    """The forms that no other agrees with: one, or all."""
    return [a for a in forms if len(forms) > 1 and not any(agree(a, b) for b in forms if b != a)]


def describe(values):
    """The entry in which the values of a formula are furthest apart, by each form."""
    shapes = {form: y.shape for form, y in values.items()}
    if len(set(shapes.values())) > 1:
        return "the value: " + ", ".join(f"{form} {shape}" for form, shape in shapes.items())
    spread = np.max(list(values.values()), axis=0) - np.min(list(values.values()), axis=0)
    spread = np.where(np.isfinite(spread), spread, np.inf)
    at = np.unravel_index(np.argmax(spread), spread.shape)
    size = np.max([np.abs(y[np.isfinite(y)]).max(initial=0.0) for y in values.values()])
    each = ", ".join(f"{form} {y[at]:.9g}" for form, y in values.items())
    n = np.count_nonzero(spread > COLUMNS["text"] * size)
    return f"the value: {each} (entry {tuple(map(int, at))}; {n} of {spread.size} differ)"


def compare_slopes(check, random):
    """Largest relative errors by column of what is by hand, or else of autograd's gradient.

    Differences count where they know a slope, which near a branch they do not, and slopes where
    they are not zero but for rounding. Unless the problem is random, what is above its bound is
    wrong also where the check allows for rounding.
    """
    errors = {}
    for p, slopes in check.slopes.items():
        if check.size[p] < ROUNDED or "autograd" not in slopes:  # of another shape, and so wrong
            continue
        first, truth = "by hand" if "by hand" in slopes else "autograd", slopes["complex step"]
        for source, slope in slopes.items():
            column = "text" if source == "autograd" else source
            error = abs(slope - slopes[first]) / check.size[p]
            if source != first and (source != "differences" or error <= COLUMNS[source]):
                errors = worst(errors, {column: error})
            exact = not random and source not in ("complex step", "differences")
            if exact and not abs(slope - truth) <= COLUMNS["text"] * check.size[p]:
                check.wrong[p] = [*check.wrong.get(p, ()), source]
    return errors


def outvoted(check):
    """Forms whose derivative is wrong: the text's by autograd, by hand, naive.

    Where only one restates the text, and differs from its complex step, either may be wrong; where
    both do, the text is.
    """
    sources = {source for found in check.wrong.values() for source in found}
    given = {source for slopes in check.slopes.values() for source in slopes}
    forms = {"text"} if "autograd" in sources else set()
    restated = sources & {"by hand", "naive"}
    if len(restated) == 2 or (restated == {"naive"} and "by hand" not in given):
        forms.add("text")
    return forms | (restated if len(restated) < 2 else set())


def raised_in(error):
    """Function of paper or adjoint that raised an exception, None for any other; and a message."""
    frames = [(frame.f_code, n) for frame, n in traceback.walk_tb(error.__traceback__)]
    folders = [Path(paper.__file__).parents[1] / name for name in ("paper", "adjoint")]
    inside = [(code, n) for code, n in frames if Path(code.co_filename).parent in folders]
    if not inside:  # what a formula returned was of no use to the check
        return None, f"what it returns cannot be compared: {error!r}"
    code, n = inside[-1]
    path, function = Path(code.co_filename), code.co_qualname.partition(".<locals>")[0]
    name = f"lvgts_np.{path.parent.name}.{path.stem}.{function}"
    return name, f"{path.name}:{n}, {code.co_name}: {error!r}"
