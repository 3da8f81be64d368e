"""Imports point down: the folders of the package, and what each may import."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "lvgts_np"
# A folder, the folders below it that it may import, and the libraries besides the standard one.
FOLDERS = {
    "paper": ((), ("numpy", "autograd")),
    "adjoint": (("paper.constants",), ("numpy",)),
    "tasks": ((), ("numpy", "autograd", "scipy")),
    "training": (("paper", "adjoint", "tasks"), ("numpy", "autograd")),
    "check": (("paper", "adjoint", "tasks"), ("numpy", "autograd", "hypothesis")),
    "experiments": (
        ("paper", "adjoint", "tasks", "training"),
        ("numpy", "autograd", "scipy", "matplotlib", "tqdm"),
    ),
}
LIBRARIES = {name for _, libraries in FOLDERS.values() for name in libraries}


def imports(path):
    """Modules that a source file imports, wherever in it; `from a import b` as a.b."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


def within(module, prefixes):
    return any(f"{module}.".startswith(f"{prefix}.") for prefix in prefixes)


@pytest.mark.parametrize("folder", FOLDERS)
def test_imports_point_down(folder):
    below, libraries = FOLDERS[folder]
    for path in (PACKAGE / folder).rglob("*.py"):
        for module in imports(path):
            top, _, inside = module.partition(".")
            if top == "lvgts_np" and inside != "__version__":
                assert within(inside, (folder, *below)), f"{path} imports {module}"
            elif top in LIBRARIES:
                assert top in libraries, f"{path} imports {module}"


def test_no_two_files_import_each_other():
    """A module stands below all that import it: some order has every import pointing up."""
    files = {name_of(path): path for path in PACKAGE.rglob("*.py")}
    needs = {}
    for name, path in files.items():
        inside = [m.removeprefix("lvgts_np.") for m in imports(path) if m.startswith("lvgts_np.")]
        used = {m if m in files else m.rpartition(".")[0] for m in inside}
        needs[name] = used & set(files)
    while ready := {name for name, used in needs.items() if not used & set(needs)}:
        needs = {name: used for name, used in needs.items() if name not in ready}
    assert not needs, f"a circle among {sorted(needs)}"


def name_of(path):
    """Module name under lvgts_np of a source file."""
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")


def test_every_file_is_in_a_folder():
    loose = {path.name for path in PACKAGE.glob("*.py")}
    assert loose <= {"__init__.py", "__main__.py", "cli.py"}
    assert {path.parent.name for path in PACKAGE.glob("*/__init__.py")} == set(FOLDERS)
