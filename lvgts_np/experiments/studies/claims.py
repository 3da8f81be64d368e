"""Claims of the paper about Figure 2, word for word, and their verdicts. [Abstract, §4.2]

Seeds of the same number are a pair; `summary` says when a run solves its task.
"""

from collections import namedtuple

from lvgts_np.experiments.studies import criteria
from lvgts_np.experiments.studies.summary import run_summaries

COMMAND = "python run.py figure2"
MIN_EPISODES = 2_000  # shorter studies get no verdict
# A row of claims.csv; `test` is the rule of the verdict.
Claim = namedtuple("Claim", "id words where command test result verdict")


def evaluate(study):
    """Claims of a study; "not run" where it lacks a condition; ValueError as `run_summaries`."""
    return [
        Claim(id, words, where, COMMAND, test, *judged(study, criterion, parts))
        for id, where, criterion, parts, words, test in CLAIMS
    ]


def judged(study, criterion, parts):
    """Result and verdict of a claim; a part is the conditions compared, by the seeds all have.

    Too short a study has none, but for what holds by construction.
    """
    results, found = [], []
    for part in parts:
        by_seed = [run_summaries(study, condition) for condition in part]
        seeds = sorted(set.intersection(*map(set, by_seed)))
        runs = [[one[seed] for seed in seeds] for one in by_seed]
        result, verdict = criterion(*runs) if seeds else ("not run", "not run")
        if seeds and verdict != criteria.GIVEN and is_short(study):
            verdict = criteria.NONE
        name = ", ".join(" and ".join(dict.fromkeys(names)) for names in zip(*part, strict=True))
        results.append(f"{name}: {result}")
        found.append(verdict)
    absent = [verdict for verdict in ("not run", criteria.NONE) if verdict in found]
    return "; ".join(results), absent[0] if absent else criteria.unanimous(found)


def is_short(study):
    """Whether no run of a study had the episodes in which something can be learned."""
    episodes = [seed.config["episodes"] for seeds in study.values() for seed in seeds]
    return max(episodes, default=0) < MIN_EPISODES


def each(tasks, *algos):
    """One part a task, which compares the algorithms."""
    return tuple(tuple((task, algo) for algo in algos) for task in tasks)


def beside_twin(task, algo):
    """One part: an active task, and its passive twin."""
    return (((task, algo), (task.replace("amt", "pmt"), algo)),)


PMT, AMT = ("dummy_pmt",), ("dummy_amt", "pendulum_amt")
RULE = (
    "reproduced if the 95 % interval lies wholly there, not if wholly on the other side, else "
    "partly, as where the parts disagree"
)
CLAIMS = (  # id, where it stands, criterion, parts, words, test
    ("pmt", "§4.2", criteria.solves, each(PMT, "lvgts") + each(PMT, "lm_svg"),
     "both algorithms are able to solve the passive memory task",
     "share of runs above the midpoint of floor and ceiling (Wilson) > 1/2; " + RULE),
    ("amt", "§4.2", criteria.solves, each(AMT, "lvgts"),
     "LVGTS is able to reliably solve both AMT instances, even in the presence of a distraction",
     "share of runs above the midpoint of myopic line and ceiling (Wilson) > 1/2; " + RULE),
    ("only", "§4.2", criteria.alone_solves, each(AMT, "lvgts", "lm_svg"),
     "only LVGTS is able to reliably solve both AMT instances",
     "share of pairs that LVGTS solves and LM-SVG does not (Wilson) > 1/2, and mean paired "
     "difference (bootstrap) > 0, the weaker of the two; " + RULE),
    ("myopic", "§4.2", criteria.is_myopic, beside_twin("dummy_amt", "lm_svg"),
     "truncated LM-SVG struggles to surpass the performance of an ideal myopic agent even with "
     "minimal distractions (dummy-AMT)",
     "mean return (bootstrap) at or below the myopic line; no verdict unless most runs (Wilson) "
     "solve the passive twin of the task; " + RULE),
    ("fails", "§4.2", criteria.fails, beside_twin("pendulum_amt", "lm_svg"),
     "When distrations are present, in the form of the pendulum task, LM-SVG completely fails "
     "under truncation.",
     "share of solved runs (Wilson) <= 1/2, and mean return (bootstrap) at or below the myopic "
     "line, the weaker of the two; no verdict unless most runs solve the passive twin; " + RULE),
    ("attention", "Figure 2, caption", criteria.looks_back, each(PMT + AMT, "lvgts"),
     "Attention is put from the recall phase to the remember phase",
     "mean share of the recall phase's attention (bootstrap) > 1/2, and above that of the same "
     "seeds untrained, pair by pair (bootstrap), the weaker of the two; " + RULE),
    ("maximum", "§4.2", criteria.reaches_2, each(PMT + AMT, "lvgts"),
     "In all cases, c = 0.5, therefore the maximum possible return for each episode is 2.",
     "by construction if the ceiling rounds to 2.00 and no run's mean is above 2, else not"),
    ("truncation", "§4.2", criteria.lacks_credit, each(PMT + AMT, "lm_svg"),
     "long-term credit assignment from the recall phase to the remember phase is impossible "
     "without skip connections",
     "by construction if LM-SVG's credit_recall is exactly 0 in every run: no path carries it; "
     "else not"),
    ("credit", "Abstract", criteria.has_credit, each(AMT, "lvgts"),
     "LVGTS assigns credit from the future to the possibly distant past regardless of the use "
     "of discounting or gradient truncation",
     "under truncation alone, undiscounted: share of forced remember actions whose modelled "
     "credit has the sign of the true one (bootstrap over runs) > 1/2, and its ratio to the true "
     "one > 0, the weaker of the two; " + RULE),
    ("effective", "Abstract", criteria.earns_more, (sum(each(AMT, "lvgts", "lm_svg"), ()),),
     "our approach is able to perform effective credit assignment even in the presence of "
     "distractions",
     "mean paired difference over both AMT tasks (bootstrap, stratified by task) > 0; " + RULE),
)  # fmt: skip
