"""Figure 2, the final returns of its runs, and the lag sweep: tables, then pictures. [Fig. 2]

A study is {(task, algo): [Seed, ...]}, of the same seeds everywhere. The tables are CSV files, and
the pictures are drawn from these alone; read back they are dicts of columns by name, cut to a task
or an algo by `of`.
"""

from operator import itemgetter

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator

from lvgts_np.experiments.plots import style
from lvgts_np.experiments.plots.style import ALGOS, BLUE, BOUNDS, ORANGE, matrix
from lvgts_np.experiments.run_data import learning_curves, mean_over_seeds
from lvgts_np.experiments.studies.statistics import band, best
from lvgts_np.experiments.studies.summary import final_returns, run_summaries, without_credit
from lvgts_np.training.files import read_table, write_table

TASKS = {
    "dummy_pmt": "dummy-PMT", "dummy_amt": "dummy-AMT", "pendulum_amt": "pendulum-AMT",
    "pendulum_pmt": "pendulum-PMT (extra)",
}  # fmt: skip
RETURNS = ("task", "algo", "episodes", "mean", "low", "high", "kept_mean")
ATTENTION = ("task", "t", "i", "weight")
FINALS = (
    "task", "algo", "seed", "final_return", "kept", "attention_remember", *BOUNDS,
    "t1", "t2", "T",
)  # fmt: skip
# LM-SVG's dashes lie on LVGTS's broad line, so that both show where they are equal.
LOOK = {
    "lvgts": {"color": BLUE, "ls": "-", "lw": 3.6, "zorder": 4},
    "lm_svg": {"color": ORANGE, "ls": (0, (3, 2)), "lw": 2.0, "zorder": 5},
}
MARKERS = {"lvgts": "o", "lm_svg": "s"}
BAND = Patch(fc="0.5", alpha=0.4, label="95 % of bootstrapped means")


def draw(study, directory):
    """Write returns.csv, attention.csv, finals.csv; figure2 and spread, each as PNG and as PDF."""
    found = sorted((c for c in study if study[c]), key=lambda c: (list(TASKS).index(c[0]), c[1]))
    study = {condition: study[condition] for condition in found}
    finals = tabulate_finals(study)
    kept = {(row["task"], row["algo"], row["seed"]) for row in finals if row["kept"]}
    numbers = [seed.number for seed in study[found[0]]]
    curves = tabulate_returns(study, kept)
    returns = round_trip(directory / "returns.csv", (*RETURNS, *numbers), curves)
    attention = round_trip(directory / "attention.csv", ATTENTION, tabulate_attention(study))
    finals = round_trip(directory / "finals.csv", FINALS, map(itemgetter(*FINALS), finals))
    save_both(lambda: plot_figure2(returns, attention, finals), directory / "figure2")
    save_both(lambda: plot_final_returns(finals), directory / "spread")


def round_trip(path, header, rows):
    """Columns of a table, written and read back; empty ones without rows, as all runs failed."""
    write_table(path, header, rows)
    return read_table(path) or {str(name): np.array([]) for name in header}


def save_both(plot, stem):
    """Write the Figure of plot() as PNG and as PDF."""
    with style.defaults():
        figure = plot()
        for kind in ("png", "pdf"):
            style.save(figure, stem.with_suffix(f".{kind}"), dpi=200)


def tabulate_finals(study):
    """A dict for each run, with whether the paper's rule keeps it: the best three quarters."""
    rows = []
    for condition, seeds in study.items():
        runs = run_summaries(study, condition).values()
        keep = best(final_returns(runs))
        for n, run in enumerate(runs):
            final = {"final_return": run["final_eval_return_recall"], "kept": int(n in keep)}
            rows.append(seeds[0].config | run | final)
    return rows


def tabulate_returns(study, kept):
    """A row for each evaluation of a condition; statistics only where all its runs have one."""
    rows = []
    for condition, seeds in study.items():
        steps, curves = learning_curves(seeds)
        every = np.array(list(curves.values()))
        whole = np.isfinite(every).all(axis=0)
        statistics = np.full((4, len(steps)), np.nan)
        if whole.any():
            best_ones = np.array([curves[n] for n in curves if (*condition, n) in kept])[:, whole]
            statistics[:, whole] = *band(every[:, whole]), best_ones.mean(axis=0)
        rows += [(*condition, *row) for row in zip(steps, *statistics, *every, strict=True)]
    return rows


def tabulate_attention(study):
    """LVGTS's map A[t, i], mean over the runs that came to one."""
    rows = []
    for (task, algo), seeds in study.items():
        having = [seed for seed in seeds if "attention" in seed.tables]
        if algo == "lvgts" and having:
            table = mean_over_seeds(having, "attention", "weight")
            rows += [(task, *row) for row in zip(*table.values(), strict=True)]
    return rows


def plot_figure2(returns, attention, finals):
    """Learning curves of both algorithms by task, and LVGTS's attention. [Fig. 2]"""
    tasks = list(dict.fromkeys(finals["task"]))
    figure = Figure((3.4 * len(tasks), 6.6), layout="constrained")
    axes = figure.subplots(2, len(tasks), squeeze=False, height_ratios=(1.1, 1))
    for task, (top, bottom) in zip(tasks, axes.T, strict=True):
        last = of(finals, task=task)
        for algo in dict.fromkeys(last["algo"]):
            draw_curves(top, algo, of(returns, task=task, algo=algo), of(last, algo=algo))
        draw_bounds(top, last)
        top.set(xlabel="training episodes", xlim=(0, None), title=TASKS[task])
        top.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        image = draw_map(bottom, of(attention, task=task), of(last, algo="lvgts"))
    axes[0, 0].set_ylabel("recall return (noise-free policy)")
    axes[1, 0].set_ylabel("step t that attends")
    if image:
        figure.colorbar(image, ax=axes[1], label="LVGTS: mean weight", pad=0.01)
    black = {"color": "black", "alpha": 0.5}
    lines = [line for ax in axes[0] for line in ax.get_legend_handles_labels()[0]]
    handles = [
        *{line.get_label(): line for line in lines}.values(),  # those of all tasks once
        BAND,
        Line2D([], [], ls="-", lw=0.5, label="one run", **black),
        Line2D([], [], ls=":", lw=0.9, label="one run that the rule drops", **black),
        Patch(**style.FRAME, label="a step of the recall phase"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(tasks) + 1, frameon=False)
    return figure


def draw_curves(ax, algo, table, last):
    """All runs of a condition, their mean with its band, and the mean of those the rule keeps."""
    color, n = LOOK[algo]["color"], len(last["kept"])
    x, keep = table["episodes"], dict(zip(last["seed"], last["kept"], strict=True))
    for seed, is_kept in keep.items():
        thin = {"ls": "-" if is_kept else ":", "lw": 0.5 if is_kept else 0.9}
        ax.plot(x, table[str(int(seed))], color=color, alpha=0.35, zorder=1, **thin)
    draw_mean(ax, algo, x, table, label=f"{ALGOS[algo]}, mean of all {n} runs")
    words = f"{ALGOS[algo]}, best {last['kept'].sum():.0f} of {n}"
    ax.plot(x, table["kept_mean"], MARKERS[algo], ls="-", color=color, lw=0.8, ms=3.5, label=words,
            mfc="white", zorder=6, markevery=max(1, len(x) // 8))  # fmt: skip


def draw_mean(ax, algo, x, table, **label):
    """Mean of all runs of a condition, and its band."""
    color = LOOK[algo]["color"]
    ax.fill_between(x, table["low"], table["high"], color=color, alpha=0.3, lw=0, zorder=2)
    ax.plot(x, table["mean"], **LOOK[algo], **label)


def draw_bounds(ax, last):
    """Optimal return, and the best without credit: myopic baseline, or on PMT the lower bound."""
    bounds = {name: last[name][0] for name in BOUNDS}
    optimal, _, lower = bounds.values()
    note = {"xytext": (-3, 2), "textcoords": "offset points", "ha": "right", "fontsize": 7.5}
    note["path_effects"] = [withStroke(linewidth=2.5, foreground="white")]
    note["annotation_clip"] = True  # no room for the name of a line below the axis
    for name in ("max_return", without_credit(bounds)):
        y = last[name][0]
        ax.axhline(y, color="black", lw=0.9, ls=style.DASHES[name], zorder=2)
        ax.annotate(f"{BOUNDS[name]} {y:.3f}", (1, y), xycoords=ax.get_yaxis_transform(), **note)
    ax.set_ylim(lower - 0.3 * (optimal - lower), optimal + 0.11 * (optimal - lower))


def draw_map(ax, table, last):
    """LVGTS's attention map with its share on the remember phase; None where there is no map."""
    if not len(table["t"]):
        ax.set_axis_off()
        return None
    c = {name: int(last[name][0]) for name in ("t1", "t2", "T")} | {"task": str(last["task"][0])}
    image = style.draw_attention_map(ax, matrix(table, "t", "weight", c["T"]), style.task_of(c))
    share = last["attention_remember"]
    words = f"recall attends remember:\n{share.mean():.0%} (worst {share.min():.0%})"
    place = {"ha": "right", "va": "top", "transform": ax.transAxes}
    ax.text(0.97, 0.96, words, fontsize=8, bbox={"fc": "white", "lw": 0, "pad": 1}, **place)
    ax.set(xlabel="step i that is attended")
    return image


def plot_final_returns(finals):
    """Final return of each run, both algorithms, pairs joined seed by seed."""
    tasks = list(dict.fromkeys(finals["task"]))
    figure = Figure((2.3 * len(tasks) + 0.6, 3.8), layout="constrained")
    axes = figure.subplots(1, len(tasks), squeeze=False, sharey=True)[0]
    for ax, task in zip(axes, tasks, strict=True):
        last = of(finals, task=task)
        draw_bounds(ax, last)
        style.show_down_to(ax, min(0.0, finals["final_return"].min()) - 0.3, finals)
        algos = list(dict.fromkeys(last["algo"]))
        y = np.array([of(last, algo=algo)["final_return"] for algo in algos])  # (algorithms, n)
        x = np.arange(len(algos))[:, None] + np.zeros_like(y)
        aside = x + np.linspace(-0.35, 0.35, len(y[0]))  # that runs do not cover each other
        ax.plot(aside, y, color="0.6", lw=0.6, zorder=1)
        for runs in zip(algos, x, y, aside, strict=True):
            draw_runs(ax, *runs)
        ax.set(title=TASKS[task], xlim=(-0.6, len(algos) - 0.4))
        ax.set_xticks(range(len(algos)), [ALGOS[a] for a in algos])
    figure.axes[0].set_ylabel("final recall return")
    return figure


def plot_lags(means, finals):
    """Final return, and LVGTS's attention, by the lag between remembering and recall."""
    figure = Figure((6.8, 6.0), layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(2.4, 1))
    draw_bounds(top, finals)
    style.show_down_to(top, min(0.0, finals["final_return"].min()) - 0.3, finals)
    handles = []
    for algo, look in LOOK.items():
        mean, last = of(means, algo=algo), of(finals, algo=algo)
        draw_mean(top, algo, mean["lag"], mean)
        beside = {"lvgts": 1.03, "lm_svg": 0.97}[algo]  # that runs do not cover each other
        draw_runs(top, algo, last["lag"], last["final_return"], last["lag"] * beside)
        point = {"marker": MARKERS[algo], "mfc": "white", "ms": 4}
        handles.append(Line2D([], [], **look, **point, label=f"{ALGOS[algo]}: mean, one run"))
    top.set_ylabel("final recall return (noise-free policy)")
    mean, last = of(means, algo="lvgts"), of(finals, algo="lvgts")
    bottom.plot(mean["lag"], mean["attention_remember"], color=BLUE, lw=2.0)
    draw_runs(bottom, "lvgts", last["lag"], last["attention_remember"], last["lag"])
    bottom.set(ylim=(0, 1.05), xscale="log", xlabel="lag from remember to recall (steps)")
    bottom.set_xlim(mean["lag"].min() / 1.3, 2.0 * mean["lag"].max())  # room for the lines' names
    bottom.set_ylabel("LVGTS: attention on\nthe remember phase")
    bottom.set_xticks(mean["lag"], [f"{lag:.0f}" for lag in mean["lag"]])
    bottom.minorticks_off()
    figure.legend(handles=[*handles, BAND], loc="outside lower center", ncols=3, frameon=False)
    return figure


def draw_runs(ax, algo, x, y, aside):
    """Every run as a point at `aside`; below the picture a note of the depth at x."""
    ax.plot(aside, y, MARKERS[algo], color=LOOK[algo]["color"], mfc="none", ms=3.5, zorder=6)
    for place in np.unique(x):
        style.note_depth(ax, place, y[x == place].min())


def of(table, **which):
    """Rows of a table with this task, this algo."""
    keep = np.all([table[name] == value for name, value in which.items()], axis=0)
    return {name: column[keep] for name, column in table.items()}
