"""What a gradient check found, and how it reads."""

from dataclasses import dataclass, field

import numpy as np

TOGETHER = "all together"  # the direction in which all parameters move


@dataclass(repr=False)
class GradientCheck:
    """Result of a gradient check: true where nothing is wrong and an oracle decided every slope.

    A slope is a derivative along one random direction of a parameter. The repr, which `assert`
    shows, is one line; printed, it is a table.
    """

    name: str
    slopes: dict = field(default_factory=dict)  # {parameter: {source: slope}}
    size: dict = field(default_factory=dict)  # {parameter: sum of the slope's absolute terms}
    decider: dict = field(default_factory=dict)  # {parameter: source that the others are held to}
    errors: dict = field(default_factory=dict)  # {parameter: {source: error relative to size}}
    values: dict = field(default_factory=dict)  # {source: error of its values, relative to theirs}
    wrong: dict = field(default_factory=dict)  # {parameter, or "value": [sources]}
    undecided: list = field(default_factory=list)  # parameters that no oracle knows well enough
    texts: dict = field(default_factory=dict)  # {parameter: why there is no slope to compare}
    set_aside: list = field(default_factory=list)  # sentences on oracles that do not count
    notes: list = field(default_factory=list)  # sentences on what the stop-gradients change

    def __bool__(self):
        return not self.wrong and not self.undecided

    @property
    def conclusive(self):
        """Whether it says right or wrong. In a test by Hypothesis, assume it before you assert."""
        return bool(self.wrong) or not self.undecided

    @property
    def right(self):
        """Parameters of which nothing is wrong."""
        return [p for p in self.errors if p not in (*self.wrong, *self.undecided, TOGETHER)]

    def record(self, p, slopes, size, decider, wrong, decided):
        """Enter the slopes of a parameter. All together counts where no single one is wrong."""
        size = max(size, abs(slopes[decider]))
        self.slopes[p], self.size[p], self.decider[p] = slopes, size, decider
        off = {s: abs(slope - slopes[decider]) for s, slope in slopes.items() if s != decider}
        self.errors[p] = {s: e / size if size else e and np.inf for s, e in off.items()}
        if p in self.texts:
            wrong = [self.texts[p].partition(":")[0], *wrong]
        if wrong and (p != TOGETHER or not self.wrong):
            self.wrong[p] = wrong
        elif not decided and p != TOGETHER:
            self.undecided.append(p)

    def aside(self, sentence):
        """Enter a sentence, once."""
        if sentence not in self.set_aside:
            self.set_aside.append(sentence)

    def __repr__(self):
        if self.wrong:
            first = max(self.wrong, key=self.worst)
            also = [p for p in self.wrong if p != first]
            parts = [f"{self.name} {self.verdict(first)}"]
            parts += [f"also wrong: {self.grouped(also)}"] * bool(also)
            return "; ".join(parts + [f"right: {self.grouped(self.right)}"] * bool(self.right))
        if self.undecided:
            return f"{self.name} undecided: {self.grouped(self.undecided)}; " + self.set_aside[-1]
        worst = max(self.error(p) for p in self.right)
        text = f"{self.name} right: {self.grouped(self.right)}, errors up to {worst:.0e}"
        more = len(self.notes[1:] + self.set_aside)
        return "; ".join([text, *self.notes[:1], *[f"{more} more when printed"] * bool(more)])

    def __str__(self):
        sources = list(dict.fromkeys(s for slopes in self.slopes.values() for s in slopes))
        rows = [["", *sources, "error", ""]]
        for p, slopes in self.slopes.items():
            verdict = "right" if p in self.right else "undecided" if p in self.undecided else ""
            verdict = "wrong: " + ", ".join(self.wrong[p]) if p in self.wrong else verdict
            numbers = digits([slopes.get(s, np.nan) for s in sources], most=9)
            error = f"{self.error(p):.0e}".replace("nan", "").replace("0e+00", "0")
            rows.append([label(p), *numbers, error, verdict])
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
        values = [f"values by {s}: error {e:.0e}" for s, e in self.values.items()]
        texts = [f"{label(p)}: {text}" for p, text in self.texts.items()]
        return "\n".join([repr(self), "", *lines, *values, *texts, *self.notes, *self.set_aside])

    def error(self, p):
        """Largest error of a parameter's slopes by what is checked, not by the two oracles."""
        oracles = ("complex step", "differences")
        return max((e for s, e in self.errors[p].items() if s not in oracles), default=np.nan)

    def worst(self, p):
        """Error by which the wrong parameters are ordered."""
        if p == "value":
            return max(self.values.values())
        return np.inf if p in self.texts else max(self.errors[p].get(s, 0) for s in self.wrong[p])

    def verdict(self, p):
        """A wrong parameter in words: what each source gives."""
        if p == "value":
            return "value: " + ", ".join(f"{s} off by {self.values[s]:.0e}" for s in self.wrong[p])
        if p in self.texts:
            return f"{label(p)}: {self.texts[p]}"
        shown = (*self.wrong[p], "by hand", "autograd", self.decider[p])
        slopes = {s: slope for s, slope in self.slopes[p].items() if s in shown}
        numbers = digits(list(slopes.values()))
        return f"{label(p)}: " + ", ".join(map("{} {}".format, slopes, numbers))

    def grouped(self, names):
        """Parameters by name; a network "b.q" for all of "b.q.W1", "b.q.b1", ..."""
        found = {}
        for p in names:
            network = p.rpartition(".")[0] if isinstance(p, str) else ""
            parts = [q for q in self.slopes if str(q).rpartition(".")[0] == network]
            whole = network and len(parts) > 1 and all(q in names for q in parts)
            found[network if whole else p if isinstance(p, str) else f"x[{p}]"] = None
        return ", ".join(found)


def label(p):
    """dL/d of a parameter."""
    return p if p == TOGETHER else f"dL/d {p}" if isinstance(p, str) else f"dL/d x[{p}]"


def digits(numbers, most=13):
    """Numbers as text: six digits, or as many, up to `most`, as tell apart those that differ."""
    different = len({f"{x:.{most}g}" for x in numbers})
    for n in range(6, most + 1):
        texts = [f"{x:.{n}g}" for x in numbers]
        if len(set(texts)) == different:
            return texts


def one_line(error):
    """An exception as text."""
    return f"{type(error).__name__}: {error}".split("\n")[0][:120]
