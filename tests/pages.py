"""The README and the pages in docs/, as the tests read them."""

import csv
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = {
    str(path.relative_to(ROOT)): path.read_text()
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
}


def tables(page):
    """Cells of every table of a page, headers first."""
    blocks = re.findall(r"(?:^\|.*\n)+", PAGES[page], re.MULTILINE)
    return [[cells(line) for line in block.splitlines() if "|---" not in line] for block in blocks]


def cells(line):
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def table(page, *header):
    """Rows of the one table of a page whose header starts so, without the header."""
    (found,) = [rows for rows in tables(page) if tuple(rows[0][: len(header)]) == header]
    return found[1:]


def rows_of(name):
    """Rows of a CSV file in docs/, dicts of text."""
    with (ROOT / "docs" / name).open() as file:
        return list(csv.DictReader(file))


def in_code(text):
    """What stands in single backticks."""
    return re.findall(r"`([^`]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))


def examples(page):
    """The Python examples of a page."""
    return re.findall(r"```python\n(.*?)```", PAGES[page], re.DOTALL)
