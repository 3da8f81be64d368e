"""Pages of HTML, read by a parser and, where there is one, by a browser."""

import json
import re
import shutil
import subprocess
from html import unescape
from html.parser import HTMLParser

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("chrome")
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--allow-file-access-from-files",
)  # fmt: skip
# A frame, because no window of the browser is as narrow. `outside` are the elements that stick out
# of the page and are in no box that scrolls, `cut` the tables of sentences that a box cuts off.
PROBE = """<!DOCTYPE html><body>%s<script>
function look(frame) {
  const page = frame.contentDocument, all = selector => [...page.querySelectorAll(selector)];
  const sticksOut = element => element.getBoundingClientRect().right > frame.clientWidth + 0.5;
  const free = element => !element.parentElement.closest(".wide");
  all("details").forEach(element => { element.open = true; });
  const sizes = all("body *").map(element => frame.contentWindow.getComputedStyle(element));
  return {
    width: frame.clientWidth,
    overflow: page.scrollingElement.scrollWidth - frame.clientWidth,
    outside: all("body *").filter(free).filter(sticksOut).map(element => element.tagName),
    cut: all(".stacked").filter(sticksOut).length,
    font: Math.min(...sizes.map(style => parseFloat(style.fontSize))),
    drawn: all("svg").map(element => element.getBoundingClientRect())
      .map(box => [box.width, box.height]),
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


def browse(page, tmp_path, widths):
    """What a browser shows of a page at each width, folded parts open, by width."""
    frame = '<iframe src="{}" style="border: 0; width: {}px; height: 800px"></iframe>'
    probe = tmp_path / "probe.html"
    probe.write_text(PROBE % "".join(frame.format(page.as_uri(), width) for width in widths))
    command = [CHROMIUM, *FLAGS, "--window-size=1300,800", f"--user-data-dir={tmp_path}/profile"]
    done = subprocess.run(
        [*command, "--dump-dom", probe.as_uri()], capture_output=True, text=True, timeout=60
    )
    found = re.findall(r'<pre id="probe">(.*?)</pre>', done.stdout)
    assert found, done.stderr
    seen = {at.pop("width"): at for at in json.loads(unescape(found[0]))}
    assert tuple(seen) == widths
    return seen


def assert_readable(seen):
    """Nothing sticks out of the page or is cut off, no text is tiny, and nothing is fetched."""
    for width, at in seen.items():
        assert at["overflow"] <= 0, (width, at)
        assert at["outside"] == [], (width, at)
        assert at["cut"] == 0, (width, at)
        assert at["font"] >= 12, (width, at)
        assert at["fetched"] == [], (width, at)


class Outline(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.attributes, self.text, self.open = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes.append(dict(attrs))
        if tag not in ("meta", "img", "br"):
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
