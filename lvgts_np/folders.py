"""A seed's folder: which files a run leaves in it, and whether a run may use it."""

import contextlib
import json
import os
import tempfile
from pathlib import Path

from lvgts_np import checkpoint, config, states

try:
    import fcntl
except ImportError:  # on Windows
    fcntl = None

LOGS = ("log.csv", "timing.csv")  # they grow while a seed learns
FILES = (
    "config.json", "versions.json", *LOGS, "checkpoint.npz", "attention.csv", "credit.csv",
    "credit_episodes.csv", "episode.csv", "summary.json",
)  # fmt: skip


class OutputError(config.ConfigError):
    """The output folder cannot be used: one line that says which and why."""


def cell(out, settings):
    """Where the runs of a task and an algorithm lie."""
    return Path(out) / settings.task / settings.algo


def look(settings, seeds, folder, force=False, resume=False):
    """What of a run is there already: iterations done, by seed that is left; summaries, by seed.

    Writes nothing. OutputError where a seed_<s> is in use and it is neither to be overwritten
    (`force`) nor to be gone on with (`resume`), or where it cannot be gone on with.
    """
    left, summaries = {}, {}
    for seed in seeds:
        path = folder / f"seed_{seed}"
        if not (force or resume) and path.is_dir() and any(path.iterdir()):
            raise OutputError(
                f"{path} holds a run already: choose another --out, or use --resume or --force"
            )
        left[seed] = 0
        if resume and (path / "config.json").is_file():
            check_settings(settings, path)
            if (path / "summary.json").is_file():
                summaries[seed] = saved_summary(path / "summary.json")
                del left[seed]
            elif (path / "checkpoint.npz").is_file():
                left[seed] = iterations_done(settings, seed, path)
    return left, summaries


def check_settings(settings, path):
    """OutputError unless the run in the folder has these settings."""
    there = config.load(path / "config.json")
    for name in config.FIELDS:
        old, new = getattr(there, name), getattr(settings, name)
        if old != new:
            raise OutputError(
                f"{path} holds a run with {name} = {old}, not {new}: choose another --out, "
                f"or use --force in place of --resume"
            )


def saved_summary(file):
    try:
        return json.loads(file.read_text())
    except ValueError as error:
        raise OutputError(f"{file} is damaged ({error}): delete it to make it again") from error


def iterations_done(settings, seed, path):
    """Those that the folder's checkpoint goes on from."""
    file = path / "checkpoint.npz"
    try:
        state = checkpoint.load(file)
        iterations = states.check(settings, seed, state)
        for name, length in state["logs"].items():
            if (path / name).stat().st_size < length:
                raise ValueError(f"it knows of more rows than {name} has")
        return iterations
    except Exception as error:  # whatever a damaged file makes of it
        raise OutputError(
            f"{file} is damaged ({error!r}): delete it and seed {seed} starts again"
        ) from error


@contextlib.contextmanager
def prepare(folder, seeds):
    """Make the folders of the seeds where there are none, and keep other processes' runs out.

    OutputError where another is at work, or where they cannot be made or written to. No file has
    changed then.
    """
    paths = [folder / f"seed_{seed}" for seed in seeds]
    made = []
    try:
        for path in paths:
            made += [p for p in (path, *path.parents) if not p.exists()]
            path.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=path).close()  # may we write here?
    except OSError as error:
        for path_made in sorted(made, key=lambda p: len(p.parts), reverse=True):
            if path_made.is_dir():
                path_made.rmdir()
        reason = f"{error.strerror}; choose another --out"
        raise OutputError(f"cannot write to {path}: {reason}") from error
    with contextlib.ExitStack() as locks:
        for path in paths:
            lock(path, locks)
        yield


def lock(path, locks):
    """Keep other processes out of a folder until `locks`, an ExitStack, ends; OutputError if not.

    The lock is on the folder itself, so it leaves no file, and goes with its process, however that
    ends. Where the system has none, on Windows and some network disks, nobody is kept out.
    """
    if fcntl is None:
        return
    descriptor = os.open(path, os.O_RDONLY)
    locks.callback(os.close, descriptor)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise OutputError(
            f"another run is writing to {path}: wait for it, stop it, or choose another --out"
        ) from error
    except OSError:
        pass


def clear(folder, left):
    """Delete what is in the way of the seeds that are left, by the iterations done (see `look`)."""
    for seed, iterations in left.items():
        path = folder / f"seed_{seed}"
        for name in FILES:
            if iterations == 0:
                (path / name).unlink(missing_ok=True)
            for passing in path.glob(f".{name}.*"):  # of a process that was killed
                passing.unlink()
