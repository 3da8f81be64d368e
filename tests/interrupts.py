"""Interrupts at random moments: how runs end, and whether a resumed run is what it would have been.

python tests/interrupts.py [--tries N] [--seed S] [--signal INT|TERM] [--only WORD]
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
SMALL = "--smoke --quiet --set hidden=8"
COMMANDS = {
    "one": f"--task dummy_amt --seeds 2 {SMALL}",
    "jobs": f"--task pendulum_amt --seeds 2 --jobs 2 {SMALL}",
    "figure2": f"figure2 --seeds 1 --jobs 2 {SMALL} model_steps=2 episodes=32",
    "lags": f"lags --seeds 1 {SMALL} episodes=16",
    "module": f"-m lvgts_np --task dummy_pmt {SMALL} episodes=400",
    "check": "check Eq.3",
    "mistake": "--task dumy_amt",
}
SAID = {signal.SIGINT: "run.py: interrupted", signal.SIGTERM: "run.py: terminated"}


class Ended(NamedTuple):
    """How a process ended."""

    code: int
    stdout: str
    stderr: str
    seconds: float

    def fault(self, number):
        """What is wrong with this end after a signal; None if nothing is."""
        if self.code < 0 and not self.stderr:
            return None  # the signal came before Python had handlers
        if "run.py" not in self.stderr and "Traceback" in self.stderr:
            own = any(word in self.stderr for word in ("<frozen site>", "Fatal Python error: init"))
            return None if own else f"traceback: {self.stderr}"  # Python's own start
        if self.code in (0, 1, 2):
            return None if "Traceback" not in self.stderr else self.stderr
        lines = self.stderr.splitlines()
        right = self.code == 128 + number and len(lines) == 1 and lines[0].startswith(SAID[number])
        return None if right else f"exit code {self.code}: {self.stderr}"


def start(words, out, **how):
    """A run of the command line in a session of its own."""
    words = words.split() if isinstance(words, str) else list(words)
    program = [] if words[0] == "-m" else ["run.py"]
    where = [] if words[0] == "check" else ["--out", out]
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # in the background of a shell
        signal.signal(signal.SIGINT, signal.default_int_handler)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(
        [sys.executable, *program, *words, *where], cwd=ROOT, start_new_session=True, **pipes | how
    )


def interrupted(words, out, delay, number=signal.SIGINT, group=True, again=None):
    """Ended, of a run that gets a signal after some seconds, as from a terminal if `group`.

    again: seconds to a second signal.
    """
    process = start(words, out)
    begun = time.monotonic()
    for seconds in [delay] + ([] if again is None else [again]):
        time.sleep(seconds)
        if process.poll() is None:
            os.killpg(process.pid, number) if group else process.send_signal(number)
    try:
        stdout, stderr = process.communicate(timeout=120)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        stdout, stderr = process.communicate()
        stderr += "\nhangs"
    return Ended(process.returncode, stdout, stderr, time.monotonic() - begun)


def stress(tries, seed, number, commands, again=False):
    """Interrupts at random moments of each command; faults (command, delay, text)."""
    rng, faults = random.Random(seed), []
    for name, words in commands.items():
        with tempfile.TemporaryDirectory() as folder:
            whole = start(words, Path(folder, "whole"))
            begun = time.monotonic()
            whole.communicate()
            length, codes, slowest = time.monotonic() - begun, Counter(), 0.0
            for n in range(tries):
                delay, out = rng.uniform(0.02, length), Path(folder, str(n))
                second = rng.uniform(0.0, 0.3) if again else None
                ended = interrupted(words, out, delay, number, rng.random() < 0.7, second)
                codes[ended.code] += 1
                slowest = max(slowest, ended.seconds - delay)
                if fault := ended.fault(number):
                    faults.append((name, delay, fault))
                    print(f"{name} after {delay:.2f} s: {fault}", flush=True)
            print(
                f"{name}: {dict(codes)} of {length:.1f} s, ends within {slowest:.1f} s", flush=True
            )
    return faults


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tries", type=int, default=20, help="of each command")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--signal", default="INT", choices=("INT", "TERM"))
    parser.add_argument("--again", action="store_true", help="a second signal soon after")
    parser.add_argument("--only", choices=COMMANDS)
    args = parser.parse_args()
    print(f"seed {args.seed}")
    chosen = {name: COMMANDS[name] for name in ([args.only] if args.only else COMMANDS)}
    faults = stress(args.tries, args.seed, signal.Signals[f"SIG{args.signal}"], chosen, args.again)
    print(f"{len(faults)} faults in {args.tries * len(chosen)} tries")
    raise SystemExit(bool(faults))
