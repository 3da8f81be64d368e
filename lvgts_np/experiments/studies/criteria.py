"""Criteria of the claims: a line of numbers and a verdict each. [Abstract, §4.2]

A criterion takes the runs of one or more conditions, lists of summaries whose n-th are a pair.
"""

import numpy as np

from lvgts_np.experiments.studies.statistics import interval, paired, success
from lvgts_np.experiments.studies.summary import column, final_returns, solved

VERDICTS = ("not", "partly", "reproduced")  # the weakest first
OPPOSITE = dict(zip(VERDICTS, reversed(VERDICTS), strict=True))


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
