"""The MLP and the five maps against scalar loops, and their gradients."""

import autograd.numpy as np
import naive
import numpy as onp
import pytest
from draws import A_MAX, Case, cases, random_episode, random_model
from hypothesis import given
from hypothesis import strategies as st
from oracles import assert_gradient, well_conditioned

from lvgts_np.check.strategies import seeds
from lvgts_np.paper import model, nets
from lvgts_np.paper.autodiff import value_and_grad
from lvgts_np.paper.constants import COMBINES


def inputs(case, rng):
    """Random parameters, and the arguments of every map, in one dict; f is that of queries."""
    phi, theta = random_model(case._replace(transition="query"), rng)
    lead = (case.S, case.B)
    last = dict.fromkeys(("h_t", "h_m", "xi_t", "rho_t"), case.H)
    last |= {"a_t": case.A, "eta_t": case.A, "oa_t": case.O + case.A}
    x = {name: rng.standard_normal((*lead, size)) for name, size in last.items()}
    x["memory"] = onp.tanh(rng.standard_normal((*lead, case.T - 1, case.H)))
    return phi | theta | x


MAPS = {
    "mlp": lambda x, case: nets.mlp(x, "d", x["h_t"]),
    "decode": lambda x, case: model.decode(x, x["h_t"]),
    "predict mean": lambda x, case: model.predict(x, x["h_t"], x["a_t"])[0],
    "predict mae": lambda x, case: model.predict(x, x["h_t"], x["a_t"])[1],
    "noise_scale": lambda x, case: model.noise_scale(x["h_t"]),
    "latent": lambda x, case: model.latent(x, x["h_t"], x["h_m"], x["rho_t"]),
    "transition": lambda x, case: model.transition(
        x, *(x[name] for name in ("h_t", "h_m", "a_t", "xi_t", "rho_t"))
    ),
    "reward": lambda x, case: model.reward(x, x["h_t"], x["a_t"], case.reward_units),
    "policy mean": lambda x, case: model.policy(x, x["h_t"])[0],
    "policy std": lambda x, case: model.policy(x, x["h_t"])[1],
    "squash": lambda x, case: model.squash(x["a_t"], A_MAX),
    "act": lambda x, case: model.act(x, x["h_t"], x["eta_t"], A_MAX)[0],
    "act u": lambda x, case: model.act(x, x["h_t"], x["eta_t"], A_MAX)[1],
    "encode_step": lambda x, case: model.encode_step(
        x, x["oa_t"], x["h_t"], x["memory"], case.k, case.rule
    )[0],
    "encode_step w": lambda x, case: model.encode_step(
        x, x["oa_t"], x["h_t"], x["memory"], case.k, case.rule
    )[1],
}


def check_map_gradient(name, case):
    rng = case.rng
    x = inputs(case, rng)
    assert_gradient(lambda x: MAPS[name](x, case), x, rng, name=name)


@pytest.mark.parametrize("name", MAPS)
@given(case=cases())
def test_the_gradient_of_the_map(name, case):
    check_map_gradient(name, case)


def check_maps(case):
    """Every map but the encoder against scalars."""
    x = inputs(case, case.rng)
    out = {name: f(x, case) for name, f in MAPS.items() if not name.startswith("encode")}
    for s, b in onp.ndindex(case.S, case.B):
        p = naive.seed_of({n: v for n, v in x.items() if "." in n}, s)
        names = ("h_t", "h_m", "a_t", "eta_t", "xi_t", "rho_t")
        h, h_m, a, eta, xi, rho = (x[n][s, b].tolist() for n in names)
        q_hat, mae = naive.predict(p, h, a)
        noise = [naive.scale(x) * y for x, y in zip(mae, xi, strict=True)]
        mean, std = naive.policy(p, h)
        action, u = naive.act(p, h, eta, A_MAX)
        expected = {
            "mlp": naive.mlp(p, "d", h),
            "decode": naive.mlp(p, "d", h),
            "predict mean": q_hat,
            "predict mae": mae,
            "noise_scale": [naive.scale(x) for x in h],
            "latent": naive.latent(p, h, h_m, rho),
            "transition": naive.latent(p, list(onp.add(q_hat, noise)), h_m, rho),
            "reward": naive.reward(p, h, a, case.reward_units),
            "policy mean": mean,
            "policy std": std,
            "squash": [A_MAX * onp.tanh(a_i / A_MAX) for a_i in a],
            "act": action,
            "act u": u,
        }
        for name, value in expected.items():
            onp.testing.assert_allclose(out[name][s, b], value, rtol=1e-12, atol=1e-12)


@given(cases())
def test_every_map_is_its_equation_in_scalars(case):
    check_maps(case)


def check_encode(case):
    """Latents and weights against the loop over Eq. 3."""
    rng = case.rng
    phi, _ = random_model(case, rng)
    o, a, _, _ = random_episode(case, rng)
    h, w, q = well_conditioned(lambda: model.encode(phi, o, a, **case.encoder))
    assert [w_t.shape for w_t in w] == [(case.S, case.B, t) for t in range(case.T)]
    for s, b in onp.ndindex(case.S, case.B):
        p = naive.seed_of(phi, s)
        episode = o[:, s, b].tolist(), a[:, s, b].tolist()
        h_one, w_one, q_one = naive.encode(p, *episode, **case.encoder)
        for t in range(case.T):
            onp.testing.assert_allclose(q[t][s, b], q_one[t], rtol=1e-11, atol=1e-11)
            onp.testing.assert_allclose(h[t][s, b], h_one[t], rtol=1e-11, atol=1e-11)
            onp.testing.assert_allclose(w[t][s, b], w_one[t], rtol=1e-9, atol=1e-9)


@given(cases())
def test_the_encoder_is_eq_3_in_scalars(case):
    check_encode(case)


def check_encode_gradient(case):
    """The truncated gradient of all latents."""
    rng = case.rng
    phi, _ = random_model(case, rng)
    o, a, _, _ = random_episode(case, rng)
    f = lambda phi: np.stack(model.encode(phi, o, a, **case.encoder)[0])  # noqa: E731
    assert_gradient(f, phi, rng, cut=True)


@given(cases())
def test_the_gradient_of_the_encoder(case):
    check_encode_gradient(case)


def check_encoder_truncation(case):
    """Derivative of one latent by one entry of b.q's bias, against the scalar program."""
    rng = case.rng
    phi, _ = random_model(case, rng)
    o, a, _, _ = random_episode(case, rng)
    f = lambda x: np.sum(model.encode(phi | x, o, a, **case.encoder)[0][-1])  # noqa: E731
    well_conditioned(lambda: f(phi))
    reverse = value_and_grad(f)({"b.q.b2": phi["b.q.b2"]})[1]["b.q.b2"]
    for s in range(case.S):
        p, total, size = naive.seed_of(phi, s), 0.0, 0.0
        p["b.q.b2"][0][0] += 1e-20j
        for b in range(case.B):
            h, _, _ = naive.encode(p, o[:, s, b].tolist(), a[:, s, b].tolist(), **case.encoder)
            total += sum(x.imag / 1e-20 for x in h[-1])
            size += sum(abs(x.imag) / 1e-20 for x in h[-1])
        assert abs(reverse[s, 0, 0] - total) <= 1e-10 * size


@given(cases())
def test_the_encoders_recurrence_is_cut_where_N_divides_t(case):
    check_encoder_truncation(case)


def test_permuting_the_memory_leaves_the_encoder_step():
    case = Case(T=8, H=4, k=3)
    x = inputs(case, case.rng)
    order = case.rng.permutation(case.T - 1)
    permuted = x | {"memory": x["memory"][:, :, order]}
    onp.testing.assert_allclose(
        MAPS["encode_step"](permuted, case), MAPS["encode_step"](x, case), atol=1e-14
    )
    onp.testing.assert_allclose(
        MAPS["encode_step w"](permuted, case),
        MAPS["encode_step w"](x, case)[..., order],
        atol=1e-14,
    )


def test_all_time_steps_at_once_are_one_taller_batch():
    case = Case(B=3)
    x = inputs(case, case.rng)
    h = case.rng.standard_normal((4, case.S, case.B, case.H))
    flatten_time = model.decode(x, onp.concatenate(list(h), axis=-2))
    steps = onp.concatenate([model.decode(x, h_t) for h_t in h], axis=-2)
    onp.testing.assert_allclose(flatten_time, steps, rtol=1e-13)


def check_branches_at_ties():
    """Values and derivatives of relu and clip on their corners: the derivative there is 0."""
    x = {"x": onp.array([-1.0, 0.0, 1.0, 0.5])}
    value, gradient = value_and_grad(lambda x: np.sum(nets.relu(x["x"])))(x)
    assert value == 1.5
    assert onp.array_equal(gradient["x"], [0.0, 0.0, 1.0, 1.0])
    assert onp.array_equal(nets.clip(onp.array([-5, -4, 0, 1, 2.0]), -4, 1), [-4, -4, 0, 1, 1])
    x = {"x": onp.array([-5.0, -4.0, 0.0, 1.0, 2.0])}
    _, gradient = value_and_grad(lambda x: np.sum(nets.clip(x["x"], -4.0, 1.0)))(x)
    assert onp.array_equal(gradient["x"], [0.0, 0.0, 1.0, 0.0, 0.0])


def test_relu_and_clip_on_their_corners():
    check_branches_at_ties()


def test_the_huberized_relu_has_no_step_in_its_slope():
    x = {"x": onp.array([-1.0, 0.0, 0.5, 1.0, 3.0])}
    f = lambda x: np.sum(nets.huberized_relu(x["x"]))  # noqa: E731
    assert onp.array_equal(nets.huberized_relu(x["x"]), [0.0, 0.0, 0.125, 0.5, 2.5])
    assert onp.array_equal(value_and_grad(f)(x)[1]["x"], [0.0, 0.0, 0.5, 1.0, 1.0])


@given(seeds, st.sampled_from([1e-3, 1.0, 1e3]))
def test_the_gradients_of_relu_and_clip(seed, scale):
    rng = onp.random.default_rng(seed)
    x = {"x": scale * rng.standard_normal((2, 3))}
    assert_gradient(lambda x: nets.relu(x["x"]), x, rng)
    assert_gradient(lambda x: nets.huberized_relu(x["x"]), x, rng)
    assert_gradient(lambda x: nets.clip(x["x"], -0.5 * scale, scale), x, rng)


def test_the_log_std_is_clipped_and_has_no_gradient_beyond():
    theta = model.init_policy(onp.random.default_rng(0), 2, 1, 3)
    for bias, std in ((9.0, onp.exp(1.0)), (-9.0, onp.exp(-1.0))):
        theta["pi.b2"] = onp.array([[[0.0, bias]]])
        f = lambda x: np.sum(model.policy(theta | x, onp.ones((1, 1, 2)))[1])  # noqa: E731
        value, gradient = value_and_grad(f)({"pi.b2": theta["pi.b2"]})
        assert value == std
        assert not gradient["pi.b2"].any()


def test_the_untrained_policy_is_its_noise():
    rng = onp.random.default_rng(0)
    theta, eta = model.init_policy(rng, 4, 2, 5), rng.standard_normal((1, 3, 2))
    a, u = model.act(theta, rng.standard_normal((1, 3, 4)), eta, A_MAX)
    assert onp.array_equal(u, eta)
    onp.testing.assert_allclose(a, A_MAX * onp.tanh(eta / A_MAX), rtol=1e-15)


@pytest.mark.parametrize("combine", COMBINES)
@pytest.mark.parametrize(("reward_loss", "of_r"), [("weighted", 2), ("square", 1), ("hurdle", 3)])
def test_fresh_parameters_have_the_layers_named_in_the_module(combine, reward_loss, of_r):
    phi = model.init_model(onp.random.default_rng(0), 2, 1, 3, 5, combine, reward_loss=reward_loss)
    layers = {"b.q": (6, 3), "d": (3, 2), "f": (4, 6), "r": (4, of_r)}
    layers |= {"b.c": (6, 3)} if combine == "mlp" else {}
    assert len(phi) == 4 * len(layers) + 1
    assert phi["b.W"].shape == (1, 3, 3)
    for name, (d_in, d_out) in layers.items():
        assert phi[name + ".W1"].shape == (1, d_in, 5)
        assert phi[name + ".W2"].shape == (1, 5, d_out)
        assert not phi[name + ".b1"].any()
        assert not phi[name + ".b2"].any()


def test_fresh_weights_have_the_published_spread():
    p = nets.init_mlp(onp.random.default_rng(0), "x", 200, 300, 100, last=0.5)
    onp.testing.assert_allclose(onp.std(p["x.W1"]), onp.sqrt(2 / 200), rtol=0.02)
    onp.testing.assert_allclose(onp.std(p["x.W2"]), 0.5 / onp.sqrt(300), rtol=0.02)


def test_an_episode_of_one_step_has_nothing_to_read():
    case = Case(T=1)
    phi, _ = random_model(case, case.rng)
    o, a, _, _ = random_episode(case, case.rng)
    (h,), (w,), (q,) = model.encode(phi, o, a, **case.encoder)
    assert w.shape == (case.S, case.B, 0)
    assert onp.array_equal(h, model.latent(phi, q, onp.zeros_like(q)))


def test_attention_is_over_the_strict_past():
    case = Case(T=5)
    phi, _ = random_model(case, case.rng)
    o, a, _, _ = random_episode(case, case.rng)
    h, _, _ = model.encode(phi, o, a, **case.encoder)
    later, action = o.copy(), a.copy()
    later[3:], action[2:] = 9.0, 9.0  # o_3 and a_2 are what h_3 sees first
    moved, _, _ = model.encode(phi, later, action, **case.encoder)
    for t in range(3):
        assert onp.array_equal(h[t], moved[t])
    assert not onp.array_equal(h[3], moved[3])


@pytest.mark.parametrize(("p", "share"), [(-1.0, 0), (0.04, 0), (0.5, 0.5), (0.96, 1), (2.0, 1)])
def test_a_reward_of_a_step_that_surely_pays_nothing_is_0_without_a_slope(p, share):
    phi = model.init_model(onp.random.default_rng(0), 1, 1, 2, 3, reward_loss="hurdle")
    phi["r.W2"][..., 2], phi["r.b2"][..., 2] = 0.0, p
    h, a = onp.ones((1, 4, 2)), onp.ones((1, 4, 1))
    y, _, _ = model.predict_reward(phi, h, a)
    onp.testing.assert_allclose(model.reward(phi, h, a), share * y, atol=1e-15)
    slope = value_and_grad(lambda phi: np.sum(model.reward(phi, h, a)))(phi)[1]["r.b2"]
    inside = 0.05 < p < 0.95
    onp.testing.assert_allclose(slope[0, 0], [4 * share, 0.0, inside * y.sum() / 0.9], atol=1e-14)
