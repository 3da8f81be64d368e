"""Run directories read back: configs, summaries and tables of seeds."""

import json
from typing import NamedTuple

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
