"""Pictures of a run directory, each beside its numbers in a CSV of the same name. [Fig. 1, Fig. 2]

draw_... makes both, a table and a Figure, from the files of seeds that share the config c.
"""

import itertools

import matplotlib
import numpy as np
from matplotlib.collections import PolyCollection
from matplotlib.colors import LinearSegmentedColormap, LogNorm, SymLogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import MaxNLocator

from lvgts_np.experiments.diagnostics import action_names
from lvgts_np.experiments.plots import style
from lvgts_np.experiments.plots.compass_plot import compass_table, plot_compass
from lvgts_np.experiments.plots.credit_flow import flow_table, plot_credit_flow
from lvgts_np.experiments.plots.style import BLUE, BOUNDS, ORANGE, RED, fields, matrix, task_of
from lvgts_np.experiments.run_data import learning_curves, mean_over_seeds, read_seed, same_settings
from lvgts_np.tasks.protocol import phase_names
from lvgts_np.training.arithmetic import release
from lvgts_np.training.config import expanded
from lvgts_np.training.files import write_table

# Credit has one scale in all pictures, in reward per unit of action: maps can be compared.
CREDIT_SCALE = 1e-4, 1.0
SIZES = LinearSegmentedColormap.from_list(
    "sizes", matplotlib.colormaps["Purples"](np.linspace(0.2, 1, 256))
)
LINES = ("o-", "s--", "^:")
MARKED = (RED, ORANGE, style.GREEN)  # colours of what an episode's picture marks


def draw(directory, like=None, only=None):
    """Draw <out>/<task>/<algo> from its run directories: pictures, and the CSV behind each.

    A seed without a file is left out of its picture. Seeds with another config than that of seed
    `like`, or of most, are left out of all, as are those not in `only`. ValueError where there is
    nothing to draw, or a file is damaged.
    """
    release()  # what training took
    directory = expanded(directory)
    paths = [path.parent for path in directory.glob("seed_*/config.json")]
    named = {int(path.name[5:]): path for path in paths if path.name[5:].isdecimal()}
    seeds = [read_seed(path) for n, path in named.items() if only is None or n in only]
    seeds = sorted((seed for seed in seeds if seed.tables), key=lambda seed: seed.number)
    seeds = same_settings(seeds, like)
    if not seeds:
        raise ValueError(
            f"{directory}: nothing to draw, no seed_<s> with a config.json and a log.csv"
        )
    for stem, (source, draw_seeds, what) in PICTURES.items():
        release()  # what the tables' text took, or the picture before
        having = [seed for seed in seeds if source in seed.tables]
        if having:
            c = having[0].config
            many = f"{len(having)} seeds" if having[1:] else f"seed {having[0].number}"
            what = what.format(cue=phase_names(task_of(c))[0])
            title = f"{c['task']}, {style.ALGOS[c['algo']]}, {many}: {what}"
            with style.defaults():
                table, figure = draw_seeds(having, c, title)
                write_columns(directory / f"{stem}.csv", table)
                style.save(figure, directory / f"{stem}.png")


def write_columns(path, table):
    """Write a table {name: (n,)} as a CSV file, nan as an empty cell."""
    rows = zip(*table.values(), strict=True)
    write_table(path, tuple(table), (["" if x != x else x for x in row] for row in rows))


def draw_learning_curve(seeds, c, title):
    """Return by training episodes: a column a seed, their mean where all have one, the bounds."""
    episodes, curves = learning_curves(seeds)
    summary = next((seed.summary for seed in seeds if seed.summary), {})
    bounds = {name: np.nan if (y := summary.get(name)) is None else y for name in BOUNDS}
    table = {"episodes": episodes} | {f"seed_{seed}": curve for seed, curve in curves.items()}
    table["mean"] = mean_curve(curves)
    table |= {name: np.full(len(episodes), y) for name, y in bounds.items()}
    word = f"{phase_names(task_of(c))[1]} return".strip()
    return table, plot_learning_curve(episodes, curves, bounds, title, word)


def mean_curve(curves):
    """Mean where all have a return: over those that are left it would jump where a seed ends."""
    return np.mean(np.stack(list(curves.values()), axis=1), axis=1)


def draw_attention(seeds, c, title):
    table = mean_over_seeds(seeds, "attention", "weight")
    return table, plot_attention(matrix(table, "t", "weight", c["T"]), c, title)


def draw_credit(seeds, c, title):
    table = mean_over_seeds(seeds, "credit", "rms", "mean")
    rms, mean = (matrix(table, "j", name, c["T"]) for name in ("rms", "mean"))
    return table, plot_credit(rms, mean, c, title)


def draw_credit_flow(seeds, c, title):
    A = matrix(mean_over_seeds(seeds, "attention", "weight"), "t", "weight", c["T"])
    rms = matrix(mean_over_seeds(seeds, "credit", "rms", "mean"), "j", "rms", c["T"])
    return flow_table(A, rms, c), plot_credit_flow(A, rms, c, title)


def draw_episode(seeds, c, title):
    """Episode of the first seed, with the real reward that r_hat predicts. [§4.1]"""
    table = dict(seeds[0].tables["episode"])
    table["r"] = table.pop("r_recall") + c["distractor_scale"] * table.pop("r_distractor")
    table["t"] = table["t"].astype(int)
    return table, plot_episode(table, c, title)


def draw_compass(seeds, c, title):
    table = compass_table([seed.tables["compass"] for seed in seeds])
    return table, plot_compass(table, c, title)


# A picture by name: the seeds' file it comes from, how its table is made and drawn, its title.
PICTURES = {
    "learning_curve": ("log", draw_learning_curve, "learning curve"),
    "attention": ("attention", draw_attention, "attention"),
    "credit": ("credit", draw_credit, "credit of actions for predicted rewards"),
    "credit_flow": ("credit", draw_credit_flow, "credit of one predicted reward"),
    "episode": ("episode", draw_episode, "one evaluation episode, noise-free policy"),
    "compass": ("compass", draw_compass, "credit of forced {cue} actions, true and modelled"),
}


def plot_learning_curve(episodes, curves, bounds=None, title="", word="recall return"):
    """Learning curves of a batch of seeds and their mean. [Fig. 2, top row]

    episodes (n,), curves {seed: returns (n,)}, nan where a seed has none; bounds {"max_return": x,
    "myopic_return": x, "floor_return": x} draws these as lines. Returns a Figure.
    """
    figure = Figure((7.2, 4.2), layout="constrained")
    ax, named = figure.add_subplot(), len(curves) <= len(style.SEEDS)
    bold = {"color": BLUE, "lw": 2.4}
    for n, (seed, curve) in enumerate(curves.items()):
        seen = np.isfinite(curve)
        look = bold if len(curves) == 1 else {"color": style.SEEDS[n * named], "lw": 1.0}
        look = look | {"label": f"seed {seed}" if named else "_" * bool(n) + "seeds"}  # "_": hidden
        if not seen[-1]:
            look |= {"label": f"seed {seed} ends", "marker": "x", "markevery": slice(-1, None)}
        ax.plot(episodes[seen], curve[seen], **look)
    if len(curves) > 1:
        ax.plot(episodes, mean_curve(curves), label="mean", **bold)
    bounds = {name: y for name, y in (bounds or {}).items() if np.isfinite(y)}
    for name, y in bounds.items():
        look = {"color": "black", "lw": 1.0, "ls": style.DASHES[name], "zorder": 1}
        ax.axhline(y, **look, label=f"{BOUNDS[name]} {y:.3f}")
    ax.set(xlabel="training episodes", ylabel=f"{word} of an episode (noise-free policy)")
    ax.set_xlim(0, episodes[-1])
    if bounds:
        style.show_down_to(ax, ax.get_ylim()[0], bounds)
    for curve in curves.values():
        deepest = np.argmin(np.nan_to_num(curve, nan=np.inf))
        style.note_depth(ax, episodes[deepest], curve[deepest])
    figure.legend(loc="outside right center", frameon=False)
    figure.suptitle(title)
    return figure


def plot_attention(A, config, title=""):
    """Attention map A[t, i] (T, T), and below it one step of the recall phase. [Fig. 2]"""
    task = task_of(config)
    t = style.marked_step(task)
    figure = Figure((6.8, 7.6), layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(3.4, 1))
    image = style.draw_attention_map(top, A, task)
    top.set_ylabel("step t that attends")
    figure.colorbar(image, ax=top, label="mean weight (grey: not yet in memory)")
    bars = bottom.bar(range(t), A[t, :t], color=RED)
    min_shown = 0.005 if task.T <= 20 else 0.05
    bottom.bar_label(bars, [f"{x:.2f}" if x >= min_shown else "" for x in A[t, :t]], color=RED)
    style.shade_phases(bottom, task)
    bottom.set(xlabel="step i that is attended", ylim=(0, 1.15))
    bottom.set_ylabel(f"weight at t = {t}", color=RED)
    figure.suptitle(title)
    return figure


def plot_credit(rms, mean, config, title=""):
    """Size and sign of the credit of action i for the predicted reward j. [Fig. 1]

    rms and mean (T, T), over episodes; all pictures have the same scale. Returns a Figure.
    """
    c, task = fields(config), task_of(config)
    cue, pay = phase_names(task)
    figure = Figure((11.0, 5.9), layout="constrained")
    low, high = CREDIT_SCALE
    size, sign = LogNorm(low, high), SymLogNorm(low, vmin=-high, vmax=high)
    left, right = figure.subplots(1, 2)
    label = r"$\partial \hat r_j \, / \, \partial a_i$  (reward per unit of action)"
    for ax, values, norm, cmap, words in (
        (left, rms, size, SIZES, "root mean square over episodes"),
        (right, mean, sign, "PuOr", "signed mean over episodes"),
    ):
        image = draw_matrix(ax, np.where(rms == 0, np.nan, values), rms == 0, c, task, norm, cmap)
        ax.set_title(words, pad=20)
        figure.colorbar(image, ax=ax, label=label, extend="both")
    key = (
        *[Patch(**style.FRAME, label=f"{pay} rewards, {cue} actions")] * bool(cue),
        Patch(**style.ZERO, label="exactly 0, in every episode"),
        Patch(fc=style.FUTURE, label="action after the reward"),
        Line2D([], [], color="black", ls="--", lw=0.8, label=f"detach every N = {c['N']}"),
        *[Line2D([], [], color="black", lw=1.5, label="next phase")] * bool(task.phases()),
    )
    figure.legend(handles=key, loc="outside lower center", ncols=5, frameon=False)
    figure.suptitle(title)
    return figure


def draw_matrix(ax, values, zero, c, task, norm, cmap):
    """One credit matrix, exact zeros hatched, with phases and detaches; returns its image."""
    ax.set_facecolor(style.FUTURE)
    past = np.tril(np.ones_like(zero))
    image = ax.imshow(np.where(past, values, np.nan), aspect="auto", norm=norm, cmap=cmap)
    style.mark_phases(ax, task, ticks=20 if c["T"] <= 100 else 8, lw=1.5)
    for name, start, end in task.phases():
        at = (1.02, (start + end - 1) / 2)
        ax.text(*at, name, rotation=270, va="center", transform=ax.get_yaxis_transform())
    cuts = np.arange(c["N"] - c["count_from"], c["T"], c["N"]) - 0.5
    dashed = {"color": "black", "lw": min(0.8, 12 / max(len(cuts), 1)), "ls": "--"}
    for cut in cuts:
        ax.axvline(cut, **dashed)
        ax.axhline(cut, **dashed)
    boxes = [  # one a stretch, as a long episode has many zeros, and one artist for them all
        [(x - 0.5, y - 0.5) for x, y in ((i, j), (i_end, j), (i_end, j + 1), (i, j + 1))]
        for j, row in enumerate(zero & past)
        for i, i_end in style.stretches(row)
    ]
    ax.add_collection(PolyCollection(boxes, zorder=1, **style.ZERO), autolim=False)
    cue, pay = (style.stretches(np.isin(range(task.T), list(x))) for x in (task.cue, task.pay))
    for (i, i_end), (j, j_end) in itertools.product(cue, pay):
        ax.add_patch(Rectangle((i - 0.5, j - 0.5), i_end - i, j_end - j, **style.FRAME))
    ax.set(xlabel="step i of the action", ylabel="step j of the predicted reward")
    return image


def plot_episode(episode, config, title=""):
    """Observations, actions and rewards of one episode, step by step.

    episode holds columns (T,): t, a, r, r_hat, o_0, ... for each observation, and o_m, or
    whatever the task marks. Of an action of several numbers there are a_0, ...
    """
    c, t, task = fields(config), episode["t"], task_of(config)
    panels, actions, seen = task.channels(), action_names(task), [f"o_{j}" for j in range(task.O)]
    marks = [x for x in episode if x not in {"t", "phase", "r", "r_hat", *actions, *seen}]
    words = (*panels, "action", "reward")
    figure = Figure((7.6, 1.2 + 1.7 * len(words)), layout="constrained")
    axes = dict(zip(words, figure.subplots(len(words), 1, sharex=True), strict=True))
    for word in (words[0], "action"):
        for name, color in zip(marks, itertools.cycle(MARKED)):
            look = {"color": color, "ls": "--", "lw": 1.6}
            label = "o_m, to remember" if name == "o_m" else name
            axes[word].plot(t, episode[name], **look, label=label)
    for word, labels in panels.items():
        for label, look in zip(labels, itertools.cycle(LINES)):
            axes[word].plot(t, episode[seen.pop(0)], look, color=BLUE, label=label)
    for name, look in zip(actions, itertools.cycle(LINES)):
        word = name.replace("a", "action")
        axes["action"].plot(t, episode[name], look, color="black", label=word)
    if task.active:
        label = "a_m, reveals o_m" if "o_m" in marks else "a_m"
        show = {"color": style.GREEN, "lw": 4, "alpha": 0.6, "label": label}
        axes["action"].plot(task.credited, [task.a_m] * len(task.credited), **show)
    side = ", ".join(word for word in words[1:-2])
    scale = f"\n({side}'s x {c['distractor_scale']:g})" if side else ""
    axes["reward"].bar(t, episode["r"], color=ORANGE, label=f"real{scale}")
    axes["reward"].plot(t, episode["r_hat"], "D", color="black", label="predicted")
    for word, ax in axes.items():
        ax.axhline(0, color="0.6", lw=0.6, zorder=1)
        style.shade_phases(ax, task)
        ax.set_ylabel(word)
        ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    style.name_phases(axes[words[0]], task)
    ax.set(xlabel="step t", xlim=(-0.5, task.T - 0.5))
    ax.xaxis.set_major_locator(MaxNLocator(20, integer=True))
    figure.suptitle(title)
    return figure
