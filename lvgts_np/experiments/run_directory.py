"""Run directory of a seed: the files that a run leaves in it, and whether a run may use it."""

import contextlib
import json
import os
import tempfile
from pathlib import Path

from lvgts_np.training import checkpoint, config_file
from lvgts_np.training.config import FIELDS, ConfigError

try:
    import fcntl
except ImportError:  # on Windows
    fcntl = None

LOGS = ("log.csv", "timing.csv")  # they grow while a seed learns
FILES = (
    "config.json", "versions.json", *LOGS, "checkpoint.npz", "attention.csv", "credit.csv",
    "credit_episodes.csv", "episode.csv", "summary.json",
)  # fmt: skip


class OutputError(ConfigError):
    """Output directory that cannot be used: one line that says which and why."""


def condition_directory(out, config):
    """Directory <out>/<task>/<algo> of the runs of a condition, a task and an algorithm."""
    return Path(out) / config.task / config.algo


def look(config, seeds, directory, force=False, resume=False):
    """State of a run on disk: iterations done, by seed that is left, and summaries, by seed.

    Writes nothing. OutputError where a seed_<s> is in use and it is neither to be overwritten
    (`force`) nor to be resumed (`resume`), or where it cannot be resumed.
    """
    left, summaries = {}, {}
    for seed in seeds:
        path = directory / f"seed_{seed}"
        if not (force or resume) and path.is_dir() and any(path.iterdir()):
            raise OutputError(
                f"{path} holds a run already: choose another --out, or use --resume or --force"
            )
        left[seed] = 0
        if resume and (path / "config.json").is_file():
            check_config(config, path)
            if (path / "summary.json").is_file():
                summaries[seed] = saved_summary(path / "summary.json")
                del left[seed]
            elif (path / "checkpoint.npz").is_file():
                left[seed] = iterations_done(config, seed, path)
    return left, summaries


def check_config(config, path):
    """OutputError unless the run in the directory has this Config."""
    there = config_file.load(path / "config.json")
    for name in FIELDS:
        old, new = getattr(there, name), getattr(config, name)
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


def iterations_done(config, seed, path):
    """Iterations that the checkpoint of a run directory resumes from."""
    file = path / "checkpoint.npz"
    try:
        state = checkpoint.load(file)
        iterations = checkpoint.check(config, seed, state)
        for name, length in state["logs"].items():
            if (path / name).stat().st_size < length:
                raise ValueError(f"it knows of more rows than {name} has")
        return iterations
    except Exception as error:  # whatever a damaged file makes of it
        raise OutputError(
            f"{file} is damaged ({error!r}): delete it and seed {seed} starts again"
        ) from error


@contextlib.contextmanager
def prepare(directory, seeds):
    """Make the run directories of the seeds, and keep other runs out of them meanwhile.

    OutputError where another is at work, or where they cannot be made or written to. No file has
    changed then.
    """
    paths = [directory / f"seed_{seed}" for seed in seeds]
    made = []
    try:
        for path in paths:
            made += [p for p in (path, *path.parents) if not p.exists()]
            path.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=path).close()  # may we write here?
    except OSError as error:
        for path_made in sorted(made, key=lambda p: len(p.parts), reverse=True):
            with contextlib.suppress(OSError):  # not made after all, or used by another run
                path_made.rmdir()
        reason = f"{error.strerror}; choose another --out"
        raise OutputError(f"cannot write to {path}: {reason}") from error
    with locked(paths):
        yield


@contextlib.contextmanager
def locked(paths):
    """Keep other runs out of these run directories; OutputError where one is at work.

    The lock is on the directory itself, so it leaves no file, and goes with its process, however
    that ends. Where the system has none, on Windows and some network disks, no run is kept out.
    """
    with contextlib.ExitStack() as descriptors:
        for path in paths if fcntl else ():
            descriptor = os.open(path, os.O_RDONLY)
            descriptors.callback(os.close, descriptor)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise OutputError(
                    f"another run is writing to {path}: wait for it, stop it, "
                    "or choose another --out"
                ) from error
            except OSError:
                pass
        yield


def clear(directory, left):
    """Delete files in the way of the seeds that are left, by the iterations done (see `look`)."""
    for seed, iterations in left.items():
        path = directory / f"seed_{seed}"
        for name in FILES:
            if iterations == 0:
                (path / name).unlink(missing_ok=True)
            for passing in path.glob(f".{name}.*"):  # of a process that was killed
                passing.unlink()
