"""Summary of a study: final numbers of each run, and all runs beside the paper's rule. [§4.2]

A study is {(task, algo): [Seed, ...]}, its keys the conditions. A run solves its task above the
midpoint of the optimal return and the best without credit: the myopic baseline on AMT, the lower
bound on PMT. A frozen run is a failure: its return is the lower bound, or less if that was its last
number, its attention 0, and its credit the last measured, or none.
"""

from typing import NamedTuple

import numpy as np

from lvgts_np.experiments.statistics import best, interval, iqm, success


class Summary(NamedTuple):
    """All runs of a condition; the mean of those that the paper's rule keeps."""

    task: str
    algo: str
    n: int
    frozen: int
    mean: float
    iqm: float
    iqm_low: float
    iqm_high: float
    worst: float
    solved: int
    solved_low: float
    solved_high: float
    attention_remember: float
    kept: int
    kept_mean: float
    dropped: str  # seeds


def summary_table(study):
    """Summary of each condition with runs, in the study's order; ValueError as `run_summaries`."""
    return [summarise(c, run_summaries(study, c)) for c in study if study[c]]


def summarise(condition, by_seed):
    """Summary of the runs {seed: dict} of a condition (task, algo)."""
    runs = list(by_seed.values())
    x = final_returns(runs)
    kept = best(x)
    k, n, *wilson = success(solved(runs))
    frozen = sum(run["frozen"] is not None for run in runs)
    central = (np.mean(x), iqm(x), *interval(x, statistic=iqm), np.min(x))
    attention = np.mean(column(runs, "attention_remember"))
    dropped = " ".join(str(seed) for seed in np.delete(list(by_seed), kept))
    rule = (len(kept), np.mean(x[kept]), dropped)
    return Summary(*condition, n, frozen, *central, k, *wilson, attention, *rule)


def run_summaries(study, condition):
    """Summaries {seed: dict} of a condition in the order of the seeds, frozen runs as failures.

    {} where it was not run; ValueError where a run has not ended, or two have one seed.
    """
    by_seed = {}
    for seed in sorted(study.get(condition, ()), key=lambda seed: seed.number):
        if not seed.summary or seed.number in by_seed:
            fault = "is there twice" if seed.summary else "has not ended: no summary"
            raise ValueError(f"{' '.join(condition)}: seed {seed.number} {fault}")
        by_seed[seed.number] = failure(seed.summary) if seed.summary["frozen"] else seed.summary
    return by_seed


def failure(summary):
    """Summary of a frozen run with the numbers that it counts with."""
    last = (summary["final_eval_return_recall"], summary["floor_return"])
    return summary | {
        "final_eval_return_recall": min(number for number in last if number is not None),
        "attention_remember": 0.0,
        "credit_recall": summary["credit_recall"] or 0.0,
    }


def column(runs, name):
    """One number a run, (n,)."""
    return np.array([run[name] for run in runs], dtype=float)


def final_returns(runs):
    """Final recall returns of the noise-free policy, (n,)."""
    return column(runs, "final_eval_return_recall")


def solved(runs):
    """Runs that solve their task, (n,) of booleans."""
    # The paper does not say when a task counts as solved.
    without_credit = "myopic_return" if runs[0]["task"].endswith("amt") else "floor_return"
    return final_returns(runs) > (column(runs, "max_return") + column(runs, without_credit)) / 2
