"""A folder's seeds as four pictures, each drawn from the CSV of the same name. [Fig. 1, Fig. 2]

First a table is made from what the seeds wrote, and saved; the picture is drawn from it alone.
"""

from pathlib import Path

import matplotlib
import numpy as np

from lvgts_np.experiments.plots import paint
from lvgts_np.experiments.run_data import read_seed, same_settings
from lvgts_np.training.files import read_table, replace, write_table


def draw(folder, like=None):
    """Draw <out>/<task>/<algo> from its seed_<s> folders: four PNG, and the CSV behind each.

    A seed that never came to a file is left out of its picture. Seeds with other settings than
    those of seed `like`, or of most, are left out of all. ValueError where there is nothing to
    draw, or a file is damaged.
    """
    folder = Path(folder)
    paths = [path for path in folder.glob("seed_*") if path.name[5:].isdecimal()]
    seeds = [read_seed(path) for path in paths if (path / "config.json").is_file()]
    seeds = sorted((seed for seed in seeds if seed.tables), key=lambda seed: seed.number)
    seeds = same_settings(seeds, like)
    if not seeds:
        raise ValueError(f"{folder}: nothing to draw, no seed_<s> with a config.json and a log.csv")
    for stem, (source, tabulate, picture) in PICTURES.items():
        having = [seed for seed in seeds if source in seed.tables]
        if having:
            table, image = folder / f"{stem}.csv", folder / f"{stem}.png"
            write_table(table, *tabulate(having))
            with matplotlib.rc_context(paint.STYLE):
                replace(image, write_png, picture(read_table(table), having))


def write_png(path, figure):
    # No version and no date: the same table gives the same bytes.
    figure.savefig(path, format="png", dpi=150, metadata={"Software": None})


def tabulate_learning_curve(seeds):
    """Return by training episodes: a column a seed, their mean where all have one, the bounds."""
    logs = [seed.tables["log"] for seed in seeds]
    curves = [dict(zip(x["episodes"], x["eval_return_recall"], strict=True)) for x in logs]
    summary = next((seed.summary for seed in seeds if seed.summary), {})
    bounds = [summary.get(name, "") for name in paint.BOUNDS]
    rows = []
    for episodes in sorted(set().union(*curves)):
        values = [curve.get(episodes, "") for curve in curves]
        # A mean over those that are left would jump where a seed ends.
        mean = "" if "" in values else np.mean(values)
        rows.append((int(episodes), *values, mean, *bounds))
    return ("episodes", *(f"seed_{seed.number}" for seed in seeds), "mean", *paint.BOUNDS), rows


def tabulate_attention(seeds):
    return mean_over_seeds(seeds, "attention", ("weight",))


def tabulate_credit(seeds):
    return mean_over_seeds(seeds, "credit", ("rms", "mean"))


def mean_over_seeds(seeds, source, values):
    """Header and rows of a table that all seeds have, with the means of the columns `values`."""
    first = seeds[0].tables[source]
    steps = [name for name in first if name not in values]
    for seed in seeds:
        if not all(np.array_equal(seed.tables[source][name], first[name]) for name in steps):
            raise ValueError(f"{source}.csv of seeds {seeds[0].number} and {seed.number} disagree")
    means = [np.mean([seed.tables[source][name] for seed in seeds], axis=0) for name in values]
    columns = [*(first[name].astype(int) for name in steps), *means]
    return (*steps, *values), list(zip(*columns, strict=True))


def tabulate_episode(seeds):
    """The first seed's episode, the real reward being the one that r_hat predicts. [§4.1]"""
    columns = dict(seeds[0].tables["episode"])
    scale = seeds[0].config["distractor_scale"]
    columns["r"] = columns.pop("r_recall") + scale * columns.pop("r_distractor")
    columns["t"] = columns["t"].astype(int)
    return tuple(columns), list(zip(*columns.values(), strict=True))


# A picture's name: the seeds' file it comes from, how its table is made, and how it is drawn.
PICTURES = {
    "learning_curve": ("log", tabulate_learning_curve, paint.learning_curve),
    "attention": ("attention", tabulate_attention, paint.attention),
    "credit": ("credit", tabulate_credit, paint.credit),
    "episode": ("episode", tabulate_episode, paint.episode),
}
