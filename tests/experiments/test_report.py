"""The report, read by a parser and, where there is one, by a browser."""

import re

import matplotlib.pyplot as plt
import pytest
from browser import assert_readable, browse, needs_browser, outline

from lvgts_np.experiments.studies.report import bullets, paragraph, picture, table, write

WIDTHS = (420, 1200)


@pytest.fixture
def page(tmp_path):
    figure, axes = plt.subplots(figsize=(2, 1))
    axes.plot([1, 2])
    figure.savefig(tmp_path / "a.png")
    plt.close(figure)
    path = tmp_path / "report.html"
    image = picture(tmp_path / "a.png", 'a line that rises, "2 > 1"', "What <rises> & falls")
    sentence = "a sentence that is too long for one line of any page " * 8
    header = ("claim", "verdict", "test")
    claims = table("Claims & [c.csv](c.csv)", header, [("a < b", "not", sentence)], "stacked")
    numbers = table("Numbers", ("run", *"abcdefghij"), [("1", *["-1.234 [5, 6]"] * 10)] * 2)
    texts = [paragraph("made by `run.py a < b`"), paragraph("`" + "long_" * 40 + "`")]
    links = bullets(["one", "[two](../a/b.csv)"])
    sections = {"First": [*texts, links, claims], "Next one": [image, numbers]}
    write(path, "One & only", "Of 1 claim: 0 reproduced.", sections)
    return path


def test_the_page_is_whole_escaped_and_fetches_nothing(page):
    found = outline(page)
    text = " ".join(found.text)
    for words in ("One & only", "run.py a < b", "What <rises> & falls", "a < b", "Of 1 claim"):
        assert words in text
    assert found.tags.count("h1") == 1
    assert not {"script", "link", "iframe"} & set(found.tags)
    (image,) = found.values("src")
    assert image.startswith("data:image/png;base64,")
    assert found.values("alt") == ['a line that rises, "2 > 1"']
    assert not re.search(r"url\(|@import|https?://", page.read_text())


def test_the_contents_list_leads_to_every_section(page):
    found = outline(page)
    assert found.values("href") == ["#first", "#next-one", "../a/b.csv", "c.csv"]
    assert found.values("id") == ["first", "next-one"]


@needs_browser
def test_a_browser_shows_it_at_both_widths(page, tmp_path):
    seen = browse(page, tmp_path, WIDTHS)
    assert_readable(seen)
    assert [at["images"] for at in seen.values()] == [[200], [200]]
    assert [at["rows"] for at in seen.values()] == [4, 5]  # narrow, each cell of a claim is named


@needs_browser
@pytest.mark.parametrize(
    ("rule", "sign"),
    [
        (".wide { overflow-x: auto; }", "overflow"),
        ("overflow-wrap: break-word;", "outside"),
        (".stacked td { white-space: normal; }", "cut"),
    ],
)
def test_the_browser_test_sees_what_each_rule_of_the_style_is_for(page, tmp_path, rule, sign):
    text = page.read_text()
    assert text.count(rule) == 1
    page.write_text(text.replace(rule, ""))
    seen = browse(page, tmp_path, WIDTHS)
    assert seen[420][sign]
    with pytest.raises(AssertionError):
        assert_readable(seen)
