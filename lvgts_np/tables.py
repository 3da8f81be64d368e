"""CSV and JSON files: numbers are written in full, so equal numbers are equal bytes."""

import csv
import json
import os
from pathlib import Path


def replace(path, write, *content):
    """write(path, *content) under a passing name, so that nobody ever finds half a file."""
    passing = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        write(passing, *content)
        os.replace(passing, path)
    finally:
        passing.unlink(missing_ok=True)


def append(path, *rows):
    """Add rows to a CSV file; floats get the shortest text that reads back as the same float."""
    with path.open("a", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([[plain(value) for value in row] for row in rows])


def write_table(path, header, rows):
    """A whole CSV file."""
    path.unlink(missing_ok=True)
    append(path, header, *rows)


def columns(text):
    """The cells of a CSV by column; {} where it has no rows. ValueError for a ragged one."""
    header, *rows = list(csv.reader(text.splitlines())) or [[]]
    if any(len(row) != len(header) for row in rows):
        raise ValueError(f"a row has not {len(header)} cells")
    return dict(zip(header, zip(*rows, strict=True), strict=True)) if rows else {}


def write_json(path, content):
    """A dict as JSON, one key a line; whole or not at all."""
    replace(path, Path.write_text, json.dumps(content, indent=2) + "\n")


def plain(value):
    """A NumPy scalar as the Python number of the same value; anything else as it is."""
    return value.item() if hasattr(value, "item") else value
