"""CSV and JSON files: numbers are written in full, so equal numbers are equal bytes."""

import csv
import json


def append(path, *rows):
    """Add rows to a CSV file; floats get the shortest text that reads back as the same float."""
    with path.open("a", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([[plain(value) for value in row] for row in rows])


def write_table(path, header, rows):
    """A whole CSV file."""
    path.unlink(missing_ok=True)
    append(path, header, *rows)


def write_json(path, content):
    """A dict as JSON, one key a line."""
    path.write_text(json.dumps(content, indent=2) + "\n")


def plain(value):
    """A NumPy scalar as the Python number of the same value; anything else as it is."""
    return value.item() if hasattr(value, "item") else value
