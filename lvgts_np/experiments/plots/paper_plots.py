"""The tables behind Figure 2, as CSV files, and its pictures, drawn from these alone. [Fig. 2]

A study is {(task, algo): [Seed, ...]}.
"""

import matplotlib
import numpy as np

from lvgts_np.experiments.plots import canvas, paint
from lvgts_np.experiments.statistics import band, best
from lvgts_np.experiments.summary import final_returns, run_summaries
from lvgts_np.training.files import read_table, replace, write_table

TASKS = ("dummy_pmt", "dummy_amt", "pendulum_amt", "pendulum_pmt")
RETURNS = ("task", "algo", "episodes", "mean", "low", "high", "kept_mean")
FINALS = (
    "task", "algo", "seed", "final_return", "kept", "attention_remember", *paint.BOUNDS,
    "t1", "t2", "T",
)  # fmt: skip
ATTENTION = ("task", "t", "i", "weight")


def draw(study, folder):
    """returns.csv, attention.csv, finals.csv; figure2 and spread, each as PNG and as PDF."""
    cells = sorted((cell for cell in study if study[cell]), key=lambda c: (TASKS.index(c[0]), c[1]))
    runs = {cell: run_summaries(study, cell) for cell in cells}
    numbers = sorted({seed.number for cell in cells for seed in study[cell]})
    tables = {
        "returns": ((*RETURNS, *map(str, numbers)), returns(study, runs, numbers)),
        "attention": (ATTENTION, attention(study, cells)),
        "finals": (FINALS, finals(study, runs)),
    }
    for name, (header, rows) in tables.items():
        write_table(folder / f"{name}.csv", header, rows)
    table = {name: read_table(folder / f"{name}.csv") for name in tables}
    with matplotlib.rc_context(paint.STYLE):
        save(canvas.figure2(**table), folder / "figure2")
        save(canvas.spread(table["finals"]), folder / "spread")


def kept(runs):
    """The seeds that the paper's rule keeps, the best three quarters by final return."""
    seeds = list(runs)
    return {seeds[n] for n in best(final_returns(runs.values()))}


def returns(study, runs, numbers):
    """A row for each evaluation of a cell; the statistics only where all its runs have one."""
    rows = []
    for cell, of_seed in runs.items():
        keep = kept(of_seed)
        curves = {s.number: curve(s) for s in study[cell]}
        steps = sorted(set().union(*curves.values()))
        values = {n: [c.get(step, np.nan) for step in steps] for n, c in curves.items()}
        whole = np.isfinite(np.array(list(values.values()))).all(axis=0)
        statistics = np.full((4, len(steps)), np.nan)
        if whole.any():
            every = np.array(list(values.values()))[:, whole]
            best_ones = np.array([values[n] for n in sorted(keep)])[:, whole]
            statistics[:, whole] = *band(every), best_ones.mean(axis=0)
        for t, step in enumerate(steps):
            own = [values[n][t] if n in values else np.nan for n in numbers]
            rows.append((*cell, int(step), *statistics[:, t], *own))
    return rows


def curve(seed):
    """Recall return of the noise-free policy by training episodes; {} without a log."""
    log = seed.tables.get("log", {"episodes": (), "eval_return_recall": ()})
    return dict(zip(log["episodes"], log["eval_return_recall"], strict=True))


def attention(study, cells):
    """LVGTS's map A[t, i], mean over the runs that came to one."""
    rows = []
    for task, algo in cells:
        maps = [s.tables["attention"] for s in study[task, algo] if "attention" in s.tables]
        if algo == "lvgts" and maps:
            steps = zip(maps[0]["t"].astype(int), maps[0]["i"].astype(int), strict=True)
            weight = np.mean([x["weight"] for x in maps], axis=0)
            rows += [(task, t, i, w) for (t, i), w in zip(steps, weight, strict=True)]
    return rows


def finals(study, runs):
    rows = []
    for cell, of_seed in runs.items():
        keep = kept(of_seed)
        for seed in study[cell]:
            run, c = of_seed[seed.number], seed.config
            own = run["final_eval_return_recall"], int(seed.number in keep)
            fixed = [run[name] for name in ("attention_remember", *paint.BOUNDS)]
            rows.append((*cell, seed.number, *own, *fixed, c["t1"], c["t2"], c["T"]))
    return rows


def save(figure, stem):
    """PNG and PDF, the same bytes for the same numbers."""
    for kind, metadata in (("png", {"Software": None}), ("pdf", {"CreationDate": None})):
        path, options = stem.with_suffix(f".{kind}"), {"format": kind, "metadata": metadata}
        replace(path, lambda at, f=options: figure.savefig(at, dpi=200, **f))
