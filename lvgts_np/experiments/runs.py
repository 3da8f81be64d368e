"""Runs: the seeds left to train, their batches and processes, progress, pictures."""

import contextlib
import io
import reprlib
import sys
from collections.abc import Mapping

from tqdm import tqdm

from lvgts_np.experiments import executors
from lvgts_np.experiments.batches import equally_far, steps, train_batch
from lvgts_np.experiments.plots import run_plots, style
from lvgts_np.experiments.run_directory import clear, condition_directory, locked, look
from lvgts_np.tasks import reference
from lvgts_np.training import interrupts, limits
from lvgts_np.training.agent import checked_task, make_task
from lvgts_np.training.arithmetic import isolated
from lvgts_np.training.backends import check_parity
from lvgts_np.training.config import Config, ConfigError, expanded, preset, whole
from lvgts_np.training.streams import note
from lvgts_np.training.trainer import check_seeds

SILENCE = 60.0  # s between two lines of progress where there is no terminal
LINE = "{desc}: {n_fmt} of {total_fmt}, {rate_fmt}, {remaining} left"


@interrupts.listen(interrupts.INT)
@isolated()
def train(
    config, seeds=(0,), out="results", jobs=1, executor=None, quiet=False, force=False,
    resume=False, parity=True, pictures=True,
):  # fmt: skip
    """Train seeds and write their files; a list of summaries.

    config is a Config, or a task with the default settings, whose seed s has the run directory
    <out>/<task>/<algo>/seed_<s>, or Configs by directory, with <directory>/seed_<s> and a list of
    summaries each. The `pictures` of a condition lie beside its run directories; where they cannot
    be drawn a line on stderr says so. ConfigError or TaskError, before anything is written, for
    what cannot be trained here, OutputError where a directory is in use (and not `force`) or cannot
    be made; ParityError where the gradient backends differ (and `parity`); EpisodeError where a
    task fails. However the training ends, its log and a checkpoint of its last row are left, from
    which `resume` continues to the same numbers; complete seeds are left as they are.

    A condition's seeds are trained as `jobs` batches, each a call in `executor`, which is anything
    with the interface of `concurrent.futures.Executor` whose workers write to the same disk;
    without one, each has a process where jobs > 1. Conditions start in their order: put the longest
    first. No number depends on any of it but seconds.
    """
    executors.stop_if_unguarded()
    config = preset(config) if reference.is_one(config) else config
    if isinstance(config, Config):
        condition = {condition_directory(out, config): config}
        modes = jobs, executor, quiet, force, resume, parity, pictures
        return train(condition, seeds, out, *modes)[0]
    conditions, seeds, jobs = check_conditions(config), check_seeds(seeds), whole("jobs", jobs, 1)
    if force and resume:
        raise ConfigError("force writes over a run, resume goes on with it: give only one")
    style.check()
    for c in conditions.values():
        checked_task(c)
    left, summaries = {d: dict.fromkeys(seeds, 0) for d in conditions}, {}
    calls = None if resume else check_size(conditions, left, jobs, executor)
    for d, c in conditions.items():
        left[d], summaries[d] = look(c, seeds, d, force, resume)
    calls = calls or check_size(conditions, left, jobs, executor)
    for d, c in conditions.items():
        if parity and left[d]:
            check_parity(c, make_task(c))
    for d in conditions:
        with locked(d, left[d], make=False):
            pass
    for d in conditions if force else ():
        with locked(d, left[d]):
            clear(d, left[d])
    # From here each call locks the run directories that it writes to.
    begun = sum(steps(c, left[d][batch[0]]) for c, batch, d in calls)
    total = sum(steps(c, c.iterations) for c, _, _ in calls)
    (first, *others) = conditions.values()
    label = f"{len(conditions)} conditions" if others else f"{first.task} {first.algo}"
    with progress(total, label, quiet, begun) as bar:
        results = train_all(calls, jobs, executor, bar)
    for (_, _, d), new in zip(calls, results, strict=True):
        summaries[d] |= new
    for d in conditions if pictures else ():
        draw(d, seeds)
    return [[summaries[d][seed] for seed in seeds] for d in conditions]


def check_size(conditions, left, jobs, executor):
    """Calls of `train_batch`; ConfigError where the system cannot hold them."""
    calls = [(c, batch, d) for d, c in conditions.items() for batch in group(left[d], jobs)]
    if executor is None and calls:
        n = min(jobs, len(calls))
        executors.check_processes(n, max(len(batch) for _, batch, _ in calls))
        limits.check_memory([limits.memory(c, len(batch)) for c, batch, _ in calls], n)
    first = next(iter(conditions))
    limits.check_disk(sum(limits.disk(c) * len(left[d]) for d, c in conditions.items()), first)
    return calls


def check_conditions(config):
    """Configs by directory, absolute, as a worker may have been started elsewhere; ConfigError."""
    if not isinstance(config, Mapping) or not config:
        raise ConfigError(
            f"config = {reprlib.repr(config)}: must be a Config or {{directory: Config}}"
        )
    conditions = {expanded(directory).absolute(): c for directory, c in config.items()}
    if len(conditions) < len(config):
        raise ConfigError(f"{', '.join(map(str, config))}: a directory is given twice")
    for directory, c in conditions.items():
        if not isinstance(c, Config):
            raise ConfigError(f"{directory}: {reprlib.repr(c)} must be a Config")
    return conditions


def train_all(calls, jobs, executor, bar):
    """Results of all calls of `train_batch`, made here or in other processes."""
    if executor is None and min(jobs, len(calls)) <= 1:
        return [train_batch(*call, bar.update) for call in calls]
    with (
        contextlib.nullcontext(executor)
        if executor
        else executors.local(min(jobs, len(calls))) as pool
    ):
        return executors.run_all(train_batch, calls, pool, lambda: bar.update(done(calls) - bar.n))


def draw(directory, seeds):
    """Draw the pictures of a condition; whether those of these seeds could be drawn.

    Those of other seeds are drawn with them, unless a file of one is in the way: it may be damaged,
    or another job may write to it at this moment. Each fault is a line on stderr.
    """
    words = f"pictures of {directory}"
    if fault := attempt(run_plots.draw, directory, like=seeds[0]):
        worse = attempt(run_plots.draw, directory, like=seeds[0], only=seeds)
        note(f"{words} not drawn: {worse}" if worse else f"{words} without other seeds: {fault}")
        return not worse
    return True


def attempt(work, *args, **named):
    """Error of a call that draws, of any kind, as Matplotlib's are; None without one."""
    try:
        work(*args, **named)
        return None
    except Exception as error:
        interrupts.check()  # it may be the error that a library makes of one
        return str(error) or repr(error)


def group(left, jobs):
    """Seeds in about `jobs` batches, in each those that have done equally many iterations."""
    batches = []
    for seeds in equally_far(left):
        share = max(1, round(jobs * len(seeds) / len(left)))
        batches += [seeds[first::share] for first in range(min(share, len(seeds)))]
    return batches


def done(calls):
    """Steps that the batches have logged, in all."""
    return sum(steps(c, max(logged(d / f"seed_{seed}") for seed in batch)) for c, batch, d in calls)


def logged(path):
    """Iterations by the last row in timing.csv; 0 without one, or while a worker clears it away."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        return int((path / "timing.csv").read_text().splitlines()[-1].split(",")[0])
    return 0


def progress(total, label, quiet, begun=0):
    """tqdm's bar on a terminal, elsewhere a line a minute on stderr."""
    how = {"initial": begun, "unit": " steps", "unit_scale": True, "disable": quiet, "miniters": 1}
    if sys.stderr is None or not sys.stderr.isatty():
        how |= {"file": Lines(), "mininterval": SILENCE, "delay": SILENCE}
        how |= {"bar_format": LINE, "smoothing": 0, "leave": False}
    return Bar(desc=label, total=total, **how)


class Bar(tqdm):
    """tqdm without its thread, which would take signals from `interrupts.blocked`."""

    monitor_interval = 0


class Lines(io.TextIOBase):
    """stderr, with what tqdm writes over a line as a line of its own."""

    def write(self, text):
        if text.strip():
            note(text)
