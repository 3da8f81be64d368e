"""Compass: mean credit of forced remember actions, true and modelled, along one training. [Fig. 1]

Every action at the task's cue, in memory tasks the remember phase, is one number; all else is the
agent's own without policy noise. Where the
true credit says "more" and the modelled one "less", the policy is driven away from what it should
learn. All estimators look at the same episodes of the same agent.
"""

import numpy as np

from lvgts_np.paper.credit import phase_cotangents
from lvgts_np.paper.model import reward
from lvgts_np.tasks.check import reward_slopes
from lvgts_np.training.arithmetic import isolated
from lvgts_np.training.replay_buffer import collect
from lvgts_np.training.true_credit import ForcedAgent, differences, recall_return

OFFSETS = (-2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0)  # of the forced actions from the task's a_m
SHARE = 1 / 4  # episodes of each forced action, of eval_episodes
MOMENTS = (0.21, 0.26, 0.3, 0.4, 1.0)  # shares of a run: as the policy starts, ..., at the end
ROLLOUTS = {  # by estimator: whether f reads the memory, and whether the replay is cut every N
    "shortcut, cut": (True, True), "shortcut, whole": (True, False), "no shortcut, cut":
    (False, True), "no shortcut, whole": (False, False),
}  # fmt: skip
ESTIMATORS = ("true", "learned r", "learned f", *ROLLOUTS)
HEADER = ("iteration", "forced", "i", "estimator", "credit", "standard_error")


def forced_actions(task):
    """Forced actions: those of a_m + OFFSETS that a policy can take."""
    return [task.a_m + x for x in OFFSETS if abs(task.a_m + x) < task.a_max]


def due(trainer):
    """Whether the compass is taken after this iteration; never where no action matters."""
    if not len(trainer.task.credited) or not forced_actions(trainer.task):
        return False
    iterations = trainer.config.iterations
    return trainer.iteration in {max(1, round(share * iterations)) for share in MOMENTS}


@isolated()
def compass(trainer):
    """Rows (HEADER) of every seed of a Trainer: mean credit dR/da_i, R the recall return.

    true: of the real episode. learned r: the same with r(h_t, a_t) in place of the rewards. learned
    f: of the replay, with the real rewards of its actions in place of r. The four ROLLOUTS: of the
    predicted rewards. The steps i are those whose actions the task says to be `credited`.
    """
    c, task, actions = trainer.config, trainer.task, list(trainer.task.credited)
    B, values = max(1, round(SHARE * c.eval_episodes)), forced_actions(task)
    forced = np.repeat(values, B)
    noise = trainer.draw("compass", len(forced))
    units = c.reward_units
    returns = recall_return, lambda *played: predicted_return(task, units, *played)
    recall = phase_cotangents(c.T, task.pay)[1:]
    shape = len(actions), len(trainer.seeds), len(forced), task.A
    found = {name: np.full(shape, np.nan) for name in ESTIMATORS}
    for part in trainer.parts(len(forced)):
        drawn = {name: x[:, part] for name, x in noise.items()}
        played = task, trainer.agent(), drawn, actions
        true = differences(*played, forced=forced[part], of=returns)
        for name, C in zip(ESTIMATORS, true, strict=False):
            found[name][:, :, part] = C
        episodes, u = collect(task, ForcedAgent(trainer.agent(), task, forced[part]), drawn)
        slopes = reward_slopes(task, drawn, episodes.a) if task.differentiable else None
        for name, (shortcut, cut) in ROLLOUTS.items():
            if shortcut not in c.shortcuts:  # f has no such form
                continue
            rollout = c.rollout | {"shortcut": shortcut, "N": c.N if cut else c.T + 1}  # never
            inferred = trainer.infer(episodes, u, shortcut=shortcut)
            replayed = trainer.phi, trainer.theta, inferred, c.a_max, rollout
            found[name][:, :, part] = trainer.backend.credit(*replayed, recall)[0, actions]
            if (shortcut, cut) == (c.shortcuts[0], True) and slopes is not None:
                C = trainer.backend.response(*replayed, slopes)
                found["learned f"][:, :, part] = C[actions]
            del inferred, replayed  # before the next are made
    rows = [[] for _ in trainer.seeds]
    for estimator in ESTIMATORS:
        for i, C in zip(actions, found[estimator], strict=True):
            C = C.sum(-1).reshape(len(rows), len(values), B)  # of all numbers of the action
            mean, error = C.mean(-1), C.std(-1) / B**0.5
            for s, seed_rows in enumerate(rows):
                for n, value in enumerate(values):
                    at = trainer.iteration, value, i, estimator
                    seed_rows.append((*at, mean[s, n], error[s, n]))
    return rows


def agreement(task, algo, table):
    """Share of right signs, and ratio, of the algorithm's own credit in the last compass. [Fig. 1]

    Over the forced actions at least 0.5 from a_m whose true credit t is known, |t| > 2 standard
    errors: the share with sign(m) = sign(t), and Σ m t / Σ t², m being the modelled credit. None
    where there is no such action. table are the columns of compass.csv.
    """
    unknown = {"compass_sign": None, "compass_ratio": None}
    if not table:
        return unknown
    own = "shortcut, cut" if algo == "lvgts" else "no shortcut, cut"
    at, name = table["iteration"] == np.max(table["iteration"]), table["estimator"]
    t, m, error = (
        table[column][at & (name == which)]
        for column, which in (("credit", "true"), ("credit", own), ("standard_error", "true"))
    )
    away = np.abs(table["forced"][at & (name == "true")] - task.a_m) >= 0.5
    known = away & (np.abs(t) > 2 * error)
    if not known.any():
        return unknown
    t, m = t[known], m[known]
    sign, ratio = np.mean(np.sign(m) == np.sign(t)), np.sum(m * t) / np.sum(t * t)
    return {"compass_sign": float(sign), "compass_ratio": float(ratio)}


def predicted_return(task, units, agent, episodes):
    """Sum of the predicted rewards at the task's pay along real episodes, (S, B)."""
    return sum(reward(agent.phi, agent.h[t], episodes.a[t], units)[..., 0] for t in task.pay)
