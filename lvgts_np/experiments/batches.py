"""Training of a batch of seeds on disk: logs, checkpoints, diagnostics, summaries."""

import os
import time

import numpy as np

from lvgts_np.experiments.diagnostics import write_diagnostics
from lvgts_np.experiments.run_directory import LOGS, clear, locked, look
from lvgts_np.experiments.versions import versions
from lvgts_np.tasks.bounds import bounds
from lvgts_np.training import checkpoint, config_file, interrupts
from lvgts_np.training.files import append_rows, load_arrays, read_table, save_arrays, write_json
from lvgts_np.training.trainer import LOSSES, Trainer

LOG = (
    "iteration", "episodes", "return_recall", "return_total", "eval_return_recall",
    "eval_return_total", *LOSSES, "attention_remember", "credit_early", "credit_recall",
)  # fmt: skip
FINAL = 0.05  # the last share of the evaluations that the final numbers are means of


def train_batch(config, seeds, directory, advance=lambda steps: None):
    """Train a batch of seeds, whose run directories exist; summaries (dicts) by seed.

    The process that writes holds the locks: OutputError where another one does. Seeds continue
    from what is on disk then, so a call that is made twice, or comes late, repeats and loses
    nothing. advance(steps) is called after each iteration.
    """
    with locked(directory, seeds):
        left, summaries = look(config, seeds, directory, resume=True)
        clear(directory, left)
        while left:
            for batch in equally_far(left):
                train_together(config, batch, directory, advance)
            left, summaries = look(config, seeds, directory, resume=True)
    return summaries


def equally_far(left):
    """Seeds that are left, grouped by the iterations that they have done (see `look`)."""
    return [[s for s, done in left.items() if done == n] for n in sorted(set(left.values()))]


def steps(config, iterations):
    """Environment steps of a seed, which progress counts, as episodes differ in length."""
    return iterations * config.episodes_per_iteration * config.T


def train_together(config, seeds, directory, advance):
    """Train seeds, all equally far, from their checkpoints or the start, to the end of some.

    Each row of the log leaves a checkpoint. Where a seed freezes it ends, as it would have alone;
    the others are left to resume without it.
    """
    paths = [directory / f"seed_{seed}" for seed in seeds]
    trainer = begin(config, paths, seeds)
    start = time.perf_counter() - sum(trainer.seconds.values())
    with interrupts.rows():
        while trainer.iteration < config.iterations and not trainer.frozen:
            trainer.iterate()
            if trainer.due:
                log(trainer, paths)
                interrupts.after_row()
            advance(steps(config, 1))
    for s, path in enumerate(paths):
        save(trainer, s, path)  # where a seed froze there may be no row
    ended = list(trainer.frozen or range(len(seeds)))
    finish(checkpoint.select(trainer, ended), [paths[s] for s in ended], start)


def begin(config, paths, seeds):
    """Trainer of the seeds with these run directories, new or from their checkpoints."""
    if (paths[0] / "checkpoint.npz").is_file():
        saved = [load_arrays(path / "checkpoint.npz") for path in paths]
        for path, state in zip(paths, saved, strict=True):
            for name, length in state["logs"].items():
                os.truncate(path / name, length)  # a row that came after the checkpoint comes again
        return checkpoint.restore(config, saved)
    trainer = Trainer(config, seeds)
    for path in paths:
        config_file.save(config, path / "config.json")
        write_json(path / "versions.json", versions())
        append_rows(path / "log.csv", LOG)
        append_rows(path / "timing.csv", ("iteration", *trainer.seconds))
    return trainer


def log(trainer, paths):
    """Evaluate; of every seed that is not frozen a row in log.csv and timing.csv, a checkpoint."""
    row = trainer.evaluate()
    for s, path in enumerate(paths):
        if s not in trainer.frozen:
            append_rows(path / "log.csv", [row[name][s] for name in LOG])
            append_rows(path / "timing.csv", (trainer.iteration, *trainer.seconds.values()))
            save(trainer, s, path)


def save(trainer, s, path):
    """Write the checkpoint of the seed at position s, with the lengths of its logs."""
    logs = {name: np.array((path / name).stat().st_size) for name in LOGS}
    save_arrays(path / "checkpoint.npz", checkpoint.state_of(trainer, s) | {"logs": logs})


def finish(trainer, paths, start):
    """Write diagnostics and summaries of seeds that are at their end: they are complete then."""
    write_diagnostics(trainer, paths)
    wall_s = time.perf_counter() - start
    for s, path in enumerate(paths):
        write_json(path / "summary.json", summary(trainer, s, path) | {"wall_s": wall_s})


def summary(trainer, s, path):
    """Final numbers of a seed, means over its last evaluations (None without one), and bounds."""
    config, task, rows = trainer.config, trainer.task, read_table(path / "log.csv")
    last = max(1, round(FINAL * len(rows.get("iteration", ()))))
    final = {name: float(np.mean(rows[name][-last:])) if rows else None for name in LOG}
    return {
        "task": config.task,
        "algo": config.algo,
        "seed": trainer.seeds[s],
        "episodes": trainer.iteration * config.episodes_per_iteration,
        "final_eval_return_recall": final["eval_return_recall"],
        "final_eval_return_total": final["eval_return_total"],
        **bounds(task),
        **{name: final[name] for name in ("attention_remember", "credit_early", "credit_recall")},
        "frozen": trainer.frozen.get(s),
    }
