"""Pieces of HTML: equations as SVG, links, paragraphs of docstrings and of Markdown."""

import html
import inspect
import re

from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath


def formula(latex):
    """LaTeX as SVG paths, one for each piece behind which the line may be broken."""
    pieces = [""]
    for piece in re.split(r"(?<=,)\\quad|(?= \+ )", latex):
        if len(re.findall(r"[([{]", pieces[-1])) == len(re.findall(r"[])}]", pieces[-1])):
            pieces.append("")
        pieces[-1] += piece
    drawn = "\n".join(svg(re.sub(r"^ \+", "{} +", piece)) for piece in pieces if piece)
    return f'<p class="formula" role="img" aria-label="{escape(latex)}">{drawn}</p>'


def svg(latex, size=20):
    """LaTeX as one path, its baseline that of the text around it."""
    latex = re.sub(r"((?:\\sum|\\prod)(?:[_^](?:\w|\{.*?\}))+)", r"\1\\,", latex)  # a space behind
    math = f"${latex.replace('frac', 'dfrac')}$"
    path = TextPath((0, 0), math, prop=FontProperties(math_fontfamily="cm", size=size))
    box, d = path.get_extents().padded(1), []
    for points, code in path.iter_segments(simplify=False):
        numbers = " ".join(f"{x:.1f}" for x in (points.reshape(-1, 2) * [1, -1]).ravel())
        d.append("Z" if code == path.CLOSEPOLY else " MLQC"[code] + numbers)
    view = f"{box.x0:.1f} {-box.y1:.1f} {box.width:.1f} {box.height:.1f}"
    style = f"width:{box.width / size:.2f}em;vertical-align:{box.y0 / size:.2f}em"
    drawn = f'<path d="{"".join(d)}"/>'
    return f'<svg aria-hidden="true" viewBox="{view}" style="{style}">{drawn}</svg>'


def folded(summary, content):
    return f"<details><summary>{summary}</summary>{content}</details>"


def anchor(name):
    return re.sub(r"\W+", "-", name.replace("§", "sec ")).strip("-").lower()


def link(name, text=None):
    return f'<a href="#{anchor(name)}">{escape(text or name)}</a>'


def escape(text):
    return html.escape(text, quote=True)


def inline(text):
    """Markdown within a line, links as their words."""
    text = re.sub(r"\[([^][]+)\]\([^()\s]+\)", r"\1", escape(text))
    return re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", re.sub(r"`([^`]+)`", r"<code>\1</code>", text))


def documented(docstring):
    """Docstring: its first line, the equation if there is one, arguments."""
    first, *others = docstring.split("\n\n")
    is_equation = others and re.match(r"\S+( \S+){0,2} [=←]", others[0])
    kinds = ["prose", "equation" if is_equation else "prose", *["prose"] * len(others)]
    texts = zip(kinds, (first, *others), strict=False)
    return "".join(f'<p class="{kind}">{inline(text)}</p>' for kind, text in texts if text)


def markdown(text):
    """Paragraphs, equations that are indented, and code between fences."""
    blocks = []
    for n, part in enumerate(re.split(r"^```.*\n", text, flags=re.M)):
        for block in [part] if n % 2 else re.split(r"\n\s*\n", part.strip("\n")):
            kind = "code" if n % 2 else "equation" if block.startswith("    ") else "prose"
            content = inline(block) if kind == "prose" else escape(inspect.cleandoc(block))
            blocks.append(f'<p class="{kind}">{content}</p>' if block.strip() else "")
    return "".join(blocks)
