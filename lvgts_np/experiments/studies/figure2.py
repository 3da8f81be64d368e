"""Figure 2: every task with both algorithms, paired by seed; its pictures, tables and report."""

from collections import Counter

import numpy as np

from lvgts_np.experiments.plots import paper_plots
from lvgts_np.experiments.run_directory import condition_directory
from lvgts_np.experiments.studies import claims
from lvgts_np.experiments.studies.claims import GIVEN, NONE, VERDICTS
from lvgts_np.experiments.studies.report import bullets, paragraph, picture, table, write
from lvgts_np.experiments.studies.summary import Summary, column, run_summaries, summary_table
from lvgts_np.training.config import ALGOS, TASKS
from lvgts_np.training.files import read_json, write_table

RULES = (
    "Where an interval (in square brackets) is tested against a range, such as > 1/2, a claim is "
    f"{claims.RULE}. Ceiling: the optimal return; myopic line: the myopic baseline, optimal recall "
    "after the remember actions of the untrained policy; floor: the lower bound, without memory."
)
SHORT = (
    f"**Too short to learn anything**: fewer than {claims.MIN_EPISODES} episodes. What follows "
    "says that the programs run, and nothing about the paper."
)
FIGURE = (
    "A column a task. Above, return by episodes, LVGTS and LM-SVG; below, LVGTS's attention map.",
    "Top: recall return of the noise-free policy, mean of all runs with its 95 % band, and the "
    "paper's rule beside it. Bottom: LVGTS's attention, mean over runs; red, a step of the recall "
    "phase. Data: [returns.csv](returns.csv), [attention.csv](attention.csv).",
)  # what it shows for readers who cannot see it, and the caption
SPREAD = (
    "A column a task: the final return of every run, LVGTS and LM-SVG, pairs joined by a line.",
    "Final recall return, run by run; a line joins what started from the same weights. Data: "
    "[finals.csv](finals.csv).",
)
CREDIT = (
    "A map shows the derivative of the predicted reward of step j (down) with respect to the "
    "action of step i (across). Framed red: rewards of the recall phase, actions of the remember "
    "phase; `credit_recall` is the root mean square over these actions of the derivative of the "
    "summed recall rewards, a number a run."
)
NUMBERS = {  # columns of the table of numbers; an interval stands behind its number
    "condition": "{task} {algo}",
    "solved": "{solved} of {n} [{solved_low:.2f}, {solved_high:.2f}]",
    "mean": "{mean:z.2f}",
    "interquartile mean": "{iqm:z.2f} [{iqm_low:z.2f}, {iqm_high:z.2f}]",
    "worst": "{worst:z.2f}",
    "mean of the best": "{kept_mean:z.2f} (n = {kept})",
    "attention": "{attention_remember:.2f}",
    "frozen": "{frozen}",
}


def conditions(config, out):
    """Directory and Config {(task, algo): (directory, config)}, every task with both algorithms."""
    configs = [config.replace(task=task, algo=algo) for task in TASKS for algo in ALGOS]
    return {(c.task, c.algo): (condition_directory(out, c), c) for c in configs}


def report(study, directory):
    """Write the tables, the pictures and report.html of {(task, algo): [Seed, ...]}."""
    out = directory.parent
    directory.mkdir(exist_ok=True)
    rows, found = summary_table(study), claims.evaluate(study)
    write_table(directory / "summary.csv", Summary._fields, rows)
    write_table(directory / "claims.csv", claims.Claim._fields, found)
    paper_plots.draw(study, directory)
    stopped = [
        f"{task} {algo} seed {seed.number}: {seed.summary['frozen']}"
        for (task, algo), seeds in study.items()
        for seed in seeds
        if seed.summary["frozen"]
    ]
    banner = [SHORT] if claims.is_short(study) else []
    sections = {
        "Claims": [*map(paragraph, banner), paragraph(RULES), claims_table(found)],
        "Figure 2": [picture(directory / "figure2.png", *FIGURE)],
        "Final returns": [picture(directory / "spread.png", *SPREAD), numbers_table(rows)],
        "Credit maps": [paragraph(CREDIT), *credit_maps(out, study)],
        **({"Runs that stopped": [bullets(stopped)]} if stopped else {}),
        "Files": [bullets(links(out, *condition) for condition in study)],
        "Settings": [settings_table(out, next(iter(study.values())))],
    }
    page = directory / "report.html"
    write(page, "Figure 2 of LVGTS: a reproduction", verdict(found), sections)


def verdict(found):
    """Number of claims by verdict, in words."""
    n = Counter(claim.verdict for claim in found)
    words = ", ".join(f"{n[v]} {v}" for v in (*reversed(VERDICTS), GIVEN, NONE, "not run") if n[v])
    return f"Of {len(found)} claims of the paper: {words}."


def claims_table(found):
    rule = f"; {claims.RULE}"
    rows = [
        (c.id, c.verdict, f"“{c.words}” ({c.where})", c.result, c.test.removesuffix(rule))
        for c in found
    ]
    header = ("claim", "verdict", "in the paper", "measured", "test")
    caption = "The paper's claims word for word. Data: [claims.csv](claims.csv)."
    return table(caption, header, rows, "stacked")


def numbers_table(rows):
    cells = [[form.format(**row._asdict()) for form in NUMBERS.values()] for row in rows]
    caption = (
        "Final recall return of all runs, and of the best three quarters, the paper's rule; "
        "attention of the recall phase on the remember phase. Data: [summary.csv](summary.csv)."
    )
    return table(caption, NUMBERS, cells)


def credit_maps(out, study):
    """Credit maps of the active memory tasks, those of a task below each other."""
    maps = []
    for task, algo in study:
        path = out / task / algo / "credit.png"
        if task in claims.AMT and path.is_file():
            x = column(run_summaries(study, (task, algo)).values(), "credit_recall")
            caption = (
                f"{task}, {algo}: mean credit_recall {np.mean(x):.3g}, exactly 0 in {sum(x == 0)} "
                f"of {len(x)} runs. Data: [credit.csv](../{task}/{algo}/credit.csv)."
            )
            alt = f"Matrix of the credit of actions for predicted rewards: {task}, {algo}."
            maps.append(picture(path, alt, caption))
    return maps


def links(out, task, algo):
    """Links to the directory of a condition and the tables in it."""
    at = f"../{task}/{algo}/"
    names = sorted(path.name for path in (out / task / algo).glob("*.csv"))
    return f"[{task} {algo}]({at}): {', '.join(f'[{name}]({at}{name})' for name in names)}"


def settings_table(out, seeds):
    """Config and versions of the first seed, which all have."""
    number, config, *_ = seeds[0]
    directory = out / config["task"] / config["algo"] / f"seed_{number}"
    used = config | read_json(directory / "versions.json")
    rows = [(name, str(value)) for name, value in used.items() if name not in ("task", "algo")]
    made = f"made by `{claims.COMMAND}` with {len(seeds)} seeds"
    return table(f"Config and versions of all runs, {made}.", ("field", "value"), rows)
