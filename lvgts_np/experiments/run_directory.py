"""Run directory of a seed: the files that a run leaves in it, and whether a run may use it."""

import contextlib
import csv
import os
import shutil
from pathlib import Path

from lvgts_np.experiments import compass
from lvgts_np.experiments.diagnostics import TABLES
from lvgts_np.experiments.run_data import read_complete
from lvgts_np.tasks import check
from lvgts_np.training import checkpoint, config_file, interrupts
from lvgts_np.training.agent import make_task
from lvgts_np.training.checkpoint import LOGS
from lvgts_np.training.config import ConfigError, expanded
from lvgts_np.training.files import arrays, as_csv, sweep, temporary
from lvgts_np.training.metrics import credit_names
from lvgts_np.training.trainer import LOSSES

try:
    import fcntl
except ImportError:  # on Windows
    fcntl = None

FILES = ("config.json", "versions.json", *LOGS, "checkpoint.npz", *TABLES, "summary.json")
LOG = (
    "iteration", "episodes", "return_recall", "return_total", "eval_return_recall",
    "eval_return_total", *LOSSES,
)  # fmt: skip
CUE = ("attention_remember", "credit_early", "credit_recall")  # of a task that has one
BESIDE = ("credit_ratio", "credit_sign")
PREVIOUS = ".previous.checkpoint.npz"  # while a seed learns, the last but one


class OutputError(ConfigError):
    """Output directory that cannot be used: one line that says which and why."""


def condition_directory(out, config):
    """Directory <out>/<task>/<algo> of the runs of a condition; "module.Class" for module:Class."""
    return expanded(out) / config.task.replace(":", ".") / config.algo


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
    fields = there.as_dict(), config.as_dict()
    for name in fields[0] | fields[1]:
        old, new = (x.get(name) for x in fields)
        if old != new:
            advice = "choose another --out, or use --force in place of --resume"
            raise OutputError(f"{path} holds a run with {name} = {old}, not {new}: {advice}")
    if (file := path / "summary.json").is_file():
        try:
            return with_right_bounds(read_complete(path), config)
        except (ValueError, OSError) as error:
            advice = f"restore it, or delete {file} and seed {seed} goes on from its checkpoint"
            raise OutputError(f"{error}: {advice}") from error
    state = resumable(config, seed, path)
    return checkpoint.rest_of(state)["iteration"] if state else 0


def with_right_bounds(summary, config):
    """The summary; ValueError where a bound in it is not what it is when computed again."""
    if not (now := bounds_of(config)):
        return summary
    floor = now["floor_return"]  # another version rounds otherwise; bounds may coincide
    close = 1e-3 * (now["max_return"] - floor) + 1e-9 * (1.0 + abs(floor))
    for name, value in now.items():
        if not abs(summary[name] - value) <= close:
            raise ValueError(f"summary.json: {name} is {summary[name]}, not {value}")
    return summary


def bounds_of(config):
    """Bounds of a Config's task by name; {} where it has none."""
    # SciPy fills its tables at the first use, and would swallow an interrupt of that.
    with interrupts.blocked():
        return check.bounds_of(make_task(config))


def resumable(config, seed, path):
    """State that a seed resumes from, None without one.

    Where checkpoint.npz is damaged it is that of PREVIOUS. OutputError where neither can be used.
    """
    fault = None
    for file in (path / "checkpoint.npz", path / PREVIOUS):
        try:
            if file.is_file():
                state = checkpoint.read(file, config, seed)
                rest, task = checkpoint.rest_of(state), make_task(config)
                check_logs(task, state.get("logs", {}), rest)
                return state
        except (ValueError, OSError, csv.Error) as error:
            fault = fault or f"{file} is damaged ({error}): delete it and seed {seed} starts again"
    if fault:
        raise OutputError(fault)
    return None


def log_headers(task, parts):
    """Columns of the logs by name; those of the true credit are as many as the actions it is of.

    parts are the names of an iteration's parts, whose seconds timing.csv has.
    """
    credit = [f"{kind}_credit_{i}" for kind in ("true", "modelled") for i in credit_names(task)]
    beside = (*CUE, *credit, *BESIDE) if len(task.cue) else ()
    columns = (*LOG, *beside), ("iteration", *parts), compass.HEADER
    return dict(zip(LOGS, columns, strict=True))


def check_logs(task, logs, rest):
    """ValueError unless the logs of a checkpoint are tables with the columns that a run writes."""
    if sorted(logs) != sorted(LOGS):
        raise ValueError(f"it holds the logs {sorted(logs)}")
    for name, header in log_headers(task, rest["seconds"]).items():
        text = logs[name].tobytes().decode()
        if not (text.startswith(as_csv([header]).decode()) and text.endswith("\n")):
            raise ValueError(f"its {name} has other columns than a run writes, or half a row")
        arrays(text)


def check_writable(path):
    """OutputError unless a directory can be made, where there is none, and written to."""
    try:
        there = next(place for place in (path, *path.parents) if place.exists())
        sweep(there / "lvgts_np")
        trial = temporary(there / "lvgts_np", os.getpid())
        try:
            Path(trial, path.relative_to(there)).mkdir(parents=True, exist_ok=True)
        finally:
            shutil.rmtree(trial, ignore_errors=True)
    except OSError as error:
        reason = f"{error.strerror}; choose another --out"
        raise OutputError(f"cannot write to {path}: {reason}") from error


@contextlib.contextmanager
def locked(directory, seeds, make=True):
    """Keep other runs out of the run directories of seeds; OutputError where one is at work.

    The lock is on the directory itself, so it leaves no file, and goes with its process, however
    that ends. Directories that do not exist are made, or (`make`) left alone. Where the system has
    no locks, on Windows and some network disks, no run is kept out.
    """
    with contextlib.ExitStack() as descriptors:
        for path in [directory / f"seed_{seed}" for seed in seeds]:
            if make:
                path.mkdir(parents=True, exist_ok=True)
            if fcntl is None or not path.exists():
                continue
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
        for name in (*FILES, PREVIOUS):
            if iterations == 0:
                (path / name).unlink(missing_ok=True)
            for passing in path.glob(f".{name}.*"):  # of a process that was killed
                passing.unlink()
