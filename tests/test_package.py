"""The package as it is installed: its declarations, its programs, and what it was made with."""

import os
import platform
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import EntryPoint
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import lvgts_np
from lvgts_np import __main__
from lvgts_np.experiments import versions
from lvgts_np.training.files import write_json

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
OPENBLAS = versions.blas_kernel() is not None


def requirements(path):
    lines = (ROOT / path).read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def test_the_requirements_are_the_packages_and_its_tests():
    declared = PROJECT["dependencies"] + PROJECT["optional-dependencies"]["test"]
    assert requirements("requirements.txt") == declared
    bench = PROJECT["optional-dependencies"]["bench"]
    assert requirements("tests/benchmarks/requirements.txt") == bench


def test_one_version_everywhere():
    newest = re.search(r"^## (\S+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)[1]
    cited = re.search(r"^version: (\S+)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)[1]
    assert newest == cited == lvgts_np.__version__


def test_the_changelog_names_modules_that_exist():
    new = re.findall(r"^\| `.*\| `(.*)` \|$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert len(new) > 10
    assert all(find_spec(f"lvgts_np.{name}") for name in new)


def test_the_script_is_the_command_line():
    (script,) = PROJECT["scripts"].items()
    assert EntryPoint(*script, "console_scripts").load() is __main__.main


def python(*arguments, cwd, **env):
    """A finished process of this Python that finds the package wherever it runs."""
    return subprocess.run(
        [sys.executable, *arguments], cwd=cwd, capture_output=True, text=True, timeout=60,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | env,
    )  # fmt: skip


def test_the_module_is_the_same_program_as_run_py(tmp_path):
    for words in (["--help"], ["--task", "dumy_pmt"]):
        module = python("-m", "lvgts_np", *words, cwd=tmp_path)
        file = python(ROOT / "run.py", *words, cwd=tmp_path)
        assert module.stdout + module.stderr
        assert (module.returncode, module.stdout, module.stderr) == (
            file.returncode, file.stdout, file.stderr,
        )  # fmt: skip


def test_the_module_runs_in_several_processes(tmp_path):
    words = "--task dummy_pmt --smoke --quiet --seeds 2 --jobs 2 --set hidden=8 episodes=24"
    done = python("-m", "lvgts_np", *words.split(), cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("recall return") == 2


def git(folder, *words):
    user = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *user, "-C", folder, *words], capture_output=True, check=True)
    return done.stdout.decode().strip()


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A git repository with one commit of one file."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)  # a hook has them
    folder = tmp_path / "checkout"
    folder.mkdir()
    git(folder, "init")
    (folder / "file").write_text("first")
    git(folder, "add", "file")
    git(folder, "commit", "-m", "first")
    return folder


def commit(folder):
    return versions.commit.__wrapped__(folder)  # that asks each time


def test_the_commit_of_a_checkout_and_whether_it_was_changed(checkout, monkeypatch):
    head = git(checkout, "rev-parse", "HEAD")
    monkeypatch.setenv("GIT_DIR", str(checkout / "elsewhere"))  # as in a hook of another project
    assert commit(checkout) == head
    (checkout / "untracked").touch()
    assert commit(checkout) == head
    (checkout / "file").write_text("other")
    assert commit(checkout) == f"{head}-dirty"


def test_the_commit_with_tags_packed_references_and_worktrees(checkout):
    head = git(checkout, "rev-parse", "HEAD")
    git(checkout, "tag", "-am", "", "v1")
    git(checkout, "pack-refs", "--all")
    assert commit(checkout) == head
    git(checkout, "worktree", "add", "--detach", "../worktree")
    assert commit(checkout.parent / "worktree") == head


def test_no_commit_without_a_checkout_of_ones_own_or_without_git(checkout, monkeypatch):
    (checkout / "site-packages").mkdir()
    assert commit(checkout / "site-packages") is None
    (checkout / "site-packages" / ".git").write_text("gitdir: /nowhere")
    assert commit(checkout / "site-packages") is None
    monkeypatch.setenv("PATH", "")
    assert commit(checkout) is None


def test_versions_are_written_as_text(tmp_path):
    found = versions.versions()
    write_json(tmp_path / "versions.json", found)
    assert found["lvgts_np"] == lvgts_np.__version__
    assert found["numpy"] == np.__version__
    assert all(text is None or isinstance(text, str) for text in found.values())


def kernel(cwd, asked):
    code = "from lvgts_np.experiments import versions; print(versions.blas_kernel())"
    return python("-c", code, cwd=cwd, OPENBLAS_CORETYPE=asked).stdout.strip()


@pytest.mark.skipif(not OPENBLAS, reason="NumPy has another BLAS library")
@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="kernels of x86-64")
def test_the_kernel_is_the_one_that_openblas_chose(tmp_path):
    assert kernel(tmp_path, "Nehalem") == "Nehalem"
    assert kernel(tmp_path, "Sandybridge") == "Sandybridge"


def test_another_blas_library_has_no_kernel(monkeypatch):
    monkeypatch.setattr(versions, "CORENAMES", ("no_such_function",))
    assert versions.blas_kernel() is None
