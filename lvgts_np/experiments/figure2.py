"""Figure 2: every task with both algorithms, paired by seed; its pictures, tables and report."""

import dataclasses
import json
from collections import Counter
from pathlib import Path

import numpy as np

from lvgts_np.experiments import claims, runs, summary
from lvgts_np.experiments.plots import paper_plots
from lvgts_np.experiments.report import Picture, Table, write
from lvgts_np.experiments.run_data import read_seeds
from lvgts_np.experiments.run_directory import condition_directory

RULES = (
    "Where an interval (95 %, in square brackets) decides, a claim is reproduced if all of it lies "
    "on the side of the test, not if all of it lies on the other, else partly, as where the parts "
    "disagree. Ceiling: the optimal return; myopic line: the myopic baseline, optimal recall after "
    "the remember actions of the untrained policy; floor: the lower bound, without memory."
)
FIGURE = (
    "A column a task. Above, return against episodes for LVGTS and LM-SVG, every run a thin line; "
    "below, the attention map of LVGTS. The numbers are in the tables of this page.",
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


def figure2(conditions, seeds, out, **modes):
    """Run the conditions (Configs) and report them in <out>/figure2; rows of the summary table.

    modes are the keyword arguments of `runs.train`. Errors as there.
    """
    directories = {(c.task, c.algo): condition_directory(out, c) for c in conditions}
    runs.train(dict(zip(directories.values(), conditions, strict=True)), seeds, **modes)
    study = {names: read_seeds(path, seeds) for names, path in directories.items()}
    directory = Path(out) / "figure2"
    directory.mkdir(exist_ok=True)
    rows, found = summary.summary_table(study), claims.evaluate(study)
    claims.write(directory / "summary.csv", rows)
    claims.write(directory / "claims.csv", found)
    paper_plots.draw(study, directory)
    first = next(iter(directories.values())) / f"seed_{seeds[0]}"
    used = json.loads((first / "versions.json").read_text())
    sections = [
        ("Claims", [made(conditions, seeds), RULES, claims_table(found)]),
        ("Figure 2", [Picture(directory / "figure2.png", *FIGURE)]),
        ("Final returns", [Picture(directory / "spread.png", *SPREAD), numbers(rows)]),
        ("Credit maps", [CREDIT, *credit_maps(study, directories)]),
        ("Files", [files(directories)]),
        ("Settings", [settings(conditions, used)]),
    ]
    title = "Figure 2 of LVGTS: a reproduction"
    write(directory / "report.html", title, verdict(found), sections)
    return rows


def verdict(found):
    """Number of claims by verdict, in words."""
    n = Counter(claim.verdict for claim in found)
    words = f"{n['reproduced']} reproduced, {n['partly']} partly, {n['not']} not"
    absent = f", {n['not run']} not run" if n["not run"] else ""
    return f"Of {len(found)} claims of the paper: {words}{absent}."


def made(conditions, seeds):
    return (
        f"Made by `{claims.COMMAND}`: {len({c.task for c in conditions})} tasks, both algorithms, "
        f"{len(seeds)} seeds, one set of settings, {conditions[0].episodes} episodes a run. Seeds "
        "of the same number start from the same weights and meet the same randomness."
    )


def claims_table(found):
    rows = [
        (c.id, c.verdict, f"“{c.words}” ({c.where})", c.result, c.test.removesuffix(claims.RULE))
        for c in found
    ]
    header = ("claim", "verdict", "in the paper", "measured", "test")
    caption = "The paper's claims word for word. Data: [claims.csv](claims.csv)."
    return Table(caption, header, rows, stacked=True)


NUMBERS = {
    "condition": "{task} {algo}",
    "solved": "{solved} of {n} [{solved_low:.2f}, {solved_high:.2f}]",
    "mean": "{mean:z.2f}",
    "interquartile mean": "{iqm:z.2f} [{iqm_low:z.2f}, {iqm_high:z.2f}]",
    "worst": "{worst:z.2f}",
    "mean of the best": "{kept_mean:z.2f} (n = {kept})",
    "attention": "{attention_remember:.2f}",
    "frozen": "{frozen}",
}


def numbers(rows):
    """Table of the Summaries; an interval stands in square brackets behind its number."""
    cells = [[form.format(**row._asdict()) for form in NUMBERS.values()] for row in rows]
    caption = (
        "Final recall return of all runs, and of the best three quarters, the paper's rule; "
        "attention of the recall phase on the remember phase. Data: [summary.csv](summary.csv)."
    )
    return Table(caption, tuple(NUMBERS), cells)


def credit_maps(study, directories):
    """Credit maps of the active memory tasks, those of a task below each other."""
    maps = []
    for (task, algo), directory in directories.items():
        if task.endswith("amt") and (directory / "credit.png").is_file():
            x = summary.column(summary.run_summaries(study, (task, algo)).values(), "credit_recall")
            caption = (
                f"{task}, {algo}: mean credit_recall {np.mean(x):.3g}, exactly 0 in {sum(x == 0)} "
                f"of {len(x)} runs. Data: [credit.csv](../{task}/{algo}/credit.csv)."
            )
            alt = f"Matrix of the credit of actions for predicted rewards: {task}, {algo}."
            maps.append(Picture(directory / "credit.png", alt, caption))
    return maps


def files(directories):
    """A line a condition, with links to its directory and the tables in it."""
    lines = []
    for (task, algo), directory in directories.items():
        at, tables = f"../{task}/{algo}/", sorted(path.name for path in directory.glob("*.csv"))
        links = ", ".join(f"[{name}]({at}{name})" for name in tables)
        lines.append(f"[{task} {algo}]({at}): {links}")
    return lines


def settings(conditions, used):
    """Table of the fields that all conditions share, and of the versions used."""
    shared = [*dataclasses.asdict(conditions[0]).items(), *used.items()]
    rows = [(name, str(value)) for name, value in shared if name not in ("task", "algo")]
    return Table("The config of all runs, and the versions they used.", ("field", "value"), rows)
