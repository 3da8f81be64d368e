"""Picture of PPO beside LVGTS and LM-SVG, from the tables in docs/: docs/ppo.png."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
from matplotlib.figure import Figure

from lvgts_np.experiments.plots import style
from lvgts_np.experiments.plots.paper_plots import LOOK, TASKS, draw_bounds, of
from lvgts_np.training.files import read_table

DOCS = Path(__file__).resolve().parents[2] / "docs"
LOOKS = LOOK | {"ppo": {"color": style.GREEN, "ls": "-", "lw": 2.0, "zorder": 6}}
NAMES = style.ALGOS | {"ppo": "recurrent PPO"}
SHOWN, BUDGET, SEEDS = ("dummy_pmt", "dummy_amt", "pendulum_amt"), 8_000, range(5)


def curves(ppo, returns, task, algo):
    """Episodes (n,), seconds (n,) and returns (seeds, n). LVGTS's seconds grow by the episode."""
    mine = of(ppo, task=task, algo=algo)
    if algo == "ppo":
        runs = [of(mine, seed=seed, budget=BUDGET) for seed in SEEDS]
        seconds = np.mean([run["cpu_seconds"] for run in runs], axis=0)
        return runs[0]["episodes"], seconds, np.stack([run["return_recall"] for run in runs])
    table = of(returns, task=task, algo=algo)
    seconds = table["episodes"] * np.mean(mine["cpu_seconds"] / mine["episodes"])
    return table["episodes"], seconds, np.stack([table[str(seed)] for seed in SEEDS])


def plot(ppo, returns, finals):
    """Return against episodes, and against CPU seconds; each run, and the mean."""
    figure = Figure((7.6, 4.8), layout="constrained")
    rows = figure.subplots(2, len(SHOWN), sharey=True)
    for axes, task in zip(rows.T, SHOWN, strict=True):
        for ax, at in zip(axes, (0, 1), strict=True):
            draw_bounds(ax, of(finals, task=task))
            ax.set_ylim(bottom=-2.6)
            for algo, look in LOOKS.items():
                found = curves(ppo, returns, task, algo)
                x, G = found[at], found[2]
                ax.plot(x, G.T, color=look["color"], lw=0.6, alpha=0.6)
                ax.plot(x, G.mean(axis=0), **look, label=NAMES[algo])
            ax.set(xlabel=("training episodes", "CPU seconds of one seed")[at], xlim=(0, None))
        axes[0].set_title(TASKS[task])
    for ax in rows[:, 0]:
        ax.set_ylabel("recall return")
    handles = rows[0, 0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=3, frameon=False)
    return figure


def main():
    tables = [read_table(DOCS / f"{name}.csv") for name in ("ppo", "returns", "finals")]
    with style.defaults():
        style.save(plot(*tables), DOCS / "ppo.png", dpi=200)


if __name__ == "__main__":
    main()
