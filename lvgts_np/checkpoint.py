"""Groups of named arrays as one .npz, without pickle."""

import numpy as np

from lvgts_np.tables import replace


def save(path, groups):
    """Write groups of named arrays, e.g. {"phi": phi}, to one .npz, whole or not at all."""
    arrays = {f"{group}/{name}": x for group, xs in groups.items() for name, x in xs.items()}
    replace(path, _write, arrays)


def load(path):
    """The groups in a file that `save` wrote, but for those that are empty."""
    groups = {}
    # Opened here, as np.load leaves a damaged file open.
    with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        for key in arrays:
            group, _, name = key.partition("/")
            groups.setdefault(group, {})[name] = arrays[key]
    return groups


def _write(path, arrays):
    with path.open("wb") as file:  # np.savez would add .npz to the name
        np.savez(file, **arrays)
