"""What a run saves of a seed: parameters, Adam's moments and the iteration, without pickle."""

import os

import numpy as np


def save(path, groups, iteration):
    """Write groups of named arrays, e.g. {"phi": phi}, to one .npz, whole or not at all."""
    arrays = {f"{group}/{name}": x for group, xs in groups.items() for name, x in xs.items()}
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        np.savez(file, iteration=iteration, **arrays)
    os.replace(part, path)


def load(path, groups=("phi", "theta")):
    """The named groups of a file that `save` wrote, each a dict of arrays."""
    with np.load(path, allow_pickle=False) as file:
        return tuple(
            {name.split("/", 1)[1]: file[name] for name in file if name.startswith(group + "/")}
            for group in groups
        )
