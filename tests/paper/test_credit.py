"""Credit of actions: exact zeros, the shortcut, and the numbers themselves."""

from unittest.mock import patch

import autograd.numpy as np
import naive
import numpy as onp
import pytest
from draws import A_MAX, Case, cases, random_episode, random_model, random_replay
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import assert_gradient

from lvgts_np.check.strategies import seeds
from lvgts_np.paper import attention, credit, imagine
from lvgts_np.paper.autodiff import detach
from lvgts_np.paper.constants import STORES

T1, T2, T, N = 3, 10, 15, 4
FEW = settings(max_examples=max(10, settings.default.max_examples // 3))
long_cases = {"T": st.just(T), "N": st.just(N), "B": st.integers(1, 2), "hidden": st.just(5)}


def looking_at(inferred, slot):
    """`inferred` with attention on `slot` from the first step that can, on step 0 before."""
    w = []
    for t, w_t in enumerate(inferred.w):
        w_t = onp.zeros_like(w_t)
        if t > 0:
            w_t[..., slot if t > slot else 0] = 1.0
        w.append(w_t)
    return inferred._replace(w=w)


def recall_to_remember(phi, theta, inferred, rollout):
    """C[j, i] of the recall rewards j > t2 and the remember actions i < t1."""
    cotangents = onp.eye(T)[T2 + 1 :]
    return credit.credit(phi, theta, inferred, A_MAX, rollout, cotangents)[:, :T1]


def check_myopic(case):
    phi, theta = random_model(case, case.rng)
    o, a, u, _ = random_episode(case, case.rng)
    inferred = imagine.infer(phi, theta, o, a, u, case.encoder, *case.f)
    assert onp.all(recall_to_remember(phi, theta, inferred, case.rollout) == 0.0)
    back = looking_at(inferred, 1)
    assert onp.all(recall_to_remember(phi, theta, back, case.rollout) == 0.0)


@given(cases(**long_cases, lm_svg=st.just(True)))
def test_lm_svg_has_no_credit_from_recall_rewards_to_remember_actions(case):
    check_myopic(case)


@given(cases(**long_cases, lm_svg=st.just(False)))
def test_nor_can_lvgts_with_its_memory_read_detached(case):
    with patch.object(imagine, "read", lambda w, memory: detach(attention.read(w, memory))):
        check_myopic(case)


def check_shortcut(seed, store):
    case = Case(T=T, N=N, H=4, B=3, store=store, seed=seed)
    phi, theta, inferred = random_replay(case, case.rng)
    for slot in (1, 3):  # made by actions 0 and 2
        C = recall_to_remember(phi, theta, looking_at(inferred, slot), case.rollout)
        assert onp.any(C[:, slot - 1] != 0.0)
        assert onp.all(C[:, slot:] == 0.0)


@pytest.mark.parametrize("store", STORES)
@FEW
@given(seed=seeds)
def test_lvgts_can_where_its_attention_looks_back(seed, store):
    check_shortcut(seed, store)


def check_boundary_slot(seed, slot, store, count_from=0):
    """Credit that only the shortcut to a state on a boundary can carry."""
    case = Case(T=T, N=N, H=4, B=3, store=store, count_from=count_from, seed=seed)
    phi, theta, inferred = random_replay(case, case.rng)
    back = looking_at(inferred, slot)
    cotangents = onp.eye(T)[slot + 1 :]
    C = credit.credit(phi, theta, back, A_MAX, case.rollout, cotangents)[:, max(slot - N, 0) : slot]
    assert onp.any(C != 0.0) == (store == "before")


@pytest.mark.parametrize("slot", [4, 8, 12])
@pytest.mark.parametrize("store", STORES)
@FEW
@given(seed=seeds)
def test_a_boundary_slot_carries_credit_only_if_stored_before_the_detach(seed, slot, store):
    check_boundary_slot(seed, slot, store)
    check_boundary_slot(seed, slot - 1, store, count_from=1)  # Algorithm 1's own count


@given(cases())
def test_no_reward_credits_a_later_action(case):
    phi, theta, inferred = random_replay(case, case.rng)
    C = credit.credit_matrix(phi, theta, inferred, A_MAX, case.rollout)
    for j in range(case.T):
        assert onp.all(C[j, j + 1 :] == 0.0)


@given(cases(lm_svg=st.just(True)))
def test_lm_svg_has_credit_only_inside_the_block(case):
    phi, theta, inferred = random_replay(case, case.rng)
    C = credit.credit_matrix(phi, theta, inferred, A_MAX, case.rollout)
    for j, i in onp.ndindex(case.T, case.T):
        if (j + case.count_from) // case.N != (i + case.count_from) // case.N:
            assert onp.all(C[j, i] == 0.0)


def check_credit(case):
    """Every entry of one column against the scalar program, truncated by its own stops."""
    rng = case.rng
    phi, theta, inferred = random_replay(case, rng)
    C = credit.credit_matrix(phi, theta, inferred, A_MAX, case.rollout)
    i, dim = rng.integers(case.T), rng.integers(case.A)
    size = onp.max(onp.abs(C))
    for s, b in onp.ndindex(case.S, case.B):
        p, pi = naive.seed_of(phi, s), naive.seed_of(theta, s)
        *noise, eta = ([x_t[s, b].tolist() for x_t in x] for x in inferred[1:])

        def act_at(h, t, pi=pi, eta=eta):
            a_t = naive.act(pi, h, eta[t], A_MAX)[0]
            return [x + 1e-20j * (t == i and n == dim) for n, x in enumerate(a_t)]

        h_0 = inferred.h_0[s, b].tolist()
        r_hat, _, _ = naive.replay(p, act_at, h_0, noise, **case.rollout)
        slopes = onp.imag(r_hat) / 1e-20
        onp.testing.assert_allclose(C[:, i, s, b, dim], slopes, rtol=1e-9, atol=1e-11 * size)


@given(cases(scale=st.sampled_from([0.25, 0.5, 1.0])))
def test_the_credit_matrix_is_the_derivative_of_algorithm_1_in_scalars(case):
    check_credit(case)


def check_credit_differences(case):
    """The credit matrix as the gradient of all rewards with respect to a nudge of the actions."""
    rng = case.rng
    phi, theta, inferred = random_replay(case, rng)
    C = credit.credit_matrix(phi, theta, inferred, A_MAX, case.rollout)
    pi = imagine.policy_replay(theta, inferred, A_MAX)

    def rewards(x):
        r_hat, _, _ = imagine.replay(
            phi, lambda h, t: pi(h, t) + x["nudge"][t], inferred, **case.rollout
        )
        return np.stack(r_hat)[..., 0]  # (T, S, B)

    x = {"nudge": onp.zeros((case.T, case.S, case.B, case.A))}
    gradient = lambda x, c: {"nudge": onp.einsum("jsb,jisba->isba", c, C)}  # noqa: E731
    assert_gradient(rewards, x, rng, gradient, cut=True, name="credit [Fig. 1]")


@given(cases(scale=st.sampled_from([0.25, 0.5, 1.0])))
def test_the_credit_against_complex_step_and_differences(case):
    check_credit_differences(case)


def test_phase_cotangents_sum_the_matrix_over_the_rewards_of_each_phase():
    case = Case(T=8, N=8)
    phi, theta, inferred = random_replay(case, case.rng)
    C = credit.credit_matrix(phi, theta, inferred, A_MAX, case.rollout)
    cotangents = credit.phase_cotangents(case.T, [5, 6, 7])
    early, late = credit.credit(phi, theta, inferred, A_MAX, case.rollout, cotangents)
    onp.testing.assert_allclose(early, C[:5].sum(axis=0), atol=1e-12)
    onp.testing.assert_allclose(late, C[5:].sum(axis=0), atol=1e-12)
