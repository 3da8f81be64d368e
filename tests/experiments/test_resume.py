"""A run that is cut off anywhere and gone on with leaves what it would have left anyway."""

import itertools
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from lvgts_np import adjoint
from lvgts_np.cli import main
from lvgts_np.experiments import batches, diagnostics, executors, runs
from lvgts_np.experiments.plots import run_plots
from lvgts_np.experiments.run_data import read_complete, read_seed
from lvgts_np.experiments.run_directory import (
    FILES,
    PREVIOUS,
    OutputError,
    clear,
    condition_directory,
    locked,
    look,
)
from lvgts_np.tasks import check
from lvgts_np.tasks.check import bounds_of
from lvgts_np.training import files
from lvgts_np.training.agent import make_task
from lvgts_np.training.config import SMOKE, preset
from lvgts_np.training.config_file import load, save
from lvgts_np.training.files import load_arrays, save_arrays
from lvgts_np.training.trainer import Trainer

ROOT = Path(__file__).resolve().parents[2]
NUMBERS = ("log.csv", "attention.csv", "credit.csv", "credit_episodes.csv", "episode.csv")
SECONDS = ("timing.csv", "summary.json", "checkpoint.npz")  # these hold them
TINY = {
    **SMOKE, "H": 2, "hidden": 2, "model_steps": 1, "model_batch": 4, "replay_episodes": 10,
    "episodes": 20, "episodes_per_iteration": 4, "eval_episodes": 4, "warmup": 0.4,
    "t1": 1, "t2": 2, "T": 4, "N": 2, "k": 2,
}  # fmt: skip
SEEDS = [0, 1, 2]


def tiny(task="dummy_amt", **changes):
    return preset(task, **{**TINY, **changes})


class Killed(BaseException):
    pass


class Serial(Executor):
    """Stands in for processes: the calls here, one after the other."""

    def submit(self, fn, /, *args):
        future = Future()
        future.set_result(fn(*args))
        return future


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch):
    monkeypatch.setattr(run_plots, "draw", lambda folder, like, only=None: None)


@pytest.fixture
def clock(monkeypatch):
    """Counts iterations and writes of the package; at `clock.end` the process is "killed".

    A row that is being appended is then half written.
    """

    class Clock:
        now, end = 0, None

        def tick(self):
            self.now += 1
            return self.now == self.end

        def stop_at(self, end):
            self.now, self.end = 0, end

    clock = Clock()

    def before(owner, name, half=lambda *args: None):
        real = getattr(owner, name)

        def wrapped(*args):
            if clock.tick():
                half(*args)
                raise Killed
            return real(*args)

        monkeypatch.setattr(owner, name, wrapped)

    def half_a_row(log, row):
        with log.path.open("a") as file:
            file.write(str(row[0])[:1])

    before(os, "replace")
    before(os, "link")
    before(files.Log, "append", half_a_row)
    before(diagnostics, "write_table", lambda path, *table: path.write_text("t,i\n0"))
    before(Trainer, "iterate")
    before(Trainer, "evaluate")
    return clock


def train(config, out, jobs=1, seeds=SEEDS, **modes):
    executor = None if jobs == 1 else Serial()
    modes |= {"jobs": jobs, "executor": executor, "quiet": True}
    return runs.train({condition_directory(out, config): config}, seeds, **modes)[0]


def loaded(path):
    return load_arrays(path, 2**30)


def rows(path):
    return [line.split(",") for line in path.read_text().splitlines()]


def assert_same_run(config, one, other, seeds=SEEDS):
    """Everything but seconds is the same, to the last bit, and the tables are whole."""
    for seed in seeds:
        mine, theirs = (out / config.task / config.algo / f"seed_{seed}" for out in (one, other))
        assert {path.name for path in theirs.iterdir()} == set(FILES)
        for name in NUMBERS:
            assert (mine / name).read_bytes() == (theirs / name).read_bytes(), name
        summaries = [json.loads((path / "summary.json").read_text()) for path in (mine, theirs)]
        assert summaries[0] | {"wall_s": 0} == summaries[1] | {"wall_s": 0}
        log, timing = rows(theirs / "log.csv"), rows(theirs / "timing.csv")
        assert [row[0] for row in log] == [row[0] for row in timing]
        assert {len(row) for row in timing} == {5}
        seconds = np.array(timing[1:], float)
        assert (np.diff(seconds, axis=0) >= 0).all()
        saved = [loaded(path / "checkpoint.npz") for path in (mine, theirs)]
        rest = [json.loads(str(state.pop("rest")["json"])) for state in saved]
        assert rest[0] | {"seconds": 0} == rest[1] | {"seconds": 0}
        for group in ("logs", "digests"):  # others hold seconds
            mine, theirs = (state.pop(group) for state in saved)
            assert mine.keys() == theirs.keys()
            assert all(np.array_equal(mine[x], theirs[x]) for x in mine if x in NUMBERS)
        assert saved[0].keys() == saved[1].keys()
        for group in saved[0]:
            for name, x in saved[0][group].items():
                assert np.array_equal(x, saved[1][group][name]), f"{group}/{name}"


@pytest.mark.parametrize(
    ("task", "algo", "first"), [("dummy_amt", "lvgts", 1), ("pendulum_pmt", "lm_svg", 2)]
)
def test_killed_before_any_write_or_iteration_it_goes_on_to_the_same_bytes(
    tmp_path, clock, task, algo, first
):
    """Twice, the second time anywhere in the rest; stacked anew each time."""
    config, draw = tiny(task, algo=algo), random.Random(first)
    train(config, tmp_path / "whole")
    most = clock.now
    assert most > 60
    for end in range(first, most + 1, 2):
        out = tmp_path / str(end)
        clock.stop_at(end)
        with pytest.raises(Killed):
            train(config, out, jobs=draw.choice((1, 2)))
        clock.stop_at(draw.randint(1, most - end + 10))
        try:
            train(config, out, jobs=draw.choice((1, 2, 3)), resume=True)
        except Killed:
            clock.stop_at(None)
            train(config, out, jobs=draw.choice((1, 2)), resume=True)
        assert_same_run(config, tmp_path / "whole", out)


def test_a_seed_that_froze_leaves_the_same_whomever_it_was_with(tmp_path, clock, monkeypatch):
    fit, real, who = Trainer._fit_model, adjoint.model_loss_and_grad, []

    def noted(trainer):
        who[:] = [trainer]
        fit(trainer)

    def poisoned(*args):
        (reward, *others), gradient = real(*args)
        bad = [np.inf if s == 1 and who[0].iteration == 2 else 0.0 for s in who[0].seeds]
        return (reward + np.array(bad, reward.dtype), *others), gradient

    monkeypatch.setattr(Trainer, "_fit_model", noted)
    monkeypatch.setattr(adjoint, "model_loss_and_grad", poisoned)
    monkeypatch.setattr(runs, "check_parity", lambda *args: None)  # which would see the poison
    config = tiny()
    train(config, tmp_path / "whole")
    most = clock.now
    log = rows(tmp_path / "whole/dummy_amt/lvgts/seed_1/log.csv")
    assert [row[0] for row in log] == ["iteration", "2"]
    train(config, tmp_path / "alone", jobs=3)
    assert_same_run(config, tmp_path / "whole", tmp_path / "alone")
    for end in range(3, most, 6):
        clock.stop_at(end)
        with pytest.raises(Killed):
            train(config, tmp_path / str(end))
        summaries = train(config, tmp_path / str(end), jobs=1 + end % 3, resume=True)
        assert summaries[1]["frozen"] == "iteration 2: loss_reward is not finite"
        assert summaries[1]["episodes"] == 12
        assert_same_run(config, tmp_path / "whole", tmp_path / str(end))


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def cut_off(out, clock, **changes):
    """The folder of a run that was killed in its fourth iteration."""
    config = tiny(**changes)
    clock.stop_at(None)
    iterate, left = Trainer.iterate, itertools.count()

    def killed(trainer):
        if next(left) == 3:
            raise Killed
        iterate(trainer)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "iterate", killed)
        with pytest.raises(Killed):
            train(config, out)
    return config, out / config.task / config.algo


def test_a_complete_seed_is_left_as_it_is_and_reported_again(tmp_path, clock):
    config = tiny()
    first = train(config, tmp_path)
    before = contents(tmp_path)
    clock.stop_at(1)
    assert train(config, tmp_path, resume=True) == first
    assert contents(tmp_path) == before
    clock.stop_at(None)
    more = train(config, tmp_path, seeds=[*SEEDS, 3], resume=True)
    assert more[:3] == first
    assert more[3]["seed"] == 3


def test_what_a_killed_process_was_writing_is_cleared_away(tmp_path, clock):
    config, folder = cut_off(tmp_path, clock)
    (folder / "seed_1" / ".checkpoint.npz.123").write_text("half")
    (folder / "seed_3").mkdir()
    (folder / "seed_3" / ".config.json.123").write_text("half")
    train(config, tmp_path, seeds=[*SEEDS, 3], resume=True)
    train(config, tmp_path / "whole", seeds=[*SEEDS, 3])
    assert_same_run(config, tmp_path / "whole", tmp_path, seeds=[*SEEDS, 3])


def command(out, *words):
    settings = [f"{name}={value}" for name, value in TINY.items()]
    argv = ["--task", "dummy_amt", "--seeds", "3", "--quiet", "--out", str(out), "--set", *settings]
    return main([*argv, *words])


def refused(folder, capsys, *words):
    """The one line that a run gets, as it changes nothing."""
    before = contents(folder)
    capsys.readouterr()
    assert command(folder, *words) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert contents(folder) == before
    return err


def test_other_settings_are_refused_before_anything_is_written(tmp_path, clock, capsys):
    config, folder = cut_off(tmp_path, clock)
    changed = config.replace(N=5, k=1)
    save(changed, folder / "seed_2" / "config.json")
    found = refused(tmp_path, capsys, "--resume")
    assert f"{folder / 'seed_2'} holds a run with N = 5, not 2: choose another --out" in found
    assert "use --resume or --force" in refused(tmp_path, capsys)
    save(config, folder / "seed_2" / "config.json")
    assert command(tmp_path, "--resume") == 0
    assert load(folder / "seed_2" / "config.json") == config


def rewrite(change):
    """What changes the groups that a checkpoint holds."""

    def damage(path):
        groups = loaded(path)
        change(groups)
        save_arrays(path, groups)

    return damage


def logs(**changes):
    """What changes the logs that a checkpoint carries; None takes one out."""

    def damage(groups):
        found = groups["logs"] | changes
        groups["logs"] = {name: x for name, x in found.items() if x is not None}

    return rewrite(damage)


DAMAGES = {
    "empty": (lambda path: path.write_bytes(b""), "BadZipFile"),
    "text": (lambda path: path.write_text("not a checkpoint"), "BadZipFile"),
    "cut off": (lambda path: path.write_bytes(path.read_bytes()[:-100]), "BadZipFile"),
    "bits": (lambda path: path.write_bytes(path.read_bytes()[::-1]), "BadZipFile"),
    "no Adam": (rewrite(lambda groups: groups.pop("adam_phi")), "adam_phi/m is missing"),
    "other sizes": (
        rewrite(lambda groups: groups["replay"].update({"0": np.zeros((1, 4, 9, 1))})),
        "replay/0 is float64 (1, 4, 9, 1), not float32 (1, 4, 8, 1)",
    ),
    "other seed": (
        lambda path: path.write_bytes((path.parents[1] / "seed_0" / path.name).read_bytes()),
        "seed is 0, not 2",
    ),
    "nothing counted": (
        rewrite(lambda groups: groups["rest"].update(json=np.array("{}"))), "KeyError",
    ),
    "no logs": (rewrite(lambda groups: groups.pop("logs")), "it holds the logs []"),
    "no timing": (logs(**{"timing.csv": None}), "it holds the logs ['compass.csv', 'log.csv']"),
    "another file": (logs(**{"config.json": np.zeros(3, np.uint8)}), "'config.json'"),
    "a file elsewhere": (logs(**{"../x": np.zeros(3, np.uint8)}), "too many values"),
    "a number": (logs(**{"log.csv": np.array(7)}), "has other columns"),
    "no text": (logs(**{"log.csv": np.array([255], np.uint8)}), "can't decode byte"),
    "no table": (logs(**{"log.csv": np.frombuffer(b"a,b\n1\n", "u1")}), "has other columns"),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_one_line_and_loses_nothing(tmp_path, clock, capsys, damage):
    config, folder = cut_off(tmp_path, clock)
    work, answer = DAMAGES[damage]
    path = folder / "seed_2" / "checkpoint.npz"
    work(path)
    err = refused(tmp_path, capsys, "--resume")
    assert err.startswith(f"run.py: {path} is damaged (")
    assert answer in err
    path.unlink()  # as the line says
    train(config, tmp_path / "whole")
    assert command(tmp_path, "--resume") == 0
    assert_same_run(config, tmp_path / "whole", tmp_path)


def far(out):
    """A run that was killed after its second row, and the run directory of seed 2."""
    config = tiny()
    with pytest.MonkeyPatch.context() as patch:
        log = batches.log

        def killed(trainer, *args):
            log(trainer, *args)
            if trainer.iteration == 4:
                raise Killed

        patch.setattr(batches, "log", killed)
        with pytest.raises(Killed):
            train(config, out)
    return config, out / "dummy_amt/lvgts/seed_2"


def edit(*pair):
    return lambda path: path.write_bytes(path.read_bytes().replace(*pair))


def to_link(link):
    def put(path):
        outside = path.parents[4] / f"mine_{path.name}"
        path.rename(outside)
        link(path, outside)

    return put


CHANGES = {
    "line ends": edit(b"\n", b"\r\n"),
    "a digit": edit(b"\n2,", b"\n3,"),
    "quotes": edit(b"2,", b'"2",'),
    "a mark": lambda path: path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes()),
    "other file": lambda path: path.write_bytes((path.parent / "config.json").read_bytes()),
    "a lost row": lambda path: os.truncate(path, path.stat().st_size - 9),
    "a row of zeros": lambda path: path.write_bytes(path.read_bytes()[:-9] + bytes(9)),
    "gone": Path.unlink,
    "a link": to_link(Path.symlink_to),
    "a hard link": to_link(Path.hardlink_to),
}


@pytest.mark.parametrize("change", CHANGES)
def test_logs_are_written_anew_whatever_became_of_them(tmp_path, change):
    """And nothing outside of the run directory is written to."""
    config, folder = far(tmp_path / "run")
    for name in ("log.csv", "timing.csv"):
        CHANGES[change](folder / name)
    if change in list(CHANGES)[:7]:
        with pytest.raises(ValueError, match=r"log\.csv: damaged, not as the run wrote it"):
            read_seed(folder)
    before = {path: path.read_bytes() for path in tmp_path.glob("mine_*")}
    assert len(before) == 2 * ("link" in change)
    assert command(tmp_path / "run", "--resume") == 0
    assert before == {path: path.read_bytes() for path in before}
    train(config, tmp_path / "whole")
    assert_same_run(config, tmp_path / "whole", tmp_path / "run")


@pytest.mark.parametrize("length", [0, 999])
def test_where_a_checkpoint_is_lost_the_one_before_it_serves(tmp_path, capsys, length):
    config, folder = far(tmp_path)
    kept = (folder / PREVIOUS).read_bytes()
    for name in ("checkpoint.npz", PREVIOUS):
        os.truncate(folder / name, length)
    assert command(tmp_path, "--resume") == 2  # the newer is named
    assert f"{folder / 'checkpoint.npz'} is damaged" in capsys.readouterr().err
    (folder / PREVIOUS).write_bytes(kept)
    assert command(tmp_path, "--resume") == 0
    train(config, tmp_path / "whole")
    assert_same_run(config, tmp_path / "whole", tmp_path)


@pytest.mark.parametrize("name", [*NUMBERS, "timing.csv", "summary.json"])
def test_what_a_complete_run_wrote_is_held_to_it(tmp_path, capsys, name):
    config = tiny()
    train(config, tmp_path)
    file = tmp_path / "dummy_amt/lvgts/seed_1" / name
    whole = contents(tmp_path)
    for change in (edit(b"\n", b"\r\n"), edit(b"0", b"1", 1), Path.unlink):
        change(file)
        if file.exists() or name != "summary.json":  # else the run is not complete
            assert f"{file}: damaged, " in refused(tmp_path, capsys, "--resume")
            with pytest.raises(ValueError, match="damaged"):
                read_complete(file.parent)
        file.with_name("summary.json").unlink(missing_ok=True)  # as the line says
        assert command(tmp_path, "--resume") == 0
        for path in whole:
            assert path.read_bytes() == whole[path] or path.name in SECONDS, path


def test_a_complete_run_without_its_checkpoint_or_with_another_config_is_refused(tmp_path, capsys):
    train(tiny(), tmp_path)
    folder = tmp_path / "dummy_amt/lvgts/seed_1"
    edit(b'"N": 2', b'"N": 3')(folder / "config.json")
    with pytest.raises(ValueError, match=r"config\.json: damaged, not the config of checkpoint"):
        read_seed(folder)
    assert "with N = 3, not 2" in refused(tmp_path, capsys, "--resume")
    edit(b'"N": 3', b'"N": 2')(folder / "config.json")
    (folder / "checkpoint.npz").rename(tmp_path / "kept")
    assert f"{folder / 'log.csv'}: damaged, not known" in refused(tmp_path, capsys, "--resume")
    (folder / "checkpoint.npz").write_bytes(b"")
    assert f"{folder / 'checkpoint.npz'}: damaged" in refused(tmp_path, capsys, "--resume")
    (tmp_path / "kept").replace(folder / "checkpoint.npz")
    assert command(tmp_path, "--resume") == 0


def test_a_wrong_bound_that_a_run_wrote_is_not_believed(tmp_path, capsys, monkeypatch):
    with monkeypatch.context() as patch:
        right = bounds_of(make_task(tiny()))
        patch.setattr(check, "bounds_of", lambda task: right | {"myopic_return": 0.135})
        train(tiny(), tmp_path)
    found = refused(tmp_path, capsys, "--resume")
    assert "summary.json: myopic_return is 0.135, not " in found
    for path in tmp_path.rglob("summary.json"):  # as the line says
        path.unlink()
    assert command(tmp_path, "--resume") == 0
    kept = json.loads(next(tmp_path.rglob("summary.json")).read_text())
    assert kept["myopic_return"] == right["myopic_return"]


@pytest.mark.parametrize("name", ["config.json", "log.csv"])
def test_a_folder_in_place_of_a_file_is_named(tmp_path, capsys, name):
    _, folder = far(tmp_path)
    (folder / name).unlink()
    (folder / name).mkdir()
    for how in ("--resume", "--force"):
        assert name in refused(tmp_path, capsys, how)


def test_no_byte_of_a_checkpoint_can_be_lost_unseen(tmp_path, clock):
    config, folder = cut_off(tmp_path, clock)
    path, draw = folder / "seed_2" / "checkpoint.npz", random.Random(0)
    whole = path.read_bytes()
    for _ in range(40):
        path.write_bytes(whole[: draw.randrange(len(whole))])
        with pytest.raises(OutputError, match="is damaged"):
            look(config, SEEDS, folder.parents[1] / "dummy_amt/lvgts", resume=True)


def test_a_damaged_summary_or_config_is_one_line(tmp_path, clock, capsys):
    train(tiny(), tmp_path)
    path = tmp_path / "dummy_amt/lvgts/seed_1"
    for name in ("summary.json", "config.json"):
        (path / name).write_text("{")
        assert str(path / name) in refused(tmp_path, capsys, "--resume")


@pytest.mark.skipif(os.name == "nt", reason="no folder locks here")
def test_a_folder_that_a_living_run_writes_to_is_left_alone(tmp_path, clock, capsys):
    config, folder = cut_off(tmp_path, clock)
    with locked(folder, [1]):
        for how in ("--resume", "--force"):
            assert f"is writing to {folder / 'seed_1'}" in refused(tmp_path, capsys, how)
        train(config, tmp_path, seeds=[0, 2], resume=True)  # nobody writes to these
    train(config, tmp_path, resume=True)
    train(config, tmp_path / "whole")
    assert_same_run(config, tmp_path / "whole", tmp_path)


@pytest.mark.skipif(os.name == "nt", reason="no folder locks here")
def test_an_interrupted_caller_leaves_the_lock_to_the_worker_that_writes(
    tmp_path, monkeypatch, capsys
):
    begun, go = threading.Semaphore(0), threading.Event()
    iterate = Trainer.iterate

    def held(trainer):
        if trainer.iteration == 0:
            begun.release()
        go.wait(60.0)
        iterate(trainer)

    monkeypatch.setattr(Trainer, "iterate", held)

    def interrupted(*_):
        begun.acquire(timeout=60.0)
        begun.acquire(timeout=60.0)  # both workers write
        raise KeyboardInterrupt

    monkeypatch.setattr(executors, "wait", interrupted)
    config, folder = tiny(), tmp_path / "dummy_amt/lvgts"
    with ThreadPoolExecutor(2) as workers:
        with pytest.raises(KeyboardInterrupt):
            runs.train({folder: config}, SEEDS, jobs=2, executor=workers, quiet=True)
        for how in ("--resume", "--force"):
            assert f"another run is writing to {folder}" in refused(tmp_path, capsys, how)
        go.set()
    train(config, tmp_path, resume=True)
    train(config, tmp_path / "whole")
    assert_same_run(config, tmp_path / "whole", tmp_path)


@pytest.mark.skipif(os.name == "nt", reason="no folder locks here")
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_folder_is_locked_by_the_call_that_writes_to_it(tmp_path, monkeypatch, jobs):
    iterate, refused = Trainer.iterate, []

    def checked(trainer):
        try:
            with locked(tmp_path, trainer.seeds):
                pass
        except OutputError:
            refused.append(trainer.iteration)
        iterate(trainer)

    monkeypatch.setattr(Trainer, "iterate", checked)
    runs.train({tmp_path: tiny()}, SEEDS, jobs=jobs, executor=Serial(), quiet=True)
    assert refused == [0, 1, 2, 3, 4] * jobs


def test_what_another_run_wrote_after_the_look_is_kept(tmp_path, monkeypatch):
    """Two that start at once: the second finds a complete run where it saw none."""
    config, first = tiny(), []

    def late(directory, seeds, make):
        monkeypatch.undo()
        first.append(train(config, tmp_path))
        first.append(contents(tmp_path))
        return locked(directory, seeds, make)

    monkeypatch.setattr(run_plots, "draw", lambda folder, like, only=None: None)
    monkeypatch.setattr(runs, "locked", late)
    assert [train(config, tmp_path), contents(tmp_path)] == first


def test_a_call_that_is_made_again_goes_on(tmp_path, clock):
    """As Dask does with the call of a worker that died."""
    config, folder = cut_off(tmp_path, clock)
    call = (config, SEEDS, folder)
    clock.stop_at(8)
    with pytest.raises(Killed):
        batches.train_batch(*call)
    clock.stop_at(None)
    first = batches.train_batch(*call)
    before = contents(tmp_path)
    assert batches.train_batch(*call) == first
    assert contents(tmp_path) == before
    train(config, tmp_path / "whole")
    assert_same_run(config, tmp_path / "whole", tmp_path)


def test_nothing_of_one_cell_is_deleted_where_another_cannot_be_used(tmp_path, clock):
    config, folder = cut_off(tmp_path, clock)
    cells = {folder: config, tmp_path / "other": config}
    before = contents(tmp_path)
    (tmp_path / "other").touch()  # no folder
    new = {tmp_path / "new": config}
    with pytest.raises(OutputError, match="cannot write to"):
        runs.train(new | cells, SEEDS, quiet=True, force=True)
    assert not (tmp_path / "new").exists()
    (tmp_path / "other").unlink()
    assert contents(tmp_path) == before


def test_seeds_that_have_done_equally_much_make_stacks_that_share_the_jobs():
    fresh = dict.fromkeys(range(5), 0)
    assert runs.group(fresh, 1) == [[0, 1, 2, 3, 4]]
    assert runs.group(fresh, 2) == [[0, 2, 4], [1, 3]]
    assert runs.group(fresh, 9) == [[0], [1], [2], [3], [4]]
    apart = {0: 10, 1: 20, 2: 10, 3: 20, 4: 0}
    assert runs.group(apart, 1) == [[4], [0, 2], [1, 3]]
    assert runs.group(apart, 4) == [[4], [0], [2], [1], [3]]
    assert runs.group({}, 3) == []


def test_several_cells_go_on_over_one_pool(tmp_path, clock):
    """What a study of many tasks and algorithms does: look at all, then lock, then train."""
    configs = [tiny(algo="lvgts"), tiny("pendulum_pmt", algo="lm_svg")]
    folder = lambda out, c: out / c.task / c.algo  # noqa: E731
    for config in configs:
        cut_off(tmp_path, clock, task=config.task, algo=config.algo)
        train(config, tmp_path / "whole")
    cells = [(c, folder(tmp_path, c)) for c in configs]
    looks = [look(c, [*SEEDS, 3], path, resume=True) for c, path in cells]
    for (_, path), (left, summaries) in zip(cells, looks, strict=True):
        assert (left, summaries) == ({0: 2, 1: 2, 2: 2, 3: 0}, {})
        (path / "seed_3").mkdir()
        with locked(path, left):
            clear(path, left)
    calls = [
        (config, stack, path)
        for (config, path), (left, _) in zip(cells, looks, strict=True)
        for stack in runs.group(left, 2)
    ]
    results = executors.run_all(runs.train_batch, calls, Serial(), lambda: None)
    assert sum(map(len, results)) == 8
    for config in configs:
        assert_same_run(config, tmp_path / "whole", tmp_path)


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="no process groups here")
def test_a_real_run_is_killed_and_goes_on(tmp_path):
    words = "--task dummy_amt --smoke --seeds 3 --quiet --set hidden=8 episodes=240"
    program = [sys.executable, ROOT / "run.py", *words.split(), "--out"]
    out = tmp_path / "killed"
    process = subprocess.Popen([*program, out, "--jobs", "2"], start_new_session=True)
    give_up = time.monotonic() + 60.0
    while not list(out.glob("*/*/seed_*/checkpoint.npz")) and time.monotonic() < give_up:
        time.sleep(0.01)
    time.sleep(random.uniform(0.0, 0.5))
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    done = subprocess.run(
        [*program, out, "--jobs", "2", "--resume"], capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == [
        f"dummy_amt lvgts seed {seed}" for seed in SEEDS
    ]
    config = load(out / "dummy_amt/lvgts/seed_0/config.json")
    train(config, tmp_path / "whole")
    assert_same_run(config, tmp_path / "whole", out)
    assert (out / "dummy_amt/lvgts/credit.png").exists()


CLUSTER = """
import sys
from distributed import LocalCluster

if __name__ == "__main__":
    settings = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with LocalCluster(processes=True, **settings) as cluster:
        print(cluster.scheduler_address, flush=True)
        sys.stdin.read()
"""
CLIENT = """
import sys

sys.path.insert(0, {root!r})
from pathlib import Path

from distributed import Client
from lvgts_np.experiments import runs
from lvgts_np.training.config_file import load

if __name__ == "__main__":
    with Client(sys.argv[1]) as client:
        conditions = {{"results/dummy_amt/lvgts": load(Path("config.json"))}}
        executor = client.get_executor()
        runs.train(conditions, range(3), jobs=2, executor=executor, quiet=True)
"""


@pytest.fixture
def dask(tmp_path, request):
    """Start a client of a cluster whose processes run in a directory of their own."""
    pytest.importorskip("distributed")
    (tmp_path / "cluster").mkdir()
    (tmp_path / "cluster.py").write_text(CLUSTER)
    (tmp_path / "client.py").write_text(CLIENT.format(root=str(ROOT)))
    env = os.environ | {"PYTHONPATH": str(ROOT) if request.param else ""}
    cluster = subprocess.Popen(
        [sys.executable, tmp_path / "cluster.py"], cwd=tmp_path / "cluster", env=env, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    address = cluster.stdout.readline().strip()
    yield lambda: subprocess.Popen(
        [sys.executable, "client.py", address], cwd=tmp_path, text=True,
        env=os.environ | {"PYTHONPATH": ""}, stderr=subprocess.PIPE,
    )  # fmt: skip
    cluster.communicate(timeout=60)


@pytest.mark.parametrize("dask", [True], indirect=True)
def test_dask_goes_on_writing_alone_after_its_client_is_interrupted(tmp_path, dask, capsys):
    config, out = (
        preset("dummy_amt", **{**TINY, "hidden": 64, "episodes": 1600}),
        tmp_path / "results",
    )
    save(config, tmp_path / "config.json")
    client, give_up = dask(), time.monotonic() + 60.0
    while len(list(out.glob("*/*/seed_*/checkpoint.npz"))) < 3 and time.monotonic() < give_up:
        time.sleep(0.01)
    client.send_signal(signal.SIGINT)
    program = [sys.executable, ROOT / "run.py", "--config", tmp_path / "config.json", "--out", out]

    def resume():
        words = ["--seeds", "3", "--quiet", "--resume"]
        return subprocess.run([*program, *words], capture_output=True, text=True, timeout=120)

    ended = resume()
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (2, "", 1)
    assert f"another run is writing to {out}" in ended.stderr
    assert "KeyboardInterrupt" in client.communicate(timeout=60)[1]
    while ended.returncode == 2 and time.monotonic() < give_up:
        time.sleep(0.5)
        ended = resume()
    assert (ended.returncode, ended.stderr) == (0, "")
    train(config, tmp_path / "whole")
    assert_same_run(config, tmp_path / "whole", out)
    assert list((tmp_path / "cluster").rglob("*.csv")) == []


@pytest.mark.parametrize("dask", [False], indirect=True)
def test_dask_workers_without_the_package_are_named(tmp_path, dask):
    save(tiny(), tmp_path / "config.json")
    said = dask().communicate(timeout=60)[1]
    assert "ChildProcessError: a worker cannot import lvgts_np (No module named 'lvgts_np'" in said
