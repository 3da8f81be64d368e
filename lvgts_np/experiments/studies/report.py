"""Report: one self-contained HTML page, pictures embedded, nothing fetched, no script.

In its texts `words` between back quotes are code, and [words](address) is a link.
"""

import base64
import html
import re
from string import Template

PAGE = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
body { font: 1rem/1.5 sans-serif; max-width: 70rem; margin: 0 auto; padding: 1rem;
  overflow-wrap: break-word; }
figure { margin: 1.5rem 0; }
.wide { overflow-x: auto; }
img { width: 100%; min-width: 54rem; }
table { border-collapse: collapse; font-size: 0.9rem; }
th, td { text-align: left; vertical-align: top; padding: 0.3rem 1rem 0.3rem 0;
  border-top: 1px solid #bbb; white-space: nowrap; }
th[scope=row] { position: sticky; left: 0; background: #fff; }
.stacked td { white-space: normal; }
.stacked td:nth-child(2) { font-weight: bold; }
@media (max-width: 45rem) {
  .stacked * { display: block; border: 0; padding: 0.1rem 0; }
  .stacked tr:first-child { display: none; }
  .stacked th { border-top: 1px solid #bbb; }
  .stacked td::before { content: attr(data-name) ": "; font-weight: normal; }
}
@media print { .wide { overflow: visible; } img { min-width: 0; } tr { break-inside: avoid; } }
</style>
</head>
<body>
<h1>$title</h1>
<p><strong>$lead</strong></p>
<nav aria-label="Contents">$contents</nav>
$body
</body>
</html>
""")


def write(path, title, lead, sections):
    """Write the page: the lead, a list of contents, the sections {heading: its HTML elements}."""
    links, body = [], []
    for heading, elements in sections.items():
        anchor = heading.lower().replace(" ", "-")
        links.append(f"[{heading}](#{anchor})")
        body += [f'<h2 id="{anchor}">{inline(heading)}</h2>', *elements]
    words = {"title": html.escape(title), "lead": inline(lead), "contents": bullets(links)}
    path.write_text(PAGE.substitute(words, body="\n".join(body)), encoding="utf-8")


def inline(text):
    text = re.sub(r"`([^`]*)`", r"<code>\1</code>", html.escape(text))
    return re.sub(r"\[([^][]+)\]\(([^()\s]+)\)", r'<a href="\2">\1</a>', text)


def paragraph(text):
    return f"<p>{inline(text)}</p>"


def bullets(texts):
    return f"<ul>{''.join(f'<li>{inline(text)}</li>' for text in texts)}</ul>"


def figure(caption, content):
    """Content with its caption in a box that scrolls, by the keyboard too, so the page need not."""
    box = f'<div class="wide" tabindex="0">{content}</div>'
    return f"<figure>\n<figcaption>{inline(caption)}</figcaption>\n{box}\n</figure>"


def picture(path, alt, caption):
    """PNG file, with its description for readers who cannot see it."""
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    return figure(caption, f'<img src="data:image/png;base64,{data}" alt="{html.escape(alt)}">')


def table(caption, header, rows, kind="numbers"):
    """Rows of text under a header; the first cell of a row names it.

    On a narrow screen a "stacked" table, of sentences, has a cell a line; others scroll.
    """
    names = [html.escape(name) for name in header]
    lines = ["".join(f'<th scope="col">{name}</th>' for name in names)]
    for first, *cells in rows:
        named = zip(names[1:], map(html.escape, cells), strict=True)
        row = "".join(f'<td data-name="{name}">{cell}</td>' for name, cell in named)
        lines.append(f'<th scope="row">{html.escape(first)}</th>{row}')
    body = "</tr>\n<tr>".join(lines)
    return figure(caption, f'<table class="{kind}">\n<tr>{body}</tr>\n</table>')
