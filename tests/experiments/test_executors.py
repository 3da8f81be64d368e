"""Processes: what becomes of them when a call fails, or the parent ends."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lvgts_np.experiments import executors


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


def test_an_interrupted_parent_interrupts_the_work(tmp_path):
    def interrupt():
        raise KeyboardInterrupt

    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt), executors.local(1) as executor:
        executors.run_all(touch_after, [(tmp_path / "never", 30.0)], executor, interrupt)
    assert time.monotonic() - start < 15
    assert not (tmp_path / "never").exists()
    assert multiprocessing.active_children() == []


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
    env = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (here.parents[2], here.parent)))}
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
