"""Training of a batch of seeds on disk: logs, checkpoints, diagnostics, summaries."""

import os
import shutil
import time

import numpy as np

from lvgts_np.experiments import compass
from lvgts_np.experiments.diagnostics import TABLES, write_diagnostics
from lvgts_np.experiments.run_directory import (
    BESIDE,
    CUE,
    LOG,
    PREVIOUS,
    bounds_of,
    clear,
    locked,
    log_headers,
    look,
    resumable,
)
from lvgts_np.experiments.versions import record, versions
from lvgts_np.tasks.check import BOUNDS
from lvgts_np.training import checkpoint, config_file, interrupts
from lvgts_np.training.arithmetic import isolated
from lvgts_np.training.files import (
    Log,
    arrays,
    as_csv,
    as_json,
    digest_of,
    digest_of_file,
    save_arrays,
    sync,
    write_json,
)  # fmt: skip
from lvgts_np.training.metrics import attention_share
from lvgts_np.training.streams import note
from lvgts_np.training.trainer import Trainer

FINALS = (*CUE, *BESIDE)
FINAL = 0.05  # the last share of the evaluations that the final numbers are means of


@isolated()
def train_batch(config, seeds, directory, advance=lambda steps: None):
    """Train a batch of seeds in their run directories; summaries (dicts) by seed.

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
    trainer, logs = begin(config, paths, seeds)
    start = time.perf_counter() - sum(trainer.seconds.values())
    with interrupts.rows():
        while trainer.iteration < config.iterations and not trainer.frozen:
            trainer.iterate()
            if compass.due(trainer):
                rows = trainer.timed("evaluate", compass.compass, trainer)
                for s in range(len(seeds)):
                    logs[s]["compass.csv"].append(*rows[s])
            if trainer.due:
                log(trainer, paths, logs)
                interrupts.after_row()
            advance(steps(config, 1))
    for s, path in enumerate(paths):  # where a seed froze there may be no row
        save(path, checkpoint.state_of(trainer, s), logs[s])
    ended = list(trainer.frozen or range(len(seeds)))
    trainer = checkpoint.select(trainer, ended)  # in place of the batch's, whose buffers go
    finish(trainer, [paths[s] for s in ended], [logs[s] for s in ended], start)


def begin(config, paths, seeds):
    """Trainer of the seeds with these run directories, and the logs of each by name.

    Both are new or from their checkpoints: what the logs hold besides goes.
    """
    states = [resumable(config, seed, path) for seed, path in zip(seeds, paths, strict=True)]
    if states[0]:
        trainer = checkpoint.restore(config, states)
        note_versions(trainer, paths)
    else:
        trainer = Trainer(config, seeds)
        headers = log_headers(trainer.task, trainer.seconds)
        empty = {name: as_csv([x]) for name, x in headers.items()}
        states = [{"logs": empty}] * len(paths)
        for path in paths:
            config_file.save(config, path / "config.json")
            write_json(path / "versions.json", versions(), synced=True)
    logs = [
        {name: Log(path / name, bytes(content)) for name, content in state["logs"].items()}
        for path, state in zip(paths, states, strict=True)
    ]
    return trainer, logs


def note_versions(trainer, paths):
    """A line for the seeds that resume with other versions than they had."""
    seeds = {}
    for seed, path in zip(trainer.seeds, paths, strict=True):
        seeds.setdefault(record(path / "versions.json", trainer.iteration), []).append(str(seed))
    for words, numbers in seeds.items():
        if words:
            what = f"{paths[0].parent}, seed {', '.join(numbers)}: resumed at iteration"
            note(f"{what} {trainer.iteration} with {words}; numbers may differ")


def log(trainer, paths, logs):
    """Evaluate; of every seed that is not frozen a row in its logs, and a checkpoint."""
    row, columns = trainer.evaluate(), log_headers(trainer.task, trainer.seconds)["log.csv"]
    for s, path in enumerate(paths):
        if s not in trainer.frozen:
            logs[s]["log.csv"].append([row[name][s] for name in columns])
            logs[s]["timing.csv"].append((trainer.iteration, *trainer.seconds.values()))
            save(path, checkpoint.state_of(trainer, s), logs[s])


def save(path, state, logs, **digests):
    """Write a checkpoint with its logs, on the disk when this ends; the one before is PREVIOUS."""
    current, previous = path / "checkpoint.npz", path / PREVIOUS
    state |= {"logs": {name: np.frombuffer(x.content, np.uint8) for name, x in logs.items()}}
    state |= {"digests": {name: np.array(x) for name, x in digests.items()}}
    if current.exists():
        previous.unlink(missing_ok=True)
        try:
            os.link(current, previous)
        except OSError:  # a disk without links
            shutil.copyfile(current, previous)
    save_arrays(current, state, synced=True)


def finish(trainer, paths, logs, start):
    """Write diagnostics and summaries of the seeds that are at their end: complete then."""
    states = [checkpoint.state_of(trainer, s) for s in range(len(paths))]
    write_diagnostics(trainer, paths)  # which draws episodes
    wall_s = time.perf_counter() - start
    for s, path in enumerate(paths):
        tables = {name: arrays(log.content.decode()) for name, log in logs[s].items()}
        result = summary(trainer, s, tables) | {"wall_s": wall_s}
        digests = {"summary.json": digest_of(as_json(result))}
        for name in TABLES:
            sync(path / name)
            digests[name] = digest_of_file(path / name)
        save(path, states[s], logs[s], **digests)
        (path / PREVIOUS).unlink(missing_ok=True)  # now, as nobody looks for it after a summary
        write_json(path / "summary.json", result, synced=True)


def summary(trainer, s, tables):
    """Final numbers of a seed, means over its last evaluations (None without one), and bounds.

    tables are the columns of its logs by file name.
    """
    config, rows = trainer.config, tables["log.csv"]
    last = max(1, round(FINAL * len(rows.get("iteration", ()))))
    names = (*LOG, *FINALS)
    final = {x: float(np.mean(rows[x][-last:])) if x in rows else None for x in names}
    return {
        "task": config.task,
        "algo": config.algo,
        "seed": trainer.seeds[s],
        "episodes": trainer.iteration * config.episodes_per_iteration,
        "final_eval_return_recall": final["eval_return_recall"],
        "final_eval_return_total": final["eval_return_total"],
        **dict.fromkeys(BOUNDS),
        **bounds_of(config),
        **{name: final[name] for name in FINALS},
        "attention_untrained": untrained_attention(config, trainer.seeds[s]),
        **compass.agreement(trainer.task, config.algo, tables["compass.csv"]),
        "frozen": trainer.frozen.get(s),
    }


def untrained_attention(config, seed):
    """Share of the pay's attention on the cue before any training; None without these."""
    trainer = Trainer(config, [seed])
    if not len(trainer.task.cue):
        return None
    *_, parts = trainer.probe_in_parts(config.eval_episodes, "compass")
    phases = trainer.task.cue, trainer.task.pay
    return float(sum(share * attention_share(x.w, *phases)[0] for share, x in parts))
