"""The four pictures, each from one table. [Fig. 1, Fig. 2]

table is a dict of columns by name, seeds are those in it, for their config and their numbers.
"""

import numpy as np
from matplotlib.colors import LogNorm, SymLogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import MaxNLocator

# After Okabe and Ito: the colour-blind tell them apart, and so does a grey print.
BLUE, SKY, ORANGE, RED, GREEN = "#0072B2", "#56B4E9", "#E69F00", "#C8201A", "#009E73"
SHADES = {"remember": "#D6E8F5", "distractor": "#F3F3F3", "recall": "#FDF0DA"}
CUT = {"fc": "0.92", "ec": "0.55", "hatch": "////", "lw": 0}  # a credit of exactly 0
FRAME = {"fill": False, "ec": RED, "lw": 2.5, "zorder": 4, "clip_on": False}
STYLE = {
    "font.size": 9, "axes.titlesize": 9, "figure.titlesize": 11, "hatch.linewidth": 0.5,
    "lines.markersize": 4.5,
}  # fmt: skip
ALGOS = {"lvgts": "LVGTS", "lm_svg": "LM-SVG"}
BOUNDS = {"max_return": "ceiling", "myopic_return": "myopic", "floor_return": "no memory"}
MOST_NAMED = 5  # seeds that still get a label each
DECADES = 3  # of credit that have a colour of their own


def learning_curve(table, seeds):
    """[Fig. 2, top row]"""
    figure = Figure((7.2, 4.2), layout="constrained")
    ax, labels = figure.add_subplot(), []
    words = {f"seed_{seed.number}": f"seed {seed.number}" for seed in seeds} | {"mean": "mean"}
    words = words if len(seeds) > 1 else {"mean": words[f"seed_{seeds[0].number}"]}
    for name, word in words.items():
        seen, bold = np.isfinite(table[name]), name == "mean"
        x, y = table["episodes"][seen], table[name][seen]
        ax.plot(x, y, color=BLUE if bold else SKY, lw=2.4 if bold else 1.0, zorder=2 + bold)
        if len(x) and not seen[-1]:
            near = {"xytext": (-30, 6) if bold else (4, -12), "textcoords": "offset points"}
            ax.plot(x[-1], y[-1], "x", color=BLUE, zorder=4)
            ax.annotate(word if bold else f"{word} ends", (x[-1], y[-1]), **near, color=BLUE)
        elif len(x) and (bold or len(seeds) <= MOST_NAMED):
            labels.append((y[-1], word, BLUE))
    for (name, word), dash in zip(BOUNDS.items(), ("-", "--", ":"), strict=True):
        if np.isfinite(table[name][0]):
            ax.axhline(table[name][0], color="black", lw=1.0, ls=dash, zorder=1)
            labels.append((table[name][0], f"{word} {table[name][0]:.2f}", "black"))
    ax.set(xlabel="training episodes", ylabel="recall return of an episode (noise-free policy)")
    ax.set_xlim(0, table["episodes"][-1])
    cut_below(ax, table, words)
    label_right(ax, labels)
    figure.suptitle(title(seeds, "learning curve"))
    return figure


def cut_below(ax, table, names):
    """Keep a collapse from squeezing the rest: cut the axis, and say how deep it went."""
    last = table["episodes"][-1]
    for name in names:
        deepest = np.argmin(np.nan_to_num(table[name], nan=np.inf))
        of_seed = name != "mean" or len(names) == 1
        if of_seed and table[name][deepest] < lowest(table):
            ax.set_ylim(bottom=lowest(table))
            x = table["episodes"][deepest]
            note_depth(ax, x, table[name][deepest], BLUE, "right" if x > last / 2 else "left")


def lowest(table):
    """The return at which an axis is cut; without a floor nan, and nothing is below that."""
    floor, ceiling = np.min(table["floor_return"]), np.max(table["max_return"])
    return floor - 0.75 * (ceiling - floor)


def note_depth(ax, x, depth, color, ha="left"):
    """On the lower edge, how deep it went below it."""
    offset = {"left": (4, 4), "right": (-4, 4)}[ha]
    at = {"xytext": offset, "textcoords": "offset points", "ha": ha}
    ax.annotate(f"to {depth:.1f}", (x, ax.get_ylim()[0]), color=color, **at)


def label_right(ax, labels):
    """Names (y, text, colour) beside the axes, pushed apart until none covers another."""
    labels = sorted((max(y, ax.get_ylim()[0]), *label) for y, *label in labels)
    at = np.array([y for y, _, _ in labels])
    gap = 0.055 * np.diff(ax.get_ylim())
    for _ in range(200):
        overlap = np.maximum(gap - np.diff(at), 0) / 2
        at[:-1] -= overlap
        at[1:] += overlap
    edge = ax.get_yaxis_transform()
    for place, (y, text, color) in zip(at, labels, strict=True):
        line = {"arrowstyle": "-", "lw": 0.6, "color": color, "shrinkA": 1, "shrinkB": 0}
        ax.annotate(
            text, (1, y), (1.04, place), edge, edge, va="center", color=color, arrowprops=line
        )


def attention(table, seeds):
    """[Fig. 2, bottom row] The whole map, and under it one step of the recall phase, in red."""
    c = seeds[0].config
    t_red = red_step(c)
    figure = Figure((6.8, 7.6), layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(3.4, 1))
    w = matrix(table, "t", "weight", c["T"])
    top.set_facecolor("0.85")
    image = top.imshow(w, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    mark_matrix(top, c)
    top.add_patch(Rectangle((-0.5, t_red - 0.5), t_red, 1, **FRAME))
    top.set_ylabel("step t that attends")
    figure.colorbar(
        image, ax=top, label="mean weight over episodes and seeds (grey: not yet in memory)"
    )
    bars = bottom.bar(range(t_red), w[t_red, :t_red], color=RED)
    least = 0.005 if c["T"] <= 20 else 0.05
    bottom.bar_label(bars, [f"{x:.2f}" if x >= least else "" for x in w[t_red, :t_red]], color=RED)
    shade_phases(bottom, c)
    bottom.set(xlabel="step i that is attended", ylim=(0, 1.15))
    bottom.set_ylabel(f"weight at t = {t_red}", color=RED)
    figure.suptitle(title(seeds, "attention"))
    return figure


def credit(table, seeds):
    """[Fig. 1] Size and sign of the credit, with what no path reaches set apart."""
    c = seeds[0].config
    figure = Figure((11.0, 5.9), layout="constrained")
    rms, mean = (matrix(table, "j", name, c["T"]) for name in ("rms", "mean"))
    most = np.max(rms, initial=0, where=np.isfinite(rms)) or 1.0
    size = LogNorm(most / 10**DECADES, most)
    big = np.max(np.abs(mean), initial=0, where=np.isfinite(mean)) or 1.0
    left, right = figure.subplots(1, 2)
    draw_matrix(left, np.where(rms == 0, np.nan, rms), c, "min", cmap="viridis_r", norm=size)
    left.set_title("root mean square over episodes, mean over seeds", pad=20)
    sign = SymLogNorm(big / 30, vmin=-big, vmax=big)
    draw_matrix(right, np.where(rms == 0, np.nan, mean), c, "neither", cmap="PuOr", norm=sign)
    right.set_title("signed mean over episodes and seeds", pad=20)
    recall = (-0.5, c["t2"] + 0.5), c["t1"], c["T"] - c["t2"] - 1
    for ax in (left, right):
        for j, zero in enumerate(np.tril(rms == 0)):
            ends = np.flatnonzero(np.diff(zero, prepend=False, append=False)).reshape(-1, 2)
            for first, end in ends:  # a patch a stretch: a long episode has many zeros
                ax.add_patch(Rectangle((first - 0.5, j - 0.5), end - first, 1, **CUT))
        ax.add_patch(Rectangle(*recall, **FRAME))
    key = (
        Patch(**FRAME, label="recall rewards, remember actions"),
        Patch(**CUT, label="exactly 0, in every episode"),
        Line2D([], [], color="black", ls="--", lw=0.8, label=f"detach, N = {c['N']}"),
        Line2D([], [], color="black", lw=1.5, label="next phase"),
    )
    figure.legend(handles=key, loc="outside lower center", ncols=4, frameon=False)
    figure.suptitle(title(seeds, "credit of actions for predicted rewards"))
    return figure


def draw_matrix(ax, values, c, extend, **colors):
    """One credit matrix with the boundaries of the phases and of the detached blocks."""
    image = ax.imshow(values, aspect="auto", **colors)
    mark_matrix(ax, c)
    cuts = np.arange(c["N"], c["T"], c["N"]) - 0.5
    style = {"color": "black", "lw": min(0.8, 12 / max(len(cuts), 1)), "ls": "--"}
    for cut in cuts:
        ax.axvline(cut, **style)
        ax.axhline(cut, **style)
    note = {"ha": "right", "va": "top", "bbox": {"fc": "white", "lw": 0}}
    ax.text(0.97, 0.96, "action after\nthe reward", transform=ax.transAxes, **note)
    ax.set(xlabel="step i of the action", ylabel="step j of the predicted reward")
    label = r"$\partial \hat r_j \, / \, \partial a_i$  (reward per unit of action)"
    ax.figure.colorbar(image, ax=ax, label=label, extend=extend)


def episode(table, seeds):
    """What the agent saw, did and was paid, step by step."""
    c, t = seeds[0].config, table["t"]
    swing = {"o_1": "cos", "o_2": "sin", "o_3": "speed / 8"}
    swing = {name: word for name, word in swing.items() if name in table}
    words = ("observation", *["pendulum"][: len(swing)], "action", "reward")
    figure = Figure((7.6, 1.2 + 1.7 * len(words)), layout="constrained")
    axes = dict(zip(words, figure.subplots(len(words), 1, sharex=True), strict=True))
    for word in ("observation", "action"):
        axes[word].plot(t, table["o_m"], color=RED, ls="--", lw=1.6, label="o_m, to remember")
    axes["observation"].plot(t, table["o_0"], "o-", color=BLUE, label="memory channel")
    for (name, label), style in zip(swing.items(), ("o-", "s--", "^:"), strict=False):
        axes["pendulum"].plot(t, table[name], style, color=BLUE, label=label)
    axes["action"].plot(t, table["a"], "o-", color="black", label="action")
    reveal = np.arange(c["t1"] - 1) if c["task"].endswith("amt") else ()
    if len(reveal):
        show = {"color": GREEN, "lw": 4, "alpha": 0.6, "label": "a_m, reveals o_m"}
        axes["action"].plot(reveal, np.full(len(reveal), c["a_m"]), **show)
    scale = f"\n(pendulum's x {c['distractor_scale']:g})" if swing else ""
    axes["reward"].bar(t, table["r"], color=ORANGE, label=f"real{scale}")
    axes["reward"].plot(t, table["r_hat"], "D", color="black", label="predicted")
    for word, ax in axes.items():
        ax.axhline(0, color="0.6", lw=0.6, zorder=1)
        shade_phases(ax, c)
        ax.set_ylabel(word)
        ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    name_phases(axes["observation"], c)
    ax.set(xlabel="step t", xlim=(-0.5, c["T"] - 0.5))
    ax.xaxis.set_major_locator(MaxNLocator(20, integer=True))
    figure.suptitle(title(seeds[:1], "one evaluation episode, noise-free policy"))
    return figure


def title(seeds, what):
    c = seeds[0].config
    many = f"{len(seeds)} seeds" if len(seeds) > 1 else f"seed {seeds[0].number}"
    return f"{c['task']}, {ALGOS[c['algo']]}, {many}: {what}"


def matrix(table, row, value, T):
    """A column of a table as (T, T), the step `row` down and i across; nan where it is silent."""
    A = np.full((T, T), np.nan)
    A[table[row].astype(int), table["i"].astype(int)] = table[value]
    return A


def red_step(c):
    """The recall step whose attention is marked red, the paper's t = 12. [Fig. 2]"""
    return min(c["t2"] + 2, c["T"] - 1)


def phases(c):
    """Name, first step and end of each phase. [§4.1]"""
    ends = (0, c["t1"], c["t2"] + 1, c["T"])
    return list(zip(SHADES, ends[:-1], ends[1:], strict=True))


def name_phases(ax, c):
    for name, start, end in phases(c):
        at = ((start + end - 1) / 2, 1.02)
        ax.text(*at, name, ha="center", va="bottom", transform=ax.get_xaxis_transform())


def shade_phases(ax, c):
    for name, start, end in phases(c):
        ax.axvspan(start - 0.5, end - 0.5, color=SHADES[name], lw=0, zorder=0)


def mark_matrix(ax, c):
    """Phase boundaries and names on both axes of a (T, T) picture, and a tick a step."""
    for name, start, end in phases(c):
        at = (1.02, (start + end - 1) / 2)
        ax.text(*at, name, rotation=270, va="center", transform=ax.get_yaxis_transform())
        if start:
            ax.axvline(start - 0.5, color="black", lw=1.5)
            ax.axhline(start - 0.5, color="black", lw=1.5)
    name_phases(ax, c)
    ticks = 20 if c["T"] <= 100 else 8
    ax.xaxis.set_major_locator(MaxNLocator(ticks, integer=True))
    ax.yaxis.set_major_locator(MaxNLocator(ticks, integer=True))
