"""Readings of the paper: final returns of all runs, a row a reading, a column a task. [§4.2]"""

import numpy as np
from matplotlib.figure import Figure

from lvgts_np.experiments.plots.paper_plots import LOOK, MARKERS, TASKS, of
from lvgts_np.experiments.plots.style import ALGOS, DASHES


def plot_readings(means, runs):
    """Final return of every run of each reading, with the mean of all and its interval."""
    tasks = list(dict.fromkeys(means["task"]))
    names = max((rows(means, task) for task in tasks), key=len)  # some concern one task alone
    figure = Figure((3.6 * len(tasks) + 1.6, 0.25 * len(names) + 1.4), layout="constrained")
    axes = figure.subplots(1, len(tasks), squeeze=False, sharey=True)[0]
    left = min(max(runs["final_return"].min(), -1.0), 0.0) - 0.1
    for ax, task in zip(axes, tasks, strict=True):
        for y, (algo, reading) in enumerate(names):
            x = of(runs, task=task, algo=algo, reading=reading)["final_return"]
            if len(x):
                draw_row(ax, y, algo, x, of(means, task=task, algo=algo, reading=reading), left)
        bounds = of(runs, task=task)
        for bound in ("max_return", "myopic_return"):
            ax.axvline(bounds[bound][0], color="black", lw=0.9, ls=DASHES[bound], zorder=0)
        ax.set(title=TASKS[task], xlabel="final recall return", xlim=(left, 2.1))
        ax.grid(axis="y", color="0.9", lw=0.6)
    axes[0].set_yticks(range(len(names)), [f"{ALGOS[algo]}, {reading}" for algo, reading in names])
    axes[0].set_ylim(len(names) - 0.5, -0.5)  # the defaults on top
    return figure


def rows(means, task):
    """Algorithm and reading of each row of a task, in the table's order."""
    own = of(means, task=task)
    return list(zip(own["algo"], own["reading"], strict=True))


def draw_row(ax, y, algo, x, mean, left):
    """Runs as points, those left of the picture at its edge with their number; mean, interval."""
    color, shown = LOOK[algo]["color"], x >= left
    ax.plot(x[shown], np.full(shown.sum(), y), MARKERS[algo], color=color, mfc="none", ms=3.5)
    if not shown.all():
        words = f"{np.sum(~shown)} to {x.min():.1f}"
        ax.annotate(words, (left, y), xytext=(3, 3), textcoords="offset points", fontsize=7)
    low, high = np.maximum([mean["low"][0], mean["high"][0]], left)
    ax.plot([low, high], [y, y], color="black", lw=2.5, solid_capstyle="butt", zorder=5)
    ax.plot(max(mean["mean"][0], left), y, "|", color="black", ms=11, mew=1.6, zorder=6)
