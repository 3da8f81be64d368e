"""Inferred noise, replay, imagined return, credit. [Alg. 1, Fig. 1]"""

from functools import partial

import autograd.numpy as np
import numpy as onp
from draws import A_MAX, random_replay

from equations.problem import (
    ALPHAS,
    Problem,
    by_episode,
    by_time,
    drawn,
    episode,
    hidden,
    joined,
    models,
    nudged,
    part,
    scalars,
    slope,
    stream,
    unit,
)
from lvgts_np import adjoint
from lvgts_np.adjoint import layers, memory, policy
from lvgts_np.paper import (
    attention,
    credit,
    gradients,
    imagine,
    model,
)


@unit
def infer(case):
    """Inferred noise. [Alg. 1, line 14]   ξ = (q - q̂) / max(σ, 0.05), or atanh h - MLP_f;  η"""
    phi, theta = models(case)
    o, a, u, _ = episode(case)

    def text(x):
        found = imagine.infer(phi, theta, o, a, u, case.encoder, *case.f)
        return joined(found.h_0, found.w, found.xi, found.rho, found.eta)

    def naive(n, x):
        def f(p, o, a, u):
            h, *found = n.infer(p, p, o, a, u, case.encoder, *case.f)
            return [h[0], *found]

        return scalars(n, f, phi | theta, o, a, u)

    return Problem({}, text, naive=naive)


def replaying(case):
    """Random models and policy, and what was inferred from an episode of another policy."""
    phi, theta, inferred = random_replay(case, case.rng)
    rng = stream(case, 4)
    moved = {name: x + 0.1 * rng.standard_normal(x.shape) for name, x in theta.items()}
    return part(phi, "f.", "b.c.", "r."), moved, inferred


def naive_replay(n, case, params, inferred, nudge=None):
    """Rewards, latents and actions of the replay, (S, B, n); nudge (T, S, B, A) of the actions."""
    w = onp.zeros((case.T, case.S, case.B, case.T))  # w_t is (S, B, t): with zeros behind
    for t, w_t in enumerate(inferred.w):
        w[t, ..., :t] = w_t
    nudge = onp.zeros_like(inferred.eta) if nudge is None else nudge

    def f(p, h_0, w, xi, rho, eta, nudge):
        noise = [w_t[:t] for t, w_t in enumerate(w)], xi, rho

        def act_at(h, t):
            a = n.act(p, h, eta[t], A_MAX)[0]
            return [x + y for x, y in zip(a, nudge[t], strict=True)]

        return n.replay(p, act_at, h_0, noise, **case.rollout)

    noise = inferred.xi, inferred.rho, inferred.eta
    return scalars(n, f, params, inferred.h_0, w, *noise, nudge)


@unit
def replay(case):
    """Replay, cut every N steps. [Alg. 1, lines 10-23]   ĥ_{t+1} = f(ĥ_t, h_m, â_t, ξ_t, ρ_t)"""
    phi, theta, inferred = replaying(case)

    def text(x):
        pi = imagine.policy_replay(x, inferred, A_MAX)
        return joined(*imagine.replay(x, pi, inferred, **case.rollout))

    return Problem(phi | theta, text, naive=lambda n, x: naive_replay(n, case, x, inferred))


@unit
def imagined_return(case):
    """Imagined return. [Alg. 1, lines 12, 18, 24]   G = Σ_t γ^t r̂_t, mean over episodes"""
    phi, theta, inferred = replaying(case)
    return Problem(
        theta,
        lambda x: imagine.imagined_return(phi, x, inferred, A_MAX, case.rollout, case.gamma),
        naive=lambda n, x: naive_return(n, case, phi | x, inferred),
    )


def naive_return(n, case, params, inferred):
    """Return of each seed, (S,)."""
    r_hat = naive_replay(n, case, params, inferred)[..., : case.T]
    return scalars(n, lambda _, r_hat: n.discounted(r_hat, case.gamma), {}, r_hat)[..., 0].mean(-1)


@unit
def credit_matrix(case):
    """Credit of each action, by reward and by phase. [Fig. 1]   C[j, i] = ∂r̂_j / ∂â_i"""
    phi, theta, inferred = replaying(case)
    t2 = case.T // 2

    def text(x):
        args = phi, theta, inferred, A_MAX, case.rollout
        C = onp.concatenate(
            (
                credit.credit_matrix(*args),
                credit.credit(*args, credit.phase_cotangents(case.T, range(t2 + 1, case.T))),
            )
        )
        return onp.moveaxis(C, (2, 3), (0, 1)).reshape(case.S, case.B, -1)

    def naive(n, x):
        C = onp.empty((case.T + 2, case.T, case.S, case.B, case.A))
        for i, d in onp.ndindex(case.T, case.A):
            nudge = onp.zeros_like(inferred.eta, dtype=complex)
            nudge[i, ..., d] = 1e-20j
            r_hat = naive_replay(n, case, phi | theta, inferred, nudge)[..., : case.T]
            dr = onp.moveaxis(r_hat.imag, -1, 0) / 1e-20
            C[:, i, ..., d] = [*dr, dr[: t2 + 1].sum(axis=0), dr[t2 + 1 :].sum(axis=0)]
        return onp.moveaxis(C, (2, 3), (0, 1)).reshape(case.S, case.B, -1)

    return Problem({}, text, naive=naive)


@unit
def attended(case):
    """Attention by hand: its non-zero weights, as many as an episode has. [Alg. 1, line 15]"""
    w, h = drawn(case, case.T, case.T * case.H)
    w = onp.where(stream(case, 3).random(w.shape) < 0.5, abs(w), 0.0)
    latents = by_time(h, case.H)

    def hand(x, c):
        kept, at = memory.attended([w] * case.T).best[0]
        kept, at = memory.sparse(memory.dense(kept, at, case.T, case.T), case.T)
        h_i = latents.reshape(-1, case.H).take(at, axis=0)
        return onp.einsum("ksb,ksbh->sbh", kept, h_i), None

    return Problem({}, lambda x: attention.read(w, latents.swapaxes(1, 2)), hand)


def f_input(case, inferred, h, a, t):
    """Input of f's network at step t of a replay."""
    if case.transition == "query":
        return joined(h[t], a[t])
    h_m = attention.read(inferred.w[t + 1], onp.stack(h[: t + 1], axis=-2))
    return joined(h[t], h_m if case.shortcut else h_m[..., :0], a[t])


@unit
def replay_forward(case):
    """Replay by hand, and the derivatives that it keeps for each step. [Alg. 1, lines 10-17]"""
    phi, theta, inferred = replaying(case)
    A, H = case.A, case.H
    if case.seed % 2:  # log σ of the policy, and a σ of f, lie on a bound: no slope there
        theta["pi.W2"][..., A:], theta["pi.b2"][..., A:] = 0.0, (-1.0, 1.0)[case.seed // 2 % 2]
        if case.transition == "query":
            phi["f.W2"][..., H], phi["f.b2"][..., H] = 0.0, 0.05

    def presquash(h_t, eta_t, z):
        return model.act(nudged(theta, "pi", b2=z), h_t, eta_t, A_MAX)[1]

    def text(x):
        pi = imagine.policy_replay(theta, inferred, A_MAX)
        _, h, a = imagine.replay(phi, pi, inferred, **case.rollout)
        u = [model.act(theta, h[t], inferred.eta[t], A_MAX)[1] for t in range(case.T)]
        du = [slope(lambda u: model.squash(u, A_MAX), u=u_t)["u"] for u_t in u]
        du_dout, dq = [], []
        for t, eta_t in enumerate(inferred.eta):
            u_of = partial(presquash, h[t], eta_t)
            du_dout.append(slope(u_of, z=onp.zeros(eta_t.shape[:-1] + (2 * A,)))["z"])
        for t, xi_t in enumerate(inferred.xi if case.transition == "query" else []):
            mae = model.predict(phi, h[t], a[t])[1]
            dq.append(slope(lambda s, xi_t=xi_t: model.noise_scale(s) * xi_t, s=mae)["s"])
        v_pi = [hidden(theta, "pi", h_t) for h_t in h]
        v_f = [hidden(phi, "f", f_input(case, inferred, h, a, t)) for t in range(case.T - 1)]
        return joined(h, a, du, du_dout, dq, v_pi, v_f)

    def hand(x, c):
        nets = layers.networks(phi | theta, *(n[:-3] for n in phi | theta if n.endswith(".W1")))
        reads = memory.attended(inferred.w).best if case.shortcut else None
        trace = policy.replay(nets, inferred, reads, A_MAX, case.transition, layers.Buffers())
        h_a = trace.x_pi[..., :-1], trace.x_r[..., case.H : -1]
        dq = [trace.dq[:, :-1]] if case.transition == "query" else []
        kept = (*h_a, trace.du, trace.du_dout, *dq, trace.v_pi, trace.v_f[:, :-1])
        return joined(*map(by_episode, kept)), None

    return Problem({}, text, hand)


@unit
def reward_slopes(case):
    """Rewards of the replay by hand and their slopes. [Alg. 1, line 18]   ∂r̂_t / ∂(ĥ_t, â_t)"""
    phi, theta, inferred = replaying(case)

    def text(x):
        pi = imagine.policy_replay(theta, inferred, A_MAX)
        r_hat, h, a = imagine.replay(phi, pi, inferred, **case.rollout)
        dr = []
        for h_t, a_t in zip(h, a, strict=True):
            d = slope(lambda h, a: model.reward(phi, h, a, case.reward_units), h=h_t, a=a_t)
            dr += [d["h"], d["a"]]
        return joined(r_hat, dr)

    def hand(x, c):
        rollout = policy.Rollout(**case.rollout)
        *_, r_hat, dr = policy.imagine(phi, theta, inferred, A_MAX, rollout, layers.Buffers())
        r_hat = r_hat.reshape(case.S, case.T, case.B).swapaxes(1, 2)
        return joined(r_hat, by_episode(dr)), None

    return Problem({}, text, hand)


@unit
def replay_adjoint(case):
    """Backward pass of the replay. [Alg. 1]   λ_ĥ_t = [N ∤ t+c] (...) + Σ_s w_s[t] λ_h_m^s"""
    phi, theta, inferred = replaying(case)
    T, S, B, A = onp.shape(inferred.eta)
    x = {"a": onp.zeros((T, S, B, A)), "v": onp.zeros((T, S, B, case.hidden))}
    x |= {"out": onp.zeros((T, S, B, 2 * A))}

    def text(x):
        def pi(h, t):
            params = nudged(theta, "pi", b1=x["v"][t], b2=x["out"][t])
            return model.act(params, h, inferred.eta[t], A_MAX)[0] + x["a"][t]

        return joined(imagine.replay(phi, pi, inferred, **case.rollout)[0])

    def hand(x, c):
        buffers, rollout = layers.Buffers(), policy.Rollout(**case.rollout)
        nets, reads, trace, _, dr = policy.imagine(phi, theta, inferred, A_MAX, rollout, buffers)
        lambda_x = dr * by_time(c, 1)
        lambdas = policy.replay_adjoint(nets, trace, reads, lambda_x, rollout, buffers)
        each = zip(("a", "v", "out"), (lambda_x[..., case.H :], *lambdas), strict=True)
        return None, {name: x.swapaxes(0, 1) for name, x in each}

    return Problem(x, text, hand)


@unit
def return_and_grad(case):
    """Gradient of the imagined return by hand. [Alg. 1, line 24]   ∇_θ G"""
    phi, theta, inferred = replaying(case)

    def hand(x, c):
        G, g = policy.return_and_grad(phi, x, inferred, A_MAX, case.rollout, None, case.gamma)
        return G.sum(), {name: c * x for name, x in g.items()}

    return Problem(
        theta,
        lambda x: np.sum(
            imagine.imagined_return(phi, x, inferred, A_MAX, case.rollout, case.gamma)
        ),
        hand,
        lambda n, x: naive_return(n, case, phi | x, inferred).sum(),
    )


@unit
def reference_inference(case):
    """Inferred noise of the reference backend, for `--grad autograd`. [Alg. 1, line 14]"""
    return inference(case, gradients.infer)


@unit
def infer_by_hand(case):
    """Inferred noise by hand. [Alg. 1, line 14]   ξ = (q - q̂) / max(σ, 0.05), or atanh h - MLP_f"""
    return inference(case, adjoint.infer)


def inference(case, infer):
    """Noise inferred by a backend's function."""
    phi, theta = models(case)
    o, a, u, _ = episode(case)

    def found(infer):
        inferred = infer(phi, theta, o, a, u, case.encoder, *case.f)
        return joined(*(list(x) for x in inferred[1:]), inferred.h_0)

    return Problem({}, lambda x: found(imagine.infer), lambda x, c: (found(infer), None))


@unit
def response(case):
    """Actions' response to earlier ones, by hand. [Fig. 1]   Σ_j g_j ∂â_j / ∂â_i"""
    phi, theta, inferred = replaying(case)
    g = stream(case, 3).standard_normal(onp.shape(inferred.eta))
    args = phi, theta, inferred, A_MAX, case.rollout, g
    return Problem(
        {}, lambda x: credit.response(*args), lambda x, c: (policy.response(*args), None)
    )


@unit
def credit_by_hand(case):
    """Credit by hand. [Fig. 1]   C[p, i] = Σ_j g[p, j] ∂r̂_j / ∂â_i"""
    args = *replaying(case), A_MAX, case.rollout, stream(case, 3).standard_normal((3, case.T))
    return Problem({}, lambda x: credit.credit(*args), lambda x, c: (policy.credit(*args), None))


@unit
def reference_gradients(case):
    """Gradient backends: by autograd, for `--grad autograd`, and by hand. [Alg. 1, A.2]"""
    phi, theta, inferred = replaying(case)
    whole = models(case)[0]
    o, a, _, r = episode(case)
    replayed = phi, theta, inferred, A_MAX, case.rollout

    def all_of(model_loss_and_grad, return_and_grad, credit, response):
        each, g = model_loss_and_grad(whole, (o, a, r), case.encoder, ALPHAS, None, case.forms)
        G, ascent = return_and_grad(*replayed, None, case.gamma)
        C, of_a = credit(*replayed, onp.eye(case.T)), response(*replayed, a)
        found = (*each, *g.values(), G, *ascent.values(), C, of_a)
        return onp.concatenate([onp.ravel(x) for x in found])

    def text(x):
        reference = gradients.model_loss_and_grad, gradients.return_and_grad, gradients.credit
        return all_of(*reference, gradients.response)

    def hand(x, c):
        by_hand = adjoint.model_loss_and_grad, adjoint.return_and_grad, adjoint.credit
        return all_of(*by_hand, adjoint.response), None

    return Problem({}, text, hand)
