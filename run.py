"""The command line of lvgts_np, as a file to run: `python run.py --help`."""

import os

# Before NumPy is imported: on arrays this small, more threads only wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")

from lvgts_np.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
