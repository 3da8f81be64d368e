"""Locks of seeds: a file a condition, of which a byte a seed, so that one descriptor serves all.

The system releases a process's locks when it ends, however that is, and when it closes any
descriptor of the file: so the process has one, and its threads are told apart here.
"""

import contextlib
import os
import threading

try:
    import fcntl

    LOCK = fcntl.LOCK_EX | fcntl.LOCK_NB
except ImportError:  # on Windows
    fcntl = None

guard, held = threading.Lock(), {}  # the descriptor and the seeds locked, by file


def acquire(path, seeds):
    """Lock seeds, or none where one is taken already: that one is returned, else None.

    Where the system has no locks, on Windows and some network disks, none is ever taken.
    """
    while fcntl and seeds:
        with guard:
            if path not in held:
                held[path] = os.open(path, os.O_RDWR | os.O_CREAT, 0o666), set()
            descriptor, mine = held[path]
            got = []
            for seed in seeds:
                if seed in mine or not change(descriptor, LOCK, 1, seed):
                    leave(path, got)
                    return seed
                mine.add(seed)
                got.append(seed)
            if there(path, descriptor):
                return None
            leave(path, got)  # another process deleted the file after it was opened here
    return None


def release(path, seeds):
    """Unlock seeds; the last process to leave deletes the file, or one that a kill left."""
    with guard:
        if fcntl and path not in held and path.is_file():
            held[path] = os.open(path, os.O_RDWR), set()
        if path in held:
            leave(path, seeds)


def leave(path, seeds):
    descriptor, mine = held[path]
    for seed in seeds:
        change(descriptor, fcntl.LOCK_UN, 1, seed)
    mine.difference_update(seeds)
    if not mine:
        if there(path, descriptor) and change(descriptor, LOCK):  # all bytes
            with contextlib.suppress(OSError):
                path.unlink()
        os.close(descriptor)
        del held[path]


def there(path, descriptor):
    """Whether the open file is still the one of that name."""
    with contextlib.suppress(OSError):
        return os.path.samestat(os.fstat(descriptor), path.stat())
    return False


def change(descriptor, how, *where):
    """Whether a lock could be changed; True where the disk has none."""
    try:
        fcntl.lockf(descriptor, how, *where)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        pass
    return True
