"""Pages made from docs/lesson.py: `python docs/build_lesson.py [--check | --text]`.

Runs the lesson in full, about a minute, and writes docs/lesson.md with docs/lesson/*.png,
docs/lesson.ipynb, and docs/backward.gif. With --check it writes nothing, and exits with 1 where the
run differs from the pages. With --text it runs nothing: new text, the outputs that the pages have.
"""

import base64
import contextlib
import io
import itertools
import json
import os
import re
import sys
import types
from pathlib import Path
from typing import NamedTuple

DOCS = Path(__file__).resolve().parent
SOURCE, NOTEBOOK, PAGE = (DOCS / f"lesson.{kind}" for kind in ("py", "ipynb", "md"))
PICTURES, MOVIE = DOCS / "lesson", DOCS / "backward.gif"
TRAINED = (8, 9, 10, 11)  # sections whose numbers are those of trained agents
NUMBER = re.compile(r"(?<![\w.])[-+]?(?:\d+(?:,\d{3})+|\d*\.?\d+)(?:e[-+]?\d+)?(?![\w.]*\w)")
ROUNDING = 1e-6  # smaller numbers are rounding errors, which differ from processor to processor


class Cell(NamedTuple):
    """Cell of the lesson, "markdown" or "code"."""

    kind: str
    text: str
    line: int  # of the source where its text begins
    section: int  # the number in the last heading, 0 before the first


class Output(NamedTuple):
    """What a code cell printed, and its pictures: name -> (alternative text, PNG)."""

    text: str
    pictures: dict


def read_cells(source):
    """Cells of a source in percent format."""
    lines, cells, section = source.splitlines(), [], 0
    starts = [n for n, line in enumerate(lines) if line.startswith("# %%")]
    for start, end in itertools.pairwise([*starts, len(lines)]):
        kind = "markdown" if lines[start].endswith("[markdown]") else "code"
        text = "\n".join(lines[start + 1 : end]).strip()
        if kind == "markdown":
            text = re.sub(r"^# ?", "", text, flags=re.MULTILINE)
        if heading := re.match(r"## (\d+)\.", text):
            section = int(heading[1])
        cells.append(Cell(kind, text, start + 2, section))
    return cells


def run(cells, *arguments):
    """Run the cells in one namespace; yields (cell, Output or None, namespace) after each."""
    sys.path[:0] = [str(DOCS)] * (str(DOCS) not in sys.path)
    import lesson_tools

    # A module: a task is found by its name, and importing the lesson would run it once more.
    lesson = sys.modules["lesson"] = types.ModuleType("lesson")
    lesson.__file__, space = str(SOURCE), vars(lesson)
    lesson_tools.clock.clear()
    for cell in cells:
        output = None
        if cell.kind == "code":
            lesson_tools.shown.clear()
            with contextlib.redirect_stdout(io.StringIO()) as printed:
                execute(cell.text, space, cell.line, arguments)
            output = Output(printed.getvalue(), dict(lesson_tools.shown))
        yield cell, output, space


def execute(code, space, line=1, arguments=()):
    """Execute code of the lesson, which finds `arguments` in sys.argv."""
    before, sys.argv = sys.argv, [str(SOURCE), *arguments]
    try:
        exec(compile("\n" * (line - 1) + code, SOURCE, "exec"), space)
    finally:
        sys.argv = before


def notebook(results):
    """Notebook (nbformat 4.5) of (cell, Output) pairs, as a dict."""
    cells, count = [], itertools.count(1)
    for n, (cell, output) in enumerate(results):
        made = {"cell_type": cell.kind, "id": f"cell-{n}", "metadata": {}}
        made["source"] = cell.text.splitlines(keepends=True)
        if cell.kind == "code":
            made |= {"execution_count": next(count), "outputs": outputs(output)}
        cells.append(made)
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def outputs(output):
    """Outputs of a code cell as the notebook format has them; a picture's name is metadata."""
    made = []
    if output.text:
        lines = output.text.splitlines(keepends=True)
        made.append({"name": "stdout", "output_type": "stream", "text": lines})
    for name, (text, png) in output.pictures.items():
        data = {"image/png": base64.b64encode(png).decode() + "\n", "text/plain": [text]}
        made.append({"data": data, "metadata": {"name": name}, "output_type": "display_data"})
    return made


def saved_results(notebook):
    """(Cell, Output) pairs of a notebook; lines of the source are not known."""
    results, section = [], 0
    for cell in notebook["cells"]:
        text, output = "".join(cell["source"]), None
        if heading := re.match(r"## (\d+)\.", text):
            section = int(heading[1])
        if cell["cell_type"] == "code":
            streams = [o for o in cell["outputs"] if o["output_type"] == "stream"]
            shown = [o for o in cell["outputs"] if o["output_type"] == "display_data"]
            pictures = {
                o["metadata"]["name"]: (o["data"]["text/plain"][0], picture(o)) for o in shown
            }
            output = Output("".join(line for o in streams for line in o["text"]), pictures)
        results.append((Cell(cell["cell_type"], text, 0, section), output))
    return results


def picture(output):
    return base64.b64decode(output["data"]["image/png"])


def page(results):
    """Page for GitHub of (cell, Output) pairs."""
    parts = []
    for cell, output in results:
        if cell.kind == "markdown":
            parts.append(cell.text)
            continue
        parts.append(f"```python\n{cell.text}\n```")
        if output.text:
            parts.append(f"```text\n{output.text.rstrip()}\n```")
        parts += [f"![{text}](lesson/{name}.png)" for name, (text, _) in output.pictures.items()]
    return "\n\n".join(parts) + "\n"


def differences(saved, found, loose=()):
    """Lines that say where printed outputs differ; of sections in loose only numbers may."""
    wrong = []
    for (cell, old), (_, new) in zip(saved, found, strict=True):
        if cell.kind == "code":
            told = f"section {cell.section}, cell of {cell.text.splitlines()[0]!r}"
            if list(old.pictures) != list(new.pictures):
                wrong.append(f"{told}: pictures {list(old.pictures)} are now {list(new.pictures)}")
            if not same(old.text, new.text, cell.section in loose):
                wrong.append(f"{told} printed\n{old.text}and prints\n{new.text}")
    return wrong


def same(old, new, loose=False):
    """Whether two texts are the same but for spaces and the rounding of numbers, or any number."""
    if NUMBER.sub("#", " ".join(old.split())) != NUMBER.sub("#", " ".join(new.split())):
        return False
    pairs = zip(NUMBER.findall(old), NUMBER.findall(new), strict=True)
    return loose or all(close(x, y) for x, y in pairs)


def close(x, y):
    """Whether two numbers as printed differ by one in the last digit at most, or by rounding."""
    units = last_digit(x), last_digit(y)
    unit = max(units) if min(units) else 0.0  # a whole number is exact, as an exact 0 is
    small = max(abs(value(x)), abs(value(y))) < ROUNDING
    return small or abs(value(x) - value(y)) <= 1.5 * unit


def value(text):
    return float(text.replace(",", ""))


def last_digit(text):
    """Unit of the last digit of a number as printed, 0 for a whole number."""
    digits, _, exponent = text.partition("e")
    places = len(digits.partition(".")[2])
    return 10.0 ** (int(exponent or 0) - places) if places or exponent else 0.0


def write(results):
    """Write the notebook, the page and its pictures."""
    NOTEBOOK.write_text(json.dumps(notebook(results), indent=1, ensure_ascii=False) + "\n")
    PAGE.write_text(page(results))
    PICTURES.mkdir(exist_ok=True)
    for path in PICTURES.glob("*.png"):
        path.unlink()
    for name, (_, png) in itertools.chain(*(o.pictures.items() for _, o in results if o)):
        (PICTURES / f"{name}.png").write_bytes(png)


def with_new_text(cells, saved):
    """The saved results with the text of these cells; ValueError where their code is another."""
    codes = [[c.text for c in some if c.kind == "code"] for some in (cells, [c for c, _ in saved])]
    if codes[0] != codes[1]:
        raise ValueError("code was changed: run without --text")
    outputs = iter([output for _, output in saved if output])
    return [(c, next(outputs) if c.kind == "code" else None) for c in cells]


def main(option):
    cells, results = read_cells(SOURCE.read_text()), []
    if option == "--text":
        write(with_new_text(cells, saved_results(json.loads(NOTEBOOK.read_text()))))
        return 0
    for cell, output, space in run(cells):  # noqa: B007
        results.append((cell, output))
    if option == "--check":
        wrong = differences(saved_results(json.loads(NOTEBOOK.read_text())), results)
        print("\n".join(wrong) or "the pages are those of this run")
        return bool(wrong)
    write(results)
    from lesson_movie import animate, backward_pass

    animate([backward_pass(trainer) for trainer in space["learners"].values()], MOVIE)
    return 0


if __name__ == "__main__":
    option = " ".join(sys.argv[1:])
    if option not in ("", "--check", "--text"):
        sys.exit(f"unknown {option}: the options are --check and --text")
    # Trained numbers depend on how BLAS rounds: those of the pages are of one kernel, which every
    # x86-64 processor with AVX2 has. NumPy is not imported yet.
    os.environ |= {"OPENBLAS_CORETYPE": "Haswell", "OMP_NUM_THREADS": "1"}
    sys.exit(main(option))
