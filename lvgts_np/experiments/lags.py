"""Lag sweep: active memory with longer and longer distractors. [§4.1, §4.2]

The lag is the number of steps from the last remember observation to the first recall action,
L = t₂ + 1 - (t₁ - 1). All else stays: N, k, the recall steps, the budget in episodes; but above
LONG the model learns from half the mini-batch, or the longest lag would take most of the time.
"""

from pathlib import Path
from typing import NamedTuple

from lvgts_np.experiments import runs
from lvgts_np.experiments.plots.paper_plots import plot_lags, save_both
from lvgts_np.experiments.plots.style import BOUNDS
from lvgts_np.experiments.run_data import read_seeds
from lvgts_np.experiments.statistics import interval
from lvgts_np.experiments.summary import final_returns, run_summaries, summarise
from lvgts_np.training.config import ALGOS
from lvgts_np.training.files import read_table, write_table

TASK = "dummy_amt"
LAGS = (10, 30, 100, 300)
LONG = 100
RUNS = ("lag", "algo", "seed", "final_return", "attention_remember", *BOUNDS)


class LagSummary(NamedTuple):
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


def lag_sweep(base, seeds, out, **modes):
    """Run every lag with both algorithms in <out>/horizon, and draw them; a LagSummary each.

    base is the Config that they share; modes are the keyword arguments of `runs.train`. Errors as
    there.
    """
    directory = Path(out) / "horizon"
    conditions = {
        (lag, algo): at_lag(base, lag).replace(algo=algo) for lag in LAGS for algo in ALGOS
    }
    paths = {(lag, algo): directory / f"lag_{lag}" / algo for lag, algo in conditions}
    longest_first = sorted(conditions, reverse=True)
    runs.train(
        {paths[condition]: conditions[condition] for condition in longest_first}, seeds, **modes
    )
    study = {key: read_seeds(path, seeds) for key, path in paths.items()}
    return draw(study, directory)


def draw(study, directory):
    """Write horizon.csv and runs.csv, and from these alone the picture; a LagSummary each.

    A study is {(lag, algo): [Seed, ...]}.
    """
    found = {condition: run_summaries(study, condition) for condition in study}
    summaries = [lag_summary(*condition, found[condition]) for condition in study]
    write_table(directory / "horizon.csv", LagSummary._fields, summaries)
    every = [row for condition in study for row in rows(*condition, found[condition])]
    write_table(directory / "runs.csv", RUNS, every)
    names = "horizon.csv", "runs.csv"
    tables = [read_table(directory / name) for name in names]
    save_both(lambda: plot_lags(*tables), directory / "horizon")
    return summaries


def at_lag(base, lag):
    """Config with this lag and as many recall steps as before. [§4.2]"""
    t2 = lag + base.t1 - 2
    batch = base.model_batch if lag <= LONG else max(1, base.model_batch // 2)
    return base.replace(t2=t2, T=t2 + base.T - base.t2, model_batch=batch)


def lag_summary(lag, algo, by_seed):
    """Summary of the runs {seed: dict} of a lag and an algorithm."""
    s, bounds = summarise((TASK, algo), by_seed), interval(final_returns(by_seed.values()))
    solved = s.solved, s.solved_low, s.solved_high
    return LagSummary(
        lag, algo, s.n, s.frozen, s.mean, *bounds, s.worst, *solved, s.attention_remember
    )


def rows(lag, algo, by_seed):
    names = ("seed", "final_eval_return_recall", "attention_remember", *BOUNDS)
    return [(lag, algo, *(run[name] for name in names)) for run in by_seed.values()]
