"""Functions that a formula uses, and what a fault is put down to.

Units stand from the bottom up. A fault is put down to the functions that no unit before it has
used; units that use one of these are not judged.
"""

import dis
import inspect
from types import ModuleType
from typing import NamedTuple

import naive

from lvgts_np.paper import constants
from lvgts_np.paper.autodiff import value_and_grad

FORMS = {"text": "paper.", "by hand": "adjoint.", "naive restatement": "naive."}  # and its names


class Fault(NamedTuple):
    """A unit that failed while all that it uses besides the suspects is right."""

    unit: object  # Measured
    suspects: dict  # name -> function or fixed number
    later: list  # names of the units that use one of these

    @property
    def names(self):
        """Names of the suspects, those of the package below lvgts_np."""
        return [name.removeprefix("lvgts_np.") for name in self.suspects]

    @property
    def forms(self):
        """Forms that the suspects are of, in words; what is by no hand and not naive is text."""
        found = {
            next((form for form, start in FORMS.items() if name.startswith(start)), "text")
            for name in self.names
        }
        return " or ".join(form for form in FORMS if form in found)

    @property
    def messages(self):
        """What the unit showed, at most three messages."""
        return list(dict.fromkeys(m for found in self.unit.wrong.values() for m in found))[:3]


def faults(measured):
    """Faults of these units, given in their order."""
    found, known = [], set()
    for unit in measured:
        own = {
            form: {n: f for n, f in u.items() if n not in known} for form, u in unit.uses.items()
        }
        everything = {unit.raised}.union(*unit.uses.values())
        known |= everything
        if not unit.wrong:
            continue
        before = [fault for fault in found if everything & set(fault.suspects)]
        for fault in before:
            fault.later.append(unit.name)
        if not before:
            found.append(Fault(unit, suspects(unit, own), []))
    return [settled(fault, measured) for fault in found]


def settled(fault, measured):
    """A fault of text or naive restatement, settled where the text also differs by hand.

    By hand it is held against the text in a later unit.
    """
    by_hand = {unit.name for unit in measured if "by hand" in unit.wrong}
    mine = {n: f for n, f in fault.suspects.items() if not n.startswith("naive.")}
    return fault._replace(suspects=mine) if mine and by_hand & {*fault.later} else fault


def suspects(unit, own):
    """What may be wrong: of the forms that are outvoted, what is new in this unit."""
    if unit.raised:
        return {unit.raised: None}
    forms = [form for form in unit.wrong if own.get(form)] or list(unit.wrong)
    found = {}
    for form in forms:
        found |= own.get(form) or unit.uses.get(form, {})
    return {n: f for n, f in found.items() if not isinstance(f, type) and "__" not in n} or found


def used_by(problem):
    """Functions and fixed numbers of the package, and of naive, that each form uses, by name."""
    forms = {"text": problem.text, "by hand": problem.hand, "naive": problem.naive}
    uses = {form: {} for form, f in forms.items() if f is not None}
    for form, found in uses.items():
        reach(forms[form], found, naive if form == "naive" else None)
        reach_methods(forms[form], found)
    if problem.x:
        uses["text"][name_of(value_and_grad, "")] = value_and_grad
        reach(value_and_grad, uses["text"])
    mine = ("lvgts_np.", "naive.")
    return {
        form: {n: f for n, f in found.items() if n.startswith(mine)} for form, found in uses.items()
    }


def naive_of(row, measured):
    """Naive restatements that a row's units use, without those that another of these uses."""
    used, below = {}, {"naive.seed_of": None}
    for name in row.units:
        used |= measured[name].uses.get("naive", {}) if name in measured else {}
    used = {n: f for n, f in used.items() if inspect.isfunction(f)}
    for f in used.values():
        reach(f, below)
    return [name for name in used if name not in below]


def reach(f, found, handed=None):
    """Add what f uses, and what that uses, to found: name -> object.

    Of a module that f is handed any attribute counts as used whose name it reads.
    """
    f = getattr(f, "fun", f)  # behind an operation of autograd
    if not hasattr(f, "__code__"):
        return
    cells = (cell.cell_contents for cell in f.__closure__ or ())
    scope = f.__globals__ | dict(zip(f.__code__.co_freevars, cells, strict=True))
    for n, value in read_by(f.__code__, scope, handed):
        name = name_of(value, n)
        if name and name not in found:
            found[name] = value
            reach(value, found, handed)


def reach_methods(f, found):
    """Add the methods, of classes found, of which f and what is found read an attribute's name."""
    codes = [g.__code__ for g in (f, *found.values()) if hasattr(g, "__code__")]
    attributes = {name for code in codes for name in attributes_of(code)}
    kinds = [kind for kind in found.values() if isinstance(kind, type)]
    for method in (m for kind in kinds for m in vars(kind).values() if inspect.isfunction(m)):
        name = f"{method.__module__}.{method.__qualname__}"
        if name not in found and (method.__name__ in attributes or method.__name__[:2] == "__"):
            found[name] = method
            reach(method, found)
            return reach_methods(f, found)


def attributes_of(code):
    """Names of attributes that a code, or one inside it, reads."""
    for step in dis.get_instructions(code):
        if step.opname in ("LOAD_ATTR", "LOAD_METHOD"):
            yield step.argval
    for constant in code.co_consts:
        if hasattr(constant, "co_names"):
            yield from attributes_of(constant)


def read_by(code, scope, handed):
    """(name, value) of the globals, closure variables and attributes of modules in a code."""
    module = None
    for step in dis.get_instructions(code):
        if step.opname in ("LOAD_ATTR", "LOAD_METHOD"):
            for owner in (module, handed):
                if hasattr(owner, step.argval):
                    yield step.argval, getattr(owner, step.argval)
        value = scope.get(step.argval) if isinstance(step.argval, str) else None
        if step.opname in ("LOAD_GLOBAL", "LOAD_DEREF") and value is not None:
            yield step.argval, value
        module = value if isinstance(value, ModuleType) else None
    for constant in code.co_consts:
        if hasattr(constant, "co_names"):
            yield from read_by(constant, scope, handed)


def name_of(value, name):
    """Dotted name of a function, class or fixed number; None for anything else."""
    value = getattr(value, "fun", value)
    if callable(value) and hasattr(value, "__module__") and hasattr(value, "__name__"):
        return f"{value.__module__}.{value.__name__}"
    known = name.isupper() and hasattr(constants, name)
    return f"lvgts_np.paper.constants.{name}" if known else None
