"""Criteria of the claims: a line of numbers and a verdict each. [Abstract, §4.2]

A criterion takes the runs of one or more conditions, lists of summaries whose n-th are a pair.
"""

import numpy as np

from lvgts_np.experiments.studies.statistics import interval, paired, success
from lvgts_np.experiments.studies.summary import column, final_returns, solved

VERDICTS = ("not", "partly", "reproduced")  # the weakest first
OPPOSITE = dict(zip(VERDICTS, reversed(VERDICTS), strict=True))
NONE = "no verdict"  # where the runs cannot tell
GIVEN = "by construction"  # it holds whatever is learned


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


def is_myopic(runs, twin):
    """Mean not above the myopic baseline, of an agent that solves the passive twin of its task."""
    x = final_returns(runs) - column(runs, "myopic_return")
    return where_twin_solved(twin, *negated(*mean_above(0.0, "mean minus myopic line", x)))


def fails(runs, twin):
    """Both needed: most runs do not solve it, and the mean is not above the myopic baseline."""
    (count, most), (mean, myopic) = negated(*solves(runs)), is_myopic(runs, twin)
    return f"{count}, {mean}", myopic if myopic == NONE else weaker(most, myopic)


def where_twin_solved(twin, text, verdict):
    """No verdict on a failure where the same agent does not even learn the passive task."""
    count, most = solves(twin)
    return f"{text}, passive twin {count}", verdict if most == "reproduced" else NONE


def looks_back(runs):
    """Both needed: a share above 1/2, and more than the same seeds have untrained."""
    share, untrained = (column(runs, f"attention_{x}") for x in ("remember", "untrained"))
    text, half = mean_above(0.5, "share", share)
    more, gained = mean_above(0.0, "more than untrained by", share - untrained)
    return f"{text}, untrained {np.mean(untrained):.2f}, {more}", weaker(half, gained)


def has_credit(runs):
    """Both needed: the sign right in most forced actions, and a ratio to the truth above 0."""
    sign, ratio = (column(runs, f"compass_{x}") for x in ("sign", "ratio"))
    known = np.isfinite(sign)
    if not known.any():
        return "true credit unknown in every run", NONE
    right, signs = mean_above(0.5, "right sign in a share of", sign[known])
    size, sizes = mean_above(0.0, "size of the true one", ratio[known])
    return f"{right}, {size}", weaker(signs, sizes)


def lacks_credit(runs):
    none = column(runs, "credit_recall") == 0.0
    text = f"credit exactly 0 in {np.sum(none)} of {len(none)} runs"
    return text, GIVEN if none.all() else "not"


def reaches_2(runs):
    ceiling, most = runs[0]["max_return"], np.max(final_returns(runs))
    agree = abs(ceiling - 2.0) < 0.005 and most <= 2.0
    return f"ceiling {ceiling:.3f}, best run {most:.3f}", GIVEN if agree else "not"
