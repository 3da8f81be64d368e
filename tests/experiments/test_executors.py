"""Processes: what becomes of them when a call fails, or the parent ends."""

import concurrent.futures
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import interrupts
import pytest

from lvgts_np.experiments import executors
from lvgts_np.training import checkpoint
from lvgts_np.training import interrupts as signals


def double(x):
    if x < 0:
        raise ValueError(f"{x} is negative")
    return 2 * x


def touch_after(path, seconds):
    time.sleep(seconds)
    path.write_text("done")


def test_results_come_in_the_order_of_the_calls():
    with executors.local(2) as executor:
        assert executors.run_all(double, [(3,), (1,), (2,)], executor, lambda: None) == [6, 2, 4]


def test_one_call_fails_and_the_others_still_end(tmp_path):
    calls = [(tmp_path / "no" / "where", 0.0), (tmp_path / "late", 1.0)]
    with pytest.raises(FileNotFoundError), executors.local(2) as executor:
        executors.run_all(touch_after, calls, executor, lambda: None)
    assert (tmp_path / "late").read_text() == "done"


def test_a_process_that_is_killed_is_a_plain_error():
    with pytest.raises(ChildProcessError, match="killed"), executors.local(1) as executor:
        executors.run_all(os.abort, [()], executor, lambda: None)


def test_an_interrupted_parent_ends_the_work(tmp_path):
    def interrupt():
        raise KeyboardInterrupt

    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt), executors.local(1) as executor:
        executors.run_all(touch_after, [(tmp_path / "never", 30.0)], executor, interrupt)
    assert time.monotonic() - start < 15
    assert not (tmp_path / "never").exists()
    assert multiprocessing.active_children() == []


def test_an_interrupted_parent_cancels_what_has_not_begun_elsewhere(tmp_path):
    def interrupt():
        raise KeyboardInterrupt

    paths = [tmp_path / str(n) for n in range(3)]
    with concurrent.futures.ThreadPoolExecutor(1) as executor, pytest.raises(KeyboardInterrupt):
        executors.run_all(touch_after, [(path, 1.0) for path in paths], executor, interrupt)
    assert [path.exists() for path in paths] == [True, False, False]


def without_package():
    raise ModuleNotFoundError("No module named 'lvgts_np'")


def as_dask_says_it():
    try:
        without_package()
    except ModuleNotFoundError as error:
        raise RuntimeError("Error during deserialization of the task graph") from error


@pytest.mark.parametrize("work", [without_package, as_dask_says_it])
def test_a_worker_without_the_package_is_named(work):
    answer = pytest.raises(ChildProcessError, match="a worker cannot import lvgts_np.* install it")
    with concurrent.futures.ThreadPoolExecutor(1) as executor, answer:
        executors.run_all(work, [()], executor, lambda: None)


def threads():
    return [os.environ.get(name) for name in executors.THREADS]


def test_a_process_has_one_blas_thread_unless_the_user_says_otherwise(monkeypatch):
    first, *others = executors.THREADS
    monkeypatch.setenv(first, "2")
    for name in others:
        monkeypatch.delenv(name, raising=False)
    before = dict(os.environ)
    with executors.local(1) as executor:
        # The second call has a process that is started later, by the pool's own thread.
        found = executors.run_all(threads, [(), ()], executor, lambda: None)
    assert found == [["2", *["1"] * len(others)]] * 2
    assert dict(os.environ) == before


SCRIPT = """
import sys

sys.path.insert(0, {root!r})
from lvgts_np.cli import main

{guard}
    words = "--task dummy_amt --smoke --quiet --seeds 2 --jobs 2 --set H=4 hidden=8 --out"
    raise SystemExit(main([*words.split(), *sys.argv[1:]]))
"""


def script(folder, guard, *words):
    """What a script elsewhere, that trains in two processes, ends with."""
    file = folder / "script.py"
    file.write_text(SCRIPT.format(root=str(Path(__file__).parents[2]), guard=guard))
    program = [sys.executable, file, *words]
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(program, cwd=folder, env=env, capture_output=True, text=True, timeout=120)


def test_a_script_without_a_guard_is_told_so_and_changes_nothing(tmp_path):
    ended = script(tmp_path, 'if __name__ == "__main__":', "out")
    assert (ended.returncode, ended.stderr) == (0, "")
    log = tmp_path / "out/dummy_amt/lvgts/seed_1/log.csv"
    before = log.read_bytes()
    for how in ("--resume", "--force"):
        if how == "--resume":
            log.with_name("summary.json").unlink()
            log.with_name("checkpoint.npz").unlink()
            (tmp_path / "out/dummy_amt/lvgts/seed_0/summary.json").unlink()
        ended = script(tmp_path, "if True:", "out", how)
        *said, last = ended.stderr.splitlines()
        assert (ended.returncode, ended.stdout, set(said)) == (1, "", {executors.UNGUARDED})
        assert last == "run.py: a process ended with exit code 1: its last words are above"
        if how == "--resume":
            assert log.read_bytes() == before


PARENT = """
import os, pathlib, sys
from lvgts_np.experiments import executors
from test_executors import note_and_sleep

if __name__ == "__main__":
    with executors.local(1) as executor:
        executors.run_all(note_and_sleep, [(pathlib.Path(sys.argv[1]),)], executor, lambda: None)
"""


def note_and_sleep(path):
    part = path.with_suffix(".part")
    part.write_text(str(os.getpid()))
    os.replace(part, path)
    time.sleep(60.0)


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL here")
def test_a_killed_parent_leaves_no_process_behind(tmp_path):
    script, pid = tmp_path / "parent.py", tmp_path / "pid"
    script.write_text(PARENT)
    here = Path(__file__)
    env = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (*here.parents[1:3], here.parent)))}
    parent = subprocess.Popen([sys.executable, script, pid], env=env, stderr=subprocess.DEVNULL)
    for _ in range(300):
        if pid.exists():
            break
        time.sleep(0.1)
    child = int(pid.read_text())
    assert alive(child)
    parent.kill()
    parent.wait()
    for _ in range(100):
        if not alive(child):
            break
        time.sleep(0.1)
    assert not alive(child)


LONG = "--task dummy_amt --quiet --seeds 2 --jobs 2 --set H=4 hidden=4 model_steps=1 eval_every=20"


def when(ready, words, out, number):
    """How a run ends that gets a signal, as all of a terminal's processes, as soon as it is so."""
    process = interrupts.start(words, out)
    give_up = time.monotonic() + 60.0
    while not ready() and time.monotonic() < give_up:
        time.sleep(0.01)
    os.killpg(process.pid, number)
    stdout, stderr = process.communicate(timeout=60)
    return process.returncode, stdout, stderr


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="no process groups here")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("delay", [0.0, 0.1, 0.4])
def test_a_signal_while_processes_start_is_one_line(number, delay, tmp_path):
    def ready():
        return (tmp_path / "dummy_amt/lvgts/seed_1").exists() and not time.sleep(delay)

    code, stdout, stderr = when(ready, LONG, tmp_path, number)
    assert (code, stdout, stderr.count("\n")) == (128 + number, "", 1)
    assert stderr.startswith(interrupts.SAID[number])


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="no process groups here")
def test_sigterm_finishes_the_row_in_every_process(tmp_path):
    logs = [tmp_path / f"dummy_amt/lvgts/seed_{seed}/log.csv" for seed in (0, 1)]
    seen = []

    def ready():
        begun = all(log.exists() and log.read_text().count("\n") > 1 for log in logs)
        if begun:
            time.sleep(0.3)  # in the middle of the next row
            seen.extend(log.read_text() for log in logs)
        return begun

    words = LONG.replace("eval_every=20", "eval_every=100")  # a second or more
    code, stdout, stderr = when(ready, words, tmp_path, signal.SIGTERM)
    assert (code, stdout, stderr.count("\n")) == (143, "", 1)
    for log, before in zip(logs, seen, strict=True):
        rest = checkpoint.rest_of(checkpoint.known(log.with_name("checkpoint.npz")))
        *rows, last = log.read_text().splitlines()
        assert rows == before.splitlines()
        assert rest["iteration"] == int(last.split(",")[0])
        assert not log.with_name("summary.json").exists()


def test_a_process_ends_at_the_row_of_another_executor_too(tmp_path):
    """As threads do, which share the signals of this process."""
    begun = threading.Event()

    def work():
        with signals.rows():
            begun.set()
            while True:
                time.sleep(0.01)
                signals.after_row()

    def watch():
        if begun.wait(10.0):
            signal.raise_signal(signal.SIGTERM)

    with concurrent.futures.ThreadPoolExecutor(1) as pool, signals.listen(signal.SIGTERM):
        with pytest.raises(signals.Terminated):
            executors.run_all(work, [(), ()], pool, watch)
        pool.shutdown(cancel_futures=True)
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_a_thread_that_outlives_its_run_leaves_no_row_to_wait_for():
    """As a pool's does after Ctrl-C: SIGTERM would be put off for a row that never comes."""
    begun, end = threading.Event(), threading.Event()

    def work():
        with signals.rows():
            begun.set()
            end.wait(10.0)

    thread = threading.Thread(target=work)
    with signals.listen(signal.SIGTERM):
        thread.start()
        assert begun.wait(10.0)
    end.set()
    thread.join()
    with pytest.raises(signals.Terminated), signals.listen(signal.SIGTERM):
        signal.raise_signal(signal.SIGTERM)
