"""Lag sweep: active memory with longer and longer distractors. [§4.1, §4.2]

The lag is the number of steps from the last remember observation to the first recall action,
L = t₂ + 1 - (t₁ - 1). All else stays: N, k, the recall steps, the budget in episodes; but above
LONG the model learns from half the mini-batch, or the longest lag would take most of the time.
"""

from lvgts_np.experiments import runs
from lvgts_np.experiments.plots.paper_plots import plot_lags, save_both
from lvgts_np.experiments.plots.style import BOUNDS
from lvgts_np.experiments.run_data import read_seeds
from lvgts_np.experiments.studies.statistics import interval
from lvgts_np.experiments.studies.summary import final_returns, run_summaries, summarise
from lvgts_np.experiments.studies.training import train_study
from lvgts_np.training.config import ALGOS
from lvgts_np.training.files import read_table, write_table
from lvgts_np.training.streams import note

TASK = "dummy_amt"
LAGS = (10, 30, 100, 300)
LONG = 100
MEANS = (
    "lag", "algo", "n", "frozen", "mean", "low", "high", "worst", "solved", "solved_low",
    "solved_high", "attention_remember",
)  # fmt: skip
RUNS = ("lag", "algo", "seed", "final_return", "attention_remember", *BOUNDS)


def train(base, seeds, out, **modes):
    """Run every lag with both algorithms in <out>/horizon; a Summary each, the lag as its task.

    base is the Config that they share; modes are the keyword arguments of `runs.train`. Errors as
    there.
    """
    paths = places(out)
    configs = {(lag, algo): at_lag(base, lag).replace(algo=algo) for lag, algo in paths}
    return train_study(configs, paths, seeds, out / "horizon", **modes)


def places(out):
    at = out / "horizon"
    return {(lag, algo): at / f"lag_{lag}" / algo for lag in LAGS for algo in ALGOS}


def report(base, seeds, out):
    """Draw every condition and the sweep; whether nothing of it failed."""
    drawn = [runs.draw(path, seeds) for path in places(out).values()]
    fault = runs.attempt(draw_sweep, seeds, out)
    if fault:
        note(f"sweep not drawn: {fault}")
    return all(drawn) and not fault


def draw_sweep(seeds, out):
    study = {condition: read_seeds(path, seeds) for condition, path in places(out).items()}
    draw({condition: run_summaries(study, condition) for condition in study}, out / "horizon")


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
