"""What a user's machine and Python may be: settings, limits, odd arguments, damaged files."""

import json
import os
import subprocess
import sys
import tracemalloc
import warnings
from pathlib import Path

import numpy as np
import pytest

from lvgts_np import adjoint
from lvgts_np.cli import main
from lvgts_np.experiments import batches, executors, runs, versions
from lvgts_np.experiments.plots import run_plots, style
from lvgts_np.experiments.run_directory import (
    OutputError,
    bounds_of,
    locked,
    with_right_bounds,
)
from lvgts_np.training import arithmetic, limits
from lvgts_np.training.config import ALGOS, SMOKE, ConfigError, preset
from lvgts_np.training.trainer import Trainer

ROOT = Path(__file__).parents[2]
TINY = {
    **SMOKE, "H": 4, "hidden": 8, "episodes": 16, "model_batch": 4, "eval_episodes": 8,
    "replay_episodes": 16, "eval_every": 1,
}  # fmt: skip
WORDS = [
    "--task",
    "dummy_amt",
    "--smoke",
    "--quiet",
    "--set",
    "H=4",
    "hidden=8",
    "episodes=16",
    "--out",
]


def python(*words, cwd=None, **env):
    """A process with this environment, a name being removed by None."""
    env = {k: v for k, v in (os.environ | {"PYTHONPATH": str(ROOT)} | env).items() if v is not None}
    return subprocess.run(
        [sys.executable, *words], cwd=cwd, env=env, capture_output=True, text=True, timeout=300
    )


def run(*words, **how):
    return python(ROOT / "run.py", *words, **how)


# Results first, then pictures


@pytest.mark.parametrize("fault", [RuntimeError("latex could not be found"), OSError(28, "full")])
def test_pictures_that_fail_are_a_line_after_the_results(tmp_path, monkeypatch, capsys, fault):
    def draw(*args, **named):
        raise fault

    monkeypatch.setattr(run_plots, "draw", draw)
    assert main([*WORDS, str(tmp_path)]) == 1
    out, err = capsys.readouterr()
    assert (out.count("\n"), err.count("\n")) == (1, 1)
    assert str(fault) in err
    monkeypatch.undo()
    assert main([*WORDS, str(tmp_path), "--resume"]) == 0
    assert capsys.readouterr().out == out
    assert (tmp_path / "dummy_amt/lvgts/credit.png").exists()


@pytest.mark.parametrize("name", ["attention.csv", "credit.csv", "episode.csv", "log.csv"])
def test_a_damaged_table_of_its_own_seed_is_a_line(tmp_path, capsys, name):
    assert main([*WORDS, str(tmp_path)]) == 0
    (tmp_path / "dummy_amt/lvgts/seed_0" / name).write_text("t,i,weight\n1,0\n")
    capsys.readouterr()
    assert main([*WORDS, str(tmp_path), "--resume"]) in (1, 2)
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert name in err


def test_drawing_is_tried_before_training(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(style, "Figure", lambda *size: 1 / 0)
    assert main([*WORDS, str(tmp_path / "out")]) == 2
    assert "Matplotlib cannot draw: division by zero" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_old_python_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "version_info", (3, 10, 12))
    assert main([*WORDS, str(tmp_path / "out")]) == 2
    assert "needs Python 3.11" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("study", "name"), [("figure2", "figure2"), ("lags", "horizon"), ("readings", "readings")]
)
def test_a_study_finds_its_own_folder_in_the_way_before_it_trains(tmp_path, capsys, study, name):
    (tmp_path / name).write_text("mine")
    assert main([study, "--smoke", "--quiet", "--out", str(tmp_path)]) == 2
    assert f"cannot write to {tmp_path / name}" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_study_whose_runs_all_fail_is_reported(tmp_path, capsys):
    words = "figure2 --smoke --quiet --seeds 1 --set model_lr=1e9 hidden=8 episodes=24"
    assert main([*words.split(), "--out", str(tmp_path)]) == 1
    out, err = capsys.readouterr()
    assert (out.count("\n"), err) == (
        9,
        "run.py: 8 runs stopped early; their summary.json say why\n",
    )
    page = (tmp_path / "figure2/report.html").read_text(encoding="utf-8")
    assert "dummy_amt lm_svg seed 0: iteration" in page
    assert (tmp_path / "figure2/figure2.png").exists()


def test_a_study_with_a_damaged_table_prints_its_results(tmp_path, monkeypatch, capsys):
    words = ["figure2", "--smoke", "--quiet", "--seeds", "1", "--out", str(tmp_path)]
    words += ["--set", "hidden=8", "episodes=24"]
    assert main(words) == 0
    out, train = capsys.readouterr().out, runs.train

    def damaged(*args, **modes):
        found = train(*args, **modes)
        (tmp_path / "dummy_pmt/lvgts/seed_0/attention.csv").write_text("t,i,weight\n1,0\n")
        return found

    monkeypatch.setattr(runs, "train", damaged)
    assert main([*words, "--resume"]) == 1
    again, err = capsys.readouterr()
    assert again.splitlines() == out.splitlines()[:-1]
    assert err.count("attention.csv: damaged") == err.count("\n") == 2  # of the condition, the page


# Matplotlib's settings

HOSTILE = (
    "text.usetex: True\nfont.size: 40\naxes.facecolor: red\nbackend: nonsense\nlines.linewidth: 9\n"
)


def test_no_setting_of_matplotlib_moves_a_byte_of_a_picture(tmp_path):
    assert run(*WORDS, tmp_path / "plain").returncode == 0
    plain = tmp_path / "plain/dummy_amt/lvgts"
    (tmp_path / "matplotlibrc").write_text(HOSTILE)
    for n, backend in enumerate(("module://no_such.backend", "nonsense", "TkAgg", "svg")):
        here = tmp_path / str(n)
        subprocess.run(["cp", "-r", tmp_path / "plain", here], check=True)
        done = run(*WORDS, here, "--resume", cwd=tmp_path, MPLBACKEND=backend)
        assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
        for path in plain.glob("*.png"):
            assert (here / "dummy_amt/lvgts" / path.name).read_bytes() == path.read_bytes()


def test_drawing_changes_no_setting_of_the_user(tmp_path):
    code = (
        "import matplotlib; matplotlib.use('svg'); matplotlib.rcParams['font.size'] = 33\n"
        "before = dict(matplotlib.rcParams)\n"
        "from lvgts_np.experiments.plots import style; style.check()\n"
        "import lvgts_np; lvgts_np.plot_learning_curve\n"
        "assert dict(matplotlib.rcParams) == before"
    )
    assert python("-c", code).stderr == ""


# BLAS threads, floating-point errors, versions


@pytest.mark.skipif(arithmetic.find(*arithmetic.CONTROLS) is None, reason="unknown BLAS")
def test_training_from_python_takes_one_thread_and_gives_the_others_back():
    code = (
        "import numpy, lvgts_np\n"
        "from lvgts_np.training import arithmetic\n"
        "from lvgts_np.training.config import SMOKE\n"
        "get, put = arithmetic.find(*arithmetic.CONTROLS)\n"
        "put(2)\n"
        "trainer, seen = lvgts_np.Trainer(lvgts_np.preset('dummy_pmt', **SMOKE)), []\n"
        "collect, trainer._collect = trainer._collect, lambda: seen.append(get()) or collect()\n"
        "trainer.iterate()\n"
        "print(seen, get())"
    )
    unset = dict.fromkeys(executors.THREADS)
    assert python("-c", code, **unset).stdout == "[1] 2\n"
    assert python("-c", code, **unset | {"OMP_NUM_THREADS": "2"}).stdout == "[2] 2\n"


def test_a_blas_that_cannot_be_told_is_named_once(monkeypatch, capsys):
    monkeypatch.setattr(arithmetic, "find", lambda *choices: None)
    arithmetic.warn_once.cache_clear()
    for name in executors.THREADS:
        monkeypatch.delenv(name, raising=False)
    for _ in range(2):
        with arithmetic.isolated():
            pass
    assert capsys.readouterr().err.count("start Python with OMP_NUM_THREADS=1") == 1


def test_a_diverging_seed_harms_none_whatever_numpy_is_told(tmp_path, monkeypatch):
    real = adjoint.model_loss_and_grad

    def poisoned(phi, *args):
        if len(phi["b.W"]) == 2:
            phi["f.W2"][1] = np.float32(3e38)  # seed 1: overflows from here to its diagnostics
        return real(phi, *args)

    (alone,) = runs.train({tmp_path / "alone": preset("dummy_amt", **TINY)}, [0], quiet=True)
    monkeypatch.setattr(adjoint, "model_loss_and_grad", poisoned)
    with np.errstate(all="raise"), warnings.catch_warnings():
        warnings.simplefilter("error")
        (both,) = runs.train({tmp_path / "both": preset("dummy_amt", **TINY)}, [0, 1], quiet=True)
    assert both[0]["frozen"] is None
    assert "is not finite" in both[1]["frozen"]
    for name in ("log.csv", "credit.csv", "attention.csv", "episode.csv"):
        one, other = (tmp_path / x / "seed_0" / name for x in ("alone", "both"))
        assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize(("part", "words"), [("v", "Adam's v of d.W1"), ("m", "Adam's m of d.W1")])
@pytest.mark.parametrize("value", [np.inf, np.nan])
def test_a_moment_that_is_not_finite_stops_its_seed_by_name(part, words, value):
    trainer = Trainer(preset("dummy_amt", **TINY), [0, 1])
    trainer.iterate()
    offset = 0
    for name, x in trainer.phi.items():
        if name == "d.W1":
            break
        offset += x[0].size
    getattr(trainer.adam_phi, part)[1, offset] = value
    trainer.iterate()
    assert trainer.frozen == {1: f"iteration 1: {words} is not finite"}
    assert np.isfinite(trainer.phi["d.W1"]).all()


def test_other_versions_at_resume_are_said_and_kept(tmp_path, monkeypatch, capsys):
    assert main([*WORDS, str(tmp_path), "--seeds", "2"]) == 0
    capsys.readouterr()
    first, real = None, versions.versions
    for release in ("9.9", "10.0"):
        for seed in range(2):
            (tmp_path / f"dummy_amt/lvgts/seed_{seed}/summary.json").unlink()
        monkeypatch.setattr(
            versions, "versions", lambda release=release: real() | {"numpy": release}
        )
        assert main([*WORDS, str(tmp_path), "--seeds", "2", "--resume"]) == 0
        err = capsys.readouterr().err
        assert err.count("\n") == 1
        assert f"seed 0, 1: resumed at iteration 2 with numpy {release}, not " in err
        kept = json.loads((tmp_path / "dummy_amt/lvgts/seed_1/versions.json").read_text())
        first = first or kept["numpy"]
    assert kept["numpy"] == first == np.__version__
    assert [(entry["iteration"], entry["numpy"]) for entry in kept["history"]] == [
        (2, "9.9"),
        (2, "10.0"),
    ]
    assert kept["history"][0]["arithmetic"] == kept["arithmetic"]


# Limits


def test_a_refused_run_leaves_nothing(tmp_path, capsys):
    with locked(tmp_path / "second", [1]):
        config = preset("dummy_amt", **TINY)
        conditions = {tmp_path / "a/first": config, tmp_path / "second": config}
        with pytest.raises(OutputError, match="another run"):
            runs.train(conditions, [0, 1], quiet=True)
    assert [path.name for path in tmp_path.rglob("*")] == ["second", "seed_1"]


def test_jobs_and_seeds_beyond_the_systems_limits_are_refused(monkeypatch):
    executors.check_processes(2, 20)
    if executors.resource:
        monkeypatch.setattr(executors.resource, "getrlimit", lambda which: (64, 64))
        executors.check_processes(6, 24)
        for n, seeds in ((7, 1), (1, 25)):
            with pytest.raises(ConfigError, match=r"at most \d+.*, as ulimit -n is 64"):
                executors.check_processes(n, seeds)
    monkeypatch.setattr(executors, "resource", None)
    with pytest.raises(ConfigError, match="jobs = 62: at most 61"):
        executors.check_processes(62, 62)


@pytest.mark.skipif(os.name == "nt", reason="no ulimit here")
def test_a_run_within_the_limit_of_open_files_trains_and_leaves_nothing_above_it(tmp_path):
    words = "--task dummy_pmt --smoke --quiet --set H=2 hidden=2 episodes=8 --out x --seeds"
    for n, code in ((24, 0), (25, 2)):
        line = f"ulimit -n 64; exec {sys.executable} {ROOT / 'run.py'} {words} {n} --force"
        done = subprocess.run(["bash", "-c", line], cwd=tmp_path, capture_output=True, text=True)
        assert (done.returncode, done.stderr.count("\n")) == (code, bool(code)), done.stderr
    assert len(list((tmp_path / "x/dummy_pmt/lvgts").glob("seed_*"))) == 24


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ("--seeds 100000000", "at most 100000"),
        ("--seeds 200 --set H=4000", "fewer seeds"),
        ("--set H=20000000", "H, hidden first"),
        ("--set model_batch=1000000000", "model_batch first"),
        ("--set replay_episodes=1000000000", "replay_episodes first"),
        ("--set T=1000000", "of memory"),
        ("--set episodes_per_iteration=100000000 replay_episodes=100000000", "of memory"),
    ],
)
def test_sizes_that_cannot_be_are_refused_beforehand(tmp_path, capsys, words, named):
    words = f"--task dummy_amt --quiet {words} --out".split()
    tracemalloc.start()
    assert main([*words, str(tmp_path / "out")]) == 2
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert named in err
    assert peak < 100e6
    assert not (tmp_path / "out").exists()


SIZES = {
    "usual": {"H": 16, "hidden": 64, "model_batch": 64, "eval_episodes": 256},
    "H": {"H": 400},
    "replay": {"replay_episodes": 40_000},
    "batch": {"model_batch": 3000, "hidden": 32},
    "evaluation": {"eval_episodes": 3000},
    "T": {"t2": 115, "T": 120},
    "T, not truncated": {"t2": 115, "T": 120, "N": 120, "encoder_N": 0},
    "T, evaluation": {"t2": 65, "T": 70, "H": 16, "hidden": 64, "eval_episodes": 128},
    "t1": {"t1": 30, "t2": 40, "T": 45, "H": 16, "eval_episodes": 64},
    "autograd": {"grad": "autograd", "model_batch": 300, "t2": 35, "T": 40},
}


@pytest.mark.parametrize("size", SIZES)
def test_the_estimate_of_memory_is_between_the_peak_and_four_times_it(tmp_path, size):
    config = preset("pendulum_amt", **TINY | {"warmup": 0.0, "model_steps": 1} | SIZES[size])
    tracemalloc.start()
    batches.train_batch(config, [0, 1], tmp_path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak <= sum(limits.memory(config, 2).values()) <= 4 * peak
    files = [path.stat().st_size for path in tmp_path.rglob("*")]
    assert sum(files) / 2 <= limits.disk(config)


@pytest.mark.parametrize(
    "changes",
    [{}, {"combine": "add"}, {"task": "dummy_pmt", "H": 5}, {"reward_loss": "square"}]
    + [{"transition": "latent", "algo": algo} for algo in ALGOS],
)
def test_numbers_are_counted_as_they_are_made(changes):
    trainer = Trainer(preset("pendulum_amt", **TINY).replace(**changes))
    made = [sum(x[0].size for x in params.values()) for params in (trainer.phi, trainer.theta)]
    ring = sum(x[:, 0].size for x in trainer.replay_buffer.columns)
    assert limits.numbers(trainer.config) == (*made, ring)


def test_bounds_that_coincide_are_right():
    """Where actions can do nothing the best return is the lower bound, but for rounding."""
    config = preset("dummy_amt", t1=1, t2=2, T=4, a_max=1e-30)
    assert bounds_of(config)["max_return"] < bounds_of(config)["floor_return"]
    with_right_bounds(bounds_of(config), config)


# Arguments


@pytest.mark.parametrize(
    "seeds", [np.arange(2), np.arange(2, dtype=np.uint8), (n for n in range(2)), {0: "", 1: ""}]
)
def test_seeds_of_any_iterable_are_made_plain(tmp_path, seeds):
    config = preset("dummy_amt", **TINY, k=np.int64(2), c=np.float32(0.5), combine=np.str_("add"))
    (found,) = runs.train({tmp_path: config}, seeds, quiet=True, jobs=np.int32(1))
    assert [type(summary["seed"]) for summary in found] == [int, int]
    kept = json.loads((tmp_path / "seed_1/config.json").read_text())
    assert (kept["k"], kept["c"], kept["combine"]) == (2, 0.5, "add")


CONFIG = preset("dummy_amt", **TINY)


@pytest.mark.parametrize(
    ("config", "how"),
    [
        (CONFIG, {"seeds": [True]}), (CONFIG, {"seeds": 3}), (CONFIG, {"seeds": [1.0]}),
        (CONFIG, {"seeds": "01"}), (CONFIG, {"seeds": [10**10]}), (CONFIG, {"seeds": [[0]]}),
        (CONFIG, {"jobs": 0}), (CONFIG, {"jobs": 1.5}), (CONFIG, {"jobs": "2"}),
        (CONFIG, {"out": None}), (CONFIG, {"out": "a\0b"}), (CONFIG, {"out": "~nobody-here/x"}),
        (CONFIG, {"force": True, "resume": True}),
        ("dummy_pmt", {}), ({}, {}), ({"a": "dummy_pmt"}, {}), ({"a": CONFIG, "./a": CONFIG}, {}),
    ],
)  # fmt: skip
def test_other_arguments_are_refused_before_a_folder_is_made(tmp_path, monkeypatch, config, how):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError):
        runs.train(config, **{"quiet": True} | how)
    assert list(tmp_path.iterdir()) == []


def test_a_home_is_expanded_and_paths_are_absolute(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    monkeypatch.chdir(tmp_path)
    assert main([*WORDS, "~/runs"]) == 0
    runs.train({"~/other": CONFIG}, quiet=True)
    run_plots.draw("~/other")
    assert [path.name for path in tmp_path.iterdir()] == ["home"]
    config = str(Path("~/runs/dummy_amt/lvgts/seed_0/config.json"))
    assert main(["--config", config, "--quiet", "--out", "~/again"]) == 0
    assert sorted(path.name for path in (tmp_path / "home").iterdir()) == ["again", "other", "runs"]
