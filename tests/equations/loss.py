"""Losses of the model. [A.2, Eq. 7]"""

import autograd.numpy as np
import numpy as onp

from equations.problem import (
    ALPHAS,
    Problem,
    drawn,
    episode,
    models,
    nudged,
    part,
    unit,
)
from lvgts_np import adjoint
from lvgts_np.adjoint import layers
from lvgts_np.adjoint import model as encoder
from lvgts_np.paper import (
    attention,
    autodiff,
    forms,
    losses,
    model,
)


def errors_of(case, errors):
    """What the transition loss squares, of latents, weights and queries at random."""
    phi = part(models(case)[0], "f.")
    h, w, q, a = drawn(case, *(case.T * F for F in (case.H, case.T, case.H, case.A)))
    h, w, q, a = (
        [*onp.moveaxis(x.reshape(case.S, case.B, case.T, -1), 2, 0)] for x in (h, w, q, a)
    )
    w = [w_t[..., :t] for t, w_t in enumerate(w)]
    nothing = {"query": attention.read_nothing, "latent": forms.no_argument}[case.transition]
    read = attention.read if case.shortcut else nothing

    def text(x):
        return np.stack([losses.half_square(e) for e in errors(x, h, w, q, a, read)], axis=-1)

    def naive(n, x):
        def f(p, h, a, q):
            return n.transition_losses(p, h, [w_t[s, b].tolist() for w_t in w], q, a, *case.f)

        each = []
        for s, b in onp.ndindex(case.S, case.B):
            p = n.seed_of(x, s)
            each.append(f(p, *([y_t[s, b].tolist() for y_t in y] for y in (h, a, q))))
        return onp.reshape(each, (case.S, case.B, -1)).mean(axis=1)

    return Problem(phi, text, naive=naive)


@unit
def query_errors(case):
    """Errors of the predicted query. [A.2]   q̂ - q,   σ - SG(|q̂ - q|)"""
    return errors_of(case._replace(transition="query"), forms.query_errors)


@unit
def latent_errors(case):
    """Error of the predicted latent. [A.2]   tanh(MLP_f(h, h_m, a)) - h'"""
    return errors_of(case._replace(transition="latent"), forms.latent_errors)


@unit
def reward_errors(case):
    """Errors of the reward's distribution. [A.2]   √(w z) (y - r),   √z (σ - SG(|e|)),   p - z"""
    T, names = 2, {"square": ("y",), "weighted": ("y", "mae"), "hurdle": ("y", "mae", "p")}
    y, mae, p, r = (
        onp.concatenate(onp.split(x, T, axis=-1), axis=-2) for x in drawn(case, T, T, T, T)
    )
    x = {"y": y, "mae": 0.2 + 0.1 * mae, "p": p}  # some of them under 0.2
    x = {name: x[name] for name in names[case.reward_loss]}
    r = r * (r > 0.0)  # some steps pay nothing
    paying = onp.maximum((r != 0.0).sum(axis=(1, 2)), case.B) if "p" in x else r[0].size

    def text(x):
        out = (x.get(name, y[..., :0]) for name in ("y", "mae", "p"))
        return sum(losses.half_square(error) for error in losses.reward_errors(*out, r, T))

    def naive(n, x):
        each = onp.concatenate([x[name] for name in names[case.reward_loss]], axis=-1)
        pairs = [
            [(out.tolist(), r_b) for out, (r_b,) in zip(each[s], r[s].tolist(), strict=True)]
            for s in range(case.S)
        ]
        B = case.B
        sums = [sum(n.reward_loss(p[t * B : t * B + B]) for t in range(T)) for p in pairs]
        return onp.array(sums) / paying

    return Problem(x, text, naive=naive)


@unit
def model_losses(case):
    """Losses of the model. [A.2]   L_rew = ½ [r(h, a) - r]²,   L_decoder,   L_trans"""
    (phi, _), (o, a, _, r) = models(case), episode(case)

    def text(x):
        return np.stack(losses.model_losses(x, o, a, r, case.encoder, **case.forms), axis=-1)

    return Problem(phi, text, naive=lambda n, x: naive_losses(n, case, x, o, a, r))


def naive_losses(n, case, phi, *data):
    """The three losses of each seed, means over episodes, (S, 3)."""
    data, found = [onp.asarray(x) for x in data], []
    for s in range(case.S):
        episodes = [[x[:, s, b].tolist() for x in data] for b in range(case.B)]
        found.append(n.losses(n.seed_of(phi, s), episodes, case.encoder, **case.forms))
    return onp.array(found)


@unit
def total_loss(case):
    """Total loss. [Eq. 7]   L = α_rew L_rew + α_decoder L_decoder + α_trans L_trans"""
    each = drawn(case, 1, 1, 1)
    return Problem(
        dict(zip("rdf", each, strict=True)),
        lambda x: losses.total_loss([x[name] for name in "rdf"], ALPHAS),
        naive=lambda n, x: sum(alpha * x[name] for alpha, name in zip(ALPHAS, "rdf", strict=True)),
    )


@unit
def fit(case):
    """One loss and its gradient by hand. [A.2]   L = ½ Σ |e|² / n,   λ_y = α e / n"""
    name = "rdf"[case.seed % 3]
    phi = part(models(case)[0], f"{name}.")
    width = {"r": 1, "d": case.O, "f": case.H}[name]
    two = case._replace(B=2 * case.B)  # steps of B episodes
    h, a, target, h_m = drawn(two, case.H, case.A, width, case.H)
    target = target * (target > 0.0) if name == "r" else target
    latent = name == "f" and case.transition == "latent"
    h_m = h_m if latent and case.shortcut else h_m[..., :0]
    alpha = ALPHAS["rdf".index(name)]

    def text(x):
        params = nudged(x, name, b1=x["v"])
        if latent:
            loss = losses.half_square(forms.latent_transition(params, h, h_m, a, 0.0) - target)
        elif name == "f":
            mean, mae = model.predict(params, h, a)
            error = mean - target
            loss = losses.half_square(error)
            loss = loss + losses.half_square(mae - onp.abs(autodiff.value_of(error)))
        elif name == "d":
            loss = losses.half_square(model.decode(params, h) - target)
        else:
            out = model.predict_reward(params, h, a, case.reward_units)
            loss = sum(losses.half_square(e) for e in losses.reward_errors(*out, target, T=2))
        return alpha * np.sum(loss)

    def hand(x, c):
        nets, one = (
            layers.networks(x, name, reward_units=case.reward_units),
            onp.ones(h.shape[:-1] + (1,)),
        )
        inputs = (h, one) if name == "d" else (h, h_m, a, one)
        by_step = target.reshape(case.S, 2, case.B, width)
        n = encoder.paying_steps(nets["r"], by_step) if name == "r" else two.B
        of = name, nets, inputs, target, alpha / n, layers.Buffers(), latent
        squares, lambda_v, g = encoder.fit(*of, B=case.B if name == "r" else None)
        g |= {"v": lambda_v}
        total = alpha * (squares / (2 * np.reshape(n, -1))).sum()
        return total, {name: c * x for name, x in g.items()}

    return Problem({**phi, "v": onp.zeros((two.S, two.B, two.hidden))}, text, hand)


@unit
def model_loss_and_grad(case):
    """Gradient of the model's total loss by hand. [A.2, Eq. 7]"""
    (phi, _), (o, a, _, r) = models(case), episode(case)

    def hand(x, c):
        each, g = adjoint.model_loss_and_grad(x, (o, a, r), case.encoder, ALPHAS, None, case.forms)
        total = sum(alpha * loss.sum() for alpha, loss in zip(ALPHAS, each, strict=True))
        return total, {name: c * x for name, x in g.items()}

    def text(x):
        return np.sum(
            losses.total_loss(losses.model_losses(x, o, a, r, case.encoder, **case.forms), ALPHAS)
        )

    def naive(n, x):
        return onp.sum(naive_losses(n, case, x, o, a, r) * ALPHAS)

    return Problem(phi, text, hand, naive)
