"""The annotated LVGTS: all of the ledger is on it, and a browser shows it at any width."""

import re
from html import unescape

import pytest
from browser import assert_readable, browse, needs_browser, outline
from equations import UNITS
from planted import plant

from ledger import source
from ledger.markup import anchor, svg
from ledger.measure import CASES, measure
from ledger.page import BACKWARD, naive_of, page
from ledger.rows import ROWS
from ledger.uses import faults
from lvgts_np.adjoint import layers

WIDTHS = (420, 800, 1200)


@pytest.fixture(scope="module")
def path(measured, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "page.html"
    path.write_text(page(measured, []), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def text(path):
    return path.read_text(encoding="utf-8")


def section(text, tag):
    """HTML of a row."""
    return re.search(rf'<section id="{anchor(tag)}">.*?</section>', text, re.DOTALL)[0]


def words(text):
    """What a reader sees of HTML, spaces made one."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", text)).split())


def whole(text, name):
    """HTML of the one place where a function is shown as a whole."""
    start = f'<div class="function" id="{anchor(name)}">'
    assert text.count(start) == 1
    return text.partition(start)[2].partition("</div>")[0]


def test_the_page_is_well_formed_whole_and_fetches_nothing(path, text):
    found = outline(path)
    assert found.tags.count("h1") == 1
    assert not {"script", "link", "iframe", "img"} & set(found.tags)
    assert not re.search(r"url\(|@import|https?:|src=", text)
    ids, links = found.values("id"), {x.removeprefix("#") for x in found.values("href")}
    assert len(set(ids)) == len(ids)
    assert links <= set(ids)
    assert {anchor(row.tag) for row in ROWS} <= links
    assert len(text) < 2_500_000


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.tag)
def test_a_row_has_its_equation_functions_readings_errors_and_tests(row, text, measured):
    found = unescape(section(text, row.tag))
    seen = words(found)
    assert f"{row.tag} {row.what} right" in seen
    assert f'aria-label="{row.latex}"' in found
    names = row.text + row.hand
    for name in names + naive_of(row, measured):
        s = source.source(name)
        assert s.place in seen
        if " # " in name:
            assert s.at > s.first
            assert re.search(rf'<tr class="meant"><td class="n">{s.at}</td>', found)
    for i in source.readings(names):
        assert f"{i} The paper:" in seen
    for unit in (measured[name] for name in row.units):
        assert " ".join(unit.title.replace("`", " ").split()) in seen
        for column, error in unit.errors.items():
            assert f'<td data-name="{column}">{f"{error:.0e}" if error else "0"} <' in (
                found.replace("</td>", " </td>").replace("  <", " <")
            )
    for test in source.tests_of(names):
        assert test in seen


def test_every_function_stands_there_once_with_all_its_lines(text, measured):
    names = {name.partition(" # ")[0] for row in ROWS for name in row.text + row.hand}
    for name in names.union(*(naive_of(row, measured) for row in ROWS)):
        shown = whole(text, name)
        numbers = [int(n) for n in re.findall(r'<td class="n">(\d+)</td>', shown)]
        assert numbers == [n for n, _ in source.code(name)]
        seen = words(re.sub(r'<span class="tag">.*?</span>', "", shown)).replace(" ", "")
        for _, line in source.code(name):
            for part in line.split("  # "):
                assert part.replace(" ", "") in seen


def test_a_backward_line_stands_beside_the_forward_line_that_it_transposes(text):
    shown = whole(text, "adjoint.policy.replay_adjoint")
    cells = r'<td class="forward">(.*?)</td><td class="line"[^>]*>([^<]*)'
    pairs = {forward: line.strip() for forward, line in re.findall(cells, shown)}
    assert pairs["â_t = a_max tanh(u_t / a_max)"] == "lambda_u = lambda_a * du[:, t]"
    assert pairs["ĥ_{t+1} = f(ĥ_t, h_m, â_t)"].startswith(
        "lambda_h_a, lambda_h_m = form.step_adjoint("
    )
    by_hand = {name.partition(" # ")[0] for row in ROWS for name in row.hand}
    backward = {name.split(".")[-1] for name in by_hand if BACKWARD.match(name)}
    assert backward >= {"encode_adjoint", "read_adjoint", "latent_adjoint", "mlp_adjoint", "fit"}
    assert not backward & {"replay", "encode", "latent", "read", "mlp", "largest", "attended"}


def test_the_path_of_an_equation_is_within_its_picture():
    found = svg(r"\frac{\partial V^i}{\partial s_i} = \sum_{j=i}^{i+n} \hat{r}_j")
    x, y, width, height = map(float, re.search(r'viewBox="(.*?)"', found)[1].split())
    numbers = [float(n) for n in re.findall(r"-?\d+\.\d", re.search(r' d="(.*?)"', found)[1])]
    assert x < min(numbers[::2]) < max(numbers[::2]) < x + width
    assert y < min(numbers[1::2]) < max(numbers[1::2]) < y + height
    assert svg("x") != svg("y")


@needs_browser
def test_a_browser_shows_it_at_every_width(path, text, tmp_path):
    seen = browse(path, tmp_path, WIDTHS)
    assert_readable(seen)
    for width, at in seen.items():
        assert len(at["drawn"]) == text.count("<svg") >= len(ROWS)
        assert all(8 < w < width and h > 8 for w, h in at["drawn"])


def test_a_planted_bug_turns_its_row_and_names_the_function(monkeypatch, measured, text):
    plant(monkeypatch, layers.mlp_adjoint, "hidden > 0.0", "hidden < 0.0")
    again = {name: measure(name, CASES[1:2]) for name in ("mlp_adjoint", "latent_adjoint")}
    ledger = measured | again
    turned = page(ledger, faults([ledger[name] for name in UNITS]))
    at = section(turned, "Alg. 2 l. 2")
    assert "Alg. 2 l. 2 query wrong" in words(at)
    assert "by hand , in: adjoint.layers.mlp_adjoint" in words(at).replace("hand,", "hand ,")
    assert f'href="#{anchor("adjoint.layers.mlp_adjoint")}"' in at
    assert "mlp_adjoint dL/d" in words(at)
    assert "layers.py:72 suspect" in words(whole(turned, "adjoint.layers.mlp_adjoint"))
    assert "Alg. 2 l. 7 latent not judged" in words(section(turned, "Alg. 2 l. 7"))
    assert "Alg. 2 l. 4 threshold right" in words(section(turned, "Alg. 2 l. 4"))
    assert "adjoint.layers.mlp_adjoint" in turned.partition("<nav")[0]
    assert "1 wrong" in words(turned)
    assert "suspect" not in words(text)


def test_readings_are_those_of_the_line_that_is_meant():
    assert list(source.readings(["paper.imagine.replay # line 22"])) == ["M8"]
    assert list(source.readings(["paper.imagine.replay # line 17"])) == []
    assert list(source.readings(["paper.imagine.infer"])) == ["M7", "M9", "M10"]


def test_tests_of_a_function_use_that_function():
    of_append = source.tests_of(["paper.attention.append"])
    assert "tests/paper/test_attention.py::test_remembering_appends_and_starts_from_nothing" in (
        of_append
    )
    assert not [test for test in of_append if test.startswith("tests/experiments")]
    of_credit = {test.split("::")[0] for test in source.tests_of(["paper.credit.credit"])}
    assert "tests/paper/test_credit.py" in of_credit
    assert source.tests_of(["tasks.memory.MemoryTask.phase"]) == []  # called on what is no module
