"""Damaged files: after each, either the right bytes or one line; never other numbers."""

import io
import json
import os
import shutil
import warnings
import zipfile

import numpy as np

from faults import harness
from faults.harness import COMMANDS, Fault, about, answered, command, copied, reference, unchanged
from faults.kills import on_writes
from lvgts_np import Agent, ConfigError

FIRST = "dummy_amt/lvgts"
PREVIOUS = ".previous.checkpoint.npz"
# Numbers of the right kind in a checkpoint that is whole: nothing tells them from the run's own.
FORGED = {"arrays: negative", "arrays: another run's", "arrays: a number"}


def prepare():
    harness.references("train", "pendulum")
    cut_off()


def cut_off():
    """Folder of the reference, as it was when a run was killed after some rows."""
    out = harness.scratch() / "cut_off"
    if not out.exists():

        def kill(n):
            if (out / FIRST / "seed_1/log.csv").exists():
                log = (out / FIRST / "seed_1/log.csv").read_text()
                if log.count("\n") > 2:
                    os.kill(os.getpid(), 9)

        command([*COMMANDS["train"], "--out", out], lambda: on_writes(out, kill))
        if not list(out.rglob("checkpoint.npz")) or list(out.rglob("summary.json")):
            raise RuntimeError(f"{out} is not what is left of a run that was cut off")
    return out


# Of bytes, with those of another file: the damaged ones. Names are those of failures.
def flip(draw, x, y):
    at = draw.randrange(len(x))
    return x[:at] + bytes([x[at] ^ 1 << draw.randrange(8)]) + x[at + 1 :]


def digit(draw, x, y):
    """Another digit in place of one; a bit where there is none, as in a header."""
    places = [n for n, c in enumerate(x) if c in b"0123456789"]
    if not places:
        return flip(draw, x, y)
    at = draw.choice(places)
    return x[:at] + str((int(x[at : at + 1]) + draw.randint(1, 9)) % 10).encode() + x[at + 1 :]


def cut(draw, x, y):
    lines = x.splitlines(keepends=True)
    return draw.choice((x[: draw.randrange(len(x))], b"".join(lines[: draw.randrange(len(lines))])))


def grow(draw, x, y):
    return x + draw.choice((b"\n", b"0", b"\0" * 512, b"1,2,3\n", x, x[-40:], b"}\n"))


def middle(draw, x, y):
    """A stretch missing, or there twice."""
    a, b = sorted((draw.randrange(len(x)), draw.randrange(len(x) + 1)))
    return draw.choice((x[:a] + x[b:], x[:b] + x[a:], x[:a] + bytes(b - a) + x[b:]))


def line(draw, x, y):
    """A line missing, doubled, or two of them exchanged."""
    lines = x.splitlines(keepends=True)
    a, b = draw.randrange(len(lines)), draw.randrange(len(lines))
    how = draw.choice(("missing", "twice", "exchanged"))
    lines[a], lines[b] = (lines[b], lines[a]) if how == "exchanged" else (lines[a], lines[b])
    lines[a : a + 1] *= {"missing": 0, "twice": 2}.get(how, 1)
    return b"".join(lines)


def column(draw, x, y):
    """A column of a table missing, renamed or moved."""
    rows = [row.split(b",") for row in x.splitlines()]
    at, names = draw.randrange(len(rows[0])), (b"", b"x", rows[0][0])
    how = draw.choice((
        lambda row: row[:at] + row[at + 1 :], lambda row: row[at:] + row[:at],
        lambda row: [*row[:at], draw.choice(names), *row[at + 1 :]] if row is rows[0] else row,
    ))  # fmt: skip
    return b"\n".join(b",".join(how(row)) for row in rows) + b"\n"


def cell(draw, x, y):
    """A cell, or what stands after a colon, that is something else."""
    word = draw.choice((b"nan", b"inf", b"-1e400", b"", b"x", b'"', b"1_0", b"0x1", b"null", b"[]",
                        b"true", b"-1", b"1e999", b"9" * 400, "٣".encode(), b"1;2"))  # fmt: skip
    marks = [n for n, c in enumerate(x) if c in b",:\n"]
    n = draw.randrange(len(marks) - 1)
    return x[: marks[n] + 1] + word + x[marks[n + 1] :]


def rewritten(draw, x, y):
    """Other line ends, separators, quotes or encoding."""
    ends = (b"\r\n", b"\r", b"\n\n", b" \n", "\u2028".encode())
    mark = draw.choice((b'"', b"'"))
    quoted = [b",".join(mark + cell + mark for cell in row.split(b",")) for row in x.splitlines()]
    text = x.decode(errors="replace")
    return draw.choice((
        x.replace(b"\n", draw.choice(ends)), b"\n".join(quoted) + b"\n",
        x.replace(b",", draw.choice((b";", b"\t", b", ", b" ,"))),
        text.encode(draw.choice(("utf-8-sig", "utf-16", "utf-32", "utf-7"))),
    ))  # fmt: skip


def emptied(draw, x, y):
    return draw.choice((b"", b"\n", bytes(len(x)), b" " * len(x), b"null", b"[]", b"{}", b"0"))


def exchanged(draw, x, y):
    return y


def json_values(draw, x, y):
    """A value of a JSON object of another type, a little other, missing or one more."""
    fields = json.loads(x)
    name, how = draw.choice(list(fields)), draw.randrange(5)
    value = fields[name]
    if how == 0:
        del fields[name]
    elif how == 1:
        fields[draw.choice(("x", "", "__class__", name.upper()))] = value
    elif how == 2 and isinstance(value, (int, float)):
        fields[name] = value + draw.choice((1, -1, 0.5, 1e-12, 1e12))
    else:
        odd = (None, True, False, -1, 0, 1e308, 10**400, float("nan"), "", "x", "1", [], {})
        fields[name] = draw.choice((*odd, [value], str(value)))
    return json.dumps(fields, indent=draw.choice((None, 1, 2))).encode()


def arrays(draw, x, y):
    """An array of a checkpoint of another type, shape, order or content, missing or one more."""
    with np.load(io.BytesIO(x)) as file:
        members = {name: file[name] for name in file}
    with np.load(io.BytesIO(y)) as file:
        name = draw.choice(list(members))
        theirs = file[name] if name in file else members[name]
    a = members[name]
    how = draw.choice(list(ARRAYS))
    other = ARRAYS[how](draw, a, theirs)
    if other is None:
        del members[name]
    else:
        members[name if how != "one more" else "phi/x"] = other
    out = io.BytesIO()
    (np.savez_compressed if how == "compressed" else np.savez)(out, **members)
    return out.getvalue(), how


def changed_number(draw, a, y):
    """One number a little other, where it is a number."""
    if a.dtype.kind not in "fi" or not a.size:
        return a[()] if a.dtype.kind != "U" else np.array(str(a).replace("1", "2", 1))
    a = a.copy()
    a.flat[draw.randrange(a.size)] += draw.choice((1, 7))
    return a


ARRAYS = {  # of an array and another run's: what stands in its place, None for nothing
    "missing": lambda draw, a, y: None,
    "one more": lambda draw, a, y: a,
    "float64": lambda draw, a, y: a.astype("f8") if a.dtype.kind == "f" else a.astype("U9"),
    "float16": lambda draw, a, y: a.astype("f2") if a.dtype.kind in "fi" else a,
    "integers": lambda draw, a, y: a.astype("i4") if a.dtype.kind in "fi" else a.astype("S"),
    "complex": lambda draw, a, y: a.astype("c16") if a.dtype.kind in "fi" else a,
    "bytes turned": lambda draw, a, y: a.astype(a.dtype.newbyteorder(">")),
    "fortran": lambda draw, a, y: np.asfortranarray(a),
    "flat": lambda draw, a, y: a.ravel(),
    "transposed": lambda draw, a, y: a.T,
    "longer": lambda draw, a, y: np.concatenate((a, a)) if a.ndim else np.array([a, a]),
    "one axis more": lambda draw, a, y: a[None],
    "empty": lambda draw, a, y: a.ravel()[:0],
    "nan": lambda draw, a, y: np.full_like(a, np.nan) if a.dtype.kind == "f" else a,
    "inf": lambda draw, a, y: np.full_like(a, -np.inf) if a.dtype.kind == "f" else a,
    "negative": lambda draw, a, y: -a if a.dtype.kind in "fi" else np.array(str(a)[::-1]),
    "another run's": lambda draw, a, y: y,
    "a number": changed_number,
    "compressed": lambda draw, a, y: a,
    "objects": lambda draw, a, y: a.astype(object),
}


def member(draw, x, y):
    """Members of a checkpoint in another order, doubled, or with a comment: a zip file still."""
    out, how = io.BytesIO(), draw.choice(("order", "twice", "comment", "folder"))
    with zipfile.ZipFile(io.BytesIO(x)) as old:
        found = [(name, old.read(name)) for name in old.namelist()]
    if how == "order":
        draw.shuffle(found)
    elif how == "twice":
        found.append((found[0][0], draw.choice(found)[1]))
    elif how == "folder":
        found.append(("phi/", b""))
    with (
        warnings.catch_warnings(action="ignore"),  # of a name that is there twice
        zipfile.ZipFile(out, "w") as new,
    ):
        new.comment = b"x" * (draw.randrange(1, 60_000) if how == "comment" else 0)
        for name, content in found:
            new.writestr(name, content)
    return out.getvalue(), how


OF_BYTES = (flip, flip, cut, grow, middle, emptied, exchanged)
OF_TEXT = (digit, digit, line, cell, cell, rewritten, rewritten, rewritten, rewritten)
BY_SUFFIX = {
    ".csv": (*OF_BYTES, *OF_TEXT, column, column),
    ".json": (*OF_BYTES, *OF_TEXT, json_values, json_values, json_values),
    ".npz": (*OF_BYTES, arrays, arrays, arrays, arrays, arrays, arrays, member),
}
# What another file in its place can be: not even bytes.
PLACES = ("missing", "folder", "link", "dangling", "loop", "fifo")


def damage(draw, path, others):
    """Damage a file, which others may lend their bytes; the name of what was done."""
    if draw.random() < 0.06:
        how = draw.choice(PLACES)
        path.unlink()
        links = {"link": draw.choice(others), "dangling": "nowhere", "loop": path.name}
        if how == "folder":
            path.mkdir()
        elif how == "fifo":
            os.mkfifo(path)
        elif how in links:
            path.symlink_to(links[how])
        return how
    x, kin = path.read_bytes(), [other for other in others if other.suffix == path.suffix]
    how = draw.choice(BY_SUFFIX[path.suffix])
    twins = [other for other in kin if other.name == path.name]
    y = draw.choice(twins if twins and draw.random() < 0.7 else kin)
    new, what = how(draw, x, y.read_bytes()), how.__name__
    if isinstance(new, tuple):
        new, what = new[0], f"{what}: {new[1]}"
    if new == x:
        return None
    path.write_bytes(new)
    return what


def read_back(draw, number, place):
    """A damaged file of a complete run, or of one that was cut off, before --resume."""
    complete = draw.random() < 0.5
    source = reference("train") if complete else cut_off()
    out = copied(source, place / "out")
    files = sorted(out.glob(f"{FIRST}/seed_*/*"))
    others = [p for use in ("pendulum", "train") for p in reference(use).glob("*/*/seed_*/*")]
    path = draw.choice([path for path in files if path.suffix in BY_SUFFIX])
    how = damage(draw, path, [p for p in others if p.suffix in BY_SUFFIX])
    if how is None:
        return False
    with about(f"{path.relative_to(out)}, {how}, {complete = }"):
        judge(draw, path, out, complete, how in FORGED)
    return True


def judge(draw, path, out, complete, forged):
    """Fault unless every reader of the damaged file answers rightly."""
    before = harness.tree(out)
    words = [*COMMANDS["train"], "--out", out, "--resume"]
    ended = command(words)
    answered(ended, lines=2, names=(path, path.parent))
    if ended.code == 2:
        unchanged(before, out, "exit 2")
        other = path.parents[1] / {"seed_0": "seed_1", "seed_1": "seed_0"}[path.parent.name]
        if draw.random() < 0.2:  # the advice: without the folder its seed starts again
            shutil.rmtree(path.parent)
            kept = harness.tree(other) if complete else None
            answered(command(words), codes=(0,), lines=0)
            if kept:
                unchanged(kept, other, "a complete seed")
            harness.same(reference("train"), out)
    elif ended.code == 0 and not forged:
        harness.same(reference("train"), out, ["checkpoint.npz"] if complete else [])
    elif complete and not numbers_equal(out):
        raise Fault(f"{ended}, and numbers beside the run directories that are not its")
    if path.suffix == ".npz" or draw.random() < 0.1:
        load(path.parent, forged or not complete)


def numbers_equal(out):
    """Whether the tables beside the run directories, where they are, are the reference's."""
    right = reference("train") / FIRST
    there = (out / FIRST).glob("*.csv")
    return all(path.read_bytes() == (right / path.name).read_bytes() for path in there)


def load(path, other):
    """Fault unless Agent.load gives the agent of the reference (`other`: any), or says why not."""
    right = Agent.load(reference("train") / path.relative_to(path.parents[2]))

    def work():
        try:
            agent = Agent.load(path)
        except ConfigError as error:
            print("\n" in str(error) or str(path) not in str(error))
        else:
            pairs = ((right.phi, agent.phi), (right.theta, agent.theta))
            equal = all(np.array_equal(a[name], b[name]) for a, b in pairs for name in a)
            settings = [(x.k, x.rule, x.a_max) for x in (right, agent)]
            print(settings[0] != settings[1] or not (equal or other))
        return 0

    ended = harness.forked(work)
    if ended.out.strip() != "False" or ended.err:
        raise Fault(f"Agent.load: {ended} {ended.out}")


def in_a_study(draw, number, place):
    """A damaged file of a finished study before --resume of it."""
    name = draw.choice(("figure2", "lags"))
    out = copied(reference(name), place / "out")
    files = [p for p in sorted(out.rglob("*")) if p.suffix in BY_SUFFIX]
    path = draw.choice(files)
    how = damage(draw, path, [p for p in reference(name).rglob("*") if p.suffix in BY_SUFFIX])
    if how is None:
        return False
    before = harness.tree(out)
    with about(f"{name}: {path.relative_to(out)}, {how}"):
        ended = command([*COMMANDS[name], "--out", out, "--resume"])
        answered(ended, lines=9, names=(path, path.parent))
        if ended.code == 2:
            unchanged(before, out, "exit 2")
        elif ended.code == 0:  # nobody but Agent.load needs all of a complete run's checkpoint
            harness.same(reference(name), out, besides=("checkpoint.npz",))
    return True
