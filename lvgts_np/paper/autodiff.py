"""Stop-gradient, value and gradient, vjp; the only file that touches autograd's internals.

Nothing here knows about reinforcement learning. Everything else in the package sees two kinds of
numbers through one syntax: plain NumPy arrays, and the boxes that autograd traces.
"""

import numpy as onp
from autograd import make_vjp
from autograd.extend import defvjp, primitive
from autograd.tracer import getval


def detach(x):
    """StopGradient: the value of x, unknown to the derivative. [Alg. 1, A.2]

    detach(x) = x,   ∂ detach(x) / ∂x = 0

    Maps over lists, tuples and dicts, because a box inside a plain container would pass undetached.
    Drops the imaginary part, so that the complex step sees the same cut as reverse mode does.
    """
    if isinstance(x, dict):
        return {name: detach(value) for name, value in x.items()}
    if isinstance(x, (list, tuple)):
        return type(x)(detach(value) for value in x)
    return value_of(x)


def value_of(x):
    """Plain real value of an array x: what a branch is chosen by, and no part of the derivative."""
    return onp.real(getval(x))


@primitive
def tanh(x):
    """Hyperbolic tangent, with the derivative written in its value.

    y = tanh x,   ∂y/∂x = 1 - y²

    autograd's own rule divides by cosh(x)², which overflows with a warning for |x| > 355.
    """
    return onp.tanh(x)


defvjp(tanh, lambda y, x: lambda g: g * (1.0 - y * y))


@primitive
def checked(x, name):
    """Identity whose gradient must have its argument's shape and dtype.

    autograd would cast and broadcast it.
    """
    return x


def same_kind(y, x, name):
    def vjp(g):
        if g.shape != x.shape or g.dtype != x.dtype:
            raise TypeError(
                f"gradient of {name} is {g.shape} {g.dtype}, its parameter {x.shape} {x.dtype}"
            )
        return g

    return vjp


defvjp(checked, same_kind, None)


def value_and_grad(f):
    """Value and gradient of a scalar function f of a dict of arrays.

    f(params), ∂f/∂params;   f may return (scalar, extra)

    Each array is its own argument of the trace: a traced dict would add one operation for
    every look-up inside a loop over time. A parameter that f does not use has a zero gradient.
    Returns (value, gradient), or ((value, extra), gradient).
    Raises TypeError where a gradient has not the shape and dtype of its parameter, which is how
    autograd's silent broadcasting mistakes show.
    """

    def evaluate(params):
        names = list(params)
        extra = []

        def of_arrays(arrays):
            out = f({n: checked(x, n) for n, x in zip(names, arrays, strict=True)})
            if isinstance(out, tuple):
                extra.append(detach(out[1]))
                return out[0]
            return out

        backward, value = make_vjp(of_arrays)(tuple(params.values()))
        gradient = dict(zip(names, backward(onp.ones_like(value)), strict=True))
        return ((value, extra[0]) if extra else value), gradient

    return evaluate


def vjp(f, x):
    """Value and vector-Jacobian product of f at a list x of arrays.

    Returns f(x) and the function g -> gᵀ ∂f/∂x, one array for each of x. One trace serves as many
    calls of it as there are rows of the Jacobian to read.
    """
    backward, value = make_vjp(f)(tuple(x))
    return value, lambda g: list(backward(g))
