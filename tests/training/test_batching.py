"""A seed's numbers are the same to the last bit, alone or in a batch, in both precisions."""

import autograd.numpy as np
import numpy as onp
import pytest
from draws import A_MAX, Case, cases, random_episode, random_model
from hypothesis import given, settings
from hypothesis import strategies as st

from lvgts_np.paper import credit, imagine, losses
from lvgts_np.paper.autodiff import value_and_grad
from lvgts_np.training import optim


def everything(phi, theta, episode, case):
    """Losses, gradients, replay, credit and the parameters after two steps, by name."""
    o, a, u, r = episode
    args = (o, a, r, case.encoder)

    def loss(phi):
        terms = losses.model_losses(phi, *args, **case.forms)
        return np.sum(losses.total_loss(terms, (20.0, 1.0, 1.0))), terms

    (_, terms), gradient = value_and_grad(loss)(phi)
    out = {f"loss {n}": x for n, x in enumerate(terms)} | prefixed("gradient", gradient)
    x, g = optim.flatten(phi, phi), optim.flatten(gradient, phi)
    state, clipped = optim.adam_init(x), optim.clip_norm(g, 0.5)
    out |= {"clipped": clipped, "norm": optim.global_norm(g)}
    for _ in range(2):
        x, state = optim.adam_step(x, clipped, state, 0.01)
    phi = optim.unflatten(x, phi)
    out |= prefixed("stepped", phi)
    inferred = imagine.infer(phi, theta, o, a, u, case.encoder, *case.f)
    pi = imagine.policy_replay(theta, inferred, A_MAX)
    replay = imagine.replay(phi, pi, inferred, **case.rollout)
    for name, x in zip(("r", "h", "a"), replay, strict=True):
        out |= {f"{name}_hat {t}": x_t for t, x_t in enumerate(x)}
    out |= {f"w {t}": w_t for t, w_t in enumerate(inferred.w) if t > 0}

    def imagined(theta):
        G = imagine.imagined_return(phi, theta, inferred, A_MAX, case.rollout, case.gamma)
        return np.sum(G), G

    (_, G), gradient = value_and_grad(imagined)(theta)
    out |= {"G": G} | prefixed("policy", gradient)
    return out, credit.credit(
        phi,
        theta,
        inferred,
        A_MAX,
        case.rollout,
        credit.phase_cotangents(case.T, range(case.T // 2 + 1, case.T)),
    )


def prefixed(prefix, params):
    return {f"{prefix} {name}": x for name, x in params.items()}


def check_seeds_are_independent(case, dtype):
    rng = case.rng
    cast = lambda params: {n: x.astype(dtype) for n, x in params.items()}  # noqa: E731
    phi, theta = (cast(params) for params in random_model(case, rng))
    episode = [x.astype(dtype) for x in random_episode(case, rng)]
    together, credit_together = everything(phi, theta, episode, case)
    assert {x.dtype for x in (*together.values(), credit_together)} == {onp.dtype(dtype)}
    for s in range(case.S):
        one = slice(s, s + 1)
        mine = [{name: x[one].copy() for name, x in params.items()} for params in (phi, theta)]
        alone, alone_credit = everything(*mine, [x[:, one].copy() for x in episode], case)
        differ = [
            name for name in together if not onp.array_equal(together[name][one], alone[name])
        ]
        assert differ == []
        assert onp.array_equal(credit_together[:, :, one], alone_credit)


@pytest.mark.parametrize("dtype", [onp.float32, onp.float64])
@pytest.mark.parametrize("S", [3, 5])
@settings(max_examples=max(10, settings.default.max_examples // 3))
@given(case=cases(T=st.integers(2, 5), scale=st.sampled_from([0.25, 1.0])))
def test_a_seed_alone_and_in_a_stack_has_the_same_bits(S, dtype, case):
    check_seeds_are_independent(case._replace(S=S), dtype)


@pytest.mark.parametrize("dtype", [onp.float32, onp.float64])
@pytest.mark.parametrize("B", [32, 37])
def test_also_at_the_sizes_of_a_real_run(dtype, B):
    case = Case(S=3, B=B, T=15, O=1, A=1, H=16, hidden=64, k=3, N=4, encoder_N=4, scale=0.5)
    check_seeds_are_independent(case, dtype)
