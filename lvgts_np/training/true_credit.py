"""True credit: derivatives of the real return with respect to each action. [Fig. 1]

Task and agent are one program here, and nothing in it is cut: observations, latents, attention and
later actions respond, and all noise is fixed. What `paper.credit` says of predicted rewards is held
against this. Episodes cannot agree one by one, as the true derivative carries the sign of noise
that nobody sees: compare means.
"""

import autograd.numpy as np
import numpy as onp

from lvgts_np.paper.attention import append
from lvgts_np.paper.autodiff import vjp
from lvgts_np.paper.model import encode_step, policy, squash
from lvgts_np.training.agent import Agent
from lvgts_np.training.replay_buffer import collect


def true_credit(task, agent, noise, eta=None):
    """True credit of every action, by reverse mode. [Fig. 1]

    C[i] = d/da_i Σ_t r_t        r_t the recall rewards

    noise (from `Task.draw`, with a seed axis) is the task's, eta (T, S, B, A) the policy's, without
    which it acts by its mean; returns (T, S, B, A) in float64. The task's `step` must be written in
    `autograd.numpy`.
    """
    agent = ForcedAgent(agent, task)
    zero = onp.zeros(noise["o_m"].shape + (task.A,))
    eta = [zero] * task.T if eta is None else list(eta)

    def recall_return(nudge):
        state, o_t = task.reset(noise)
        h_t, a_t, memory = onp.zeros(zero.shape[:2] + agent.phi["b.W"].shape[-1:]), zero, None
        R = 0.0
        for t in range(task.T):
            oa_t = np.concatenate((o_t, a_t), axis=-1)
            h_t, _, _ = encode_step(agent.phi, oa_t, h_t, memory, agent.k, agent.rule)
            memory = append(memory, h_t)
            mean, std = policy(agent.theta, h_t)
            a_t = squash(mean + std * eta[t], agent.a_max) + nudge[t]
            state, o_t, r_recall, _ = task.step(state, a_t)
            R = R + r_recall
        return R

    R, backward = vjp(recall_return, [zero] * task.T)
    return onp.stack(backward(onp.ones_like(R)))


def recall_return(agent, episodes):
    """Recall return of the agent's episodes, (S, B)."""
    return episodes.r_recall.sum(0)


def differences(task, agent, noise, actions, eta=None, forced=None, of=(recall_return,), h=1e-4):
    """True credit of some actions by central differences, which need no differentiable task.

    C[i] = (R(a_i + h) - R(a_i - h)) / 2h

    actions are n steps, forced as in `ForcedAgent`, `of` functions (agent, episodes) -> R (S, B);
    returns an array (n, S, B, A) for each of them.
    """
    moves = [(i, j, sign) for i in actions for j in range(task.A) for sign in (1.0, -1.0)]
    n, B = len(moves), noise["o_m"].shape[1]
    nudge = onp.zeros((task.T, n, 1, task.A))
    for at, (i, j, sign) in enumerate(moves):
        nudge[i, at, :, j] = sign * h
    nudge = onp.repeat(nudge, B, axis=2).reshape(task.T, n * B, task.A)
    many = {name: onp.concatenate([x] * n, axis=1) for name, x in noise.items()}
    eta = None if eta is None else onp.concatenate([eta] * n, axis=2)
    forced = None if forced is None else onp.concatenate([forced] * n)
    agent = ForcedAgent(agent, task, forced, nudge)
    episodes, _ = collect(task, agent, many, eta)
    found = []
    for function in of:
        R = function(agent, episodes).reshape(-1, len(actions), task.A, 2, B)
        found.append(((R[..., 0, :] - R[..., 1, :]) / (2.0 * h)).transpose(1, 0, 3, 2))
    return found


class ForcedAgent(Agent):
    """Copy of an agent in float64 whose actions are changed from outside.

    forced (B,) are its actions in the remember phase, nudge (T, B, A) is added to all; None for
    neither.
    """

    def __init__(self, agent, task, forced=None, nudge=None):
        phi, theta = ({n: x.astype(float) for n, x in p.items()} for p in (agent.phi, agent.theta))
        super().__init__(phi, theta, agent.k, agent.rule, agent.a_max)
        self.task, self.forced, self.nudge = task, forced, nudge

    def act(self, o_t, eta_t=0.0, min_std=0.0):
        """Action on the next observation, as `Agent.act`."""
        super().act(o_t, eta_t, min_std)
        t = len(self.u) - 1
        if self.forced is not None and self.task.phase(t) == "remember":
            self.a = onp.zeros_like(self.a) + self.forced[:, None]
            self.u[t] = self.a_max * onp.arctanh(self.a / self.a_max)
        if self.nudge is not None:
            self.a = self.a + self.nudge[t]
        return self.a
