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


def run(cells, seeds, out, jobs=1, executor=None, quiet=False, force=False, resume=False):
    """Train the seeds of every cell and write all about them; -> a list of summaries a cell.

    A cell is a Config. Its seed s has its folder <out>/<task>/<algo>/seed_<s>; the pictures lie
    beside these. OutputError, before anything is written, where a folder is in use (and not
    `force`) or cannot be made. However the training ends, its log and a checkpoint of its last
    row are left, from which `resume` goes on to the same numbers; seeds that are complete are
    left as they are.

    A cell's seeds are trained as `jobs` stacks, each a call in `executor`, which is anything with
    the interface of `concurrent.futures.Executor` whose workers write to the same disk; without
    one, each has a process where jobs > 1. No number depends on it but seconds.
    """
    folders = [Path(out) / settings.task / settings.algo for settings in cells]
    looks = [look(c, seeds, f, force, resume) for c, f in zip(cells, folders, strict=True)]
    calls, begun = [], 0
    for settings, folder, (left, _) in zip(cells, folders, looks, strict=True):
        prepare(folder, left)
        for stack in group(left, jobs):
            calls.append((settings, stack, folder))
            begun += left[stack[0]]
    total = sum(settings.iterations for settings, _, _ in calls)
    label = f"{cells[0].task} {cells[0].algo}" if len(cells) == 1 else f"{len(cells)} cells"
    with progress(total, label, quiet, begun) as at:
        new = train(calls, jobs, executor, at)
    for folder in folders:
        draw(folder, seeds[0])
    summaries = itertools.chain(new, *(old.values() for _, old in looks))
    which = {(n["task"], n["algo"], n["seed"]): n for n in summaries}
    return [[which[c.task, c.algo, seed] for seed in seeds] for c in cells]


def train(calls, jobs, executor, at):
    """The summaries of all calls of `train_stack`, made here or spread over processes.

    at(n) is told how many iterations are done in all.
    """
    if executor is None and min(jobs, len(calls)) <= 1:
        results, before = [], 0
        for call in calls:
            results.append(train_stack(*call, lambda n, before=before: at(before + n)))
            before += call[0].iterations
    else:
        with contextlib.nullcontext(executor) if executor else processes.local(jobs) as pool:
            results = processes.spread(train_stack, calls, pool, lambda: at(done(calls)))
    return list(itertools.chain(*results))


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
    """Iterations that the stacks have logged, in all, from the last rows in timing.csv."""
    total = 0
    for _, stack, folder in calls:
        files = [folder / f"seed_{seed}" / "timing.csv" for seed in stack]
        rows = [file.read_text().splitlines()[1:] for file in files if file.exists()]
        total += max((int(row[-1].split(",")[0]) for row in rows if row), default=0)
    return total


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
