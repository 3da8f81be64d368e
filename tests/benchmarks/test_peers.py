"""The benchmark compares the same work: all engines have the same losses, gradients and steps."""

import contextlib
import importlib
import warnings

import numpy as np
import pytest
from numpy_learner import Learner, episodes, parameters, settings

TOLERANCE = {"float32": 1e-4, "float64": 1e-10}  # in float32 the order of rounding shows
STEP_TOLERANCE = {"float32": 1e-3, "float64": 1e-10}  # of the learning rate
STEPS = {  # rates that differ, and a clip in the midst of the gradients' norms
    "fit": {"model_lr": 2e-3, "policy_lr": 5e-3, "clip_norm": 36.0},
    "improve": {"model_lr": 2e-3, "policy_lr": 5e-3, "clip_norm": 0.8},
}
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


def flattened(params):
    """A dict of parameters or of gradients as one array (S, P), in float64."""
    parts = [np.asarray(params[name], float) for name in sorted(params)]
    return np.concatenate([x.reshape(len(x), -1) for x in parts], axis=1)


def adam(x, gradients, lr, max_norm):
    """Parameters (S, P) after each step of Adam behind the clip. [Kingma and Ba 2015, Alg. 1]"""
    m = v = np.zeros_like(x)
    for t, g in enumerate(gradients, start=1):
        g = g * np.minimum(1.0, max_norm / np.linalg.norm(g, axis=1, keepdims=True))
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        x = x - lr * m / (1 - 0.9**t) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
        yield x


def check_steps(path, gradients, lr, max_norm, dtype):
    """A path of parameters (S, P) is Adam's on these gradients, each seed's norm clipped."""
    for x, right in zip(path[1:], adam(path[0], gradients, lr, max_norm), strict=True):
        np.testing.assert_allclose(x, right, rtol=0.0, atol=STEP_TOLERANCE[dtype] * lr)
    norms = np.linalg.norm(gradients, axis=-1)
    assert np.min(norms) < 0.8 * max_norm  # some steps are clipped and some are not
    assert np.max(norms) > 1.2 * max_norm


@pytest.mark.parametrize("engine", ["adjoint", *ENGINES])
@pytest.mark.parametrize("step", ["fit", "improve"])
def test_steps_are_adams(engine, step, dtype):
    """Each step is Adam's on the gradient that the engine itself has before it.

    Two engines' paths are not compared: Adam divides by the gradient's size, so that rounding
    decides where that is next to nothing, and rounding differs from one BLAS kernel to another.
    """
    c = settings(N=4, k=3, **STEPS[step])
    which, lr = (0, c.model_lr) if step == "fit" else (1, c.policy_lr)
    with precision(engine, dtype):
        x = learner(engine, *parameters(3, c), c, dtype)
        path, gradients = [flattened(x.params()[which])], []
        for scale in (1.0, 10.0, 1.0):
            o, a, r, u = (scale * array for array in episodes(3, 32, 7))
            if step == "fit":
                gradients.append(flattened(arrays(x.model_gradient((o, a, r))[1], x.phi)))
                x.fit((o, a, r))
            else:
                gradients.append(-flattened(arrays(x.policy_gradient(o, a, u)[1], x.theta)))
                x.improve(o, a, u)
            path.append(flattened(x.params()[which]))
    check_steps(path, gradients, lr, c.clip_norm, dtype)
