"""Odd input: command lines, config files, arguments from Python. A line and exit code 2, or a run.

An input that is accepted is not trained (a run takes seconds), but for those that are small.
"""

import contextlib
import io
import json
import math
import os
import signal
import time
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from unittest import mock

import numpy as np
from ledger import report

from faults.harness import MAX_LINE, TINY, Fault, about, answered, command, tree
from lvgts_np import cli
from lvgts_np.experiments import executors, runs
from lvgts_np.experiments.studies import truncation
from lvgts_np.training.config import ALGOS, FIELDS, TASKS, Config, ConfigError, preset

CPU = 10.0  # s that an answer may take
WORDS = (
    "", " ", "0", "-0", "1", "-1", "2.5", "1e3", "1e400", "-inf", "nan", "NaN", "Infinity", "0x10",
    "1_000", "９", "١٢", "²", "9" * 30, "9" * 5000, "true", "True", "None", "null", "[]", "{}",
    "lvgts", "LM_SVG", "dummy_pmt", "dumy_pmt", "float16", "--", "-", "---", "=", "N=", "=4",
    "N=4=4", "N==4", "@file", "*", "..", "/", "/dev/null", "/dev/zero", "/dev/stdin", "~",
    "~nobody_here", "a\nb", "a\r\nb", "\t", "\x1b[31m", "\x00", "\ud800", "\u202e", "é" * 300,
    "x" * 100_000, "'", '"', "%s", "%(prog)s", "{0}", "$HOME", "`id`", "\\", "📈", "check", "train",
    "figure2", "lags", "horizon", "truncation", "help",
)  # fmt: skip
OPTIONS = [*cli.OPTIONS, "--help", "-h", "--grad=autograd"]


def word(draw):
    """A word, or one with a letter changed, doubled or missing."""
    text = draw.choice(WORDS)
    if draw.random() < 0.3 and text:
        at = draw.randrange(len(text))
        other = draw.choice(("", text[at] * 2, chr(draw.randrange(1, 0x250))))
        text = text[:at] + other + text[at + 1 :]
    return text


def number(draw):
    """Text of a number, near and far."""
    near = draw.randint(-3, 300), draw.uniform(-2, 2)
    x = draw.choice((*near, 10 ** draw.randint(0, 12), 2**31, 2**63))
    return draw.choice((str(x), repr(float(x)), f"+{x}", f" {x}", f"{x}.", f"{x}e2", hex(int(x))))


def field_value(draw):
    """A field of a Config and a text for it, seldom one that fits."""
    name = draw.choice(list(FIELDS)) if draw.random() < 0.9 else word(draw)
    limits = FIELDS[name].metadata["limits"] if name in FIELDS else None
    if isinstance(limits, tuple) and draw.random() < 0.7:
        return name, draw.choice(limits)
    return name, draw.choice((number(draw), number(draw), word(draw)))


def words(draw):
    """A command line."""
    found = ["--task", draw.choice(TASKS)] if draw.random() < 0.6 else []
    if draw.random() < 0.2:
        name = draw.choice(("figure2", "lags", "horizon", "train", "check"))
        found.insert(draw.randint(0, len(found)), name)
    for _ in range(draw.randint(0, 5)):
        name = draw.choice(OPTIONS) if draw.random() < 0.8 else word(draw)
        if draw.random() < 0.1:
            name = name[: draw.randint(0, len(name))]
        if name == "--set":
            pairs = ["=".join(field_value(draw)) for _ in range(draw.randint(1, 3))]
            found += [name, *pairs] if draw.random() < 0.8 else [f"{name}={pairs[0]}"]
        elif draw.random() < 0.7:
            value = draw.choice((number, word, lambda draw: draw.choice((*TASKS, *ALGOS))))(draw)
            found += [f"{name}={value}"] if draw.random() < 0.3 else [name, value]
        else:
            found.append(name)
    return [text for text in found if "\x00" not in text or draw.random() < 0.2]


ODD = (
    None, True, False, 0, -1, 1, 2.0, 2.5, 1e400, -1e308, math.nan, 10**30, 10**400, "", "4",
    "x" * 9999, "lvgts", [], [4], {}, {"N": 4}, "\ud800", "\x00",
)  # fmt: skip
NO_CONFIGS = (
    "[" * 100_000, '{"a":' * 50_000, "[" * 9 + "]" * 9, "null", "", "NaN", '"x"', "1" * 5000,
)  # fmt: skip
VALID = {"N": 3, "k": 2, "H": 4, "dtype": "float64", "store": "after", "episodes": 64, "c": 1.5}


def config_text(draw):
    """Bytes of a config file: right ones changed a little, or nothing like it."""
    fields = preset(draw.choice(TASKS), **dict(draw.sample(list(VALID.items()), 3))).as_dict()
    for _ in range(draw.choice((0, 1, 1, 2))):
        name = draw.choice(list(fields)) if draw.random() < 0.8 else word(draw)
        how = draw.random()
        if how < 0.2:
            fields.pop(name, None)
        else:
            fields[name] = draw.choice(ODD)
    text = json.dumps(fields, indent=draw.choice((None, 2)))
    how = draw.randrange(14)
    if how == 0:
        text = draw.choice(NO_CONFIGS)
    elif how == 1:
        text = text[: draw.randrange(len(text))]
    elif how == 2:
        text += draw.choice((text, "}", "\n\n", "#", "\x00"))
    elif how == 3:
        text = text.replace(",", draw.choice((";", ",,", ", ", ",\n//\n")))
    elif how == 4:
        text = text.replace('"', draw.choice(("'", "“", "")))
    elif how == 5:
        text = text[:-1] + ', "N": ' + json.dumps(draw.choice(ODD)) + "}"
    encoding = draw.choice(("utf-8", "utf-8", "utf-8-sig", "utf-16", "latin-1", "utf-32"))
    try:
        data = text.encode(encoding)
    except UnicodeEncodeError:
        data = text.encode("utf-8", "surrogatepass")
    if how > 10:
        at = draw.randrange(len(data) + 1)
        data = data[:at] + bytes([draw.randrange(256)]) + data[at + 1 :]
    return data


def config_words(draw, place):
    """A command line with a config file in the current folder."""
    (place / "config.json").write_bytes(config_text(draw))
    file = draw.choice(("config.json",) * 30 + WORDS)
    return ["--config", file, *(words(draw) if draw.random() < 0.1 else [])]


class Accepted(BaseException):
    """What would now be trained or checked."""


def accept(*args):
    raise Accepted


@contextlib.contextmanager
def not_trained(seconds=60):
    """Block that raises Accepted in place of training or checking, and Fault where it is slow."""

    def end(number, frame):
        raise Fault(f"no answer after {seconds} s")

    signal.signal(signal.SIGALRM, end)
    signal.alarm(seconds)
    with (
        mock.patch.object(runs, "train_all", accept),
        mock.patch.object(runs, "check_parity", accept),
        mock.patch.object(executors, "run_all", accept),
        mock.patch.object(truncation, "audit_seeds", accept),
        mock.patch.object(truncation, "check_parity", accept),
        mock.patch.object(report, "measure", accept),
    ):
        try:
            yield
        finally:
            signal.alarm(0)


def answer(argv, place):
    """Fault unless the command line, in the folder `place`, answers rightly in this process."""
    os.chdir(place)
    with about(f"to {ascii(argv):.300}"):
        judge(argv, place)
    return True


def judge(argv, place):
    out, err, before, start = io.StringIO(), io.StringIO(), tree(place), time.process_time()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), not_trained():
        try:
            code = cli.main(argv)
        except Accepted:
            return
        except Exception as error:
            raise Fault(f"traceback: {error!r}") from None
    if time.process_time() - start > CPU:
        raise Fault(f"took {time.process_time() - start:.1f} s")
    lines = err.getvalue().splitlines()
    if code not in (None, 0, 1, 2) or (code == 1 and argv[:1] != ["check"]):
        raise Fault(f"exit code {code}, {err.getvalue()[:200]!r}")
    if code == 2 and (len(lines) != 1 or len(lines[0]) > MAX_LINE or out.getvalue()):
        raise Fault(f"{len(lines)} lines, of {max(map(len, lines), default=0)} characters")
    if code == 2 and not lines[0].startswith("run.py: "):
        raise Fault(f"says {lines[0][:200]!r}")
    if code and tree(place) != before:
        raise Fault(f"exit code {code}, and yet it wrote")


def command_line(draw, number, place):
    return answer(words(draw), place)


def config_file(draw, number, place):
    return answer(config_words(draw, place), place)


class Index:
    """A whole number of no kind that is known."""

    def __index__(self):
        return 1


PYTHON = (
    *ODD, b"4", 1j, Decimal("2"), Fraction(3, 2), np.int64(2), np.float32(0.5), np.float64("nan"),
    np.uint8(3), np.bool_(True), np.str_("lvgts"), np.array(4), np.array([4]), np.array("x"),
    range(3), iter([1]), {1, 2}, (0, 0), Index(), object(), int, print, Ellipsis, memoryview(b"1"),
    np.arange(2), np.datetime64("2020-01-01"), "a\nb", -(10**400), np.longdouble(2), frozenset(),
    Path("x"), 0.0,
)  # fmt: skip
SMALL = {"H": 2, "hidden": 2, "model_steps": 1, "episodes": 32}


def from_python(draw, number, place):
    """One call from Python, that is a ConfigError or accepted."""
    value, other = draw.choice(PYTHON), draw.choice(PYTHON)
    name = draw.choice(list(FIELDS))
    os.chdir(place)
    config = preset("dummy_pmt", **SMALL)
    calls = {
        "Config": lambda: Config(**{name: value}),
        "preset": lambda: preset(value, N=other),
        "replace": lambda: config.replace(**{name: value}),
        "seeds": lambda: runs.train(config, value, "out", quiet=True),
        "jobs": lambda: runs.train(config, [0], "out", jobs=value, quiet=True),
        "out": lambda: runs.train(config, [0], value, quiet=True),
        "config": lambda: runs.train(value, other, "out", quiet=True),
        "directory": lambda: runs.train({"out/a": value}, [0], quiet=True),
        "several": lambda: runs.train({str(draw.random()): config, "x": other}, value, quiet=True),
    }
    what = draw.choice(list(calls))
    with not_trained():
        try:
            calls[what]()
        except (ConfigError, Accepted):
            pass
        except BaseException as error:
            raise Fault(f"{what}, {name}, {value!r:.200}, {other!r:.200}: {error!r:.300}") from None
    return True


def small_run(draw, n, place):
    """A config of small numbers, at random: it trains to the end, or a seed stops with a line."""
    changes = {}
    for name, field in FIELDS.items():
        limits = field.metadata["limits"]
        if name not in ("task", "algo") and draw.random() < 0.25:
            changes[name] = value(draw, field.type, limits)
    pairs = [f"{name}={str(x).lower()}" for name, x in changes.items() if not too_long(name, x)]
    task = ["--task", draw.choice(TASKS), "--algo", draw.choice(ALGOS)]
    task += ["--seeds", str(draw.randint(1, 3))]
    out = place / "out"
    ended = command([*task, *TINY, *pairs, "--out", out])
    with about(" ".join(task + pairs)):
        answered(ended, lines=4)
        if ended.code == 2 and out.exists():
            raise Fault("exit 2, and yet it wrote")
        if ended.code == 0:
            check_finite(out)
    return True


def too_long(name, x):
    return (name in ("T", "t2") and x > 40) or (name == "episodes" and x > 200)


def value(draw, kind, limits):
    """A value of a field, that mostly fits."""
    if isinstance(limits, tuple):
        return draw.choice(limits)
    if kind is bool:
        return draw.random() < 0.5
    if kind is int:
        return draw.randint(1, 9)
    if limits is not None and limits.startswith("in"):
        return draw.choice((0.0, 1.0, draw.random(), 1e-9))
    return draw.choice((0.0, 1e-30, draw.random(), 3.0, 1e4, 1e9, -draw.random()))


def check_finite(out):
    """Fault where a run that ended well has numbers in its log that are none."""
    for path in out.rglob("log.csv"):
        for line in path.read_text().splitlines()[1:]:
            if not all(math.isfinite(float(cell)) for cell in line.split(",")):
                raise Fault(f"exit 0, and {path.parent.name}/log.csv has {line[:200]}")
