"""Claims of the paper about Figure 2, word for word, and their verdicts. [Abstract, §4.2]

Seeds of the same number are a pair; `summary` says when a run solves its task. A criterion takes
the runs of one or more conditions, lists of summaries whose n-th are a pair, and returns a line of
numbers and a verdict.
"""

from collections import namedtuple

import numpy as np

from lvgts_np.experiments.studies.statistics import interval, paired, success
from lvgts_np.experiments.studies.summary import column, final_returns, run_summaries, solved

COMMAND = "python run.py figure2"
# A row of claims.csv; `test` is the rule of the verdict.
Claim = namedtuple("Claim", "id words where command test result verdict")
VERDICTS = ("not", "partly", "reproduced")  # the weakest first
OPPOSITE = dict(zip(VERDICTS, reversed(VERDICTS), strict=True))


def evaluate(study):
    """Claims of a study; "not run" where it lacks a condition; ValueError as `run_summaries`."""
    return [
        Claim(id, words, where, COMMAND, test, *judged(study, criterion, parts))
        for id, where, criterion, parts, words, test in CLAIMS
    ]


def judged(study, criterion, parts):
    """Result and verdict of a claim; a part is the conditions compared, by the seeds all have."""
    results, found = [], []
    for part in parts:
        by_seed = [run_summaries(study, condition) for condition in part]
        seeds = sorted(set.intersection(*map(set, by_seed)))
        runs = [[one[seed] for seed in seeds] for one in by_seed]
        result, verdict = criterion(*runs) if seeds else ("not run", "not run")
        name = ", ".join(" and ".join(dict.fromkeys(names)) for names in zip(*part, strict=True))
        results.append(f"{name}: {result}")
        found.append(verdict)
    return "; ".join(results), "not run" if "not run" in found else unanimous(found)


def above(low, high, bound):
    """Verdict of an interval on "above the bound"; that on "at or below" is its OPPOSITE."""
    return "reproduced" if low > bound else "not" if high <= bound else "partly"


def unanimous(verdicts):
    return verdicts[0] if len(set(verdicts)) == 1 else "partly"


def weaker(*verdicts):
    return min(verdicts, key=VERDICTS.index)


def negated(text, verdict):
    return text, OPPOSITE[verdict]


def share_above_half(name, successes):
    k, n, low, high = success(successes)
    return f"{name} {k} of {n} [{low:.2f}, {high:.2f}]", above(low, high, 0.5)


def mean_above(bound, name, *groups):
    """Numbers and verdict of the mean over all groups, whose runs are resampled within each."""
    x, (low, high) = np.concatenate(groups), interval(*groups)
    text = f"{name} {np.mean(x):z.2f} [{low:z.2f}, {high:z.2f}], n = {len(x)}"
    return text, above(low, high, bound)


def solves(runs):
    return share_above_half("solved by", solved(runs))


def alone_solves(lvgts, lm_svg):
    """Both needed: most pairs solved by LVGTS alone, and a mean difference above 0."""
    alone, most = share_above_half("by LVGTS alone in", solved(lvgts) & ~solved(lm_svg))
    d = paired(final_returns(lvgts), final_returns(lm_svg))
    text = (
        f"{alone} pairs, LVGTS minus LM-SVG {d.mean:z.2f} [{d.low:z.2f}, {d.high:z.2f}], more in "
        f"{d.wins}, less in {d.losses}, sign test p = {d.sign_p:.1g}, "
        f"Wilcoxon p = {d.wilcoxon_p:.1g}"
    )
    return text, weaker(most, above(d.low, d.high, 0.0))


def earns_more(*conditions):
    """LVGTS above LM-SVG, whose conditions follow each other, task after task."""
    x = [final_returns(runs) for runs in conditions]
    return mean_above(0.0, "LVGTS minus LM-SVG", *map(np.subtract, x[::2], x[1::2]))


def is_myopic(runs):
    x = final_returns(runs) - column(runs, "myopic_return")
    return negated(*mean_above(0.0, "mean minus myopic line", x))


def fails(runs):
    """Both needed: most runs do not solve it, and the mean is not above the myopic baseline."""
    (count, most), (mean, myopic) = negated(*solves(runs)), is_myopic(runs)
    return f"{count}, {mean}", weaker(most, myopic)


def looks_back(runs):
    return mean_above(0.5, "share", column(runs, "attention_remember"))


def has_credit(runs):
    some = column(runs, "credit_recall") != 0.0
    verdict = unanimous(["reproduced" if one else "not" for one in some])
    return f"credit in {np.sum(some)} of {len(some)} runs", verdict


def lacks_credit(runs):
    return negated(*has_credit(runs))


def reaches_2(runs):
    ceiling, most = runs[0]["max_return"], np.max(final_returns(runs))
    agree = abs(ceiling - 2.0) < 0.005 and most <= 2.0
    return f"ceiling {ceiling:.3f}, best run {most:.3f}", "reproduced" if agree else "not"


def each(tasks, *algos):
    """One part a task, which compares the algorithms."""
    return tuple(tuple((task, algo) for algo in algos) for task in tasks)


PMT, AMT, PENDULUM = ("dummy_pmt",), ("dummy_amt", "pendulum_amt"), ("pendulum_amt",)
RULE = (
    "reproduced if the 95 % interval lies wholly there, not if wholly on the other side, else "
    "partly, as where the parts disagree"
)
CLAIMS = (  # id, where it stands, criterion, parts, words, test
    ("pmt", "§4.2", solves, each(PMT, "lvgts") + each(PMT, "lm_svg"),
     "both algorithms are able to solve the passive memory task",
     "share of runs above the midpoint of floor and ceiling (Wilson) > 1/2; " + RULE),
    ("amt", "§4.2", solves, each(AMT, "lvgts"),
     "LVGTS is able to reliably solve both AMT instances, even in the presence of a distraction",
     "share of runs above the midpoint of myopic line and ceiling (Wilson) > 1/2; " + RULE),
    ("only", "§4.2", alone_solves, each(AMT, "lvgts", "lm_svg"),
     "only LVGTS is able to reliably solve both AMT instances",
     "share of pairs that LVGTS solves and LM-SVG does not (Wilson) > 1/2, and mean paired "
     "difference (bootstrap) > 0, the weaker of the two; " + RULE),
    ("myopic", "§4.2", is_myopic, each(AMT[:1], "lm_svg"),
     "truncated LM-SVG struggles to surpass the performance of an ideal myopic agent even with "
     "minimal distractions (dummy-AMT)",
     "mean return (bootstrap) at or below the myopic line; " + RULE),
    ("fails", "§4.2", fails, each(PENDULUM, "lm_svg"),
     "When distrations are present, in the form of the pendulum task, LM-SVG completely fails "
     "under truncation.",
     "share of solved runs (Wilson) <= 1/2, and mean return (bootstrap) at or below the myopic "
     "line, the weaker of the two; " + RULE),
    ("attention", "Figure 2, caption", looks_back, each(PMT + AMT, "lvgts"),
     "Attention is put from the recall phase to the remember phase",
     "mean share of the recall phase's attention (bootstrap) > 1/2; " + RULE),
    ("maximum", "§4.2", reaches_2, each(PMT + AMT, "lvgts"),
     "In all cases, c = 0.5, therefore the maximum possible return for each episode is 2.",
     "reproduced if the ceiling rounds to 2.00 and no run's mean is above 2, not otherwise, "
     "partly where the tasks disagree"),
    ("truncation", "§4.2", lacks_credit, each(PMT + AMT, "lm_svg"),
     "long-term credit assignment from the recall phase to the remember phase is impossible "
     "without skip connections",
     "reproduced if LM-SVG's credit_recall is exactly 0 in every run, not if in none, else partly"),
    ("credit", "Abstract", has_credit, each(AMT, "lvgts"),
     "LVGTS assigns credit from the future to the possibly distant past regardless of the use "
     "of discounting or gradient truncation",
     "under truncation alone: reproduced if LVGTS's credit_recall is not 0 in any run, not if "
     "it is in every run, else partly"),
    ("effective", "Abstract", earns_more, (sum(each(AMT, "lvgts", "lm_svg"), ()),),
     "our approach is able to perform effective credit assignment even in the presence of "
     "distractions",
     "mean paired difference over both AMT tasks (bootstrap, stratified by task) > 0; " + RULE),
)  # fmt: skip
