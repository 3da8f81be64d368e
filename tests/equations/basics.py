"""Stop-gradient, autograd's wrappers, activations, the multilayer perceptron."""

import autograd.numpy as np
import numpy as onp

from equations.problem import (
    Problem,
    drawn,
    models,
    nudged,
    ones,
    part,
    scalars,
    stream,
    unit,
    units_of,
)
from lvgts_np.adjoint import layers
from lvgts_np.paper import (
    autodiff,
    constants,
    nets,
)


def fixed(text, restated):
    """A fixed number, or several, as text and restated."""
    return Problem({}, lambda x: onp.array(text()), naive=lambda n, x: onp.array(restated(n)))


@unit
def margin(case):
    """Margin of the lowest of at most k scores. [Alg. 2] (M5)"""
    return fixed(lambda: constants.MARGIN, lambda n: n.MARGIN)


@unit
def sab_eps(case):
    """Number added to the threshold of the rule "sab". [Alg. 2] (M4)"""
    return fixed(lambda: constants.SAB_EPS, lambda n: n.SAB_EPS)


@unit
def min_noise_scale(case):
    """Least scale of the transition's noise. [§3.2] (M9)"""
    return fixed(lambda: constants.MIN_NOISE_SCALE, lambda n: n.MIN_NOISE_SCALE)


@unit
def log_std(case):
    """Bounds of the policy's log-std. [Alg. 1, π_θ] (M10)"""
    return fixed(lambda: constants.LOG_STD, lambda n: n.LOG_STD)


@unit
def value_and_grad(case):
    """Value and gradient by autograd.   f = Σ c W² / 2,   ∂f/∂W = c W"""
    (W,) = drawn(case, case.H)
    return Problem(
        {"W": W, "unused": onp.ones(2)},
        lambda x: x["W"] * x["W"] / 2.0,
        lambda x, c: (x["W"] ** 2 / 2.0, {"W": c * x["W"], "unused": onp.zeros(2)}),
    )


@unit
def vjp(case):
    """Vector-Jacobian product by autograd.   f = A x,   g -> Aᵀ g"""
    (A,), rng = drawn(case, case.H), stream(case, 3)
    x = rng.standard_normal(case.H)
    g = rng.standard_normal(A.shape[:-1])

    def text(_):
        value, backward = autodiff.vjp(lambda xs: np.matmul(A, xs[0]), [x])
        return onp.concatenate((value.ravel(), backward(g)[0]))

    by_hand = onp.concatenate(((A @ x).ravel(), onp.einsum("sbh,sb->h", A, g)))
    return Problem({}, text, lambda x, c: (by_hand, None))


@unit
def stop_gradient(case):
    """StopGradient. [Alg. 1, A.2]   y = x SG(x),   ∂y/∂x = SG(x)"""
    return Problem(
        {"x": drawn(case, case.H)[0]},
        lambda x: x["x"] * autodiff.detach({"a": [x["x"]]})["a"][0],
        naive=lambda n, x: scalars(
            n, lambda _, x: [a * b for a, b in zip(x, n.stop(x), strict=True)], {}, x["x"]
        ),
    )


def elementwise(case, text, restated):
    """A function of one number, also at 0, 1 and -1, where it may have a kink."""
    return Problem(
        {"x": drawn(case, 6, ties=True)[0]},
        lambda x: text(x["x"]),
        naive=lambda n, x: scalars(n, lambda _, x: [restated(n)(y) for y in x], {}, x["x"]),
    )


@unit
def tanh(case):
    """Hyperbolic tangent. [Eq. 3]   ∂y/∂x = 1 - y²"""
    return elementwise(case, lambda x: autodiff.tanh(x), lambda n: n.cmath.tanh)


@unit
def relu(case):
    """Rectifier. [Alg. 2]   y = max(x, 0),   ∂y/∂x = 0 at 0"""
    return elementwise(case, lambda x: nets.relu(x), lambda n: n.relu)


@unit
def clip(case):
    """Clipped value. [Alg. 1, §3.2]   y = min(max(x, low), high),   ∂y/∂x = 0 at either"""
    clipped = lambda n: lambda x: n.clip(x, -1.0, 1.0)  # noqa: E731
    return elementwise(case, lambda x: nets.clip(x, -1.0, 1.0), clipped)


@unit
def huberized_relu(case):
    """Huberized rectifier. [Eq. 2, r]   y = 0 up to 0, x²/2 up to 1, x - 1/2 beyond"""
    return elementwise(case, lambda x: nets.huberized_relu(x), lambda n: n.huberized_relu)


def network(case):
    """MLP r or f at random: its name, parameters, input x and activation."""
    name, activation = (("r", units_of(case)), ("f", nets.relu))[case.seed % 2]
    phi, _ = models(case)
    width = phi[f"{name}.W1"].shape[1]
    return name, part(phi, f"{name}."), drawn(case, width)[0], activation


def forward(params, name, x, case):
    """The MLP by hand, its input, hidden layer and output."""
    net, x = layers.networks(params, name, reward_units=case.reward_units)[name], ones(x)
    v = onp.empty(x.shape[:-1] + net.W2.shape[-2:-1])
    slope = onp.empty_like(v)
    y = layers.mlp(net, x, v, onp.zeros(v.shape[1:]), slope=slope)
    return net, x, v, y, slope


@unit
def mlp(case):
    """Multilayer perceptron. [Alg. 2, MLP_ψ]   y = relu(x W1 + b1) W2 + b2"""
    name, params, x, activation = network(case)
    huberized = activation is nets.huberized_relu
    return Problem(
        {**params, "x": x},
        lambda x: nets.mlp(x, name, x["x"], activation),
        lambda x, c: (forward(x, name, x["x"], case)[3], None),
        lambda n, x: scalars(
            n,
            lambda p, x: n.mlp(p, name, x, n.huberized_relu if huberized else n.relu),
            part(x, f"{name}."),
            x["x"],
        ),
    )


@unit
def mlp_adjoint(case):
    """Adjoint of the hidden pre-activation. [Alg. 2]   λ_v = (λ_y W2ᵀ) · relu'(x W1 + b1)"""
    name, params, inputs, activation = network(case)

    def hand(x, c):
        net, _, v, _, slope = forward(params, name, inputs, case)
        return None, {"v": layers.mlp_adjoint(net, v, c, slope=slope)}

    return Problem(
        {"v": onp.zeros((case.S, case.B, case.hidden))},
        lambda x: nets.mlp(nudged(params, name, b1=x["v"]), name, inputs, activation),
        hand,
    )


@unit
def mlp_gradient(case):
    """Gradient of an MLP's parameters. [Alg. 2]   λ_W1 = xᵀ λ_v,  λ_W2 = vᵀ λ_y,  λ_b2 = 1ᵀ λ_y"""
    name, params, inputs, activation = network(case)

    def hand(x, c):
        net, x1, v, _, slope = forward(x, name, inputs, case)
        lambda_v = layers.mlp_adjoint(net, v, c, slope=slope)
        return None, layers.mlp_gradient(name, x1, v, lambda_v, c)

    return Problem(params, lambda x: nets.mlp(x, name, inputs, activation), hand)


@unit
def summed(case):
    """Gradient of an MLP's parameters, in parts of the steps. [Alg. 2]   λ_W1 = Σ xᵀ λ_v, ..."""
    name, params, inputs, activation = network(case)
    steps = 5 if case.seed % 2 else 4  # the last part is shorter
    first = onp.linspace(0, inputs.shape[1], steps + 1).astype(int)  # row of each step

    def hand(x, c):
        net, x1, v, _, slope = forward(x, name, inputs, case)
        lambda_v, found = layers.mlp_adjoint(net, v, c, slope=slope), []
        for few in layers.parts(steps, layers.TALL // 2):  # as if so many rows were a step's
            rows = slice(first[few.start], first[few.stop])
            flat = (layers.flatten_time(y[:, None, rows]) for y in (x1, v, lambda_v, c))
            found.append(layers.mlp_gradient(name, *flat))
        return None, layers.summed(found)

    return Problem(params, lambda x: nets.mlp(x, name, inputs, activation), hand)
