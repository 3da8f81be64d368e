"""Summary of a study: final numbers of each run, and all runs beside the paper's rule. [§4.2]

A study is {(task, algo): [Seed, ...]}, its keys the conditions. A run solves its task above the
midpoint of the optimal return and the best without credit: the myopic baseline on AMT, the lower
bound on PMT. A frozen run counts as a failure, with the numbers that `failure` says.
"""

from collections import namedtuple

import numpy as np

from lvgts_np.experiments.studies.statistics import best, interval, iqm, success

# All runs of a condition; those that the paper's rule keeps, their mean, and the seeds it drops.
Summary = namedtuple(
    "Summary",
    "task algo n frozen mean iqm iqm_low iqm_high worst solved solved_low solved_high "
    "attention_remember kept kept_mean dropped",
)


def summary_table(study):
    """Summary of each condition with runs, in the study's order; ValueError as `run_summaries`."""
    return [summarise(c, run_summaries(study, c)) for c in study if study[c]]


def summarise(condition, by_seed):
    """Summary of the runs {seed: dict} of a condition (task, algo)."""
    runs = list(by_seed.values())
    x, attention = final_returns(runs), column(runs, "attention_remember")
    frozen, kept = sum(run["frozen"] is not None for run in runs), best(x)
    k, n, *wilson = success(solved(runs))
    return Summary(
        *condition, n, frozen, np.mean(x), iqm(x), *interval(x, statistic=iqm), np.min(x),
        k, *wilson, np.mean(attention),
        len(kept), np.mean(x[kept]), " ".join(map(str, np.delete(list(by_seed), kept))),
    )  # fmt: skip


def run_summaries(study, condition):
    """Summaries {seed: dict} of a condition in the order of the seeds, frozen runs as failures.

    {} where it was not run; ValueError where a run has not ended, or two have one seed.
    """
    by_seed = {}
    for seed in sorted(study.get(condition, ()), key=lambda seed: seed.number):
        if not seed.summary or seed.number in by_seed:
            fault = "is there twice" if seed.summary else "has not ended: no summary"
            raise ValueError(f"{' '.join(map(str, condition))}: seed {seed.number} {fault}")
        by_seed[seed.number] = failure(seed.summary) if seed.summary["frozen"] else seed.summary
    return by_seed


def failure(summary):
    """Summary of a frozen run: at best the lower bound, no attention, the last credit or 0."""
    last = (summary["final_eval_return_recall"], summary["floor_return"])
    return summary | {
        "final_eval_return_recall": min(number for number in last if number is not None),
        "attention_remember": 0.0,
        "credit_recall": summary["credit_recall"] or 0.0,
        "compass_sign": 0.0,
        "compass_ratio": 0.0,
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
    bound = column(runs, without_credit(runs[0]))
    return final_returns(runs) > (column(runs, "max_return") + bound) / 2


def without_credit(bounds):
    """Name of the best return without credit: where that is the optimum, as on PMT, the floor."""
    near = bounds["myopic_return"] > bounds["max_return"] - 1e-3
    return "floor_return" if near else "myopic_return"
