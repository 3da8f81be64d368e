"""Pictures of docs/lesson.py: 5.6 inches wide, to be read at 420 pixels too."""

import io

import matplotlib
import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from PIL import Image

from lvgts_np.experiments.plots import style
from lvgts_np.experiments.plots.run_plots import SIZES
from lvgts_np.experiments.plots.style import BLUE, GREEN, ORANGE, RED, fields

WIDTH = 5.6  # inches
STEPS = (0, 4, 8, 12)  # ticks
STYLE = {
    "font.size": 11, "axes.titlesize": 11, "legend.fontsize": 10, "hatch.linewidth": 0.5,
    "axes.spines.top": False, "axes.spines.right": False, "lines.linewidth": 2,
}  # fmt: skip


def png(figure):
    """Figure as PNG bytes, 840 pixels wide, in 256 colours: a third of the size."""
    drawn, small = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=150)
    with Image.open(drawn) as image:
        image.convert("RGB").quantize(256, dither=0).save(small, "png", optimize=True)
    return small.getvalue()


def styled(draw):
    """Decorator: drawn in the style of the lesson."""

    def wrapped(*args, **kwargs):
        with matplotlib.rc_context(STYLE):
            return draw(*args, **kwargs)

    return wrapped


@styled
def episode(task, noise, episodes, b=0):
    """Observations and actions of one episode."""
    figure = Figure((WIDTH, 3.2), layout="constrained")
    ax, t = figure.add_subplot(), np.arange(task.T)
    style.shade_phases(ax, task)
    ax.axhline(noise["o_m"][b], color=RED, ls="--", label="$o_m$, to remember")
    ax.plot(t, episodes.o[:, b, 0], "o-", color=BLUE, label="observation $o_t$")
    ax.plot(t, episodes.a[:, b, 0], "s-", color="black", label="action $a_t$")
    style.name_phases(ax, task)
    ax.set(xlabel="step t", xlim=(-0.5, task.T - 0.5))
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    return figure


@styled
def errors_by_step(steps, differences, complex_step):
    """Relative errors of two numerical derivatives by their step."""
    figure = Figure((WIDTH, 3.2), layout="constrained")
    ax = figure.add_subplot()
    least = 1e-17  # an error of 0 is drawn here
    ax.loglog(steps, np.maximum(differences, least), "o-", color=ORANGE, label="central difference")
    ax.loglog(steps, np.maximum(complex_step, least), "s-", color=BLUE, label="complex step")
    ax.set(xlabel="step h (an error of 0 is drawn at 1e-17)", ylabel="relative error")
    ax.invert_xaxis()
    ax.legend(frameon=False)
    return figure


@styled
def reach(full, truncated, discounted, N):
    """Derivative of the last latent with respect to each input."""
    figure = Figure((WIDTH, 3.2), layout="constrained")
    ax, t = figure.add_subplot(), np.arange(len(full))
    ax.bar(t, truncated, color=BLUE, label=f"detached every N = {N}")
    ax.plot(t, full, "o-", color="black", label="whole")
    ax.plot(t, discounted, "^--", color=ORANGE, label=rf"discounted, $\gamma$ = 1 - 1/{N}")
    for at in range(N, len(full), N):
        ax.axvline(at - 0.5, ymax=0.6, color=RED, lw=2.5)
    ax.set(xlabel="step t of the input (red: detach)", ylabel=r"$\partial h_{15} / \partial u_t$")
    ax.legend(frameon=False, loc="upper left")
    return figure


@styled
def weights(moving, w, k):
    """Attention weights as one score moves."""
    figure = Figure((WIDTH, 3.2), layout="constrained")
    ax = figure.add_subplot()
    looks = zip((BLUE, ORANGE, GREEN, RED), ("-", "--", "-.", ":"), strict=True)
    for i, (color, ls) in enumerate(looks):
        ax.plot(moving, w[:, i], color=color, ls=ls, label=f"$w_{i + 1}$")
    ax.set(xlabel=f"score $s_3$ (k = {k}), the others fixed", ylabel="weight", ylim=(-0.03, 0.8))
    ax.set_xticks([-0.5, 0, 0.5, 1, 1.5])
    figure.legend(loc="outside right upper", frameon=False)
    return figure


@styled
def matrices(rms, config, limits):
    """Credit matrices {title: (T, T)} beside each other, exact zeros hatched."""
    c, n = fields(config), len(rms)
    figure = Figure((WIDTH, WIDTH / n), layout="constrained")
    axes = figure.subplots(1, n, sharey=True, squeeze=False)[0]
    for ax, (title, values) in zip(axes, rms.items(), strict=True):
        past = np.tri(c["T"], dtype=bool)
        ax.set_facecolor(style.FUTURE)
        seen = np.where(past & (values > 0), values, np.nan)
        image = ax.imshow(seen, norm=LogNorm(*limits), cmap=SIZES)
        for j, i in zip(*np.nonzero(past & (values == 0)), strict=True):
            ax.add_patch(matplotlib.patches.Rectangle((i - 0.5, j - 0.5), 1, 1, **style.ZERO))
        recall = (-0.5, c["t2"] + 0.5), c["t1"], c["T"] - c["t2"] - 1
        ax.add_patch(matplotlib.patches.Rectangle(*recall, **style.FRAME))
        ax.set(title=title, xlabel="step i of the action", xticks=STEPS, yticks=STEPS)
    axes[0].set_ylabel("step j of the reward")
    figure.colorbar(image, ax=axes, label="credit (rms)", extend="both", shrink=0.9)
    return figure


@styled
def attention(maps, config):
    """Attention maps beside each other; maps {title: (T, T)}."""
    c = fields(config)
    figure = Figure((WIDTH, 2.8), layout="constrained")
    axes = figure.subplots(1, len(maps), sharey=True)
    for ax, (title, A) in zip(axes, maps.items(), strict=True):
        ax.set_facecolor(style.FUTURE)
        past = np.where(np.tri(c["T"], k=-1), A, np.nan)
        image = ax.imshow(past, cmap="Blues", vmin=0, vmax=1)
        for _, start, _ in style.task_of(c).phases()[1:]:
            ax.axvline(start - 0.5, color="black", lw=0.8)
            ax.axhline(start - 0.5, color="black", lw=0.8)
        ax.set(title=title, xlabel="step i attended", xticks=STEPS, yticks=STEPS)
    axes[0].set_ylabel("step t that attends")
    figure.colorbar(image, ax=axes, label="mean weight", shrink=0.9)
    return figure


@styled
def curves(episodes, returns, bounds, bottom=-2.2, label="recall return"):
    """Return by episodes; returns {algo: (n, S)}."""
    figure = Figure((WIDTH, 3.4), layout="constrained")
    ax = figure.add_subplot()
    looks = {"lvgts": (BLUE, "-"), "lm_svg": (ORANGE, "--")}
    for algo, curve in returns.items():
        color, ls = looks[algo]
        for s, y in enumerate(curve.T):
            ax.plot(episodes, y, color=color, ls=ls, label="_" * bool(s) + style.ALGOS[algo])
    for (name, y), ls in zip(bounds.items(), ("-", ":"), strict=True):
        ax.axhline(y, color="black", lw=1, ls=ls, label=f"{name} {y:.2f}")
    ax.set(xlabel="training episodes", ylabel=label, ylim=(bottom, 2.15))
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    return figure


@styled
def compass(moments, a_m, action=0):
    """Mean credit of an action by forced remember actions; moments {title: rows of each seed}."""
    figure = Figure((WIDTH, 3.4), layout="constrained")
    axes = figure.subplots(1, len(moments), sharey=True)
    looks = {
        "true": {"color": "black", "marker": "o", "label": "true ± standard error"},
        "shortcut, cut": {"color": BLUE, "marker": "s", "label": "modelled by LVGTS"},
    }
    for ax, (title, seeds) in zip(axes, moments.items(), strict=True):
        ax.axhline(0.0, color="0.6", lw=0.8)
        ax.axvline(a_m, color="0.6", lw=0.8, ls=":")
        for name, look in looks.items():
            x, credit, error = np.array(
                [[(r[1], *r[4:]) for r in rows if r[2:4] == (action, name)] for rows in seeds]
            ).transpose(2, 0, 1)
            ax.plot(x.T, credit.T, color=look["color"], lw=0.8, alpha=0.6)
            error = np.sqrt((error**2).sum(axis=0)) / len(seeds)
            ax.errorbar(x[0], credit.mean(axis=0), error, elinewidth=1, capsize=2, ms=4, **look)
        ax.set(title=title, xlabel="forced remember actions")
    axes[0].set(ylabel=f"mean credit of $a_{action}$", ylim=(-1.5, 1.5))  # few steep means beyond
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False)
    return figure
