"""Lines for a person, on stderr; no run ends because nobody can read them."""

import contextlib
import sys


def note(line):
    """Print one line on stderr, whatever it quotes; nothing where stderr is closed or full."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(f"{' '.join(str(line).split())}\n")
        sys.stderr.flush()
