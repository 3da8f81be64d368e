"""A stack of seeds that learns and leaves it all on disk: logs, checkpoints, audit, summary."""

import importlib.metadata
import os
import platform
import time

import numpy as np

from lvgts_np import bounds, checkpoint, config, states
from lvgts_np.audit import write_audit
from lvgts_np.folders import LOGS
from lvgts_np.tables import append, columns, write_json
from lvgts_np.train import LOSSES, Trainer

LOG = (
    "iteration", "episodes", "return_recall", "return_total", "eval_return_recall",
    "eval_return_total", *LOSSES, "attention_remember", "credit_early", "credit_recall",
)  # fmt: skip
PACKAGES = ("numpy", "scipy", "autograd", "matplotlib", "tqdm")
FINAL = 0.05  # the last share of the evaluations that the final numbers are means of


def train_stack(settings, seeds, folder, at=lambda iteration: None):
    """Train one stack of seeds, whose folders exist; returns a summary dict a seed.

    They go on from their checkpoints, all of one iteration, or start where there is none; each
    row of the log leaves a checkpoint. A seed that freezes leaves the stack, as it would have
    ended alone. at(iteration) is told how far the stack is.
    """
    trainer, summaries = begin(settings, [folder / f"seed_{seed}" for seed in seeds], seeds), []
    start = time.perf_counter() - sum(trainer.seconds.values())
    while trainer.iteration < settings.iterations and len(trainer.frozen) < len(trainer.seeds):
        if trainer.frozen:
            summaries += finish(states.part(trainer, trainer.frozen), folder, start)
            trainer = states.part(
                trainer, [s for s in range(len(trainer.seeds)) if s not in trainer.frozen]
            )
        trainer.iterate()
        due = trainer.iteration % settings.eval_every == 0
        if due or trainer.iteration == settings.iterations:
            log(trainer, folder)
        at(trainer.iteration)
    return summaries + finish(trainer, folder, start)


def begin(settings, paths, seeds):
    """The Trainer of the seeds with these folders, new or from their checkpoints."""
    if not (paths[0] / "checkpoint.npz").is_file():
        trainer = Trainer(settings, seeds)
        for path in paths:
            config.save(settings, path / "config.json")
            write_json(path / "versions.json", versions())
            append(path / "log.csv", LOG)
            append(path / "timing.csv", ("iteration", *trainer.seconds))
        return trainer
    saved = [checkpoint.load(path / "checkpoint.npz") for path in paths]
    for path, state in zip(paths, saved, strict=True):
        for name, length in state["logs"].items():
            os.truncate(path / name, length)  # a row that came after the checkpoint comes again
    return states.put(settings, saved)


def log(trainer, folder):
    """Evaluate; of every seed that is not frozen a row in log.csv and timing.csv, a checkpoint."""
    S = len(trainer.seeds)
    row = trainer.evaluate()
    row["iteration"] = [trainer.iteration] * S
    row["episodes"] = [trainer.iteration * trainer.config.episodes_per_iteration] * S
    for s, seed in enumerate(trainer.seeds):
        if s not in trainer.frozen:
            path = folder / f"seed_{seed}"
            append(path / "log.csv", [row[name][s] for name in LOG])
            append(path / "timing.csv", (trainer.iteration, *trainer.seconds.values()))
            save(trainer, s, path)


def save(trainer, s, path):
    """The checkpoint of the seed at position s, with the lengths of the logs that belong to it."""
    logs = {name: np.array((path / name).stat().st_size) for name in LOGS}
    checkpoint.save(path / "checkpoint.npz", states.take(trainer, s) | {"logs": logs})


def finish(trainer, folder, start):
    """Audit a stack that is at its end, and write its summaries: with these it is complete."""
    paths = [folder / f"seed_{seed}" for seed in trainer.seeds]
    for s, path in enumerate(paths):
        save(trainer, s, path)  # where a seed froze there was no row to log
    write_audit(trainer, paths)
    earned = {
        "floor_return": bounds.floor_return(trainer.task),
        "myopic_return": bounds.myopic_return(trainer.task),
        "max_return": bounds.max_return(trainer.task),
    }
    wall_s = time.perf_counter() - start
    summaries = []
    for s, path in enumerate(paths):
        rows = columns((path / "log.csv").read_text())
        summaries.append(summary(trainer, s, rows, earned) | {"wall_s": wall_s})
        write_json(path / "summary.json", summaries[-1])
    return summaries


def summary(trainer, s, rows, earned):
    """Final numbers of a seed, means over the last evaluations (None without one), and bounds.

    rows are the columns of its log, as they are in the file.
    """
    settings = trainer.config
    last = max(1, round(FINAL * len(rows.get("iteration", ()))))

    def final(name):
        return float(np.mean([float(cell) for cell in rows[name][-last:]])) if rows else None

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
