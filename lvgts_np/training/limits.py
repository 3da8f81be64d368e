"""Memory and disk that a run will need, estimated from its Config before anything is allocated.

The few terms that grow, with factors that were measured as peaks of tracemalloc: a test holds the
sum between the measured peak and four times that.
"""

import contextlib
import os
import shutil
from pathlib import Path

import numpy as np

from lvgts_np.training.config import ConfigError

try:
    import resource
except ImportError:  # on Windows
    resource = None

LIBRARIES = 120e6  # bytes of a process that has only imported
EPISODES_WRITTEN = 8  # episodes whose credit matrices are written


def parameters(c):
    """Numbers of parameters of the model and of the policy of a seed."""

    def mlp(d_in, d_out):
        return (d_in + 1) * c.hidden + (c.hidden + 1) * d_out

    O, A, H = features(c), 1, c.H
    memory = mlp(2 * H, H) if c.combine == "mlp" else 0
    model = mlp(O + A + H, H) + H * H + mlp(H, O) + mlp(H + A, 2 * H) + mlp(H + A, 1) + memory
    return model, mlp(H, 2 * A)


def features(c):
    return 4 if c.task.startswith("pendulum") else 1


def state(c, S):
    """Bytes of the state of S seeds, by the settings that they grow with."""
    size = np.dtype(c.dtype).itemsize * S
    ring = c.T * c.replay_episodes * (features(c) + 2)
    return {"H, hidden": 16 * size * sum(parameters(c)), "replay_episodes": 5 * size * ring}


def memory(c, S):
    """Bytes that S seeds in one batch need at most, by the settings that they grow with."""
    step = np.dtype(c.dtype).itemsize * c.T  # one number a step of an episode
    model, T = step * (20 * c.H + 12 * c.hidden + 30), 0.0
    if c.grad == "autograd":  # keeps every intermediate result, of all seeds
        T = 1.5 * c.T * (c.H + 2)
        model = S * step * (26 * c.H + 14 * c.hidden + 40 + T)
    replay = S * step * (28 * c.H + 13 * c.hidden + 10 + T)
    return state(c, S) | {
        "model_batch": model * c.model_batch,
        "episodes_per_iteration": replay * c.episodes_per_iteration,
        "eval_episodes": (replay + 7 * S * step * c.T) * c.eval_episodes,
        "T": 300 * c.T**2 * min(EPISODES_WRITTEN, c.eval_episodes) + 20e6,  # and the bounds
    }


def disk(c):
    """Bytes of a seed's files, while the new checkpoint and the one before stand side by side."""
    numbers = 3 * sum(parameters(c)) + c.T * c.replay_episodes * (features(c) + 2)
    rows = c.iterations / c.eval_every
    return 3 * np.dtype(c.dtype).itemsize * numbers + 400 * c.T**2 + 300 * rows + 1e5


def check_memory(needs, processes=1):
    """ConfigError where the largest of the needs (dicts as of `memory`) do not fit side by side."""
    totals = sorted((sum(need.values()) for need in needs), reverse=True)[:processes]
    together = sum(totals) + LIBRARIES * (len(totals) - 1)
    for needed, (limit, name) in ((together, machine()), (totals[0], address_space())):
        if needed > limit:
            largest = max(needs, key=lambda need: sum(need.values()))
            most = max(largest, key=largest.get)
            raise ConfigError(
                f"needs about {gb(needed)} of memory and {name} {gb(limit)}: fewer seeds or jobs, "
                f"or smaller settings, {most} first"
            )


def check_disk(needed, path):
    """ConfigError where the disk of a path, or of the first parent that exists, lacks room."""
    there = next(place for place in (path, *path.parents) if place.exists())
    free = shutil.disk_usage(there).free
    if needed > free:
        raise ConfigError(f"needs about {gb(needed)} of disk and {there} has {gb(free)} free")


def machine():
    """Bytes of memory that are free, as far as this system says, and who says so."""
    found = [(float("inf"), "this machine has")]
    with contextlib.suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text().splitlines()
        available = next(line for line in lines if line.startswith("MemAvailable"))
        found.append((1024.0 * int(available.split()[1]), "this machine has free"))
    if len(found) == 1:
        with contextlib.suppress(OSError, ValueError, AttributeError):  # no such name
            total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
            found.append((float(total), "this machine has"))
    with contextlib.suppress(OSError, ValueError):  # no container, or one without a limit
        cgroup = Path("/sys/fs/cgroup")
        limit, used = (int((cgroup / f"memory.{x}").read_text()) for x in ("max", "current"))
        found.append((float(limit - used), "this container has left"))
    return min(found)


def address_space():
    """Bytes that `ulimit -v` leaves to this process."""
    limit = resource.getrlimit(resource.RLIMIT_AS)[0] if resource else -1
    if limit in (-1, getattr(resource, "RLIM_INFINITY", -1)):
        return float("inf"), ""
    used = 0
    with contextlib.suppress(OSError):
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    return float(limit - used), "ulimit -v leaves"


def gb(size):
    return f"{size / 1e9:.3g} GB"
