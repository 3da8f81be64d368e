"""How far back credit reaches: active memory with longer and longer distractors. [§4.1, §4.2]

The lag is the number of steps from the last remember observation to the first recall action,
L = t₂ + 1 - (t₁ - 1). All else stays: N, k, the recall steps, the budget in episodes; but above
LONG the model learns from half the mini-batch, or the longest lag would take most of the time.
"""

from pathlib import Path
from typing import NamedTuple

import matplotlib

from lvgts_np import canvas, figures, paint, panels, runs
from lvgts_np.config import ALGOS
from lvgts_np.outcomes import earned, outcomes, summarise
from lvgts_np.statistics import interval
from lvgts_np.tables import write_table

TASK = "dummy_amt"
LAGS = (10, 30, 100, 300)
LONG = 100
RUNS = ("lag", "algo", "seed", "final_return", "attention_remember", *paint.BOUNDS)


class Reach(NamedTuple):
    """All runs of a lag and an algorithm; the 95 % interval of their mean."""

    lag: int
    algo: str
    n: int
    frozen: int
    mean: float
    low: float
    high: float
    worst: float
    solved: int
    solved_low: float
    solved_high: float
    attention_remember: float


def horizon(base, seeds, out, **modes):
    """Run every lag with both algorithms in <out>/horizon, and draw them; -> the Reaches.

    base is the Config that they share; modes are the keyword arguments of `runs.run`. Errors as
    there.
    """
    folder = Path(out) / "horizon"
    cells = {(lag, algo): at_lag(base, lag).replace(algo=algo) for lag in LAGS for algo in ALGOS}
    paths = {(lag, algo): folder / f"lag_{lag}" / algo for lag, algo in cells}
    longest_first = sorted(cells, reverse=True)
    runs.run({paths[cell]: cells[cell] for cell in longest_first}, seeds, **modes)
    return draw({cell: figures.read_seeds(path, seeds) for cell, path in paths.items()}, folder)


def draw(study, folder):
    """horizon.csv and runs.csv, and from these alone the picture; -> the Reaches.

    A study is {(lag, algo): [figures.Seed, ...]}.
    """
    found = {cell: outcomes(study, cell) for cell in study}
    reaches = [reach(*cell, found[cell]) for cell in study]
    write_table(folder / "horizon.csv", Reach._fields, reaches)
    every = [row for cell in study for row in rows(*cell, found[cell])]
    write_table(folder / "runs.csv", RUNS, every)
    tables = [figures.read(folder / name, figures.arrays) for name in ("horizon.csv", "runs.csv")]
    with matplotlib.rc_context(paint.STYLE):
        panels.save(canvas.horizon(*tables), folder / "horizon")
    return reaches


def at_lag(base, lag):
    """The Config with this lag and as many recall steps as before. [§4.2]"""
    t2 = lag + base.t1 - 2
    batch = base.model_batch if lag <= LONG else max(1, base.model_batch // 2)
    return base.replace(t2=t2, T=t2 + base.T - base.t2, model_batch=batch)


def reach(lag, algo, by_seed):
    """The Reach of the outcomes {seed: dict} of a cell."""
    s, bounds = summarise((TASK, algo), by_seed), interval(earned(by_seed.values()))
    solved = s.solved, s.solved_low, s.solved_high
    return Reach(lag, algo, s.n, s.frozen, s.mean, *bounds, s.worst, *solved, s.attention_remember)


def rows(lag, algo, by_seed):
    names = ("seed", "final_eval_return_recall", "attention_remember", *paint.BOUNDS)
    return [(lag, algo, *(run[name] for name in names)) for run in by_seed.values()]
