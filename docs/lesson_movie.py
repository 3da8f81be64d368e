"""Animation of the backward pass from a recall reward, in two trained agents. [Alg. 1, Fig. 1]

Its numbers are those of `adjoint.policy.replay_adjoint` as its loop goes back over the steps.
"""

from typing import NamedTuple
from unittest.mock import patch

import matplotlib
import numpy as np
from lesson_plots import STYLE, WIDTH
from matplotlib import colormaps
from matplotlib.animation import PillowWriter
from matplotlib.figure import Figure
from matplotlib.patches import Circle, PathPatch, Rectangle
from matplotlib.path import Path
from PIL.Image import Quantize

from lvgts_np.adjoint import forms
from lvgts_np.experiments.plots import style
from lvgts_np.experiments.plots.style import BLUE, ORANGE, RED
from lvgts_np.training.metrics import attention_map

FPS, PAUSE = 3, 10  # frames a second, frames that the end is held for
IDLE = "0.75"
UNSEEN = {"fc": "white", "ec": "0.6"}
ZERO = {"fc": "0.88", "ec": "0.6", "hatch": "////"}
TEXT = {"ha": "center", "va": "center", "zorder": 5, "fontsize": 9}


class Pass(NamedTuple):
    """Backward pass from the last reward; n = 0 before it, n after the steps T-1 to T-n."""

    lambda_h: np.ndarray  # (T + 1, T), |λ_ĥ_t| after n steps, root mean square over episodes
    credit: np.ndarray  # (T,), of each action
    attention: np.ndarray  # (T, T)
    config: object


def backward_pass(trainer, B=256):
    """Backward pass from r̂_{T-1} in a Trainer's first seed."""
    c, seen = trainer.config, []
    _, _, inferred = trainer.probe(B)
    real, buffer = forms.latent_adjoint, None

    def spy(net, h, hidden, lambda_h, *others):
        nonlocal buffer
        buffer = lambda_h.base  # (S, T, B, H)
        seen.append(buffer[0].copy())
        return real(net, h, hidden, lambda_h, *others)

    with patch.object(forms, "latent_adjoint", spy):
        C = trainer.credit(inferred, np.eye(c.T)[-1:])[0, :, 0, :, 0]  # (T, B)
    lambda_h = np.stack([0.0 * seen[0], *seen, buffer[0]])  # (T + 1, T, B, H)
    sizes = np.sqrt(np.sum(lambda_h**2, axis=-1)), C
    rms = [np.sqrt(np.mean(x**2, axis=-1)) for x in sizes]
    return Pass(*rms, attention_map(inferred.w)[0], c)


class Writer(PillowWriter):
    """Writer of frames in the colours of the first, which has them all: a quarter of the size."""

    def finish(self):
        frames = [frame.convert("RGB") for frame in self._frames]
        palette = frames[0].quantize(128, method=Quantize.MAXCOVERAGE)
        first, *others = (frame.quantize(palette=palette, dither=0) for frame in frames)
        milliseconds = 1000 // self.fps
        first.save(self.outfile, save_all=True, append_images=others, duration=milliseconds, loop=0)


def animate(passes, path):
    """Write the passes, one below the other, as a GIF whose first frame is the end, held."""
    with matplotlib.rc_context(STYLE):
        figure = Figure((WIDTH, 4.3))
        writer = Writer(fps=FPS)
        T = passes[0].config.T
        with writer.saving(figure, path, dpi=150):
            for n in [T + 1] * PAUSE + [0, *range(T + 1)]:
                draw(figure, passes, n)
                writer.grab_frame()


def draw(figure, passes, n):
    """Frame after n steps of the backward pass; at T + 1 the end without the mark of a step."""
    figure.clear()
    T = passes[0].config.T
    for row, p in enumerate(passes):
        ax = figure.add_axes((0.0, 0.56 - 0.45 * row, 1.0, 0.44))
        ax.set(xlim=(-1.9, T + 0.6), ylim=(-2.3, 3.3))
        ax.axis("off")
        chain(ax, p, n)
        reads(ax, p, n)
        ax.text(-1.7, 2.8, style.ALGOS[p.config.algo], **TEXT | {"ha": "left", "fontsize": 12})
    words = f", step {T - n}" if 0 < n <= T else ""
    figure.text(0.02, 0.07, f"Backward pass from the last predicted reward{words}", fontsize=10)
    note = "blue: gradient   hatched: exactly 0   number: credit   red: detach   arc: memory read"
    figure.text(0.02, 0.02, note, fontsize=9)


def chain(ax, p, n):
    """Phases, latents above their actions, detaches and the reward."""
    c, T = p.config, p.config.T
    done, top = p.lambda_h[min(n, T)], p.lambda_h[-1].max()
    task = style.task_of(c)
    style.shade_phases(ax, task)
    for name, start, end in task.phases():
        ax.text((start + end - 1) / 2, -1.95, name, **TEXT)
    for t in range(T):
        passed, cut = T - t <= n, t and t % c.N == 0  # a detach of what follows latent t
        for y, live in ((0, not cut and (t + 1 == T or done[t + 1])), (-1, p.credit[t])):
            live = {"color": BLUE, "lw": 2.2} if passed and live else {"color": IDLE, "lw": 1}
            ax.plot([t, t + 1], [1.2 * y, 0], zorder=1, **live)
        ax.add_patch(Circle((t, 0), 0.34, zorder=3, **look(done[t], top, passed)))
        ax.text(t, 0, t, **TEXT | {"fontsize": 8})
        credit = look(p.credit[t] * passed, p.credit.max(), passed)
        ax.add_patch(Rectangle((t - 0.33, -1.48), 0.66, 0.56, zorder=3, **credit))
        if passed and p.credit[t]:
            ax.text(t, -1.2, two_digits(p.credit[t]), **TEXT | {"fontsize": 6.5})
        if cut:
            ax.plot([t + 0.5] * 2, [-0.45, 0.45], color=RED, lw=3, zorder=4)
        if T - t == n:
            ax.add_patch(Rectangle((t - 0.5, -1.62), 1, 2.15, fill=False, lw=1.5, zorder=2))
    ax.plot(T, 0, "D", color=ORANGE, mec="black", ms=9, zorder=4)
    ax.text(T, 0.85, rf"$\hat r_{{{T - 1}}}$", **TEXT | {"fontsize": 11})
    for y, word in ((0, "latent"), (-1.2, "action")):
        ax.text(-0.55, y, word, **TEXT | {"ha": "right", "fontsize": 8})


def two_digits(x):
    return f"{x:.2f}".lstrip("0") if x >= 0.005 else "<.01"


def look(size, top, passed):
    """Fill by the size of a derivative, hatched where the pass left it exactly 0."""
    if size:
        return {"fc": colormaps["Blues"](0.15 + 0.6 * np.sqrt(size / top)), "ec": "black"}
    return ZERO if passed else UNSEEN


def reads(ax, p, n):
    """Memory reads of the recall steps behind the last detach, blue once the pass goes over one."""
    c = p.config
    first = (c.T - 1) // c.N * c.N + 1
    for s in range(first, c.T):
        live = c.algo == "lvgts" and c.T - s < n
        for i in np.flatnonzero(p.attention[s, :s]):
            weight, high = p.attention[s, i], 1.2 + 2.2 * (s - i) / c.T
            path = Path([(s, 0.36), (s, high), (i, high), (i, 0.5)], [1, 4, 4, 4])  # a cubic
            arc = {"ec": BLUE if live else IDLE, "lw": 0.5 + 5 * weight, "zorder": 2 + live}
            ax.add_patch(PathPatch(path, fill=False, ls="-" if c.algo == "lvgts" else ":", **arc))
            ax.plot(i, 0.52, "v", color=arc["ec"], ms=3 + 9 * weight, mew=0, zorder=3)
