"""CSV, JSON and npz files: numbers are written in full, so equal numbers are equal bytes.

A file is read only up to the size that it can have, and so is each array in an npz file.
"""

import contextlib
import csv
import hashlib
import io
import json
import math
import os
import re
import shutil
import socket
import stat
import time
import zipfile

import numpy as np

WORDS = ("phase", "task", "algo")  # columns of a table that are not numbers
MAX_JSON = 2**18  # bytes: a run's largest, config.json, has some 1,500
MAX_TABLE = 2**30
DAY = 86_400.0  # s after which a file under a temporary name is nobody's


@contextlib.contextmanager
def replacing(path, synced=False):
    """Temporary name to write a file under, so that no reader finds half of it.

    synced: the disk holds its content before it has its name. What a process that was killed left
    under such a name goes.
    """
    sweep(path.parent, path.name)
    passing = path.with_name(temporary(path.name))
    try:
        with naming(path):
            yield passing
            if synced:
                sync(passing)
            os.replace(passing, path)
    finally:
        passing.unlink(missing_ok=True)


@contextlib.contextmanager
def naming(path):
    """Give an OSError of the block, such as of a full disk, the file's name if it has none."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


def temporary(name):
    """Hidden name with the host and the number of this process."""
    return f".{name}.{socket.gethostname()}.{os.getpid()}"


def sweep(directory, name):
    """Delete what is under a `temporary` name of a process that is gone, or that is old."""
    form = re.compile(rf"\.{re.escape(name)}\.(?P<host>.+)\.(?P<pid>\d{{1,9}})(_\w+)?")
    for entry in os.scandir(directory) if directory.is_dir() else ():
        # Another process may sweep too.
        with contextlib.suppress(FileNotFoundError):
            if (made := form.fullmatch(entry.name)) and (
                (made["host"] == socket.gethostname() and gone(int(made["pid"])))
                or time.time() - entry.stat(follow_symlinks=False).st_mtime > DAY
            ):
                is_folder = entry.is_dir(follow_symlinks=False)
                shutil.rmtree(entry) if is_folder else os.unlink(entry)


def gone(pid):
    """Whether there is no such process here; False where that cannot be told, as on Windows."""
    try:
        if os.name == "posix":
            os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:  # another user's
        pass
    return False


def keep(path, previous):
    """Give a file that is about to be replaced a second name, `previous`."""
    previous.unlink(missing_ok=True)
    try:
        os.link(path, previous)
    except OSError:  # a disk without links
        shutil.copyfile(path, previous)


def sync(path):
    """Have the disk hold a file or, where the system can, a folder."""
    is_folder = path.is_dir()
    with contextlib.suppress(OSError) if is_folder else contextlib.nullcontext():
        descriptor = os.open(path, os.O_RDONLY if is_folder else os.O_RDWR)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def as_csv(*rows):
    """Rows as CSV in bytes; floats get the shortest text that reads back as the same float."""
    file = io.StringIO()
    plain = [[x.item() if hasattr(x, "item") else x for x in row] for row in rows]
    csv.writer(file, lineterminator="\n").writerows(plain)
    return file.getvalue().encode()


class Log:
    """CSV file that grows. `content` is all that was written to it, whatever became of the file."""

    def __init__(self, path, content):
        self.path, self.content = path, content
        # A new file, as what has this name may be a link to another.
        with replacing(path, synced=True) as passing:
            passing.write_bytes(content)

    def append(self, row):
        """Add a row."""
        with naming(self.path), self.path.open("ab") as file:
            file.write(as_csv(row))
        self.content += as_csv(row)


def write_table(path, header, rows):
    """Write a whole CSV file, or nothing."""
    with replacing(path) as passing:
        passing.write_bytes(as_csv(header, *rows))


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
    with replacing(path, synced) as passing, passing.open("wb") as file:
        # np.savez answers an interrupt with a ValueError.
        archive = zipfile.ZipFile(file, "w")
        try:
            for group, xs in groups.items():
                for name, x in xs.items():
                    member = io.BytesIO()
                    np.lib.format.write_array(member, np.asarray(x), allow_pickle=False)
                    archive.writestr(zipfile.ZipInfo(f"{group}/{name}.npy"), member.getbuffer())
            archive.close()
        except BaseException:
            archive.fp = None  # given up: or it would be ended when it is collected, with a warning
            raise


def load_arrays(path, wanted=lambda name, dtype, shape: True, limit=math.inf):
    """Groups in a file that `save_arrays` wrote, but for those that are empty.

    wanted(name, dtype, shape) says whether an array is read, or raises. ValueError where the file
    is damaged, has more than `limit` bytes, or unpacks to more.
    """
    groups, names = {}, set()
    try:
        with open_regular(path, limit) as file, zipfile.ZipFile(file) as archive:
            for member in archive.infolist():
                name = member.filename.removesuffix(".npy")
                if name in names or member.compress_type != zipfile.ZIP_STORED:
                    fault = "there twice" if name in names else "compressed"
                    raise ValueError(f"{name} is {fault}")
                names.add(name)
                with archive.open(member) as start:
                    np.lib.format.read_magic(start)
                    shape, _, dtype = np.lib.format.read_array_header_1_0(start)
                    size = start.tell() + math.prod(shape) * dtype.itemsize
                if member.file_size != size:
                    raise ValueError(f"{name} has {member.file_size} bytes, not {size}")
                if wanted(name, dtype, shape):
                    group, _, name = name.partition("/")
                    content = io.BytesIO(archive.read(member))  # whole, as its end has the checksum
                    x = np.lib.format.read_array(content, allow_pickle=False)
                    groups.setdefault(group, {})[name] = x
    except (ValueError, MemoryError):
        raise
    except Exception as error:  # whatever a damaged file makes of it
        raise ValueError(repr(error)) from error
    return groups


def read_bytes(path, limit):
    """Content of a regular file; ValueError where it is another kind, or has more than `limit`."""
    with open_regular(path, limit) as file:
        return file.read()


def open_regular(path, limit):
    """Regular file, opened to be read; ValueError as `read_bytes`."""
    found = path.stat()
    if stat.S_ISREG(found.st_mode) and found.st_size > limit:
        raise ValueError(f"{found.st_size} bytes, more than the {limit} that it can have")
    if not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):
        raise ValueError("it is no regular file")
    return path.open("rb")


def read(path, parse, limit=MAX_JSON, known=None):
    """Call parse(text of the file); ValueError names the file.

    known are the length of its beginning, None for all, and the digest that this must have.
    """
    try:
        content = read_bytes(path, limit)
        if known is not None and digest_of(content[: known[0]]) != known[1]:
            raise ValueError("not as the run wrote it")
        return parse(content.decode("utf-8-sig"))
    except (ValueError, RecursionError, csv.Error) as error:
        raise ValueError(f"{path}: damaged, {error}") from error


def digest_of(content):
    """SHA-256 of bytes, as text."""
    return hashlib.sha256(content).hexdigest()


def arrays(text):
    """Columns of a CSV text, see `read_table`; ValueError where a row has other cells."""
    header, *rows = list(csv.reader(text.splitlines())) or [[]]
    if len(set(header)) < len(header):
        raise ValueError("a column is there twice")
    if any(len(row) != len(header) for row in rows):
        raise ValueError(f"a row has not {len(header)} cells")
    return {
        name: np.array(column if name in WORDS else [float(cell or "nan") for cell in column])
        for name, column in zip(header, zip(*rows, strict=True), strict=False)
    }
