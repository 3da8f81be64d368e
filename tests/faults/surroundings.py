"""A user's surroundings: settings, folders and variables that change no file of a run."""

import os
import shutil
import subprocess
import sys

from faults import harness
from faults.harness import COMMANDS, Fault, answered, program, reference, results, same

RC = {  # matplotlibrc of a user, or what is in its place
    "text.usetex": "text.usetex: True\n",
    "unknown keys": "no.such.key: 1\naxes.nothing: x\n",
    "wrong values": "figure.dpi: many\nlines.linewidth: -\nfont.size: 1e9\n",
    "another look": "figure.dpi: 31\nfont.family: cursive\naxes.grid: True\nlines.linewidth: 9\n",
    "other files": "savefig.facecolor: red\nsavefig.bbox: tight\npath.sketch: 1, 100, 2\n",
    "a backend": "backend: no_such_backend\n",
    "an interactive backend": "backend: TkAgg\ninteractive: True\ntoolbar: None\n",
    "no text": "\x00\xff\udcff",
    "latin-1": "font.family: Gr\udce4\n",
    "svg": "svg.fonttype: none\npdf.fonttype: 42\naxes.formatter.use_locale: True\n",
    "maps": "image.cmap: no_such_map\naxes.prop_cycle: cycler('x', [1])\n",
}
BACKENDS = (
    "module://matplotlib_inline.backend_inline", "module://no_such", "TkAgg", "QtAgg", "no_such",
    "", "svg",
    "pdf", "pgf", "nbagg", "WebAgg", "Agg", "AGG", "template",
)  # fmt: skip
VARIABLES = (
    {"LANG": "C", "LC_ALL": "C"}, {"LC_ALL": "no_SUCH"}, {"LC_ALL": "POSIX", "PYTHONUTF8": "0"},
    {"LANG": "tr_TR.UTF-8"}, {"PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"}, {"TZ": "Nowhere/Nothing"},
    {"TZ": "UTC+99"}, {"PYTHONHASHSEED": "1"}, {"PYTHONOPTIMIZE": "2"},
    {"PYTHONDONTWRITEBYTECODE": "1"},
    {"PYTHONWARNINGS": "error"}, {"PYTHONWARNINGS": "default"}, {"PYTHONDEVMODE": "1"},
    {"PYTHONSAFEPATH": "1"}, {"PYTHONUNBUFFERED": "1"}, {"PYTHONINTMAXSTRDIGITS": "640"},
    {"PYTHONFAULTHANDLER": "1"}, {"PYTHONMALLOC": "debug"}, {"PYTHONUTF8": "1"},
    {"PYTHONNODEBUGRANGES": "1"},
    {"HOME": None}, {"HOME": ""}, {"HOME": "/nowhere"}, {"HOME": "/dev/null"}, {"HOME": "/proc"},
    {"TMPDIR": "/nowhere"}, {"PATH": ""}, {"PATH": None}, {"COLUMNS": "1"},
    {"COLUMNS": "x", "LINES": "-1"},
    {"TERM": "dumb"}, {"TERM": None}, {"NO_COLOR": "1"}, {"MPLCONFIGDIR": "/nowhere/at/all"},
    {"MPLCONFIGDIR": ""}, {"XDG_CONFIG_HOME": "/proc/self"}, {"DISPLAY": ":99"},
    {"USER": None, "LOGNAME": None},
    {"OMP_NUM_THREADS": "4"}, {"OMP_NUM_THREADS": "x"},
    {"OPENBLAS_NUM_THREADS": "3", "OMP_NUM_THREADS": "2"},
    {"OPENBLAS_NUM_THREADS": ""}, {"MKL_NUM_THREADS": "-1"}, {"TQDM_DISABLE": "1"},

    {"TQDM_ASCII": "1", "TQDM_NCOLS": "-3"}, {"NPY_DISABLE_CPU_FEATURES": ""},
    {"NUMPY_EXPERIMENTAL_DTYPE_API": "1"},
    {"GIT_DIR": "/nowhere"}, {"GIT_CEILING_DIRECTORIES": "/"},
    {"MPLBACKEND": "TkAgg", "DISPLAY": None},
)  # fmt: skip


def cases():
    """Surroundings by name: a function of the folder that returns cwd, and changes of variables."""
    found = {}
    for name, text in RC.items():
        found[f"matplotlibrc with {name}"] = lambda place, text=text: rc(place, text)
    for backend in BACKENDS:
        found[f"MPLBACKEND={backend}"] = lambda place, backend=backend: (
            place,
            {"MPLBACKEND": backend},
        )
    for change in VARIABLES:
        name = " ".join(f"{key}={value}" for key, value in change.items())
        found[name] = lambda place, change=change: (place, change)
    found["a matplotlibrc that is a folder"] = rc_folder
    found["a matplotlibrc in the current folder"] = rc_here
    found["modules of the library's names in the current folder"] = modules
    found["a folder with odd names"] = odd_name
    return found


def rc(place, text):
    (place / "config").mkdir()
    (place / "config/matplotlibrc").write_bytes(text.encode("utf-8", "surrogateescape"))
    return place, {"MPLCONFIGDIR": str(place / "config")}


def rc_folder(place):
    (place / "config/matplotlibrc").mkdir(parents=True)
    return place, {"MPLCONFIGDIR": str(place / "config")}


def rc_here(place):
    (place / "matplotlibrc").write_text(RC["another look"] + RC["text.usetex"])
    return place, {}


def modules(place):
    for name in ("numpy", "json", "random", "scipy", "training", "cli", "matplotlib"):
        (place / f"{name}.py").write_text("raise SystemExit('the wrong module')\n")
    return place, {}


def odd_name(place):
    there = place / "a b\n'ü\udcff"
    there.mkdir()
    return there, {}


CASES = cases()
GONE = ("cwd deleted", "cwd not writable", "HOME not writable")


def trial(draw, number, place):
    """One of the surroundings; --out is relative, so that the current folder takes part."""
    name = [*CASES, *GONE][number % (len(CASES) + len(GONE))]
    try:
        if name in GONE:
            return gone(name, place)
        cwd, changes = CASES[name](place)
        judge(program([*COMMANDS["train"], "--out", "out"], cwd=cwd, **changes), cwd / "out", name)
    except Fault as fault:
        raise Fault(f"{name}: {fault}") from None
    return True


def judge(ended, out, name):
    """Fault unless the run has left the same bytes, pictures too; Matplotlib may complain."""
    answered(ended, codes=(0,), lines=20)
    if "run.py:" in ended.err:
        raise Fault(f"{ended}")
    same(reference("train", pictures=True), out)
    if len(results(ended.out)) != 2:
        raise Fault(f"printed {ended.out!r}")


def gone(name, place):
    """A current folder that is no more or cannot be written to, by a user who is not root."""
    (place / "there").mkdir()
    user = (
        ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.getuid() == 0 else []
    )
    start = [sys.executable, str(harness.ROOT / "run.py"), *COMMANDS["train"]]
    before = {"cwd deleted": f"cd {place}/there && rmdir {place}/there"}.get(
        name, f"cd {place}/there"
    )
    env = os.environ | {"OMP_NUM_THREADS": "1", "HOME": "/" if "HOME" in name else "/nowhere"}
    where = []
    if "HOME" in name:
        out = place / "open"
        out.mkdir()
        out.chmod(0o777)
        for folder in (place, place.parent):
            folder.chmod(0o755)
        where = ["--out", str(out / "out")]
    else:
        user = user if "writable" in name else []
        place.chmod(0o755)
        place.parent.chmod(0o755)
    if user and not shutil.which("setpriv"):
        return False
    done = subprocess.run(
        ["sh", "-c", f'{before}; exec "$@"', "sh", *user, *start, *where], capture_output=True,
        text=True,
        timeout=harness.SECONDS, env=env, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    ended = harness.Ended(done.returncode, done.stdout, done.stderr)
    if "ermission denied" in ended.err and "can't open file" in ended.err:
        return False  # that user cannot read this checkout
    if where:
        answered(ended, codes=(0,), lines=9)
        same(reference("train", pictures=True), out / "out")
    else:
        answered(ended, codes=(1, 2), lines=9)
    return True
