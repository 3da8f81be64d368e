"""The report, read by a parser and, where there is one, by a browser."""

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser

import matplotlib.pyplot as plt
import pytest

from lvgts_np.experiments.report import Picture, Table, write

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("chrome")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
PROBE = """<script>
window.addEventListener("load", () => {
  const images = [...document.images].map(image => image.naturalWidth);
  const fetched = performance.getEntriesByType("resource").map(entry => entry.name)
    .filter(name => !name.startsWith("data:"));
  const overflow = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  const rows = document.querySelectorAll("tr").length;
  const text = JSON.stringify({images, fetched, overflow, rows});
  document.body.insertAdjacentHTML("beforeend", `<pre id="probe">${text}</pre>`);
});
</script></body>"""


@pytest.fixture
def page(tmp_path):
    figure, axes = plt.subplots(figsize=(2, 1))
    axes.plot([1, 2])
    figure.savefig(tmp_path / "a.png")
    plt.close(figure)
    path = tmp_path / "report.html"
    picture = Picture(tmp_path / "a.png", 'a line that rises, "2 > 1"', "What <rises> & falls")
    table = Table("Claims & more", ("claim", "verdict"), [("a < b", "not"), ("b", "partly")])
    write(path, "One & only", [("First", ["made by `run.py a < b`", picture]), ("Next", [table])])
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


def test_the_page_is_whole_escaped_and_fetches_nothing(page):
    outline = Outline()
    outline.feed(page.read_text())
    assert outline.open == []
    text = " ".join(outline.text)
    for words in ("One & only", "run.py a < b", "What <rises> & falls", "a < b", "partly"):
        assert words in text
    assert outline.tags.count("h1") == 1
    assert not {"script", "link", "iframe"} & set(outline.tags)
    (image,) = (a for a in outline.attributes if "src" in a)
    assert image["src"].startswith("data:image/png;base64,")
    assert image["alt"] == 'a line that rises, "2 > 1"'
    assert not re.search(r"url\(|@import|https?://", page.read_text())


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
def test_a_browser_shows_it(page, tmp_path):
    probed = tmp_path / "probed.html"
    probed.write_text(page.read_text().replace("</body>", PROBE))
    command = [CHROMIUM, *FLAGS, "--window-size=400,800", f"--user-data-dir={tmp_path / 'profile'}"]
    done = subprocess.run(
        [*command, "--dump-dom", probed.as_uri()], capture_output=True, text=True, timeout=60
    )
    found = re.findall(r'<pre id="probe">({.*?})</pre>', done.stdout)
    assert found, done.stderr
    seen = json.loads(found[-1])
    assert seen["fetched"] == []
    assert seen["images"] == [200]
    assert seen["rows"] == 3
    assert seen["overflow"] <= 0  # nothing sticks out on a narrow screen
