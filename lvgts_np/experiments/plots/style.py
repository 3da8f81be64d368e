"""What the pictures share: colours, matrices over steps, phases, files."""

import contextlib
import io

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from lvgts_np.training.agent import make_task
from lvgts_np.training.config import NUMBERS, OWN, Config, ConfigError
from lvgts_np.training.files import replacing

# After Okabe and Ito: told apart in colour blindness and in grey print.
BLUE, SKY, ORANGE, RED, GREEN = "#0072B2", "#56B4E9", "#E69F00", "#C8201A", "#009E73"
SHADES = {"cue": "#D6E8F5", "": "#F3F3F3", "pay": "#FDF0DA"}  # of a phase with such steps
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
OF_TASK = ("task", *NUMBERS, "T", "a_max")
DASHES = dict(zip(BOUNDS, ("-", "--", ":"), strict=True))


def fields(config):
    """Fields of a Config as a dict; a dict, such as that of a config.json, as it is."""
    return config if isinstance(config, dict) else config.as_dict()


def task_of(config):
    """Task of a Config, or of its fields that are a task's."""
    if isinstance(config, dict):
        own = {x: y for x, y in config.items() if x in OF_TASK or x.startswith(OWN)}
        config = Config().replace(**own)
    return make_task(config)


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


def shade(task, start, end):
    """Key of SHADES for the phase start..end."""
    steps = range(start, end)
    return "cue" if any(t in steps for t in task.cue) else "pay" * any(t in steps for t in task.pay)


def stretches(steps):
    """First step and end of each stretch of a boolean array (T,)."""
    return np.flatnonzero(np.diff(steps, prepend=False, append=False)).reshape(-1, 2)


def marked_step(task):
    """Step whose attention is marked red: the second of the pay, the paper's t = 12. [Fig. 2]"""
    return (sorted(task.pay)[:2] or [task.T - 1])[-1]


def draw_attention_map(ax, A, task):
    """Attention map (T, T) with one recall step in red; returns its image. [Fig. 2, bottom row]"""
    ax.set_facecolor(FUTURE)
    past = np.where(np.tri(task.T, k=-1), A, np.nan)
    image = ax.imshow(past, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    t = marked_step(task)
    ax.add_patch(Rectangle((-0.5, t - 0.5), t, 1, **FRAME))
    mark_phases(ax, task)
    return image


def name_phases(ax, task):
    for name, start, end in task.phases():
        at = ((start + end - 1) / 2, 1.02)
        ax.text(*at, name, ha="center", va="bottom", transform=ax.get_xaxis_transform())


def shade_phases(ax, task):
    for _, start, end in task.phases():
        color = SHADES[shade(task, start, end)]
        ax.axvspan(start - 0.5, end - 0.5, color=color, lw=0, zorder=0)


def mark_phases(ax, task, ticks=8, lw=0.8):
    """Phase boundaries on both axes of a (T, T) picture, phase names above it, whole ticks."""
    for _, start, _ in task.phases()[1:]:
        ax.axvline(start - 0.5, color="black", lw=lw)
        ax.axhline(start - 0.5, color="black", lw=lw)
    name_phases(ax, task)
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
