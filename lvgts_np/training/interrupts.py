"""Signals: an interrupt is never lost, SIGTERM waits for the row of the log that is under way.

A library may swallow the exception of a signal (in a destructor, a callback, C code) and go on with
half of its work. So the signal is remembered, and nothing is written to disk after it: `check`.
"""

import contextlib
import os
import signal
import sys
import threading
from types import SimpleNamespace

INT, TERM = signal.SIGINT, signal.SIGTERM
UNUSED = {INT: signal.default_int_handler, TERM: signal.SIG_DFL}  # handlers that `listen` replaces
SAID = {INT: "interrupted", TERM: "terminated"}
# raised: the signal that ended the work here, by an exception that may be lost. waiting: SIGTERM
# waits for the row. rows: loops that end by themselves then. held: signals that wait for a block.
# last: nothing comes after. word: what the parent of several processes says to them all.
now = SimpleNamespace(raised=None, waiting=False, rows=0, held=None, last=False, word=None)
calling = SimpleNamespace(value=False)  # whether a child process is in a call


class Terminated(SystemExit):
    """End by SIGTERM, with exit code 143 = 128 + SIGTERM."""


def check():
    """Raise what the signal raised that has come; called before anything is written."""
    if now.raised:
        raise KeyboardInterrupt if now.raised == INT else Terminated(143)


def after_row():
    """End here if SIGTERM has come, now that the row and its checkpoint are written."""
    if now.waiting or (now.word is not None and now.word.value == TERM):
        raise Terminated(143)


@contextlib.contextmanager
def rows():
    """Block that calls `after_row` by itself: SIGTERM waits for that."""
    after_row()
    now.rows += 1
    try:
        yield
    finally:
        now.rows -= 1
    after_row()


@contextlib.contextmanager
def held():
    """Block of milliseconds that no signal cuts in two."""
    now.held = []
    try:
        yield
    finally:
        came, now.held = now.held, None
        for number in came:
            handle(number)


@contextlib.contextmanager
def listen(*numbers, last=False):
    """Handle signals, but those that somebody else handles, or ignores, as nohup does.

    An error that a library makes of an interrupt is KeyboardInterrupt again. `last`: the process
    ends with this block, and ignores them afterwards; a second signal ends it at once.
    """
    if threading.current_thread() is not threading.main_thread():
        numbers = ()
    taken = [n for n in numbers if signal.getsignal(n) == UNUSED[n]]
    hook, before = sys.unraisablehook, vars(now).copy()
    try:
        if taken:
            sys.unraisablehook = lambda lost: None if now.raised else hook(lost)
            now.last = last
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


def handle(number, frame=None):
    """Handler of SIGINT and SIGTERM."""
    if now.last and (now.raised or now.held):
        os.write(2, f"run.py: {SAID[number]}\n".encode())
        os._exit(128 + number)
    if now.held is not None:
        now.held.append(number)
    elif number == TERM and now.rows and not now.waiting:
        now.waiting = True
        tell(TERM)
    else:
        now.raised = number
        check()


def tell(number):
    """Let the child processes know of a signal, by the word that they share."""
    if now.word is not None:
        now.word.value = number


def obey(word):
    """Make this child process do what its parent says by the word, and SIGTERM to read it at once.

    Ctrl-C reaches every process of a terminal: the parent alone listens. SIGTERM may come from
    elsewhere, as to a group of processes, and then waits for the row.
    """
    now.word = word
    signal.signal(INT, signal.SIG_IGN)
    signal.signal(TERM, handle_in_child)
    hook = sys.unraisablehook
    sys.unraisablehook = lambda lost: None if now.raised else hook(lost)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, UNUSED)
    if word.value == INT:
        os._exit(130)


def handle_in_child(number, frame=None):
    """Handler of SIGTERM in a child process: outside of calls nothing of value is going on."""
    if now.word.value == INT and calling.value:
        now.raised = INT
        check()
    elif now.word.value == INT or now.waiting:
        os._exit(128 + number)
    now.waiting = True


def call(work, *task):
    """work(*task), during which a child process is interrupted by an exception."""
    calling.value = True
    try:
        return work(*task)
    finally:
        calling.value = False


@contextlib.contextmanager
def blocked():
    """Block whose new processes and threads get no signal before they `obey`; not on Windows."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, UNUSED)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
