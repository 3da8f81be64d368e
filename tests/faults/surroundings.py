"""A user's surroundings: settings, folders and variables that change no file of a run."""

import os
import shutil

from faults.harness import COMMANDS, Fault, about, answered, program, reference, results, same

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
    "", "svg", "pdf", "pgf", "nbagg", "WebAgg", "Agg", "AGG", "template",
)  # fmt: skip
VARIABLES = """
LANG=C LC_ALL=C; LC_ALL=no_SUCH; LC_ALL=POSIX PYTHONUTF8=0; LANG=tr_TR.UTF-8
PYTHONCOERCECLOCALE=0 LC_ALL=C; TZ=Nowhere/Nothing; TZ=UTC+99; PYTHONHASHSEED=1; PYTHONOPTIMIZE=2
PYTHONDONTWRITEBYTECODE=1; PYTHONWARNINGS=error; PYTHONWARNINGS=default; PYTHONDEVMODE=1
PYTHONSAFEPATH=1; PYTHONUNBUFFERED=1; PYTHONINTMAXSTRDIGITS=640; PYTHONFAULTHANDLER=1
PYTHONMALLOC=debug; PYTHONUTF8=1; PYTHONNODEBUGRANGES=1; HOME; HOME=; HOME=/nowhere; HOME=/dev/null
HOME=/proc; TMPDIR=/nowhere; PATH=; PATH; COLUMNS=1; COLUMNS=x LINES=-1; TERM=dumb; TERM
NO_COLOR=1; MPLCONFIGDIR=/nowhere/at/all; MPLCONFIGDIR=; XDG_CONFIG_HOME=/proc/self; DISPLAY=:99
USER LOGNAME; OMP_NUM_THREADS=4; OMP_NUM_THREADS=x; OPENBLAS_NUM_THREADS=3 OMP_NUM_THREADS=2
OPENBLAS_NUM_THREADS=; MKL_NUM_THREADS=-1; TQDM_DISABLE=1; TQDM_ASCII=1 TQDM_NCOLS=-3
NPY_DISABLE_CPU_FEATURES=; NUMPY_EXPERIMENTAL_DTYPE_API=1; GIT_DIR=/nowhere
GIT_CEILING_DIRECTORIES=/; MPLBACKEND=TkAgg DISPLAY
"""  # without "=" there is none of that name


def variables(text):
    """Changes of variables: "A=1 B" sets A and takes B away."""
    pairs = [word.partition("=") for word in text.split()]
    return {name: value if equals else None for name, equals, value in pairs}


def cases():
    """Surroundings by name: a function of the folder that returns cwd, and changes of variables."""
    found = {}
    for name, text in RC.items():
        found[f"matplotlibrc with {name}"] = lambda place, text=text: rc(place, text)
    changes = [f"MPLBACKEND={name}" for name in BACKENDS]
    for change in changes + VARIABLES.strip().replace("\n", "; ").split("; "):
        found[change] = lambda place, change=change: (place, variables(change))
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
    with about(name):
        if name in GONE:
            return gone(name, place)
        cwd, changes = CASES[name](place)
        judge(program([*COMMANDS["train"], "--out", "out"], cwd=cwd, **changes), cwd / "out")
    return True


def judge(ended, out):
    """Fault unless the run has left the same bytes, pictures too; Matplotlib may complain."""
    answered(ended, codes=(0,), lines=20)
    if "run.py:" in ended.err:
        raise Fault(f"{ended}")
    same(reference("train", pictures=True), out)
    if len(results(ended.out)) != 2:
        raise Fault(f"printed {ended.out!r}")


def gone(name, place):
    """A current folder that is no more or cannot be written to, by a user who is not root."""
    there, opened = place / "there", place / "open"
    there.mkdir()
    opened.mkdir()
    for folder, mode in ((place.parent, 0o755), (place, 0o755), (opened, 0o777)):
        folder.chmod(mode)
    user = "setpriv --reuid=65534 --regid=65534 --clear-groups" if os.getuid() == 0 else ""
    if user and not shutil.which("setpriv"):
        return False
    if name == "cwd deleted":
        ended = program(COMMANDS["train"], f'cd {there} && rmdir {there} && "$@"')
    elif name == "cwd not writable":
        ended = program(COMMANDS["train"], f'cd {there} && {user} "$@"', HOME="/nowhere")
    else:
        words = [*COMMANDS["train"], "--out", opened / "out"]
        ended = program(words, f'cd {there} && {user} "$@"', HOME="/")
    if "ermission denied" in ended.err and "can't open file" in ended.err:
        return False  # that user cannot read this checkout
    if "HOME" in name:
        judge(ended, opened / "out")
    else:
        answered(ended, codes=(1, 2), lines=9)
    return True
