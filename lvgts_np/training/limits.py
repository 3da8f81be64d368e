"""Memory and disk that a run will need, estimated from its Config before anything is allocated.

The few terms that grow, with factors that were measured as peaks of tracemalloc: a test holds the
sum between the measured peak and four times that.
"""

import contextlib
import os
import shutil
from pathlib import Path

import numpy as np

from lvgts_np.paper.constants import OUTPUTS_OF_R
from lvgts_np.training.agent import make_task
from lvgts_np.training.config import TASKS, ConfigError

try:
    import resource
except ImportError:  # on Windows
    resource = None

LIBRARIES = 120e6  # bytes of a process that has only imported
EPISODES_WRITTEN = 8  # episodes whose credit matrices are written
ROOM = 2**14  # steps, of all episodes together, that an evaluation replays at a time
ROWS = 2**19  # entries of credit, by reward and action, that are in memory at a time


def numbers(c):
    """Numbers of a seed that training keeps: of model, policy, replay buffer."""

    def mlp(d_in, d_out):
        return (d_in + 1) * c.hidden + (c.hidden + 1) * d_out

    task, H = make_task(c), c.H
    O, A = task.O, task.A
    memory = mlp(2 * H, H) if c.combine == "mlp" else 0
    latent = c.transition == "latent"
    f = mlp(H + A + H * (latent and c.rollout["shortcut"]), H if latent else 2 * H)
    r = mlp(H + A, OUTPUTS_OF_R[c.reward_loss])
    model = mlp(O + A + H, H) + H * H + mlp(H, O) + f + r + memory
    return model, mlp(H, 2 * A), c.T * c.replay_episodes * (O + A + 1)


def memory(c, S):
    """Bytes that S seeds in one batch need at most, by the settings that they grow with."""
    size, (model, policy, ring) = np.dtype(c.dtype).itemsize * S, numbers(c)
    tape = 0.0
    fit, replay = 20 * c.H + 2 * c.hidden + 30, 28 * c.H + 13 * c.hidden + 10  # a step
    if c.grad == "autograd":  # keeps every intermediate result, of all seeds
        tape = 1.5 * c.T * (c.H + 2)
        fit = S * (26 * c.H + 14 * c.hidden + 40 + tape)
    batch, B, n = np.dtype(c.dtype).itemsize * c.T, c.eval_episodes, len(make_task(c).credited)
    rows, some = min(c.T, max(1, ROWS // (c.T * B))), min(B, ROOM // c.T + 1)
    early = "t1" if c.task in TASKS else "credited steps"
    return {
        "H, hidden": 16 * size * (model + policy),
        "replay_episodes": 5 * size * ring,
        "model_batch": batch * fit * c.model_batch,
        "episodes_per_iteration": S * batch * (replay + tape) * c.episodes_per_iteration,
        "eval_episodes": S * batch * ((replay + tape) * some + 7 * rows * B),
        # Tables, and as text; weights of attention, as many as steps where all scores tie.
        "T": c.T**2 * ((60 + 6 * some) * S + 120) + 10e6,
        # Points of the myopic baseline; episodes of the compass.
        early: 8e6 * (n + 1) + 28 * S * c.T * some * (2 * c.H + 8),
    }


def disk(c):
    """Bytes of a seed's files, while the new checkpoint and the one before stand side by side."""
    model, policy, ring = numbers(c)
    checkpoint = np.dtype(c.dtype).itemsize * (3 * (model + policy) + ring)
    return 3 * checkpoint + 250 * c.T**2 + 1_000 * c.iterations / c.eval_every + 1e5


def check_memory(needs, processes=1):
    """ConfigError where the largest of the needs (dicts as of `memory`) do not fit side by side."""
    totals = sorted((sum(need.values()) for need in needs), reverse=True)[:processes]
    together = sum(totals) + LIBRARIES * (len(totals) - 1)
    for needed, (limit, name) in ((together, machine()), (totals[0], address_space())):
        if needed > limit:
            largest = max(needs, key=lambda need: sum(need.values()))
            raise ConfigError(
                f"needs about {gb(needed)} of memory and {name} {gb(limit)}: fewer seeds or jobs, "
                f"or smaller settings, {max(largest, key=largest.get)} first"
            )


def check_disk(needed, path):
    """ConfigError where the disk of a path, or of the first parent that exists, lacks room."""
    there = next(place for place in (path, *path.parents) if place.exists())
    free = shutil.disk_usage(there).free
    if needed > free:
        raise ConfigError(f"needs about {gb(needed)} of disk and {there} has {gb(free)} free")


def machine():
    """Bytes of memory that are free, as far as this system says, and who says so."""
    found = [(float("inf"), "")]
    with contextlib.suppress(OSError, ValueError, AttributeError):  # not on Windows
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        found.append((float(total), "this machine has"))
    with contextlib.suppress(OSError, ValueError):  # Linux
        words = Path("/proc/meminfo").read_text().split()
        available = 1024.0 * int(words[words.index("MemAvailable:") + 1])
        found.append((available, "this machine has free"))
    with contextlib.suppress(OSError, ValueError):  # a container with a limit
        limit, used = (
            float(Path(f"/sys/fs/cgroup/memory.{x}").read_text()) for x in ("max", "current")
        )
        found.append((limit - used, "this container has left"))
    return min(found)


def address_space():
    """Bytes that `ulimit -v` leaves to this process, and who says so."""
    limit = resource.getrlimit(resource.RLIMIT_AS)[0] if resource else -1
    if limit in (-1, getattr(resource, "RLIM_INFINITY", -1)):
        return float("inf"), ""
    used = 0
    with contextlib.suppress(OSError):
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    return float(limit - used), "ulimit -v leaves"


def gb(size):
    return f"{size / 1e9:.3g} GB"
