"""Small machines: memory, disks that fill or fail, few descriptors. A line, and --resume goes on."""

import errno
import functools
import os
import subprocess
import sys

from faults import harness
from faults.harness import COMMANDS, Fault, answered, command, reference, same
from faults.kills import counted, on_writes
from lvgts_np.training.trainer import Trainer

MB = 2**20


def resumed(out, name="train"):
    answered(command([*COMMANDS[name], "--out", out, "--resume"]), codes=(0,), lines=0)
    same(reference(name), out)


def address_space(extra):
    """Limit this process to what it has and `extra` bytes."""
    with open("/proc/self/statm") as file:
        pages = int(file.read().split()[0])
    harness.limit(AS=pages * os.sysconf("SC_PAGE_SIZE") + extra)


def memory(draw, number, place):
    """A run within a little more memory than the program has at its start."""
    out = place / "out"
    extra = int(draw.choice((0.2, 2, 20, 200)) * MB * draw.random())
    ended = command([*COMMANDS["train"], "--out", out], functools.partial(address_space, extra))
    try:
        answered(ended, codes=(0, 1), lines=3)
        resumed(out)
    except Fault as fault:
        raise Fault(f"{extra / MB:.2f} MB more: {fault}") from None
    return ended.code != 0


def big(draw, number, place):
    """A config of any size under a limit of memory: estimated and refused, or trained."""
    changes = {}
    for name in ("H", "hidden", "model_batch", "replay_episodes", "eval_episodes", "T",
                 "episodes_per_iteration"):  # fmt: skip
        if draw.random() < 0.4:
            changes[name] = int(10 ** draw.uniform(0, 9))
    changes["replay_episodes"] = max(
        changes.get("replay_episodes", 3200), changes.get("episodes_per_iteration", 1)
    )
    changes["T"] = max(changes.get("T", 15), 15)
    pairs = [f"{name}={x}" for name, x in changes.items()]
    out, seeds = place / "out", int(10 ** draw.uniform(0, 5))
    room = int(draw.uniform(100, 1500) * MB)
    words = [
        "--task",
        "dummy_amt",
        "--smoke",
        "--quiet",
        "--no-parity",
        "--seeds",
        seeds,
        "--out",
        out,
    ]

    def before():
        address_space(room)
        stop_when_trained()

    ended = command([*words, "--set", *pairs, "episodes=1", "model_steps=1"], before)
    try:
        answered(ended, codes=(0, 1, 2), lines=2)
        if ended.code == 2 and out.exists():
            raise Fault("exit 2, and yet it wrote")
        if "out of memory" in ended.err or "allocate" in ended.err:
            raise Fault(f"began, and then: {ended}")
    except Fault as fault:
        raise Fault(f"--seeds {seeds} {' '.join(pairs)}, {room / MB:.0f} MB: {fault}") from None
    return ended.code != 0


def stop_when_trained():
    """End this process with 0 at its first row: by then it has taken the memory that it needs."""
    Trainer.evaluate = lambda trainer: os._exit(0)


def file_size(draw, number, place):
    """A disk on which files end early."""
    out, most = place / "out", 400 + int(draw.choice((100, 2_000, 20_000)) * draw.random())
    before = functools.partial(harness.limit, FSIZE=most)
    ended = command([*COMMANDS["train"], "--out", out], before)
    try:
        answered(ended, codes=(0, 1), lines=3, names=(out, "drawn"))
        resumed(out)
    except Fault as fault:
        raise Fault(f"files of {most} bytes: {fault}") from None
    return ended.code != 0


def small_disk(draw, number, place):
    """A disk of a few kilobytes, where one can be mounted; then the rest of the run elsewhere."""
    kb = draw.choice((4, 16, 40, 80, 120, 160, 240, 4 * draw.randint(1, 80)))
    kept, script = place / "kept", harness.ROOT / "run.py"
    mount = f"mount -t tmpfs -o size={kb}k none {place}/disk && ( {{}} ); code=$?; cp -a {place}/disk {kept}; exit $code"
    (place / "disk").mkdir()
    words = " ".join(
        map(str, [sys.executable, script, *COMMANDS["train"], "--out", place / "disk/out"])
    )
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", mount.format(words)],
        capture_output=True, text=True, timeout=harness.SECONDS,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    if not kept.exists():
        return False  # not allowed here
    try:
        ended = harness.Ended(done.returncode, done.stdout, done.stderr)
        answered(ended, codes=(0, 1, 2), lines=3)
        if ended.code != 2:
            resumed(kept / "out")
    except Fault as fault:
        raise Fault(f"a disk of {kb} kB: {fault}") from None
    return done.returncode != 0


ERRORS = (
    errno.ENOSPC,
    errno.EIO,
    errno.EACCES,
    errno.EROFS,
    errno.EDQUOT,
    errno.EMFILE,
    errno.ENOENT,
)


def failing(draw, number, place):
    """A call of the system that fails, once or from then on."""
    out, at = place / "out", draw.randint(1, counted("train"))
    error, once = draw.choice(ERRORS), draw.random() < 0.5

    def fail(n):
        if n == at or (n > at and not once):
            raise OSError(error, os.strerror(error), str(out / "injected"))

    ended = command([*COMMANDS["train"], "--out", out], lambda: on_writes(out, fail))
    try:
        answered(ended, codes=(0, 1, 2), lines=3)
        resumed(out)
    except Fault as fault:
        many = "once" if once else "for good"
        raise Fault(f"{os.strerror(error)} at write {at}, {many}: {fault}") from None
    return ended.code != 0


def descriptors(draw, number, place):
    """Few open files: a run needs few, and says so where they are too few."""
    out, most = place / "out", draw.choice((64, 32, 24, 20, draw.randint(10, 40)))
    name = draw.choice(("train", "train", "figure2")) if most >= 64 else "train"
    jobs = draw.choice(("1", "2"))
    words = [*COMMANDS[name], "--jobs", jobs, "--out", out]
    ended = command(words, functools.partial(harness.limit, NOFILE=most))
    try:
        answered(ended, codes=(0, 1, 2), lines=2)
        if most >= 64 and jobs == "1" and ended.code:
            raise Fault(f"{ended}")
        if ended.code == 2 and out.exists():
            raise Fault("exit 2, and yet it wrote")
        resumed(out, name)
    except Fault as fault:
        raise Fault(f"{most} open files, {name} --jobs {jobs}: {fault}") from None
    return True


TRIALS = (memory, file_size, failing, failing, descriptors)


def any_of(draw, number, place):
    return TRIALS[number % len(TRIALS)](draw, number, place)
