"""CSV, JSON and npz files: numbers are written in full, so equal numbers are equal bytes.

A file is read only up to the size that it can have.
"""

import contextlib
import csv
import glob
import hashlib
import io
import itertools
import json
import os
import shutil
import socket
from array import array

import numpy as np

from lvgts_np.training import interrupts

WORDS = (
    "phase",
    "task",
    "algo",
    "reading",
    "estimator",
    "kind",
    "actions",
)  # columns of a table that are not numbers
MAX_JSON = 2**18  # bytes: a run's largest, config.json, has some 1,500
MAX_TABLE = 2**30


@contextlib.contextmanager
def replacing(path, synced=False):
    """Temporary name to write a file under, so that no reader finds half of it.

    synced: the disk holds it before it has its name, and then its name.
    """
    sweep(path)
    passing = temporary(path, os.getpid())
    try:
        with naming(path):
            yield passing
            if synced:
                sync(passing)
            interrupts.check()
            os.replace(passing, path)
            if synced:
                sync(path.parent)
    finally:
        passing.unlink(missing_ok=True)


@contextlib.contextmanager
def naming(path):
    """Give an OSError of the block, such as of a full disk, the file's name if it has none."""
    try:
        yield
    except OSError as error:
        if error.errno is not None:  # else its text would be lost
            error.filename = error.filename or str(path)
        raise


def temporary(path, pid):
    """Hidden path beside this one, with this host and the number of a process."""
    return path.with_name(f".{path.name}.{socket.gethostname()}.{pid}")


def sweep(path):
    """Delete what processes of this host that are gone have left under `temporary` names."""
    for found in path.parent.glob(f"{glob.escape(temporary(path, '').name)}[0-9]*"):
        if gone(found.name.rpartition(".")[2]):
            shutil.rmtree(found) if found.is_dir() else found.unlink(missing_ok=True)


def gone(pid):
    """Whether there is no process of this number; False where that cannot be told."""
    try:
        if os.name == "posix":  # elsewhere this would end it
            os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except (OSError, ValueError, OverflowError):  # another user's; no number
        pass
    return False


def sync(path):
    """Have the disk hold a file or, where the system can, a folder."""
    is_folder = path.is_dir()
    with contextlib.suppress(OSError) if is_folder else contextlib.nullcontext():
        descriptor = os.open(path, os.O_RDONLY if is_folder else os.O_RDWR)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def as_csv(rows):
    """Rows as CSV in bytes; floats get the shortest text that reads back as the same float."""
    file = io.StringIO()
    write_rows(file, rows)
    return file.getvalue().encode()


def write_rows(file, rows):
    """Rows as CSV into a text file, one at a time."""
    plain = ([x.item() if hasattr(x, "item") else x for x in row] for row in rows)
    csv.writer(file, lineterminator="\n").writerows(plain)


class Log:
    """CSV file that grows. `content` is all that was written to it, whatever became of the file."""

    def __init__(self, path, content):
        self.path, self.content = path, content
        # A new file, as what has this name may be a link to another.
        with replacing(path) as passing:
            passing.write_bytes(content)

    def append(self, *rows):
        """Add rows."""
        interrupts.check()
        with naming(self.path), self.path.open("ab") as file:
            file.write(as_csv(rows))
        self.content += as_csv(rows)


def write_table(path, header, rows):
    """Write a whole CSV file, or nothing."""
    with replacing(path) as passing, passing.open("w", encoding="utf-8", newline="") as file:
        write_rows(file, itertools.chain((header,), rows))


def read_table(path):
    """Columns of a CSV file as arrays by name, an empty cell as nan; {} where it has no rows.

    ValueError names a file that is damaged.
    """
    return read(path, arrays, MAX_TABLE)


def read_json(path):
    """Content of a JSON file; ValueError names a file that is damaged."""
    return read(path, json.loads)


def write_json(path, content, synced=False):
    """Write a dict as JSON, one key a line, whole or not at all."""
    with replacing(path, synced) as passing:
        passing.write_bytes(as_json(content))


def as_json(content):
    """JSON in bytes, one key a line."""
    return (json.dumps(content, indent=2) + "\n").encode()


def save_arrays(path, groups, synced=False):
    """Write groups of named arrays, e.g. {"phi": phi}, to one .npz without pickle."""
    named = {f"{group}/{name}": x for group, xs in groups.items() for name, x in xs.items()}
    # Opened here, as np.savez would add .npz to the name.
    with replacing(path, synced) as passing, passing.open("wb") as file:
        np.savez(file, **named)


def load_arrays(path, limit, only=None):
    """Groups in a file that `save_arrays` wrote, but for those that are empty, or not in `only`.

    ValueError where the file is damaged, or they would take more than `limit` bytes.
    """
    groups = {}
    try:
        # np.load leaves a damaged file open, and takes one array of any size.
        with open_regular(path) as file, np.lib.npyio.NpzFile(file) as named:
            chosen = {key: key.split("/") for key in named}
            chosen = {key: x for key, x in chosen.items() if only is None or x[0] in only}
            if sum(named.zip.getinfo(f"{key}.npy").file_size for key in chosen) > limit:
                raise ValueError(f"its arrays have more than {limit} bytes")
            for key, (group, name) in chosen.items():
                groups.setdefault(group, {})[name] = named[key]
    except (ValueError, MemoryError):
        raise
    except Exception as error:  # whatever a damaged file makes of it
        raise ValueError(repr(error)) from error
    return groups


def open_regular(path):
    """File, opened to be read; ValueError for a device or a pipe, which may never end."""
    if not (path.is_file() or path.is_dir() or not path.exists()):
        raise ValueError("it is no regular file")
    return path.open("rb")


def read_bytes(path, limit):
    """Content of a file; ValueError where it is not regular, or has more than `limit` bytes."""
    with open_regular(path) as file:
        if (size := os.fstat(file.fileno()).st_size) > limit:
            raise ValueError(f"{size} bytes, more than the {limit} that it can have")
        return file.read(size)


def read(path, parse, limit=MAX_JSON, known=None):
    """Call parse(text of the file); ValueError names the file, also where known(bytes) is False."""
    try:
        content = read_bytes(path, limit)
        if known is not None and not known(content):
            raise ValueError("not as the run wrote it")
        return parse(content.decode("utf-8-sig"))
    except (ValueError, RecursionError, csv.Error) as error:
        raise ValueError(f"{path}: damaged, {error}") from error


def digest_of(content):
    """SHA-256 of bytes, as text."""
    return hashlib.sha256(content).hexdigest()


def digest_of_file(path):
    """The same of a file's content, which is read a piece at a time."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def arrays(text):
    """Columns of a CSV text, see `read_table`; ValueError where a row has other cells."""
    # Not StringIO, which takes four bytes a character.
    rows = csv.reader(io.TextIOWrapper(io.BytesIO(text.encode()), "utf-8", newline="\n"))
    header = next(rows, [])
    columns = [[] if name in WORDS else array("d") for name in header]  # one row at a time is text
    for row in rows:
        if len(row) != len(header):
            raise ValueError(f"a row has not {len(header)} cells")
        for column, cell in zip(columns, row, strict=True):
            column.append(cell if isinstance(column, list) else float(cell or "nan"))
    found = {name: np.asarray(column) for name, column in zip(header, columns, strict=True)}
    return found if columns and len(columns[0]) else {}
