"""Run directories read back: configs, summaries and tables of seeds."""

import functools
import json
from typing import NamedTuple

import numpy as np

from lvgts_np.experiments.diagnostics import TABLES
from lvgts_np.training import checkpoint
from lvgts_np.training.files import MAX_TABLE, arrays, digest_of, read

READ = (
    "log",
    "attention",
    "credit",
    "episode",
    "compass",
)  # tables that pictures and criteria need


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
    """Seed of a run directory seed_<s>; ValueError names a file that is damaged."""
    known = vouched(path)
    config = read(path / "config.json", known.get("config.json", json.loads))
    summary, files = path / "summary.json", [path / f"{name}.csv" for name in READ]
    summary = read(summary, json.loads, known=known.get(summary.name)) if summary.exists() else {}
    tables = {x.stem: read(x, arrays, MAX_TABLE, known.get(x.name)) for x in files if x.exists()}
    tables = {name: table for name, table in tables.items() if table}
    return Seed(int(path.name[5:]), config, summary, tables)


def read_complete(path):
    """Summary of a complete run; ValueError unless all of its tables are as it wrote them."""
    known = vouched(path)
    for name in (*checkpoint.LOGS, *TABLES, "summary.json"):
        if name not in known or not (path / name).exists():
            raise ValueError(f"{path / name}: damaged, not known to checkpoint.npz, or missing")
        read(path / name, str, MAX_TABLE, known[name])
    return read(path / "summary.json", json.loads)


def vouched(path):
    """Functions by name of a run's files: whether these bytes can be what it wrote there.

    That of config.json is of the text, and returns its fields. {} without a checkpoint.npz.
    """
    file, complete = path / "checkpoint.npz", (path / "summary.json").exists()
    if not file.exists():
        return {}
    try:
        head = checkpoint.known(file)
        settings = checkpoint.rest_of(head)["config"]
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise ValueError(f"{file}: damaged, {error!r}") from error

    def same_config(text):
        if (fields := json.loads(text)) != settings:
            raise ValueError("not the config of checkpoint.npz")
        return fields

    def same_log(content, then):
        return content == then if complete else content.startswith(then)  # it may have grown

    def same_digest(content, digest):
        return digest_of(content) == digest

    known = {"config.json": same_config}
    for name, x in head.get("logs", {}).items():
        known[name] = functools.partial(same_log, then=x.tobytes())
    for name, x in head.get("digests", {}).items():
        known[name] = functools.partial(same_digest, digest=str(x))
    return known


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
