"""True credit: derivatives of the real return with respect to each action. [Fig. 1]

Task and agent are one program here, and nothing in it is cut: observations, latents, attention and
later actions respond, and all noise is fixed. What `paper.credit` says of predicted rewards is held
against this. Episodes cannot agree one by one, as the true derivative carries the sign of noise
that nobody sees: compare means.
"""

import autograd.numpy as np
import numpy as onp

from lvgts_np.paper.attention import append
from lvgts_np.paper.autodiff import value_and_grad, vjp
from lvgts_np.paper.model import act, encode_step
from lvgts_np.training.agent import Agent
from lvgts_np.training.replay_buffer import collect


def real_return(task, agent, thetas, noise, eta, nudge, share=0.0):
    """Return of real episodes of agent and task, (S, B), to be differentiated as it stands.

    R = Σ_t r_t + share · Σ_t (reward of the distractor)_t        r_t the recall rewards

    Lists over t: thetas, the policy's parameters, eta (S, B, A), its noise, and nudge (S, B, A),
    which is added to the actions. The task must be `differentiable`.
    """
    state, o_t = task.reset(noise)
    a_t = onp.zeros_like(eta[0])
    h_t, memory, R = onp.zeros(a_t.shape[:2] + agent.phi["b.W"].shape[-1:]), None, 0.0
    for t in range(task.T):
        oa_t = np.concatenate((o_t, a_t), axis=-1)
        h_t, _, _ = encode_step(agent.phi, oa_t, h_t, memory, agent.k, agent.rule)
        memory = append(memory, h_t)
        a_t = act(thetas[t], h_t, eta[t], agent.a_max)[0] + nudge[t]
        state, o_t, r_recall, r_distractor = task.step(state, a_t)
        R = R + r_recall + share * r_distractor
    return R


def true_credit(task, agent, noise, eta=None):
    """True credit of every action for the recall return, by reverse mode. [Fig. 1]

    C[i] = dR/da_i

    noise (from `Task.draw`, with a seed axis) is the task's, eta (T, S, B, A) the policy's, without
    which it acts by its mean; returns (T, S, B, A) in float64.
    """
    agent, zero = ForcedAgent(agent, task), [onp.zeros((*size(noise), task.A))] * task.T
    eta = zero if eta is None else list(eta)

    def of_nudge(nudge):
        return real_return(task, agent, [agent.theta] * task.T, noise, eta, nudge)

    R, backward = vjp(of_nudge, zero)
    return onp.stack(backward(onp.ones_like(R)))


def true_policy_gradient(task, agent, noise, eta, share=0.0):
    """Gradients of the real return, mean over episodes, with respect to theta: see `by_phase`."""
    agent, zero = ForcedAgent(agent, task), onp.zeros_like(eta)

    def objective(thetas):
        return np.sum(real_return(task, agent, thetas, noise, eta, zero, share)) / eta.shape[2]

    return by_phase(objective, agent.theta, task)


def by_phase(objective, theta, task):
    """Gradients of a function of a list over t of thetas: of all steps, and of the task's cue.

    Returns two dicts like theta.
    """
    early = [t in task.cue for t in range(task.T)]

    def of_both(both):
        one, other = ({n: both[part + n] for n in theta} for part in ("remember ", "later "))
        return objective([one if is_early else other for is_early in early])

    both = {f"{part} {n}": x for part in ("remember", "later") for n, x in theta.items()}
    _, g = value_and_grad(of_both)(both)
    remember = {n: g[f"remember {n}"] for n in theta}
    return {n: remember[n] + g[f"later {n}"] for n in theta}, remember


def size(noise):
    """Seeds and episodes of a task's noise, (S, B)."""
    return next(iter(noise.values())).shape[:2]


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
    S, B = size(noise)
    R = onp.empty((len(of), len(moves), S, B))
    for at, (i, j, sign) in enumerate(moves):
        nudge = onp.zeros((task.T, 1, task.A))
        nudge[i, :, j] = sign * h
        moved = ForcedAgent(agent, task, forced, nudge)
        episodes, _ = collect(task, moved, noise, eta)
        R[:, at] = [function(moved, episodes) for function in of]
    R = R.reshape(len(of), len(actions), task.A, 2, S, B)
    return list((R[:, :, :, 0] - R[:, :, :, 1]).transpose(0, 1, 3, 4, 2) / (2.0 * h))


class ForcedAgent(Agent):
    """Copy of an agent in float64 whose actions are changed from outside.

    forced (B,) are its actions at the task's cue, all their numbers, nudge (T, B, A) is added to
    all actions; None for neither.
    """

    def __init__(self, agent, task, forced=None, nudge=None):
        phi, theta = ({n: x.astype(float) for n, x in p.items()} for p in (agent.phi, agent.theta))
        super().__init__(phi, theta, agent.k, agent.rule, agent.a_max, agent.grad)
        self.task, self.forced, self.nudge = task, forced, nudge

    def act(self, o_t, eta_t=0.0):
        """Action on the next observation, as `Agent.act`."""
        super().act(o_t, eta_t)
        t = len(self.u) - 1
        if self.forced is not None and t in self.task.cue:
            self.a = onp.zeros_like(self.a) + self.forced[:, None]
            self.u[t] = self.a_max * onp.arctanh(self.a / self.a_max)
        if self.nudge is not None:
            self.a = self.a + self.nudge[t]
        return self.a
