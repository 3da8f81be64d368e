"""Figure 2, the spread of its runs, and the horizon, painted from their tables. [Fig. 2]

A table is a dict of columns by name; those with a task or an algo are cut to one by `of`.
"""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import MaxNLocator

from lvgts_np.experiments.plots.paint import (
    ALGOS,
    BLUE,
    FRAME,
    ORANGE,
    lowest,
    matrix,
    name_phases,
    note_depth,
    red_step,
)

LOOK = {"lvgts": (BLUE, "-"), "lm_svg": (ORANGE, "--")}
MARKERS = {"lvgts": "o", "lm_svg": "s"}
NAMES = {
    "dummy_pmt": "dummy-PMT", "dummy_amt": "dummy-AMT", "pendulum_amt": "pendulum-AMT",
    "pendulum_pmt": "pendulum-PMT (extra)",
}  # fmt: skip


def figure2(returns, attention, finals):
    tasks = list(dict.fromkeys(finals["task"]))
    figure = Figure((3.4 * len(tasks), 6.6), layout="constrained")
    axes = figure.subplots(2, len(tasks), squeeze=False, height_ratios=(1.1, 1))
    for column, (task, (top, bottom)) in enumerate(zip(tasks, axes.T, strict=True)):
        last = of(finals, task=task)
        for algo in dict.fromkeys(last["algo"]):
            curves(top, algo, of(returns, task=task, algo=algo), of(last, algo=algo))
        lines(top, last)
        top.set(xlabel="training episodes", xlim=(0, None), title=NAMES[task])
        top.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        image = attends(bottom, of(attention, task=task), of(last, algo="lvgts"))
        if column == 0:
            top.set_ylabel("recall return (noise-free policy)")
            bottom.set_ylabel("step t that attends")
    if image:
        figure.colorbar(image, ax=axes[1], label="LVGTS: mean weight", pad=0.01)
    figure.legend(
        handles=key(finals), loc="outside lower center", ncols=len(tasks) + 1, frameon=False
    )
    return figure


def curves(ax, algo, table, last):
    """All runs of a cell, their mean with its band, and the mean of those the rule keeps."""
    color, dash = LOOK[algo]
    x, keep = table["episodes"], dict(zip(last["seed"], last["kept"], strict=True))
    for seed, kept in keep.items():
        style = {"ls": "-" if kept else ":", "lw": 0.5 if kept else 0.9}
        ax.plot(x, table[str(int(seed))], color=color, alpha=0.35, zorder=1, **style)
    ax.fill_between(x, table["low"], table["high"], color=color, alpha=0.3, lw=0, zorder=2)
    ax.plot(x, table["mean"], color=color, ls=dash, lw=2.0, zorder=4)
    points = max(1, len(x) // 8)
    ax.plot(x, table["kept_mean"], "o-", color=color, lw=0.8, ms=3.5, mfc="white", zorder=3,
            markevery=(points // 2, points))  # fmt: skip


def lines(ax, last):
    """The ceiling, and what is possible without credit: the myopic line, or on PMT the floor."""
    ceiling, myopic, floor = (
        last[name][0] for name in ("max_return", "myopic_return", "floor_return")
    )
    without = (floor, ":", "no memory") if myopic > ceiling - 1e-3 else (myopic, "--", "myopic")
    for y, dash, word in ((ceiling, "-", "ceiling"), without):
        ax.axhline(y, color="black", lw=0.9, ls=dash, zorder=2)
        note = {"ha": "right", "va": "bottom", "fontsize": 7.5, "clip_on": True}
        ax.text(0.99, y + 0.02, f"{word} {y:.2f}", transform=ax.get_yaxis_transform(), **note)
    ax.set_ylim(floor - 0.3 * (ceiling - floor), ceiling + 0.09 * (ceiling - floor))


def attends(ax, table, last):
    """The attention map with one recall step in red; its image, None where there is no map."""
    if not len(table.get("t", ())):
        ax.set_axis_off()
        return None
    c = {name: int(last[name][0]) for name in ("t1", "t2", "T")}
    t_red = red_step(c)
    ax.set_facecolor("0.85")
    image = ax.imshow(
        matrix(table, "t", "weight", c["T"]), cmap="Blues", vmin=0, vmax=1, aspect="auto"
    )
    ax.add_patch(Rectangle((-0.5, t_red - 0.5), t_red, 1, **FRAME))
    for edge in (c["t1"] - 0.5, c["t2"] + 0.5):
        ax.axvline(edge, color="black", lw=0.8)
        ax.axhline(edge, color="black", lw=0.8)
    share = last["attention_remember"]
    words = f"recall attends remember:\n{share.mean():.0%} (worst {share.min():.0%})"
    place = {"ha": "right", "va": "top", "transform": ax.transAxes}
    ax.text(0.97, 0.96, words, fontsize=8, bbox={"fc": "0.85", "lw": 0, "pad": 1}, **place)
    name_phases(ax, c)
    ax.set(xlabel="step i that is attended")
    ax.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    ax.yaxis.set_major_locator(MaxNLocator(8, integer=True))
    return image


def key(finals):
    """What the lines are, with the real numbers of runs."""
    handles = []
    for algo, (color, dash) in LOOK.items():
        kept = of(finals, algo=algo)["kept"]
        if len(kept):
            n, k = cell_size(finals, algo)
            style = {"color": color, "mfc": "white", "ms": 3.5, "lw": 0.8}
            mean = f"{ALGOS[algo]}, mean of all {n} runs"
            handles += [
                Line2D([], [], color=color, ls=dash, lw=2.0, label=mean),
                Line2D([], [], marker="o", label=f"{ALGOS[algo]}, best {k} of {n}", **style),
            ]
    black = {"color": "black", "alpha": 0.5}
    return [
        *handles,
        Patch(fc="0.5", alpha=0.4, label="95 % of bootstrapped means"),
        Line2D([], [], ls="-", lw=0.5, label="one run", **black),
        Line2D([], [], ls=":", lw=0.9, label="one run that the rule drops", **black),
        Patch(**FRAME, label="a step of the recall phase"),
    ]


def cell_size(finals, algo):
    """Runs of a cell, and how many of them the rule keeps; the most over the tasks."""
    cells = [of(finals, task=task, algo=algo)["kept"] for task in dict.fromkeys(finals["task"])]
    return max(len(x) for x in cells), max(int(x.sum()) for x in cells)


def spread(finals):
    """Each run's final return, both algorithms, joined seed by seed."""
    tasks = list(dict.fromkeys(finals["task"]))
    figure = Figure((2.3 * len(tasks) + 0.6, 3.8), layout="constrained")
    axes = figure.subplots(1, len(tasks), squeeze=False, sharey=True)[0]
    for ax, task in zip(axes, tasks, strict=True):
        last = of(finals, task=task)
        ends = {a: dict(zip(x["seed"], x["final_return"], strict=True))
                for a in ("lm_svg", "lvgts") if len((x := of(last, algo=a))["seed"])}  # fmt: skip
        for seed in set.intersection(*map(set, ends.values())):
            ax.plot(range(len(ends)), [e[seed] for e in ends.values()], color="0.6", lw=0.6)
        lines(ax, last)
        show_down_to_worst(ax, finals)
        for x, (algo, end) in enumerate(ends.items()):
            runs(ax, algo, np.full(len(end), x), np.array(list(end.values())))
        ax.set(title=NAMES[task], xlim=(-0.5, len(ends) - 0.5))
        ax.set_xticks(range(len(ends)), [ALGOS[a] for a in ends])
    figure.axes[0].set_ylabel("final recall return")
    return figure


def horizon(means, finals):
    """Final return, and LVGTS's attention, by the lag between remembering and recall."""
    figure = Figure((6.8, 6.0), layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(2.4, 1))
    lines(top, finals)
    show_down_to_worst(top, finals)
    for algo, (color, dash) in LOOK.items():
        mean, last = of(means, algo=algo), of(finals, algo=algo)
        top.fill_between(mean["lag"], mean["low"], mean["high"], color=color, alpha=0.25, lw=0)
        top.plot(mean["lag"], mean["mean"], color=color, ls=dash, lw=2.0, label=ALGOS[algo])
        beside = {"lvgts": 1.03, "lm_svg": 0.97}[algo]  # that runs do not cover each other
        runs(top, algo, last["lag"] * beside, last["final_return"])
    top.set_ylabel("final recall return (noise-free policy)")
    mean, last = of(means, algo="lvgts"), of(finals, algo="lvgts")
    bottom.plot(mean["lag"], mean["attention_remember"], color=BLUE, lw=2.0)
    runs(bottom, "lvgts", last["lag"], last["attention_remember"])
    bottom.set(ylim=(0, 1.05), xscale="log", xlabel="lag from remember to recall (steps)")
    bottom.set_xlim(mean["lag"].min() / 1.3, 2.0 * mean["lag"].max())  # room for the lines' names
    bottom.set_ylabel("LVGTS: attention on\nthe remember phase")
    bottom.set_xticks(mean["lag"], [f"{lag:.0f}" for lag in mean["lag"]])
    bottom.minorticks_off()
    algos, _ = top.get_legend_handles_labels()
    band = Patch(fc="0.5", alpha=0.4, label="95 % of bootstrapped means")
    run = Line2D([], [], color="black", marker="o", ls="", mfc="none", ms=4, label="one run")
    figure.legend(handles=[*algos, band, run], loc="outside lower center", ncols=4, frameon=False)
    return figure


def show_down_to_worst(ax, finals):
    """Down to the worst final return, but not so far that the rest is squeezed."""
    worst = min(0.0, finals["final_return"].min()) - 0.3
    ax.set_ylim(bottom=np.fmax(worst, lowest(finals)))


def runs(ax, algo, x, y):
    """Every run as a point; where one is below the picture, how deep."""
    ax.plot(x, y, MARKERS[algo], color=LOOK[algo][0], mfc="none", ms=4)
    below = y < ax.get_ylim()[0]
    for place in np.unique(x[below]):
        note_depth(ax, place, y[x == place].min(), "black")


def of(table, **which):
    """The rows of a table with this task, this algo."""
    if not table:
        return {}
    keep = np.all([table[name] == value for name, value in which.items()], axis=0)
    return {name: column[keep] for name, column in table.items()}
