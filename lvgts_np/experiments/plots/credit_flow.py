"""Backward pass of a trained agent: the paths from one predicted reward to actions. [Fig. 1b]

Gradients flow from right to left. The policy's own path, from an action to its latent, is not
drawn; a detach of the latent cuts it too.
"""

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Circle, Patch, PathPatch, Rectangle
from matplotlib.path import Path

from lvgts_np.experiments.plots import style
from lvgts_np.experiments.plots.style import BLUE, ORANGE, RED, SHADES, fields, task_of

MAX_SHOWN = 15  # steps drawn one by one; of a longer episode the middle is collapsed
MIN_WEIGHT = 0.02  # of a read that gets an arc
MIN_CREDIT = 0.001  # that gets a number
IDLE, IDLE_READ = "0.6", "0.78"  # without gradient: the chain, a read
HATCHED = style.ZERO | {"lw": 0.8}
TEXT = {"fontsize": 10, "ha": "center", "va": "center", "zorder": 5}
SMALL = TEXT | {"fontsize": 9}


def flow_step(task, c):
    """Reward step j: a recall step just after a detach, so that only its reads reach further.

    Else the recall step nearest to the marked one of Figure 2 whose own latent is not detached.
    """
    steps = task.pay if len(task.pay) else range(1, task.T)
    far = {j: abs(j - style.marked_step(task)) for j in steps}
    first, N = c["count_from"], c["N"]
    return min(far, key=lambda j: ((j - 1 + first) % N > 0, (j + first) % N == 0, far[j]))


def flow_table(A, rms, config):
    """Columns t, phase, detach, weight, rms for t = 0..j. [Fig. 1b]

    weight is A[j, t], step j's read of t, and rms that of ∂r̂_j / ∂â_t, from A and rms (T, T);
    detach is 1 where one lies between t and t + 1.
    """
    c, task = fields(config), task_of(config)
    j = flow_step(task, c)
    t = np.arange(j + 1)
    return {
        "t": t,
        "phase": np.array([task.phase(i) for i in t]),
        "detach": ((t + 1 + c["count_from"]) % c["N"] == 0).astype(int),
        "weight": np.append(A[j, :j], np.nan),
        "rms": rms[j, : j + 1],
    }


def plot_credit_flow(A, rms, config, title=""):
    """Paths that the credit of one recall reward takes in one agent. [Fig. 1b]

    A (T, T) is the attention map, rms (T, T) the root mean square credit. Returns a Figure.
    """
    return plot_credit_flow_pair([(A, rms, config)], title)


def plot_credit_flow_pair(agents, title=""):
    """The same for several agents (A, rms, config), one below the other. [Fig. 1b]"""
    flows = [(flow_table(A, rms, c), fields(c), task_of(c)) for A, rms, c in agents]
    figure = Figure((7.2, 2.5 * len(flows) + 1.2), layout="constrained")
    axes = figure.subplots(len(flows), 1, squeeze=False)[:, 0]
    max_rms = max(np.max(table["rms"]) for table, *_ in flows) or 1.0
    for ax, (table, c, task) in zip(axes, flows, strict=True):
        x, hidden = places(len(table["t"]))
        shade_steps(ax, task, x)
        chain(ax, table, x, c["store"])
        actions(ax, table, x, max_rms)
        reads(ax, table, x, hidden, c["algo"] == "lvgts" and not table["detach"][-2])
        if hidden:
            collapsed(ax, table, hidden)
        ax.set(xlim=(-2.3, max(*x.values(), 11) + 1.6), ylim=(-2.0, 3.0), aspect="equal")
        ax.set_title(f"{style.ALGOS[c['algo']]}: {verdict(table)}", fontsize=11, loc="left")
        ax.axis("off")
    figure.legend(handles=key(), loc="outside lower center", ncols=2, frameon=False, fontsize=10)
    figure.suptitle(title, fontsize=12)
    return figure


def places(steps):
    """Places {t: x} of the steps shown, and the range of those collapsed."""
    first, end = steps, steps
    if steps > MAX_SHOWN:
        first, end = MAX_SHOWN // 2 - 1, steps - MAX_SHOWN // 2
    later = {t: t - end + first + 2 for t in range(end, steps)}
    return {t: t for t in range(first)} | later, range(first, end)


def shade_steps(ax, task, x):
    for name, first, last in task.phases():
        at, role = [x[t] for t in x if first <= t < last], style.shade(task, first, last)
        if at:
            start, end = at[0] - 0.5, at[-1] + (1.5 if last > max(x) else 0.5)  # the reward's
            ax.axvspan(start, end, color=SHADES[role], lw=0, zorder=0)
            lower = 0.4 * (not role and len(at) < 4)  # no name on another
            ax.text((start + end) / 2, 2.75 - lower, name, **TEXT)


def chain(ax, table, x, store):
    """Latents, the reward, and the links between them and to the actions, blue with gradient.

    The bar of a detach lies right of the latent that the memory keeps, with store "after" left.
    """
    blue = {"arrowstyle": "-|>", "color": BLUE, "lw": 2.5, "shrinkA": 0, "shrinkB": 0}
    for t, at in x.items():
        cut, bar = t and table["detach"][t - 1], at + (0.42 if store == "before" else -0.42)
        ends = (bar if cut and bar > at else at + 0.3, 0), (at + 0.27, -0.73)
        for y, end, start in zip((0, -1), ends, ((at + 0.7, 0), (at + 0.8, -0.2)), strict=True):
            ax.plot([at, at + 1], [y, 0], color=IDLE, lw=1.2, zorder=1)
            if table["rms"][t]:
                ax.annotate("", end, start, arrowprops=blue)
        if cut:
            ax.plot([bar, bar], [-0.38, 0.45], color=RED, lw=3.5, zorder=4)
        ax.add_patch(Circle((at, 0), 0.3, fc="white", ec="black", zorder=3))
        ax.text(at, -0.02, t, **TEXT | {"fontsize": 10 if t < 100 else 8})
    ax.plot(at + 1, 0, "D", color=ORANGE, mec="black", ms=12, zorder=4)
    ax.text(at + 1, 0.75, f"$\\hat r_{{{t}}}$", **TEXT | {"fontsize": 12})


def actions(ax, table, x, max_rms):
    """Each action under its latent, darker for more credit, and the number under it."""
    for t, at in x.items():
        rms = table["rms"][t]
        shade = {"fc": colormaps["Blues"](0.1 + 0.8 * np.sqrt(rms / max_rms)), "ec": "black"}
        box = Rectangle((at - 0.27, -1.27), 0.54, 0.54, zorder=3, **(shade if rms else HATCHED))
        ax.add_patch(box)
        ax.text(at, -1.65, number(rms), **SMALL)
    for y, word in ((0, "latent"), (-1, "action"), (-1.65, "credit")):
        ax.text(-0.65, y, word, **TEXT | {"ha": "right"})


def reads(ax, table, x, hidden, live):
    """Arcs of step j's memory reads; collapsed steps share one, with the sum of their weights."""
    weights, j = {at: table["weight"][t] for t, at in x.items()}, max(x.values())
    if hidden:
        weights[hidden.start + 0.5] = table["weight"][hidden].sum()
    color, word = (BLUE, "black") if live else (IDLE_READ, "0.35")
    for at, weight in weights.items():
        if weight >= MIN_WEIGHT:
            high = 1.0 + 2.1 * ((j - at) / j) ** 2
            path = Path([(j, 0.3), (j, high), (at, high), (at, 0.45)], [1, 4, 4, 4])  # a cubic
            ax.add_patch(PathPatch(path, fill=False, ec=color, lw=1 + 9 * weight, zorder=2))
            ax.plot(at, 0.45, "v", color=color, ms=7 + 7 * weight, mew=0, zorder=2)
            box = {"fc": "white", "lw": 0, "pad": 1}
            ax.text(at, 1.05, f"{weight:.2f}", color=word, bbox=box, **TEXT)


def collapsed(ax, table, hidden):
    """Dots for the steps that are not shown, with their number of detaches and their credit."""
    at, rms, bars = hidden.start + 0.5, table["rms"][hidden].max(), table["detach"][hidden].sum()
    ax.text(at, 0, "···", **TEXT | {"fontsize": 14})
    ax.text(at, -0.9, f"{hidden[0]}–{hidden[-1]}\n{bars:.0f} bars", **TEXT | {"fontsize": 8})
    ax.text(at, -1.65, "≤ " * bool(rms >= MIN_CREDIT) + number(rms), **SMALL)


def number(rms):
    """Three digits; "0" for an exact zero and nothing else."""
    if rms >= MIN_CREDIT:
        return f"{rms:.3f}" if rms < 1 else f"{rms:.3g}"
    return "<.001" if rms else "0"


def verdict(table):
    """Credit of the actions before the last detach, in words."""
    cuts = np.flatnonzero(table["detach"][:-1])
    if not len(cuts):
        return "no bar before this reward"
    if table["rms"][: cuts[-1] + 1].any():
        return "memory reads carry credit past the bars"
    return f"exactly 0 before a_{cuts[-1] + 1}"


def key():
    bar = {"color": RED, "marker": "|", "ms": 14, "mew": 3.5, "ls": ""}
    credit = r"action, darker = more $\partial \hat r / \partial \hat a$ (rms)"
    return [
        Line2D([], [], color=BLUE, lw=2.5, label="path of the gradient, right to left"),
        Line2D([], [], color=BLUE, lw=6, label="arc: memory read, width = weight"),
        Line2D([], [], color=IDLE_READ, lw=6, label="the encoder's read, no gradient in f"),
        Line2D([], [], **bar, label="bar: detach, no gradient passes"),
        Patch(fc=colormaps["Blues"](0.7), ec="black", label=credit),
        Patch(**HATCHED, label="action with a credit of exactly 0"),
    ]
