"""Arithmetic of training, which no setting of the caller reaches: BLAS threads, NumPy's errors."""

import contextlib
import ctypes
import functools
import os
import threading

import numpy as np
from numpy.linalg import _umath_linalg

from lvgts_np.training.config import THREADS
from lvgts_np.training.notes import note

OPENBLAS = [f"{a}openblas_{{}}{b}" for a in ("scipy_", "") for b in ("64_", "")]
CONTROLS = [(x.format("get_num_threads"), x.format("set_num_threads")) for x in OPENBLAS] + [
    ("MKL_Get_Max_Threads", "MKL_Set_Num_Threads"),
    ("bli_thread_get_num_threads", "bli_thread_set_num_threads"),
]
UNKNOWN = "NumPy's BLAS may use more threads than help: start Python with OMP_NUM_THREADS=1"
users = {"lock": threading.Lock(), "n": 0, "before": None}  # of one_thread


@contextlib.contextmanager
def isolated():
    """Context, also a decorator: no floating-point error raises or warns, BLAS has one thread.

    Training looks for non-finite numbers itself, and whatever `np.seterr` says in the caller, one
    seed that becomes non-finite must not end the others.
    """
    with np.errstate(all="ignore"), one_thread():
        yield


@contextlib.contextmanager
def one_thread():
    """Give BLAS one thread, or as few as a variable of THREADS says, and afterwards what it had.

    On arrays this small more threads only wait for each other. A BLAS reads the variables as it is
    loaded, which in a notebook was long ago. Several threads of Python may be in here at once.
    """
    with users["lock"]:
        users["n"] += 1
        if users["n"] == 1:
            users["before"] = set_threads(fewest())
    try:
        yield
    finally:
        with users["lock"]:
            users["n"] -= 1
            if users["n"] == 0 and users["before"]:
                set_threads(users["before"])


def fewest():
    """Least number of threads that the environment names; 1 where it names none."""
    named = [os.environ[name] for name in THREADS if name in os.environ]
    return min((int(text) for text in named if text.isdecimal() and int(text)), default=1)


def set_threads(n):
    """Set the number of BLAS threads, returns that before; None, and a line, where none can be."""
    controls = find(*CONTROLS)
    if controls is None:
        warn_once()
        return None
    get, put = controls
    before = get()
    put(n)
    return before


@functools.cache
def warn_once():
    if not any(name in os.environ for name in THREADS):
        note(UNKNOWN)


@functools.cache
def find(*choices):
    """Functions of NumPy's BLAS by the first choice of names that it has whole, or None."""
    # A symbol is looked up in the extension module and in the libraries that it was linked with.
    library = ctypes.CDLL(_umath_linalg.__file__)
    for names in choices:
        if all(hasattr(library, name) for name in names):
            return [getattr(library, name) for name in names]
    return None
