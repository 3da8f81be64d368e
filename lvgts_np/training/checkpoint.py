"""Checkpoint: all that a seed's training resumes from, in this batch of seeds or another.

A state is groups of named arrays, for `save_arrays`: parameters, Adam's moments, the replay buffer
as far as it is filled, the numbers that the next row of the log averages over, and the rest as one
JSON text. A run adds the lengths of its `logs`, and `digests` of what it vouches for.
"""

import dataclasses
import functools
import json
import math

import numpy as np

from lvgts_np.training.files import load_arrays
from lvgts_np.training.optim import Adam
from lvgts_np.training.trainer import (
    LOSSES,
    PARTS,
    RETURNS,
    Trainer,
    check_seeds,
    join_seeds,
    make_streams,
)  # fmt: skip

INTERVAL = "interval_"  # and a number: the iterations since the last row, a group each
LOGS = ("log.csv", "timing.csv")  # they grow while a seed learns
TABLES = ("attention.csv", "credit.csv", "credit_episodes.csv", "episode.csv")
FINITE = ("phi", "theta", "adam_phi", "adam_theta")  # unless the seed is frozen
TEXTS = ("rest", "logs", "digests")  # groups that are small, and read first


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
        "config": dataclasses.asdict(trainer.config),
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


def restore(config, states):
    """Trainer of seeds that resume from their states; ValueError unless all are equally far."""
    rests = [json.loads(str(state["rest"]["json"])) for state in states]
    first = rests[0]
    if any(rest["iteration"] != first["iteration"] for rest in rests):
        raise ValueError("seeds of one batch must have done the same number of iterations")

    def join(group):
        return join_seeds([state[group] for state in states])

    trainer = Trainer(config, [rest["seed"] for rest in rests])
    trainer.phi, trainer.theta = join("phi"), join("theta")
    step_phi, step_theta = first["adam_steps"]
    trainer.adam_phi = Adam(**join("adam_phi"), step=step_phi)
    trainer.adam_theta = Adam(**join("adam_theta"), step=step_theta)
    replay = trainer.replay_buffer
    replay.size, replay.next = first["ring"]
    for ring, filled in zip(replay.columns, join("replay").values(), strict=True):
        ring[:, :, : replay.size] = filled.swapaxes(0, 1)[:, :, : replay.size]
    trainer.interval = [join(group) for group in states[0] if group.startswith(INTERVAL)]
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


def read(path, config, seed=None):
    """State in the file `path`; ValueError unless it can be this seed's (or, with None, any one's).

    What the headers say is compared before any array is unpacked.
    """
    head = texts(path)
    size = rest_of(config, seed, head)["ring"][0]

    def wanted(name, *header):
        return name.partition("/")[0] not in TEXTS and check_header(config, size, name, *header)

    most = sum(dtype.itemsize * math.prod(shape) for dtype, shape in headers(config).values())
    state = load_arrays(path, wanted, most + 2**20 + 2**14 * config.eval_every) | head
    check(config, seed, state)
    for full in headers(config):  # their order, which Adam's moments follow, not the file's
        group, _, name = full.partition("/")
        state[group][name] = state[group].pop(name)
    return state


def texts(path):
    """The small groups of a file: the rest, and what its run vouches for; ValueError as `read`."""
    names = {"rest": ("json",), "logs": LOGS, "digests": (*LOGS, *TABLES, "summary.json")}

    def wanted(name, dtype, shape):
        group, _, name = name.partition("/")
        if group in TEXTS and (name not in names[group] or shape or dtype.itemsize > 2**18):
            raise ValueError(f"{group}/{name} is {dtype} {shape}, which no run writes")
        return group in TEXTS

    head = load_arrays(path, wanted)
    for name, length in head.get("logs", {}).items():
        if length.dtype.kind != "i" or length < 0:
            raise ValueError(f"logs/{name} is {length}, not a length")
    return head


def check(config, seed, state):
    """Iterations that a state has done; ValueError unless it can be this seed's."""
    rest, names = rest_of(config, seed, state), set()
    for group in state.keys() - set(TEXTS):
        for name, x in state[group].items():
            check_header(config, rest["ring"][0], f"{group}/{name}", x.dtype, x.shape)
            if group in FINITE and rest["frozen"] is None and not np.isfinite(x).all():
                raise ValueError(f"{group}/{name} is not finite")
            names.add(f"{group}/{name}")
        if group.startswith(INTERVAL) and state[group].keys() != set(RETURNS + LOSSES):
            raise ValueError(f"{group} is not complete")
    if missing := headers(config).keys() - names:
        raise ValueError(f"{min(missing)} is missing")
    return rest["iteration"]


@functools.lru_cache(16)
def headers(config):
    """dtype and shape by name of the arrays in a state that is as large as one can be."""
    trainer = Trainer(config)
    state = {name: xs for name, xs in state_of(trainer, 0).items() if name not in TEXTS}
    for n, ring in enumerate(trainer.replay_buffer.columns):
        state["replay"][str(n)] = ring.swapaxes(0, 1)
    return {f"{g}/{name}": (x.dtype, x.shape) for g, xs in state.items() for name, x in xs.items()}


def check_header(config, size, name, dtype, shape):
    """True; ValueError unless an array of a state can be like this, where `size` episodes are."""
    group, _, part = name.partition("/")
    number, due = group.removeprefix(INTERVAL), headers(config).get(name)
    is_row = part in RETURNS + LOSSES and dtype.kind == "f" and shape == (1,)
    if is_row and group != number and number.isdecimal() and int(number) < config.eval_every:
        return True
    if due is None:
        raise ValueError(f"{name} is {dtype} {shape}, which no run writes")
    if group == "replay" and shape != due[1]:  # that of an earlier version is whole
        due = due[0], (*due[1][:2], size, *due[1][3:])
    if (dtype, shape) != due:
        raise ValueError(f"{name} is {dtype} {shape}, not {due[0]} {due[1]}")
    return True


def rest_of(config, seed, state):
    """The rest of a state; ValueError unless its numbers can be this seed's, or any one's."""
    if "json" not in state.get("rest", {}):
        raise ValueError("rest/json is missing")
    try:
        rest = json.loads(str(state["rest"]["json"]))
        check_rest(config, rest["seed"] if seed is None else seed, rest)
    except (LookupError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ValueError(f"rest/json: {error!r}") from error
    return rest


def check_rest(config, seed, rest):
    """ValueError, or what else comes of a value of another type, unless the rest can be."""
    n, B, capacity = rest["iteration"], config.episodes_per_iteration, config.replay_episodes
    if type(n) is not int or not 0 <= n <= config.iterations:
        raise ValueError(f"iteration is {n!r}, not a whole number up to {config.iterations}")
    if check_seeds([rest["seed"]]) != [seed]:
        raise ValueError(f"it is of seed {rest['seed']}")
    settings = dataclasses.asdict(config)
    if rest.get("config", settings) != settings:
        raise ValueError("it is of a run with other settings")
    due = {
        "adam_steps": [n * config.model_steps, max(0, n - config.warmup_iterations)],
        "ring": [min(n * B, capacity), n * B % capacity],
    }
    for name, value in due.items():
        if json.dumps(rest[name]) != json.dumps(value):
            raise ValueError(f"{name} is {rest[name]!r}, not {value}")
    seconds = [rest["seconds"][name] for name in PARTS]
    if not all(type(x) is float and 0 <= x < math.inf for x in seconds):
        raise ValueError(f"seconds are {seconds}")
    if rest["frozen"] is not None and not (type(rest["frozen"]) is str and rest["frozen"]):
        raise ValueError(f"frozen is {rest['frozen']!r}")
    for name, rng in make_streams(seed).items():
        rng.bit_generator.state = rest["streams"][name]
        if rng.bit_generator.state != rest["streams"][name]:
            raise ValueError(f"the state of the stream {name!r} cannot be")
