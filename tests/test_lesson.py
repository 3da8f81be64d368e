"""The lesson runs, its pages are those of its source, and its text says what its cells print."""

import contextlib
import io
import json
import os
import re
import subprocess
import sys
import tokenize
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"
with pytest.MonkeyPatch.context() as patch:
    patch.syspath_prepend(DOCS)
    import build_lesson
    from build_lesson import NUMBER, TRAINED, differences, read_cells, saved_results

SOURCE = (DOCS / "lesson.py").read_text()
CELLS = read_cells(SOURCE)
SAVED = saved_results(json.loads((DOCS / "lesson.ipynb").read_text()))
SECTIONS = range(1, 13)


def solutions(text):
    """Python examples in a markdown cell."""
    return re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def short():
    """The lesson run with --short: (cell, output) pairs, and [(cell, printed)] of its solutions."""
    results, solved, path = [], [], sys.path.copy()
    for cell, output, space in build_lesson.run(CELLS, "--short"):
        results.append((cell, output))
        for code in solutions(cell.text) if cell.kind == "markdown" else ():
            with contextlib.redirect_stdout(io.StringIO()) as printed:
                build_lesson.execute(code, dict(space))
            solved.append((cell, printed.getvalue()))
    sys.path[:] = path
    return results, solved


def test_it_prints_what_the_pages_say(short):
    assert "\n".join(differences(SAVED, short[0], loose=TRAINED)) == ""


def test_the_solutions_run_and_all_exercises_have_one(short):
    exercises = [cell for cell in CELLS if "**Exercise.**" in cell.text]
    assert len(exercises) >= 5
    assert all(cell in [solved for solved, _ in short[1]] for cell in exercises)


def test_the_numbers_of_the_text_are_printed(short):
    for section in SECTIONS:
        printed = [o.text for cell, o in SAVED if o and cell.section == section]
        printed += [text for cell, text in short[1] if cell.section == section]
        stated = [cell.text for cell in CELLS if cell.kind == "code" and cell.section == section]
        text = "\n".join(c.text for c in CELLS if c.kind == "markdown" and c.section == section)
        assert unfounded(text, "\n".join(printed), "\n".join(stated)) == [], f"section {section}"


FILLING = re.compile("a|about|all|and|are|as|at|by|from|in|is|it|its|of|on|that|the|to|with", re.I)
TOKEN = re.compile(rf"{NUMBER.pattern}|[^\W\d][\w'-]*")


def unfounded(text, printed, code):
    """Numbers of a text that no cell computes.

    A decimal has to be printed, but for rounding, after the word or number it has before it in the
    text; a whole number printed anywhere, or to stand in the code. Formulas, which are in
    backticks, and references such as Equation 3 count as no numbers.
    """
    for reference in (
        r"^```.*?^```", r"`[^`]*`", r"\]\([^)]*\)", r"^## \d+\.", r"^\*\*\d+\.\*\*",
        r"(Equation|Algorithm|[Ss]ections?) \d+( (and|to) \d+)?",
    ):  # fmt: skip
        text = re.sub(reference, "", text, flags=re.MULTILINE | re.DOTALL)
    shown, tokens = with_word_before(printed), tokenize.generate_tokens(io.StringIO(code).readline)
    whole = {int(t.string) for t in tokens if t.type == tokenize.NUMBER and is_whole(t.string)}
    whole |= {build_lesson.value(x) for _, x in shown}
    return [
        number
        for before, number in with_word_before(text)
        if not (
            build_lesson.value(number) in whole
            if is_whole(number)
            else any(rounded(x, number) and alike(word, before) for word, x in shown)
        )
    ]


def with_word_before(text):
    """Numbers of a text, each with the word or number before it, words such as "of" left out."""
    tokens = [token for token in TOKEN.findall(text) if not FILLING.fullmatch(token)]
    return [(w, x) for w, x in zip(["", *tokens], tokens, strict=False) if NUMBER.fullmatch(x)]


def alike(printed, told):
    if NUMBER.fullmatch(printed) and NUMBER.fullmatch(told):
        return rounded(printed, told)
    return printed.lower() == told.lower()


def is_whole(number):
    return re.fullmatch(r"[-+]?[\d_,]+", number) is not None


def rounded(printed, told):
    """Whether a number in the text is one that is printed, rounded to its digits."""
    half = 0.5001 * (build_lesson.last_digit(told) or 1e-9)
    return abs(build_lesson.value(printed) - build_lesson.value(told)) <= half


def test_a_number_that_nothing_prints_is_found():
    printed = "the oracle earns 1.9982 and 1.1, of 10,000 episodes: 0.25"
    code = "k = 3  # and 7"
    assert unfounded("earns 1.998, 1.10; 10,000, k = 3, `5 x`, Equation 9", printed, code) == []
    wrong = ["1.997", "1.9983", "10,001", "7", "0.25", "4"]
    assert unfounded(f"earns {', '.join(wrong)}", printed, code) == wrong


def test_the_notebook_has_the_cells_of_the_source():
    assert [(c.kind, c.text) for c, _ in SAVED] == [(c.kind, c.text) for c in CELLS]


def test_the_notebook_and_the_page_are_written_from_the_same_results():
    file = json.loads((DOCS / "lesson.ipynb").read_text())
    assert build_lesson.notebook(SAVED) == file
    assert build_lesson.page(SAVED) == (DOCS / "lesson.md").read_text()
    pictures = {name: png for _, o in SAVED if o for name, (_, png) in o.pictures.items()}
    files = {path.stem: path.read_bytes() for path in (DOCS / "lesson").iterdir()}
    assert files == pictures
    assert all(len(png) < 80_000 for png in files.values())


def test_it_has_twelve_sections_of_a_screen():
    headings = [cell.text for cell in CELLS if cell.text.startswith("## ")]
    assert [int(text[3:].partition(".")[0]) for text in headings] == [*SECTIONS]
    assert all(len(text.splitlines()) <= 25 for text in headings[:-1])
    assert headings[-1].count("<details><summary>Answer</summary>") == 10


@pytest.mark.parametrize(
    ("old", "new", "loose", "same"),
    [
        ("a 1.25 b", "a  1.26 b", False, True),  # one in the last digit
        ("a 1.25 b", "a 1.27 b", False, False),
        ("a 1.25 b", "a 1.27 b", True, True),
        ("a 1.25 b", "a 1.25 c", True, False),
        ("1e-11", "3e-12", False, True),  # rounding
        ("1e-05", "3e-05", False, False),
        ("0", "0.1", False, False),
        ("3 of 12", "4 of 12", False, False),
        ("10,000", "10,001", False, False),
    ],
)
def test_texts_are_the_same_up_to_rounding(old, new, loose, same):
    assert build_lesson.same(old, new, loose) is same
    assert build_lesson.same(new, old, loose) is same


def test_it_starts_as_a_script_anywhere_and_as_a_notebook_in_its_folder(tmp_path):
    setup = next(cell.text for cell in CELLS if cell.kind == "code")
    check = f"{setup}\nimport lvgts_np\nprint(lvgts_np.__file__)"
    script = f"__file__ = {str(DOCS / 'lesson.py')!r}\n{check}"
    env = {name: x for name, x in os.environ.items() if name != "PYTHONPATH"}
    for code, cwd in ((script, tmp_path), (check, DOCS)):
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=cwd, env=env, capture_output=True, text=True
        )
        assert done.stdout.strip() == str(DOCS.parent / "lvgts_np" / "__init__.py"), done.stderr


def test_the_animation_is_small_loops_and_rests_on_its_end():
    from PIL import Image

    assert (DOCS / "backward.gif").stat().st_size < 300_000
    with Image.open(DOCS / "backward.gif") as movie:
        assert movie.info["loop"] == 0
        frames = [movie.seek(n) or movie.info["duration"] for n in range(movie.n_frames)]
    assert len(frames) > 15
    assert frames[0] == max(frames) >= 3000
    assert sum(frames) < 12_000
