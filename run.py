"""Command line of lvgts_np, as a file to run: `python run.py --help`."""

from lvgts_np.__main__ import main

if __name__ == "__main__":
    raise SystemExit(main())
