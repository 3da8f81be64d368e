"""Kills: a run that is killed anywhere, perhaps twice, is resumed to the same bytes."""

import contextlib
import functools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from faults import harness
from faults.harness import COMMANDS, Ended, Fault, about, answered, command, references, resumed

CODES = {signal.SIGKILL: -9, signal.SIGINT: 130, signal.SIGTERM: 143}
# What Python tells of before it does it: each is a moment at which a file is about to change.
WRITES = {"open", "os.rename", "os.link", "os.remove", "os.mkdir", "os.rmdir", "os.truncate"}
READ_ONLY = os.O_WRONLY | os.O_RDWR  # flags that are not set


def on_writes(place, act):
    """Call act(n) before the n-th change of a file under `place`, in this process."""
    count = 0

    def hook(event, args):
        nonlocal count
        if event not in WRITES or not str(args[0]).startswith(f"{place}/"):
            return
        if event == "open" and not args[2] & READ_ONLY and not set("wax+") & set(args[1] or ""):
            return
        count += 1
        act(count)

    sys.addaudithook(hook)


@functools.cache
def counted(name):
    """Changes of files that a command of COMMANDS makes, all in all."""
    out = harness.scratch() / f"{name}_counted"
    path = out.with_suffix(".count")
    if not path.exists():
        before = lambda: on_writes(out, lambda n: path.write_text(str(n)))  # noqa: E731
        answered(command([*COMMANDS[name], "--out", out], before), codes=(0,), lines=0)
    return int(path.read_text())


def prepare():
    references("train", "pendulum")
    for name in ("train", "pendulum"):
        counted(name)


def at_a_write(draw, number, place):
    """A kill before a write, or some milliseconds after it, then maybe another of --resume."""
    name = draw.choice(("train", "train", "pendulum"))
    out, most = place / "out", counted(name)
    words = [*COMMANDS[name], "--out", out]
    for attempt in range(draw.choice((1, 1, 2))):
        how = draw.choice(list(CODES))
        at = number % most + 1 if attempt == 0 else draw.randint(1, most)
        late = draw.choice((0.0, draw.uniform(0.0, 0.01)))
        ended = command(words, functools.partial(killer, out, at, how, late))
        with about(f"killed by {how.name}"):
            check_killed(ended, (CODES[how], 0))
        words = [*COMMANDS[name], "--out", out, "--resume"]
        if not ended.code:  # it had ended before
            break
    resumed(name, out)
    return attempt > 0 or ended.code != 0


def killer(out, at, how, late):
    """Kill this process `late` seconds after its write number `at`, by a child of its own."""
    (come, go), parent = os.pipe(), os.getpid()
    if not os.fork():
        os.close(go)
        if os.read(come, 1):
            time.sleep(late)
            os.kill(parent, how)
        os._exit(0)
    os.close(come)

    def hook(n):
        if n == at and late:
            os.write(go, b"x")
        elif n == at:
            os.kill(parent, how)

    on_writes(out, hook)


def check_killed(ended, codes, lines=1):
    if ended.code not in codes or "Traceback" in ended.err:
        raise Fault(f"{ended}, not {codes}")
    if ended.code > 0:
        answered(ended, codes, lines)


PROGRAMS = {  # the command, more words, and the signals' addressees
    "train": ("train", ("--jobs", "1"), ("parent",)),
    "jobs": ("train", ("--jobs", "2"), ("parent", "group", "child")),
    "figure2": ("figure2", ("--jobs", "2"), ("parent", "group", "child")),
    "lags": ("lags", ("--jobs", "1"), ("parent",)),
}


def at_a_moment(draw, number, place):
    """A kill of a program, its group or a child, at a random moment once it has begun."""
    scenario = list(PROGRAMS)[number % len(PROGRAMS)]
    name, extra, targets = PROGRAMS[scenario]
    out, target, how = place / "out", draw.choice(targets), draw.choice(list(CODES))
    start = [sys.executable, str(harness.ROOT / "run.py"), *COMMANDS[name], *extra, "--out", out]
    with about(f"{scenario}, {how.name} to the {target}"), (place / "stderr").open("w+") as err:
        process = subprocess.Popen(start, stdout=err, stderr=err, start_new_session=True)
        effective = strike(process, out, draw, target, how)
        try:
            code = process.wait(harness.SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise Fault("no end") from None
        effective = effective and code != 0
        if effective:
            codes = (CODES[how],) if target != "child" else (1, 130, 143)
            check_killed(Ended(code, "", (place / "stderr").read_text()), codes, lines=9)
        wait_for_children(out)
        resumed(name, out, *extra)
    return effective


def strike(process, out, draw, target, how):
    """Send the signal, some time after the first file is there; whether it found its addressee."""
    end = time.monotonic() + harness.SECONDS
    while not out.exists() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.005)
    time.sleep(draw.choice((0.0, draw.uniform(0.0, 0.3), draw.uniform(0.0, 3.0))))
    addressee = process.pid
    if target == "child":
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        with contextlib.suppress(OSError, IndexError):
            addressee = draw.choice(children.read_text().split())
    if process.poll() is not None or (target == "child" and addressee == process.pid):
        return False
    with contextlib.suppress(ProcessLookupError):
        (os.killpg if target == "group" else os.kill)(int(addressee), how)
        return True
    return False


def wait_for_children(out):
    """Wait until the children of a parent that was killed have seen that and ended."""
    end = time.monotonic() + 30
    while busy(out) and time.monotonic() < end:
        time.sleep(0.05)


def busy(out):
    """Whether a process has a folder or file of `out` open."""
    for process in os.listdir("/proc"):
        if process.isdecimal() and int(process) != os.getpid():
            with contextlib.suppress(OSError):
                for link in os.scandir(f"/proc/{process}/fd"):
                    if os.readlink(link.path).startswith(str(out)):
                        return True
    return False
