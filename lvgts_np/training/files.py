"""CSV, JSON and npz files: numbers are written in full, so equal numbers are equal bytes."""

import csv
import json
import os
import socket

import numpy as np

WORDS = ("phase", "task", "algo")  # columns of a table that are not numbers


def replace(path, write, *content):
    """Call write(path, *content) under a temporary name, so that no reader finds half a file."""
    passing = path.with_name(f".{path.name}.{socket.gethostname()}.{os.getpid()}")
    try:
        write(passing, *content)
        os.replace(passing, path)
    finally:
        passing.unlink(missing_ok=True)


def append_rows(path, *rows):
    """Add rows to a CSV file; floats get the shortest text that reads back as the same float."""
    with path.open("a", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([[plain(value) for value in row] for row in rows])


def write_table(path, header, rows):
    """Write a whole CSV file, or nothing."""
    replace(path, append_rows, header, *rows)


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
    replace(path, _write_text, json.dumps(content, indent=2) + "\n")


def save_arrays(path, groups):
    """Write groups of named arrays, e.g. {"phi": phi}, to one .npz without pickle."""
    named = {f"{group}/{name}": x for group, xs in groups.items() for name, x in xs.items()}
    replace(path, _write_npz, named)


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
    """Columns of a CSV text as arrays by name, an empty cell as nan."""
    return {
        name: np.array(column if name in WORDS else [float(cell or "nan") for cell in column])
        for name, column in columns(text).items()
    }


def columns(text):
    """Cells of a CSV text by column; {} where it has no rows. ValueError for a ragged one."""
    header, *rows = list(csv.reader(text.splitlines())) or [[]]
    if any(len(row) != len(header) for row in rows):
        raise ValueError(f"a row has not {len(header)} cells")
    return dict(zip(header, zip(*rows, strict=True), strict=True)) if rows else {}


def plain(value):
    """Python number of a NumPy scalar; anything else as it is."""
    return value.item() if hasattr(value, "item") else value


def _write_text(path, text):
    path.write_text(text, encoding="utf-8")


def _write_npz(path, named):
    with path.open("wb") as file:  # np.savez would add .npz to the name
        np.savez(file, **named)
