"""Training of a batch of seeds on disk: logs, checkpoints, diagnostics, summaries."""

import os
import time

import numpy as np

from lvgts_np.experiments.diagnostics import write_diagnostics
from lvgts_np.experiments.run_directory import LOGS, clear, locked, look
from lvgts_np.experiments.versions import versions
from lvgts_np.tasks import bounds
from lvgts_np.training import checkpoint, config_file
from lvgts_np.training.files import append_rows, columns, write_json
from lvgts_np.training.trainer import LOSSES, Trainer

LOG = (
    "iteration", "episodes", "return_recall", "return_total", "eval_return_recall",
    "eval_return_total", *LOSSES, "attention_remember", "credit_early", "credit_recall",
)  # fmt: skip
FINAL = 0.05  # the last share of the evaluations that the final numbers are means of


def train_batch(config, seeds, directory, at=lambda iteration: None):
    """Train a batch of seeds, whose run directories exist; a summary dict a seed.

    The process that writes holds the locks: OutputError where another one does. Seeds continue
    from what is on disk then, so a call that is made twice, or comes late, repeats and loses
    nothing. at(iteration) is called after each iteration.
    """
    with locked([directory / f"seed_{seed}" for seed in seeds]):
        left, summaries = look(config, seeds, directory, resume=True)
        clear(directory, left)
        for batch in equally_far(left):
            new = train_together(config, batch, directory, at)
            summaries |= {summary["seed"]: summary for summary in new}
    return [summaries[seed] for seed in seeds]


def equally_far(left):
    """Seeds that are left, grouped by the iterations that they have done (see `look`)."""
    return [[s for s, done in left.items() if done == n] for n in sorted(set(left.values()))]


def train_together(config, seeds, directory, at):
    """Train seeds, all equally far, from their checkpoints or the start; a summary dict a seed.

    Each row of the log leaves a checkpoint. A seed that freezes leaves the batch, as it would have
    ended alone.
    """
    paths = [directory / f"seed_{seed}" for seed in seeds]
    trainer, summaries = begin(config, paths, seeds), []
    start = time.perf_counter() - sum(trainer.seconds.values())
    while trainer.iteration < config.iterations and len(trainer.frozen) < len(trainer.seeds):
        if trainer.frozen:
            summaries += finish(checkpoint.select(trainer, trainer.frozen), directory, start)
            trainer = checkpoint.select(
                trainer, [s for s in range(len(trainer.seeds)) if s not in trainer.frozen]
            )
        trainer.iterate()
        if trainer.due:
            log(trainer, directory)
        at(trainer.iteration)
    return summaries + finish(trainer, directory, start)


def begin(config, paths, seeds):
    """Trainer of the seeds with these run directories, new or from their checkpoints."""
    if not (paths[0] / "checkpoint.npz").is_file():
        trainer = Trainer(config, seeds)
        for path in paths:
            config_file.save(config, path / "config.json")
            write_json(path / "versions.json", versions())
            append_rows(path / "log.csv", LOG)
            append_rows(path / "timing.csv", ("iteration", *trainer.seconds))
        return trainer
    saved = [checkpoint.load(path / "checkpoint.npz") for path in paths]
    for path, state in zip(paths, saved, strict=True):
        for name, length in state["logs"].items():
            os.truncate(path / name, length)  # a row that came after the checkpoint comes again
    return checkpoint.restore(config, saved)


def log(trainer, directory):
    """Evaluate; of every seed that is not frozen a row in log.csv and timing.csv, a checkpoint."""
    row = trainer.evaluate()
    for s, seed in enumerate(trainer.seeds):
        if s not in trainer.frozen:
            path = directory / f"seed_{seed}"
            append_rows(path / "log.csv", [row[name][s] for name in LOG])
            append_rows(path / "timing.csv", (trainer.iteration, *trainer.seconds.values()))
            save(trainer, s, path)


def save(trainer, s, path):
    """Write the checkpoint of the seed at position s, with the lengths of its logs."""
    logs = {name: np.array((path / name).stat().st_size) for name in LOGS}
    checkpoint.save(path / "checkpoint.npz", trainer, s, logs)


def finish(trainer, directory, start):
    """Write diagnostics and summaries of a batch that is at its end: with these it is complete."""
    paths = [directory / f"seed_{seed}" for seed in trainer.seeds]
    for s, path in enumerate(paths):
        save(trainer, s, path)  # where a seed froze there was no row to log
    write_diagnostics(trainer, paths)
    returns = {
        "floor_return": bounds.floor_return(trainer.task),
        "myopic_return": bounds.myopic_return(trainer.task),
        "max_return": bounds.max_return(trainer.task),
    }
    wall_s = time.perf_counter() - start
    summaries = []
    for s, path in enumerate(paths):
        rows = columns((path / "log.csv").read_text())
        summaries.append(summary(trainer, s, rows, returns) | {"wall_s": wall_s})
        write_json(path / "summary.json", summaries[-1])
    return summaries


def summary(trainer, s, rows, returns):
    """Final numbers of a seed, means over the last evaluations (None without one), and bounds.

    rows are the columns of its log, as they are in the file.
    """
    config = trainer.config
    last = max(1, round(FINAL * len(rows.get("iteration", ()))))

    def final(name):
        return float(np.mean([float(cell) for cell in rows[name][-last:]])) if rows else None

    return {
        "task": config.task,
        "algo": config.algo,
        "seed": trainer.seeds[s],
        "episodes": trainer.iteration * config.episodes_per_iteration,
        "final_eval_return_recall": final("eval_return_recall"),
        "final_eval_return_total": final("eval_return_total"),
        **returns,
        "attention_remember": final("attention_remember"),
        "credit_early": final("credit_early"),
        "credit_recall": final("credit_recall"),
        "frozen": trainer.frozen.get(s),
    }
