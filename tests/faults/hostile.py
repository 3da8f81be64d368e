"""Files that somebody made to do harm: nothing beside the run directory changes, nothing is run."""

import functools
import io
import json
import os
import pickle
import struct
import zipfile
from pathlib import Path

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


def rewrite(path, **changes):
    """Write a checkpoint again with some arrays changed; None takes one away."""
    found = members(path) | {name.replace("__", "/"): x for name, x in changes.items()}
    np.savez(path, **{name: x for name, x in found.items() if x is not None})


def rest(path, change):
    """Change the rest of a checkpoint, a dict."""
    fields = json.loads(str(members(path)["rest/json"]))
    change(fields)
    rewrite(path, rest__json=np.array(json.dumps(fields)))


def raw(path, content, name="phi/b.W.npy", compressed=False):
    """Put bytes, or chunks of them, in place of a member."""
    with zipfile.ZipFile(path) as old:
        others = {info.filename: old.read(info) for info in old.infolist()}
    others[name] = content
    kind = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w", kind) as new:
        for member, data in others.items():
            with new.open(member, "w", force_zip64=True) as file:
                for chunk in [data] if isinstance(data, bytes) else data:
                    file.write(chunk)


def header(text, body=b"\0" * 64):
    """Bytes of an .npy with any header."""
    text = text.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text) % 2**16) + text + body


def npy(shape, dtype="<f4"):
    return header(f"{{'descr': {dtype!r}, 'fortran_order': False, 'shape': {shape}, }}")


def pickled(path, victim):
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


def in_checkpoint(path, victim):
    """Cases: what is done to the checkpoint of a run that was cut off, by name."""
    out = Path(os.path.relpath(victim, path.parent))
    set_rest = functools.partial(rest, path)
    text = np.frombuffer(b"1,2,3\n" * 99, np.uint8)
    log, words = members(path)["logs/log.csv"], members(path)["logs/log.csv"].tobytes()
    lines = words.splitlines(keepends=True)
    logs = {
        "nothing": b"", "the header": lines[0], "a row less": b"".join(lines[:-1]),
        "a row more": words + lines[-1], "a row twice": b"".join(lines[:2] * 2),
        "half a row": words[:-9], "another header": words.replace(b"loss", b"gain"),
        "a column less": b"".join(x.split(b",", 1)[1] for x in lines), "no text": b"\xff" * 99,
        "words": words.replace(b"1", b"x"), "a long cell": lines[0] + b"1" * 200_000,
        "CRLF": words.replace(b"\n", b"\r\n"), "quotes": words + b'"', "NUL": words + b"\0",
    }  # fmt: skip
    cases = {
        f"{group} names {name!r:.40}": functools.partial(rewrite, path, **{f"{group}__{name}": x})
        for group, x in (("logs", text), ("digests", np.array("x" * 64)))
        for name in (
            f"{victim}/file", f"{out}/file", "../seed_1/log.csv", "config.json", "/dev/null", ".",
            "..", "", "~/x", "log.csv/../config.json", "a\\b", "summary.json", "x" * 300,
        )
    } | {
        f"a log that is {name}": functools.partial(
            rewrite, path, **{"logs__log.csv": np.frombuffer(x, np.uint8)}
        )
        for name, x in logs.items()
    } | {
        f"a log of {x!r:.20}": functools.partial(rewrite, path, **{"logs__log.csv": x})
        for x in (None, np.array(7), np.array("7"), log.astype(float), log[None], np.zeros(99),
                  np.full(10**7, 49, np.uint8))
    } | {
        f"shape {shape} of {dtype}": functools.partial(raw, path, npy(shape, dtype))
        for shape, dtype in (
            ("(1000000000000,)", "<f4"), ("(-1, 4)", "<f4"), ("(2**40,)", "<f4"),
            ("(1, 10**30)", "<f4"),
            ("(True,)", "<f4"), ("()", "<f4"), ("(1.5,)", "<f4"), ("('a',)", "<f4"),
            ("(1,)*99", "<f4"),
            ("(1, 2)", "|O"), ("(1, 2)", "<U1000000000"), ("(4,)", "|V999999999"), ("(1,)", "<M8"),
            ("(4,)", "x" * 9_000), ("(" * 200 + ")" * 200, "<f4"),
            ("__import__('os').system('true')", "<f4"),
        )
    } | {
        "a header of 60,000 brackets": functools.partial(raw, path, header("[" * 60_000)),
        "no magic": functools.partial(raw, path, b"x" * 99),
        "an .npy of version 3": functools.partial(raw, path, b"\x93NUMPY\x03\x00" + bytes(99)),
        "a pickle": lambda: raw(path, pickled(path, victim)),
        "a pickle as rest": lambda: raw(path, pickled(path, victim), "rest/json.npy"),
        "a pickle as the file": lambda: path.write_bytes(pickle.dumps(Run(victim / "run"))),
        "a pickle as one more": lambda: raw(path, pickled(path, victim), "phi/x.npy"),
        "a zip bomb": lambda: raw(path, bomb(), compressed=True),
        "a zip bomb as rest": lambda: raw(path, bomb(), "rest/json.npy", compressed=True),
        "a zip bomb as one more": lambda: raw(path, bomb(), "x/y.npy", compressed=True),
        "100,000 members": lambda: rewrite(path, **{f"x__{n}": np.array(0) for n in range(20_000)}),
        "a member with a path": lambda: raw(path, npy("(1,)"), f"../../../{victim.name}/new.npy"),
        "a sparse file of 1 TB": lambda: os.truncate(path, 2**40),
        "a zip of 3 GB, stored": lambda: raw(path, bomb()),
        "deep JSON": lambda: rewrite(path, rest__json=np.array("[" * 100_000)),
        "a number of 5,000 digits": lambda: rewrite(path, rest__json=np.array("9" * 5_000)),
        "50 MB of JSON": lambda: rewrite(path, rest__json=np.array("[" + "0," * 6_000_000 + "0]")),
    }  # fmt: skip
    odd = {
        "iteration": (-1, 10**9, 10**400, 1.5, True, "2", None, [2], float("nan")),
        "seed": (-1, 1, 10**30, "0", None, 0.0, False),
        "ring": ([0, 0], [10**9, 0], "x", None, [1], [-1, 3]),
        "adam_steps": ([0, 0], [10**18, 1], [-1, -1], None, [1.5, 2]),
        "seconds": ({}, None, {"collect": -1}, "x"),
        "frozen": ("", 1, [], False, "x" * 10**6), "streams": ({}, None, [], "x", {"weights": {}}),
    }  # fmt: skip
    for name, values in odd.items():
        for x in values:
            change = lambda fields, name=name, x=x: fields.update({name: x})  # noqa: E731
            cases[f"{name} {x!r:.40}"] = functools.partial(set_rest, change)

    def bit_generator(fields):
        fields["streams"]["weights"]["bit_generator"] = "os.system"

    def state(x):
        return lambda fields: fields["streams"]["weights"]["state"].update(state=x)

    cases["a generator named os.system"] = functools.partial(set_rest, bit_generator)
    for x in (-1, 2**200, 1.5, None, "x", [1]):
        cases[f"a generator's state {x!r:.40}"] = functools.partial(set_rest, state(x))
    return cases


def in_folder(path, victim):
    """Cases: links, devices and texts in the place of other files of a run directory."""
    folder = path.parent
    cases = {}
    for name in LINKED:
        for to in (victim / "file", "/dev/zero", "/dev/full", victim / "new", victim):
            cases[f"{name} a link to {to}"] = functools.partial(swapped, folder / name, to)
    texts = ("[" * 200_000, "9" * 10_000, '{"N": 1e999}', '{"__class__": "x"}', "NaN", "\0" * 999)
    for what in texts:
        for name in ("config.json", "versions.json", "summary.json"):
            cases[f"{name} of {what[:30]!r}"] = functools.partial((folder / name).write_text, what)
    cases["config.json a sparse file of 1 TB"] = lambda: os.truncate(folder / "config.json", 2**40)
    cases["log.csv a sparse file of 1 TB"] = lambda: os.truncate(folder / "log.csv", 2**40)
    cases["log.csv of nan"] = lambda: (folder / "log.csv").write_text("nan," * 10**6)
    cases["the folder is a link"] = functools.partial(folder_link, folder, victim)
    cases["the condition is a link"] = functools.partial(folder_link, folder.parent, victim)
    passing = folder / f".log.csv.{os.uname().nodename}.99999999"
    for what in (passing, folder.parent / "attention.png"):
        name = f"{what.name} is a link"
        cases[name] = functools.partial(swapped, what, victim / "file")
    return cases


def folder_link(folder, victim):
    """The folder lies elsewhere, which is its user's choice: the rest there is left alone."""
    moved = victim.with_name("moved")
    folder.rename(moved)
    folder.symlink_to(moved)


def cases(path, victim):
    return in_checkpoint(path, victim) | in_folder(path, victim)


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
            harness.same(reference("train"), out, besides=("checkpoint.npz",))
        load(path.parent, other=True)
        unchanged(before, victim, f"{name}, Agent.load")
    return True


def count():
    """How many cases there are."""
    path = cut_off() / FIRST / "seed_0/checkpoint.npz"
    return len(cases(path, Path("/nowhere")))
