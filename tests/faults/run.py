"""Do faults to runs, and print a table: tried, effective, failed.

    python tests/faults/run.py [--long] [--seed S] [--only KIND ...] [--number N ...]

A line for each failure says how to see it again. Exit code 1 where there is one. Linux only.
"""

import argparse
import contextlib
import json
import os
import shutil
import sys
import time
import traceback
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path[:1] = [str(Path(__file__).resolve().parents[n]) for n in (1, 2)]

from faults import harness  # noqa: E402 (after the paths)
from faults.kinds import KINDS  # noqa: E402

HEADER = ("kind", "tried", "effective", "failed")


def main(argv=None):
    args = arguments(argv)
    names, start, rows, failed = args.only or list(KINDS), time.monotonic(), [], 0
    try:
        for name in names:
            most = KINDS[name].long if args.long else KINDS[name].quick
            found = trials(name, args.number or range(most), args.seed, args.jobs)
            effective = sum(effective for _, effective, _ in found)
            faults = sum(bool(fault) for _, _, fault in found)
            rows.append((KINDS[name].title, len(found), effective, faults))
            failed += faults
            print(f"{name}: {rows[-1][1:]}, {time.monotonic() - start:.0f} s", file=sys.stderr)
    finally:
        shutil.rmtree(harness.scratch(), ignore_errors=True)
    print(table([*rows, ("all", *map(sum, list(zip(*rows, strict=True))[1:]))]))
    return 1 if failed else 0


def arguments(argv):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--long", action="store_true", help="minutes in place of seconds")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", choices=KINDS, metavar="KIND", help=", ".join(KINDS))
    parser.add_argument("--number", nargs="+", type=int, help="only these trials of each kind")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    return parser.parse_args(argv)


def trials(name, numbers, seed, jobs):
    """(number, effective, fault or None) of each trial, shared by `jobs` children."""
    if numbers:
        KINDS[name].prepare()
    sys.stdout.flush()
    children = []
    for first in range(min(jobs, len(numbers))):
        path = harness.scratch() / f"{name}.{first}.jsonl"
        child = os.fork()
        if not child:
            with contextlib.suppress(BaseException), path.open("w") as file:
                for number in numbers[first::jobs]:
                    found = one(name, number, seed)
                    print(json.dumps(found), file=file, flush=True)
                    if found[-1]:
                        again = f"--only {name} --seed {seed} --number {number}"
                        print(f"FAILED {again}: {found[-1]}", flush=True)
                os._exit(0)
            os._exit(1)
        children.append((child, path))
    found = []
    for child, path in children:
        if os.waitpid(child, 0)[1]:
            raise ChildProcessError(f"the trials of {name} ended early, see {path}")
        found += [json.loads(line) for line in path.read_text().splitlines()]
    return found


def one(name, number, seed):
    """Number of a trial, whether it was effective, and its fault or None."""
    place = harness.scratch() / f"{name}_{number}"
    place.mkdir()
    effective, fault = True, None
    try:
        effective = KINDS[name].trial(harness.generator(seed, name, number), number, place)
    except harness.Fault as error:
        fault = " ".join(str(error).split())[:600]
    except Exception as error:  # of the trial itself
        lines = [
            x for x in traceback.extract_tb(error.__traceback__) if "tests/faults" in x.filename
        ]
        fault = f"the trial itself: {error!r}, {Path(lines[-1].filename).name}:{lines[-1].lineno}"
    shutil.rmtree(place, ignore_errors=True)
    return number, bool(effective), fault


def table(rows):
    """Rows as a table of Markdown."""
    lines = [HEADER, ("---",) + ("---:",) * 3, *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


if __name__ == "__main__":
    sys.exit(main())
