"""Arithmetic of training, which no setting of the caller reaches: BLAS threads, NumPy's errors.

And the memory that it leaves.
"""

import contextlib
import ctypes
import functools
import gc
import os
import threading

import numpy as np
from numpy.linalg import _umath_linalg

from lvgts_np.training.config import THREADS
from lvgts_np.training.streams import note

OPENBLAS = [f"{a}openblas_{{}}{b}" for a in ("scipy_", "") for b in ("64_", "")]
CONTROLS = [(x.format("get_num_threads"), x.format("set_num_threads")) for x in OPENBLAS]
CONTROLS.append(("MKL_Get_Max_Threads", "MKL_Set_Num_Threads"))
lock, users = threading.Lock(), []  # of `isolated`; what each found, and is to leave


@contextlib.contextmanager
def isolated():
    """Context, also a decorator: no floating-point error raises or warns, BLAS has one thread.

    Training looks for non-finite numbers itself: whatever `np.seterr` says in the caller, a seed
    that becomes non-finite must not end the others. On arrays this small more threads only wait for
    each other; but where a variable of THREADS says how many, so many they are. Several threads of
    Python may be in here at once: the last to leave gives BLAS back what it had.
    """
    with lock:
        users.append(users[0] if users else set_threads(1))
    try:
        with np.errstate(all="ignore"):
            yield
    finally:
        with lock:
            before = users.pop()
            if before and not users:
                set_threads(before)


def release():
    """Give free memory back to the system, where Python and the C library, glibc's, keep it."""
    gc.collect()
    with contextlib.suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


def set_threads(n):
    """Set the number of BLAS threads, returns that before; None where it cannot, or need not."""
    if any(name in os.environ for name in THREADS):
        return None
    if (controls := find(*CONTROLS)) is None:
        warn_once()
        return None
    get, put = controls
    before = get()
    put(n)
    return before


@functools.cache
def warn_once():
    note("NumPy's BLAS may use more threads than help: start Python with OMP_NUM_THREADS=1")


@functools.cache
def find(*choices):
    """Functions of NumPy's BLAS by the first choice of names that it has whole, or None."""
    # A symbol is looked up in the extension module and in the libraries that it was linked with.
    library = ctypes.CDLL(_umath_linalg.__file__)
    for names in choices:
        if all(hasattr(library, name) for name in names):
            return [getattr(library, name) for name in names]
    return None
