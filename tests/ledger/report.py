"""The ledger in a terminal, of the whole paper or of one equation, and the exit code."""

import re
from pathlib import Path

from equations import UNITS

from ledger import source
from ledger.measure import CASES, COLUMNS, measure, worst
from ledger.rows import ROWS
from ledger.uses import faults, naive_of
from lvgts_np.training.config import ConfigError, did_you_mean

HEADER = ("", "", "what", "text", "by hand", "reading", *COLUMNS, "tests", "s")
WRONG, UNJUDGED, RIGHT, UNMEASURED = "WRONG", "not judged", "right", "tests only"


def main(tag=None, html=None):
    """Print the ledger, or one equation of it, or write the page; returns the exit code."""
    rows = chosen(tag)
    if html is not None and not Path(html).absolute().parent.is_dir():
        raise ConfigError(f"--html {html}: there is no folder {Path(html).parent}")
    names = [name for name in UNITS if tag is None or any(name in row.units for row in rows)]
    measured = {name: measure(name) for name in names}
    if any(unit.wrong for unit in measured.values()):  # what it rests on may be what is wrong
        measured |= {name: measure(name) for name in UNITS if name not in measured}
    found = faults([measured[name] for name in UNITS if name in measured])
    if html is not None:
        from ledger.page import page

        Path(html).write_text(page(measured, found), encoding="utf-8")
    elif tag is not None:
        print("\n\n".join(equation(row, measured) for row in rows), end="\n\n")
    print(table([HEADER, *(entry(row, measured, found) for row in rows)]))
    print("\n" + verdict(measured, found))
    for fault in found:
        print("\n" + described(fault))
    return 1 if found else 0


def chosen(tag):
    """Rows of a tag, such as Eq.3 or "Alg. 1", or of a function; ConfigError if there are none."""
    if tag is None:
        return ROWS
    plain = lambda text: re.sub(r"\W", "", text).lower()  # noqa: E731
    rows = [row for row in ROWS if plain(row.tag) == plain(tag)]
    rows = rows or [row for row in ROWS if re.match(rf"{plain(tag)}(?!\d)", plain(row.tag))]
    for names_of in (functions, lambda row: row.units):
        rows = rows or [row for row in ROWS if tag in names_of(row)]
    if not rows:
        known = [row.tag for row in ROWS] + [name for row in ROWS for name in functions(row)]
        raise ConfigError(
            f"no equation or function {tag!r}{did_you_mean(tag, known)}; "
            f"such as Eq.3, Alg.1, 'Alg.2 l.5', read_adjoint; all: run.py check"
        )
    return rows


def functions(row):
    """Names of the functions of a row, text and by hand, without their modules."""
    return [name.partition(" # ")[0].split(".")[-1] for name in (*row.text, *row.hand)]


def entry(row, measured, found):
    """Cells of one row of the ledger."""
    units = [measured[name] for name in row.units if name in measured]
    errors = worst(*(unit.errors for unit in units))
    text, hand = (source.source(names[0]).place if names else "" for names in (row.text, row.hand))
    return (
        status(row, found),
        row.tag,
        row.what,
        text.removeprefix("lvgts_np/"),
        hand.removeprefix("lvgts_np/"),
        " ".join(source.readings((*row.text, *row.hand))),
        *(f"{errors[column]:.0e}" if column in errors else "" for column in COLUMNS),
        str(len(source.tests_of((*row.text, *row.hand)))),
        f"{sum(unit.seconds for unit in units):.1f}" if units else "",
    )


def status(row, found):
    """Whether a row is right, as far as is known."""
    if any(fault.unit.name in row.units for fault in found):
        return WRONG
    if any(name in row.units for fault in found for name in fault.later):
        return UNJUDGED
    return RIGHT if row.units else UNMEASURED


def table(rows):
    """Rows of text as aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def verdict(measured, found):
    """One line on all that was measured."""
    n, seconds = len(measured), sum(unit.seconds for unit in measured.values())
    bounds = f"{COLUMNS['text']:.0e}, of differences {COLUMNS['differences']:.0e}"
    result = f"{len(found)} wrong" if found else "all right"
    return (
        f"{result}: {n} formulas, {n * len(CASES)} random problems, {seconds:.0f} s. Errors are "
        f"relative, of what is by hand, else of the text, against each; the bound is {bounds}"
    )


def described(fault):
    """A fault: what each form gives, and the source of what may be wrong."""
    lines = [f"{WRONG} {fault.unit.title}", f"  {fault.forms}, in:"]
    lines += [f"  {name}  {source.source(name).place}" for name in fault.names]
    lines += [f"  {message}" for message in fault.messages]
    if fault.later:
        lines.append(f"  not judged, as they use it: {', '.join(fault.later)}")
    for name in fault.names:
        lines += ["", *listing(name)]
    return "\n".join(lines)


def listing(name):
    """Numbered source of a function, without its docstring."""
    return [f"{n:5d}  {line}" for n, line in source.code(name)]


def equation(row, measured):
    """An equation: LaTeX, readings, source as text, by hand and restated, derivation, tests."""
    parts = [f"{row.tag}: {row.what}\n  {row.latex}"]
    for i, (paper, here) in source.readings((*row.text, *row.hand)).items():
        parts.append(f"{i}  the paper: {paper}\n    here: {here}")
    restated = naive_of(row, measured)
    for form, names in (("text", row.text), ("by hand", row.hand), ("naive", restated)):
        for name in names:
            at = source.source(name)
            head = f"{form}: {at.name} ({at.place})"
            said = ["    " + line for line in "\n".join(source.equations(name)).splitlines()]
            parts.append("\n".join([head, *said, *listing(name)]))
    parts += [f"derivation: {text}" for text in source.derivation(row.hand)]
    tests = source.tests_of((*row.text, *row.hand))
    return "\n\n".join([*parts, "\n  ".join(["tests:", *tests])] if tests else parts)
