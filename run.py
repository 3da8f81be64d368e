"""Command line of lvgts_np, as a file to run: `python run.py --help`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))  # not there with PYTHONSAFEPATH

from lvgts_np.__main__ import main

if __name__ == "__main__":
    raise SystemExit(main())
