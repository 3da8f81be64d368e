"""The annotated LVGTS: one self-contained HTML page of all rows of the ledger, from the source."""

import inspect
import itertools
import re
from collections import Counter
from pathlib import Path
from string import Template
from typing import NamedTuple

from ledger import source
from ledger.markup import anchor, documented, escape, folded, formula, inline, link, markdown
from ledger.measure import COLUMNS
from ledger.report import UNJUDGED, WRONG, status, verdict
from ledger.rows import ROWS
from ledger.uses import FORMS, naive_of

PARTS = {
    "Eq.": "Equations 1 to 7",
    "A.2": "Losses of the model",
    "§": "Transitions, tasks, truncation",
    "Alg. 1": "Algorithm 1",
    "Alg. 2": "Algorithm 2: encoder with sparse attention",
    "": "Figures and first weights",
}
SHORT = 8  # lines of text that may stand on the page twice
# Backward passes by hand, whose trailing comments are the forward lines that they transpose.
BACKWARD = re.compile(r"adjoint\..*(_adjoint|mlp_gradient|block_gradient|fit|grad|credit|imagine)$")
COMMENT = re.compile(r"(.*\S)  # (?!\([A-Z])(.*)")  # those of a shape, "(S, B, H)", stay
PAGE = Template(Path(__file__).with_suffix(".html").read_text())


class Book(NamedTuple):
    """What all parts of the page are made from."""

    measured: dict  # name -> Measured
    found: list  # of Fault
    suspects: set  # names
    homes: dict  # function -> tag of the row, or name of the part, that shows it as a whole
    meant: dict  # (function, line number) -> tags of the rows that mean this line


def page(measured, found):
    """The page, of units measured (name -> Measured) and the faults found among them."""
    suspects = {name for fault in found for name in fault.names}
    book = Book(measured, found, suspects, homes(measured), meant())
    contents, body = [], []
    for part, rows in itertools.groupby(ROWS, part_of):
        rows = list(rows)
        links = "\n".join(
            f"<li>{link(row.tag)} {row.what} {state(status(row, found))}</li>" for row in rows
        )
        contents.append(f"<h2>{link(PARTS[part])}</h2>\n<ul>\n{links}\n</ul>")
        body.append(f'<h2 id="{anchor(PARTS[part])}">{PARTS[part]}</h2>')
        for form, root in FORMS.items():
            wholes = [n for n, home in book.homes.items() if home == part and n.startswith(root)]
            body += functions(form, wholes, part, book)
        body += [section(row, book) for row in rows]
    return PAGE.substitute(
        style=Path(__file__).with_suffix(".css").read_text(),
        state="wrong" if found else "right",
        faults="".join(described(fault, book) for fault in found),
        verdict=escape(verdict(measured, found).partition(". ")[0]),
        contents="\n".join(contents),
        body="\n".join(body),
    )


def part_of(row):
    return next(part for part in PARTS if row.tag.startswith(part))


def homes(measured):
    """Where each function is shown as a whole: in the first row that names it so.

    One of which rows name lines only is shown at the head of the part with most of these, a naive
    restatement with the text of its name.
    """
    found, lines, restated = {}, {}, {}
    for row in ROWS:
        for name in row.text + row.hand:
            dotted, _, words = name.partition(" # ")
            lines.setdefault(dotted, Counter())[part_of(row)] += 1
            if not words:
                found.setdefault(name, row.tag)
        restated |= {name: row.tag for name in naive_of(row, measured) if name not in restated}
    found |= {n: c.most_common(1)[0][0] for n, c in lines.items() if n not in found}
    texts = {n.split(".")[-1]: home for n, home in found.items() if not n.startswith("adjoint.")}
    texts = {n.split("_")[-1]: home for n, home in texts.items()} | texts  # losses, model_losses
    return found | {n: texts.get(n.split(".")[-1], tag) for n, tag in restated.items()}


def meant():
    """Tags of the rows that mean a line, by function and line number."""
    found = {}
    for row in ROWS:
        for name in row.text + row.hand:
            s = source.source(name)
            if s.at != s.first:
                found.setdefault((name.partition(" # ")[0], s.at), []).append(row.tag)
    return found


def section(row, book):
    """One row: equation and readings beside the code, then errors and tests."""
    names, restated = row.text + row.hand, naive_of(row, book.measured)
    restated += [n for n, h in book.homes.items() if h == row.tag and n not in restated + names]
    notes = [
        f"<p><b>{i}</b> The paper: {inline(paper)}. <b>Here:</b> {inline(here)}.</p>"
        for i, (paper, here) in source.readings(names).items()
    ]
    code = []
    for form, chosen in zip(FORMS, (row.text, row.hand, restated), strict=True):
        code += functions(form, chosen, row.tag, book)
    tests = [f"<code>{test}</code>" for test in source.tests_of(names)]
    return f"""<section id="{anchor(row.tag)}">
<div class="head">
<h3>{link(row.tag)} {row.what} {state(status(row, book.found))}</h3>
{formula(row.latex)}
{"".join(notes)}
</div>
<div class="body">
{"".join(described(fault, book) for fault in book.found if fault.unit.name in row.units)}
{chr(10).join(code)}
{errors([book.measured[name] for name in row.units if name in book.measured], book.found)}
{folded(f"Tests that use these functions: {len(tests)}", "<br>".join(tests)) if tests else ""}
</div>
</section>"""


def functions(form, names, here, book):
    """Functions of one form below its heading."""
    heading = f"<h4>{form.capitalize()}</h4>"
    return [heading, *(function(name, here, book) for name in names)] if names else []


def function(name, here, book):
    """A function: as a whole where it is at home, else the line that is meant and a link."""
    dotted, _, words = name.partition(" # ")
    s, lines, docs = source.source(name), source.code(name), ""
    at, ident = s.at if words else None, ""
    mark = state("suspect") if dotted in book.suspects else ""
    title = f"<code>{name if name.startswith('naive.') else s.name}</code>"
    if book.homes[dotted] == here:
        ident = f' id="{anchor(dotted)}"'
        docs = documented(inspect.getdoc(source.find(dotted)) or "")
        for text in source.derivation([dotted]):
            docs += folded("Derivation", markdown(text.partition("\n")[2]))
    else:
        if words:
            i = [n for n, _ in lines].index(s.at)
            lines = lines[max(i - 2, 0) : i + 3]
        elif len(lines) > SHORT or not dotted.startswith("paper."):
            lines = []
        title = f'<a href="#{anchor(dotted)}">{title}</a>'
    return f"""<div class="{"function" if lines else "elsewhere"}"{ident}>
<p class="caption">{title} <span class="place">{s.path}:{s.at}</span> {mark}</p>
{docs}
{listing(dotted, lines, at, here, book) if lines else ""}
</div>"""


def listing(dotted, lines, at, here, book):
    """Numbered lines; of a backward pass by hand, beside the forward lines that they transpose."""
    rows, backward = [], BACKWARD.match(dotted) and any(COMMENT.fullmatch(x) for _, x in lines)
    for n, line in lines:
        commented = COMMENT.fullmatch(line) if backward else None
        line, forward = commented.groups() if commented else (line, "")
        tags = [tag for tag in book.meant.get((dotted, n), ()) if tag != here]
        line = escape(line) + "".join(f' <span class="tag">{link(tag)}</span>' for tag in tags)
        indent = len(line) - len(line.lstrip())
        cells = f'<td class="n">{n}</td>'
        cells += f'<td class="forward">{escape(forward)}</td>' if backward else ""
        cells += f'<td class="line" style="--i:{indent}">{line}</td>'
        rows.append(f'<tr class="meant">{cells}</tr>' if n == at else f"<tr>{cells}</tr>")
    head = "<tr><th></th><th>forward line</th><th>backward line, its transpose</th></tr>"
    kind = "listing backward" if backward else "listing"
    return f'<table class="{kind}">{head * bool(backward)}{"".join(rows)}</table>'


def errors(units, found):
    """Table of the units' largest errors."""
    later = {name for fault in found for name in fault.later}
    heads = [f"{column}<br><i>≤ {bound:.0e}</i>" for column, bound in COLUMNS.items()]
    heads = "".join(f'<th scope="col">{name}</th>' for name in ("formula", *heads, "seconds"))
    rows = []
    for unit in units:
        word = UNJUDGED if unit.name in later else WRONG if unit.wrong else ""
        of = "by hand" if "by hand" in unit.uses else "text"
        cells = [f'<th scope="row">{inline(unit.title)} <i>{of}</i> {state(word)}</th>']
        for column, bound in COLUMNS.items():
            shown = number(unit.errors.get(column), bound)
            cells.append(f'<td data-name="{column}">{shown}</td>')
        cells.append(f'<td data-name="seconds">{unit.seconds:.1f}</td>')
        rows.append(f"<tr>{''.join(cells)}</tr>")
    return f'<h4>Errors against</h4>\n<table class="errors"><tr>{heads}</tr>{"".join(rows)}</table>'


def number(error, bound):
    """An error, with a word where it is not within its bound."""
    if error is None:
        return ""
    return f"{error:.0e} {'' if error <= bound else state(WRONG)}" if error else "0"


def described(fault, book):
    """A fault: the messages, and the functions in which it can be."""
    links = [link(name, name) if name in book.homes else escape(name) for name in fault.names]
    listed = "".join(f"<li><code>{escape(message)}</code></li>" for message in fault.messages)
    later = f"<p>{UNJUDGED}, as they use it: {', '.join(fault.later)}</p>" if fault.later else ""
    return f"""<div class="fault"><p>{state(WRONG)} {inline(fault.unit.title)}</p>
<p>{fault.forms}, in: {", ".join(links)}</p>
<ul>{listed}</ul>{later}</div>"""


def state(word):
    kind = {WRONG: "wrong", "suspect": "wrong", UNJUDGED: "unjudged"}.get(word, "right")
    return f'<strong class="{kind}">{word.lower()}</strong>' if word else ""
