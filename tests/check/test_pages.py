"""docs/checking.md prints what it says, docs/adjoint.md quotes the source."""

import contextlib
import inspect
import io
import re

import pytest
from pages import PAGES

from lvgts_np.adjoint import encoder, forms, layers, memory, policy

EXAMPLES = re.findall(
    r"```python\n(.*?)```\n(?:\n```text\n(.*?)```)?", PAGES["docs/checking.md"], re.S
)
SECTIONS = re.findall(
    r"^## (\w+) \[(.*?)\]\n(.*?)(?=^## |\Z)", PAGES["docs/adjoint.md"], re.M | re.S
)
TAUGHT = [
    layers.mlp_adjoint, layers.mlp_gradient, layers.latent_adjoint, memory.Dense.read_adjoint,
    encoder.encode_adjoint, policy.replay_adjoint, policy.credit,
]  # fmt: skip


def comparable(text):
    """Text without the sizes of rounding errors, and without the widths of columns."""
    return re.sub(r"\d(?:\.\d+)?e[-+]\d\d", "error", re.sub(r" +", " ", text)).strip()


def test_the_examples_print_what_stands_below_them():
    space = {"__name__": "checking"}
    for code, printed in EXAMPLES:
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(compile(code, "checking.md", "exec"), space)
        assert comparable(out.getvalue()) == comparable(printed)
    assert len([printed for _, printed in EXAMPLES if printed]) >= 3
    for name, test in space.items():
        if name.startswith("test_"):
            test()


def lines_of(function):
    return [line.strip() for line in inspect.getsource(function).splitlines()]


def in_order(quoted, lines):
    """Whether the quoted lines stand in lines, in this order."""
    rest = iter(lines)
    return all(line in rest for line in quoted)


def test_each_function_has_its_section_in_order():
    assert [name for name, _, _ in SECTIONS] == [f.__name__ for f in TAUGHT]


def test_the_forms_of_the_transition_are_quoted():
    text = next(text for name, _, text in SECTIONS if name == "replay_adjoint")
    quoted = [line.strip() for line in re.findall(r"^    (lambda_.*)$", text, re.MULTILINE)]
    assert len(quoted) == 4
    assert in_order(quoted, lines_of(forms))


@pytest.mark.parametrize(("section", "function"), list(zip(SECTIONS, TAUGHT, strict=True)))
def test_a_section_quotes_its_function(section, function):
    _, tag, text = section
    assert tag in re.search(r"\[(.*)\]", inspect.getdoc(function).splitlines()[0])[1]
    *forward, backward = [block.splitlines() for block in re.findall(r"```\n(.*?)```", text, re.S)]
    assert in_order(backward, lines_of(function))
    module = inspect.getmodule(function)
    homes = module, *(kind for _, kind in inspect.getmembers(module, inspect.isclass))
    found = [f for place in homes for _, f in inspect.getmembers(place, inspect.isfunction)]
    home = [f for f in found if f.__module__ == module.__name__ and f.__name__[0] != "_"]
    for block in forward:
        assert any(in_order(block, lines_of(f)) for f in home)
    assert len(text.splitlines()) < 40
