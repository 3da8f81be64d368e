"""Check of a task: that it is what `protocol.Task` says, on random actions. [§4.1]"""

import copy

import numpy as np
from autograd import make_vjp

from lvgts_np.tasks import BoundsError, TaskError, call
from lvgts_np.tasks.protocol import Task
from lvgts_np.tasks.reference import name_of

B = 3  # episodes
BOUNDS = ("floor_return", "myopic_return", "max_return")
PARTS = [name for name in (*Task.__annotations__, *vars(Task)) if not name.startswith("_")]


def check_task(task, seed=0, scale=1.0):
    """Check what training relies on, as Gymnasium's check_env does; TaskError says what is wrong.

    Shapes with and without a seed axis; the same noise, the same episode; a pure `step`; T steps;
    finite rewards; steps, phases and bounds in order. seed is that of noise and actions, which are
    a_max tanh(scale x), x ~ N(0, 1): a test by Hypothesis draws both.
    """
    try:
        check_sizes(task)
        noises = [draw(task, [seed, s]) for s in (0, 1)]
        both = {name: np.stack([noise[name] for noise in noises]) for name in noises[0]}
        one = {name: x[:1] for name, x in noises[0].items()}
        x = np.random.default_rng(seed).standard_normal((task.T, 2, B, task.A))
        a = task.a_max * np.tanh(scale * x)
        alone, beside = episode(task, noises[0], a[:, 0]), episode(task, both, a)
        for n, other in ((B, beside[:, :, 0]), (1, episode(task, one, a[:, 0, :1]))):
            same = np.allclose(alone[:, :, :n], other, rtol=1e-9, atol=1e-12)
            need(same, "episodes change each other: each must depend on its own noise alone")
        check_steps(task, beside[-2])
        check_words(task, both)
        call("bounds", bounds_of, task)
        if task.differentiable:
            words = "differentiable, so step must be in autograd.numpy"
            call(words, reward_slopes, task, noises[0], a[:, 0])
    except TaskError as error:
        raise TaskError(f"task {name_of(task)}: {error}") from error.__cause__


def need(ok, words):
    """TaskError in these words, unless ok."""
    if not ok:
        raise TaskError(words)


def bounds_of(task):
    """Bounds of a task by name, {} for none; BoundsError unless they are in order."""
    found = task.bounds()
    x = [found.get(name, np.nan) for name in BOUNDS]
    if found and not (np.isfinite(x).all() and all(np.diff(x) >= -1e-9 * np.abs(x).sum())):
        raise BoundsError(f"{found} cannot be right: must be {' <= '.join(BOUNDS)}")
    return {name: float(found[name]) for name in BOUNDS if found}


def check_sizes(task):
    """All parts are there, and the sizes can be."""
    for name in PARTS:
        there = call(name, hasattr, task, name)  # a property may fail
        need(there, f"no {name!r}; lvgts_np.Task, to inherit from, has what may lack")
    for name in ("T", "O", "A"):
        x = getattr(task, name)
        ok = isinstance(x, (int, np.integer)) and x >= 1
        need(ok, f"{name} = {x!r}: must be a whole number >= 1, the same in all episodes")
    ok = isinstance(task.a_max, (int, float, np.number)) and 0 < task.a_max < np.inf
    need(ok, f"a_max = {task.a_max!r}: must be > 0, as actions are continuous in (-a_max, a_max)")


def draw(task, seed):
    """Noise of B episodes of a seed, which must be the same when drawn again."""
    noise, again = (call("draw", task.draw, np.random.default_rng(seed), B) for _ in range(2))
    need(isinstance(noise, dict) and noise, "draw: must return a dict of at least one array")
    for name, x in noise.items():
        need(np.shape(x)[:1] == (B,), f"draw: {name!r} has shape {np.shape(x)}, must be ({B}, ...)")
        need(np.array_equal(x, again[name]), f"draw: {name!r} must be drawn from rng alone")
    return noise


def episode(task, noise, a):
    """Episodes with actions a (T, ..., B, A), each step taken twice: (O + 2, T, ..., B).

    Rows are the observations, the reward and the side reward.
    """
    batch, kept, rows = a.shape[1:-1], copy.deepcopy((noise, a)), []
    state, o = call("reset", task.reset, noise)
    for t, a_t in enumerate(a):
        need(o is not None, f"ends after {t} steps: every episode must have T = {task.T}")
        check_numbers(f"o_{t}", o, (*batch, task.O))
        found, again = (call(f"step {t}", task.step, state, a_t) for _ in range(2))
        need(np.array_equal(a_t, kept[1][t]), f"step {t}: the action is changed in place")
        ok = isinstance(found, tuple) and len(found) == 4
        need(ok, f"step {t}: must return a tuple (state, observation, reward, side reward)")
        for x, y in zip(found[1:], again[1:], strict=True):
            same = x is y or np.array_equal(x, y, equal_nan=True)
            need(same, f"step {t}: not pure: called again with this state, it returns another")
        for name, r in zip(("reward", "side reward"), found[2:], strict=True):
            check_numbers(f"step {t}: the {name}", r, batch)
        rows.append([*np.moveaxis(o, -1, 0), *found[2:]])
        state, o = found[:2]
    need(o is None, f"does not end: step {task.T - 1}, the last, must return None for o_{task.T}")
    for name, x in noise.items():
        need(np.array_equal(x, kept[0][name]), f"noise {name!r} is changed in place")
    return np.array(rows).swapaxes(0, 1)


def check_numbers(name, x, shape):
    """Finite numbers of this shape."""
    need(np.shape(x) == shape, f"{name} has shape {np.shape(x)}, must be {shape}")
    need(np.isfinite(x).all(), f"{name} is not finite")


def reward_slopes(task, noise, a):
    """Derivatives of the return with respect to each action of episodes, (T, ..., B, A).

    The task alone responds; later actions are as they were.
    """

    def total(a):
        (state, _), R = task.reset(noise), 0.0
        for a_t in a:
            state, _, r, _ = task.step(state, a_t)
            R = R + r
        return R

    backward, R = make_vjp(total)(a)
    return backward(np.ones_like(R))


def check_steps(task, r):
    """Steps of cue and pay, and the phases; r (T, ...) is the reward."""
    for name in ("cue", "pay", "credited"):
        steps = call(name, list, getattr(task, name))
        ok = set(steps) <= set(range(task.T)) and steps == sorted(set(steps))
        need(ok, f"{name} = {steps}: must be steps in 0..{task.T - 1}, in their order")
    need(bool(len(task.cue)) == bool(len(task.pay)), "cue and pay: give both or neither")
    need(set(task.credited) <= set(task.cue), "credited: must be steps of the cue")
    for t in set(range(task.T if len(task.pay) else 0)) - set(task.pay):
        need(not np.any(r[t]), f"step {t}: a reward that is no side reward, but pay has no {t}")
    at, phases = 0, call("phases", task.phases)
    for name, start, end in phases:
        need(start == at < end, f"phase {name!r} is {start}..{end}: must begin at {at}")
        at = end
    need(at == task.T or not phases, f"phases end at {at}, not at T = {task.T}")


def check_words(task, noise):
    """Channels, and what the picture marks."""
    n = sum(map(len, call("channels", task.channels).values()))
    need(n == task.O, f"channels: {n} names of O = {task.O} observed numbers")
    for name, x in call("explain", task.explain, noise).items():
        ok = np.shape(x) in ((2, B), (2, B, task.T))
        need(ok, f"explain: {name!r} has shape {np.shape(x)}, must be {(2, B)} or {(2, B, task.T)}")
