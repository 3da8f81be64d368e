"""Signals: Ctrl-C is never lost, SIGTERM waits for the row of the log that is under way.

A library may swallow the exception of a signal (in a destructor, a callback, C code) and go on with
half of its work. So the signal is remembered, and no file is replaced after it: `check`.
"""

import contextlib
import signal
import sys
import threading
import time
from types import SimpleNamespace

INT, TERM = signal.SIGINT, signal.SIGTERM
UNUSED = {INT: signal.default_int_handler, TERM: signal.SIG_DFL}  # handlers that `listen` replaces
PATIENCE = 3.0  # s in which the work ends after a signal, and further ones are not needed

# raised: the signal whose exception ends the work, and when. waiting: SIGTERM waits for a row.
# rows: one item for each block, of any thread, that ends at a row by itself then.
now = SimpleNamespace(raised=None, since=0.0, waiting=False, rows=[])


class Terminated(SystemExit):
    """End by SIGTERM, with exit code 143 = 128 + SIGTERM."""


def check():
    """Raise again what a signal has raised; called before a file is replaced."""
    if now.raised:
        raise KeyboardInterrupt if now.raised == INT else Terminated(128 + TERM)


def after_row():
    """End here if SIGTERM has come, now that the row and its checkpoint are written."""
    if now.waiting:
        raise Terminated(128 + TERM)


@contextlib.contextmanager
def rows():
    """Block that calls `after_row`: SIGTERM waits for that."""
    now.rows.append(True)
    try:
        after_row()
        yield
    finally:
        now.rows.pop()


@contextlib.contextmanager
def listen(*numbers, last=False):
    """Context, also a decorator, that handles signals which nobody else handles or ignores.

    An error that a library makes of an interrupt is KeyboardInterrupt again. Where the process ends
    with it (`last`) signals are ignored afterwards.
    """
    if threading.current_thread() is not threading.main_thread():
        numbers = ()
    taken = [n for n in numbers if signal.getsignal(n) == UNUSED[n]]
    hook, before = sys.unraisablehook, vars(now).copy()
    try:
        if taken:
            sys.unraisablehook = hide
        for number in taken:
            signal.signal(number, handle)
        yield
        check()
    except Exception:
        check()
        raise
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_IGN if last else UNUSED[number])
        if taken and not last:
            sys.unraisablehook = hook
            vars(now).update(before)


def hide(unraisable):
    """`sys.unraisablehook` that does not show a signal's exception where it is swallowed."""
    if not now.raised:
        sys.__unraisablehook__(unraisable)


def handle(number, frame=None):
    """Handler of SIGINT and SIGTERM."""
    if number == TERM and now.rows and not now.waiting:
        now.waiting = True
    elif not now.raised or time.monotonic() > now.since + PATIENCE:
        now.raised, now.since = number, time.monotonic()
        check()


@contextlib.contextmanager
def blocked():
    """Block that no signal cuts in two; processes and threads that it starts get none either.

    Such a process calls `obey` when it is ready for them. Nothing is blocked on Windows.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, UNUSED)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def obey():
    """Make a worker process leave Ctrl-C, which reaches every process of a terminal, to its parent.

    SIGTERM, as often as it comes, ends its work after the row: an exception at any other place
    would break the pool that it is one of.
    """
    signal.signal(INT, signal.SIG_IGN)
    signal.signal(TERM, wait_for_row)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, UNUSED)


def wait_for_row(number, frame=None):
    """Handler of SIGTERM in a worker."""
    now.waiting = True
