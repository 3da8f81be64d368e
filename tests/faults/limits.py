"""Small machines: memory, disks that fill or fail, few descriptors; --resume goes on."""

import errno
import functools
import os
import subprocess
import sys

from faults import harness
from faults.harness import COMMANDS, Fault, answered, command, reference, same
from faults.kills import counted, on_writes
from lvgts_np.paper.constants import COMBINES
from lvgts_np.training.config import ALGOS, TASKS, Config, preset
from lvgts_np.training.config_file import save
from lvgts_np.training.limits import memory as memory_of

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
        answered(ended, codes=(0, 1, 2), lines=3)
        if ended.code == 2 and out.exists():
            raise Fault(f"{ended}, and yet it wrote")
        resumed(out)
    except Fault as fault:
        raise Fault(f"{extra / MB:.2f} MB more: {fault}") from None
    return ended.code != 0


LIBRARIES = 250 * MB  # of addresses that the libraries take besides, as they begin to work
SIZES = {  # the largest that are drawn
    "H": 300, "hidden": 1000, "model_batch": 30_000, "replay_episodes": 100_000, "T": 200,
    "eval_episodes": 10_000, "episodes_per_iteration": 3_000,
}  # fmt: skip


def sized(draw):
    """A Config of random sizes and a number of seeds, and the bytes that they are said to need."""
    while True:
        changes = {
            x: int(most ** draw.random()) for x, most in SIZES.items() if draw.random() < 0.5
        }
        changes["replay_episodes"] = max(3200, changes.get("episodes_per_iteration", 0))
        changes |= {"T": max(changes.get("T", 15), 15), "episodes": 1, "model_steps": 1}
        changes |= {"dtype": draw.choice(("float32", "float64")), "combine": draw.choice(COMBINES)}
        config = preset(draw.choice(TASKS), algo=draw.choice(ALGOS), warmup=0.0, **changes)
        seeds = int(100 ** draw.random())
        if (needed := sum(memory_of(config, seeds).values())) < 1.5e9:
            return config, seeds, needed


@functools.cache
def tiny():
    """Bytes that the smallest run takes, as the libraries begin to work."""
    start = harness.forked(lambda: 0).peak
    return (
        command([*COMMANDS["train"], "--out", harness.scratch() / f"tiny_{os.getpid()}"]).peak
        - start
    )


def big(draw, number, place):
    """A run of random sizes with nearly the memory that it is said to need, or a little more."""
    config, seeds, needed = sized(draw)
    room = int(needed * draw.choice((0.95, 1.1, 1.5)) + draw.choice((0, 1)) * LIBRARIES)
    out = place / "out"
    save(config, place / "config.json")
    words = [
        "--config",
        place / "config.json",
        "--seeds",
        seeds,
        "--quiet",
        "--no-parity",
        "--out",
        out,
    ]
    start = harness.forked(lambda: 0).peak
    ended = command(words, functools.partial(address_space, room))
    try:
        answered(ended, codes=(0, 1, 2), lines=2)
        if ended.code == 2 and out.exists():
            raise Fault(f"{ended}, and yet it wrote")
        if ended.code == 2 and room > needed + LIBRARIES:
            raise Fault(f"there was room, and yet {ended}")
        if ended.code == 1 and room > needed + LIBRARIES:
            raise Fault(f"began, and then: {ended}")
        if ended.peak - start > needed + tiny():
            raise Fault(f"took {(ended.peak - start) / MB:.0f} MB")
    except Fault as fault:
        said = f"said to need {needed / MB:.0f} MB, has {room / MB:.0f}"
        pairs = [f"{x}={y}" for x, y in vars(config).items() if y != getattr(Config(), x)]
        raise Fault(f"{said}, {seeds} seeds, {' '.join(pairs)}: {fault}") from None
    return ended.code != 2


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
    kept, disk, script = place / "kept", place / "disk", harness.ROOT / "run.py"
    disk.mkdir()
    words = [sys.executable, script, *COMMANDS["train"], "--out", disk / "out"]
    shell = f"mount -t tmpfs -o size={kb}k none {disk} && {{ {' '.join(map(str, words))}; }}"
    shell += f"; code=$?; cp -a {disk} {kept}; exit $code"
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", shell],
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
