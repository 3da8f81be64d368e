"""Report: one self-contained HTML page, pictures embedded, nothing fetched, no script.

In its texts `words` between back quotes are code, and [words](address) is a link.
"""

import base64
import html
import re
from string import Template
from typing import NamedTuple


class Picture(NamedTuple):
    """PNG file, its description for readers who cannot see it, and its caption."""

    path: object
    alt: str
    caption: str


class Table(NamedTuple):
    """Rows of text under a header, with a caption; the first cell of a row names it.

    On a narrow screen a `stacked` table, of sentences, has a cell a line; others scroll.
    """

    caption: str
    header: tuple
    rows: list
    stacked: bool = False


PAGE = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
body { font: 1rem/1.5 sans-serif; max-width: 70rem; margin: 0 auto; padding: 1rem; color: #111;
  background: #fff; overflow-wrap: break-word; }
.lead { font-size: 1.2rem; font-weight: bold; }
nav ul { display: flex; flex-wrap: wrap; gap: 0.25rem 1.5rem; list-style: none; padding: 0; }
figure { margin: 1.5rem 0; }
figcaption { padding: 0.5rem 0; color: #333; }
.wide { overflow-x: auto; }
img { display: block; width: 100%; min-width: 54rem; height: auto; }
table { border-collapse: collapse; font-size: 0.9rem; }
th, td { text-align: left; vertical-align: top; padding: 0.3rem 1rem 0.3rem 0;
  border-top: 1px solid #bbb; white-space: nowrap; }
th[scope=row] { position: sticky; left: 0; background: #fff; }
.stacked td { white-space: normal; }
.stacked td:nth-child(2) { font-weight: bold; }
@media (max-width: 45rem) {
  .stacked tr { display: block; border-top: 1px solid #bbb; padding: 0.5rem 0; }
  .stacked tr:first-child { display: none; }
  .stacked th, .stacked td { display: block; border: 0; padding: 0.1rem 0; }
  .stacked td::before { content: attr(data-name) ": "; color: #555; font-weight: normal; }
}
@media print { .wide { overflow: visible; } img { min-width: 0; } tr { break-inside: avoid; } }
</style>
</head>
<body>
<h1>$title</h1>
<p class="lead">$lead</p>
$body
</body>
</html>
""")


def write(path, title, lead, sections):
    """Write the page: the lead, a list of contents, the sections.

    sections are (heading, items); an item is a Picture, a Table, a text, or a list of texts.
    """
    links = [f"[{heading}](#{anchor(heading)})" for heading, _ in sections]
    body = [f'<nav aria-label="Contents">{element(links)}</nav>']
    for heading, items in sections:
        body += [f'<h2 id="{anchor(heading)}">{inline(heading)}</h2>', *map(element, items)]
    text = PAGE.substitute(title=html.escape(title), lead=inline(lead), body="\n".join(body))
    path.write_text(text, encoding="utf-8")


def anchor(heading):
    return html.escape(heading.lower().replace(" ", "-"))


def inline(text):
    text = re.sub(r"`([^`]*)`", r"<code>\1</code>", html.escape(text))
    return re.sub(r"\[([^][]+)\]\(([^()\s]+)\)", r'<a href="\2">\1</a>', text)


def element(item):
    """HTML of a Picture, a Table, a text or a list of texts."""
    if isinstance(item, str):
        return f"<p>{inline(item)}</p>"
    if isinstance(item, list):
        return f"<ul>{''.join(f'<li>{inline(text)}</li>' for text in item)}</ul>"
    content = picture(item) if isinstance(item, Picture) else table(item)
    # The box scrolls, by the keyboard too, so that the page need not.
    box = f'<div class="wide" tabindex="0">{content}</div>'
    return f"<figure>\n<figcaption>{inline(item.caption)}</figcaption>\n{box}\n</figure>"


def picture(item):
    data = base64.b64encode(item.path.read_bytes()).decode("ascii")
    return f'<img src="data:image/png;base64,{data}" alt="{html.escape(item.alt)}">'


def table(item):
    names = [html.escape(name) for name in item.header]
    rows = ["".join(f'<th scope="col">{name}</th>' for name in names)]
    for first, *cells in item.rows:
        named = zip(names[1:], map(html.escape, cells), strict=True)
        row = "".join(f'<td data-name="{name}">{cell}</td>' for name, cell in named)
        rows.append(f'<th scope="row">{html.escape(first)}</th>{row}')
    kind = ' class="stacked"' if item.stacked else ""
    return f"<table{kind}>\n<tr>" + "</tr>\n<tr>".join(rows) + "</tr>\n</table>"
