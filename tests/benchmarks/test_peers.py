"""The benchmark compares the same work: all engines have the same losses, gradients and steps."""

import contextlib
import importlib
import warnings

import numpy as np
import pytest
from numpy_learner import Learner, episodes, parameters, settings

TOLERANCE = {"float32": 1e-4, "float64": 1e-10}  # in float32 the order of rounding shows
ENGINES = ("autograd", "peer_torch", "peer_jax")


def learner(engine, phi, theta, c, dtype):
    if not engine.startswith("peer"):
        return Learner(phi, theta, c, dtype, engine)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip(engine.removeprefix("peer_"))
        return importlib.import_module(engine).Learner(phi, theta, c, dtype)


def precision(engine, dtype):
    """The context in which an engine keeps float64."""
    if engine == "peer_jax" and dtype == "float64":
        return pytest.importorskip("jax").enable_x64(True)
    return contextlib.nullcontext()


def arrays(gradient, flat):
    """A gradient as a dict of arrays: a dict already, or PyTorch's flat tensor."""
    return gradient if isinstance(gradient, dict) else flat.as_arrays(gradient)


def assert_close(mine, other, tolerance):
    size = max(np.max(np.abs(x)) for x in mine.values())
    assert sorted(mine) == sorted(other)
    for name, x in mine.items():
        assert np.asarray(other[name]).dtype == x.dtype
        assert np.max(np.abs(np.asarray(other[name]) - x)) <= tolerance * size, name


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    return request.param


@pytest.fixture(params=ENGINES)
def pair(request, dtype):
    """The adjoint and another engine with the same parameters."""
    c = settings(N=4, k=3)
    phi, theta = parameters(3, c)
    with precision(request.param, dtype):
        other = learner(request.param, phi, theta, c, dtype)
        yield learner("adjoint", phi, theta, c, dtype), other


def test_same_losses_and_model_gradient(pair, dtype):
    mine, other = pair
    batch = episodes(3, 32, 15)[:3]
    losses, gradient = mine.model_gradient(batch)
    losses_other, gradient_other = other.model_gradient(batch)
    for x, y in zip(losses, losses_other, strict=True):
        y = y.detach() if hasattr(y, "detach") else y
        np.testing.assert_allclose(np.asarray(y), x, rtol=TOLERANCE[dtype])
    assert_close(gradient, arrays(gradient_other, other.phi), TOLERANCE[dtype])


def test_same_return_and_policy_gradient(pair, dtype):
    mine, other = pair
    o, a, _, u = episodes(3, 32, 15)
    G, gradient = mine.policy_gradient(o, a, u)
    G_other, gradient_other = other.policy_gradient(o, a, u)
    np.testing.assert_allclose(np.asarray(G_other), G, rtol=TOLERANCE[dtype])
    assert_close(gradient, arrays(gradient_other, other.theta), TOLERANCE[dtype])


def test_same_steps(pair, dtype):
    """Adam behind the clip: the parameters after a step, and after three, move alike."""
    mine, other = pair
    before = [{n: x.copy() for n, x in params.items()} for params in mine.params()]
    o, a, r, u = episodes(3, 32, 15)
    for learner in pair:
        for _ in range(3):
            learner.fit((o, a, r))
        learner.improve(o, a, u)
    for start, x, y in zip(before, mine.params(), other.params(), strict=True):
        moved, moved_other = ({n: p[n] - start[n] for n in p} for p in (x, y))
        # Adam divides by the gradient's size: where that is next to nothing, rounding decides.
        near = {n: np.mean(np.abs(moved[n] - moved_other[n]) <= 1e-2 * 2e-3) for n in moved}
        assert min(near.values()) > (0.97 if dtype == "float32" else 0.999), near
