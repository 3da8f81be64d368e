"""Multilayer perceptron with one hidden layer, and its activations."""

import autograd.numpy as np
import numpy as onp

from lvgts_np.paper.autodiff import value_of


def relu(x):
    """Rectifier max(x, 0), its branch chosen by the value (derivative 0 at 0)."""
    return x * (value_of(x) > 0)


def clip(x, low, high):
    """Clipped value min(max(x, low), high), numbers low < high (derivative 0 from the bound on)."""
    value = value_of(x)
    inside = (value > low) & (value < high)
    return x * inside + onp.clip(value, low, high) * ~inside


def huberized_relu(x):
    """Huberized rectifier: 0 up to 0, x²/2 up to 1, x - 1/2 beyond; its slope has no step. (M12)"""
    slope = clip(x, 0.0, 1.0)
    return slope * (relu(x) - 0.5 * slope)


def mlp(params, name, x, activation=relu):
    """Multilayer perceptron `name` of `params`. [Alg. 2, MLP_ψ]

    MLP(x) = relu(x W1 + b1) W2 + b2        or with another activation

    x (S, B, d_in), W1 (S, d_in, hidden), W2 (S, hidden, d_out), biases (S, 1, .);
    returns (S, B, d_out).
    """
    # UNSPECIFIED: the paper gives no layers; one hidden layer of ReLU units. (M12)
    hidden = activation(np.matmul(x, params[name + ".W1"]) + params[name + ".b1"])
    return np.matmul(hidden, params[name + ".W2"]) + params[name + ".b2"]


def flatten_time(x):
    """T arrays (S, B, F) as one batch (S, T·B, F): what has no recurrence needs no loop."""
    return np.concatenate(list(x), axis=-2)


def init_mlp(rng, name, d_in, hidden, d_out, last=1.0):
    """Initial parameters of MLP `name` for one seed, leading axis 1.

    W1 ~ N(0, 2 / d_in), W2 ~ last · N(0, 1 / hidden), b1 = b2 = 0   (He for the ReLU layer)
    """
    return {
        name + ".W1": rng.standard_normal((1, d_in, hidden)) * onp.sqrt(2.0 / d_in),
        name + ".b1": onp.zeros((1, 1, hidden)),
        name + ".W2": rng.standard_normal((1, hidden, d_out)) * (last / onp.sqrt(hidden)),
        name + ".b2": onp.zeros((1, 1, d_out)),
    }
