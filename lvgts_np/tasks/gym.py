"""Gymnasium both ways: tasks as its environments, its environments as tasks and as distractors.

Importing this file, the only one that needs Gymnasium, registers "lvgts/dummy_amt-v0" and the other
tasks of the paper, whose numbers `gymnasium.make` takes, and "lvgts/task-v0", for any `task=`.
"""

from collections import namedtuple

import numpy as np

try:
    import gymnasium
    from gymnasium import spaces
except ModuleNotFoundError as error:
    words = f"needs {error.name}: pip install gymnasium"
    raise ModuleNotFoundError(words, name=error.name) from error

from lvgts_np.tasks import reference
from lvgts_np.tasks.memory import paper_task
from lvgts_np.tasks.protocol import Task

PAPER = ("dummy_pmt", "dummy_amt", "pendulum_pmt", "pendulum_amt")


class TaskEnv(gymnasium.Env):
    """Task as an environment that pays reward + distractor_scale * side reward; info has both.

    task is one of PAPER or "module:Class", each with its arguments, or an object. Observations and
    actions are the task's; after the last step the observation before it is repeated.
    """

    metadata = {"render_modes": []}

    def __init__(self, task, distractor_scale=0.1, **arguments):
        if isinstance(task, str):
            of_paper = task in PAPER
            task = paper_task(task, **arguments) if of_paper else reference.make(task, arguments)
        self.task, self.distractor_scale, limit = task, distractor_scale, task.a_max
        self.observation_space = spaces.Box(-np.inf, np.inf, (task.O,), np.float64)
        self.action_space = spaces.Box(-limit, limit, (task.A,), np.float64)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.state, self.o = self.task.reset(self.task.draw(self.np_random, 1))
        return self.o[0], {}

    def step(self, action):
        self.state, o, (r,), (side,) = self.task.step(self.state, np.array([action], float))
        self.o = self.o if o is None else o
        info = {"reward": float(r), "side_reward": float(side)}
        return self.o[0], float(r + self.distractor_scale * side), o is None, False, info


for name in PAPER:
    gymnasium.register(f"lvgts/{name}-v0", f"{__name__}:TaskEnv", kwargs={"task": name})
gymnasium.register("lvgts/task-v0", f"{__name__}:TaskEnv")

# Where environments stand: seeds (..., B), actions since, o (..., B, O), r (..., B), any at an end.
State = namedtuple("State", "seeds past o r over")


class GymDistractor:
    """Environment as the distractor of a memory task; its Box clips the action.

    id and options are those of `gymnasium.make`. An environment can only go on: any `State` but the
    last is reached by a replay. Observations are flat, each number divided by its bound if it has
    one, as our pendulum's.
    """

    differentiable = False

    def __init__(self, id, options=None):
        self.id, self.options, self.envs, self.last = id, options, [], None
        self.grow(1)
        self.box, self.space = self.envs[0].action_space, self.envs[0].observation_space
        if not (isinstance(self.box, spaces.Box) and self.box.is_bounded()):
            raise ValueError(f"{id} takes actions in {self.box}: must be a Box with bounds")
        flat = spaces.flatten_space(self.space)
        bound = np.maximum(np.abs(flat.low), np.abs(flat.high)).astype(float)
        self.scale = np.where(np.isfinite(bound) & (bound > 0.0), bound, 1.0)

    def grow(self, n):
        while len(self.envs) < n:
            made = gymnasium.make(self.id, disable_env_checker=True, **(self.options or {}))
            self.envs.append(made)

    def channels(self):
        return {self.id: [f"x_{j}" for j in range(len(self.scale))]}

    def draw(self, rng, B):
        return {"gym": rng.integers(2**31, size=B)}

    def reset(self, noise):
        seeds = noise["gym"]
        self.grow(seeds.size)
        o = [e.reset(seed=int(s))[0] for e, s in zip(self.envs, seeds.flat, strict=False)]
        self.last = State(seeds, (), self.flat(o, seeds), np.zeros(seeds.shape), False)
        return self.last

    def observe(self, state):
        return state.o

    def flat(self, o, seeds):
        o = np.stack([spaces.flatten(self.space, x) for x in o]) / self.scale
        return o.reshape(*seeds.shape, -1)

    def step(self, state, a_t):
        if state.over:
            raise ValueError(f"{self.id} ended after {len(state.past)} steps, which are too few")
        past = (*state.past, np.clip(a_t, self.box.low.ravel(), self.box.high.ravel()))
        missed = past[-1:] if state is self.last else past
        if missed is past:
            self.reset({"gym": state.seeds})
        self.last = None  # until all have stepped
        for a in missed:
            actions = a.reshape(-1, *self.box.shape).astype(self.box.dtype)
            rows = [e.step(x) for e, x in zip(self.envs, actions, strict=False)]
        o, r, *ends, _ = zip(*rows, strict=True)
        r = np.reshape(r, state.seeds.shape).astype(float)
        self.last = State(state.seeds, past, self.flat(o, state.seeds), r, bool(np.any(ends)))
        return self.last, r


class GymTask(Task):
    """Environment with a Box of actions as a task, of which T steps are played; see GymDistractor.

    (-a_max, a_max) is stretched over the Box. reward, "module:function", gives another reward from
    o_{t+1} (..., B, O), a_t (..., B, A) and r (..., B). An end before T steps is an error.
    """

    def __init__(self, id, T, reward=None, cue=(), pay=(), options=None):
        self.id, self.T, self.reward, self.options = id, T, reward, options
        self.cue, self.pay, self.batch = cue, pay, GymDistractor(id, options)
        low, high = (x.ravel().astype(float) for x in (self.batch.box.low, self.batch.box.high))
        self.O, self.A, self.a_max = len(self.batch.scale), len(low), float(np.max(high - low) / 2)
        self.middle, self.unit = (low + high) / 2, (high - low) / 2 / self.a_max
        self.paid = reference.find(reward) if reward else lambda o, a, r: r
        self.draw = self.batch.draw

    def reset(self, noise):
        state = self.batch.reset(noise)
        return state, state.o

    def step(self, state, a_t):
        state, r = self.batch.step(state, self.middle + self.unit * a_t)
        r = self.paid(state.o, a_t, r)
        return state, None if len(state.past) == self.T else state.o, r, np.zeros_like(r)
