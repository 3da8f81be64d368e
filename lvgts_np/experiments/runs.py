"""Runs: the seeds left to train, their batches and processes, progress, pictures."""

import contextlib
import io
import sys
from pathlib import Path

from tqdm import tqdm

from lvgts_np.experiments import executors
from lvgts_np.experiments.batches import equally_far, steps, train_batch
from lvgts_np.experiments.plots import run_plots
from lvgts_np.experiments.run_directory import clear, condition_directory, locked, look
from lvgts_np.experiments.streams import show
from lvgts_np.training import interrupts
from lvgts_np.training.backends import check_parity
from lvgts_np.training.config import Config
from lvgts_np.training.trainer import check_seeds, make_task

SILENCE = 60.0  # s between two lines of progress where there is no terminal
LINE = "{desc}: {n_fmt} of {total_fmt}, {rate_fmt}, {remaining} left"


@interrupts.listen(interrupts.INT)
def train(
    config, seeds=(0,), out="results", jobs=1, executor=None, quiet=False, force=False,
    resume=False, parity=True,
):  # fmt: skip
    """Train seeds and write their files; a list of summaries.

    config is a Config, whose seed s has the run directory <out>/<task>/<algo>/seed_<s>, or Configs
    by directory, with <directory>/seed_<s> and a list of summaries each. The pictures of a
    condition lie beside its run directories. OutputError, before anything is written, where one is
    in use (and not `force`) or cannot be made; ParityError where the gradient backends differ (and
    `parity`). However the training ends, its log and a checkpoint of its last row are left, from
    which `resume` continues to the same numbers; seeds that are complete are left as they are.

    A condition's seeds are trained as `jobs` batches, each a call in `executor`, which is anything
    with the interface of `concurrent.futures.Executor` whose workers write to the same disk;
    without one, each has a process where jobs > 1. Conditions start in their order: put the longest
    first. No number depends on any of it but seconds.
    """
    if isinstance(config, Config):
        condition = {condition_directory(out, config): config}
        return train(condition, seeds, out, jobs, executor, quiet, force, resume, parity)[0]
    executors.stop_if_unguarded()
    seeds = check_seeds(seeds)
    # Absolute, as a worker may have been started elsewhere.
    conditions = {Path(directory).absolute(): c for directory, c in config.items()}
    left, summaries = {}, {}
    for d, c in conditions.items():
        left[d], summaries[d] = look(c, seeds, d, force, resume)
    for d, c in conditions.items():
        if parity and left[d]:
            check_parity(c, make_task(c))
    with contextlib.ExitStack() as locks:
        for d in conditions:
            for seed in left[d]:
                (d / f"seed_{seed}").mkdir(parents=True, exist_ok=True)
            locks.enter_context(locked(d, left[d]))
        for d in conditions if force else ():
            clear(d, left[d])
    # From here each call locks the run directories that it writes to.
    calls = [(c, batch, d) for d, c in conditions.items() for batch in group(left[d], jobs)]
    begun = sum(steps(c, left[d][batch[0]]) for c, batch, d in calls)
    total = sum(steps(c, c.iterations) for c, _, _ in calls)
    (first, *others) = conditions.values()
    label = f"{len(conditions)} conditions" if others else f"{first.task} {first.algo}"
    with progress(total, label, quiet, begun) as bar:
        results = train_all(calls, jobs, executor, bar)
    for (_, _, d), new in zip(calls, results, strict=True):
        summaries[d] |= new
    for d in conditions:
        draw(d, seeds[0])
    return [[summaries[d][seed] for seed in seeds] for d in conditions]


def train_all(calls, jobs, executor, bar):
    """Results of all calls of `train_batch`, made here or in other processes."""
    if executor is None and min(jobs, len(calls)) <= 1:
        return [train_batch(*call, bar.update) for call in calls]
    with contextlib.nullcontext(executor) if executor else executors.local(jobs) as pool:
        return executors.run_all(train_batch, calls, pool, lambda: bar.update(done(calls) - bar.n))


def draw(directory, seed):
    """Draw the pictures of a condition; a line on stderr where another seed's file is in the way.

    It may be damaged, or another job may write to it at this moment. This run is complete anyway.
    """
    try:
        run_plots.draw(directory, like=seed)
    except (ValueError, OSError, LookupError) as error:
        interrupts.check()  # it may be the error that a library makes of one
        show(f"pictures not drawn: {error}")


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
    how = {"initial": begun, "unit": " steps", "unit_scale": True, "disable": quiet}
    if sys.stderr is None or not sys.stderr.isatty():
        how |= {"file": Lines(), "mininterval": SILENCE, "delay": SILENCE, "miniters": 1}
        how |= {"bar_format": LINE, "smoothing": 0, "leave": False}
    return tqdm(desc=label, total=total, **how)


class Lines(io.TextIOBase):
    """stderr, with what tqdm writes over a line as a line of its own."""

    def write(self, text):
        if text.strip():
            show(text)
