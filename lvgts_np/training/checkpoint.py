"""Checkpoint: all that a seed's training resumes from, in this batch of seeds or another.

A state is groups of named arrays, for `save_arrays`: parameters, Adam's moments, the replay buffer
as far as it is filled, the numbers that the next row of the log averages over, and the rest as one
JSON text. A run adds its `logs`, as bytes, and `digests` of its other files when it is complete.
"""

import json
import math

import numpy as np

from lvgts_np.training.files import load_arrays
from lvgts_np.training.optim import Adam
from lvgts_np.training.trainer import LOSSES, RETURNS, Trainer, join_seeds

INTERVAL = "interval_"  # and a number: the iterations since the last row, a group each
LOGS = ("log.csv", "timing.csv", "compass.csv")  # they grow while a seed learns
KNOWN = ("rest", "logs", "digests")  # groups that are no arrays of training
MAX_KNOWN = 2**28  # bytes of them


def state_of(trainer, s):
    """State of the seed at position s of a batch of seeds."""
    groups = {"phi": trainer.phi, "theta": trainer.theta}
    for name, adam in (("adam_phi", trainer.adam_phi), ("adam_theta", trainer.adam_theta)):
        groups[name] = {"m": adam.m, "v": adam.v}
    replay = trainer.replay_buffer
    filled = [ring[:, :, : replay.size].swapaxes(0, 1) for ring in replay.columns]
    groups["replay"] = {str(n): ring for n, ring in enumerate(filled)}
    groups |= {f"{INTERVAL}{n}": entry for n, entry in enumerate(trainer.interval)}
    rest = {
        "config": trainer.config.as_dict(),
        "seed": trainer.seeds[s],
        "iteration": trainer.iteration,
        "frozen": trainer.frozen.get(s),
        "adam_steps": [trainer.adam_phi.step, trainer.adam_theta.step],
        "ring": [replay.size, replay.next],
        "seconds": trainer.seconds,
        "streams": {name: rng.bit_generator.state for name, rng in trainer.streams[s].items()},
    }
    state = {g: {name: x[s : s + 1].copy() for name, x in xs.items()} for g, xs in groups.items()}
    return state | {"rest": {"json": np.array(json.dumps(rest))}}


def rest_of(state):
    """The rest of a state, a dict."""
    return json.loads(str(state["rest"]["json"]))


def restore(config, states):
    """Trainer of seeds that resume from their states; ValueError unless all are equally far."""
    rests = [rest_of(state) for state in states]
    first = rests[0]
    if any(rest["iteration"] != first["iteration"] for rest in rests):
        raise ValueError("seeds of one batch must have done the same number of iterations")

    def join(group):
        return join_seeds([state[group] for state in states])

    trainer = Trainer(config, [rest["seed"] for rest in rests])
    # In the order that Adam's moments have, whatever the file's.
    phi, theta = join("phi"), join("theta")
    trainer.phi = {name: phi[name] for name in trainer.phi}
    trainer.theta = {name: theta[name] for name in trainer.theta}
    step_phi, step_theta = first["adam_steps"]
    trainer.adam_phi = Adam(**join("adam_phi"), step=step_phi)
    trainer.adam_theta = Adam(**join("adam_theta"), step=step_theta)
    replay = trainer.replay_buffer
    replay.size, replay.next = first["ring"]
    for n, filled in join("replay").items():
        replay.columns[int(n)][:, :, : replay.size] = filled.swapaxes(0, 1)
    intervals = sum(group.startswith(INTERVAL) for group in states[0])
    trainer.interval = [join(f"{INTERVAL}{n}") for n in range(intervals)]
    trainer.iteration = first["iteration"]
    trainer.frozen = {s: rest["frozen"] for s, rest in enumerate(rests) if rest["frozen"]}
    # Seconds are a batch's: where two become one, the slower one's.
    trainer.seconds = {x: max(rest["seconds"][x] for rest in rests) for x in trainer.seconds}
    for streams, rest in zip(trainer.streams, rests, strict=True):
        for name, rng in streams.items():
            rng.bit_generator.state = rest["streams"][name]
    return trainer


def select(trainer, positions):
    """Trainer of only the seeds at these positions."""
    return restore(trainer.config, [state_of(trainer, s) for s in positions])


def read(path, config, seed):
    """State in the file `path`; ValueError unless it can be this seed's."""
    new = Trainer(config, [seed])
    params = 3 * sum(x.nbytes for x in (*new.phi.values(), *new.theta.values()))  # Adam's too
    state = load_arrays(path, params + sum(x.nbytes for x in new.replay_buffer.columns) + MAX_KNOWN)
    try:
        check(new, state)
    except (LookupError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
        raise ValueError(repr(error)) from error
    return state


def known(path):
    """The groups KNOWN in the file `path`: what a run says there of itself and its other files."""
    return load_arrays(path, MAX_KNOWN, KNOWN)


def check(new, state):
    """ValueError, or what comes of a value of another type, unless the state can be of this seed.

    new is the Trainer of the seed before its first iteration.
    """
    c, rest, like = new.config, rest_of(state), state_of(new, 0)
    n, capacity = rest["iteration"], c.replay_episodes
    filled = n * c.episodes_per_iteration
    due = {
        "config": c.as_dict(),
        "seed": new.seeds[0],
        "iteration": min(max(0, int(n)), c.iterations),
        "adam_steps": [n * c.model_steps, max(0, n - c.warmup_iterations)],
        "ring": [min(filled, capacity), filled % capacity],
    }
    for name, value in due.items():
        if json.dumps(rest[name]) != json.dumps(value):
            raise ValueError(f"{name} is {rest[name]!r}, not {value}")
    if not all(0.0 <= rest["seconds"][part] < math.inf for part in new.seconds):
        raise ValueError(f"seconds are {rest['seconds']}")
    if rest["frozen"] is not None and not (rest["frozen"] and isinstance(rest["frozen"], str)):
        raise ValueError(f"frozen is {rest['frozen']!r}")
    for i in range(0 if n == c.iterations else n % c.eval_every):
        like[f"{INTERVAL}{i}"] = dict.fromkeys(RETURNS + LOSSES, np.zeros(1))
    check_arrays(like, state, rest)
    if rest_of(state_of(restore(c, [state]), 0)) != rest:
        raise ValueError("the state of a random stream cannot be")


def check_arrays(like, state, rest):
    """ValueError unless a state has arrays like these, the replay buffer as far as it is filled."""
    for group in sorted((like.keys() | state.keys()) - set(KNOWN)):
        due, found = like.get(group, {}), state.get(group, {})
        for name in due | found:
            x, y, where = due.get(name), found.get(name), f"{group}/{name}"
            if x is None or y is None:
                raise ValueError(f"{where} is {'missing' if y is None else 'of no run'}")
            dtype, shape = (y if group.startswith(INTERVAL) else x).dtype, x.shape
            if group == "replay":
                shape = (*shape[:2], rest["ring"][0], *shape[3:])
            if (y.dtype, y.shape) != (dtype, shape) or dtype.kind != "f":
                raise ValueError(f"{where} is {y.dtype} {y.shape}, not {dtype} {shape}")
            if rest["frozen"] is None and not np.isfinite(y).all():
                raise ValueError(f"{where} is not finite")
