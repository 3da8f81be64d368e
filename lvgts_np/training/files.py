"""CSV, JSON and npz files: numbers are written in full, so equal numbers are equal bytes."""

import contextlib
import csv
import json
import os
import socket

import numpy as np

from lvgts_np.training import interrupts

WORDS = ("phase", "task", "algo")  # columns of a table that are not numbers


@contextlib.contextmanager
def replacing(path):
    """Temporary name to write a file under, so that no reader finds half of it."""
    passing = path.with_name(f".{path.name}.{socket.gethostname()}.{os.getpid()}")
    try:
        yield passing
        interrupts.check()
        os.replace(passing, path)
    finally:
        passing.unlink(missing_ok=True)


def append_rows(path, *rows):
    """Add rows to a CSV file; floats get the shortest text that reads back as the same float."""
    interrupts.check()
    with path.open("a", newline="") as file:
        plain = [[x.item() if hasattr(x, "item") else x for x in row] for row in rows]
        csv.writer(file, lineterminator="\n").writerows(plain)


def write_table(path, header, rows):
    """Write a whole CSV file, or nothing."""
    with replacing(path) as passing:
        append_rows(passing, header, *rows)


def read_table(path):
    """Columns of a CSV file as arrays by name, an empty cell as nan; {} where it has no rows.

    ValueError names a file that is damaged.
    """
    return read(path, arrays)


def read_json(path):
    """Content of a JSON file; ValueError names a file that is damaged."""
    return read(path, json.loads)


def write_json(path, content):
    """Write a dict as JSON, one key a line, whole or not at all."""
    with replacing(path) as passing:
        passing.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def save_arrays(path, groups):
    """Write groups of named arrays, e.g. {"phi": phi}, to one .npz without pickle."""
    named = {f"{group}/{name}": x for group, xs in groups.items() for name, x in xs.items()}
    # Opened here, as np.savez would add .npz to the name.
    with replacing(path) as passing, passing.open("wb") as file:
        np.savez(file, **named)


def load_arrays(path):
    """Groups in a file that `save_arrays` wrote, but for those that are empty."""
    groups = {}
    # Opened here, as np.load leaves a damaged file open.
    with path.open("rb") as file, np.load(file, allow_pickle=False) as named:
        for key in named:
            group, _, name = key.partition("/")
            groups.setdefault(group, {})[name] = named[key]
    return groups


def read(path, parse):
    """Call parse(text of the file); ValueError names the file."""
    try:
        return parse(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: damaged, {error}") from error


def arrays(text):
    """Columns of a CSV text, see `read_table`; ValueError where a row has other cells."""
    header, *rows = list(csv.reader(text.splitlines())) or [[]]
    if any(len(row) != len(header) for row in rows):
        raise ValueError(f"a row has not {len(header)} cells")
    return {
        name: np.array(column if name in WORDS else [float(cell or "nan") for cell in column])
        for name, column in zip(header, zip(*rows, strict=True), strict=False)
    }
