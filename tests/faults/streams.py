"""Standard streams that are closed, full, dying or of another encoding; the run goes on."""

import itertools
import os
import signal
import subprocess
import sys
import time

from faults import harness
from faults.harness import COMMANDS, Fault, reference, results, same

VERBOSE = [word for word in COMMANDS["train"] if word != "--quiet"]
WRONG = ["--task", "dumy_pmt"]
CLOSED = [  # descriptors; then the words and the exit code that is due
    (closed, words, code)
    for n in range(4)
    for closed in itertools.combinations((0, 1, 2), n)
    for words, code in ((VERBOSE, 0), (WRONG, 2), (COMMANDS["train"], 0))
]
# A shell's redirections, and the exit codes that are right: 1 where results cannot be printed.
REDIRECTED = {
    ">/dev/full": (0, 1), "2>/dev/full": (0,), ">/dev/full 2>&1": (0, 1), "2>/dev/full >&-": (0, 1),
    "| head -c 0": (0, 1), "| head -n 1": (0, 1), "2>&1 | head -c 1": (0, 1), "</dev/zero": (0,),
    "2>&1 >/dev/null | head -c 0": (0,), "2>&1 | true": (0, 1), "| (sleep 1; cat) | wc": (0,),
}  # fmt: skip
ENCODINGS = (
    "ascii",
    "latin-1",
    "utf-16",
    "cp1252",
    "utf-8:strict",
    "ascii:strict",
    "utf-7",
    "koi8-r",
)


def start(words, out):
    return [sys.executable, str(harness.ROOT / "run.py"), *words, "--out", str(out)]


def run(argv, place, shell=None, **env):
    """Exit code and what was said; all of it in files, as a pipe would be a stream too."""
    names = [place / "stdout", place / "stderr"]
    around = os.environ | {"OMP_NUM_THREADS": "1"} | env
    with names[0].open("w") as out, names[1].open("w") as err:
        try:
            done = subprocess.run(
                ["bash", "-c", f"set -o pipefail; {shell}", "bash", *argv],
                stdin=subprocess.DEVNULL, stdout=out, stderr=err, timeout=harness.SECONDS,
                env=around,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise Fault(f"no end after {harness.SECONDS:.0f} s") from None
    return done.returncode, *(name.read_text(errors="replace") for name in names)


def check(ended, codes, out, due=None):
    code, said, err = ended
    if code not in codes:
        raise Fault(f"exit {code}, not {codes}; {err[-300:]!r}")
    if "Traceback" in said + err or "Exception ignored" in said + err:
        raise Fault(f"exit {code}, {(said + err)[-300:]!r}")
    if code == 2 and out.exists():
        raise Fault("exit 2, and yet it wrote")
    if code == 0 or out.exists():
        same(reference("train", pictures=True), out, besides=("stdout",))
    if due is not None and results(said) != due:
        raise Fault(f"printed {said!r}")


def closed(draw, number, place):
    """Descriptors 0, 1 and 2 closed in any combination."""
    descriptors, words, code = CLOSED[number % len(CLOSED)]
    redirect = " ".join(f"{n}{'<' if n == 0 else '>'}&-" for n in descriptors)
    codes = (code, 1) if 1 in descriptors and code == 0 else (code,)
    try:
        out = place / "out"
        check(run(start(words, out), place, f'"$@" {redirect}', MPLBACKEND="agg"), codes, out)
    except Fault as fault:
        raise Fault(f"{redirect or 'none closed'}, {' '.join(words[:3])}: {fault}") from None
    return bool(descriptors)


def redirected(draw, number, place):
    """Full devices and readers that end at once."""
    shell = list(REDIRECTED)[number % len(REDIRECTED)]
    words = draw.choice((VERBOSE, COMMANDS["train"]))
    try:
        out = place / "out"
        check(run(start(words, out), place, f'"$@" {shell}'), (*REDIRECTED[shell], 141), out)
    except Fault as fault:
        raise Fault(f"{shell}: {fault}") from None
    return True


def encoded(draw, number, place):
    """Output in an encoding that lacks the letters of a path."""
    encoding = ENCODINGS[number % len(ENCODINGS)]
    out = place / draw.choice(("Größe", "計算", "📈", "ab\udcff", "a\nb", "a b'\"$x"))
    try:
        ended = run(start(COMMANDS["train"], out), place, '"$@"', PYTHONIOENCODING=encoding)
        check(ended, (0,), out)
        ended = run(start([*WRONG, out.name], out), place, '"$@"', PYTHONIOENCODING=encoding)
        check(ended, (2,), place / "none")
    except Fault as fault:
        raise Fault(f"PYTHONIOENCODING={encoding}, --out {out.name!a}: {fault}") from None
    return True


def dying(draw, number, place):
    """A reader of stderr, or of both, that ends while the run prints its progress."""
    out, both = place / "out", draw.random() < 0.5
    (come, go) = os.pipe()
    # More iterations, so that there is something to print when the reader is gone.
    words = [*VERBOSE, "--out", str(out)]
    process = subprocess.Popen(
        [sys.executable, str(harness.ROOT / "run.py"), *words], stdin=subprocess.DEVNULL,
        stdout=go if both else subprocess.DEVNULL, stderr=go,
    )  # fmt: skip
    os.close(go)
    time.sleep(draw.uniform(0, 2))
    os.close(come)
    try:
        code = process.wait(harness.SECONDS)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
        raise Fault("no end after its reader had ended") from None
    if code not in ((0, 1) if both else (0,)):
        raise Fault(f"exit {code} after the reader of {'both streams' if both else 'stderr'} ended")
    same(reference("train", pictures=True), out)
    return True


TRIALS = [*[closed] * len(CLOSED), *[redirected] * len(REDIRECTED), *[encoded] * len(ENCODINGS)]


def any_of(draw, number, place):
    """All of the lists in their order, then readers that end at random moments."""
    for trial, many in ((closed, CLOSED), (redirected, REDIRECTED), (encoded, ENCODINGS)):
        if number < len(many):
            return trial(draw, number, place)
        number -= len(many)
    return dying(draw, number, place)
