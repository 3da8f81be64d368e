"""Calls that share nothing, run in any `concurrent.futures` executor."""

import contextlib
import multiprocessing
import multiprocessing.connection
import os
import signal
import tempfile
import threading
from concurrent.futures import wait
from concurrent.futures.process import BrokenProcessPool, ProcessPoolExecutor
from multiprocessing.context import SpawnContext, SpawnProcess

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
    the others still end before its exception is raised. Ctrl-C cancels what has not begun; what
    has, ends as this executor ends it. ChildProcessError where a worker lacks this package.
    """
    futures = [executor.submit(work, *task) for task in tasks]
    try:
        while wait(futures, SECONDS).not_done:
            watch()
        return [future.result() for future in futures]
    except KeyboardInterrupt:
        for future in futures:
            future.cancel()
        raise
    except Exception as error:
        for cause in (error, error.__cause__):  # Dask's own error has it as its cause
            if isinstance(cause, ModuleNotFoundError):
                reason = f"a worker cannot import lvgts_np ({cause}): pip install it there"
                raise ChildProcessError(reason) from error
        raise


@contextlib.contextmanager
def local(jobs):
    """Executor of `jobs` processes on this machine, which end with this one, however it ends."""
    # A new process for each call, as a forked one may inherit a lock that no thread releases.
    spawn = SpawnContext()
    spawn.Process, Child.started = Child, []
    Child.said = tempfile.TemporaryFile()  # noqa: SIM115 (closed below)
    stderr = None
    with contextlib.suppress(OSError, AttributeError):  # stderr is closed; Windows
        stderr = multiprocessing.connection.Connection(os.dup(2))
    executor = ProcessPoolExecutor(jobs, spawn, follow, (stderr,), max_tasks_per_child=1)
    # On arrays this small, more threads only wait for each other; a BLAS reads this as it loads.
    single = [name for name in THREADS if name not in os.environ]
    os.environ.update(dict.fromkeys(single, "1"))
    try:
        yield executor
    except BrokenProcessPool as error:
        executor.shutdown()
        raise ChildProcessError(last_words()) from error
    except KeyboardInterrupt:
        for process in multiprocessing.active_children():
            process.terminate()
        raise
    finally:
        executor.shutdown(cancel_futures=True)
        Child.said.close()
        if stderr:
            stderr.close()
        for name in single:
            os.environ.pop(name, None)


class Child(SpawnProcess):
    """Process whose stderr is a file, which its parent reads if it dies, until it has begun."""

    started, said = [], None

    def start(self):
        self.started.append(self)
        with contextlib.ExitStack() as later:
            with contextlib.suppress(OSError):  # stderr is closed
                kept = os.dup(2)
                later.callback(os.close, kept)
                later.callback(os.dup2, kept, 2)
                os.dup2(self.said.fileno(), 2)
            super().start()


def last_words():
    """Why a process died: the signal that killed it, else the last line that it wrote to stderr."""
    codes = [child.exitcode for child in Child.started if child.exitcode]
    # Where one dies the pool ends the others with SIGTERM.
    code = min(codes, key=lambda code: (code == -signal.SIGTERM, code), default=0)
    if code < 0:
        oom = ": out of memory? try fewer jobs" if code == -getattr(signal, "SIGKILL", 9) else ""
        return f"a process was killed by {signal.Signals(-code).name}{oom}"
    Child.said.seek(0)
    lines = Child.said.read().decode(errors="replace").split("\n")
    words = next((line for line in reversed(lines) if line.strip()), "it wrote nothing to stderr")
    return f"a process ended with exit code {code}: {words[:500]}"


def check_processes(n):
    """ConfigError where the system does not let this process have n others."""
    most, limit = 61, "Windows waits for no more"
    if resource:
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        unlimited = files == resource.RLIM_INFINITY
        most = n if unlimited else max(1, (files - FILES) // FILES_EACH)
        limit = f"ulimit -n is {files}"
    if n > most:
        raise ConfigError(f"jobs = {n}: at most {most} processes here, as {limit}")


def stop_if_unguarded():
    """End a process that starts up by running its parent's script again, before it trains too."""
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise SystemExit(UNGUARDED)


def follow(stderr):
    """Make this process stop when its parent does, and give it its parent's stderr.

    Ctrl-C reaches every process of a terminal, but a parent's kill only the parent: so the parent
    alone listens, and passes it on as SIGTERM, which interrupts the work here as Ctrl-C would.
    """
    if stderr:
        os.dup2(stderr.fileno(), 2)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.default_int_handler)

    def end_with_parent():
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=end_with_parent, daemon=True).start()
