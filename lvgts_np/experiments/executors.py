"""Calls that share nothing, run in any `concurrent.futures` executor."""

import contextlib
import multiprocessing
import os
import signal
import threading
from concurrent.futures import wait
from concurrent.futures.process import BrokenProcessPool, ProcessPoolExecutor
from multiprocessing.context import SpawnContext, SpawnProcess

from lvgts_np.training import interrupts
from lvgts_np.training.config import THREADS, ConfigError

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
    with interrupts.blocked():
        futures = [executor.submit(work, *task) for task in tasks]
    try:
        with interrupts.rows():
            while wait(futures, SECONDS).not_done:
                watch()
                if interrupts.now.waiting:
                    stop(futures)
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


def stop(futures):
    """Let the processes here end after their rows, and start no other calls."""
    cancel(futures)
    processes = multiprocessing.active_children()
    if not processes:
        interrupts.after_row()  # another executor's workers hear of no signal
    for process in processes:
        process.terminate()


class Child(SpawnProcess):
    """Process that gets no signal before it is ready for one."""

    started = []

    def start(self):
        self.started.append(self)
        with interrupts.blocked():
            super().start()


@contextlib.contextmanager
def local(jobs):
    """Executor of `jobs` processes on this machine, which end with this one, however it ends."""
    # A new process for each call, as a forked one may inherit a lock that no thread releases.
    spawn = SpawnContext()
    spawn.Process, Child.started = Child, []
    executor = ProcessPoolExecutor(jobs, spawn, follow, max_tasks_per_child=1)
    # On arrays this small, more threads only wait for each other; a BLAS reads this as it loads.
    single = [name for name in THREADS if name not in os.environ]
    os.environ.update(dict.fromkeys(single, "1"))
    try:
        yield executor
    except BrokenProcessPool as error:
        reason = end_of_child()
        end(executor)
        interrupts.after_row()
        raise ChildProcessError(reason) from error
    except (KeyboardInterrupt, SystemExit):
        end(executor)
        raise
    finally:
        executor.shutdown(cancel_futures=True)
        for name in single:
            os.environ.pop(name, None)


def end(executor):
    """Kill the processes of `local`, whose files can bear it, until the executor starts no more."""
    ending = threading.Thread(target=executor.shutdown, kwargs={"cancel_futures": True})
    ending.start()
    while ending.is_alive():
        ending.join(0.1)
        for process in Child.started:
            if process.is_alive():
                process.kill()


def end_of_child():
    """How the first process died; what it said has gone to stderr."""
    codes = [child.exitcode for child in Child.started if child.exitcode]
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
        raise SystemExit(UNGUARDED)


def follow():
    """Make this process stop when its parent does, and leave Ctrl-C to it."""
    interrupts.obey()

    def end_with_parent():
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=end_with_parent, daemon=True).start()
