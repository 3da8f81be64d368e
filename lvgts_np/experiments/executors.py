"""Calls that share nothing, run in any `concurrent.futures` executor."""

import concurrent.futures
import contextlib
import multiprocessing
import os
import signal
import threading

SECONDS = 0.5  # between two calls of `watch`


def run_all(work, tasks, executor, watch):
    """List of work(*task) for task in tasks, each in the executor; `watch` is called meanwhile.

    executor is anything with the interface of `concurrent.futures.Executor`. Where a call fails,
    the others still end before its exception is raised.
    """
    futures = [executor.submit(work, *task) for task in tasks]
    while concurrent.futures.wait(futures, SECONDS).not_done:
        watch()
    return [future.result() for future in futures]


@contextlib.contextmanager
def local(jobs):
    """Executor of `jobs` processes on this machine, which end with this one, however it ends."""
    # A new process for each call, as a forked one may inherit a lock that no thread releases.
    executor = concurrent.futures.ProcessPoolExecutor(
        jobs, multiprocessing.get_context("spawn"), follow, max_tasks_per_child=1
    )
    try:
        yield executor
    except concurrent.futures.process.BrokenProcessPool as error:
        raise ChildProcessError("a process was killed: out of memory? try fewer jobs") from error
    except KeyboardInterrupt:
        for process in multiprocessing.active_children():
            process.terminate()
        raise
    finally:
        executor.shutdown(cancel_futures=True)


def follow():
    """Make this process stop when its parent does.

    Ctrl-C reaches every process of a terminal, but a parent's kill only the parent: so the parent
    alone listens, and passes it on as SIGTERM, which interrupts the work here as Ctrl-C would.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.default_int_handler)

    def end_with_parent():
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=end_with_parent, daemon=True).start()
