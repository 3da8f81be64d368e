"""Calls that share nothing, run in any `concurrent.futures` executor."""

import contextlib
import functools
import multiprocessing
import os
import signal
import threading
import time
from concurrent.futures import wait
from concurrent.futures.process import BrokenProcessPool, ProcessPoolExecutor
from multiprocessing.context import SpawnContext, SpawnProcess

from lvgts_np.training import interrupts
from lvgts_np.training.config import THREADS, ConfigError
from lvgts_np.training.streams import note

try:
    import resource
except ImportError:  # on Windows
    resource = None

FILES, FILES_EACH = 40, 4  # open files of this process, and of each that it starts
SECONDS = 0.5  # between two calls of `watch`
UNGUARDED = 'put the call that trains under `if __name__ == "__main__":`'


def run_all(work, tasks, executor, watch):
    """List of work(*task) for task in tasks, each in the executor; `watch` is called meanwhile.

    executor is anything with the interface of `concurrent.futures.Executor`. Where a call fails,
    the others still end before its exception is raised. Ctrl-C and SIGTERM cancel what has not
    begun; what has, ends as this executor ends it. ChildProcessError where a worker lacks this
    package.
    """
    futures = []
    try:
        with interrupts.rows():
            with interrupts.blocked():
                futures += [executor.submit(work, *task) for task in tasks]
            while wait(futures, SECONDS).not_done:
                watch()
                if interrupts.now.waiting:
                    stop(futures, executor)
            interrupts.after_row()
        return [future.result() for future in futures]
    except (KeyboardInterrupt, SystemExit):
        cancel(futures)
        raise
    except Exception as error:
        for cause in (error, error.__cause__):  # Dask's own error has it as its cause
            if isinstance(cause, ModuleNotFoundError):
                reason = f"a worker cannot import lvgts_np ({cause}): pip install it there"
                raise ChildProcessError(reason) from error
        raise


def cancel(futures):
    for future in futures:
        future.cancel()


def stop(futures, executor):
    """Let the processes of `local` end after their rows, and start no other calls."""
    cancel(futures)
    if not (children := getattr(executor, "children", None)):
        interrupts.after_row()  # another executor's workers hear of no signal
    for child in children:
        child.terminate()


class Children(list):
    """Processes of an executor; where it is `over`, one that is still started is killed."""

    over = False

    def kill(self):
        self.over = True
        for child in self:
            child.kill()


class Child(SpawnProcess):
    """Process that gets no signal before it is ready for one."""

    def __init__(self, siblings, **how):
        super().__init__(**how)
        self.siblings, self.waiting = siblings, interrupts.now.waiting

    def __getstate__(self):
        return {**vars(self), "siblings": None}

    def start(self):
        with interrupts.blocked():
            super().start()
        self.siblings.append(self)
        if self.siblings.over:
            self.kill()


@contextlib.contextmanager
def local(jobs):
    """Executor of `jobs` processes on this machine, which end with this one, however it ends."""
    # A new process for each call, as a forked one may inherit a lock that no thread releases.
    spawn, children = SpawnContext(), Children()
    spawn.Process = functools.partial(Child, children)
    executor = ProcessPoolExecutor(jobs, spawn, follow, max_tasks_per_child=1)
    executor.children = children
    # On arrays this small, more threads only wait for each other; a BLAS reads this as it loads.
    single = [name for name in THREADS if name not in os.environ]
    os.environ.update(dict.fromkeys(single, "1"))
    try:
        yield executor
    except BrokenProcessPool as error:
        interrupts.after_row()
        raise ChildProcessError(end_of_child(children)) from error
    finally:
        # A signal that cuts the wait for a thread short makes Python take the thread for ended, and
        # what it serves away from processes that start. What is killed has no call any more, or its
        # files can bear it.
        with interrupts.blocked():
            children.kill()
            executor.shutdown(cancel_futures=True)
        for name in single:
            os.environ.pop(name, None)


def end_of_child(children):
    """How the first process died; what it said has gone to stderr."""
    codes, patience = [], time.monotonic() + 2.0
    while not codes and time.monotonic() < patience:  # the pool may have seen it first
        time.sleep(0.01)
        codes = [child.exitcode for child in children if child.exitcode]
    # Where one dies the pool ends the others with SIGTERM.
    code = min(codes, key=lambda code: code in (-signal.SIGTERM, 128 + signal.SIGTERM), default=1)
    if code >= 0:
        return f"a process ended with exit code {code}: its last words are above"
    oom = ": out of memory? try fewer jobs" if code == -getattr(signal, "SIGKILL", 9) else ""
    return f"a process was killed by {signal.Signals(-code).name}{oom}"


def check_processes(n, seeds):
    """ConfigError where the system does not let this process have n others, or lock `seeds`."""
    most, limit = 61, "Windows waits for no more"
    if resource:
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        if files == resource.RLIM_INFINITY:
            return
        limit = f"ulimit -n is {files}"
        most = max(1, (files - FILES) // FILES_EACH)
        if seeds > files - FILES:  # each is locked by an open file
            raise ConfigError(f"{seeds} seeds in a batch: at most {files - FILES}, as {limit}")
    if n > most:
        raise ConfigError(f"jobs = {n}: at most {most} processes here, as {limit}")


def stop_if_unguarded():
    """End a process that starts up by running its parent's script again, before it trains too."""
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        note(UNGUARDED)  # in one write, as others say it too
        raise SystemExit(1)


def follow():
    """Make this process stop when its parent does, and leave Ctrl-C to it."""
    interrupts.now.waiting = multiprocessing.current_process().waiting
    interrupts.obey()

    def end_with_parent():
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=end_with_parent, daemon=True).start()
