"""The report, read by a parser and, where there is one, by a browser."""

import json
import re
import shutil
import subprocess
from html import unescape
from html.parser import HTMLParser

import matplotlib.pyplot as plt
import pytest

from lvgts_np.experiments.studies.report import bullets, paragraph, picture, table, write

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("chrome")
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--allow-file-access-from-files",
)  # fmt: skip
WIDTHS = (420, 1200)
# A frame, because no window of the browser is as narrow. `outside` are the elements that stick out
# of the page and are in no box that scrolls, `cut` the tables of sentences that a box cuts off.
PROBE = """<!DOCTYPE html><body>%s<script>
function look(frame) {
  const page = frame.contentDocument, all = selector => [...page.querySelectorAll(selector)];
  const sticksOut = element => element.getBoundingClientRect().right > frame.clientWidth + 0.5;
  const free = element => !element.parentElement.closest(".wide");
  const sizes = all("body *").map(element => frame.contentWindow.getComputedStyle(element));
  return {
    width: frame.clientWidth,
    overflow: page.scrollingElement.scrollWidth - frame.clientWidth,
    outside: all("body *").filter(free).filter(sticksOut).map(element => element.tagName),
    cut: all(".stacked").filter(sticksOut).length,
    font: Math.min(...sizes.map(style => parseFloat(style.fontSize))),
    images: [...page.images].map(image => image.naturalWidth),
    rows: all("tr").filter(row => row.offsetHeight > 0).length,
    fetched: frame.contentWindow.performance.getEntriesByType("resource")
      .map(entry => entry.name).filter(name => !name.startsWith("data:")),
  };
}
window.addEventListener("load", () => {
  const seen = [...document.querySelectorAll("iframe")].map(look);
  document.body.innerHTML = "<pre id='probe'></pre>";
  document.querySelector("pre").textContent = JSON.stringify(seen);
});
</script></body>"""


def browse(page, tmp_path):
    """What a browser shows of a page at each of WIDTHS, by width."""
    frame = '<iframe src="{}" style="border: 0; width: {}px; height: 800px"></iframe>'
    probe = tmp_path / "probe.html"
    probe.write_text(PROBE % "".join(frame.format(page.as_uri(), width) for width in WIDTHS))
    command = [CHROMIUM, *FLAGS, "--window-size=1300,800", f"--user-data-dir={tmp_path}/profile"]
    done = subprocess.run(
        [*command, "--dump-dom", probe.as_uri()], capture_output=True, text=True, timeout=60
    )
    found = re.findall(r'<pre id="probe">(.*?)</pre>', done.stdout)
    assert found, done.stderr
    seen = {at.pop("width"): at for at in json.loads(unescape(found[0]))}
    assert tuple(seen) == WIDTHS
    return seen


def assert_readable(seen):
    """Nothing sticks out of the page or is cut off, no text is tiny, and nothing is fetched."""
    for width, at in seen.items():
        assert at["overflow"] <= 0, (width, at)
        assert at["outside"] == [], (width, at)
        assert at["cut"] == 0, (width, at)
        assert at["font"] >= 12, (width, at)
        assert at["fetched"] == [], (width, at)


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


class Outline(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.attributes, self.text, self.open = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes.append(dict(attrs))
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)

    def values(self, name):
        return [a[name] for a in self.attributes if name in a]


def outline(page):
    found = Outline()
    found.feed(page.read_text(encoding="utf-8"))
    assert found.open == []
    return found


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
    seen = browse(page, tmp_path)
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
    seen = browse(page, tmp_path)
    assert seen[420][sign]
    with pytest.raises(AssertionError):
        assert_readable(seen)
