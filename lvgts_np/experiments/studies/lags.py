"""Lag sweep: active memory with longer and longer distractors. [§4.1, §4.2]

The lag is the number of steps from the last remember observation to the first recall action,
L = t₂ + 1 - (t₁ - 1). All else stays: N, k, the recall steps, the budget in episodes; but above
LONG the model learns from half the mini-batch, or the longest lag would take most of the time.
"""

import itertools
from operator import itemgetter

from lvgts_np.experiments.plots.paper_plots import plot_lags, round_trip, save_both
from lvgts_np.experiments.plots.style import BOUNDS
from lvgts_np.experiments.studies.statistics import interval
from lvgts_np.experiments.studies.summary import final_returns, run_summaries, summarise
from lvgts_np.training.config import ALGOS

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


def at_lag(base, lag):
    """Config with this lag and as many recall steps as before. [§4.2]"""
    t2 = lag + base.t1 - 2
    batch = base.model_batch if lag <= LONG else max(1, base.model_batch // 2)
    return base.replace(t2=t2, T=t2 + base.T - base.t2, model_batch=batch)


def report(study, directory):
    """Write horizon.csv and runs.csv of {(lag, algo): [Seed, ...]}, and from these the picture."""
    means, finals = [], []
    for lag, algo in study:
        by_seed = run_summaries(study, (lag, algo))
        mean = summarise((lag, algo), by_seed)._asdict()
        low, high = interval(final_returns(by_seed.values()))
        means.append(mean | {"lag": lag, "low": low, "high": high})
        for run in by_seed.values():
            finals.append(run | {"lag": lag, "final_return": run["final_eval_return_recall"]})
    means = round_trip(directory / "horizon.csv", MEANS, map(itemgetter(*MEANS), means))
    finals = round_trip(directory / "runs.csv", RUNS, map(itemgetter(*RUNS), finals))
    save_both(lambda: plot_lags(means, finals), directory / "horizon")
