"""Hypothesis profiles, warnings that are errors, one BLAS thread, and signals as in a terminal.

HYPOTHESIS_PROFILE=long draws a thousand examples. HYPOTHESIS_PROFILE=ci draws other examples each
time, and with --hypothesis-seed=N those of N once more; the usual ones are always the same.
"""

import os
import signal
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

from hypothesis import settings

settings.register_profile("quick", deadline=None, max_examples=30, derandomize=True)
settings.register_profile("ci", deadline=None, max_examples=30, derandomize=False, database=None)
settings.register_profile("long", deadline=None, max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


def pytest_configure(config):
    """Errors: warnings in modules of our own, and of our numbers wherever they are computed.

    Not those that a dependency raises about itself, or pytest about a folder it cannot write to.
    """
    # As a background job of a shell ignores Ctrl-C, and what it starts would too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    tests = Path(__file__).parent
    ours = {"lvgts_np", *(path.stem for path in tests.rglob("*.py"))}
    ours |= {path.parent.name for path in tests.rglob("__init__.py")}
    for warning in (
        rf"error:::({'|'.join(sorted(ours))})(\.|$)",
        "error::RuntimeWarning:(autograd|numpy|scipy)",
        "error::UserWarning:autograd",
        "error::pytest.PytestUnraisableExceptionWarning",
    ):
        config.addinivalue_line("filterwarnings", warning)
