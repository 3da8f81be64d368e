"""What two checkouts write under the same commands, compared: a move of code changes no number.

    python tests/compare_bytes.py OLD NEW [--python PY] [--keep DIR]

Only seconds, versions.json, pictures (redrawn) and files that NEW alone writes (new) may differ.
Exit code 1 if more does; NEW's files then stay where the last line says. With --keep, OLD's stay
in a folder of DIR, and are used again by later calls with the same OLD and PY. POSIX only.
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np

SMALL = "--quiet --smoke --set hidden=64 model_steps=5"
SWITCHES = "N=3 k=2 topk_rule=sab store=after combine=add reward_loss=square"
COMMANDS = {
    "passive": f"--task dummy_pmt {SMALL} episodes=52 replay_episodes=20",
    "active": f"--task dummy_amt --seeds 3 --jobs 2 {SMALL}",
    "float64": f"--task pendulum_pmt --dtype float64 {SMALL}",
    "switches": f"--task pendulum_amt {SMALL} {SWITCHES} encoder_N=0",
    "hurdle": f"--task dummy_amt {SMALL} reward_loss=hurdle",
    "autograd": f"--task pendulum_amt --algo lm_svg --grad autograd {SMALL}",
    "autograd_switches": f"--task dummy_pmt --grad autograd --dtype float64 {SMALL} {SWITCHES}",
    "config": "--config ROOT/switches/pendulum_amt/lvgts/seed_0/config.json --first-seed 3 --quiet",
    "frozen": f"--task dummy_amt --first-seed 2 --seeds 2 {SMALL} model_lr=5e4",
    "killed": f"--task dummy_amt --seeds 3 --jobs 2 {SMALL} episodes=320",
    "interrupted": f"--task pendulum_pmt --algo lm_svg --seeds 2 {SMALL} episodes=320",
    "figure2": "figure2 --smoke --quiet --seeds 2",
    "horizon": "horizon --smoke --quiet --seeds 1 --set episodes=16",
}
CUT_OFF = {"killed": signal.SIGKILL, "interrupted": signal.SIGINT}  # in mid-run, then resumed
EXIT_CODES = {"frozen": 1}  # where it is not 0; of seeds 2 and 3 only 3 becomes non-finite
# What of a file may differ. stdout.txt is written here, the others by the runs.
IGNORED = {"stdout.txt": rb", \d+ s(?= ->)", "summary.json": rb'"wall_s": [^,\n]+'}
IGNORED |= {"timing.csv": rb",\d.*", "versions.json": rb"(?s).+"}


def run(checkout, python, name, root):
    """Run a command of a checkout in root/name, and stdout.txt there if it ends as it should."""
    root.mkdir(parents=True, exist_ok=True)
    out, words = root / name, COMMANDS[name].replace("ROOT", str(root)).split()
    program, stdout = [python, "run.py", *words, "--out", out], ""
    shutil.rmtree(out, ignore_errors=True)
    with (root / f"{name}.stderr").open("w") as stderr:
        pipes = {"stdout": subprocess.PIPE, "stderr": stderr, "text": True}
        pipes |= {"cwd": checkout, "env": os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}}
        if name in CUT_OFF:
            with subprocess.Popen(program, start_new_session=True, **pipes) as process:
                cut_off(process, out, CUT_OFF[name])
                stdout = f"{process.stdout.read()}exit code {process.wait()}\n"
            program.append("--resume")
        done = subprocess.run(program, **pipes)
    if done.returncode == EXIT_CODES.get(name, 0):
        (out / "stdout.txt").write_text((stdout + done.stdout).replace(str(root), "ROOT"))
    else:
        print(f"{name}: exit code {done.returncode} in {checkout}, see {stderr.name}")


def cut_off(process, out, how):
    """Send the signal to a run and its workers as soon as two rows are logged."""
    while not any(log.read_text().count("\n") > 2 for log in out.rglob("log.csv")):
        if process.poll() is not None:
            return  # it failed, and so will --resume
        time.sleep(0.01)
    os.killpg(process.pid, how)
    process.wait()
    if list(out.rglob("summary.json")):
        sys.exit(f"{out}: a seed was complete when its run was cut off; give it more episodes")


def compare(old, new):
    """The paths of the files in two folders by verdict; a verdict in capitals is a fault."""
    olds, news = ({p.relative_to(f): p for p in f.rglob("*") if p.is_file()} for f in (old, new))
    found = {verdict: [] for verdict in ("equal", "redrawn", "new", "DIFFERENT", "MISSING")}
    for path in sorted(olds | news):
        verdict = "redrawn" if path.suffix in (".png", ".pdf", ".html") else "DIFFERENT"
        if path not in olds or path not in news:
            verdict = "MISSING" if path in olds else "new"
        elif content(olds[path]) == content(news[path]):
            verdict = "equal"
        found[verdict].append(path)
    return found


def content(path):
    """What of a file has to be equal."""
    if path.suffix != ".npz":
        return re.sub(IGNORED.get(path.name, rb"(?!)"), b"", path.read_bytes())
    with np.load(path) as file:
        arrays = {name: file[name] for name in file if not name.startswith(("digests/", "logs/t"))}
    rest = json.loads(arrays.pop("rest/json").item())
    for name in ("config", "seconds"):
        rest.pop(name, None)
    for name, ring in arrays.items():  # an earlier version's is stored whole
        if name.startswith("replay/"):
            arrays[name] = ring[:, :, : rest["ring"][0]]
    return rest, [(name, x.dtype, x.shape, x.tobytes()) for name, x in arrays.items()]


def describe(found):
    """How many files have each verdict and, unless they are equal, which: paths if they are few."""
    line = f"{sum(map(len, found.values())):3} files"
    for verdict, paths in found.items():
        names = Counter(str(path) if len(paths) <= 12 else path.name for path in paths)
        listed = ", ".join(f"{n} {name}" if n > 1 else name for name, n in names.items())
        if paths:
            line += f", {len(paths)} {verdict}" + (f" ({listed})" if verdict != "equal" else "")
    return line


def label(checkout, python):
    """Short name of all that OLD's files depend on: code, Python and commands."""
    sources = sorted([checkout / "run.py", *(checkout / "lvgts_np").rglob("*.py")])
    code = b"".join(path.read_bytes() for path in sources)
    return hashlib.sha256(code + f"{python} {COMMANDS}".encode()).hexdigest()[:12]


def main():
    parser = argparse.ArgumentParser(usage=__doc__.splitlines()[2].strip())
    parser.add_argument("checkouts", nargs=2, type=Path)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--keep", type=Path)
    args = parser.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # runs that a shell's & starts lack it
    (old, new), python = args.checkouts, os.path.abspath(args.python)
    root, faults = Path(tempfile.mkdtemp()).resolve(), 0
    olds, news = (args.keep or root).resolve() / label(old, python), root / "new"
    for name in COMMANDS:
        complete = olds / name / "stdout.txt"
        if not complete.is_file():
            run(old, python, name, olds)
        if not complete.is_file():
            sys.exit(1)
        run(new, python, name, news)
        found = compare(olds / name, news / name)
        faults += len(found["DIFFERENT"] + found["MISSING"])
        print(f"{name:17} {describe(found)}", flush=True)
    if faults:
        sys.exit(f"{faults} files differ or are missing: compare {olds} and {news}")
    shutil.rmtree(root)


if __name__ == "__main__":
    main()
