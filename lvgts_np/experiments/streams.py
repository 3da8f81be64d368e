"""stdout and stderr: printing never raises, whether they are closed, full or read by nobody."""

import contextlib
import errno
import io
import os
import re
import sys

LONGEST, START = 600, 400  # characters of a line, and those of its start if it is longer


def show(text):
    """Print a line on stderr, cut if it is long."""
    text = re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+", " ", str(text)).strip()
    if len(text) > LONGEST:
        text = f"{text[:START]} [...] {text[START - LONGEST :]}"
    put(text, sys.stderr)


def put(text, stream):
    """Print a line on a stream, if there is one: print itself would take stdout for None."""
    if stream is not None:
        with contextlib.suppress(OSError, ValueError):
            print(text, file=stream, flush=True)


def secure():
    """Let nothing that is printed fail; a stream that is closed is the null device from here on.

    Otherwise the next file to be opened would get its number, and what is printed.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    for number, name in ((1, "stdout"), (2, "stderr")):
        stream, how = getattr(sys, name), {"encoding": "utf-8", "line_buffering": number == 2}
        raw = getattr(stream, "buffer", None)
        if stream is None:
            raw = io.FileIO(number, "w", closefd=False)
        elif raw is not None:
            stream.flush()
            how = {"encoding": stream.encoding, "line_buffering": stream.line_buffering}
            raw = getattr(raw, "raw", raw)
        if raw is not None:
            buffer = io.BufferedWriter(Unfailing(raw))
            setattr(sys, name, io.TextIOWrapper(buffer, errors="backslashreplace", **how))


class Unfailing(io.RawIOBase):
    """Raw stream that takes whatever is written, and drops it from the first error on."""

    def __init__(self, raw):
        self.raw, self.error = raw, None

    def write(self, data):
        try:
            if self.error is None:
                return self.raw.write(data) or len(data)
        except (OSError, ValueError) as error:
            self.error = error
        return len(data)

    def writable(self):
        return True

    def isatty(self):
        return self.raw.isatty()

    def fileno(self):
        return self.raw.fileno()


def lost():
    """Error by which results on stdout were lost, as on a full disk; None if a reader went away."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stdout.flush()
        error = sys.stdout.buffer.raw.error
        return (
            None
            if error is None
            or getattr(error, "errno", None) in (errno.EPIPE, errno.EINVAL, errno.EIO)
            else error
        )
