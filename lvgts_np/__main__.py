"""The command line as a module to run: `python -m lvgts_np --help`."""

import sys


def main(argv=None):
    """Exit code of `lvgts_np.cli.main`, also where it is interrupted while it is imported."""
    try:
        from lvgts_np import cli

        return cli.main(argv)
    except KeyboardInterrupt:
        if sys.stderr is not None:
            print("run.py: interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    raise SystemExit(main())
