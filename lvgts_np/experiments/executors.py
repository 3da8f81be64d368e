"""Calls that share nothing, run in any `concurrent.futures` executor."""

import contextlib
import multiprocessing
import os
import pickle
import threading
from concurrent.futures import wait
from concurrent.futures.process import BrokenProcessPool, ProcessPoolExecutor
from multiprocessing.reduction import ForkingPickler

from lvgts_np.training import interrupts

SECONDS = 0.5  # between two calls of `watch`
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
KILLED = "a process was killed: out of memory? try fewer jobs"
UNGUARDED = 'no process could start: put the call that trains under `if __name__ == "__main__":`'


def run_all(work, tasks, executor, watch):
    """List of work(*task) for task in tasks, each in the executor; `watch` is called meanwhile.

    executor is anything with the interface of `concurrent.futures.Executor`. Where a call fails,
    the others still end before its exception is raised. Ctrl-C cancels what has not begun; what
    has, ends as this executor ends it. ChildProcessError where a worker lacks this package.
    """
    futures = []
    try:
        with interrupts.held():
            for task in tasks:
                futures.append(executor.submit(interrupts.call, work, *task))
        with interrupts.rows():
            while wait(futures, SECONDS).not_done:
                watch()
                if interrupts.now.waiting:
                    cancel(futures)
                    if interrupts.now.word is None:
                        break  # another executor's workers hear of no signal
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
    """Cancel the calls that have not begun."""
    for future in futures:
        future.cancel()


class Child(multiprocessing.context.SpawnProcess):
    """Process that gets no signal before it is ready for one."""

    def start(self):
        with interrupts.blocked():
            super().start()

    def __reduce__(self):
        return revive, (bytes(ForkingPickler.dumps(vars(self))),)


def revive(state):
    """Child in its own process, which ends where its parent has ended the pool meanwhile."""
    try:
        process = Child.__new__(Child)
        vars(process).update(pickle.loads(state))
        return process
    except OSError:  # a queue's semaphore is gone
        os._exit(1)


@contextlib.contextmanager
def local(jobs):
    """Executor of `jobs` processes on this machine, which end with this one, however it ends."""
    # A new process for each call, as a forked one may inherit a lock that no thread releases.
    spawn = multiprocessing.context.SpawnContext()
    spawn.Process = Child
    begun, interrupts.now.word = spawn.RawValue("b", 0), spawn.RawValue("b", 0)
    told = (begun, interrupts.now.word)
    executor = ProcessPoolExecutor(jobs, spawn, follow, told, max_tasks_per_child=1)
    # On arrays this small, more threads only wait for each other; a BLAS reads this as it loads.
    single = [name for name in THREADS if name not in os.environ]
    os.environ.update(dict.fromkeys(single, "1"))
    try:
        yield executor
    except BrokenProcessPool as error:
        raise ChildProcessError(KILLED if begun.value else UNGUARDED) from error
    except (KeyboardInterrupt, SystemExit):
        interrupts.tell(interrupts.INT)
        for process in multiprocessing.active_children():
            process.terminate()
        raise
    finally:
        executor.shutdown(cancel_futures=True)
        interrupts.now.word = None
        for name in single:
            os.environ.pop(name, None)


def stop_if_unguarded():
    """End a process that starts up by running its parent's script again, before it trains too."""
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise SystemExit(1)


def follow(begun, word):
    """Make this process stop when its parent does; tell it, by begun = 1, that it came this far."""
    begun.value = 1
    interrupts.obey(word)

    def end_with_parent():
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=end_with_parent, daemon=True).start()
