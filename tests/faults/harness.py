"""Programs under faults: children of this process, what they leave, and what they should leave."""

import contextlib
import functools
import hashlib
import json
import os
import pickle
import random
import re
import resource
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import NamedTuple

from lvgts_np import cli
from lvgts_np.experiments.plots import paper_plots, run_plots
from lvgts_np.experiments.studies import lags
from lvgts_np.experiments.versions import commit
from lvgts_np.training.files import load_arrays

ROOT = Path(__file__).resolve().parents[2]
commit(ROOT)  # once and for all, as it is told where it changes between two runs
SECONDS = 300.0  # after which a program hangs; the machine may be busy
MAX_LINE = 700  # characters of a message
SETTINGS = (
    "H=2 hidden=2 model_steps=1 model_batch=4 replay_episodes=10 episodes=20 "
    "episodes_per_iteration=4 eval_episodes=4 warmup=0.4 t1=1 t2=2 T=4 N=2 k=2"
)
TINY = ["--smoke", "--quiet", "--set", *SETTINGS.split()]
TRAIN = ["--task", "dummy_amt", "--seeds", "2", *TINY]
STUDY = [*TINY[:3], "H=2", "hidden=2", "model_steps=1", "episodes=16", "--seeds", "1"]
# By name: the words of a command, without --out. `lags` sets t2 and T itself.
COMMANDS = {
    "train": TRAIN,
    "pendulum": ["--task", "pendulum_pmt", "--algo", "lm_svg", "--seeds", "2", *TINY],
    "figure2": ["figure2", *STUDY],
    "lags": ["lags", *STUDY],
}
IGNORED = {"timing.csv", "versions.json"}  # seconds, and what else differs between equal runs


class Fault(AssertionError):
    """What the package does wrongly: one line."""


@contextlib.contextmanager
def about(what):
    """Say what a Fault of the block is about."""
    try:
        yield
    except Fault as fault:
        raise Fault(f"{what() if callable(what) else what}: {fault}") from None


class Ended(NamedTuple):
    """A program that has ended: exit code (negative: its signal), output, memory in bytes."""

    code: int
    out: str
    err: str
    peak: int = 0

    def __str__(self):
        return f"exit {self.code}, {self.err[-300:]!r}"


class Kind(NamedTuple):
    """Faults of one kind: its row of the table, how many the quick and the long form try."""

    title: str
    quick: int
    long: int
    trial: object
    prepare: object = lambda: None  # makes what the trials share


def forked(work):
    """Ended of work(), which returns an exit code, in a child of this process."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = os.fork()
        if not child:
            code = 1
            try:
                os.setpgid(0, 0)
                for n, file in enumerate((out, err), start=1):
                    os.dup2(file.fileno(), n)
                # As Python leaves them at its start, where others hold them too.
                sys.stdout = sys.__stdout__ = open(1, "w", closefd=False)  # noqa: SIM115
                how = {"errors": "backslashreplace", "closefd": False}
                sys.stderr = sys.__stderr__ = open(2, "w", 1, **how)  # noqa: SIM115
                code = work() or 0
            except BaseException:
                traceback.print_exc()
            finally:
                with contextlib.suppress(Exception):
                    sys.stdout.flush()
                os._exit(code if isinstance(code, int) else 1)
        status, usage = awaited(child)
        code = os.waitstatus_to_exitcode(status)
        return Ended(code, *map(text_of, (out, err)), usage.ru_maxrss * 1024)


def awaited(child):
    """Status and resources of a child that has ended; Fault where it hangs."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        pid, status, usage = os.wait4(child, os.WNOHANG)
        if pid:
            return status, usage
        time.sleep(0.002)
    with contextlib.suppress(OSError):
        os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    raise Fault(f"no end after {SECONDS:.0f} s")


def command(words, before=lambda: None, pictures=False):
    """Ended of the command line in a child, as a program: before() prepares it."""

    def work():
        sys.argv = ["run.py", *map(str, words)]
        if not pictures:
            for module in (run_plots, paper_plots, lags):
                for name in [name for name in vars(module) if name.startswith("plot_")]:
                    setattr(module, name, Sketch)
        before()
        return cli.main()

    return forked(work)


class Sketch:
    """Stands in for a picture, whose drawing takes ten times the time of all the rest.

    Its file holds a digest of what would have been drawn.
    """

    def __init__(self, *args, **named):
        # In the order of the names, which is nothing that is drawn.
        plain = [sorted(x.items()) if isinstance(x, dict) else x for x in args]
        self.digest = hashlib.sha256(pickle.dumps((plain, sorted(named.items())))).hexdigest()

    def savefig(self, file, **how):
        Path(file).write_text(self.digest)


def program(words, shell=None, cwd=None, **env):
    """Ended of `python run.py words`, started anew, maybe by a shell that calls it "$@".

    What it says goes to files, as a pipe would be a stream too. None in env takes a variable away.
    """
    around = {**os.environ, "OMP_NUM_THREADS": "1", **env}
    around = {name: value for name, value in around.items() if value is not None}
    start = [sys.executable, ROOT / "run.py", *words]
    if shell:
        start = ["/bin/bash", "-c", f"set -o pipefail; {shell}", "bash", *start]
    how = {"stdin": subprocess.DEVNULL, "timeout": SECONDS, "env": around, "cwd": cwd}
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        try:
            done = subprocess.run(list(map(str, start)), stdout=out, stderr=err, **how)
        except subprocess.TimeoutExpired:
            raise Fault(f"no end after {SECONDS:.0f} s") from None
        return Ended(done.returncode, *map(text_of, (out, err)))


def text_of(file):
    file.seek(0)
    return file.read().decode(errors="backslashreplace")


@functools.cache
def scratch():
    """Folder of this process and its children, which `run` deletes."""
    return Path(tempfile.mkdtemp(prefix="lvgts_faults_")).resolve()


@functools.cache
def reference(name, pictures=False):
    """Folder of what a command of COMMANDS leaves without a fault."""
    out = scratch() / f"{name}{'_drawn' * pictures}"
    if not out.exists():
        ended = command([*COMMANDS[name], "--out", out], pictures=pictures)
        if ended.code or ended.err:
            raise Fault(f"without a fault {name} ends with {ended}")
    return out


def references(*names, pictures=False):
    for name in names:
        reference(name, pictures)


def answered(ended, codes=(0, 1, 2), lines=1, names=()):
    """The Ended; Fault unless it is an answer: a code of these, a line or none, no traceback.

    One of `names` must be in its line where it failed.
    """
    said = [line for line in ended.err.splitlines() if line.strip()]
    if "Traceback" in ended.err or ended.code not in codes:
        raise Fault(f"{ended}; allowed are {codes}")
    if len(said) > lines or any(len(line) > MAX_LINE for line in said):
        raise Fault(f"{len(said)} lines on stderr, the first {said[0][:200]!r}")
    if ended.code and not said:
        raise Fault(f"{ended} without a word")
    if ended.code and names and not any(str(name) in ended.err for name in names):
        raise Fault(f"{ended} names none of {names[:3]}")
    return ended


def tree(folder):
    """What is in a folder, by path: kind, and digest of the content or target of a link."""
    found = {}
    for path in sorted(folder.rglob("*")):
        mode = path.lstat().st_mode
        is_file = stat.S_ISREG(mode)
        what = hashlib.sha256(path.read_bytes()).hexdigest() if is_file else stat.S_IFMT(mode)
        found[str(path.relative_to(folder))] = os.readlink(path) if stat.S_ISLNK(mode) else what
    return found


def unchanged(before, folder, what):
    """Fault where a folder has not what it had (see `tree`)."""
    after = tree(folder)
    changed = sorted(x for x in before | after if before.get(x) != after.get(x))
    if changed:
        raise Fault(f"{what}, and yet changed: {', '.join(changed[:4])}")


def content(path):
    """What of a file has to be equal in equal runs."""
    if path.name == "checkpoint.npz":
        groups = load_arrays(path, 2**30)
        rest = json.loads(str(groups.pop("rest")["json"])) | {"seconds": 0}
        for group, seconds in (("logs", "timing.csv"), ("digests", "summary.json")):
            groups.get(group, {}).pop(seconds, None)
        arrays = {
            f"{group}/{name}": (str(x.dtype), x.shape, x.tobytes())
            for group, xs in groups.items()
            for name, x in xs.items()
        }
        return json.dumps(rest, sort_keys=True), arrays
    if path.suffix == ".json":
        return json.dumps(json.loads(path.read_text("utf-8-sig")) | {"wall_s": 0}, sort_keys=True)
    return re.sub(rb'"wall_s": [^,\n]+', b"", path.read_bytes())


def same(one, other, besides=()):
    """Fault where a run has left other files, or others' content, than the reference `one`."""
    files, skipped = [], IGNORED | {"report.html"} | set(besides)
    for folder in (one, other):
        found = [Path(at, x) for at, _, xs in os.walk(folder, followlinks=True) for x in xs]
        files.append({str(x.relative_to(folder)): x for x in found if x.name not in skipped})
    for name in sorted(files[0].keys() | files[1].keys()):
        if name not in files[0] or name not in files[1]:
            raise Fault(f"{name} is {'left over' if name in files[1] else 'missing'}")
        x, y = files[0][name], files[1][name]
        if x.read_bytes() != y.read_bytes() and content(x) != content(y):
            raise Fault(f"{name} differs from that of the undisturbed run")


def resumed(name, out, *extra):
    """Fault unless --resume of a command of COMMANDS ends with what it leaves without a fault."""
    answered(command([*COMMANDS[name], *extra, "--out", out, "--resume"]), codes=(0,), lines=0)
    same(reference(name), out)


def results(text):
    """Result lines without seconds and places."""
    return [re.sub(r", \d+ s -> .*|-> .*", "", line) for line in text.splitlines()]


def copied(folder, place):
    """Copy of a folder, links and times as they are."""
    shutil.copytree(folder, place, symlinks=True)
    return place


def limit(**limits):
    """Set limits of this process by name, such as AS=10**9."""
    for name, most in limits.items():
        resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (most, most))


def address_space(extra):
    """Limit this process to the memory that it has and `extra` bytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit(AS=pages * resource.getpagesize() + extra)


def generator(seed, kind, number):
    return random.Random(f"{seed}/{kind}/{number}")
