"""A run: which seeds are left to train, in which stacks and processes, how far it is, pictures."""

import contextlib
import sys
import time
from pathlib import Path

from tqdm import tqdm

from lvgts_np import figures, processes
from lvgts_np.folders import clear, look, prepare
from lvgts_np.stacks import train_stack

SILENCE = 60.0  # s between two lines of progress where there is no terminal


def run(cells, seeds, jobs=1, executor=None, quiet=False, force=False, resume=False):
    """Train the seeds of every cell and write all about them; -> a list of summaries a cell.

    cells are Configs by folder. A cell's seed s has <folder>/seed_<s>; its pictures lie beside
    these. OutputError, before anything is written, where a folder is in use (and not `force`) or
    cannot be made. However the training ends, its log and a checkpoint of its last row are left,
    from which `resume` goes on to the same numbers; seeds that are complete are left as they are.

    A cell's seeds are trained as `jobs` stacks, each a call in `executor`, which is anything with
    the interface of `concurrent.futures.Executor` whose workers write to the same disk; without
    one, each has a process where jobs > 1. Cells start in their order, so the longest come first
    where they differ. No number depends on any of it but seconds.
    """
    cells = {Path(folder): settings for folder, settings in cells.items()}
    looks = {f: look(settings, seeds, f, force, resume) for f, settings in cells.items()}
    calls, begun = [], 0
    with contextlib.ExitStack() as prepared:
        for folder, (left, _) in looks.items():
            prepared.enter_context(prepare(folder, left))
        for folder, settings in cells.items():
            left, _ = looks[folder]
            clear(folder, left)
            for stack in group(left, jobs):
                calls.append((settings, stack, folder))
                begun += steps(settings, left[stack[0]])
        total = sum(steps(settings, settings.iterations) for settings, _, _ in calls)
        (first, *others) = cells.values()
        label = f"{len(cells)} cells" if others else f"{first.task} {first.algo}"
        with progress(total, label, quiet, begun) as at:
            results = train(calls, jobs, executor, at)
    summaries = {folder: dict(old) for folder, (_, old) in looks.items()}
    for (_, _, folder), new in zip(calls, results, strict=True):
        summaries[folder] |= {summary["seed"]: summary for summary in new}
    for folder in cells:
        draw(folder, seeds[0])
    return [[summaries[folder][seed] for seed in seeds] for folder in cells]


def steps(settings, iterations):
    """Of the environment, a seed: what progress is counted in, as episodes differ in length."""
    return iterations * settings.episodes_per_iteration * settings.T


def train(calls, jobs, executor, at):
    """What every call of `train_stack` returns, made here or spread over processes.

    at(n) is told how many steps are done in all.
    """
    if executor is not None or min(jobs, len(calls)) > 1:
        with contextlib.nullcontext(executor) if executor else processes.local(jobs) as pool:
            return processes.spread(train_stack, calls, pool, lambda: at(done(calls)))
    results, before = [], 0
    for call in calls:
        settings, _, _ = call
        results.append(train_stack(*call, lambda n, b=before, c=settings: at(b + steps(c, n))))
        before += steps(settings, settings.iterations)
    return results


def draw(folder, seed):
    """The pictures of a cell; a line on stderr where an older seed's file is damaged."""
    try:
        figures.draw(folder, like=seed)
    except ValueError as error:  # this run is complete all the same
        print(f"pictures not drawn: {error}", file=sys.stderr)


def group(left, jobs):
    """The seeds in about `jobs` stacks, in each those that have done equally many iterations."""
    stacks = []
    for iterations in sorted(set(left.values())):
        seeds = [seed for seed, done in left.items() if done == iterations]
        share = max(1, round(jobs * len(seeds) / len(left)))
        stacks += [seeds[first::share] for first in range(min(share, len(seeds)))]
    return stacks


def done(calls):
    """Steps that the stacks have logged, in all, from the last rows in timing.csv."""
    total = 0
    for settings, stack, folder in calls:
        files = [folder / f"seed_{seed}" / "timing.csv" for seed in stack]
        rows = [file.read_text().splitlines()[1:] for file in files if file.exists()]
        last = max((int(row[-1].split(",")[0]) for row in rows if row), default=0)
        total += steps(settings, last)
    return total


@contextlib.contextmanager
def progress(total, label, quiet, begun=0):
    """at(step), which shows a bar on a terminal, elsewhere a line a minute on stderr."""
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
