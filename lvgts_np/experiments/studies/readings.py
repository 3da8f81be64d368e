"""Readings of the paper: every switch alone, and all to the letter, on both AMT tasks. [§4.2]

The switches are those of docs/differences.md. Seeds of the same number are a pair, whose difference
is taken from the defaults of the same algorithm.
"""

from operator import itemgetter

import numpy as np

from lvgts_np.experiments.plots.paper_plots import round_trip, save_both
from lvgts_np.experiments.plots.readings_plot import plot_readings
from lvgts_np.experiments.plots.style import BOUNDS
from lvgts_np.experiments.studies.claims import AMT
from lvgts_np.experiments.studies.statistics import interval, paired
from lvgts_np.experiments.studies.summary import column, final_returns, run_summaries, summarise
from lvgts_np.training.config import SWITCHES

DEFAULTS = "defaults"
# What the paper writes, wherever it can be run. It has no N for the encoder, and no share of the
# pendulum's reward in G; A.2 has plain squares.
LETTER = {
    "distractor_scale": 1.0, "combine": "add", "encoder_N": 0, "transition": "latent",
    "reward_units": "relu", "reward_loss": "square", "count_from": 1, "store": "after",
}  # fmt: skip
READINGS = {  # of LVGTS: the fields of each, by its name
    DEFAULTS: {},
    **{f"{name}={value}": {name: value} for name in SWITCHES for value in SWITCHES[name]},
    "all to the letter": LETTER,
}
BASELINE = {  # of LM-SVG, the baseline; N is T where it is None
    DEFAULTS: {},
    "transition=latent": {"transition": "latent"},
    "reward_loss=square": {"reward_loss": "square"},
    "not truncated": {"N": None},
    "not truncated, encoder_N=0": {"N": None, "encoder_N": 0},
    "all to the letter": LETTER,
}
PENDULUM = ("pendulum_version", "distractor_scale")  # of no effect elsewhere
MEANS = (
    "task", "algo", "reading", "n", "frozen", "mean", "low", "high", "worst", "solved",
    "difference", "difference_low", "difference_high", "attention_remember",
    "attention_untrained", "compass_sign", "compass_ratio",
)  # fmt: skip
RUNS = ("task", "algo", "reading", "seed", "final_return", *BOUNDS)


def conditions(config, out):
    """Directory and Config {(task, "algo reading"): (directory, config)}."""
    found = {}
    for task in AMT:
        for algo, readings in (("lvgts", READINGS), ("lm_svg", BASELINE)):
            for name, fields in readings.items():
                if fields and task == "dummy_amt" and set(fields) <= set(PENDULUM):
                    continue
                directory = out / "readings" / task / algo / name.replace(",", "").replace(" ", "_")
                fields = {x: config.T if y is None else y for x, y in fields.items()}
                new = config.replace(task=task, algo=algo, **fields)
                found[task, f"{algo} {name}"] = directory, new
    return found


def report(study, directory):
    """Write readings.csv and runs.csv of {(task, "algo reading"): [Seed, ...]}, and the picture."""
    rows, finals, defaults = [], [], {}
    for task, name in study:
        by_seed = run_summaries(study, (task, name))
        algo, reading = name.split(" ", 1)
        runs = list(by_seed.values())
        x = final_returns(runs)
        base = defaults.setdefault((task, algo), x)  # they come first
        low, high = interval(x)
        more = {"reading": reading, "algo": algo, "low": low, "high": high}
        pairs = paired(x, base)
        more |= {"difference": pairs.mean}
        more |= {"difference_low": pairs.low, "difference_high": pairs.high}
        for what in ("attention_untrained", "compass_sign", "compass_ratio"):
            known = column(runs, what)
            known = known[np.isfinite(known)]
            more[what] = np.median(known) if len(known) else np.nan
        rows.append(summarise((task, name), by_seed)._asdict() | more)
        for run in runs:
            key = {"reading": reading, "final_return": run["final_eval_return_recall"]}
            finals.append(run | key)
    means = round_trip(directory / "readings.csv", MEANS, map(itemgetter(*MEANS), rows))
    finals = round_trip(directory / "runs.csv", RUNS, map(itemgetter(*RUNS), finals))
    save_both(lambda: plot_readings(means, finals), directory / "readings")
