"""Metrics of a run are what plain loops over episodes give."""

import numpy as np
import pytest

from lvgts_np.training.metrics import attention_map, attention_share, credit_rms

S, B, T, T1, T2 = 2, 3, 6, 2, 3
RECALL = range(T2 + 1, T)


@pytest.fixture
def w():
    """Attention w_t (S, B, t) that sums to 1 over the past."""
    rng = np.random.default_rng(0)
    w = [rng.random((S, B, t)) for t in range(T)]
    return [x / x.sum(axis=-1, keepdims=True) for x in w]


def test_the_attention_map_is_the_mean_over_episodes(w):
    A = attention_map(w)
    assert A.shape == (S, T, T)
    for s, t, i in np.ndindex(A.shape):
        expected = sum(w[t][s, b, i] for b in range(B)) / B if i < t else 0.0
        assert A[s, t, i] == pytest.approx(expected, abs=1e-15)


def test_the_attention_share_is_the_recall_steps_weight_on_remember_steps(w):
    for s, share in enumerate(attention_share(w, range(T1), RECALL)):
        on = sum(w[t][s, b, i] for t in RECALL for b in range(B) for i in range(T1))
        assert share == pytest.approx(on / (len(RECALL) * B))


def test_the_credit_of_the_remember_actions_is_a_root_mean_square():
    C = np.random.default_rng(1).standard_normal((2, T, S, B, 1))
    rms = credit_rms(C, range(T1))
    for (p, s), value in np.ndenumerate(rms):
        squares = [C[p, i, s, b, 0] ** 2 for i in range(T1) for b in range(B)]
        assert value == pytest.approx(np.sqrt(sum(squares) / len(squares)))
