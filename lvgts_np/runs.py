"""A run on disk: its folders, log, checkpoint, audit and pictures."""

import contextlib
import importlib.metadata
import itertools
import platform
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from tqdm import tqdm

from lvgts_np import bounds, checkpoint, config, figures, processes
from lvgts_np.audit import write_audit
from lvgts_np.optim import unflatten
from lvgts_np.tables import append, write_json
from lvgts_np.train import LOSSES, Trainer

LOG = (
    "iteration", "episodes", "return_recall", "return_total", "eval_return_recall",
    "eval_return_total", *LOSSES, "attention_remember", "credit_early", "credit_recall",
)  # fmt: skip
FILES = (
    "config.json", "versions.json", "log.csv", "timing.csv", "checkpoint.npz", "attention.csv",
    "credit.csv", "credit_episodes.csv", "episode.csv", "summary.json",
)  # fmt: skip
PACKAGES = ("numpy", "scipy", "autograd", "matplotlib", "tqdm")
SILENCE = 60.0  # s between two lines of progress where there is no terminal
FINAL = 0.05  # the last share of the evaluations that the final numbers are means of


class OutputError(ValueError):
    """The output folder cannot be used: one line that says which and why."""


def run(settings, seeds, out, force=False, quiet=False, jobs=1, executor=None):
    """Train seeds and write all about them; returns a summary dict a seed.

    Seed s has its folder <out>/<task>/<algo>/seed_<s>; the pictures lie beside these. OutputError,
    before anything is written, where a folder is in use (and not `force`) or cannot be made.
    However the training ends, its log and a checkpoint are left.

    The seeds are trained as `jobs` stacks, each a call in `executor`, which is anything with the
    interface of `concurrent.futures.Executor` whose workers write to the same disk; without one,
    more stacks than one have a process each. No number depends on it but seconds.
    """
    folder = Path(out) / settings.task / settings.algo
    folders = [folder / f"seed_{seed}" for seed in seeds]
    prepare(folders, force)
    stacks = [seeds[first::jobs] for first in range(min(jobs, len(seeds)))]
    label = f"{settings.task} {settings.algo}"
    with progress(settings.iterations, label, quiet) as at:
        if executor is None and len(stacks) == 1:
            results = [train_stack(settings, seeds, folder, at)]
        else:
            calls = [(settings, stack, folder) for stack in stacks]
            with contextlib.nullcontext(executor) if executor else processes.local(jobs) as pool:
                results = processes.spread(
                    train_stack, calls, pool, lambda: at(done(stacks, folder))
                )
    of_seed = {numbers["seed"]: numbers for numbers in itertools.chain(*results)}
    try:
        figures.draw(folder, like=seeds[0])
    except ValueError as error:  # an older seed's file is damaged; this run is complete
        print(f"pictures not drawn: {error}", file=sys.stderr)
    return [of_seed[seed] for seed in seeds]


def done(stacks, folder):
    """Iterations that the stacks have logged, their mean, from the last rows in timing.csv."""
    logged = []
    for stack in stacks:
        files = [folder / f"seed_{seed}" / "timing.csv" for seed in stack]
        rows = [file.read_text().splitlines()[1:] for file in files if file.exists()]
        logged.append(max((int(row[-1].split(",")[0]) for row in rows if row), default=0))
    return sum(logged) // len(logged)


def train_stack(settings, seeds, folder, at=lambda iteration: None):
    """Train one stack of seeds, whose folders exist; returns a summary dict a seed.

    at(iteration) is told how far it is.
    """
    folders = [folder / f"seed_{seed}" for seed in seeds]
    start = time.perf_counter()
    trainer = Trainer(settings, seeds)
    history = [[] for _ in seeds]
    for path in folders:
        config.save(settings, path / "config.json")
        write_json(path / "versions.json", versions())
        append(path / "log.csv", LOG)
        append(path / "timing.csv", ("iteration", *trainer.seconds))
    try:
        train(trainer, folders, history, at)
    finally:
        for s, path in enumerate(folders):
            save_checkpoint(trainer, s, path)
    write_audit(trainer, folders)
    wall_s = time.perf_counter() - start
    earned = {
        "floor_return": bounds.floor_return(trainer.task),
        "myopic_return": bounds.myopic_return(trainer.task),
        "max_return": bounds.max_return(trainer.task),
    }
    summaries = [
        summary(trainer, s, rows, earned) | {"wall_s": wall_s} for s, rows in enumerate(history)
    ]
    for path, numbers in zip(folders, summaries, strict=True):
        write_json(path / "summary.json", numbers)
    return summaries


def prepare(folders, force):
    """Make the seeds' folders, emptied of an earlier run's files; OutputError if that cannot be."""
    used = [path for path in folders if path.is_dir() and any(path.iterdir())]
    if used and not force:
        raise OutputError(f"{used[0]} holds a run already: choose another --out, or use --force")
    made = []
    try:
        for path in folders:
            made += [p for p in (path, *path.parents) if not p.exists()]
            path.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=path).close()  # may we write here?
    except OSError as error:
        for folder in sorted(made, key=lambda p: len(p.parts), reverse=True):
            if folder.is_dir():
                folder.rmdir()
        reason = f"{error.strerror}; choose another --out"
        raise OutputError(f"cannot write to {path}: {reason}") from error
    for path in folders:
        for name in FILES:
            (path / name).unlink(missing_ok=True)


def train(trainer, folders, history, at):
    """Iterate to the end, logging every eval_every iterations and at the end."""
    settings = trainer.config
    while trainer.iteration < settings.iterations and len(trainer.frozen) < len(trainer.seeds):
        trainer.iterate()
        due = trainer.iteration % settings.eval_every == 0
        if due or trainer.iteration == settings.iterations:
            log(trainer, folders, history)
        at(trainer.iteration)


@contextlib.contextmanager
def progress(total, label, quiet):
    """at(iteration), which shows a bar on a terminal, elsewhere a line a minute on stderr."""
    if quiet or sys.stderr.isatty():
        with tqdm(total=total, desc=label, disable=quiet) as bar:
            yield lambda iteration: bar.update(iteration - bar.n)
        return
    form = "{desc}: {n_fmt} of {total_fmt}, {rate_fmt}, {remaining} left"
    start = said = time.monotonic()

    def at(iteration):
        nonlocal said
        now = time.monotonic()
        if now - said >= SILENCE:
            said = now
            line = tqdm.format_meter(iteration, total, now - start, prefix=label, bar_format=form)
            print(line, file=sys.stderr, flush=True)

    yield at


def log(trainer, folders, history):
    """Evaluate, and append a row to log.csv and timing.csv of every seed that is not frozen."""
    columns = trainer.evaluate()
    columns["iteration"] = [trainer.iteration] * len(folders)
    columns["episodes"] = [trainer.iteration * trainer.config.episodes_per_iteration] * len(folders)
    for s, path in enumerate(folders):
        if s in trainer.frozen:
            continue
        row = {name: columns[name][s] for name in LOG}
        history[s].append(row)
        append(path / "log.csv", row.values())
        append(path / "timing.csv", (trainer.iteration, *trainer.seconds.values()))


def save_checkpoint(trainer, s, folder):
    """The parameters and Adam's moments of the seed at position s of the stack."""
    groups = {"phi": trainer.phi, "theta": trainer.theta}
    for name, adam in (("phi", trainer.adam_phi), ("theta", trainer.adam_theta)):
        groups |= {name + "_m": unflatten(adam.m, groups[name])}
        groups |= {name + "_v": unflatten(adam.v, groups[name])}
    one = {group: {n: x[s : s + 1] for n, x in xs.items()} for group, xs in groups.items()}
    checkpoint.save(folder / "checkpoint.npz", one, trainer.iteration)


def summary(trainer, s, rows, earned):
    """Final numbers of a seed, means over the last evaluations (None without one), and bounds."""
    settings = trainer.config
    last = rows[-max(1, round(FINAL * len(rows))) :]

    def final(name):
        return float(np.mean([row[name] for row in last])) if last else None

    return {
        "task": settings.task,
        "algo": settings.algo,
        "seed": trainer.seeds[s],
        "episodes": trainer.iteration * settings.episodes_per_iteration,
        "final_eval_return_recall": final("eval_return_recall"),
        "final_eval_return_total": final("eval_return_total"),
        **earned,
        "attention_remember": final("attention_remember"),
        "credit_early": final("credit_early"),
        "credit_recall": final("credit_recall"),
        "frozen": trainer.frozen.get(s),
    }


def versions():
    """What the numbers may depend on besides the config."""
    return {
        "python": platform.python_version(),
        "machine": platform.platform(),
        **{name: importlib.metadata.version(name) for name in PACKAGES},
    }
