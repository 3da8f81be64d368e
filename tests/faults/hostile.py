"""Files that somebody made to do harm: nothing beside the run directory changes, nothing is run."""

import functools
import io
import json
import os
import pickle
import struct
import zipfile

import numpy as np

from faults import harness
from faults.damage import FIRST, PREVIOUS, cut_off, load
from faults.harness import COMMANDS, Fault, about, answered, command, reference, unchanged

MEMORY = 600 * 2**20  # bytes that reading a hostile file may take
LINKED = ("log.csv", "timing.csv", "checkpoint.npz", PREVIOUS, "config.json", "versions.json",
          "summary.json", "attention.csv", "credit.csv")  # fmt: skip
BOMB = 3 * 2**30


class Run:
    """What unpickles to a command that leaves a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def members(path):
    with np.load(path) as file:
        return {name: file[name] for name in file}


def rewrite(path, name, x):
    """Write a checkpoint again with another array; None takes it away."""
    found = members(path) | {name: x}
    np.savez(path, **{name: x for name, x in found.items() if x is not None})


def rest(path, change):
    """Change the rest of a checkpoint, a dict."""
    fields = json.loads(str(members(path)["rest/json"]))
    change(fields)
    rewrite(path, "rest/json", np.array(json.dumps(fields)))


def many(path):
    np.savez(path, **members(path), **{f"x/{n}": np.array(0) for n in range(20_000)})


def raw(path, content, name="phi/b.W.npy", compressed=False):
    """Put bytes, or chunks of them, in place of a member."""
    with zipfile.ZipFile(path) as old:
        others = {info.filename: old.read(info) for info in old.infolist()}
    kind = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w", kind) as new:
        for member, data in (others | {name: content}).items():
            with new.open(member, "w", force_zip64=True) as file:
                for chunk in [data] if isinstance(data, bytes) else data():
                    file.write(chunk)


def header(text, body=b"\0" * 64):
    """Bytes of an .npy with any header."""
    text = text.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text) % 2**16) + text + body


def npy(shape, dtype="<f4"):
    return header(f"{{'descr': {dtype!r}, 'fortran_order': False, 'shape': {shape}, }}")


def pickled(victim):
    out = io.BytesIO()
    np.lib.format.write_array(out, np.array(Run(victim / "run"), dtype=object), allow_pickle=True)
    return out.getvalue()


def bomb():
    yield npy(f"({BOMB // 4},)")[:-64]
    for _ in range(BOMB // 2**22):
        yield bytes(2**22)


def swapped(path, to):
    """Put a link to something else in the place of a file."""
    path.unlink(missing_ok=True)
    path.symlink_to(to)


def moved(folder, to):
    """The folder lies elsewhere, which is its user's choice: the rest there is left alone."""
    folder.rename(to)
    folder.symlink_to(to)


LOGS = {  # what a log in a checkpoint is, made of what it was
    "nothing": lambda x: b"",
    "half a row": lambda x: x[:-9], "another header": lambda x: x.replace(b"loss", b"gain"),
    "a column less": lambda x: b"".join(y.split(b",", 1)[1] for y in x.splitlines(True)),
    "no text": lambda x: b"\xff" * 99, "words": lambda x: x.replace(b"1", b"x"),
    "a long cell": lambda x: x.splitlines(True)[0] + b"1" * 200_000, "NUL": lambda x: x + b"\0",
    "CRLF": lambda x: x.replace(b"\n", b"\r\n"), "quotes": lambda x: x + b'"',
}  # fmt: skip
NPY = {
    "<f4": ("(1000000000000,)", "(-1, 4)", "(2**40,)", "(1, 10**30)", "(True,)", "()", "(1.5,)",
            "('a',)", "(1,)*99", "(" * 200 + ")" * 200, "__import__('os').system('true')"),
    "|O": ("(1, 2)",), "<U1000000000": ("(1, 2)",), "|V999999999": ("(4,)",), "<M8": ("(1,)",),
    "x" * 9_000: ("(4,)",),
}  # fmt: skip
REST = {
    "iteration": (-1, 10**9, 10**400, 1.5, True, "2", None, [2], float("nan")),
    "seed": (-1, 1, 10**30, "0", None, 0.0, False),
    "ring": ([0, 0], [10**9, 0], "x", None, [1], [-1, 3]),
    "adam_steps": ([0, 0], [10**18, 1], [-1, -1], None, [1.5, 2]),
    "seconds": ({}, None, {"collect": -1}, "x"),
    "frozen": ("", 1, [], False, "x" * 10**6), "streams": ({}, None, [], "x", {"weights": {}}),
}  # fmt: skip
TEXTS = ("[" * 200_000, "9" * 10_000, '{"N": 1e999}', '{"__class__": "x"}', "NaN", "\0" * 999)


def cases(path, victim):
    """What is done to the checkpoint of a run that was cut off, or beside it, by name."""
    out, folder, found = os.path.relpath(victim, path.parent), path.parent, {}

    def add(name, work, *args):
        found[name] = functools.partial(work, *args)

    log = members(path)["logs/log.csv"]
    for name in (
        f"{victim}/file", f"{out}/file", "../seed_1/log.csv", "config.json", "/dev/null", ".", "..",
        "", "~/x", "log.csv/../config.json", "a\\b", "summary.json", "x" * 300,
    ):  # fmt: skip
        for group, x in (("logs", np.full(9, 49, np.uint8)), ("digests", np.array("x" * 64))):
            add(f"{group} names {name:.40}", rewrite, path, f"{group}/{name}", x)
    for name, change in LOGS.items():
        x = np.frombuffer(change(log.tobytes()), np.uint8)
        add(f"a log that is {name}", rewrite, path, "logs/log.csv", x)
    for x in (None, np.array(7), np.array("7"), log.astype(float), np.full(10**7, 49, np.uint8)):
        add(f"a log of {x!r:.20}", rewrite, path, "logs/log.csv", x)
    for dtype, shapes in NPY.items():
        for shape in shapes:
            add(f"shape {shape} of {dtype}", raw, path, npy(shape, dtype))
    add("a header of 60,000 brackets", raw, path, header("[" * 60_000))
    add("no magic", raw, path, b"x" * 99)
    add("an .npy of version 3", raw, path, b"\x93NUMPY\x03\x00" + bytes(99))
    add("a pickle as the file", path.write_bytes, pickle.dumps(Run(victim / "run")))
    add("a member with a path", raw, path, npy("(1,)"), f"../../../{victim.name}/new.npy")
    for name in ("phi/b.W.npy", "rest/json.npy", "x/y.npy"):
        add(f"a pickle as {name}", raw, path, pickled(victim), name)
        add(f"a zip bomb as {name}", raw, path, bomb, name, True)
    add("a zip of 3 GB, stored", raw, path, bomb)
    add("20,000 members", many, path)
    for x in ("[" * 100_000, "9" * 5_000, "[" + "0," * 6_000_000 + "0]"):
        add(f"a rest of {x:.5}, {len(x)}", rewrite, path, "rest/json", np.array(x))
    for name, values in REST.items():
        for x in values:
            add(f"{name} {x!r:.40}", rest, path, lambda rest, n=name, x=x: rest.update({n: x}))

    def generator(**changes):
        return lambda rest: rest["streams"]["weights"].update(changes)

    add("a generator named os.system", rest, path, generator(bit_generator="os.system"))
    for x in (-1, 2**200, 1.5, None, "x", [1]):
        add(f"a state {x!r:.40}", rest, path, generator(state={"state": x, "inc": 1}))
    for name in LINKED:
        for to in (victim / "file", "/dev/zero", "/dev/full", victim / "new", victim):
            add(f"{name} a link to {to}", swapped, folder / name, to)
    for what in TEXTS:
        for name in ("config.json", "versions.json", "summary.json"):
            add(f"{name} of {what[:30]!r}", (folder / name).write_text, what)
    for name in ("config.json", "log.csv", "checkpoint.npz"):
        add(f"{name} a sparse file of 1 TB", os.truncate, folder / name, 2**40)
    add("log.csv of nan", (folder / "log.csv").write_text, "nan," * 10**6)
    for what in (folder, folder.parent):
        add(f"{what.name} is a link", moved, what, victim.with_name("moved"))
    for what in (folder / f".log.csv.{os.uname().nodename}.99999999", folder.parent / "x.png"):
        add(f"{what.name} is a link", swapped, what, victim / "file")
    return found


def trial(draw, number, place):
    """One hostile file, by its place in the list, before --resume and Agent.load."""
    victim = place / "victim"
    victim.mkdir()
    (victim / "file").write_text("1,2,3\n" * 99)
    out = harness.copied(cut_off(), place / "out")
    path = out / FIRST / "seed_0/checkpoint.npz"
    found = cases(path, victim)
    name = list(found)[number % len(found)]
    found[name]()
    before = harness.tree(victim)
    with about(name):
        start = harness.forked(lambda: 0).peak
        words = [*COMMANDS["train"], "--out", out, "--resume"]
        # A limit, so that what runs away ends as a failure of this trial alone.
        ended = command(words, lambda: harness.address_space(4 * 2**30))
        answered(ended, lines=2)
        if ended.peak - start > MEMORY:
            raise Fault(f"{(ended.peak - start) / 2**20:.0f} MB were taken")
        unchanged(before, victim, name)
        if ended.code == 0:
            harness.same(reference("train"), out, besides=("checkpoint.npz", "x.png"))
        load(path.parent, other=True)
        unchanged(before, victim, f"{name}, Agent.load")
    return True
