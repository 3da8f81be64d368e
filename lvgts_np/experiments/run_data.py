"""Run directories read back: configs, summaries and tables of seeds."""

import functools
import json
import math
from typing import NamedTuple

import numpy as np

from lvgts_np.training import checkpoint
from lvgts_np.training.config import FIELDS, Config
from lvgts_np.training.files import MAX_TABLE, arrays, read

TABLES = {  # by name: steps, which rise, and values that are read
    "log": (("iteration", "episodes"), ("eval_return_recall",)),
    "attention": (("t", "i"), ("weight",)),
    "credit": (("j", "i"), ("mean", "rms")),
    "episode": (("t",), ("o_m", "a", "r_recall", "r_distractor", "r_hat", "o_0")),
}
BOUNDS = ("floor_return", "myopic_return", "max_return")
FINALS = (
    "final_eval_return_recall", "final_eval_return_total", "attention_remember", "credit_early",
    "credit_recall",
)  # fmt: skip
SUMMARY = ("task", "algo", "seed", "episodes", *BOUNDS, *FINALS, "frozen", "wall_s")


class Seed(NamedTuple):
    """Files of one seed; `tables` holds columns by name, by file, where there is that file."""

    number: int
    config: dict
    summary: dict
    tables: dict


def read_seeds(directory, seeds):
    """Seeds with these numbers of a <out>/<task>/<algo>."""
    return [read_seed(directory / f"seed_{seed}") for seed in seeds]


def read_seed(path):
    """Seed of a run directory seed_<s>; ValueError names a file that is damaged.

    What the run vouched for in checkpoint.npz must be as it was written.
    """
    number, tables, summary = int(path.name[5:]), {}, {}
    complete = (path / "summary.json").is_file()
    known, config = vouched(path, complete), read(path / "config.json", parse_config)
    if complete:
        file = path / "summary.json"
        summary = read(file, lambda text: parse_summary(text, number, config), known=known(file))
    for stem in TABLES:
        if (file := path / f"{stem}.csv").exists():
            parse = functools.partial(parse_table, stem, config)
            tables[stem] = read(file, parse, MAX_TABLE, known(file))
    return Seed(number, config, summary, {stem: table for stem, table in tables.items() if table})


def read_complete(path):
    """Seed of a run that is complete; ValueError where something that it wrote is missing too."""
    seed, known = read_seed(path), vouched(path, True)
    if missing := set(SUMMARY) - seed.summary.keys():
        raise ValueError(f"{path / 'summary.json'}: damaged, no {min(missing)}")
    for file in (path / name for name in (*checkpoint.LOGS, *checkpoint.TABLES)):
        if known(file) and not file.exists():
            raise ValueError(f"{file}: missing")
        if known(file) and file.stem not in TABLES:
            read(file, str, MAX_TABLE, known(file))
    return seed


def vouched(path, complete):
    """Function of a file of a run directory: what `read` takes as known of it."""
    file = path / "checkpoint.npz"
    try:
        head = checkpoint.texts(file) if file.is_file() else {}
    except ValueError as error:
        raise ValueError(f"{file}: damaged, {error}") from error

    def known(file):
        digest, length = (head.get(group, {}).get(file.name) for group in ("digests", "logs"))
        whole = complete or length is None  # a log may have grown since
        return None if digest is None else (None if whole else int(length), str(digest))

    return known


def parse_config(text):
    """Fields of a config.json; ValueError where one cannot be. Earlier versions have others."""
    if not isinstance(fields := json.loads(text), dict):
        raise ValueError("no object of fields")
    Config().replace(**{name: x for name, x in fields.items() if name in FIELDS})
    return fields


def parse_summary(text, number, config):
    """Fields of the summary.json of this seed and config; ValueError where one cannot be."""
    if not isinstance(fields := json.loads(text), dict):
        raise ValueError("no object of fields")
    frozen = fields.get("frozen")
    due = {"seed": number, "task": config.get("task"), "algo": config.get("algo")}
    for name, x in fields.items():
        is_number = type(x) in (int, float)
        fit = {
            **{name: x == value for name, value in due.items()},
            "frozen": x is None or isinstance(x, str),
            **dict.fromkeys(BOUNDS, is_number and math.isfinite(x)),
            **dict.fromkeys(FINALS, is_number or (x is None and frozen is not None)),
        }
        if not fit.get(name, is_number):
            raise ValueError(f"{name} is {x!r}")
    return fields


def parse_table(stem, config, text):
    """Columns of <stem>.csv; ValueError where one is missing, or the steps are not in order."""
    table, (steps, values) = arrays(text), TABLES[stem]
    if not text:
        raise ValueError("it is empty")
    if not table:
        return {}
    if missing := {*steps, *values} - table.keys():
        raise ValueError(f"no column {min(missing)}")
    at = np.array([table[name] for name in steps])
    most = math.inf if stem == "log" else config["T"] - 1
    if not (np.all(at == np.floor(at)) and np.all(at >= 0) and np.all(at <= most)):
        raise ValueError(f"{' and '.join(steps)} are not whole numbers from 0 to {most}")
    keys = at if stem in ("log", "episode") else at[:1] * config["T"] + at[1:]
    if not np.all(np.diff(keys) > 0):
        raise ValueError(f"{' and '.join(steps)} do not rise")
    return table


def same_settings(seeds, like):
    """Seeds whose configs agree, but for the episodes: those of seed `like`, or the most."""
    groups = {}
    for seed in seeds:
        settings = json.dumps({**seed.config, "episodes": None}, sort_keys=True)
        groups.setdefault(settings, []).append(seed)
    chosen = [group for group in groups.values() if like in (seed.number for seed in group)]
    return max(chosen or groups.values(), key=len, default=[])


def learning_curves(seeds):
    """Training episodes (n,), and recall returns {seed: (n,)}, nan where a seed has none."""
    logs = {seed.number: seed.tables.get("log", {}) for seed in seeds}
    names = "episodes", "eval_return_recall"
    curves = {n: dict(zip(*(x.get(y, ()) for y in names), strict=True)) for n, x in logs.items()}
    steps = sorted(set().union(*curves.values()))
    values = {n: np.array([curve.get(x, np.nan) for x in steps]) for n, curve in curves.items()}
    return np.array(steps, dtype=int), values


def mean_over_seeds(seeds, source, *values):
    """Table that all seeds have: its steps, and the means of the columns `values`."""
    first = seeds[0].tables[source]
    steps = {name: first[name].astype(int) for name in first if name not in values}
    for seed in seeds:
        if not all(np.array_equal(seed.tables[source][name], steps[name]) for name in steps):
            raise ValueError(f"{source}.csv of seeds {seeds[0].number} and {seed.number} disagree")
    means = {x: np.mean([seed.tables[source][x] for seed in seeds], axis=0) for x in values}
    return steps | means
