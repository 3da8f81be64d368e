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
    scalars,
    unit,
)
from lvgts_np import adjoint
from lvgts_np.adjoint import layers
from lvgts_np.adjoint import model as encoder
from lvgts_np.paper import (
    autodiff,
    losses,
    model,
)


@unit
def model_losses(case):
    """Losses of the model. [A.2]   L_rew = ½ [r(h, a) - r]²,   L_decoder,   L_trans"""
    (phi, _), (o, a, _, r) = models(case), episode(case)

    def text(x):
        return np.stack(losses.model_losses(x, o, a, r, case.encoder, **case.forms), axis=-1)

    return Problem(phi, text, naive=lambda n, x: naive_losses(n, case, x, o, a, r))


def naive_losses(n, case, phi, *data):
    """The three losses of each seed, means over episodes, (S, 3)."""
    each = scalars(
        n, lambda p, o, a, r: n.losses(p, o, a, r, case.encoder, **case.forms), phi, *data
    )
    return each.mean(axis=1)


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
    h, a, target = drawn(case, case.H, case.A, width)
    alpha = ALPHAS["rdf".index(name)]

    def text(x):
        params = nudged(x, name, b1=x["v"])
        if name == "f":
            mean, mae = model.predict(params, h, a)
            error = mean - target
            loss = losses.half_square(error)
            loss = loss + losses.half_square(mae - onp.abs(autodiff.value_of(error)))
        else:
            y = (
                model.decode(params, h)
                if name == "d"
                else model.reward(params, h, a, case.reward_units)
            )
            loss = losses.half_square(y - target)
        return alpha * np.sum(loss)

    def hand(x, c):
        nets, one = layers.networks(x, name, **case.forms), onp.ones(h.shape[:-1] + (1,))
        inputs = (h, one) if name == "d" else (h, a, one)
        loss, lambda_v, g = encoder.fit(name, nets, inputs, target, alpha, layers.Buffers())
        g |= {"v": lambda_v}
        return alpha * loss.sum(), {name: c * x for name, x in g.items()}

    return Problem({**phi, "v": onp.zeros((case.S, case.B, case.hidden))}, text, hand)


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
