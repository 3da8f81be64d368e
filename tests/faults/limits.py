"""Small machines: memory, disks that fill or fail, few descriptors; --resume goes on."""

import errno
import functools
import os

from faults import harness
from faults.harness import COMMANDS, Fault, about, address_space, answered, command, resumed
from faults.kills import counted, on_writes
from lvgts_np.paper.constants import COMBINES
from lvgts_np.training.config import ALGOS, TASKS, Config, preset
from lvgts_np.training.config_file import save
from lvgts_np.training.limits import memory as memory_of

MB = 2**20


def memory(draw, number, place):
    """A run within a little more memory than the program has at its start."""
    out = place / "out"
    extra = int(draw.choice((0.2, 2, 20, 200)) * MB * draw.random())
    ended = command([*COMMANDS["train"], "--out", out], functools.partial(address_space, extra))
    with about(f"{extra / MB:.2f} MB more"):
        judge(ended, out)
        resumed("train", out)
    return ended.code != 0


def judge(ended, out, lines=3):
    answered(ended, lines=lines)
    if ended.code == 2 and out.exists():
        raise Fault(f"{ended}, and yet it wrote")


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
    return took([*COMMANDS["train"], "--out", harness.scratch() / f"tiny_{os.getpid()}"])[1]


def took(words, before=lambda: None):
    """Ended of a command, and the bytes that it took besides those at its start."""
    start, ended = harness.forked(lambda: 0).peak, command(words, before)
    return ended, ended.peak - start


def big(draw, number, place):
    """A run of random sizes with nearly the memory that it is said to need, or a little more."""
    config, seeds, needed = sized(draw)
    room = int(needed * draw.choice((0.95, 1.1, 1.5)) + draw.choice((0, 1)) * LIBRARIES)
    out, file = place / "out", place / "config.json"
    save(config, file)
    words = ["--config", file, "--seeds", seeds, "--quiet", "--no-parity", "--out", out]
    ended, peak = took(words, functools.partial(address_space, room))
    said = f"said to need {needed / MB:.0f} MB, has {room / MB:.0f}"
    pairs = [f"{x}={y}" for x, y in vars(config).items() if y != getattr(Config(), x)]
    with about(f"{said}, {seeds} seeds, {' '.join(pairs)}"):
        judge(ended, out, lines=2)
        if ended.code and room > needed + LIBRARIES:
            raise Fault(f"there was room, and yet {ended}")
        if peak > needed + tiny():
            raise Fault(f"took {peak / MB:.0f} MB")
    return ended.code != 2


def file_size(draw, number, place):
    """A disk on which files end early."""
    out, most = place / "out", 400 + int(draw.choice((100, 2_000, 20_000)) * draw.random())
    before = functools.partial(harness.limit, FSIZE=most)
    ended = command([*COMMANDS["train"], "--out", out], before)
    with about(f"files of {most} bytes"):
        answered(ended, codes=(0, 1), lines=3, names=(out, "drawn"))
        resumed("train", out)
    return ended.code != 0


def small_disk(draw, number, place):
    """A disk of a few kilobytes, where one can be mounted; then the rest of the run elsewhere."""
    kb = draw.choice((4, 120, 228, 232, 240, 260, 300, 4 * draw.randint(57, 120)))
    kept, disk = place / "kept", place / "disk"
    disk.mkdir()
    inside = f'mount -t tmpfs -o size={kb}k none {disk} && {{ "$@"; }}; code=$?'
    shell = f"unshare -rm bash -c '{inside}; cp -a {disk} {kept}; exit $code' bash \"$@\""
    ended = harness.program([*COMMANDS["train"], "--out", disk / "out"], shell)
    if not kept.exists():
        return False  # not allowed here
    with about(f"a disk of {kb} kB"):
        answered(ended, lines=3)
        if ended.code != 2:
            resumed("train", kept / "out")
    return ended.code != 0


CODES = ("ENOSPC", "EIO", "EACCES", "EROFS", "EDQUOT", "EMFILE", "ENOENT")
ERRORS = [getattr(errno, code) for code in CODES]


def failing(draw, number, place):
    """A call of the system that fails, once or from then on."""
    out, at = place / "out", draw.randint(1, counted("train"))
    error, once = draw.choice(ERRORS), draw.random() < 0.5

    def fail(n):
        if n == at or (n > at and not once):
            raise OSError(error, os.strerror(error), str(out / "injected"))

    ended = command([*COMMANDS["train"], "--out", out], lambda: on_writes(out, fail))
    with about(f"{os.strerror(error)} at write {at}, {'once' if once else 'for good'}"):
        answered(ended, lines=3)
        resumed("train", out)
    return ended.code != 0


def descriptors(draw, number, place):
    """Few open files: a run needs few, and says so where they are too few."""
    out, most = place / "out", draw.choice((64, 32, 24, 20, draw.randint(10, 40)))
    name = draw.choice(("train", "train", "figure2")) if most >= 64 else "train"
    jobs = draw.choice(("1", "2"))
    words = [*COMMANDS[name], "--jobs", jobs, "--out", out]
    ended = command(words, functools.partial(harness.limit, NOFILE=most))
    with about(f"{most} open files, {name} --jobs {jobs}"):
        judge(ended, out, lines=2)
        if most >= 64 and jobs == "1" and ended.code:
            raise Fault(f"{ended}")
        resumed(name, out)
    return True


TRIALS = (memory, file_size, failing, failing, descriptors)


def any_of(draw, number, place):
    return TRIALS[number % len(TRIALS)](draw, number, place)
