"""Run directory of a seed: the files that a run leaves in it, and whether a run may use it."""

import contextlib
import json
import os
import tempfile
from pathlib import Path

from lvgts_np.tasks.bounds import bounds
from lvgts_np.training import checkpoint, config_file
from lvgts_np.training.config import FIELDS, ConfigError
from lvgts_np.training.files import load_arrays
from lvgts_np.training.trainer import make_task

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

    Changes nothing. OutputError where a seed_<s> is in use and it is neither to be overwritten
    (`force`) nor to be resumed (`resume`), where it cannot be resumed, or cannot be written to.
    """
    left, summaries = {}, {}
    for seed in seeds:
        path = directory / f"seed_{seed}"
        if not (force or resume) and path.is_dir() and any(path.iterdir()):
            advice = "choose another --out, or use --resume or --force"
            raise OutputError(f"{path} holds a run already: {advice}")
        done = saved(config, seed, path) if resume and (path / "config.json").is_file() else 0
        (summaries if isinstance(done, dict) else left)[seed] = done
    for seed in left:
        check_writable(directory / f"seed_{seed}")
    return left, summaries


def saved(config, seed, path):
    """Summary of a run that is complete, else the iterations that it resumes from."""
    there = config_file.load(path / "config.json")
    for name in FIELDS:
        old, new = getattr(there, name), getattr(config, name)
        if old != new:
            advice = "choose another --out, or use --force in place of --resume"
            raise OutputError(f"{path} holds a run with {name} = {old}, not {new}: {advice}")
    try:
        if (file := path / "summary.json").is_file():
            return with_right_bounds(dict(json.loads(file.read_text())), config)
        if not (file := path / "checkpoint.npz").is_file():
            return 0
        state = load_arrays(file)
        iterations = checkpoint.check(config, seed, state)
        for name, length in state["logs"].items():
            if (path / name).stat().st_size < length:
                raise ValueError(f"it knows of more rows than {name} has")
        return iterations
    except Exception as error:  # whatever a damaged file makes of it
        advice = f"delete it and seed {seed} starts again"
        raise OutputError(f"{file} is damaged ({error!r}): {advice}") from error


def with_right_bounds(summary, config):
    """The summary; ValueError where a bound in it is not what it is when computed again."""
    now = bounds(make_task(config))
    close = 1e-3 * (now["max_return"] - now["floor_return"])  # another version's rounding
    for name, value in now.items():
        if not abs(summary.get(name, value) - value) <= close:
            raise ValueError(f"{name} is {summary[name]}, not {value}")
    return summary


def check_writable(path):
    """OutputError unless a directory can be made, where there is none, and written to."""
    try:
        there = next(place for place in (path, *path.parents) if place.exists())
        with tempfile.TemporaryDirectory(dir=there) as trial:
            Path(trial, path.relative_to(there)).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = f"{error.strerror}; choose another --out"
        raise OutputError(f"cannot write to {path}: {reason}") from error


@contextlib.contextmanager
def locked(directory, seeds):
    """Keep other runs out of the run directories of seeds; OutputError where one is at work.

    The lock is on the directory itself, so it leaves no file, and goes with its process, however
    that ends. Where the system has none, on Windows and some network disks, no run is kept out.
    """
    with contextlib.ExitStack() as descriptors:
        for path in [directory / f"seed_{seed}" for seed in seeds] if fcntl else ():
            descriptor = os.open(path, os.O_RDONLY)
            descriptors.callback(os.close, descriptor)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                reason = "wait for it, stop it, or choose another --out"
                raise OutputError(f"another run is writing to {path}: {reason}") from error
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
