"""Algorithm 2: top-k weights, scores and the memory read, by truth and by gradient."""

import autograd.numpy as np
import naive
import numpy as onp
import pytest
from draws import cases
from hypothesis import given
from hypothesis import strategies as st
from oracles import assert_gradient

from lvgts_np.check.strategies import numbers, seeds
from lvgts_np.paper import attention
from lvgts_np.paper.autodiff import value_and_grad
from lvgts_np.paper.constants import TOPK_RULES

rules = st.sampled_from(TOPK_RULES)
sizes = {"M": st.integers(1, 7), "k": st.integers(1, 8), "rule": rules}


def draw_scores(rng, M, scale, ties, batch=3):
    """Scores (batch, M): all distinct, or on a grid coarse enough to tie."""
    return numbers(rng, (batch, M), scale, ties)


def survivors(M, k, rule):
    return M if M <= k else max(k - (rule == "sab"), 1)


def check_topk_values(s, k, rule):
    w = attention.topk_weights(s, k, rule)
    for row, w_row in zip(s, w, strict=True):
        onp.testing.assert_allclose(w_row, naive.topk(row.tolist(), k, rule), rtol=1e-12, atol=0)


@given(**sizes, seed=seeds, scale=st.sampled_from([0.01, 1.0, 100.0]), ties=st.booleans())
def test_topk_weights_are_those_found_by_sorting(M, k, rule, seed, scale, ties):
    rng = onp.random.default_rng(seed)
    check_topk_values(draw_scores(rng, M, scale, ties), k, rule)


def check_topk_gradient(seed, M, k, rule, scale, ties):
    rng = onp.random.default_rng(seed)
    x = {"s": draw_scores(rng, M, scale, ties)}
    assert_gradient(lambda x: attention.topk_weights(x["s"], k, rule), x, rng)


@given(**sizes, seed=seeds, scale=st.sampled_from([0.1, 1.0, 100.0]), ties=st.booleans())
def test_the_gradient_of_topk_weights(M, k, rule, seed, scale, ties):
    check_topk_gradient(seed, M, k, rule, scale, ties)


def check_weights_are_a_distribution(s, k, rule):
    w = attention.topk_weights(s, k, rule)
    assert w.dtype == s.dtype
    assert onp.all(onp.isfinite(w))
    assert onp.all(w >= 0.0)
    close = 4 * s.shape[-1] * onp.finfo(s.dtype).eps
    onp.testing.assert_allclose(onp.sum(w, axis=-1), 1.0, rtol=close)
    return w


def check_number_attended(s, k, rule):
    """Off ties: exactly min(k, M), one fewer for "sab" where something is left out."""
    w = check_weights_are_a_distribution(s, k, rule)
    assert onp.all(onp.sum(w > 0.0, axis=-1) == survivors(s.shape[-1], k, rule))


@given(**sizes, seed=seeds, dtype=st.sampled_from([onp.float32, onp.float64]))
def test_exactly_min_k_M_weights_are_non_zero_off_ties(M, k, rule, seed, dtype):
    rng = onp.random.default_rng(seed)
    for scale in (1e-2, 1.0, 1e5):
        s = (scale * rng.permuted(onp.tile(onp.arange(M) - M / 2, (4, 1)), axis=-1)).astype(dtype)
        check_number_attended(s, k, rule)


@given(
    **sizes,
    s=st.lists(st.integers(-3, 3), min_size=7, max_size=7),
    scale=st.sampled_from([0.0, 1e-30, 1 / 64, 1.0, 1e5 / 3]),
    dtype=st.sampled_from([onp.float32, onp.float64]),
)
def test_weights_are_finite_and_sum_to_one_on_ties_and_for_large_scores(
    M, k, rule, s, scale, dtype
):
    s = (onp.array(s[:M]) * scale).astype(dtype)
    check_weights_are_a_distribution(s, k, rule)
    if scale != 1e-30:  # there the derivative overflows float32
        gradient = value_and_grad(lambda x: attention.topk_weights(x["s"], k, rule)[0])({"s": s})[1]
        assert onp.all(onp.isfinite(gradient["s"]))


@given(tied=st.integers(2, 5), lower=st.integers(0, 3), k=st.integers(1, 4), rule=rules, seed=seeds)
def test_when_the_k_plus_1_largest_tie_the_weight_is_uniform_over_them(tied, lower, k, rule, seed):
    rng = onp.random.default_rng(seed)
    k = min(k, tied - 1)
    s = onp.concatenate([onp.full(tied, 0.7), 0.6 - rng.random(lower)])
    order = rng.permutation(len(s))
    w = attention.topk_weights(s[order], k, rule)
    onp.testing.assert_array_equal(w, onp.where(s == 0.7, 1.0 / tied, 0.0)[order])


def check_one_threshold(s, k):
    """At a tie with the threshold one entry carries its derivative; the others that tie have none.

    Their excess is relu at 0, whose derivative is 0.
    """
    weighting = onp.arange(1.0, len(s) + 1.0)
    f = lambda x: np.sum(weighting * attention.topk_weights(x["s"], k))  # noqa: E731
    gradient = value_and_grad(f)({"s": s})[1]["s"]
    at_threshold = s == onp.sort(s)[::-1][k]
    assert onp.sum(gradient[at_threshold] != 0.0) == 1


@pytest.mark.parametrize("tied", [2, 3, 4])
def test_what_ties_with_the_threshold_gets_no_gradient_but_once(tied):
    check_one_threshold(onp.array([2.0, 3.0] + [1.0] * tied + [0.5]), k=2)


@given(**sizes, seed=seeds, ties=st.booleans())
def test_permuting_the_memory_permutes_the_weights_and_leaves_the_read(M, k, rule, seed, ties):
    rng = onp.random.default_rng(seed)
    order, s = rng.permutation(M), draw_scores(rng, M, 1.0, ties)
    memory = rng.standard_normal((3, M, 4))
    w, w_order = (attention.topk_weights(x, k, rule) for x in (s, s[:, order]))
    onp.testing.assert_allclose(w_order, w[:, order], rtol=1e-14)
    h_m = attention.read(w, memory)
    onp.testing.assert_allclose(attention.read(w_order, memory[:, order]), h_m, atol=1e-14)
    q, W = rng.standard_normal((1, 3, 4)), rng.standard_normal((1, 4, 4))
    s, s_order = (attention.scores(q, W, m[None]) for m in (memory, memory[:, order]))
    onp.testing.assert_allclose(s_order, s[..., order], rtol=0, atol=1e-13)  # BLAS rounds by row


def draw_memory(case):
    rng = case.rng
    S, B, M, H = case.S, case.B, case.T - 1, case.H
    return {
        "q": rng.standard_normal((S, B, H)),
        "W": case.scale * rng.standard_normal((S, H, H)),
        "memory": rng.standard_normal((S, B, M, H)),
        "w": rng.standard_normal((S, B, M)),
    }


def check_scores_and_read(case):
    """Values against double loops."""
    x = draw_memory(case)
    s = attention.scores(x["q"], x["W"], x["memory"])
    h_m = attention.read(x["w"], x["memory"])
    assert s.shape == x["w"].shape
    assert h_m.shape == x["q"].shape
    for e in onp.ndindex(case.S, case.B):
        q, W, memory, w = (v.tolist() for v in (x["q"][e], x["W"][e[0]], x["memory"][e], x["w"][e]))
        expected = [naive.score(q, W, h_i) for h_i in memory]
        onp.testing.assert_allclose(s[e], expected, rtol=1e-12, atol=1e-13)
        onp.testing.assert_allclose(h_m[e], naive.read(w, memory), rtol=1e-12, atol=1e-13)


@given(cases())
def test_scores_and_read_are_the_sums_over_the_memory(case):
    check_scores_and_read(case)


def check_scores_and_read_gradients(case):
    x, rng = draw_memory(case), case.rng
    assert_gradient(lambda x: attention.scores(x["q"], x["W"], x["memory"]), x, rng)
    assert_gradient(lambda x: attention.read(x["w"], x["memory"]), x, rng)


@given(cases())
def test_the_gradients_of_scores_and_read(case):
    check_scores_and_read_gradients(case)


def test_reading_nothing_is_zero_in_the_shape_and_dtype_of_the_read_and_has_no_gradient():
    memory = onp.ones((2, 3, 4, 5), dtype=onp.float32)
    w = onp.ones((2, 3, 4), dtype=onp.float32)
    h_m = attention.read_nothing(w, memory)
    assert h_m.shape == attention.read(w, memory).shape
    assert h_m.dtype == onp.float32
    assert not h_m.any()
    f = lambda x: np.sum(x["w"]) + np.sum(attention.read_nothing(x["w"], x["m"]))  # noqa: E731
    gradient = value_and_grad(f)({"w": w, "m": memory})[1]
    assert not gradient["m"].any()
    assert onp.array_equal(gradient["w"], w)


def test_remembering_appends_and_starts_from_nothing():
    h = [onp.full((2, 3, 4), float(t)) for t in range(3)]
    memory = None
    for h_t in h:
        memory = attention.append(memory, h_t)
    assert onp.array_equal(memory, onp.stack(h, axis=-2))
