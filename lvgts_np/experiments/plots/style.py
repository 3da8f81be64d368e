"""What the pictures share: colours, matrices over steps, phases, files."""

import contextlib
import io

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from lvgts_np.training.config import ConfigError
from lvgts_np.training.files import replacing

# After Okabe and Ito: told apart in colour blindness and in grey print.
BLUE, SKY, ORANGE, RED, GREEN = "#0072B2", "#56B4E9", "#E69F00", "#C8201A", "#009E73"
SHADES = {"remember": "#D6E8F5", "distractor": "#F3F3F3", "recall": "#FDF0DA"}
FUTURE = "0.78"  # a step that has not happened yet
SEEDS = (SKY, ORANGE, GREEN, RED, "0.5")
ZERO = {"fc": "white", "ec": "0.45", "hatch": "////", "lw": 0}  # a credit of exactly 0
FRAME = {"fill": False, "ec": RED, "lw": 2.5, "zorder": 4, "clip_on": False}
STYLE = {
    "font.size": 9, "axes.titlesize": 9, "figure.titlesize": 11, "hatch.linewidth": 0.5,
    "lines.markersize": 4.5,
}  # fmt: skip
ALGOS = {"lvgts": "LVGTS", "lm_svg": "LM-SVG"}
BOUNDS = {"max_return": "optimal", "myopic_return": "myopic", "floor_return": "lower bound"}
DASHES = dict(zip(BOUNDS, ("-", "--", ":"), strict=True))


def fields(config):
    """Fields of a Config as a dict; a dict, such as that of a config.json, as it is."""
    return config if isinstance(config, dict) else vars(config)


@contextlib.contextmanager
def defaults():
    """Matplotlib's own settings and ours, whatever the user's; afterwards the user's again."""
    own = dict(dict.items(matplotlib.rcParamsDefault))
    own.pop("backend")  # none is used: a Figure without pyplot is drawn by its format's own
    with matplotlib.rc_context(own | STYLE), np.errstate(all="ignore"):
        yield


def check():
    """ConfigError where no picture can be drawn, before the work that it would show."""
    try:
        with defaults():
            figure = Figure((1, 1))
            figure.text(0.5, 0.5, r"a $\hat r$")
            figure.savefig(io.BytesIO(), format="png", dpi=20)
    except Exception as error:
        raise ConfigError(f"Matplotlib cannot draw: {error}") from error


def save(figure, path, dpi=150):
    """Write a picture whole or not at all, PNG or PDF by its name; no version, no date in it."""
    kind = path.suffix[1:]
    metadata = {"png": {"Software": None}, "pdf": {"CreationDate": None}}[kind]
    with replacing(path) as passing:
        figure.savefig(passing, format=kind, metadata=metadata, dpi=dpi)


def matrix(table, row, value, T):
    """Column of a table as (T, T), the step `row` down and i across; nan where it has no row."""
    A = np.full((T, T), np.nan)
    A[table[row].astype(int), table["i"].astype(int)] = table[value]
    return A


def phases(c):
    """Name, first step and end of each phase. [§4.1]"""
    ends = (0, c["t1"], c["t2"] + 1, c["T"])
    return list(zip(SHADES, ends[:-1], ends[1:], strict=True))


def marked_step(c):
    """Recall step whose attention is marked red, the paper's t = 12. [Fig. 2]"""
    return min(c["t2"] + 2, c["T"] - 1)


def draw_attention_map(ax, A, c):
    """Attention map (T, T) with one recall step in red; returns its image. [Fig. 2, bottom row]"""
    ax.set_facecolor(FUTURE)
    past = np.where(np.tri(c["T"], k=-1), A, np.nan)
    image = ax.imshow(past, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    t = marked_step(c)
    ax.add_patch(Rectangle((-0.5, t - 0.5), t, 1, **FRAME))
    mark_phases(ax, c)
    return image


def name_phases(ax, c):
    for name, start, end in phases(c):
        at = ((start + end - 1) / 2, 1.02)
        ax.text(*at, name, ha="center", va="bottom", transform=ax.get_xaxis_transform())


def shade_phases(ax, c):
    for name, start, end in phases(c):
        ax.axvspan(start - 0.5, end - 0.5, color=SHADES[name], lw=0, zorder=0)


def mark_phases(ax, c, ticks=8, lw=0.8):
    """Phase boundaries on both axes of a (T, T) picture, phase names above it, whole ticks."""
    for _, start, _ in phases(c)[1:]:
        ax.axvline(start - 0.5, color="black", lw=lw)
        ax.axhline(start - 0.5, color="black", lw=lw)
    name_phases(ax, c)
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(ticks, integer=True))


def show_down_to(ax, worst, bounds):
    """Axis down to the worst return, but not so far that the rest is squeezed."""
    lower, optimal = np.min(bounds["floor_return"]), np.max(bounds["max_return"])
    ax.set_ylim(bottom=max(worst, lower - 0.75 * (optimal - lower)))


def note_depth(ax, x, depth):
    """Note on the lower edge: the depth of a return that is below it."""
    bottom, side = ax.get_ylim()[0], 1 if x < np.mean(ax.get_xlim()) else -1
    if depth < bottom:
        at = {"xytext": (4 * side, 4), "ha": "left" if side > 0 else "right"}
        ax.annotate(f"to {depth:.1f}", (x, bottom), textcoords="offset points", **at)
