"""Criteria of the claims: a line of numbers and a verdict each. [Abstract, §4.2]

A criterion takes the runs of one or more conditions, lists of summaries whose n-th are a pair.
Where an interval decides, a claim is "reproduced" if the interval lies wholly on the claim's side,
"not" if wholly on the other, else "partly".
"""

import numpy as np

from lvgts_np.experiments.statistics import interval, paired, success
from lvgts_np.experiments.summary import column, final_returns, solved

VERDICTS = ("not", "partly", "reproduced")  # the weakest first
OPPOSITE = dict(zip(VERDICTS, reversed(VERDICTS), strict=True))


def above(low, high, bound):
    """Verdict on "above the bound"; that on "at or below" is its OPPOSITE."""
    return "reproduced" if low > bound else "not" if high <= bound else "partly"


def unanimous(verdicts):
    return verdicts[0] if len(set(verdicts)) == 1 else "partly"


def weaker(*verdicts):
    return min(verdicts, key=VERDICTS.index)


def share_above_half(successes):
    k, n, low, high = success(successes)
    return f"{k} of {n} [{low:.2f}, {high:.2f}]", above(low, high, 0.5)


def mean_above(bound, *groups):
    """Numbers and verdict of the mean over all groups, whose runs are resampled within each."""
    x, (low, high) = np.concatenate(groups), interval(*groups)
    return f"{np.mean(x):z.2f} [{low:z.2f}, {high:z.2f}], n = {len(x)}", above(low, high, bound)


def solves(runs):
    text, verdict = share_above_half(solved(runs))
    return f"solved by {text}", verdict


def alone_solves(lvgts, lm_svg):
    """Both needed: most pairs solved by LVGTS alone, and a mean difference above 0."""
    alone, most = share_above_half(solved(lvgts) & ~solved(lm_svg))
    d = paired(final_returns(lvgts), final_returns(lm_svg))
    text = (
        f"by LVGTS alone in {alone} pairs, LVGTS minus LM-SVG {d.mean:z.2f} [{d.low:z.2f}, "
        f"{d.high:z.2f}], more in {d.wins}, less in {d.losses}, sign test p = {d.sign_p:.1g}, "
        f"Wilcoxon p = {d.wilcoxon_p:.1g}"
    )
    return text, weaker(most, above(d.low, d.high, 0.0))


def earns_more(*conditions):
    """LVGTS above LM-SVG, whose conditions follow each other, task after task."""
    pairs = zip(conditions[::2], conditions[1::2], strict=True)
    text, verdict = mean_above(
        0.0, *(final_returns(lvgts) - final_returns(lm_svg) for lvgts, lm_svg in pairs)
    )
    return f"LVGTS minus LM-SVG {text}", verdict


def is_myopic(runs):
    text, verdict = mean_above(0.0, final_returns(runs) - column(runs, "myopic_return"))
    return f"mean minus myopic line {text}", OPPOSITE[verdict]


def fails(runs):
    """Both needed: most runs do not solve it, and the mean is not above the myopic baseline."""
    (count, solving), (mean, myopic) = solves(runs), is_myopic(runs)
    return f"{count}, {mean}", weaker(OPPOSITE[solving], myopic)


def looks_back(runs):
    text, verdict = mean_above(0.5, column(runs, "attention_remember"))
    return f"share {text}", verdict


def has_credit(runs):
    some = column(runs, "credit_recall") != 0.0
    verdict = unanimous(["reproduced" if one else "not" for one in some])
    return f"credit in {np.sum(some)} of {len(some)} runs", verdict


def lacks_credit(runs):
    text, verdict = has_credit(runs)
    return text, OPPOSITE[verdict]


def reaches_2(runs):
    ceiling, most = runs[0]["max_return"], np.max(final_returns(runs))
    agree = abs(ceiling - 2.0) < 0.005 and most <= 2.0
    return f"ceiling {ceiling:.3f}, best run {most:.3f}", "reproduced" if agree else "not"
