"""Truncation audit as a picture: bias, direction and noise of the policy gradient by n. [A.1]"""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lvgts_np.experiments.plots.style import BLUE, GREEN, ORANGE

KINDS = {
    "block": (BLUE, "cut every n steps (Algorithm 1)"),
    "sliding": (ORANGE, "the last n transitions (A.1)"),
    "discount": (GREEN, "discounted by 1 - 1/n a transition (A.1)"),
}
ROWS = (  # actions, column of the table, label
    ("all", "cosine", "all actions:\ncosine with the true gradient"),
    ("remember", "cosine", "remember actions:\ncosine with the true gradient"),
    ("remember", "cosine_uncut", "remember actions:\ncosine with the uncut gradient"),
    ("remember", "bias", "remember actions:\nbias, of the true size"),
    ("remember", "snr", "remember actions:\nsignal-to-noise of a batch"),
)
SHORTCUT = {1: ("-", "shortcut"), 0: (":", "no shortcut")}


def plot_truncation(table):
    """Means over seeds, with each seed as a thin line; a column a moment of the training.

    table has the columns of `truncation.Row`. Returns a Figure.
    """
    moments = np.unique(table["episodes"])
    figure = Figure((3.4 * len(moments) + 0.8, 11.2), layout="constrained")
    axes = figure.subplots(len(ROWS), len(moments), squeeze=False, sharex=True, sharey="row")
    for (actions, name, label), row in zip(ROWS, axes, strict=True):
        row[0].set_ylabel(label)
        for moment, ax in zip(moments, row, strict=True):
            ax.axhline(0.0, color="0.7", lw=0.8)
            for kind, (color, words) in KINDS.items():
                for shortcut, (dashes, word) in SHORTCUT.items():
                    if shortcut not in table["shortcut"]:
                        continue
                    here = (table["episodes"] == moment) & (table["kind"] == kind)
                    here &= (table["shortcut"] == shortcut) & (table["actions"] == actions)
                    look = {"color": color, "ls": dashes}
                    n, curves = curves_by_n(table, here, name)
                    ax.plot(n, curves, lw=0.4, alpha=0.6, **look)
                    ax.plot(n, curves.mean(1), lw=2.0, label=f"{words}, {word}", **look)
    for moment, top, bottom in zip(moments, axes[0], axes[-1], strict=True):
        top.set_title(f"{moment:.0f} episodes")
        bottom.set_xlabel("n (steps)")
        bottom.xaxis.set_major_locator(MaxNLocator(integer=True))
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False)
    return figure


def curves_by_n(table, here, name):
    """n (N,), and a column of the table by n and seed, (N, S)."""
    n, seeds = np.unique(table["n"][here]), np.unique(table["seed"][here])
    order = np.lexsort((table["seed"][here], table["n"][here]))
    return n, table[name][here][order].reshape(len(n), len(seeds))
