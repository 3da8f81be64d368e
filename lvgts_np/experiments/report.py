"""One self-contained HTML page: pictures embedded, nothing fetched, no script."""

import base64
import html
from string import Template
from typing import NamedTuple


class Picture(NamedTuple):
    """A PNG file, what it shows for who cannot see it, and the caption under it."""

    path: object
    alt: str
    caption: str


class Table(NamedTuple):
    """Rows of text under a header, with a caption; the first cell of a row names it."""

    caption: str
    header: tuple
    rows: list


PAGE = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
:root { color-scheme: light; }
body { font: 1rem/1.5 serif; max-width: 70rem; margin: 0 auto; padding: 1rem; color: #111;
  background: #fff; }
figure { margin: 2rem 0; }
img { width: 100%; height: auto; }
figcaption, caption { text-align: left; padding: 0.5rem 0; color: #333; }
caption { font-weight: bold; }
.wide { overflow-x: auto; margin: 2rem 0; }
table { border-collapse: collapse; font-size: 0.9rem; }
th, td { text-align: left; vertical-align: top; padding: 0.25rem 0.75rem 0.25rem 0;
  border-top: 1px solid #bbb; }
code { font-size: 0.9em; overflow-wrap: anywhere; }
@media print { .wide { overflow: visible; } figure, tr { break-inside: avoid; } }
</style>
</head>
<body>
<h1>$title</h1>
$body
</body>
</html>
""")


def write(path, title, sections):
    """Write the page; a section is (heading, items), an item a Picture, a Table or a paragraph."""
    body = []
    for heading, items in sections:
        body += [f"<h2>{html.escape(heading)}</h2>", *map(element, items)]
    text = PAGE.substitute(title=html.escape(title), body="\n".join(body))
    path.write_text(text, encoding="utf-8")


def element(item):
    """The HTML of a Picture, a Table, or a text, in which `words` between back quotes are code."""
    if isinstance(item, Picture):
        return picture(item)
    if isinstance(item, Table):
        return table(item)
    words = html.escape(item).split("`")
    words[1::2] = [f"<code>{word}</code>" for word in words[1::2]]
    return f"<p>{''.join(words)}</p>"


def picture(item):
    data = base64.b64encode(item.path.read_bytes()).decode("ascii")
    alt, caption = html.escape(item.alt), html.escape(item.caption)
    image = f'<img src="data:image/png;base64,{data}" alt="{alt}">'
    return f"<figure>\n{image}\n<figcaption>{caption}</figcaption>\n</figure>"


def table(item):
    head = "".join(f'<th scope="col">{html.escape(cell)}</th>' for cell in item.header)
    rows = [
        f'<tr><th scope="row">{html.escape(first)}</th>'
        + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells)
        + "</tr>"
        for first, *cells in item.rows
    ]
    inner = f"<caption>{html.escape(item.caption)}</caption>\n<thead><tr>{head}</tr></thead>\n"
    body = "\n".join(rows)
    return f'<div class="wide">\n<table>\n{inner}<tbody>\n{body}\n</tbody>\n</table>\n</div>'
