"""Standard streams that are closed, full, dying or of another encoding; the run goes on."""

import itertools

from faults.harness import COMMANDS, Fault, about, program, reference, same

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
    "ascii", "latin-1", "utf-16", "cp1252", "utf-8:strict", "ascii:strict", "utf-7", "koi8-r",
)  # fmt: skip


def check(ended, codes, out):
    if ended.code not in codes:
        raise Fault(f"{ended}, not {codes}")
    if any(x in ended.out + ended.err for x in ("Traceback", "Exception ignored")):
        raise Fault(f"{ended} {ended.out[-300:]!r}")
    if ended.code == 2 and out.exists():
        raise Fault("exit 2, and yet it wrote")
    if ended.code == 0 or out.exists():
        same(reference("train", pictures=True), out)


def closed(draw, number, place):
    """Descriptors 0, 1 and 2 closed in any combination."""
    (descriptors, words, code), out = CLOSED[number % len(CLOSED)], place / "out"
    redirect = " ".join(f"{n}{'<' if n == 0 else '>'}&-" for n in descriptors)
    codes = (code, 1) if 1 in descriptors and code == 0 else (code,)
    with about(f"{redirect or 'none closed'}, {' '.join(words[:3])}"):
        check(program([*words, "--out", out], f'"$@" {redirect}'), codes, out)
    return bool(descriptors)


def redirected(draw, number, place):
    """Full devices and readers that end at once."""
    shell, out = list(REDIRECTED)[number % len(REDIRECTED)], place / "out"
    words = [*draw.choice((VERBOSE, COMMANDS["train"])), "--out", out]
    with about(shell):
        check(program(words, f'"$@" {shell}'), (*REDIRECTED[shell], 141), out)
    return True


def encoded(draw, number, place):
    """Output in an encoding that lacks the letters of a path."""
    encoding = {"PYTHONIOENCODING": ENCODINGS[number % len(ENCODINGS)]}
    out = place / draw.choice(("Größe", "計算", "📈", "ab\udcff", "a\nb", "a b'\"$x"))
    with about(f"{encoding}, --out {out.name!a}"):
        check(program([*COMMANDS["train"], "--out", out], **encoding), (0,), out)
        check(program([*WRONG, out.name], **encoding), (2,), place / "none")
    return True


def dying(draw, number, place):
    """A reader of stderr, or of both, that ends while the run prints its progress."""
    out, both = place / "out", draw.random() < 0.5
    reader = f"{{ exec sleep {draw.uniform(0, 2):.2f}; }}"
    shell = f'"$@" 2>&1 {"" if both else ">/dev/null"} | {reader}; exit ${{PIPESTATUS[0]}}'
    ended = program([*VERBOSE, "--out", out], shell)
    with about(f"after the reader of {'both streams' if both else 'stderr'} ended"):
        check(ended, (0, 1) if both else (0,), out)
    return True


def any_of(draw, number, place):
    """All of the lists in their order, then readers that end at random moments."""
    for trial, many in ((closed, CLOSED), (redirected, REDIRECTED), (encoded, ENCODINGS)):
        if number < len(many):
            return trial(draw, number, place)
        number -= len(many)
    return dying(draw, number, place)
