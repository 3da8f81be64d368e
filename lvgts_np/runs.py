"""A run on disk: its folders, log, checkpoint, audit and pictures."""

import importlib.metadata
import platform
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from tqdm import tqdm

from lvgts_np import bounds, checkpoint, config, figures
from lvgts_np.audit import write_audit
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


def run(settings, seeds, out, force=False, quiet=False):
    """Train a stack of seeds and write all about it; returns a summary dict a seed.

    Seed s has its folder <out>/<task>/<algo>/seed_<s>; the pictures lie beside these. OutputError,
    before anything is written, where a folder is in use (and not `force`) or cannot be made.
    However the training ends, its log and a checkpoint are left.
    """
    folder = Path(out) / settings.task / settings.algo
    folders = [folder / f"seed_{seed}" for seed in seeds]
    prepare(folders, force)
    start = time.perf_counter()
    trainer = Trainer(settings, seeds)
    history = [[] for _ in seeds]
    for path in folders:
        config.save(settings, path / "config.json")
        write_json(path / "versions.json", versions())
        append(path / "log.csv", LOG)
        append(path / "timing.csv", ("iteration", *trainer.seconds))
    try:
        train(trainer, folders, history, quiet)
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
    try:
        figures.draw(folder, like=seeds[0])
    except ValueError as error:  # an older seed's file is damaged; this run is complete
        print(f"pictures not drawn: {error}", file=sys.stderr)
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


def train(trainer, folders, history, quiet):
    """Iterate to the end, logging every eval_every iterations and at the end."""
    settings = trainer.config
    label = f"{settings.task} {settings.algo}"
    for _ in progress(settings.iterations, label, quiet):
        trainer.iterate()
        due = trainer.iteration % settings.eval_every == 0
        if due or trainer.iteration == settings.iterations:
            log(trainer, folders, history)
        if len(trainer.frozen) == len(trainer.seeds):
            break


def progress(iterations, label, quiet):
    """range(iterations) with a bar on a terminal, elsewhere with a line a minute on stderr."""
    if quiet or sys.stderr.isatty():
        yield from tqdm(range(iterations), label, disable=quiet)
        return
    form = "{desc}: {n_fmt} of {total_fmt}, {rate_fmt}, {remaining} left"
    start = said = time.monotonic()
    for iteration in range(iterations):
        yield iteration
        now = time.monotonic()
        if now - said >= SILENCE:
            said = now
            line = tqdm.format_meter(
                iteration + 1, iterations, now - start, prefix=label, bar_format=form
            )
            print(line, file=sys.stderr, flush=True)


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
    groups = {
        "phi": trainer.phi, "phi_m": trainer.adam_phi.m, "phi_v": trainer.adam_phi.v,
        "theta": trainer.theta, "theta_m": trainer.adam_theta.m, "theta_v": trainer.adam_theta.v,
    }  # fmt: skip
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
