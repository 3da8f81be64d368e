"""Training of a batch of seeds on disk: logs, checkpoints, diagnostics, summaries."""

import math
import time

import numpy as np

from lvgts_np.experiments.diagnostics import write_diagnostics
from lvgts_np.experiments.run_directory import PREVIOUS, clear, locked, look, resumable
from lvgts_np.experiments.versions import record, versions
from lvgts_np.tasks import bounds
from lvgts_np.training import checkpoint, config_file
from lvgts_np.training.arithmetic import isolated
from lvgts_np.training.checkpoint import LOGS, TABLES
from lvgts_np.training.files import (
    MAX_TABLE,
    Log,
    arrays,
    as_csv,
    as_json,
    digest_of,
    keep,
    read_bytes,
    save_arrays,
    sync,
    write_json,
)  # fmt: skip
from lvgts_np.training.limits import check_memory, memory
from lvgts_np.training.notes import note
from lvgts_np.training.trainer import LOSSES, Trainer

LOG = (
    "iteration", "episodes", "return_recall", "return_total", "eval_return_recall",
    "eval_return_total", *LOSSES, "attention_remember", "credit_early", "credit_recall",
)  # fmt: skip
WAIT = 0.005  # share of the time that the rows wait for the disk
FINAL = 0.05  # the last share of the evaluations that the final numbers are means of


@isolated()
def train_batch(config, seeds, directory, advance=lambda steps: None):
    """Train a batch of seeds in their run directories; summaries (dicts) by seed.

    The process that writes holds the locks: OutputError where another one does. Seeds continue
    from what is on disk then, so a call that is made twice, or comes late, repeats and loses
    nothing. advance(steps) is called after each iteration.
    """
    check_memory([memory(config, len(seeds))])
    with locked(directory, seeds):
        for seed in seeds:
            (directory / f"seed_{seed}").mkdir(exist_ok=True)
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
    trainer, files = begin(config, paths, seeds)
    start = time.perf_counter() - sum(trainer.seconds.values())
    while trainer.iteration < config.iterations and not trainer.frozen:
        trainer.iterate()
        if trainer.due:
            files.log(trainer)
        advance(steps(config, 1))
    for s in range(len(seeds)):  # where a seed froze there may be no row
        files.save(s, checkpoint.state_of(trainer, s))
    ended = list(trainer.frozen or range(len(seeds)))
    files.finish(checkpoint.select(trainer, ended), ended, start)


def begin(config, paths, seeds):
    """Trainer of the seeds with these run directories, new or from their checkpoints; its files."""
    found = [resumable(config, seed, path) for seed, path in zip(seeds, paths, strict=True)]
    if found[0][0]:
        trainer = checkpoint.restore(config, [state for state, _ in found])
        contents = [contents for _, contents in found]
        note_versions(trainer, paths)
    else:
        trainer = Trainer(config, seeds)
        headers = {"log.csv": LOG, "timing.csv": ("iteration", *trainer.seconds)}
        contents = [{name: as_csv(header) for name, header in headers.items()} for _ in paths]
        for path in paths:
            config_file.save(config, path / "config.json")
            write_json(path / "versions.json", versions(), synced=True)
    return trainer, Files(paths, contents)


def note_versions(trainer, paths):
    """A line for the seeds that resume with other versions than they had."""
    seeds = {}
    for seed, path in zip(trainer.seeds, paths, strict=True):
        seeds.setdefault(record(path / "versions.json", trainer.iteration), []).append(str(seed))
    for words, numbers in seeds.items():
        if words:
            what = f"{paths[0].parent}, seed {', '.join(numbers)}: resumed at iteration"
            note(f"{what} {trainer.iteration} with {words}; numbers may differ")


class Files:
    """Logs and checkpoints of a batch of seeds that learns, by the seeds' positions."""

    def __init__(self, paths, contents):
        """contents are those of the logs, by name, of each; what is written since goes."""
        self.paths, self.synced, self.next = paths, [False] * len(paths), -math.inf
        self.logs = [
            {name: Log(path / name, content) for name, content in logs.items()}
            for path, logs in zip(paths, contents, strict=True)
        ]

    def log(self, trainer):
        """Evaluate; of every seed that is not frozen a row in its logs, and a checkpoint.

        They are on the disk when this ends, unless that would take more than WAIT of the time; a
        crash of the machine then costs the rows since. One of the process costs none.
        """
        row, start = trainer.evaluate(), time.perf_counter()
        synced = start >= self.next
        for s, logs in enumerate(self.logs):
            if s not in trainer.frozen:
                logs["log.csv"].append([row[name][s] for name in LOG])
                logs["timing.csv"].append((trainer.iteration, *trainer.seconds.values()))
                self.save(s, checkpoint.state_of(trainer, s), synced)
        if synced:
            now = time.perf_counter()
            self.next = now + (now - start) / WAIT

    def save(self, s, state, synced=False, digests=None):
        """Write a checkpoint with what it vouches for: the logs, and files with these digests."""
        path, logs = self.paths[s], {name: log.content for name, log in self.logs[s].items()}
        known = {name: digest_of(content) for name, content in logs.items()} | (digests or {})
        state |= {"logs": {name: len(x) for name, x in logs.items()}, "digests": known}
        for name in LOGS if synced else ():
            sync(path / name)
        if self.synced[s]:
            keep(path / "checkpoint.npz", path / PREVIOUS)
        save_arrays(path / "checkpoint.npz", state, synced)
        if synced:
            sync(path)
        self.synced[s] = synced

    def finish(self, trainer, ended, start):
        """Write diagnostics and summaries of the seeds that are at their end: complete then."""
        states = [checkpoint.state_of(trainer, n) for n in range(len(ended))]
        write_diagnostics(trainer, [self.paths[s] for s in ended])  # which draws episodes
        wall_s = time.perf_counter() - start
        for n, s in enumerate(ended):
            path, log = self.paths[s], self.logs[s]["log.csv"].content
            result = summary(trainer, n, arrays(log.decode())) | {"wall_s": wall_s}
            digests = {"summary.json": digest_of(as_json(result))}
            for name in TABLES:
                sync(path / name)
                digests[name] = digest_of(read_bytes(path / name, MAX_TABLE))
            self.save(s, states[n], True, digests)
            (path / PREVIOUS).unlink(missing_ok=True)
            write_json(path / "summary.json", result, synced=True)
            sync(path)


def summary(trainer, s, rows):
    """Final numbers of a seed, means over its last evaluations (None without one), and bounds.

    rows are the columns of its log.
    """
    config, task = trainer.config, trainer.task
    last = max(1, round(FINAL * len(rows.get("iteration", ()))))
    final = {name: float(np.mean(rows[name][-last:])) if rows else None for name in LOG}
    return {
        "task": config.task,
        "algo": config.algo,
        "seed": trainer.seeds[s],
        "episodes": trainer.iteration * config.episodes_per_iteration,
        "final_eval_return_recall": final["eval_return_recall"],
        "final_eval_return_total": final["eval_return_total"],
        "floor_return": bounds.floor_return(task),
        "myopic_return": bounds.myopic_return(task),
        "max_return": bounds.max_return(task),
        **{name: final[name] for name in ("attention_remember", "credit_early", "credit_recall")},
        "frozen": trainer.frozen.get(s),
    }
