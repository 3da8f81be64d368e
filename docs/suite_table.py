"""Runs of the six tasks as rows of docs/tasks.csv: `python docs/suite_table.py results/suite.*`.

A run that the table has already is replaced; see docs/tasks.md for the commands that make the runs.
"""

import csv
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import suite

from lvgts_np.tasks.reference import describe

TABLE = Path(__file__).with_name("tasks.csv")
KEY = "task", "arguments", "algo", "seed"
FIELDS = (
    "max_return", "myopic_return", "floor_return", "attention_remember", "attention_untrained",
    "compass_sign", "compass_ratio",
)  # fmt: skip


def row(directory):
    """Row of a run's directory; only arguments that are not the task's own defaults are named."""
    summary, config = (
        json.loads((directory / f"{name}.json").read_text()) for name in ("summary", "config")
    )
    name = config["task"].removeprefix("suite:")
    usual = describe(getattr(suite, name)())[1]
    given = {x: config[f"task.{x}"] for x in usual if config[f"task.{x}"] != usual[x]}
    words = (f"task.{x}={json.dumps(y, separators=(',', ':'))}" for x, y in given.items())
    key = name, " ".join(words), summary["algo"], str(summary["seed"])
    rest = {x: "" if summary.get(x) is None else str(summary[x]) for x in FIELDS}
    final = {"final_return": str(summary["final_eval_return_recall"])}
    return dict(zip(KEY, key, strict=True)) | final | rest


def main(folders):
    with TABLE.open(newline="") as file:
        rows = list(csv.DictReader(file))
    found = [row(path.parent) for folder in folders for path in Path(folder).rglob("summary.json")]
    by_key = {tuple(x[name] for name in KEY): x for x in rows + found}
    kinds = list(dict.fromkeys(key[:2] for key in by_key))  # in the order of the table

    def place(key):
        return kinds.index(key[:2]), key[2] != "lvgts", int(key[3])

    with TABLE.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(by_key[key] for key in sorted(by_key, key=place))


if __name__ == "__main__":
    main(sys.argv[1:])
