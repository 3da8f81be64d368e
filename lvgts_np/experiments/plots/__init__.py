"""Pictures of runs: seeds, Figure 2, credit flow. `style` has what they share."""

import contextlib
import os

# Matplotlib refuses to be imported where this names a backend that is not installed, as in any cell
# of a notebook that calls another environment's Python.
backend = os.environ.pop("MPLBACKEND", None)
try:
    import matplotlib
finally:
    if backend is not None:
        os.environ["MPLBACKEND"] = backend
if backend:
    with contextlib.suppress(ValueError):
        matplotlib.rcParams["backend"] = backend
