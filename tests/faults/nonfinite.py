"""Numbers that are not finite, in one seed of two: it stops with a line, the other is as alone."""

import json
import math

import numpy as np

from faults import harness
from faults.harness import COMMANDS, Fault, about, answered, command, reference
from lvgts_np.training.optim import Adam
from lvgts_np.training.trainer import Trainer

BAD = (np.nan, np.inf, -np.inf)
PLACES = ("phi", "theta", "adam_phi.m", "adam_phi.v", "adam_theta.m", "adam_theta.v", "replay o",
          "replay a", "replay r", "observations", "losses", "gradient")  # fmt: skip
MUST = ("phi", "theta", "adam_phi.m", "adam_phi.v", "adam_theta.m", "adam_theta.v")


def inject(trainer, where, s, x, draw):
    """Put x in the place of one number of the seed at position s."""
    if where in ("phi", "theta"):
        params = getattr(trainer, where)
        params = {name: a.copy() for name, a in params.items()}
        poke(params[draw.choice(list(params))][s], x, draw)
        setattr(trainer, where, params)
    elif where.startswith("adam"):
        name, moment = where.split(".")
        adam = getattr(trainer, name)
        arrays = {"m": adam.m.copy(), "v": adam.v.copy()}
        poke(arrays[moment][s], x, draw)
        setattr(trainer, name, Adam(arrays["m"], arrays["v"], adam.step))
    else:
        ring = trainer.replay_buffer.columns["oar".index(where[-1])]
        filled = ring[:, s, : max(1, trainer.replay_buffer.size)]
        poke(filled, x, draw)


def poke(array, x, draw):
    array[np.unravel_index(draw.randrange(array.size), array.shape)] = x


def sabotage(where, s, at, x, draw):
    """Have a number come in iteration `at`, in the seed at position s, in this process."""
    iterate, draw_noise, step = Trainer.iterate, Trainer.draw, Trainer._step

    def spoiled(trainer):
        if trainer.iteration == at and (where in MUST or where.startswith("replay")):
            inject(trainer, where, trainer.seeds.index(s), x, draw)
        iterate(trainer)

    def noise(trainer, stream, B):
        found = draw_noise(trainer, stream, B)
        if where == "observations" and stream == "task" and trainer.iteration == at:
            name = draw.choice([n for n in found if found[n].dtype.kind == "f"])
            found = found | {name: found[name].copy()}
            poke(found[name][trainer.seeds.index(s)], x, draw)
        return found

    def stepped(trainer, params, adam, losses, gradient, *rate):
        if trainer.iteration == at and where in ("losses", "gradient"):
            spoil = losses if where == "losses" else gradient
            name = draw.choice(list(spoil))
            new = np.array(spoil[name], copy=True)
            poke(new[trainer.seeds.index(s) :][:1], x, draw)
            losses = losses | {name: new} if where == "losses" else losses
            gradient = gradient | {name: new} if where == "gradient" else gradient
        return step(trainer, params, adam, losses, gradient, *rate)

    Trainer.iterate, Trainer.draw, Trainer._step = spoiled, noise, stepped


def trial(draw, number, place):
    """One number of one seed that is not finite, in one iteration."""
    where, x, s = PLACES[number % len(PLACES)], draw.choice(BAD), draw.choice((0, 1))
    at, strict = draw.randint(0, 4), draw.random() < 0.3
    if where.startswith("replay") or "theta" in where:
        at = max(at, 2)  # there is no episode before, and no step of the policy
    out, name = place / "out", draw.choice(("train", "pendulum"))

    def before():
        if strict:
            np.seterr(all="raise")
        sabotage(where, s, at, x, draw)

    ended = command([*COMMANDS[name], "--no-parity", "--out", out], before)
    with about(f"{x} in {where} of seed {s} of {name} at {at}, {strict = }"):
        judge(ended, name, out, s, where)
    return True


def judge(ended, name, out, s, where):
    answered(ended, codes=(0, 1), lines=2)
    there, (folder,) = reference(name), out.glob("*/*")
    at = folder.relative_to(out)
    for path in (there / at / f"seed_{1 - s}").iterdir():
        other = folder / f"seed_{1 - s}" / path.name
        if path.name not in harness.IGNORED and harness.content(path) != harness.content(other):
            raise Fault(f"{other.relative_to(out)} is not as without it")
    summary = json.loads((folder / f"seed_{s}/summary.json").read_bytes())
    if summary["frozen"]:
        if ended.code != 1 or f"seed {s} stopped" not in ended.err:
            raise Fault(f"frozen, and yet {ended}")
    elif where in MUST:
        raise Fault("not frozen")
    else:  # it was drawn by no mini-batch
        log = [x / at / f"seed_{s}/log.csv" for x in (there, out)]
        if where.startswith("replay") and log[0].read_bytes() != log[1].read_bytes():
            raise Fault("other numbers, and exit 0")
        rows = [line.split(",") for line in log[1].read_text().splitlines()[1:]]
        # The returns of training, columns 2 and 3, are what they are.
        if any(not math.isfinite(float(x)) for row in rows for x in row[4:]):
            raise Fault(f"exit {ended.code}, and a log that is not finite")
