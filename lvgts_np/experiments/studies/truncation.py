"""Truncation audit: the policy gradient under each kind of truncation, beside the truth. [A.1]

At some moments of a training the gradient that would move the policy is taken again and again from
the same agent, on fresh batches of episodes: with its carry cut every n steps, as Algorithm 1 does
("block"); seen over the last n transitions only, as A.1 defines the n-truncated gradient
("sliding"); and multiplied by γ = 1 - 1/n at each transition, which A.1 says is "not so different"
("discount"). Each with and without the shortcut.
"""

from typing import NamedTuple

import autograd.numpy as np
import numpy as onp

from lvgts_np.experiments import executors
from lvgts_np.experiments.plots.paper_plots import save_both
from lvgts_np.experiments.plots.truncation_plot import plot_truncation
from lvgts_np.experiments.run_directory import OutputError, check_writable
from lvgts_np.experiments.runs import progress
from lvgts_np.paper.attention import append
from lvgts_np.paper.autodiff import detach
from lvgts_np.paper.forms import form_of
from lvgts_np.paper.imagine import infer, policy_replay, replay, transition_read
from lvgts_np.paper.model import reward
from lvgts_np.training.agent import checked_task
from lvgts_np.training.arithmetic import isolated
from lvgts_np.training.backends import check_parity
from lvgts_np.training.config import ConfigError
from lvgts_np.training.files import read_table, write_table
from lvgts_np.training.optim import flatten
from lvgts_np.training.replay_buffer import collect
from lvgts_np.training.trainer import Trainer
from lvgts_np.training.true_credit import by_phase, true_policy_gradient

KINDS = ("block", "sliding", "discount")
ACTIONS = ("all", "remember")
STEPS = (1, 2, 3, 4, 6, 8, 10, 12)  # n, below T
SHARE = 1 / 16  # batches of episodes_per_iteration episodes, of eval_episodes; of the truth 4 times
MOMENTS = (0.3, 0.5, 1.0)  # shares of a run


class Row(NamedTuple):
    """Gradient of one agent under one truncation: batches g, the true one g*, the uncut one g°."""

    seed: int
    episodes: int
    kind: str
    shortcut: int
    actions: str  # "all", or "remember": the part of the gradient through these actions
    n: int
    bias: float  # |E g - g*| / |g*|
    cosine: float  # of E g and g*
    cosine_uncut: float  # of E g and g°
    size: float  # |E g| / |g*|
    snr: float  # |E g| / sqrt(E |g - E g|²)


def truncation(config, seeds, out, jobs=1, force=False, resume=False, quiet=False, parity=True):
    """Train seeds of a config, audit them at MOMENTS, write truncation.csv and its picture.

    OutputError where <out>/truncation has a table already, and it is neither to be overwritten
    (`force`) nor to be drawn again (`resume`).
    """
    path, task = out / "truncation" / "truncation.csv", checked_task(config)
    if not (len(task.cue) and task.differentiable):
        raise ConfigError(f"task {config.task}: must have a cue, and be differentiable")
    check_writable(path.parent)
    if path.exists() and not (force or resume):
        raise OutputError(f"{path} is there already: choose another --out, or use --force")
    if force or not path.exists():
        if parity:
            check_parity(config, task)
        calls = [(config, seeds[n::jobs], quiet) for n in range(min(jobs, len(seeds)))]
        if len(calls) == 1:
            found = [audit_seeds(*calls[0])]
        else:
            with executors.local(len(calls)) as pool:
                found = executors.run_all(audit_seeds, calls, pool, lambda: None)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_table(path, Row._fields, sorted(row for rows in found for row in rows))
    table = read_table(path)
    save_both(lambda: plot_truncation(table), path.with_suffix(""))


def discount(n):
    """Arguments of `replay`: the carry's gradient is multiplied by γ = 1 - 1/n a step. [A.1]"""
    gamma = 1.0 - 1.0 / n
    return {"N": 1, "cut": lambda h: gamma * h + (1.0 - gamma) * detach(h)}


def sliding(phi, pi, inferred, n, rollout):
    """Predicted rewards of the replay, each seen over the last n transitions alone. [A.1, Eq. 6]

    ĥ^m_{t+1} = f(ĥ^{m-1}_t, h_m, π(ĥ^{m-1}_t)),   ĥ^0_t = Detach(ĥ_t),   r̂_t = r(ĥ^n_t, π(ĥ^n_t))

    A memory read opens a window of its own, of n transitions. Returns a list over t.
    """
    window = [inferred.h_0] * (n + 1)  # ĥ^m_t, m = 0..n
    memory, r_hat, T = append(None, inferred.h_0), [], len(inferred.eta)
    f, units = form_of(rollout["transition"]), rollout["reward_units"]
    for t in range(T):
        r_hat.append(reward(phi, window[n], pi(window[n], t), units))
        if t + 1 == T:
            return r_hat
        h_m = transition_read(rollout["shortcut"], f)(inferred.w[t + 1], memory)
        noise = inferred.xi[t], inferred.rho[t]
        later = [f.step(phi, h, h_m, pi(h, t), *noise) for h in window[:n]]
        window = [detach(later[0]), *later]
        memory = append(memory, window[n])


def model_gradient(theta, phi, inferred, task, kind, n, rollout):
    """Gradients of the replay's mean return under a truncation, as of `by_phase`.

    rollout are the arguments of `replay`, but for N.
    """

    def objective(thetas):
        replays = [policy_replay(theta_t, inferred, task.a_max) for theta_t in thetas]

        def pi(h_t, t):
            return replays[t](h_t, t)

        if kind == "sliding":
            r_hat = sliding(phi, pi, inferred, n, rollout)
        else:
            N = n if n < task.T else task.T + 1  # counted from 1, T would cut the last
            how = {"N": N} if kind == "block" else discount(n)
            r_hat, _, _ = replay(phi, pi, inferred, **rollout | how)
        return np.sum(sum(r_hat)) / r_hat[0].shape[1]

    return by_phase(objective, theta, task)


def audit_seeds(config, seeds, quiet):
    """Rows of seeds at MOMENTS of their training."""
    trainer, rows = Trainer(config, seeds), []
    moments = {max(1, round(share * config.iterations)) for share in MOMENTS}
    with progress(config.iterations, "truncation", quiet) as bar:
        while trainer.iteration < config.iterations:
            trainer.iterate()
            trainer.interval = []
            bar.update()
            if trainer.iteration in moments:
                rows += audit(trainer, [*(n for n in STEPS if n < config.T), config.T])
    return rows


@isolated()
def audit(trainer, ns):
    """Rows of every seed of a Trainer, n in ns; n = T is the uncut gradient. [A.1]"""
    c, task, agent = trainer.config, trainer.task, trainer.agent()
    phi, theta = ({x: y.astype(float) for x, y in p.items()} for p in (agent.phi, agent.theta))
    found, B = {}, c.episodes_per_iteration
    batches = max(2, round(SHARE * c.eval_episodes))
    for batch in range(4 * batches):
        noise, eta = trainer.draw("compass", B), trainer.draw_eta("compass", B)
        g = true_policy_gradient(task, agent, noise, eta, c.distractor_scale)
        enter(found, ("true",), g, theta)
        if batch >= batches:
            continue
        episodes, u = collect(task, agent, noise, eta)
        for shortcut in c.shortcuts:
            data = episodes.o, episodes.a, u
            inferred = infer(phi, theta, *data, c.encoder, shortcut, c.transition)
            for kind, n in [(kind, n) for kind in KINDS for n in ns]:
                rollout = c.rollout | {"shortcut": shortcut}
                g = model_gradient(theta, phi, inferred, task, kind, n, rollout)
                enter(found, (kind, int(shortcut), n), g, theta)
    mean, rows = {key: onp.mean(g, axis=0) for key, g in found.items()}, []
    for kind, shortcut, n, actions in [key for key in found if key[0] != "true"]:
        true, whole = mean["true", actions], mean["block", shortcut, max(ns), actions]
        for s, seed in enumerate(trainer.seeds):
            g = onp.array(found[kind, shortcut, n, actions])[:, s]
            at = seed, trainer.iteration * B, kind, shortcut, actions, n
            rows.append(Row(*at, *compare(g, true[s], whole[s])))
    return rows


def enter(found, key, gradients, theta):
    """Add the gradients of a batch, as of `by_phase`, flat, to lists by key and actions."""
    for actions, g in zip(ACTIONS, gradients, strict=True):
        found.setdefault((*key, actions), []).append(flatten(g, theta))


def compare(g, true, whole):
    """Numbers of a Row: gradients g (batches, P) against the truth and the uncut one, both (P,)."""
    mean, norm = onp.mean(g, axis=0), onp.linalg.norm
    noise = onp.sqrt(onp.mean(onp.sum(onp.square(g - mean), axis=1)))

    def cosine(x, y):
        size = norm(x) * norm(y)
        return float(x @ y / size) if size else 0.0

    size = norm(mean) / norm(true)
    bias = norm(mean - true) / norm(true)
    return bias, cosine(mean, true), cosine(mean, whole), size, norm(mean) / (noise or onp.inf)
