"""The hand-written gradients against autograd's and the complex step; seeds apart; bugs planted."""

import inspect
import tracemalloc
from functools import partial

import autograd.numpy as np
import numpy as onp
import pytest
from draws import A_MAX, Case, cases, random_episode, random_model, random_replay
from equations import UNITS
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger.measure import compare
from oracles import well_conditioned
from planted import passes_unplanted, plant

from lvgts_np.adjoint import Buffers, encoder, forms, layers, memory, model, policy
from lvgts_np.check.oracles import complex_step
from lvgts_np.paper import attention, imagine, losses
from lvgts_np.paper import credit as text
from lvgts_np.paper.autodiff import value_and_grad
from lvgts_np.paper.constants import REWARD_LOSSES, TOPK_RULES

ALPHAS = (20.0, 1.0, 0.5)
HALF = settings(max_examples=max(10, settings.default.max_examples // 2))
FULL = Case(S=3, B=32, T=15, O=1, H=16, hidden=64, k=3, N=4, encoder_N=4, scale=0.5)


def model_problem(case, dtype=onp.float64):
    rng = case.rng
    phi, _ = random_model(case, rng)
    o, a, _, r = random_episode(case, rng)
    return cast(phi, dtype), [x.astype(dtype) for x in (o, a, r)]


def cast(params, dtype):
    return {name: x.astype(dtype) for name, x in params.items()}


def of_inferred(inferred, f):
    """f of each array of an Inferred."""
    return imagine.Inferred(f(inferred.h_0), *([f(x) for x in xs] for xs in inferred[1:]))


def total_loss(phi, data, case):
    each = losses.model_losses(phi, *data, case.encoder, **case.forms)
    return np.sum(losses.total_loss(each, ALPHAS)), each


def adjoint_losses(phi, data, case, buffers=None):
    return model.model_loss_and_grad(phi, data, case.encoder, ALPHAS, buffers, case.forms)


def adjoint_return(phi, theta, inferred, case, buffers=None):
    return policy.return_and_grad(phi, theta, inferred, A_MAX, case.rollout, buffers, case.gamma)


def imagined_return(phi, theta, inferred, case):
    G = imagine.imagined_return(phi, theta, inferred, A_MAX, case.rollout, case.gamma)
    return np.sum(G), G


def assert_same(unit, case, mine, reference, tolerance):
    """Values (arrays) and gradients (dicts) agree, relative to the largest of their kind.

    Where they do not, the message lists what is wrong and what is right, and how text, adjoint and
    naive restatement vote on a problem of this unit with the sizes and switches of the case.
    """
    (value, gradient), (value_ref, gradient_ref) = mine, reference
    assert {n: (g.shape, g.dtype) for n, g in gradient.items()} == {
        n: (g.shape, g.dtype) for n, g in gradient_ref.items()
    }
    size = max(onp.max(onp.abs(g)) for g in gradient_ref.values())
    off = {name: onp.max(onp.abs(gradient[name] - g)) for name, g in gradient_ref.items()}
    wrong = [name for name in off if not off[name] <= tolerance * size]
    same = onp.allclose(onp.stack(value), onp.stack(value_ref), rtol=tolerance, atol=0.0)
    if wrong or not same:
        _, votes, _ = compare(UNITS[unit](case), unit, case.seed, random=True)
        raise AssertionError(
            f"{unit}: by hand and by autograd differ; value: {'right' if same else 'wrong'}; "
            f"wrong: {', '.join(f'{name} by {off[name] / size:.0e}' for name in wrong)}; "
            f"right: {', '.join(name for name in off if name not in wrong)}; "
            f"the vote, by form that is outvoted: {votes or 'none is'}"
        )


def check_model(case, tolerance=1e-12, dtype=onp.float64, **changes):
    case = case._replace(**changes)
    compare_model(case, *model_problem(case, dtype), tolerance)


def compare_model(case, phi, data, tolerance=1e-12):
    f = lambda phi: total_loss(phi, data, case)  # noqa: E731
    well_conditioned(lambda: f(phi))
    (_, each), gradient = value_and_grad(f)(phi)
    mine = adjoint_losses(phi, data, case)
    assert_same("model_loss_and_grad", case, mine, (each, gradient), tolerance)


def check_unpaid(case):
    """One of the seeds is never paid, the next once."""
    case = case._replace(S=3, reward_loss="hurdle")
    phi, (o, a, r) = model_problem(case)
    r[:, 0] = 0.0
    r[1:, 1] = r[0, 1, 1:] = 0.0
    compare_model(case, phi, (o, a, r))


def test_seeds_that_are_never_paid_or_once():
    check_unpaid(CASE)


def check_slopes(_=None):
    """Mean rewards and their slopes where a step pays never, perhaps, always."""
    p, share, inside = onp.array([[-1, 0, 0], [0.04, 0, 0], [0.5, 0.5, 1], [0.96, 1, 0]]).T
    mean, slopes = policy.mean_and_slopes(onp.stack((2.0 + 0.0 * p, p), axis=-1))
    onp.testing.assert_allclose(mean[:, 0], 2.0 * share)
    onp.testing.assert_allclose(slopes.T, (share, inside * 2.0 / 0.9))


def test_the_slopes_of_a_mean_reward():
    check_slopes()


def check_policy(case, tolerance=1e-12, dtype=onp.float64, tie=False, **changes):
    case = case._replace(**changes)
    phi, theta, inferred = random_replay(case, case.rng)
    for w_t in inferred.w[1:] if tie else ():
        w_t[:, 0] = 1.0 / w_t.shape[-1]  # one episode attends everything, as if all scores tied
    phi, theta = cast(phi, dtype), cast(theta, dtype)
    inferred = of_inferred(inferred, lambda x: x.astype(dtype))
    f = lambda theta: imagined_return(phi, theta, inferred, case)  # noqa: E731
    well_conditioned(lambda: f(theta))
    (_, G), gradient = value_and_grad(f)(theta)
    mine, mine_gradient = adjoint_return(phi, theta, inferred, case)
    mine = [mine], mine_gradient
    assert_same("return_and_grad", case, mine, ([G], gradient), tolerance)


@given(cases())
def test_the_model_gradient_is_autograd_s(case):
    check_model(case)


@given(cases(scale=st.sampled_from([0.25, 0.5, 1.0])))
def test_the_policy_gradient_is_autograd_s(case):
    check_policy(case)


@pytest.mark.parametrize("lm_svg", [False, True])
def test_an_episode_of_one_step_has_a_return_and_credit(lm_svg):
    check_policy(Case(T=1, lm_svg=lm_svg))
    check_credit(Case(T=1, lm_svg=lm_svg))


def check_credit(case, tolerance=1e-12, dtype=onp.float64):
    phi, theta, inferred = random_replay(case, case.rng)
    phi, theta = cast(phi, dtype), cast(theta, dtype)
    inferred = of_inferred(inferred, lambda x: x.astype(dtype))
    cotangents = onp.concatenate([onp.eye(case.T), case.rng.standard_normal((1, case.T))])
    well_conditioned(lambda: imagined_return(phi, theta, inferred, case))
    C = text.credit(phi, theta, inferred, A_MAX, case.rollout, cotangents)
    mine = policy.credit(phi, theta, inferred, A_MAX, case.rollout, cotangents)
    assert mine.dtype == C.dtype
    onp.testing.assert_allclose(mine, C, rtol=0, atol=tolerance * onp.max(onp.abs(C)))
    assert onp.array_equal(mine == 0.0, C == 0.0)  # what no path reaches is exactly 0 in both


@given(cases(scale=st.sampled_from([0.25, 0.5, 1.0])))
def test_the_credit_is_autograd_s(case):
    check_credit(case)


@HALF
@given(cases(scale=0.5))
def test_also_where_episodes_attend_more_steps_than_k(case):
    check_policy(case, tie=True)


@HALF
@given(cases(scale=st.sampled_from([0.25, 0.5]), H=st.integers(2, 4), hidden=st.integers(3, 5)))
def test_float32_is_close(case):
    check_policy(case, 1e-4, onp.float32)


@pytest.mark.parametrize(("dtype", "tolerance"), [(onp.float32, 1e-4), (onp.float64, 1e-12)])
@pytest.mark.parametrize("lm_svg", [False, True])
@pytest.mark.parametrize("reward_loss", REWARD_LOSSES)
def test_also_at_the_sizes_of_a_real_run(dtype, tolerance, lm_svg, reward_loss):
    case = FULL._replace(lm_svg=lm_svg, reward_loss=reward_loss)
    check_model(case, tolerance, dtype)
    check_policy(case, tolerance, dtype)
    check_credit(case, tolerance, dtype)


def check_complex_step(case):
    """Both gradients along a random direction, against the text in complex numbers."""
    rng = case.rng
    phi, theta, inferred = random_replay(case, rng)
    o, a, _, r = random_episode(case, rng)
    for params, f, gradient in (
        (
            phi,
            lambda phi: total_loss(phi, (o, a, r), case)[0],
            adjoint_losses(phi, (o, a, r), case),
        ),
        (
            theta,
            lambda theta: imagined_return(phi, theta, inferred, case)[0],
            adjoint_return(phi, theta, inferred, case),
        ),
    ):
        well_conditioned(lambda f=f, params=params: f(params))
        v = {name: rng.standard_normal(x.shape) for name, x in params.items()}
        terms = onp.concatenate([(gradient[1][name] * v[name]).ravel() for name in params])
        slope = complex_step(f, params, v)
        assert abs(slope - terms.sum()) <= 1e-11 * onp.abs(terms).sum()


@given(cases(scale=st.sampled_from([0.25, 0.5, 1.0])))
def test_both_are_the_complex_step(case):
    check_complex_step(case)


def tied_problem(case, levels):
    """Scores that tie exactly: they see one entry of the latents, a function of o_t alone.

    o_t takes few values, b.q looks at nothing else for that entry and b.c leaves it alone. The
    other entries, and so the gradients through h_m and the scores, are as random as ever.
    """
    phi, (o, a, r) = model_problem(case)
    o, half = onp.round(o * levels) / levels, case.hidden // 2
    phi["b.q.W1"][:, case.O :, :half] = 0.0  # the hidden units that only the first entry reads
    phi["b.q.W2"][:, :half, 1:] = phi["b.q.W2"][:, half:, :1] = 0.0
    phi["b.W"][:, :, 1:] = 0.0  # the key query has one entry, the others are exactly 0
    phi["b.c.W2"][:, :, :1] = phi["b.c.b2"][:, :, :1] = 0.0
    return phi, (o, a, r)


def check_ties(case, levels=0.5):
    phi, data = tied_problem(case, levels)
    f = lambda phi: total_loss(phi, data, case)  # noqa: E731
    well_conditioned(lambda: f(phi))
    (_, each), gradient = value_and_grad(f)(phi)
    mine = adjoint_losses(phi, data, case)
    assert_same("model_loss_and_grad", case, mine, (each, gradient), 1e-12)


TIES = {"combine": "mlp", "hidden": st.integers(2, 5), "H": st.integers(2, 4)}


@given(cases(**TIES), st.sampled_from([0.5, 1.0]))
def test_scores_that_tie(case, levels):
    check_ties(case, levels)


@HALF
@given(cases(), st.sampled_from(["b.W", "o"]))
def test_when_all_scores_tie(case, zero):
    phi, (o, a, r) = model_problem(case)
    phi["b.W"] *= zero != "b.W"
    o, a = o * (zero != "o"), a * (zero != "o")
    f = lambda phi: total_loss(phi, (o, a, r), case)  # noqa: E731
    well_conditioned(lambda: f(phi))
    (_, each), gradient = value_and_grad(f)(phi)
    mine = adjoint_losses(phi, (o, a, r), case)
    assert_same("model_loss_and_grad", case, mine, (each, gradient), 1e-12)


def check_read(kind, seed, M, k, rule):
    """One read with integer latents and query: the value, and both gradients, at any tie."""
    rng = onp.random.default_rng(seed)
    S, B, H = 2, 3, 4
    h = rng.integers(-1, 2, (S, M + 1, B, H)) * 1.0
    key_query, lambda_h_m = rng.integers(-2, 3, (S, B, H)) * 1.0, rng.standard_normal((S, B, H))

    def f(x):
        remembered = np.swapaxes(x["h"], 1, 2)
        s = np.matmul(remembered, x["query"][..., None])[..., 0]
        h_m = attention.read(attention.topk_weights(s, k, rule), remembered)
        return np.sum(lambda_h_m * h_m), h_m

    (_, expected), gradient = value_and_grad(f)({"h": h[:, :M], "query": key_query})
    past, nothing = kind(M + 1, h, k, rule, Buffers()), onp.zeros_like(lambda_h_m)
    for t in range(M):
        past.append(t, h[:, t])
    h_m = [past.read(t, key_query) for t in range(1, M + 1)][-1]
    onp.testing.assert_allclose(h_m, expected, rtol=1e-13, atol=1e-13)
    lambda_query = past.read_adjoint(M, lambda_h_m)
    for t in range(1, M):
        past.read_adjoint(t, nothing)
    lambda_h = onp.stack([past.of_reads(t) for t in range(M)], axis=1)
    size = 1e-13 * max(1.0, *(onp.max(onp.abs(g)) for g in gradient.values()))
    onp.testing.assert_allclose(lambda_h, gradient["h"], rtol=0, atol=size)
    onp.testing.assert_allclose(lambda_query, gradient["query"], rtol=0, atol=size)


KINDS = (memory.Dense, memory.Sparse)


@given(
    st.sampled_from(KINDS),
    st.integers(0, 2**32 - 1),
    st.integers(1, 9),
    st.integers(1, 9),
    st.sampled_from(TOPK_RULES),
)
def test_a_read_at_ties(kind, seed, M, k, rule):
    check_read(kind, seed, M, k, rule)


def check_reads(kind, case):
    for seed in range(40):
        check_read(kind, seed, 1 + seed % 6, 1 + seed % 3, case.rule)


def check_kind(kind, case):
    """The whole model's gradient with this kind of memory, whatever the length of the episode."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encoder, "memory", kind)
        check_model(case)
        check_ties(case)


@HALF
@given(st.sampled_from(KINDS), cases(**TIES))
def test_both_kinds_of_memory_at_every_length(kind, case):
    check_kind(kind, case)


def check_parts(case, steps=2):
    """The gradient in parts of a few steps, of which the last may be shorter."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layers, "TALL", steps * case.B)
        check_model(case)
        check_model(case, transition="latent", scale=0.5)


@HALF
@given(cases(), st.integers(1, 5))
def test_in_parts_of_any_number_of_steps(case, steps):
    check_parts(case, steps)


def test_a_long_episode_keeps_no_arrays_of_all_pairs_of_steps():
    for T, kind in ((memory.SHORT, memory.Dense), (memory.SHORT + 1, memory.Sparse)):
        h = onp.zeros((1, T, 1, 2))
        assert isinstance(memory.memory(T, h, 1, "paper", Buffers()), kind)


@given(st.integers(0, 2**32 - 1), st.integers(1, 24), st.integers(1, 6))
def test_the_largest_are_those_of_a_stable_sort(seed, M, K):
    s = onp.random.default_rng(seed).integers(0, 4, (2, 3, M)) * 1.0  # many are equal
    K, kept = min(K, M), s.copy()
    best, top = memory.largest(s, K)
    order = onp.argsort(-s, axis=-1, kind="stable")[..., :K]
    assert onp.array_equal(best.transpose(1, 2, 0), order)
    assert onp.array_equal(top.transpose(1, 2, 0), onp.take_along_axis(s, order, axis=-1))
    assert onp.array_equal(s, kept)


def check_seeds_are_independent(case, dtype, tie=False):
    """A seed in a batch, alone, and with old numbers in the buffers: the same bits."""
    phi, data = model_problem(case, dtype)
    _, theta, inferred = random_replay(case, case.rng)
    theta, inferred = cast(theta, dtype), of_inferred(inferred, lambda x: x.astype(dtype))
    if tie:
        phi["b.W"][:-1] = 0.0
    buffers = Buffers()
    for _ in range(2):
        together = adjoint_losses(phi, data, case, buffers)
        improved = adjoint_return(phi, theta, inferred, case, buffers)
    for s in range(case.S):
        one = slice(s, s + 1)
        mine, pi = ({n: x[one].copy() for n, x in params.items()} for params in (phi, theta))
        alone = adjoint_losses(mine, [x[:, one].copy() for x in data], case)
        noise = of_inferred(inferred, lambda x: x[one].copy())  # noqa: B023
        improved_alone = adjoint_return(mine, pi, noise, case)
        assert onp.array_equal(onp.stack(together[0])[:, one], onp.stack(alone[0]))
        assert onp.array_equal(improved[0][one], improved_alone[0])
        for many, single in ((together[1], alone[1]), (improved[1], improved_alone[1])):
            assert [n for n in single if not onp.array_equal(many[n][one], single[n])] == []


@HALF
@given(cases(S=st.sampled_from([3, 5]), scale=0.5), st.sampled_from(["f4", "f8"]), st.booleans())
def test_a_seed_alone_and_in_a_batch_has_the_same_bits(case, dtype, tie):
    check_seeds_are_independent(case, dtype, tie)


@pytest.mark.parametrize("dtype", [onp.float32, onp.float64])
@pytest.mark.parametrize(("S", "B"), [(3, 37), (7, 128)])
@pytest.mark.parametrize("reward_loss", ["square", "hurdle"])
def test_also_with_more_seeds_than_a_block_holds(dtype, S, B, reward_loss):
    check_seeds_are_independent(FULL._replace(S=S, B=B, reward_loss=reward_loss), dtype)


@pytest.mark.parametrize(("S", "B"), [(2, model.ROWS + 1), (model.ROWS // 25 + 1, 25)])
def test_nor_do_blocks_of_one_seed_or_of_as_many_as_episodes_matter(S, B):
    check_seeds_are_independent(Case(S=S, B=B, T=4), onp.float64)


@pytest.mark.parametrize(
    ("lm_svg", "store", "crosses"),
    [(False, "before", True), (False, "after", False), (True, "before", False)],
)
def test_only_the_shortcut_credits_a_state_that_was_cut(lm_svg, store, crosses):
    case = Case(T=8, B=3, H=4, N=3, lm_svg=lm_svg, store=store, seed=4)
    phi, theta, inferred = random_replay(case, case.rng)
    buffers = Buffers()
    adjoint_return(phi, theta, inferred, case, buffers)
    lambda_h = buffers("lambda_h_hat", (case.S, case.T, case.B, case.H), onp.dtype(float))
    assert lambda_h[:, 3].any() == crosses
    assert lambda_h[:, 4].any()


def test_steps_are_counted_from_0_unless_said_otherwise():
    phi, _ = random_model(CASE, CASE.rng)
    o, a, _, r = random_episode(CASE, CASE.rng)
    encoder = {name: x for name, x in CASE.encoder.items() if name != "count_from"}
    args = phi, (o, a, r)
    (_, g), (_, zero), (_, one) = (
        model.model_loss_and_grad(*args, encoder | counted, (1.0, 1.0, 1.0))
        for counted in ({}, {"count_from": 0}, {"count_from": 1})
    )
    assert all(onp.array_equal(g[name], zero[name]) for name in g)
    assert not onp.array_equal(g["b.q.W1"], one["b.q.W1"])


def test_neither_engine_imports_the_other():
    for module in (layers, forms, model, policy):
        source = inspect.getsource(module)
        assert "autograd" not in source
        imported = [line for line in source.splitlines() if "lvgts_np" in line and "import" in line]
        assert all("lvgts_np.adjoint" in line or "paper.constants" in line for line in imported)


def peak_bytes(T, N):
    """The most memory that the policy gradient holds at once, without buffers from before."""
    case = Case(T=T, B=8, H=8, hidden=16, N=N, k=3, S=2, seed=2)
    phi, theta, inferred = random_replay(case, case.rng)
    tracemalloc.start()
    adjoint_return(phi, theta, inferred, case)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_memory_grows_with_the_states_and_not_with_the_segments():
    assert peak_bytes(T=120, N=4) < 4.2 * peak_bytes(T=30, N=4)
    one, many = peak_bytes(T=120, N=120), peak_bytes(T=120, N=1)
    assert abs(many - one) < 0.01 * one


CASE = Case(T=8, B=3, H=4, N=3, encoder_N=3, k=3, seed=2)

LATENT = partial(check_policy, transition="latent", scale=0.5)
LATENT_LOSS = partial(check_model, transition="latent", scale=0.5)
RELU = partial(check_model, reward_units="relu")
WEIGHTED = partial(check_model, reward_loss="weighted")
HURDLE = partial(check_model, reward_loss="hurdle")
PAYING = partial(check_policy, reward_loss="hurdle")
DENSE, SPARSE = (partial(check_kind, kind) for kind in KINDS)

# function, what it says, what the bug makes of it, the check that must fail
# fmt: off
BUGS = [
    (memory.Dense.of_reads, "self.w[t + 1 :, t]", "0.0 * self.w[t + 1 :, t]", DENSE),
    (memory.Dense.of_reads, "x += np.einsum(", "np.einsum(", DENSE),
    (memory.Dense.read_adjoint, "lambda_s -= self.at[t] * lambda_s.sum(axis=0)", "pass", DENSE),
    (memory.Dense.read_adjoint, "lambda_s *= w > 0.0", "pass", DENSE),
    (memory.Dense.read_adjoint, "lambda_s -= np.einsum", "lambda_s += np.einsum", DENSE),
    (memory.Dense.read_adjoint, "lambda_s /= self.total[t]", "pass", DENSE),
    (memory.Dense.read, "t - 1 - rank, axis=0)[t - 1 - rank]", "rank, axis=0)[rank]", DENSE),
    (memory.Dense.read, "order[rank]", "order[-1]", DENSE),
    (memory.Dense.read, "tied / tied.sum(axis=0)", "tied", partial(check_reads, KINDS[0])),
    (memory.Dense.read, "total[none] = tied / tied.sum(axis=0), np.inf",
     "total[none] = tied / tied.sum(axis=0), 1.0", partial(check_reads, KINDS[0])),
    (memory.Dense.put, "transpose(2, 0, 1)", "transpose(2, 0, 1)[::-1]", DENSE),
    (memory.Sparse.read_adjoint, "lambda_i += w[..., None] * lambda_h_m", "pass", SPARSE),
    (memory.Sparse.read_adjoint, "lambda_s[rank] -= lambda_s.sum(axis=0)", "pass", SPARSE),
    (memory.Sparse.read_adjoint, "lambda_s *= w > 0.0", "pass", SPARSE),
    (memory.Sparse.read_adjoint, "lambda_w - (w", "lambda_w + (w", SPARSE),
    (memory.Sparse.read_adjoint, "add_at(self.lambda_h, at, lambda_i)", "pass", SPARSE),
    (memory.Sparse.read_adjoint, "self.lambda_h[:, :t] += np", "self.lambda_h[:, :t] -= np",
     partial(check_reads, KINDS[1])),
    (memory.threshold_rank, "M <= k else k - 1", "M <= k else k", partial(check_model, rule="sab")),
    (memory.excesses, "threshold, MARGIN", "threshold, -MARGIN", check_model),
    (memory.largest, "range(K)", "reversed(range(K))", SPARSE),
    (layers.add_at, "x += buffer", "x = 0.0 * x + buffer", SPARSE),
    (layers.flat_indices, "[:, None] + i", "[:, None] + 0 * i", check_policy),
    (layers.parts, "first + size, T", "first + size, T - 1", check_parts),
    (layers.summed, "first[name] += x", "first[name] = x", check_parts),
    (encoder.hidden_again, "hidden_layer(nets[name]", "(nets[name]", check_model),
    (layers.mlp_adjoint, "hidden > 0.0", "hidden >= 0.0", check_model),
    (layers.mlp_gradient, "x[..., -1:].mT, lambda_y", "x[..., -1:].mT, lambda_y * (1 + 1e-6)",
     check_model),
    (encoder.encode_adjoint, "(t + count_from) %", "(t + 1) %", check_model),
    (encoder.encode_adjoint, "(t + count_from) % N != 0", "True", check_model),
    (encoder.encode_adjoint, "(t + count_from)", "t", partial(check_model, count_from=1)),
    (layers.latent_adjoint, "np.subtract(1.0, lambda_z", "np.add(1.0, lambda_z", check_model),
    (layers.latent_adjoint, "lambda_x[..., :H] += lambda_z", "pass", check_policy),
    (layers.latent, "h += rho", "pass", partial(check_policy, lm_svg=True)),
    (encoder.encode_adjoint, "* H**-0.5", "", check_model),
    (model.block_gradient, "lambda_h_t += np.matmul", "np.matmul", check_model),
    (model.fit, "error *= alpha", "error *= -alpha", check_model),
    (policy.replay_adjoint, "add_at(lambda_h, at,", "(None,", check_policy),
    (memory.sparse, ".max(initial=0)", ".min(initial=9)", partial(check_policy, tie=True)),
    (policy.replay_adjoint, "t + rollout.count_from", "t + 1", check_policy),
    (policy.replay_adjoint, "t + rollout.count_from", "t", partial(check_policy, count_from=1)),
    (policy.replay_adjoint, "w[..., None] * lambda_h_m", "w[..., None] ** 2 * lambda_h_m",
     check_policy),
    (policy.replay_adjoint, "lambda_x_r[:, t] += lambda_h_a", "pass", check_policy),
    (policy.return_and_grad, "dr *= discount[:, None, None]", "pass",
     partial(check_policy, gamma=0.5)),
    (policy.return_and_grad, "gamma ** np.arange(T,", "gamma ** np.arange(1, T + 1,",
     partial(check_policy, gamma=0.5)),
    (policy.return_and_grad, "np.repeat", "np.tile", partial(check_policy, gamma=0.5)),
    (policy.credit, "cotangent[:, None, None]", "cotangent[::-1, None, None]", check_credit),
    (layers.mlp_adjoint, "slope if net", "1.0 if net", check_credit),
    (forms.query_step, "H:] > MIN_NOISE_SCALE", "H:] < MIN_NOISE_SCALE", check_policy),
    (forms.query_step_adjoint, "trace.dq[:, t]", "1.0", check_policy),
    (forms.latent_step, "h_tp1 += inferred.xi[t]", "h_tp1 -= inferred.xi[t]", LATENT),
    (forms.latent_step, "x[..., :H], x[..., -A - 1 : -1] =", "x[..., :H], _ =", LATENT),
    (forms.latent_step_adjoint, "lambda_x[..., H:-A]", "0.0 * lambda_x[..., H:-A]", LATENT),
    (forms.latent_step_adjoint, "lambda_x[..., -A:]", "lambda_x[..., :A]", LATENT),
    (forms.latent_step_adjoint, "trace.v_f[:, t], lambda_z", "trace.v_f[:, t], lambda_h", LATENT),
    (model.fit, "1.0 - np.square", "1.0 + np.square", LATENT_LOSS),
    (model.fit, "if tanh:", "if False:", LATENT_LOSS),
    (model.block_gradient, "x[1:1] = [h_m]", "x[1:1] = [0.0 * h_m]", LATENT_LOSS),
    (model.block_gradient, "flatten_time(trace.h[:, after]) if latents else q", "q", LATENT_LOSS),
    (model.block_gradient, "steps.start + 1, min", "steps.start, min", check_model),
    (policy.replay, "out=x[..., H : 2 * H]", "out=0.0 * x[..., H : 2 * H]", LATENT),
    (model.fit, "mae -= size", "mae += size", check_model),
    (model.fit, "error *= root\n    flat", "error /= root\n    flat", WEIGHTED),
    (model.detached, "/ s).reshape", "* s).reshape", WEIGHTED),
    (model.block_gradient, "buffers, B=B", "buffers", WEIGHTED),
    (model.fit, "p -= pays", "p += pays", HURDLE),
    (model.detached, "(of_y, pays, ", "(of_y, np.ones_like(pays), ", HURDLE),
    (model.detached, ".reshape(error.shape) * pays", ".reshape(error.shape)", HURDLE),
    (model.detached, "(error * pays if", "(error if", HURDLE),
    (model.paying_steps, "W2.shape[-1] < 3", "W2.shape[-1] < 4", HURDLE),
    (model.paying_steps, "W2.shape[-1] < 3", "W2.shape[-1] < 2", WEIGHTED),
    (model.paying_steps, "W2.shape[-1] < 3", "W2.shape[-1] < 1", check_model),
    (model.paying_steps, "np.maximum(paying, r.shape[2])", "paying", check_unpaid),
    (model.paying_steps, "r.shape[2])", "1)", check_unpaid),
    (policy.mean_of, "else slice(1)", "else slice(-1, None)",
     partial(check_policy, reward_loss="weighted")),
    (policy.mean_and_slopes, "p, y * inside", "p, inside", PAYING),
    (policy.mean_and_slopes, "(p, y *", "(p * p, y *", PAYING),
    (policy.mean_and_slopes, "(p > 0.0) &", "(p < 9.0) &", check_slopes),
    (layers.hidden_layer, "0.0, 1.0", "0.0, 2.0", check_model),
    (layers.networks, 'reward_units == "huberized"', "True", RELU),
    (model.block_gradient, ", reward_units=reward_units", "", RELU),
    (policy.imagine, ", reward_units=rollout.reward_units", "",
     partial(check_policy, reward_units="relu")),
    (policy.replay, "1.0 - tanh * tanh", "1.0 - tanh", check_policy),
]
# fmt: on


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: f"{bug[0].__name__}: {bug[2]}")
def test_the_bug_is_caught(monkeypatch, bug):
    function, old, new, check = bug
    passes_unplanted(check, CASE)
    plant(monkeypatch, function, old, new)
    with onp.errstate(all="ignore"), pytest.raises(AssertionError):
        check(CASE)
