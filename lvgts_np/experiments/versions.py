"""Versions that a run's numbers may depend on besides its config."""

import ctypes
import functools
import importlib.metadata
import platform
import subprocess
from pathlib import Path

import numpy as np

from lvgts_np import __version__
from lvgts_np.training import arithmetic

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
    }


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
