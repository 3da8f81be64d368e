"""Pictures of runs: seeds, Figure 2, credit flow. `style` has what they share."""

import contextlib
import os
import sys

# Matplotlib refuses to be imported where this names a backend that is not installed, as in any cell
# of a notebook that calls another environment's Python; or where a matplotlibrc is no UTF-8.
backend = os.environ.pop("MPLBACKEND", None)
try:
    try:
        import matplotlib
    except UnicodeDecodeError:
        for name in [name for name in sys.modules if name.startswith("matplotlib.")]:
            del sys.modules[name]
        os.environ["MATPLOTLIBRC"] = os.devnull
        import matplotlib
finally:
    if backend is not None:
        os.environ["MPLBACKEND"] = backend
if backend:
    with contextlib.suppress(ValueError):
        matplotlib.rcParams["backend"] = backend
