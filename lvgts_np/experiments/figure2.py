"""Figure 2: every task with both algorithms, paired by seed; its pictures, tables and report."""

import dataclasses
import json
from pathlib import Path

from lvgts_np.experiments import claims, report, runs, summary
from lvgts_np.experiments.claims import COMMAND
from lvgts_np.experiments.plots import paper_plots
from lvgts_np.experiments.run_data import read_seeds
from lvgts_np.experiments.run_directory import condition_directory
from lvgts_np.training.config import FIELDS


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
    write_report(directory, rows, found, conditions, versions(directories, seeds[0]))
    return rows


def versions(directories, seed):
    path = next(iter(directories.values())) / f"seed_{seed}" / "versions.json"
    return json.loads(path.read_text())


def write_report(directory, rows, found, conditions, used):
    """report.html in the directory that holds the pictures."""
    sections = [
        ("The figure", [made(conditions), figure(directory), spread(directory)]),
        ("Claims", [table("Each claim word for word, its test and verdict", found)]),
        ("Numbers", [table("All runs beside the paper's rule, best 15 of 20", rows)]),
        ("Settings", [settings(conditions)]),
        ("Made with", [", ".join(f"{name} {what}" for name, what in used.items())]),
    ]
    report.write(directory / "report.html", "Figure 2 of LVGTS, reproduced", sections)


def made(conditions):
    return (
        f"Made by `{COMMAND}`: {len({c.task for c in conditions})} tasks, both algorithms, one set "
        f"of settings, {conditions[0].episodes} episodes a run. Seeds of the same number start "
        "from the same weights and meet the same randomness."
    )


def figure(directory):
    return report.Picture(
        directory / "figure2.png",
        "A column a task. Above, return against episodes for LVGTS and LM-SVG, every run a thin "
        "line, with ceiling and myopic line; below, the attention map of LVGTS with the recall "
        "step marked red. The numbers are in the tables of this page.",
        "Top: recall return of the noise-free policy, mean of all runs with its 95 % band, and "
        "the paper's rule beside it. Bottom: LVGTS's attention, mean over runs; red, a step of "
        "the recall phase.",
    )


def spread(directory):
    return report.Picture(
        directory / "spread.png",
        "A column a task: the final return of every run, LVGTS and LM-SVG, pairs joined by a line.",
        "Final recall return, run by run; a line joins what started from the same weights.",
    )


def table(caption, rows):
    """NamedTuples as a report's table."""
    conditions = [[text(value) for value in row] for row in rows]
    return report.Table(caption, [name.replace("_", " ") for name in rows[0]._fields], conditions)


def text(value):
    return f"{value:z.3g}" if isinstance(value, float) else str(value)


def settings(conditions):
    """The fields of the Config, as all conditions share them."""
    shared = dataclasses.asdict(conditions[0])
    rows = [[name, str(shared[name])] for name in FIELDS if name not in ("task", "algo")]
    return report.Table("The config of all runs", ["field", "value"], rows)
