"""Checkpoint: all that a seed's training resumes from, in this batch of seeds or another.

A state is groups of named arrays, for `save_arrays`: parameters, Adam's moments, the replay buffer,
the numbers that the next row of the log averages over, and the rest as one JSON text.
"""

import json

import numpy as np

from lvgts_np.training.optim import Adam
from lvgts_np.training.trainer import Trainer, join_seeds

INTERVAL = "interval_"  # and a number: the iterations since the last row, a group each


def state_of(trainer, s):
    """State of the seed at position s of a batch of seeds."""
    groups = {"phi": trainer.phi, "theta": trainer.theta}
    for name, adam in (("adam_phi", trainer.adam_phi), ("adam_theta", trainer.adam_theta)):
        groups[name] = {"m": adam.m, "v": adam.v}
    replay = trainer.replay_buffer
    groups["replay"] = {str(n): ring.swapaxes(0, 1) for n, ring in enumerate(replay.columns)}
    groups |= {f"{INTERVAL}{n}": entry for n, entry in enumerate(trainer.interval)}
    rest = {
        "seed": trainer.seeds[s],
        "iteration": trainer.iteration,
        "frozen": trainer.frozen.get(s),
        "adam_steps": [trainer.adam_phi.step, trainer.adam_theta.step],
        "ring": [replay.size, replay.next],
        "seconds": trainer.seconds,
        "streams": {name: rng.bit_generator.state for name, rng in trainer.streams[s].items()},
    }
    one = slice(s, s + 1)
    state = {group: {name: x[one] for name, x in xs.items()} for group, xs in groups.items()}
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
    replay.columns = [ring.swapaxes(0, 1).copy() for ring in join("replay").values()]
    replay.size, replay.next = first["ring"]
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


def check(config, seed, state):
    """Iterations that a state has done; ValueError unless it can be this seed's."""
    for group, arrays in state_of(Trainer(config, [seed]), 0).items():
        for name, x in arrays.items():
            if (saved := state.get(group, {}).get(name)) is None:
                raise ValueError(f"{group}/{name} is missing")
            found, due = (f"{array.dtype} {array.shape}" for array in (saved, x))
            if group != "rest" and found != due:
                raise ValueError(f"{group}/{name} is {found}, not {due}")
    trainer = restore(config, [state])
    if trainer.seeds != [seed]:
        raise ValueError(f"it is of seed {trainer.seeds[0]}")
    return trainer.iteration
