"""Runs: the seeds left to train, their batches and processes, progress, pictures."""

import contextlib
import sys
import time
from pathlib import Path

from tqdm import tqdm

from lvgts_np.experiments import executors
from lvgts_np.experiments.batches import equally_far, train_batch
from lvgts_np.experiments.plots import run_plots
from lvgts_np.experiments.run_directory import clear, condition_directory, look, prepare
from lvgts_np.training.backends import check_parity
from lvgts_np.training.config import Config
from lvgts_np.training.trainer import check_seeds, make_task

SILENCE = 60.0  # s between two lines of progress where there is no terminal


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
    without one, each has a process where jobs > 1. Conditions start in their order, so the longest
    come first where they differ. No number depends on any of it but seconds.
    """
    modes = {"jobs": jobs, "executor": executor, "quiet": quiet, "parity": parity}
    if isinstance(config, Config):
        directory = condition_directory(out, config)
        return train({directory: config}, seeds, force=force, resume=resume, **modes)[0]
    executors.stop_if_unguarded()
    seeds = check_seeds(seeds)
    # Absolute, as a worker may have been started elsewhere.
    conditions = {Path(directory).absolute(): c for directory, c in config.items()}
    looks = {d: look(config, seeds, d, force, resume) for d, config in conditions.items()}
    for directory, config in conditions.items():
        if parity and looks[directory][0]:
            check_parity(config, make_task(config))
    with contextlib.ExitStack() as prepared:
        for directory, (left, _) in looks.items():
            prepared.enter_context(prepare(directory, left))
        for directory, (left, _) in looks.items() if force else ():
            clear(directory, left)
    # From here each call locks the run directories that it writes to.
    calls, begun = [], 0
    for directory, config in conditions.items():
        left, _ = looks[directory]
        for batch in group(left, jobs):
            calls.append((config, batch, directory))
            begun += steps(config, left[batch[0]])
    total = sum(steps(config, config.iterations) for config, _, _ in calls)
    (first, *others) = conditions.values()
    label = f"{len(conditions)} conditions" if others else f"{first.task} {first.algo}"
    with progress(total, label, quiet, begun) as at:
        results = train_all(calls, jobs, executor, at)
    summaries = {directory: dict(old) for directory, (_, old) in looks.items()}
    for (_, _, directory), new in zip(calls, results, strict=True):
        summaries[directory] |= {summary["seed"]: summary for summary in new}
    for directory in conditions:
        draw(directory, seeds[0])
    return [[summaries[directory][seed] for seed in seeds] for directory in conditions]


def steps(config, iterations):
    """Environment steps of a seed, which progress counts, as episodes differ in length."""
    return iterations * config.episodes_per_iteration * config.T


def train_all(calls, jobs, executor, at):
    """Results of all calls of `train_batch`, made here or in other processes.

    at(n) is called with the number of steps done in all.
    """
    if executor is not None or min(jobs, len(calls)) > 1:
        with contextlib.nullcontext(executor) if executor else executors.local(jobs) as pool:
            return executors.run_all(train_batch, calls, pool, lambda: at(done(calls)))
    results, before = [], 0
    for call in calls:
        config, _, _ = call
        results.append(train_batch(*call, lambda n, b=before, c=config: at(b + steps(c, n))))
        before += steps(config, config.iterations)
    return results


def draw(directory, seed):
    """Draw the pictures of a condition; a line on stderr where another seed's file is in the way.

    It may be damaged, or another job may write to it at this moment. This run is complete anyway.
    """
    try:
        run_plots.draw(directory, like=seed)
    except (ValueError, OSError, LookupError) as error:
        print(f"pictures not drawn: {error}", file=sys.stderr)


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


@contextlib.contextmanager
def progress(total, label, quiet, begun=0):
    """Function at(step) that shows a bar on a terminal, elsewhere a line a minute on stderr."""
    unit = {"initial": begun, "unit": " steps", "unit_scale": True}
    if quiet or sys.stderr.isatty():
        with tqdm(total=total, desc=label, disable=quiet, **unit) as bar:
            yield lambda step: bar.update(step - bar.n)
        return
    form = "{desc}: {n_fmt} of {total_fmt}, {rate_fmt}, {remaining} left"
    start = said = time.monotonic()

    def at(step):
        nonlocal said
        now = time.monotonic()
        if now - said >= SILENCE:
            said = now
            line = tqdm.format_meter(
                step, total, now - start, prefix=label, bar_format=form, **unit
            )
            print(line, file=sys.stderr, flush=True)

    yield at
