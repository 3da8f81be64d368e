"""A seed's state, all that its training goes on from: taken out of a stack, put into another.

A state is groups of named arrays, which `checkpoint` writes: parameters, Adam's moments, the
replay, what the next row of the log averages over, and the rest as one JSON text.
"""

import json

import numpy as np

from lvgts_np.optim import Adam
from lvgts_np.train import Trainer, stack

INTERVAL = "interval_"  # and a number: the iterations since the last row, a group each


def take(trainer, s):
    """The state of the seed at position s of a stack."""
    groups = {"phi": trainer.phi, "theta": trainer.theta}
    for name, adam in (("adam_phi", trainer.adam_phi), ("adam_theta", trainer.adam_theta)):
        groups[name] = {"m": adam.m, "v": adam.v}
    rings = trainer.replay.columns
    groups["replay"] = {str(n): ring.swapaxes(0, 1) for n, ring in enumerate(rings)}
    groups |= {f"{INTERVAL}{n}": entry for n, entry in enumerate(trainer.interval)}
    rest = {
        "seed": trainer.seeds[s],
        "iteration": trainer.iteration,
        "frozen": trainer.frozen.get(s),
        "adam_steps": [trainer.adam_phi.step, trainer.adam_theta.step],
        "ring": [trainer.replay.size, trainer.replay.next],
        "seconds": trainer.seconds,
        "streams": {name: rng.bit_generator.state for name, rng in trainer.streams[s].items()},
    }
    one = slice(s, s + 1)
    state = {group: {name: x[one] for name, x in xs.items()} for group, xs in groups.items()}
    return state | {"rest": {"json": np.array(json.dumps(rest))}}


def put(config, states):
    """A Trainer of seeds that go on from their states; ValueError unless all are equally far."""
    rests = [json.loads(str(state["rest"]["json"])) for state in states]
    first = rests[0]
    if any(rest["iteration"] != first["iteration"] for rest in rests):
        raise ValueError("seeds of one stack must have done the same number of iterations")

    def join(group):
        return stack([state[group] for state in states])

    trainer = Trainer(config, [rest["seed"] for rest in rests])
    step_phi, step_theta = first["adam_steps"]
    trainer.phi, trainer.adam_phi = join("phi"), Adam(**join("adam_phi"), step=step_phi)
    trainer.theta, trainer.adam_theta = join("theta"), Adam(**join("adam_theta"), step=step_theta)
    for ring, x in zip(trainer.replay.columns, join("replay").values(), strict=True):
        ring[...] = x.swapaxes(0, 1)
    trainer.replay.size, trainer.replay.next = first["ring"]
    trainer.interval = [join(group) for group in states[0] if group.startswith(INTERVAL)]
    trainer.iteration = first["iteration"]
    trainer.frozen = {s: rest["frozen"] for s, rest in enumerate(rests) if rest["frozen"]}
    # Seconds are a stack's: where two become one, the slower one's.
    for work in trainer.seconds:
        trainer.seconds[work] = max(rest["seconds"][work] for rest in rests)
    for streams, rest in zip(trainer.streams, rests, strict=True):
        for name, rng in streams.items():
            rng.bit_generator.state = rest["streams"][name]
    return trainer


def part(trainer, positions):
    """The stack of only the seeds at these positions."""
    return put(trainer.config, [take(trainer, s) for s in positions])


def check(config, seed, state):
    """The iterations that a state has done; ValueError if this seed cannot have been in it."""
    for group, arrays in take(Trainer(config, [seed]), 0).items():
        for name, x in arrays.items():
            saved = state.get(group, {}).get(name)
            if saved is None:
                raise ValueError(f"{group}/{name} is missing")
            if group != "rest" and (saved.shape, saved.dtype) != (x.shape, x.dtype):
                raise ValueError(
                    f"{group}/{name} is {saved.dtype} {saved.shape}, not {x.dtype} {x.shape}"
                )
    trainer = put(config, [state])
    if trainer.seeds != [seed]:
        raise ValueError(f"it is of seed {trainer.seeds[0]}")
    return trainer.iteration
