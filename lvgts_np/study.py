"""Figure 2: every task with both algorithms, paired by seed; its pictures, tables and report."""

import dataclasses
import json
from pathlib import Path

from lvgts_np import claims, figures, outcomes, panels, report, runs
from lvgts_np.claims import COMMAND
from lvgts_np.config import FIELDS
from lvgts_np.folders import cell


def figure2(cells, seeds, out, **modes):
    """Run the cells (Configs) and report them in <out>/figure2; -> the rows of the summary table.

    modes are the keyword arguments of `runs.run`. Errors as there.
    """
    folders = {(c.task, c.algo): cell(out, c) for c in cells}
    runs.run(dict(zip(folders.values(), cells, strict=True)), seeds, **modes)
    study = {names: figures.read_seeds(folder, seeds) for names, folder in folders.items()}
    folder = Path(out) / "figure2"
    folder.mkdir(exist_ok=True)
    rows, found = outcomes.summary_table(study), claims.evaluate(study)
    claims.write(folder / "summary.csv", rows)
    claims.write(folder / "claims.csv", found)
    panels.draw(study, folder)
    write_report(folder, rows, found, cells, versions(folders, seeds[0]))
    return rows


def versions(folders, seed):
    path = next(iter(folders.values())) / f"seed_{seed}" / "versions.json"
    return json.loads(path.read_text())


def write_report(folder, rows, found, cells, used):
    """report.html in the folder that holds the pictures."""
    sections = [
        ("The figure", [made(cells), figure(folder), spread(folder)]),
        ("Claims", [table("Each claim word for word, its test and verdict", found)]),
        ("Numbers", [table("All runs beside the paper's rule, best 15 of 20", rows)]),
        ("Settings", [settings(cells)]),
        ("Made with", [", ".join(f"{name} {what}" for name, what in used.items())]),
    ]
    report.write(folder / "report.html", "Figure 2 of LVGTS, reproduced", sections)


def made(cells):
    return (
        f"Made by `{COMMAND}`: {len({c.task for c in cells})} tasks, both algorithms, one set of "
        f"settings, {cells[0].episodes} episodes a run. Seeds of the same number start from the "
        "same weights and meet the same randomness."
    )


def figure(folder):
    return report.Picture(
        folder / "figure2.png",
        "A column a task. Above, return against episodes for LVGTS and LM-SVG, every run a thin "
        "line, with ceiling and myopic line; below, the attention map of LVGTS with the recall "
        "step marked red. The numbers are in the tables of this page.",
        "Top: recall return of the noise-free policy, mean of all runs with its 95 % band, and "
        "the paper's rule beside it. Bottom: LVGTS's attention, mean over runs; red, a step of "
        "the recall phase.",
    )


def spread(folder):
    return report.Picture(
        folder / "spread.png",
        "A column a task: the final return of every run, LVGTS and LM-SVG, pairs joined by a line.",
        "Final recall return, run by run; a line joins what started from the same weights.",
    )


def table(caption, rows):
    """NamedTuples as a report's table."""
    cells = [[text(value) for value in row] for row in rows]
    return report.Table(caption, [name.replace("_", " ") for name in rows[0]._fields], cells)


def text(value):
    return f"{value:z.3g}" if isinstance(value, float) else str(value)


def settings(cells):
    """The fields of the Config, as all cells share them."""
    shared = dataclasses.asdict(cells[0])
    rows = [[name, str(shared[name])] for name in FIELDS if name not in ("task", "algo")]
    return report.Table("The config of all runs", ["field", "value"], rows)
