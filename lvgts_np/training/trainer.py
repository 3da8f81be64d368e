"""Algorithm 1, outer loop: collect episodes, fit the model, improve the policy."""

import itertools
import reprlib
import time

import numpy as np

from lvgts_np import adjoint
from lvgts_np.paper.credit import phase_cotangents
from lvgts_np.training.agent import (
    BACKENDS,
    Agent,
    checked_task,
    initial_parameters,
    make_task,
)
from lvgts_np.training.arithmetic import isolated
from lvgts_np.training.backends import check_parity
from lvgts_np.training.config import MAX_ABS, ConfigError, whole
from lvgts_np.training.limits import ROOM, check_memory, memory
from lvgts_np.training.metrics import (
    attention_share,
    credit_beside,
    credit_names,
    credit_rms,
    mean_return,
)
from lvgts_np.training.optim import adam_init, adam_step, clip_norm, flatten, global_norm, unflatten
from lvgts_np.training.replay_buffer import ReplayBuffer, collect, training_reward
from lvgts_np.training.true_credit import differences

MAX_SEEDS = 100_000  # of one run
STREAMS = ("weights", "task", "policy", "batches", "evaluation", "compass")  # new ones go last
TRUE_EPISODES = 64  # of an evaluation, whose true credit is taken
RETURNS = ("return_recall", "return_total")
LOSSES = ("loss_reward", "loss_decoder", "loss_transition")


class Trainer:
    """Batch of seeds that learn side by side, each as if it were alone. [Alg. 1]

    seeds are their numbers; iteration counts the iterations done. frozen[s] says where and why the
    seed at position s stopped: its parameters stay as they last were.
    """

    @isolated()
    def __init__(self, config, seeds=(0,)):
        self.config, self.seeds, self.iteration, self.frozen = config, check_seeds(seeds), 0, {}
        self.task = make_task(config)
        self.streams = [make_streams(seed) for seed in self.seeds]
        initial = [initial_parameters(config, streams["weights"]) for streams in self.streams]
        self.phi, self.theta = (join_seeds([x[g] for x in initial]) for g in ("phi", "theta"))
        self.adam_phi, self.adam_theta = (
            adam_init(flatten(params, params)) for params in (self.phi, self.theta)
        )
        ring = (config.T, len(self.seeds), config.replay_episodes)
        features = (self.task.O, self.task.A, 1)  # of o, a, r
        self.replay_buffer = ReplayBuffer([(*ring, F) for F in features], config.dtype)
        self.backend, self.buffers = BACKENDS[config.grad], adjoint.Buffers()
        self.interval = []  # what the log averages over: one dict per iteration
        self.seconds = dict.fromkeys(("collect", "model", "policy", "evaluate"), 0.0)

    @property
    def policy_progress(self):
        """Share of the policy's training that is done: 0 up to the warm-up's end, below 1."""
        c = self.config
        since = max(self.iteration - c.warmup_iterations, 0)
        return since / max(c.iterations - c.warmup_iterations, 1)

    @property
    def due(self):
        """Whether the log has a row after this iteration."""
        c = self.config
        return self.iteration % c.eval_every == 0 or self.iteration == c.iterations

    def run(self, parity=True):
        """Train to the end; yields the row of the log at each evaluation, a dict of columns (S,).

        parity compares both gradient backends first, see `check_parity`.
        """
        check_memory([memory(self.config, len(self.seeds))])
        checked_task(self.config)
        if parity:
            check_parity(self.config, self.task)
        while self.iteration < self.config.iterations and len(self.frozen) < len(self.seeds):
            self.iterate()
            if self.due:
                yield self.evaluate()

    @isolated()
    def iterate(self):
        """One pass of the outer loop; non-finite seeds are frozen. [Alg. 1, lines 2-24]"""
        # DEVIATION: Algorithm 1 has one episode and one step of the model an iteration. (M18)
        episodes, u = self.timed("collect", self._collect)  # lines 2-8
        for _ in range(self.config.model_steps):
            self.timed("model", self._fit_model)  # line 9
        # UNSPECIFIED: when the policy starts to follow the model; after a warm-up, in which
        # the attention forms, as credit without it is wrong and the policy would drift.
        if self.iteration >= self.config.warmup_iterations:
            self.timed("policy", self._improve_policy, episodes, u)  # lines 10-24
        self.iteration += 1

    @isolated()
    def evaluate(self):
        """Row of the log, a dict of columns (S,); a new interval begins.

        Training returns and losses are means since the last row, nan before the first iteration.
        """
        row = self.timed("evaluate", self._evaluate)
        self._freeze(row)
        for name in (*RETURNS, *LOSSES):
            entries = [entry[name] for entry in self.interval]
            row[name] = sum(entries) / len(entries) if entries else np.full(len(self.seeds), np.nan)
        self.interval = []
        counts = self.iteration, self.iteration * self.config.episodes_per_iteration
        for name, count in zip(("iteration", "episodes"), counts, strict=True):
            row[name] = np.full(len(self.seeds), count)
        return row

    @isolated()
    def probe(self, B, stream="evaluation"):
        """New episodes from a stream, B per seed, played without policy noise.

        Returns Episodes, the task's noise and what their replay needs, Inferred.
        """
        episodes, noise, u = self.play(B, stream)
        return episodes, noise, self.infer(episodes, u)

    @isolated()
    def probe_in_parts(self, B, stream="evaluation"):
        """As `probe`, but Inferred of as many episodes as there is ROOM for, one after another.

        Each comes with its share of the episodes. Where scores tie its attention has many weights.
        """
        episodes, noise, u = self.play(B, stream)
        parts = ((len(range(B)[x]) / B, self.infer(episodes, u, x)) for x in self.parts(B))
        return episodes, noise, parts

    def parts(self, B):
        """Slices of B episodes, of at most ROOM steps together."""
        n = max(1, ROOM // self.config.T)
        return [slice(b, b + n) for b in range(0, B, n)]

    def play(self, B, stream):
        """Episodes without policy noise, the task's noise, pre-squash actions."""
        noise = self.draw(stream, B)
        episodes, u = collect(self.task, self.agent(), noise)
        return episodes, noise, u

    @isolated()
    def credit(self, inferred, cotangents):
        """Credit of every action for weighted sums of predicted rewards, see `paper.credit`."""
        c = self.config
        args = self.phi, self.theta, inferred, c.a_max, c.rollout, cotangents, self.buffers
        return self.backend.credit(*args)

    def _collect(self):
        c = self.config
        B = c.episodes_per_iteration
        noise = self.draw("task", B)
        eta = self.draw_eta("policy", B)
        episodes, u = collect(self.task, self.agent(), noise, eta.astype(c.dtype))
        r = training_reward(episodes, c.distractor_scale)
        self.replay_buffer.add(episodes.o, episodes.a, r)
        self.interval.append(
            {
                "return_recall": mean_return(episodes.r_recall),
                "return_total": mean_return(episodes.r_recall + episodes.r_distractor),
            }
        )
        return episodes, u

    def _fit_model(self):
        """One Adam step on the model. [A.2, Eq. 7]"""
        c = self.config
        batch = self.replay_buffer.sample([s["batches"] for s in self.streams], c.model_batch)
        losses, gradient = self.backend.model_loss_and_grad(
            self.phi, batch, c.encoder, c.alphas, self.buffers, c.forms
        )
        losses = dict(zip(LOSSES, losses, strict=True))
        # UNSPECIFIED: the optimiser; Adam, its rate decayed to 10 % over the run.
        lr = c.model_lr * (1.0 - 0.9 * self.iteration / max(c.iterations - 1, 1))
        self.phi, self.adam_phi = self._step(
            self.phi, self.adam_phi, losses, gradient, lr, c.model_beta_2
        )
        for name, loss in losses.items():
            entry = self.interval[-1]
            entry[name] = entry.get(name, 0.0) + loss / c.model_steps

    def _improve_policy(self, episodes, u):
        """One Adam step up the imagined return. [Alg. 1, lines 10-24]"""
        c = self.config
        inferred = self.infer(episodes, u)
        G, ascent = self.backend.return_and_grad(
            self.phi, self.theta, inferred, c.a_max, c.rollout, self.buffers, c.gamma
        )
        gradient = {name: -g for name, g in ascent.items()}  # Adam goes down
        # UNSPECIFIED: the rate decays from the warm-up's end to 5 %: late in a run the
        # model's errors are as large as the credit that is left, and would move the policy.
        lr = c.policy_lr * (1.0 - 0.95 * self.policy_progress)
        self.theta, self.adam_theta = self._step(
            self.theta, self.adam_theta, {"imagined return": G}, gradient, lr
        )

    def _step(self, params, adam, losses, gradient, *rate):
        """Adam on the clipped gradient, where a seed's losses and gradient are finite.

        rate is lr, and β₂ where it is not the usual one.
        """
        x, g = flatten(params, params), flatten(gradient, params)
        checked = losses | {f"gradient of the {next(iter(losses))}": global_norm(g)}
        self._freeze(checked)
        new, moved = adam_step(x, clip_norm(g, self.config.clip_norm), adam, *rate)
        state = {"Adam's m of ": moved.m, "Adam's v of ": moved.v, "": new}
        if not np.isfinite(sum(array.sum() for array in state.values())):  # a sum is cheap
            for what, array in state.items():
                self._freeze({what + n: y for n, y in unflatten(array, params).items()})
        if self.frozen:
            keep = list(self.frozen)
            for now, before in ((new, x), (moved.m, adam.m), (moved.v, adam.v)):
                now[keep] = before[keep]
        return unflatten(new, params), moved

    def _freeze(self, checked):
        """Freeze the seeds, on the first axis of the arrays {what: array}, that are not finite."""
        for what, array in checked.items():
            finite = np.isfinite(array).reshape(len(self.seeds), -1).all(axis=-1)
            for s in np.flatnonzero(~finite):
                self.frozen.setdefault(int(s), f"iteration {self.iteration}: {what} is not finite")

    def _evaluate(self):
        c, task = self.config, self.task
        episodes, noise, parts = self.probe_in_parts(c.eval_episodes)
        row = {
            "eval_return_recall": mean_return(episodes.r_recall),
            "eval_return_total": mean_return(episodes.r_recall + episodes.r_distractor),
        }
        if not len(task.cue):
            return row
        cotangents = phase_cotangents(c.T, task.pay)
        attention, C = 0.0, []
        for share, inferred in parts:
            attention += share * attention_share(inferred.w, task.cue, task.pay)
            C.append(self.credit(inferred, cotangents))
            del inferred  # before the next one is made
        C = np.concatenate(C, axis=3)
        early, recall = credit_rms(C, task.cue)
        few, actions = {name: x[:, :TRUE_EPISODES] for name, x in noise.items()}, task.credited
        (true,) = differences(task, self.agent(), few, actions)
        modelled = C[1, list(actions), :, :TRUE_EPISODES]
        return row | {
            "attention_remember": attention,
            "credit_early": early,
            "credit_recall": recall,
            **credit_beside(true, modelled, credit_names(task)),
        }

    def agent(self):
        """Agent of the parameters as they are now."""
        c = self.config
        return Agent(self.phi, self.theta, c.k, c.topk_rule, c.a_max, c.grad)

    @isolated()
    def infer(self, episodes, u, part=slice(None), shortcut=None):
        """Inferred noise of a part of the episodes, under the algorithm's own form of f."""
        c = self.config
        shortcut = c.rollout["shortcut"] if shortcut is None else shortcut
        data = (x[:, :, part].astype(c.dtype) for x in (episodes.o, episodes.a, u))
        args = self.phi, self.theta, *data, c.encoder, shortcut, c.transition, self.buffers
        return self.backend.infer(*args)

    def draw(self, stream, B):
        """The task's noise of B episodes of every seed, from a stream."""
        return join_seeds([self.task.draw(s[stream], B) for s in self.streams], new_axis=True)

    def draw_eta(self, stream, B):
        """Policy noise of B episodes of every seed, (T, S, B, A)."""
        shape = self.config.T, B, self.task.A
        return np.stack([s[stream].standard_normal(shape) for s in self.streams], axis=1)

    def timed(self, part, work, *args):
        """work(*args), whose seconds count as those of a part of the run."""
        start = time.perf_counter()
        result = work(*args)
        self.seconds[part] += time.perf_counter() - start
        return result


def check_seeds(seeds):
    """List of seeds as plain ints, from any iterable; ConfigError unless they can be a run's."""
    try:
        numbers = [whole("seed", seed, 0) for seed in itertools.islice(seeds, MAX_SEEDS + 1)]
    except (TypeError, ConfigError):  # no iterable; no whole numbers
        numbers = []
    if len(numbers) > MAX_SEEDS:
        raise ConfigError(f"seeds = {reprlib.repr(seeds)}: at most {MAX_SEEDS} at a time")
    if not numbers or len(set(numbers)) < len(numbers):
        raise ConfigError(
            f"seeds = {reprlib.repr(seeds)}: must be different whole numbers from 0 to {MAX_ABS}, "
            "such as [0] or range(4)"
        )
    return numbers


def make_streams(seed):
    """Random generators, one per purpose: an extra draw in one moves nothing in the others."""
    sequences = np.random.SeedSequence(seed).spawn(len(STREAMS))
    return {name: np.random.default_rng(s) for name, s in zip(STREAMS, sequences, strict=True)}


def join_seeds(trees, new_axis=False):
    """Dicts of arrays, one per seed, as one dict with the seeds on the leading axis."""
    join = np.stack if new_axis else np.concatenate
    return {name: join([tree[name] for tree in trees]) for name in trees[0]}
