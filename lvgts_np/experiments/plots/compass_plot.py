"""Compass of a run: true and modelled credit of forced remember actions, as it learns. [Fig. 1]"""

import numpy as np
from matplotlib.figure import Figure

from lvgts_np.experiments.compass import ROLLOUTS
from lvgts_np.experiments.plots.style import BLUE, GREEN, ORANGE, RED, fields, task_of
from lvgts_np.tasks.protocol import phase_names

LOOK = dict(zip(ROLLOUTS, (
    {"color": BLUE, "lw": 2.2, "label": "shortcut, cut every N: LVGTS"},
    {"color": BLUE, "lw": 1.2, "ls": "--", "label": "shortcut, never cut"},
    {"color": ORANGE, "lw": 2.2, "label": "no shortcut, cut every N: LM-SVG"},
    {"color": ORANGE, "lw": 1.2, "ls": "--", "label": "no shortcut, never cut"},
), strict=True)) | {
    "learned r": {"color": RED, "lw": 1.0, "ls": ":", "label": "real f, learned r"},
    "learned f": {"color": GREEN, "lw": 1.0, "ls": ":", "label": "learned f, real r"},
}  # fmt: skip
SCALE = 1.5  # of credit, the same in all pictures, in reward per unit of action
TRUE = {"color": "black", "lw": 2.2, "marker": "o", "ms": 3.5, "label": "true, ± 2 standard errors"}


def compass_table(tables):
    """Mean credit over seeds at the moments that all have, and its standard error over seeds.

    tables are columns by name, one a seed; of one seed the standard error is that over episodes.
    """
    moments = set.intersection(*(set(table["iteration"]) for table in tables))
    kept = [
        {name: x[np.isin(table["iteration"], list(moments))] for name, x in table.items()}
        for table in tables
    ]
    table = dict(kept[0])
    if len(tables) > 1:
        every = np.array([one["credit"] for one in kept])
        table["credit"] = every.mean(0)
        table["standard_error"] = every.std(0, ddof=1) / len(every) ** 0.5
    return table | {name: table[name].astype(int) for name in ("iteration", "i")}


def plot_compass(table, config, title=""):
    """Credit by forced action: a column a moment of the run, a row a remember action. [Fig. 1]

    table as `compass_table` makes it. The first and the last action whose credit is not zero by
    construction are drawn. Returns a Figure.
    """
    c, task, steps = fields(config), task_of(config), np.unique(table["i"])
    moments, cue = np.unique(table["iteration"]), phase_names(task)[0]
    steps = steps if len(steps) < 3 else steps[[0, -1]]
    figure = Figure((3.0 * len(moments) + 0.6, 2.7 * len(steps) + 1.2), layout="constrained")
    axes = figure.subplots(len(steps), len(moments), squeeze=False, sharex=True, sharey="row")
    for i, row in zip(steps, axes, strict=True):
        for moment, ax in zip(moments, row, strict=True):
            here = (table["i"] == i) & (table["iteration"] == moment)
            draw_moment(ax, {name: x[here] for name, x in table.items()}, task.a_m)
            if i == steps[0]:
                ax.set_title(f"{moment * c['episodes_per_iteration']} episodes")
        row[0].set_ylabel(f"mean credit of $a_{{{i}}}$")
    for ax in axes[-1]:
        ax.set_xlabel(f"forced {cue} actions")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
    figure.suptitle(title)
    return figure


def draw_moment(ax, table, a_m):
    """One panel; the lines of what is very uncertain, or very wrong, leave it."""
    ax.set_ylim(-SCALE, SCALE)
    ax.axhline(0.0, color="0.6", lw=0.8)
    ax.axvline(a_m, color="0.6", lw=0.8, ls=":")
    for name, look in (LOOK | {"true": TRUE}).items():
        at = table["estimator"] == name
        x, y, error = (table[column][at] for column in ("forced", "credit", "standard_error"))
        ax.plot(x, y, **look)
        if name == "true":
            ax.fill_between(x, y - 2 * error, y + 2 * error, color="0.8", lw=0, zorder=0)
