"""A run: which seeds are left to train, in which stacks and processes, how far it is, pictures."""

import contextlib
import itertools
import sys
import time
from pathlib import Path

from tqdm import tqdm

from lvgts_np import figures, processes
from lvgts_np.folders import look, prepare
from lvgts_np.stacks import train_stack

SILENCE = 60.0  # s between two lines of progress where there is no terminal


def run(settings, seeds, out, force=False, quiet=False, jobs=1, executor=None, resume=False):
    """Train seeds and write all about them; returns a summary dict a seed.

    Seed s has its folder <out>/<task>/<algo>/seed_<s>; the pictures lie beside these. OutputError,
    before anything is written, where a folder is in use (and not `force`) or cannot be made.
    However the training ends, its log and a checkpoint of its last row are left, from which
    `resume` goes on to the same numbers; seeds that are complete are left as they are.

    The seeds are trained as `jobs` stacks, each a call in `executor`, which is anything with the
    interface of `concurrent.futures.Executor` whose workers write to the same disk; without one,
    each has a process where jobs > 1. No number depends on it but seconds.
    """
    folder = Path(out) / settings.task / settings.algo
    left, summaries = look(settings, seeds, folder, force, resume)
    prepare(folder, left)
    stacks = group(left, jobs)
    label = f"{settings.task} {settings.algo}"
    begun = min(left.values(), default=settings.iterations)
    with progress(settings.iterations, label, quiet, begun) as at:
        if executor is None and min(jobs, len(stacks)) <= 1:
            results = [train_stack(settings, stack, folder, at) for stack in stacks]
        else:
            calls = [(settings, stack, folder) for stack in stacks]
            with contextlib.nullcontext(executor) if executor else processes.local(jobs) as pool:
                results = processes.spread(
                    train_stack, calls, pool, lambda: at(done(stacks, folder))
                )
    summaries |= {numbers["seed"]: numbers for numbers in itertools.chain(*results)}
    try:
        figures.draw(folder, like=seeds[0])
    except ValueError as error:  # an older seed's file is damaged; this run is complete
        print(f"pictures not drawn: {error}", file=sys.stderr)
    return [summaries[seed] for seed in seeds]


def group(left, jobs):
    """The seeds in about `jobs` stacks, in each those that have done equally many iterations."""
    stacks = []
    for iterations in sorted(set(left.values())):
        seeds = [seed for seed, done in left.items() if done == iterations]
        share = max(1, round(jobs * len(seeds) / len(left)))
        stacks += [seeds[first::share] for first in range(min(share, len(seeds)))]
    return stacks


def done(stacks, folder):
    """Iterations that the stacks have logged, their mean, from the last rows in timing.csv."""
    logged = []
    for stack in stacks:
        files = [folder / f"seed_{seed}" / "timing.csv" for seed in stack]
        rows = [file.read_text().splitlines()[1:] for file in files if file.exists()]
        logged.append(max((int(row[-1].split(",")[0]) for row in rows if row), default=0))
    return sum(logged) // len(logged)


@contextlib.contextmanager
def progress(total, label, quiet, begun=0):
    """at(iteration), which shows a bar on a terminal, elsewhere a line a minute on stderr."""
    if quiet or sys.stderr.isatty():
        with tqdm(total=total, desc=label, disable=quiet, initial=begun) as bar:
            yield lambda iteration: bar.update(iteration - bar.n)
        return
    form = "{desc}: {n_fmt} of {total_fmt}, {rate_fmt}, {remaining} left"
    start = said = time.monotonic()

    def at(iteration):
        nonlocal said
        now = time.monotonic()
        if now - said >= SILENCE:
            said = now
            line = tqdm.format_meter(
                iteration, total, now - start, prefix=label, bar_format=form, initial=begun
            )
            print(line, file=sys.stderr, flush=True)

    yield at
