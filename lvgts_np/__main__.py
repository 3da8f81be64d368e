"""The command line as a module to run: `python -m lvgts_np --help`."""

from lvgts_np.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
