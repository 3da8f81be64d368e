"""Run directory of a seed: the files that a run leaves in it, and whether a run may use it."""

import contextlib
import tempfile
from pathlib import Path

from lvgts_np.experiments import locks
from lvgts_np.experiments.run_data import read_complete
from lvgts_np.training import checkpoint, config_file
from lvgts_np.training.checkpoint import LOGS, TABLES
from lvgts_np.training.config import FIELDS, ConfigError, expanded
from lvgts_np.training.files import MAX_TABLE, digest_of, read_bytes, sweep, temporary

FILES = ("config.json", "versions.json", *LOGS, "checkpoint.npz", *TABLES, "summary.json")
PREVIOUS = ".previous.checkpoint.npz"  # while a seed learns, the last but one that the disk holds
TRIAL = "lvgts_np_trial"


class OutputError(ConfigError):
    """Output directory that cannot be used: one line that says which and why."""


def condition_directory(out, config):
    """Directory <out>/<task>/<algo> of the runs of a condition, a task and an algorithm."""
    return expanded(out) / config.task / config.algo


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
        done = saved(config, seed, path) if resume and (path / "config.json").exists() else 0
        (summaries if isinstance(done, dict) else left)[seed] = done
    for path in [directory / f"seed_{seed}" for seed in left]:
        if folders := [name for name in FILES if (path / name).is_dir()]:
            raise OutputError(f"{path / folders[0]} is a folder: choose another --out")
        check_writable(path)
    return left, summaries


def saved(config, seed, path):
    """Summary of a run that is complete, else the iterations that it resumes from."""
    there = config_file.load(path / "config.json")
    for name in FIELDS:
        old, new = getattr(there, name), getattr(config, name)
        if old != new:
            advice = "choose another --out, or use --force in place of --resume"
            raise OutputError(f"{path} holds a run with {name} = {old}, not {new}: {advice}")
    if (file := path / "summary.json").is_file():
        try:
            return read_complete(path).summary
        except (ValueError, OSError) as error:
            advice = f"restore it, or delete {file} and seed {seed} goes on from its checkpoint"
            raise OutputError(f"{error}: {advice}") from error
    state, _ = resumable(config, seed, path)
    return checkpoint.check(config, seed, state) if state else 0


def resumable(config, seed, path):
    """State that a seed resumes from and the contents of its logs then; None and {} without one.

    Where checkpoint.npz is damaged, or the end of a log was lost, it is that of PREVIOUS.
    OutputError where neither can be used, or a log has changed.
    """
    faults = {}
    for file in (path / "checkpoint.npz", path / PREVIOUS):
        try:
            if file.is_file():
                state = checkpoint.read(file, config, seed)
                return state, {name: known_part(path / name, state) for name in LOGS}
        except OutputError:
            raise
        except (ValueError, OSError) as error:
            faults[file] = error
    for file, error in faults.items():
        advice = f"delete it and seed {seed} starts again"
        raise OutputError(f"{file} is damaged ({error!r}): {advice}") from error
    return None, {}


def known_part(log, state):
    """Content of a log when a checkpoint was written; ValueError where its end is lost.

    OutputError where it has changed.
    """
    length, digest = (state.get(group, {}).get(log.name) for group in ("logs", "digests"))
    if not log.is_file():
        raise ValueError(f"{log.name} is missing")
    if length is None or log.stat().st_size < length:
        raise ValueError(f"it knows of more rows than {log.name} has")
    content = read_bytes(log, MAX_TABLE)[: int(length)]
    # A checkpoint of an earlier version knows the length alone.
    same = content.endswith(b"\n") if digest is None else digest_of(content) == str(digest)
    if not same and b"\0" in content:  # as a crash of the machine leaves it
        raise ValueError(f"the end of {log.name} was lost")
    if not same:
        advice = f"restore it, or delete {log.parent} and its seed starts again"
        raise OutputError(f"{log}: damaged, not as the run wrote it: {advice}")
    return content


def check_writable(path):
    """OutputError unless a directory can be made, where there is none, and written to."""
    try:
        there = next(place for place in (path, *path.parents) if place.exists())
        for place in (path, *path.parents[:4]):  # where an earlier trial may have been
            sweep(place, TRIAL)
        with tempfile.TemporaryDirectory(prefix=f"{temporary(TRIAL)}_", dir=there) as trial:
            Path(trial, path.relative_to(there)).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = f"{error.strerror}; choose another --out"
        raise OutputError(f"cannot write to {path}: {reason}") from error


@contextlib.contextmanager
def locked(directory, seeds):
    """Keep other runs out of the run directories of seeds; OutputError where one is at work.

    The directory is made; where the runs are refused, one that was made is deleted again.
    """
    made = [place for place in (directory, *directory.parents) if not place.exists()]
    directory.mkdir(parents=True, exist_ok=True)
    try:
        if (taken := locks.acquire(directory / ".lock", seeds)) is not None:
            reason = "wait for it, stop it, or choose another --out"
            path = directory / f"seed_{taken}"
            raise OutputError(f"another run is writing to {path}: {reason}")
        try:
            yield
        finally:
            locks.release(directory / ".lock", seeds)
    except OutputError:
        with contextlib.suppress(OSError):  # something is in it
            for place in made:
                place.rmdir()
        raise


def clear(directory, left):
    """Delete files in the way of the seeds that are left, by the iterations done (see `look`)."""
    for seed, iterations in left.items():
        path = directory / f"seed_{seed}"
        for name in (*FILES, PREVIOUS):
            if iterations == 0:
                (path / name).unlink(missing_ok=True)
            for passing in path.glob(f".{name}.*"):  # of a process that was killed
                passing.unlink()
