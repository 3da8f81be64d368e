"""The command line end to end: what a run leaves on disk."""

import csv
import importlib.util
import json
import os
import re
import socket
import subprocess
import sys
from concurrent.futures import Executor, Future
from pathlib import Path

import numpy as np
import pytest

from lvgts_np import adjoint
from lvgts_np.cli import main
from lvgts_np.experiments import runs
from lvgts_np.experiments.run_directory import condition_directory
from lvgts_np.training.agent import Agent
from lvgts_np.training.config import SMOKE, preset
from lvgts_np.training.config_file import load
from lvgts_np.training.replay_buffer import collect
from lvgts_np.training.trainer import Trainer

FOLDER_FILES = {
    "config.json", "versions.json", "log.csv", "summary.json", "checkpoint.npz", "timing.csv",
    "attention.csv", "credit.csv", "credit_episodes.csv", "episode.csv", "compass.csv",
}  # fmt: skip
PICTURES = {"learning_curve", "attention", "credit", "credit_flow", "episode", "compass"}
LOG = (
    "iteration,episodes,return_recall,return_total,eval_return_recall,eval_return_total,"
    "loss_reward,loss_decoder,loss_transition,attention_remember,credit_early,credit_recall,"
    "true_credit_0,true_credit_1,modelled_credit_0,modelled_credit_1,credit_ratio,credit_sign"
)


def smoke(out, *words, task="dummy_amt", set_=()):
    changes = ("hidden=8", "episodes=24", "eval_every=2", *set_)
    argv = ["--task", task, "--smoke", "--quiet", "--out", str(out), "--set", *changes]
    return main([*argv, *words])


def rows(path):
    with path.open() as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("task", ["dummy_pmt", "dummy_amt", "pendulum_pmt", "pendulum_amt"])
@pytest.mark.parametrize("algo", ["lvgts", "lm_svg"])
def test_every_task_and_algorithm_leaves_the_promised_files(tmp_path, capsys, task, algo):
    assert smoke(tmp_path, "--algo", algo, task=task) == 0
    folder = tmp_path / task / algo
    assert {p.name for p in (folder / "seed_0").iterdir()} == FOLDER_FILES
    named = {f"{name}.{kind}" for name in PICTURES for kind in ("png", "csv")}
    assert {p.name for p in folder.iterdir()} == named | {"seed_0"}
    out, err = capsys.readouterr()
    assert out.startswith(f"{task} {algo} seed 0: recall return ")
    assert out.count("\n") == 1
    assert err == ""


def test_the_log_and_the_summary_agree(tmp_path):
    smoke(tmp_path, task="pendulum_amt")
    folder = tmp_path / "pendulum_amt" / "lvgts" / "seed_0"
    assert (folder / "log.csv").read_text().splitlines()[0] == LOG
    log, summary = rows(folder / "log.csv"), json.loads((folder / "summary.json").read_text())
    assert [(row["iteration"], row["episodes"]) for row in log] == [("2", "16"), ("3", "24")]
    for name in ("eval_return_recall", "eval_return_total"):
        assert summary[f"final_{name}"] == float(log[-1][name])
    assert summary["attention_remember"] == float(log[-1]["attention_remember"])
    assert summary["episodes"] == 24
    assert summary["max_return"] > summary["myopic_return"] > summary["floor_return"]
    assert float(log[0]["eval_return_total"]) < float(log[0]["eval_return_recall"])  # the pendulum


def test_the_same_seed_writes_the_same_log_alone_stacked_and_again(tmp_path):
    assert smoke(tmp_path / "alone", "--first-seed", "4") == 0
    assert smoke(tmp_path / "again", "--first-seed", "4") == 0
    assert smoke(tmp_path / "stack", "--first-seed", "3", "--seeds", "3") == 0
    read = lambda name, file: (tmp_path / name / "dummy_amt/lvgts/seed_4" / file).read_bytes()  # noqa: E731
    for file in ("log.csv", "attention.csv", "credit.csv", "credit_episodes.csv", "episode.csv"):
        assert read("alone", file) == read("again", file) == read("stack", file)
    other = tmp_path / "stack/dummy_amt/lvgts/seed_5/log.csv"
    assert other.read_bytes() != read("stack", "log.csv")


def test_a_saved_config_repeats_the_run(tmp_path):
    smoke(tmp_path / "a", "--algo", "lm_svg", set_=["N=3", "store=after"])
    made = tmp_path / "a/dummy_amt/lm_svg/seed_0"
    assert main(["--config", str(made / "config.json"), "--out", str(tmp_path / "b")]) == 0
    again = tmp_path / "b/dummy_amt/lm_svg/seed_0"
    assert (made / "log.csv").read_bytes() == (again / "log.csv").read_bytes()


def test_lm_svg_credit_from_recall_to_remember_is_exactly_zero_in_the_file(tmp_path):
    for algo, zero in (("lm_svg", True), ("lvgts", False)):
        smoke(tmp_path, "--algo", algo)
        table = rows(tmp_path / "dummy_amt" / algo / "seed_0" / "credit.csv")
        late = [float(r["rms"]) for r in table if int(r["j"]) > 10 and int(r["i"]) < 3]
        assert len(late) == 12
        assert (max(late) == 0.0) == zero


def test_single_episodes_leave_out_the_credit_that_is_0_and_nothing_else(tmp_path):
    smoke(tmp_path, set_=["eval_episodes=4"])
    folder, total = tmp_path / "dummy_amt/lvgts/seed_0", {}
    for r in rows(folder / "credit_episodes.csv"):
        assert float(r["credit"]) != 0.0
        assert 0 <= int(r["episode"]) < 4
        total[r["j"], r["i"]] = total.get((r["j"], r["i"]), 0.0) + float(r["credit"])
    for r in rows(folder / "credit.csv"):
        known = total.get((r["j"], r["i"]), 0.0)
        assert float(r["mean"]) == pytest.approx(known / 4, rel=1e-4, abs=1e-8)
        assert (r["rms"] == "0.0") == ((r["j"], r["i"]) not in total)


def test_a_used_folder_is_refused_and_force_overwrites_it(tmp_path, capsys):
    assert smoke(tmp_path) == 0
    log = tmp_path / "dummy_amt/lvgts/seed_0/log.csv"
    before = log.read_bytes()
    assert smoke(tmp_path, "--seeds", "2") == 2
    assert "holds a run already" in capsys.readouterr().err
    assert not (tmp_path / "dummy_amt/lvgts/seed_1").exists()
    assert log.read_bytes() == before
    assert smoke(tmp_path, "--force", set_=["N=2"]) == 0
    assert log.read_bytes() != before


@pytest.mark.parametrize("out", ["file/out", "new/" + "x" * 300])
def test_an_output_that_cannot_be_written_is_one_line_and_leaves_nothing(tmp_path, capsys, out):
    (tmp_path / "file").write_text("kept")
    assert smoke(tmp_path / out) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert "cannot write to" in err
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_an_interrupted_run_keeps_its_log_and_an_agent_that_acts(tmp_path, monkeypatch, capsys):
    iterate = Trainer.iterate

    def interrupted(trainer):
        if trainer.iteration == 2:
            raise KeyboardInterrupt
        iterate(trainer)

    monkeypatch.setattr(Trainer, "iterate", interrupted)
    assert smoke(tmp_path) == 130
    assert capsys.readouterr().err.count("\n") == 1
    folder = tmp_path / "dummy_amt/lvgts/seed_0"
    assert len(rows(folder / "log.csv")) == 1
    assert Agent.load(folder).act(np.zeros((2, 1))).shape == (2, 1)


def test_a_frozen_seed_is_reported_and_the_others_results_stand(tmp_path, monkeypatch, capsys):
    real, bad = adjoint.model_loss_and_grad, np.array([0.0, np.inf], np.float32)

    def poisoned(*args):
        (reward, decoder, transition), gradient = real(*args)
        return (reward + bad[: len(reward)], decoder, transition), gradient

    monkeypatch.setattr(adjoint, "model_loss_and_grad", poisoned)
    assert smoke(tmp_path, "--seeds", "2") == 1
    out, err = capsys.readouterr()
    assert out.count("\n") == 1
    assert "seed 0" in out
    assert "seed 1 stopped: iteration 0: loss_reward is not finite" in err
    folder = tmp_path / "dummy_amt/lvgts/seed_1"
    assert json.loads((folder / "summary.json").read_text())["frozen"]
    assert np.isfinite(Agent.load(folder).act(np.ones((1, 1)))).all()
    monkeypatch.undo()
    assert smoke(tmp_path / "healthy") == 0
    healthy = tmp_path / "healthy/dummy_amt/lvgts/seed_0/log.csv"
    assert healthy.read_bytes() == (tmp_path / "dummy_amt/lvgts/seed_0/log.csv").read_bytes()


@pytest.mark.skipif(os.name == "nt", reason="no process is known to be gone there")
@pytest.mark.parametrize("how", ["--resume", "--force"])
def test_a_picture_that_a_killed_process_was_drawing_goes_with_the_next_run(tmp_path, how):
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    folder, gone = tmp_path / "dummy_amt/lvgts", f"{socket.gethostname()}.{child.pid}"
    (tmp_path / f".lvgts_np.{gone}/seed_0").mkdir(parents=True)  # where it tried to write
    assert smoke(tmp_path) == 0
    names = {path.name for path in tmp_path.rglob("*")}
    assert not [name for name in names if gone in name]
    for name in ("credit.png", "credit_flow.csv"):
        (folder / f".{name}.{gone}").write_text("half")
    assert smoke(tmp_path, how) == 0
    assert {path.name for path in tmp_path.rglob("*")} == names


def test_a_damaged_older_seed_spoils_only_the_pictures(tmp_path, capsys):
    assert smoke(tmp_path, "--first-seed", "7") == 0
    (tmp_path / "dummy_amt/lvgts/seed_7/log.csv").write_text("episodes\nx\n")
    assert smoke(tmp_path) == 0
    out, err = capsys.readouterr()
    assert out.count("\n") == 2
    assert err.startswith("pictures of ")
    assert "without other seeds" in err
    assert "seed_7/log.csv" in err


def test_a_loaded_agent_acts_as_the_trained_one_did(tmp_path):
    smoke(tmp_path)
    folder = tmp_path / "dummy_amt/lvgts/seed_0"
    trainer = Trainer(load(folder / "config.json"), [0])
    while trainer.iteration < trainer.config.iterations:
        trainer.iterate()
    noise = trainer.task.draw(np.random.default_rng(1), 3)
    stacked = {name: x[None] for name, x in noise.items()}
    played, _ = collect(trainer.task, trainer.agent(), stacked)
    agent, (state, o_t) = Agent.load(folder), trainer.task.reset(noise)
    for t in range(trainer.task.T):
        a_t = agent.act(o_t)
        assert np.array_equal(a_t, played.a[t, 0])
        state, o_t, _, _ = trainer.task.step(state, a_t)


def test_progress_is_a_line_now_and_then_where_there_is_no_terminal(monkeypatch, capsys):
    def lines(quiet):
        with runs.progress(2, "dummy_pmt lvgts", quiet) as bar:
            bar.update(1), bar.update(1)
        return capsys.readouterr().err.splitlines()

    assert lines(quiet=False) == []  # less than a minute
    monkeypatch.setattr(runs, "SILENCE", 1e-9)
    assert lines(quiet=True) == []
    first, second = lines(quiet=False)
    assert first.startswith("dummy_pmt lvgts: 1.00 of 2.00, ")
    assert second.startswith("dummy_pmt lvgts: 2.00 of 2.00, ")


NUMBERS = ("log.csv", "attention.csv", "credit.csv", "credit_episodes.csv", "episode.csv")


def same_numbers(one, other, seeds):
    for seed in seeds:
        for file in NUMBERS:
            path = f"dummy_amt/lvgts/seed_{seed}/{file}"
            assert (one / path).read_bytes() == (other / path).read_bytes()


def test_jobs_change_no_number_and_lose_no_seed(tmp_path, capsys):
    assert smoke(tmp_path / "one", "--seeds", "3") == 0
    alone = capsys.readouterr().out
    assert smoke(tmp_path / "two", "--seeds", "3", "--jobs", "2") == 0
    spread = capsys.readouterr()
    assert spread.err == ""
    cut = lambda text: [line.split(", attention")[0] for line in text.splitlines()]  # noqa: E731
    assert cut(spread.out) == cut(alone)  # in the order of the seeds
    same_numbers(tmp_path / "one", tmp_path / "two", range(3))
    assert (tmp_path / "two/dummy_amt/lvgts/learning_curve.png").exists()


class Backwards(Executor):
    """An executor of a user: here, the last call first, and all only when the first is asked."""

    def __init__(self):
        self.calls = []

    def submit(self, fn, /, *args):
        self.calls.append((Future(), fn, args))
        if len(self.calls) == 3:
            for future, fn, args in reversed(self.calls):
                future.set_result(fn(*args))
        return self.calls[-1][0]


def test_any_executor_serves(tmp_path):
    settings = preset("dummy_amt", **SMOKE, H=4)
    (one,) = runs.train(
        {condition_directory(tmp_path / "one", settings): settings}, [0, 1, 2, 3], quiet=True
    )
    executor = Backwards()
    (other,) = runs.train(
        {condition_directory(tmp_path / "two", settings): settings},
        [3, 1, 0, 2],
        quiet=True,
        jobs=3,
        executor=executor,
    )
    assert [args[1] for _, _, args in executor.calls] == [[3, 2], [1], [0]]
    assert [numbers["seed"] for numbers in other] == [3, 1, 0, 2]
    other.sort(key=lambda numbers: numbers["seed"])
    for mine, theirs in zip(one, other, strict=True):
        assert mine | {"wall_s": 0.0} == theirs | {"wall_s": 0.0}
    same_numbers(tmp_path / "one", tmp_path / "two", range(4))


class Elsewhere(Executor):
    """A worker that was started in another directory."""

    def __init__(self, directory):
        self.directory = directory

    def submit(self, fn, /, *args):
        here, future = Path.cwd(), Future()
        os.chdir(self.directory)
        try:
            future.set_result(fn(*args))
        finally:
            os.chdir(here)
        return future


def test_a_worker_elsewhere_writes_where_the_caller_meant(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    settings = preset("dummy_amt", **SMOKE, H=4)
    executor = Elsewhere(tmp_path / "there")
    runs.train({Path("results"): settings}, [0], quiet=True, executor=executor)
    assert (tmp_path / "here/results/seed_0/summary.json").exists()
    assert (tmp_path / "here/results/credit.png").exists()
    assert list((tmp_path / "there").iterdir()) == []


@pytest.mark.parametrize("error", [FileNotFoundError("log.csv"), KeyError("seed_3")])
def test_a_file_that_another_job_replaces_spoils_only_the_pictures(
    tmp_path, monkeypatch, capsys, error
):
    draw = runs.run_plots.draw

    def disturbed(directory, like, only=None):
        if only is None:
            raise error
        draw(directory, like, only)

    monkeypatch.setattr(runs.run_plots, "draw", disturbed)
    assert smoke(tmp_path) == 0
    err = capsys.readouterr().err
    assert (err.count("\n"), err.endswith(f"without other seeds: {error}\n")) == (1, True)
    assert (tmp_path / "dummy_amt/lvgts/credit.png").exists()


def test_jobs_that_draw_at_once_and_one_that_collects(tmp_path):
    """A job array: a process for each seed, all in one directory."""
    words = "--task dummy_amt --smoke --quiet --set H=4 hidden=8 episodes=24 --out"
    program = [sys.executable, Path(__file__).parents[2] / "run.py", *words.split()]
    jobs = [
        subprocess.Popen(
            [*program, tmp_path / "array", "--first-seed", str(seed)],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )
        for seed in range(4)
    ]  # fmt: skip
    for job in jobs:
        _, said = job.communicate(timeout=120)
        assert job.returncode == 0, said
    for out, how in (("array", "--resume"), ("one", "--force")):
        subprocess.run([*program, tmp_path / out, "--seeds", "4", how], check=True, timeout=120)
    same_numbers(tmp_path / "one", tmp_path / "array", range(4))
    names = [f"{name}.{kind}" for name in PICTURES for kind in ("png", "csv")]
    for name in names:
        one, array = (tmp_path / out / "dummy_amt/lvgts" / name for out in ("one", "array"))
        assert one.read_bytes() == array.read_bytes(), name
    assert {path.name for path in array.parent.iterdir() if path.is_file()} == set(names)


def test_progress_of_stacks_elsewhere_is_read_from_their_logs(tmp_path):
    settings = preset("dummy_amt", T=20, episodes_per_iteration=3)
    calls = [(settings, [0, 1], tmp_path), (settings, [2], tmp_path)]
    assert runs.done(calls) == 0
    for seed, rows in ((0, "10,1\n"), (1, "10,1\n20,2\n")):
        (tmp_path / f"seed_{seed}").mkdir()
        (tmp_path / f"seed_{seed}/timing.csv").write_text("iteration,collect\n" + rows)
    assert runs.done(calls) == 20 * 60
    (tmp_path / "seed_2").mkdir()
    (tmp_path / "seed_2/timing.csv").write_text("")  # just made
    assert runs.done(calls) == 20 * 60


def test_several_cells_share_one_pool(tmp_path):
    settings = preset("dummy_amt", **SMOKE, H=4)
    cells = {tmp_path / "long": settings.replace(t2=20, T=23), tmp_path / "short": settings}
    together = runs.train(cells, [0, 1], jobs=2, quiet=True)
    for n, (folder, settings) in enumerate(cells.items()):
        (alone,) = runs.train({tmp_path / f"alone_{n}": settings}, [0, 1], quiet=True)
        assert [n | {"wall_s": 0} for n in together[n]] == [n | {"wall_s": 0} for n in alone]
        assert (folder / "learning_curve.png").exists()


CLUSTER = (Path(__file__).parents[2] / "docs" / "cluster.md").read_text(encoding="utf-8")


def test_the_job_array_of_the_docs_and_its_collecting_run(tmp_path, capsys):
    array, collect = re.findall(r"^python run.py (.*)$", CLUSTER, re.MULTILINE)
    tiny = ["--out", str(tmp_path), "--smoke", "--set", "H=4", "hidden=8", "episodes=16"]
    for seed in range(2):
        words = array.replace("$SLURM_ARRAY_TASK_ID", str(seed)).split()
        assert main([*words, *tiny]) == 0
    assert main([*collect.replace("--seeds 20", "--seeds 2").split(), *tiny]) == 0
    lines = [line.split(":")[0] for line in capsys.readouterr().out.splitlines()]
    assert lines == [f"dummy_pmt lvgts seed {seed}" for seed in (0, 1, 0, 1)]


@pytest.mark.parametrize("library", ["distributed", "mpi4py"])
def test_the_examples_of_the_docs_train(tmp_path, library):
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"no {library} here")
    (example,) = [
        code for code in re.findall(r"```python\n(.*?)```", CLUSTER, re.DOTALL) if library in code
    ]
    small = example.replace("(20)", "(2)").replace('_pmt"', '_pmt", H=4, **SMOKE')
    small = "from lvgts_np.training.config import SMOKE\n" + small
    if library == "distributed":  # a cluster of this machine in place of the address
        small = "from distributed import LocalCluster\n" + small.replace(
            '"tcp://scheduler:8786"',
            "LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)",
        )
    (tmp_path / "train.py").write_text(small)
    env = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    program = [sys.executable, "train.py"]
    if library == "mpi4py":
        program = ["mpiexec", "-n", "3", sys.executable, "-m", "mpi4py.futures", "train.py"]
    subprocess.run(program, cwd=tmp_path, env=env, check=True, timeout=120)
    for seed in range(2):
        assert (tmp_path / f"results/dummy_pmt/lvgts/seed_{seed}/summary.json").exists()
