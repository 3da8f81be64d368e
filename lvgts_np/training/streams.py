"""Lines for a person: no run ends because nobody can read them."""

import contextlib
import os
import sys

LONGEST, START = 600, 400  # characters of a line, and those of its start if it is longer
errors = []  # of `put`


def note(text):
    """Print one line on stderr, whatever it quotes, cut if it is long."""
    line = " ".join("".join(x if x.isprintable() else " " for x in str(text)).split())
    if len(line) > LONGEST:
        line = f"{line[:START]} [...] {line[START - LONGEST :]}"
    with contextlib.suppress(OSError, ValueError, AttributeError):  # None where stderr is closed
        sys.stderr.write(f"{line.encode(errors='replace').decode()}\n")
        sys.stderr.flush()


def put(line):
    """Print a line on stdout; an error waits for `lost`."""
    try:
        print(line, flush=True)
    except (OSError, ValueError) as error:
        errors.append(error)


def lost():
    """Error by which lines on stdout were lost, as on a full disk; None if a reader went away."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError) as error:
        errors.append(error)
    if errors:  # or Python would fail as it ends, and flushes
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    kept = [error for error in errors if not isinstance(error, BrokenPipeError)]
    return kept[0] if kept else None


def open_all():
    """Open the null device for a standard stream that is closed, and let stdout take all text.

    Otherwise the next file to be opened would get its number, and what is printed.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
        if getattr(sys, name) is None:
            mode = "w" if number else "r"
            setattr(sys, name, open(number, mode, closefd=False))  # noqa: SIM115 (as long as Python)
    with contextlib.suppress(AttributeError):  # of a notebook
        sys.stdout.reconfigure(errors="backslashreplace")
