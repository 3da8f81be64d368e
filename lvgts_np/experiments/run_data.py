"""Run directories read back: configs, summaries and tables of seeds."""

import json
from typing import NamedTuple

import numpy as np

from lvgts_np.training.files import read_json, read_table

TABLES = ("log", "attention", "credit", "episode")


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
    """Seed of a run directory seed_<s>."""
    files = [path / f"{name}.csv" for name in TABLES]
    tables = {file.stem: read_table(file) for file in files if file.is_file()}
    config, summary = read_json(path / "config.json"), path / "summary.json"
    summary = read_json(summary) if summary.is_file() else {}
    tables = {name: table for name, table in tables.items() if table}
    return Seed(int(path.name[5:]), config, summary, tables)


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
