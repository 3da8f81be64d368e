"""A task in a file of its own: trained, killed, resumed, drawn, loaded; and a faulty one."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import own_tasks
import pytest
from test_resume import CLUSTER, NUMBERS, ROOT

from lvgts_np import Agent, diagnose, preset, train
from lvgts_np.cli import main
from lvgts_np.experiments import runs
from lvgts_np.experiments.run_data import read_seed
from lvgts_np.training.config import ALGOS, SMOKE, Config, ConfigError
from lvgts_np.training.config_file import load
from lvgts_np.training.trainer import Trainer

SMALL = {**SMOKE, "hidden": 8, "model_steps": 1, "model_batch": 8, "episodes": 32}
PICTURES = {"learning_curve", "attention", "credit", "credit_flow", "episode"}


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A directory, not the repository, with the tasks in mine.py."""
    shutil.copy(own_tasks.__file__, tmp_path / "mine.py")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield tmp_path
    sys.modules.pop("mine", None)


def program(*words, **how):
    text = {"capture_output": True, "text": True, "timeout": 120}
    return subprocess.run([sys.executable, *map(str, words)], **text, **how)


def run(*words):
    return program(ROOT / "run.py", "--quiet", *words)


def same_numbers(one, other):
    """Whether two run directories hold the same tables, byte for byte."""
    return all((one / name).read_bytes() == (other / name).read_bytes() for name in NUMBERS)


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="no process groups here")
def test_it_is_killed_resumed_drawn_and_loaded(here):
    words = "--task mine:KeyToDoor --smoke --seeds 2 --set hidden=8 episodes=240 task.apples=0.5"
    command = [sys.executable, ROOT / "run.py", "--quiet", *words.split(), "--jobs", "2", "--out"]
    process = subprocess.Popen([*command, "killed"], start_new_session=True)
    give_up = time.monotonic() + 60.0
    while not list(here.glob("killed/*/*/*/checkpoint.npz")) and time.monotonic() < give_up:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    resumed, whole = run(*command[3:], "killed", "--resume"), run(*words.split(), "--out", "whole")
    for done in (resumed, whole):
        assert (done.returncode, done.stderr) == (0, "")
    line = (
        r"mine:KeyToDoor lvgts seed 0: door return \S+ of 2.00 \(myopic 1.16\), attention on the k"
    )
    assert re.match(line, resumed.stdout)
    at = Path("mine.KeyToDoor/lvgts")
    for seed in ("seed_0", "seed_1"):
        assert same_numbers("killed" / at / seed, "whole" / at / seed)
    assert {path.stem for path in ("killed" / at).glob("*.png")} == PICTURES | {"compass"}
    config = load("killed" / at / "seed_0/config.json")
    assert config.arguments == {"apples": 0.5, "shares": [0.5, 0.5]}
    assert Agent.load("killed" / at / "seed_0").act(np.zeros((3, 2))).shape == (3, 1)
    (here / "mine.py").unlink()
    sys.modules.pop("mine")
    with pytest.raises(ConfigError, match="task mine:KeyToDoor: .*No module named 'mine'"):
        Agent.load("killed" / at / "seed_0")


CLIENT = """
from pathlib import Path

from distributed import Client
from lvgts_np import train
from lvgts_np.training.config_file import load

if __name__ == "__main__":
    import sys
    with Client(sys.argv[1]) as client:
        executor = client.get_executor()
        train(load(Path("config.json")), range(2), jobs=2, executor=executor, quiet=True)
"""


def test_it_is_trained_through_dask(here):
    pytest.importorskip("distributed")
    config = preset("mine:KeyToDoor", **SMALL, **{"task.apples": 0.5})
    train(config, range(2), "whole", quiet=True)
    shutil.copy("whole/mine.KeyToDoor/lvgts/seed_0/config.json", "config.json")
    (here / "cluster.py").write_text(CLUSTER)
    (here / "client.py").write_text(CLIENT)
    env = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{here}"}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    cluster = subprocess.Popen([sys.executable, "cluster.py"], env=env, text=True, **pipes)
    done = program("client.py", cluster.stdout.readline().strip(), env=env)
    cluster.communicate(timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    for seed in ("seed_0", "seed_1"):
        at = Path("mine.KeyToDoor/lvgts") / seed
        assert same_numbers("whole" / at, "results" / at)


@pytest.mark.parametrize("algo", ALGOS)
def test_it_may_lack_all_that_is_optional(algo, here, capfd):
    assert main(["--task", "mine:Plain", "--algo", algo, "--smoke", "--quiet"]) == 0
    out, err = capfd.readouterr()
    assert err == ""
    assert out.startswith(f"mine:Plain {algo} seed 0: return -")
    assert "attention" not in out
    at = here / "results/mine.Plain" / algo
    assert {path.stem for path in at.glob("*.png")} == PICTURES
    seed = read_seed(at / "seed_0")
    assert not {"attention_remember", "credit_recall", "credit_sign"} & set(seed.tables["log"])
    for name in ("max_return", "attention_remember", "attention_untrained", "compass_sign"):
        assert seed.summary[name] is None
    assert set(seed.tables["episode"]["phase"]) == {""}
    done = (at / "seed_0/summary.json").read_bytes()
    assert main(["--task", "mine:Plain", "--algo", algo, "--smoke", "--quiet", "--resume"]) == 0
    assert (at / "seed_0/summary.json").read_bytes() == done


def test_actions_of_several_numbers_and_steps_in_pieces_have_their_columns(here):
    (summary,) = train(preset("mine:Apart", **SMALL), out="results", quiet=True)
    seed = read_seed(here / "results/mine.Apart/lvgts/seed_0")
    assert {"true_credit_2_0", "true_credit_2_1", "modelled_credit_2_1"} < set(seed.tables["log"])
    assert {"m_0", "m_1", "a_0", "a_1", "o_1"} < set(seed.tables["episode"])
    assert 0.0 < summary["attention_remember"] < 1.0
    weights = seed.tables["attention"]
    share = sum(
        weights["weight"][(weights["t"] == t) & (weights["i"] == i)][0]
        for t in (4, 7)
        for i in (0, 2)
    )
    log = seed.tables["log"]["attention_remember"]
    assert share / 2 == pytest.approx(log[-1], abs=0.1)  # of other episodes of the same agent
    trainer = Trainer(preset("mine:Apart", **SMALL))
    assert diagnose(trainer, 4).credit.shape == (1, 4, 2, 8, 8)


SCRIPT = """
from lvgts_np import Agent, Task, preset, train
from own_tasks import Plain

class Script(Plain):
    def __init__(self, gain=1.0):
        self.gain = gain

if __name__ == "__main__":
    train(preset(Script(2.0), episodes=64), [0, 1], jobs=2, quiet=True)
    print(Agent.load("results/script.Script/lvgts/seed_1").a_max)
"""


def test_it_may_stand_in_the_script_that_trains(here):
    (here / "script.py").write_text(SCRIPT)
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    done = program("script.py", env=os.environ | {"PYTHONPATH": path})
    assert (done.returncode, done.stdout, done.stderr) == (0, "2.0\n", "")
    fields = json.loads((here / "results/script.Script/lvgts/seed_0/config.json").read_text())
    assert (fields["task"], fields["task.gain"]) == ("script:Script", 2.0)


def test_a_distractor_of_ones_own_is_an_argument(here, capfd):
    distractor = {"class": "mine:Draughts", "n": 3}
    words = ["--smoke", "--quiet", "--task", "lvgts_np.tasks.memory:MemoryTask"]
    assigned = [f"task.distractor={json.dumps(distractor)}", "task.active=false", "task.c=1"]
    assert main([*words, "--set", *assigned]) == 0
    out, err = capfd.readouterr()
    assert (err, "recall return" in out, " of 4.00 " in out) == ("", True, True)
    config = load(Path("results/lvgts_np.tasks.memory.MemoryTask/lvgts/seed_0/config.json"))
    assert config.arguments["distractor"] == distractor
    assert (config.arguments["active"], config.arguments["t2"]) == (False, 10)


def test_an_object_is_trained_with_the_default_settings(here, monkeypatch):
    seen = []
    monkeypatch.setattr(runs, "train_all", lambda calls, *_: seen.extend(calls) or [{0: {}}])
    assert train(own_tasks.Plain(), quiet=True, pictures=False) == [{}]
    assert [config for config, *_ in seen] == [preset("own_tasks:Plain")]


def test_a_config_has_the_tasks_own_fields_in_place_of_the_papers():
    config = preset(own_tasks.KeyToDoor(0.1), algo="lm_svg")
    fields = config.as_dict()
    assert (fields["task"], fields["task.apples"]) == ("own_tasks:KeyToDoor", 0.1)
    assert (config.T, config.a_max) == (8, 3.0)
    assert not {"t1", "t2", "a_m", "sigma", "pendulum_version"} & set(fields)
    assert Config().replace(**fields) == config
    assert config.replace(**{"task.apples": 0.2}).arguments["apples"] == 0.2
    assert config.replace(task="own_tasks:Plain").arguments == {}


BAD = """
from own_tasks import Plain

class Shape(Plain):
    O = 3

class Size(Plain):
    O = None

class Nan(Plain):
    def step(self, state, a_t):
        state, o, r, side = super().step(state, a_t)
        return state, o, r * float("nan"), side

class Seven(Plain):
    def step(self, state, a_t):
        if state[0] == 7:
            raise RuntimeError("seven")
        return super().step(state, a_t)

class Late(Plain):
    steps = 0
    def step(self, state, a_t):
        Late.steps += 1
        if Late.steps > 200:
            raise RuntimeError("late")
        return super().step(state, a_t)

class Raising(Plain):
    @property
    def T(self):
        return 1 // 0

class RaisingToo(Plain):
    @property
    def cue(self):
        return 1 // 0

class Nothing:
    pass

number = 3
"""


WHERE = "must be module:Class of a file in this directory, on PYTHONPATH or installed"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("bad:Shape", "o_0 has shape (3, 1), must be (3, 3)"),
        ("bad:Size", "O = None: must be a whole number >= 1, the same in all episodes"),
        ("bad:Nan", "step 0: the reward is not finite"),
        ("bad:Seven", "step 7: RuntimeError: seven (bad.py, line 18)"),
        (
            "bad:Raising",
            "T: ZeroDivisionError: integer division or modulo by zero (bad.py, line 32)",
        ),
        (
            "bad:RaisingToo",
            "cue: ZeroDivisionError: integer division or modulo by zero (bad.py, line 37)",
        ),
        ("bad:Nothing", "must be a class with draw, reset and step, see lvgts_np.Task"),
        ("bad:number", "must be a class with draw, reset and step, see lvgts_np.Task"),
        ("bad:Absent", f"AttributeError: module 'bad' has no attribute 'Absent'; {WHERE}"),
        ("absent:Task", f"ModuleNotFoundError: No module named 'absent'; {WHERE}"),
        (
            "own_tasks:KeyToDoor --set task.apple=1",
            "TypeError: KeyToDoor.__init__() got an unexpected keyword argument 'apple'; "
            "its arguments: apples, shares",
        ),
    ],
)
def test_a_bad_task_is_one_line_and_nothing_is_written(words, said, here, capfd):
    (here / "bad.py").write_text(BAD)
    sys.modules.pop("bad", None)
    assert main(["--smoke", "--quiet", "--task", *words.split()]) == 2
    assert capfd.readouterr() == ("", f"run.py: task {words.split()[0]}: {said}\n")
    assert not (here / "results").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("own_tasks:KeyToDoor T=9", "own_tasks:KeyToDoor has its own; it has task.apples, task.sh"),
        ("own_tasks:Plain t1=1", "t1 = 1: own_tasks:Plain has its own; it has no arguments"),
        ("dummy_amt task.t2=9", "unknown field 'task.t2': the numbers of dummy_amt are fields"),
    ],
)
def test_a_field_of_another_task_is_refused(words, said, here, capfd):
    task, assigned = words.split()
    assert main(["--smoke", "--quiet", "--task", task, "--set", assigned]) == 2
    out, err = capfd.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert said in err


def test_a_task_that_fails_in_mid_run_is_one_line_and_what_is_done_is_kept(here, capfd):
    (here / "bad.py").write_text(BAD)
    words = "--task bad:Late --smoke --quiet --set episodes=800"
    done = program(
        ROOT / "run.py", *words.split(), env=os.environ | {"PYTHONPATH": str(ROOT / "tests")}
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "run.py: task bad:Late, step 0: RuntimeError: late (bad.py, line 26)\n"
    at = here / "results/bad.Late/lvgts/seed_0"
    assert len((at / "log.csv").read_text().splitlines()) > 1
    assert (at / "checkpoint.npz").exists()


def test_the_truncation_study_needs_a_cue_and_derivatives(here, capfd):
    assert main(["truncation", "--task", "mine:KeyToDoor", "--smoke", "--quiet"]) == 2
    said = "run.py: task mine:KeyToDoor: must have a cue, and be differentiable\n"
    assert capfd.readouterr() == ("", said)
