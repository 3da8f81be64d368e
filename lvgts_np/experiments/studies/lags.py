"""Lag sweep: active memory with longer and longer distractors. [§4.1, §4.2]

The lag is the number of steps from the last remember observation to the first recall action,
L = t₂ + 1 - (t₁ - 1). All else stays: N, k, the recall steps, the budget in episodes; but above
LONG the model learns from half the mini-batch, or the longest lag would take most of the time.
"""

import itertools

from lvgts_np.experiments.plots.paper_plots import plot_lags, save_both
from lvgts_np.experiments.plots.style import BOUNDS
from lvgts_np.experiments.studies.statistics import interval
from lvgts_np.experiments.studies.summary import final_returns, run_summaries, summarise
from lvgts_np.training.config import ALGOS
from lvgts_np.training.files import read_table, write_table

TASK = "dummy_amt"
LAGS = (10, 30, 100, 300)
LONG = 100
MEANS = (
    "lag", "algo", "n", "frozen", "mean", "low", "high", "worst", "solved", "solved_low",
    "solved_high", "attention_remember",
)  # fmt: skip
RUNS = ("lag", "algo", "seed", "final_return", "attention_remember", *BOUNDS)


def conditions(config, out):
    """Directory and Config {(lag, algo): (directory, config)}, every lag with both algorithms."""
    base, found = config.replace(task=TASK), {}
    for lag, algo in itertools.product(LAGS, ALGOS):
        directory = out / "horizon" / f"lag_{lag}" / algo
        found[lag, algo] = directory, at_lag(base, lag).replace(algo=algo)
    return found


def report(study, directory):
    """Draw the sweep {(lag, algo): [Seed, ...]}."""
    draw({condition: run_summaries(study, condition) for condition in study}, directory)


def at_lag(base, lag):
    """Config with this lag and as many recall steps as before. [§4.2]"""
    t2 = lag + base.t1 - 2
    batch = base.model_batch if lag <= LONG else max(1, base.model_batch // 2)
    return base.replace(t2=t2, T=t2 + base.T - base.t2, model_batch=batch)


def draw(found, directory):
    """Write horizon.csv and runs.csv, and from these alone the picture.

    found are the runs {(lag, algo): {seed: summary}}.
    """
    summaries, means, finals = [summarise(*item) for item in found.items()], [], []
    for s, by_seed in zip(summaries, found.values(), strict=True):
        low, high = interval(final_returns(by_seed.values()))
        means.append(s._asdict() | {"lag": s.task, "low": low, "high": high})
        for run in by_seed.values():
            finals.append(run | {"lag": s.task, "final_return": run["final_eval_return_recall"]})
    tables = []
    for name, header, rows in (("horizon.csv", MEANS, means), ("runs.csv", RUNS, finals)):
        write_table(directory / name, header, [[row[key] for key in header] for row in rows])
        tables.append(read_table(directory / name))
    save_both(lambda: plot_lags(*tables), directory / "horizon")
