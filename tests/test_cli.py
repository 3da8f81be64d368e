"""The command line: what arrives at a run, what is printed, and what is said of every mistake."""

import contextlib
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import types
from pathlib import Path

import pytest

from lvgts_np import experiments
from lvgts_np.cli import COMMANDS, OPTIONS, main
from lvgts_np.experiments.studies import training
from lvgts_np.experiments.studies.readings import LETTER
from lvgts_np.tasks import BoundsError
from lvgts_np.training import checkpoint
from lvgts_np.training.config import (
    ALGOS,
    FIELDS,
    HELP,
    LAG_SWEEP,
    SMOKE,
    SWITCHES,
    TASKS,
    Config,
    ConfigError,
    parse,
    preset,
)
from lvgts_np.training.config_file import save
from lvgts_np.training.files import write_json
from lvgts_np.training.trainer import Trainer

ROOT = Path(__file__).resolve().parent.parent
TASK = ("--task", "dummy_pmt")


@pytest.fixture(autouse=True)
def nothing_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def runs(monkeypatch):
    """A stand-in for the module that trains: `calls` holds what arrived."""
    fake = types.SimpleNamespace(calls=[], answer=summary)

    def train(config, seeds, out, jobs, force, resume, quiet, parity, pictures):
        fake.calls.append(types.SimpleNamespace(**locals()))
        names = {"task": config.task, "algo": config.algo}
        return [names | fake.answer(seed) for seed in seeds]

    fake.train, fake.draw = train, lambda directory, seeds: True
    monkeypatch.setitem(sys.modules, "lvgts_np.experiments.runs", fake)
    monkeypatch.setattr(experiments, "runs", fake, raising=False)
    return fake


def summary(seed, **changes):
    return {
        "seed": seed,
        "final_eval_return_recall": 1.954,
        "myopic_return": 1.998,
        "max_return": 1.998,
        "attention_remember": 0.971,
        "wall_s": 139.8,
        **changes,
    }


# Mistakes. (arguments, what the one line must contain)

MISTAKES = [
    ("", "--task is missing; one of dummy_pmt, dummy_amt, pendulum_pmt, pendulum_amt"),
    ("train", "--task is missing; one of dummy_pmt"),
    ("--task dumy_pmt", "unknown task 'dumy_pmt'; did you mean 'dummy_pmt'?"),
    ("--task xyz", "unknown task 'xyz'; one of dummy_pmt, dummy_amt, pendulum_pmt"),
    ("--task", "--task: expected one argument; see run.py --help"),
    ("--set task=dummy_amd", "unknown task 'dummy_amd'; did you mean 'dummy_amt'?"),
    ("--task dummy_pmt --set task=dummy_amt", "--task dummy_pmt and --set task=dummy_amt: give"),
    ("--task dummy_pmt --algo lm_svg --set algo=lvgts", "--algo lm_svg and --set algo=lvgts: give"),
    ("--task dummy_pmt --algo lmsvg", "unknown algo 'lmsvg'; did you mean 'lm_svg'?"),
    ("--task dummy_pmt --algo LVGTS", "unknown algo 'LVGTS'; did you mean 'lvgts'?"),
    ("trian --task dummy_pmt", "unknown sub-command 'trian'; did you mean 'train'?"),
    ("--task dummy_pmt trian", "unknown sub-command 'trian'; did you mean 'train'?"),
    ("train --task dummy_pmt --sede 3", "unknown option '--sede'; did you mean '--seeds'?"),
    ("--task dummy_pmt --seed 3", "unknown option '--seed'; did you mean '--seeds'?"),
    ("--tsak=dummy_pmt", "unknown option '--tsak'; did you mean '--task'?"),
    ("--task dummy_pmt -x", "unknown option '-x'; one of --task, --algo, --episodes"),
    ("--task dummy_pmt --hidden 32", "unknown option '--hidden'; did you mean '--set hidden=...'?"),
    ("--task dummy_pmt --N=3", "unknown option '--N'; did you mean '--set N=3'?"),
    ("--task dummy_pmt --quiet=yes", "--quiet: ignored explicit argument 'yes'; see run.py --help"),
    ("--task dummy_pmt --seeds 0", "--seeds: must be a whole number from 1 to 1000000000, not '0'"),
    ("--task dummy_pmt --seeds -3", "--seeds: must be a whole number from 1 to"),
    ("--task dummy_pmt --seeds 1.5", "not '1.5'"),
    ("--task dummy_pmt --seeds nan", "not 'nan'"),
    ("--task dummy_pmt --seeds=", "not ''"),
    (f"--task dummy_pmt --seeds {10**30}", f"not '{10**30}'"),
    ("--task dummy_pmt --seeds " + "9" * 5000, "--seeds: must be a whole number from 1 to"),
    ("--task dummy_pmt --first-seed -1", "--first-seed: must be a whole number from 0 to"),
    ("--task dummy_pmt --first-seed one", "not 'one'"),
    ("--task dummy_pmt --episodes 0", "episodes = 0: must be >= 1"),
    ("--task dummy_pmt --episodes -5", "episodes = -5: must be >= 1"),
    ("--task dummy_pmt --episodes many", "episodes = 'many': must be a whole number"),
    ("--task dummy_pmt --episodes 1e3", "episodes = '1e3': must be a whole number"),
    ("--task dummy_pmt --set", "--set: expected at least one argument; see run.py --help"),
    ("--task dummy_pmt --set N", "--set 'N': must be field=value, such as N=4"),
    ("--task dummy_pmt --set N=4 k", "--set 'k': must be field=value, such as N=4"),
    ("--task dummy_pmt --set hiden=3", "unknown field 'hiden'; did you mean 'hidden'?"),
    ("--task dummy_pmt --set n=3", "unknown field 'n'; did you mean 'N'?"),
    ("--task dummy_pmt --set =3", "unknown field ''; one of task, algo, t1"),
    ("--task dummy_pmt --set self=3", "unknown field 'self'; "),
    ("--task dummy_pmt --set N=", "N = '': must be a whole number"),
    ("--task dummy_pmt --set N=0", "N = 0: must be >= 1"),
    ("--task dummy_pmt --set N=-4", "N = -4: must be >= 1"),
    ("--task dummy_pmt --set N=two", "N = 'two': must be a whole number"),
    ("--task dummy_pmt --set N=4.0", "N = '4.0': must be a whole number"),
    ("--task dummy_pmt --set N=nan", "N = 'nan': must be a whole number"),
    (f"--task dummy_pmt --set hidden={10**30}", f"hidden = {10**30}: must be between"),
    ("--task dummy_pmt --set k=0", "k = 0: must be >= 1"),
    ("--task dummy_pmt --set t1=0", "t1 = 0: must be >= 1"),
    ("--task dummy_pmt --set t1=10", "t1 = 10, t2 = 10: t1 must be < t2"),
    ("--task dummy_pmt --set t1=12 t2=11", "t1 = 12, t2 = 11: t1 must be < t2"),
    ("--task dummy_pmt --set T=11", "T = 11, t2 = 10: T must be >= t2 + 2"),
    ("--task dummy_pmt --set t2=13 --set T=14", "T = 14, t2 = 13: T must be >= t2 + 2"),
    ("--task dummy_pmt --set c=half", "c = 'half': must be a number"),
    ("--task dummy_pmt --set c=nan", "c = nan: must be between -1000000000 and 1000000000"),
    ("--task dummy_pmt --set c=inf", "c = inf: must be between -1000000000 and"),
    ("--task dummy_pmt --set c=-inf", "c = -inf: must be between -1000000000 and"),
    ("--task dummy_pmt --set c=1e400", "c = inf: must be between -1000000000 and"),
    ("--task dummy_pmt --set a_max=1e200", "a_max = 1e+200: must be between -1000000000 and"),
    ("--task dummy_pmt --set a_max=0", "a_max = 0.0: must be > 0"),
    ("--task dummy_pmt --set sigma=-1", "sigma = -1.0: must be >= 0"),
    ("--task dummy_pmt --set model_lr=0", "model_lr = 0.0: must be > 0"),
    ("--task dummy_pmt --set distractor_scale=1.5", "distractor_scale = 1.5: must be in [0, 1]"),
    ("--task dummy_pmt --set replay_episodes=8", "replay_episodes = 8: must hold at least one"),
    ("--task dummy_pmt --set combine=mpl", "unknown combine 'mpl'; did you mean 'mlp'?"),
    ("--task dummy_pmt --set topk_rule=pap", "unknown topk_rule 'pap'; did you mean 'paper'?"),
    ("--task dummy_pmt --set store=befor", "unknown store 'befor'; did you mean 'before'?"),
    ("--task dummy_pmt --set pendulum_version=v2", "unknown pendulum_version 'v2'; did you mean"),
    ("--task dummy_pmt --set encoder_N=-1", "encoder_N = -1: must be >= 0"),
    ("--task dummy_pmt --set count_from=2", "count_from = 2: must be in [0, 1]"),
    ("--task dummy_pmt --force --resume", "--force writes over a run, --resume goes on with it"),
    ("figure2 --task dummy_amt", "figure2 sets task itself: leave task out"),
    ("figure2 --set algo=lvgts", "figure2 sets algo itself: leave algo out"),
    ("figure2 train", "figure2 and train: give only one sub-command"),
    ("figure2 --resume --force", "give only one"),
    ("horizon --task dummy_amt", "horizon sets task itself: leave task out"),
    ("horizon --algo lvgts", "horizon sets algo itself: leave algo out"),
    ("horizon --set T=30", "horizon sets T itself: leave T out"),
    ("horizon --set t2=30", "horizon sets t2 itself: leave t2 out"),
    ("horizon figure2", "give only one sub-command"),
    ("lags --task dummy_amt", "lags sets task itself: leave task out"),
    ("lag", "unknown sub-command 'lag'; did you mean 'lags'?"),
    ("horizn", "unknown sub-command 'horizn'; did you mean 'horizon'?"),
    ("figure2 --sede 3 --help", "unknown option '--sede'; did you mean '--seeds'?"),
    ("--task dummy_pmt --set model_beta_2=-1", "model_beta_2 = -1.0: must be in [0, 1)"),
    ("--config", "--config: expected one argument; see run.py --help"),
    ("--config nowhere.json", "config nowhere.json: No such file or directory; must be a file"),
    ("--config .", "config .: Is a directory; must be a file like a run's config.json"),
]


def one_line(capfd):
    out, err = capfd.readouterr()
    assert out == ""
    assert err.endswith("\n")
    assert len(err.splitlines()) == 1
    return err


@pytest.mark.parametrize(("arguments", "answer"), MISTAKES)
def test_a_mistake_gets_one_line_and_writes_nothing(arguments, answer, runs, capfd, tmp_path):
    assert main(arguments.split()) == 2
    line = one_line(capfd)
    assert line.startswith("run.py: ")
    assert answer in line
    assert runs.calls == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("word", ["a\nb", "a\r\u2028b", "\x1b[31m", "\udcff", "\u00e9"])
@pytest.mark.parametrize("option", ["--task", "--set", "--config", "--seeds", "--algo", ""])
def test_a_mistake_is_one_line_whatever_it_quotes(option, word, capfd, tmp_path):
    assert main([*TASK, option, word] if option else [*TASK, word]) == 2
    one_line(capfd)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("option", ["--task", "--set", "--config", "--seeds", "--out", "--algo"])
def test_a_mistake_of_100_000_characters_is_cut(option, capfd, tmp_path):
    assert main([*TASK, "--set", "T=1", option, "x" * 100_000]) == 2
    line = one_line(capfd)
    assert len(line) < 700
    assert option == "--out" or "xxx" in line
    assert list(tmp_path.iterdir()) == []


GOOD = Config().as_dict()
DAMAGED = {
    "empty": (b"", "must be JSON"),
    "no JSON": (b"task: dummy_pmt\nN: 4\n", "line 1 column 1 (char 0); must be JSON"),
    "cut off": (json.dumps(GOOD, indent=2).encode()[:100], "must be JSON"),
    "a list": (b"[1, 2]", "must be one JSON object of fields"),
    "a number": (b"3", "must be one JSON object of fields"),
    "null": (b"null", "must be one JSON object of fields"),
    "too deep": (b"[" * 100_000, "must be JSON"),
    "not UTF-8": (
        b'{"task": "dummy\xff"}',
        "byte 0xff in position 15: invalid start byte; must be JSON in UTF-8",
    ),
    "a picture": (
        b"\x89PNG\r\n\x1a\n\0\0",
        "byte 0x89 in position 0: invalid start byte; must be JSON in UTF-8",
    ),
    "nothing in it": (b"{}", "field 'task' is missing; its default is \"dummy_pmt\""),
    "missing": ({"k": None}, "field 'k' is missing; its default is 3"),
    "unknown": ({"hiden": 3}, "unknown field 'hiden'; did you mean 'hidden'?"),
    "misspelt": ({"hidden": None, "Hiden": 3}, "unknown field 'Hiden'; did you mean 'hidden'?"),
    "self": ({"self": 3}, "unknown field 'self'"),
    "a word": ({"N": "4"}, "N = '4': must be a whole number"),
    "a fraction": ({"N": 4.5}, "N = 4.5: must be a whole number"),
    "true": ({"N": True}, "N = True: must be a whole number"),
    "a nested list": ({"c": [0.5]}, "c = [0.5]: must be a number"),
    "nan": ({"c": float("nan")}, "c = nan: must be between"),
    "inf": ({"c": float("inf")}, "c = inf: must be between"),
    "huge": ({"c": 10**400}, "must be between"),
    "enormous": ({"c": "HUGE"}, "must be JSON"),
    "a number for a word": ({"task": 1}, "task = 1: must be a word"),
    "true for 1": ({"count_from": True}, "count_from = True: must be a whole number"),
    "task": ({"task": "dumy_pmt"}, "unknown task 'dumy_pmt'; did you mean 'dummy_pmt'?"),
    "algo": ({"algo": "lvgs"}, "unknown algo 'lvgs'; did you mean 'lvgts'?"),
    "t1 >= t2": ({"t1": 10}, "t1 = 10, t2 = 10: t1 must be < t2"),
    "T <= t2 + 1": ({"T": 11}, "T must be >= t2 + 2"),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_config_is_named_with_its_fault(damage, runs, capfd, tmp_path):
    content, answer = DAMAGED[damage]
    if isinstance(content, dict):
        fields = {**GOOD, **content}
        text = json.dumps({name: x for name, x in fields.items() if x is not None})
        content = text.replace('"HUGE"', "9" * 5000).encode()
    path = tmp_path / "broken.json"
    path.write_bytes(content)
    assert main(["--config", str(path)]) == 2
    line = one_line(capfd)
    assert f"config {path}: " in line
    assert answer in line
    assert runs.calls == []
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == content


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read all")
def test_an_unreadable_config_is_named(capfd, tmp_path):
    path = tmp_path / "secret.json"
    save(Config(), path)
    path.chmod(0)
    assert main(["--config", str(path)]) == 2
    assert f"config {path}: Permission denied" in one_line(capfd)


def test_a_good_config_and_a_wrong_flag_blame_the_flag(capfd, tmp_path):
    save(Config(), tmp_path / "config.json")
    assert main(["--config", "config.json", "--set", "T=5"]) == 2
    line = one_line(capfd)
    assert "T = 5, t2 = 10" in line
    assert "config.json" not in line


def test_an_output_folder_that_cannot_be_used_is_a_mistake(runs, capfd):
    def answer(seed):
        raise ConfigError("results holds a run already: choose another --out, or use --force")

    runs.answer = answer
    assert main(TASK) == 2
    assert "results holds a run already: choose another --out" in one_line(capfd)


# What arrives


def arrived(runs, *arguments):
    assert main(list(arguments)) == 0
    return runs.calls[-1]


def test_defaults(runs):
    call = arrived(runs, *TASK)
    assert call.config == preset("dummy_pmt")
    assert (call.seeds, call.out, call.jobs, call.parity) == (range(1), Path("results"), 1, True)
    assert (call.force, call.quiet, call.resume) == (False, False, False)


@pytest.mark.parametrize("task", TASKS)
def test_the_sub_command_may_stand_anywhere_or_be_left_out(task, runs):
    for arguments in (["--task", task], ["train", "--task", task], [f"--task={task}", "train"]):
        assert arrived(runs, *arguments).config == preset(task)


def test_every_flag_arrives(runs):
    flags = "--algo lm_svg --seeds 3 --first-seed 100 --jobs 2 --out a/b --force --quiet"
    fields = {"episodes": 64, "grad": "autograd", "dtype": "float64"}
    values = [word for name, value in fields.items() for word in (f"--{name}", str(value))]
    call = arrived(runs, *TASK, *flags.split(), *values)
    assert call.config == preset("dummy_pmt", algo="lm_svg", **fields)
    assert (call.seeds, call.out, call.jobs) == (range(100, 103), Path("a/b"), 2)
    assert call.force
    assert call.quiet
    call = arrived(runs, *TASK, "--resume", "--no-parity")
    assert (call.resume, call.force, call.parity) == (True, False, False)


def test_set_takes_several_fields_and_may_be_repeated(runs):
    wanted = preset("dummy_pmt", N=2, c=0.25, encoder_N=0, combine="add")
    together = "--set N=2 c=0.25 encoder_N=0 combine=add"
    apart = "--set N=2 --set c=0.25 --set encoder_N=0 combine=add"
    for text in (together, apart):
        assert arrived(runs, *TASK, *text.split()).config == wanted


def test_set_is_checked_as_a_whole(runs):
    call = arrived(runs, *TASK, "--set", "t1=20", "t2=40", "T=60")
    assert (call.config.t1, call.config.t2, call.config.T) == (20, 40, 60)


def test_a_later_set_wins_and_does_not_reach_the_next_call(runs):
    assert arrived(runs, *TASK, "--set", "N=2", "--set", "N=3").config.N == 3
    assert arrived(runs, *TASK).config.N == Config().N


def test_precedence(runs):
    smoke = arrived(runs, *TASK, "--smoke").config
    assert smoke == preset("dummy_pmt", **SMOKE)
    changed = arrived(runs, *TASK, "--smoke", "--set", "hidden=8", "episodes=24").config
    assert changed == smoke.replace(hidden=8, episodes=24)
    flag = ["--smoke", "--set", "episodes=24", "--episodes", "16"]
    assert arrived(runs, *TASK, *flag).config.episodes == 16


def test_set_of_task_is_as_good_as_the_flag(runs):
    assert arrived(runs, "--set", "task=pendulum_amt").config == preset("pendulum_amt")
    assert arrived(runs, *TASK, "--set", "task=dummy_pmt").config == preset("dummy_pmt")


def test_a_config_file_is_the_whole_config_and_flags_win_over_it(runs, tmp_path):
    config = preset("pendulum_amt", algo="lm_svg", N=2, warmup=0.5, episodes=320)
    save(config, tmp_path / "config.json")
    file = ("--config", "config.json")
    assert arrived(runs, *file).config == config
    assert arrived(runs, *file, "--set", "k=2").config == config.replace(k=2)
    assert arrived(runs, *file, "--smoke").config == config.replace(**SMOKE)
    flags = arrived(runs, *file, *TASK, "--algo", "lvgts", "--episodes", "64").config
    assert flags == config.replace(task="dummy_pmt", algo="lvgts", episodes=64)


# What is printed, and the exit code


def test_one_result_line_a_seed(runs, capfd):
    assert main([*TASK, "--seeds", "2", "--quiet"]) == 0
    out, err = capfd.readouterr()
    assert err == ""
    assert out.splitlines() == [
        f"dummy_pmt lvgts seed {seed}: recall return 1.95 of 2.00 (myopic 2.00), attention on the "
        f"remember phase 0.97, 140 s -> results/dummy_pmt/lvgts/seed_{seed}"
        for seed in (0, 1)
    ]


def test_a_frozen_seed_fails_after_the_others_results(runs, capfd):
    def answer(seed):
        if seed != 1:
            return summary(seed, frozen=None)
        why = "iteration 12: loss_reward is not finite"
        return summary(seed, frozen=why, final_eval_return_recall=None, attention_remember=None)

    runs.answer = answer
    assert main([*TASK, "--seeds", "3"]) == 1
    out, err = capfd.readouterr()
    assert [line.split(":")[0] for line in out.splitlines()] == [
        "dummy_pmt lvgts seed 0",
        "dummy_pmt lvgts seed 2",
    ]
    assert err == (
        "run.py: seed 1 stopped: iteration 12: loss_reward is not finite "
        "-> results/dummy_pmt/lvgts/seed_1\n"
    )


@pytest.mark.parametrize(
    ("error", "code", "answer"),
    [
        (KeyboardInterrupt(), 130, "interrupted"),
        (BoundsError("the Sobol points are wrong"), 1, "points are wrong"),
        (MemoryError("Unable to allocate 8 TiB"), 1, "out of memory: Unable to allocate 8 TiB"),
        (MemoryError(), 1, "out of memory"),
        (OSError(28, "No space left on device", "log.csv"), 1, "No space left on device"),
    ],
)
def test_what_stops_a_run_is_one_line(error, code, answer, runs, capfd):
    def stop(seed):
        raise error

    runs.answer = stop
    assert main(TASK) == code
    assert answer in one_line(capfd)


def test_an_interrupt_that_a_library_turns_into_another_error_is_one(runs, capfd):
    def stop(seed):
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            raise ValueError("can't close the ZIP file")

    runs.answer = stop
    assert main(TASK) == 130
    assert "interrupted" in one_line(capfd)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


class Lossy:
    """An object whose destructor loses an interrupt, as a library's callback does."""

    def __del__(self):
        signal.raise_signal(signal.SIGINT)


def lose():
    Lossy()


def lose_in_except():
    with contextlib.suppress(BaseException):
        signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("lost", [lose, lose_in_except])
def test_nothing_is_written_after_an_interrupt_that_a_library_loses(lost, runs, capfd, tmp_path):
    def stop(seed):
        lost()
        write_json(tmp_path / "summary.json", {"myopic_return": 0.135})

    runs.answer = stop
    assert main(TASK) == 130
    assert "interrupted" in one_line(capfd)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_that_is_lost_to_the_end_is_told(runs, capfd):
    def stop(seed):
        lose()
        return summary(seed)

    runs.answer = stop
    assert main(TASK) == 130
    assert capfd.readouterr().err == "run.py: interrupted\n"


def test_a_second_interrupt_comes_through_as_well(runs, capfd):
    def stop(seed):
        lose()
        signal.raise_signal(signal.SIGINT)

    runs.answer = stop
    assert main(TASK) == 130
    assert "interrupted" in one_line(capfd)


def test_who_ignores_signals_or_handles_them_keeps_that(runs):
    def handler(number, frame):
        pass

    before = signal.signal(signal.SIGINT, signal.SIG_IGN), signal.signal(signal.SIGTERM, handler)
    try:
        runs.answer = lambda seed: summary(seed) | {"now": signal.raise_signal(signal.SIGINT)}
        assert main(TASK) == 0
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
        assert signal.getsignal(signal.SIGTERM) is handler
    finally:
        signal.signal(signal.SIGINT, before[0])
        signal.signal(signal.SIGTERM, before[1])


def test_sigterm_outside_of_training_ends_at_once(runs, capfd):
    runs.answer = lambda seed: signal.raise_signal(signal.SIGTERM)
    assert main(TASK) == 143
    assert "terminated" in one_line(capfd)


SHORT = (*TASK, "--quiet", "--smoke", "--set", "H=4", "hidden=4", "eval_every=5", "episodes=96")


def signalled(monkeypatch, numbers, iteration, *words):
    """Exit code and last logged iteration of a run that gets signals in the middle of one."""
    iterate = Trainer.iterate

    def wrapped(trainer):
        for number in numbers if trainer.iteration + 1 == iteration else ():
            signal.raise_signal(number)
        iterate(trainer)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "iterate", wrapped)
        code = main([*SHORT, *words])
    run = Path("results/dummy_pmt/lvgts/seed_0")
    rest = checkpoint.rest_of(checkpoint.known(run / "checkpoint.npz"))
    logged = (run / "log.csv").read_text().splitlines()[-1].split(",")[0]
    assert rest["iteration"] == int(logged)
    return code, int(logged)


def test_sigterm_finishes_the_row_and_resume_goes_on_to_the_same_bytes(monkeypatch, capfd):
    assert main([*SHORT, "--out", "whole"]) == 0
    capfd.readouterr()
    assert signalled(monkeypatch, [signal.SIGTERM], 7) == (143, 10)
    assert one_line(capfd) == "run.py: terminated; --resume goes on with a run\n"
    assert not Path("results/dummy_pmt/lvgts/seed_0/summary.json").exists()
    assert main([*SHORT, "--resume"]) == 0
    logs = [Path(out, "dummy_pmt/lvgts/seed_0/log.csv") for out in ("whole", "results")]
    assert logs[0].read_bytes() == logs[1].read_bytes()


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_does_not_wait_for_the_row(second, monkeypatch, capfd):
    assert signalled(monkeypatch, [signal.SIGTERM, second], 7) == (128 + second, 5)
    one_line(capfd)


def test_a_bug_is_not_hidden(runs):
    def bug(seed):
        raise ValueError("operands could not be broadcast")

    runs.answer = bug
    with pytest.raises(ValueError, match="broadcast"):
        main(TASK)


# Help, and the real program


def help_of(capfd, *arguments):
    """What --help prints, and the text of each field in it by field=default."""
    assert main([*arguments, "--help"]) == 0
    out, err = capfd.readouterr()
    assert err == ""
    assert max(len(line) for line in out.splitlines()) <= 100
    fields = re.findall(r"^  ([\w.]+)=(\S+) +((?:.+\n)(?: {20}.*\n)*)", out, re.MULTILINE)
    return out, {name: (default, " ".join(text.split())) for name, default, text in fields}


def test_help_names_every_option_task_command_and_field_with_its_default(capfd):
    out, fields = help_of(capfd)
    for word in (*OPTIONS, *TASKS, *COMMANDS, "horizon", "DIR"):
        assert word in out
    assert list(fields) == [*FIELDS, "task.x"]
    assert fields.pop("task.x")[0] == "value"
    for name, (default, text) in fields.items():
        assert parse(name, default) == getattr(Config(), name)
        assert text == HELP[name]
    assert fields["N"] == ("4", "[§4.2] the policy's gradient is truncated every N steps; >= 1")
    assert fields["encoder_N"][0] == "4"
    assert fields["algo"][1].endswith("; one of lvgts, lm_svg")


@pytest.mark.parametrize(
    ("command", "changes"),
    [("figure2", {}), ("lags", LAG_SWEEP), ("horizon", LAG_SWEEP), ("readings", {})],
)
def test_help_of_a_study_leaves_out_what_it_sets_and_shows_its_defaults(command, changes, capfd):
    out, fields = help_of(capfd, command)
    varied = {"task", "algo"} | ({"t2", "T"} if changes else set())
    varied |= {"N", *SWITCHES} if command == "readings" else set()
    assert list(fields) == [name for name in FIELDS if name not in varied]
    for name, (default, _) in fields.items():
        assert parse(name, default) == getattr(Config(**changes), name)
    assert set(re.findall(r"^  (--[\w-]+)", out, re.MULTILINE)) == set(OPTIONS) - {
        "--task",
        "--algo",
    }
    assert help_of(capfd, "--seeds", "3")[0] == help_of(capfd)[0] != out
    assert main(["--help", command]) == 0  # wherever it stands
    assert capfd.readouterr().out == out


@pytest.mark.parametrize(
    ("command", "seeds"), [("figure2", 20), ("lags", 5), ("horizon", 5), ("readings", 20)]
)
def test_what_arrives_at_a_study(command, seeds, monkeypatch):
    calls = []
    monkeypatch.setattr(
        training, "train_study", lambda *args, **modes: calls.append((*args, modes)) or []
    )
    monkeypatch.setattr(training, "report_study", lambda *_: True)
    assert main(["--set", "k=2", "--out", "there", command, "--no-parity"]) == 0
    ((conditions, numbers, directory, modes),) = calls
    name = {"lags": "horizon"}.get(command, command)
    assert (numbers, directory) == (range(seeds), Path("there") / name)
    assert modes == {"jobs": 1, "force": False, "resume": False, "quiet": False, "parity": False}
    arrived = dict(conditions.values())
    if command == "figure2":
        configs = [preset(task, algo=a, k=2) for task in TASKS for a in ALGOS]
        assert arrived == {Path("there") / c.task / c.algo: c for c in configs}
    elif command == "readings":
        last = preset("pendulum_amt", algo="lm_svg", k=2, **LETTER)
        assert arrived[Path("there/readings/pendulum_amt/lm_svg/all_to_the_letter")] == last
    else:
        at_10 = preset("dummy_amt", **LAG_SWEEP, k=2, t2=11, T=16)
        assert arrived[Path("there/horizon/lag_10/lvgts")] == at_10


def program(*arguments, cwd):
    env = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    return subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env=env, capture_output=True, text=True, timeout=60
    )


CLOSED = {
    "stderr": "2>&-",
    "stdout": ">&-",
    "both": ">&- 2>&-",
    "all": "<&- >&- 2>&-",
    "a reader that ends": "2>&1 | true",
    "stderr full": "2>/dev/full",
    "ascii": "| cat",
}


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
@pytest.mark.parametrize("how", CLOSED)
def test_a_run_goes_on_without_its_streams(how, tmp_path):
    # Progress after every iteration, as a run of hours would have.
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
    code += "from lvgts_np.experiments import runs; runs.SILENCE = 0.0\n"
    code += "from lvgts_np.cli import main; sys.argv[1:] = sys.argv[2:]; raise SystemExit(main())"
    out = "r\u00e9sultats" if how == "ascii" else "results"
    words = f"--task dummy_pmt --smoke --set H=4 hidden=4 --out {out} {CLOSED[how]}"
    line = f"{sys.executable} -c {shlex.quote(code)} - {words}; exit ${{PIPESTATUS[0]}}"
    env = os.environ | ({"PYTHONIOENCODING": "ascii"} if how == "ascii" else {})
    done = subprocess.run(["bash", "-c", line], capture_output=True, env=env, timeout=60)
    assert done.returncode == 0
    assert b"Traceback" not in done.stderr
    run = tmp_path / out / "dummy_pmt/lvgts/seed_0"
    assert json.loads((run / "summary.json").read_text())["frozen"] is None
    assert (run / "log.csv").read_text().startswith("iteration,")
    if how == "ascii":
        assert b"-> r\\xe9sultats/dummy_pmt" in done.stdout
    if how == "stdout":
        assert b"steps/s" in done.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
def test_results_that_a_full_disk_loses_are_a_failure(tmp_path):
    for words in ("--task dummy_pmt --smoke --quiet --set H=4 hidden=4", "--help"):
        line = f"{sys.executable} {ROOT / 'run.py'} {words} >/dev/full"
        done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stderr.count("\n")) == (1, 1)
        assert "not all results could be printed: " in done.stderr
    assert (tmp_path / "results/dummy_pmt/lvgts/seed_0/summary.json").is_file()


def test_run_py_helps_and_answers_a_mistake(tmp_path, monkeypatch):
    for encoding in ("utf-8", "ascii"):
        monkeypatch.setenv("PYTHONIOENCODING", encoding)
        done = program(ROOT / "run.py", "--help", cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        assert "--task" in done.stdout
    done = program(ROOT / "run.py", "--task", "dumy_pmt", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "run.py: unknown task 'dumy_pmt'; did you mean 'dummy_pmt'?\n"
    assert list(tmp_path.iterdir()) == []


def test_nothing_heavy_is_imported_to_answer_a_mistake(tmp_path):
    code = (
        f"import os, sys; sys.path.insert(0, {str(ROOT)!r}); import run\n"
        "assert run.main(['--task', 'x']) == 2\n"
        "heavy = {'numpy', 'autograd', 'scipy', 'matplotlib', 'tqdm'} & set(sys.modules)\n"
        "print(heavy, os.environ['OMP_NUM_THREADS'])"
    )
    assert program("-c", code, cwd=tmp_path).stdout == "set() 1\n"
