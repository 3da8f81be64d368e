"""Versions that a run's numbers may depend on besides its config."""

import ctypes
import functools
import hashlib
import importlib.metadata
import platform
import subprocess
from pathlib import Path

import numpy as np

from lvgts_np import __version__
from lvgts_np.training import arithmetic
from lvgts_np.training.arithmetic import isolated
from lvgts_np.training.files import read_json, write_json

PACKAGES = ("numpy", "scipy", "autograd", "matplotlib", "tqdm")
CORENAMES = [(name.format("get_corename"),) for name in arithmetic.OPENBLAS]


def versions():
    """Dict of what a run was made with: names of strings, or of None for what is not known."""
    library = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    return {
        "lvgts_np": __version__,
        "commit": commit(Path(__file__).parents[2]),
        "python": platform.python_version(),
        "machine": platform.platform(),
        **{name: importlib.metadata.version(name) for name in PACKAGES},
        "blas": f"{library.get('name')} {library.get('version')}",
        "blas_kernel": blas_kernel(),
        "arithmetic": arithmetic_digest(),
    }


def record(path, iteration):
    """What differs since the last entry of a versions.json, in words; it is kept in the file.

    The keys stay those of the run's start; "history" lists iteration and versions of each later
    part of the run that had others.
    """
    now = versions()
    try:
        kept = dict(read_json(path))
        last = dict(kept.get("history", [kept])[-1])
    except (OSError, LookupError, TypeError, ValueError):
        write_json(path, now | {"history": [{"iteration": iteration, **now}]})
        return f"an unknown start, as {path.name} cannot be read"
    found = {name: (last[name], now[name]) for name in now if name in last}
    changed = [f"{name} {new}, not {old}" for name, (old, new) in found.items() if old != new]
    if changed:
        history = [*kept.pop("history", []), {"iteration": iteration, **now}]
        write_json(path, kept | {"history": history})
    return "; ".join(changed)


@functools.cache
@isolated()
def arithmetic_digest():
    """Digest of products and functions in float32: where it differs, logs are not the same bytes.

    It tells apart what no name does, as where NumPy or BLAS take other instructions.
    """
    x = np.random.default_rng(0).standard_normal((256, 80)).astype(np.float32)
    found = x @ x.T, x[:, :17].T @ x, np.exp(x), np.tanh(x), x.sum(axis=0), x.sum()
    return hashlib.sha256(b"".join(y.tobytes() for y in found)).hexdigest()[:12]


@functools.cache
def commit(checkout):
    """Git's commit of a checkout, with "-dirty" if it was changed; None where there is none.

    Read once a process, as imported modules do not change any more. A folder within another
    project's checkout (an installed package) is none.
    """
    git = ["git", f"--git-dir={checkout / '.git'}", f"--work-tree={checkout}"]
    git += ["--no-optional-locks", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(git, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None


def blas_kernel():
    """Name of the kernel that OpenBLAS chose for this processor; None for another library."""
    if (found := arithmetic.find(*CORENAMES)) is None:
        return None
    found[0].restype = ctypes.c_char_p
    return found[0]().decode()
