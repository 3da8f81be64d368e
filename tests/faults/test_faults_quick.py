"""The quick form of the faults, and the page that tells of the long one."""

import re
import subprocess
import sys

import pytest
from pages import PAGES, ROOT, in_code, table

from faults.kinds import KINDS

PAGE = "docs/reliability.md"


@pytest.mark.skipif(sys.platform != "linux", reason="kills, limits and forks as Linux has them")
def test_the_quick_form_finds_nothing():
    program = [sys.executable, ROOT / "tests/faults/run.py", "--jobs", "1"]
    done = subprocess.run(program, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^\| all \| \d{3} \| \d+ \| 0 \|$", done.stdout, re.MULTILINE), done.stdout


def test_the_page_has_a_row_for_each_kind_and_none_failed():
    *rows, last = table(PAGE, "kind", "tried", "effective", "failed")
    assert [row[0] for row in rows] == [kind.title for kind in KINDS.values()]
    numbers = [tuple(map(int, cells)) for _, *cells in rows]
    for (tried, effective, failed), kind in zip(numbers, KINDS.values(), strict=True):
        assert (tried, failed) == (kind.long, 0)
        assert 0 < effective <= tried
    assert last == ["all", *map(str, map(sum, zip(*numbers, strict=True)))]


def test_the_long_form_is_as_large_as_the_page_says():
    sizes = {name: kind.long for name, kind in KINDS.items()}
    for names, at_least in re.findall(r"^- (.*): at least ([\d,]+)$", PAGES[PAGE], re.MULTILINE):
        assert sum(sizes[name] for name in in_code(names)) >= int(at_least.replace(",", ""))
