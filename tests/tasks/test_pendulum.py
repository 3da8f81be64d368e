"""The pendulum against Gym's published equations, written out for one pendulum at a time."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvgts_np.tasks.pendulum import VERSIONS, Pendulum

seeds = st.integers(0, 2**32 - 1)


def gym_step(th, thdot, u, version):
    """One step of Pendulum-v0 or -v1, after Gym's source: angle, speed, reward."""
    u = max(-2.0, min(2.0, u))
    wrapped = ((th + math.pi) % (2 * math.pi)) - math.pi
    reward = -(wrapped**2 + 0.1 * thdot**2 + 0.001 * u**2)
    if version == "v0":
        newthdot = thdot + (-3 * 10.0 / (2 * 1.0) * math.sin(th + math.pi) + 3.0 * u) * 0.05
        newth = th + newthdot * 0.05
        newthdot = max(-8.0, min(8.0, newthdot))
    else:
        newthdot = thdot + (3 * 10.0 / (2 * 1.0) * math.sin(th) + 3.0 * u) * 0.05
        newthdot = max(-8.0, min(8.0, newthdot))
        newth = th + newthdot * 0.05
    return newth, newthdot, reward


@pytest.mark.parametrize("version", VERSIONS)
def test_200_steps_follow_the_published_equations(version):
    rng = np.random.default_rng(0)
    state, clipped = Pendulum().draw(rng, 5)["pendulum"], 0
    for _ in range(200):
        # Torques with the speed pump it up: it goes round, and the speed is clipped.
        torque = 3.0 * np.sign(state[:, 1]) * rng.uniform(size=5)
        next_state, reward = Pendulum(version).step(state, torque[..., None])
        for b in range(5):
            angle, speed, r = gym_step(*state[b], torque[b], version)
            np.testing.assert_allclose(next_state[b], [angle, speed], rtol=1e-13, atol=1e-12)
            assert reward[b] == pytest.approx(r, rel=1e-12, abs=1e-12)
        clipped += np.sum(np.abs(next_state[:, 1]) == 8.0)
        state = next_state
    assert clipped > 10
    assert np.all(np.abs(state[:, 0]) > 2 * np.pi)  # so the reward's angle was wrapped


@given(seeds, st.sampled_from(VERSIONS), st.sampled_from([(), (4,), (2, 3)]))
def test_any_leading_axes(seed, version, lead):
    rng = np.random.default_rng(seed)
    state = rng.uniform(-10, 10, size=(*lead, 2))
    torque = rng.uniform(-4, 4, size=lead)
    next_state, reward = Pendulum(version).step(state, torque[..., None])
    assert next_state.shape == (*lead, 2)
    assert reward.shape == lead
    for i in np.ndindex(*lead):
        angle, speed, r = gym_step(*state[i], torque[i], version)
        np.testing.assert_allclose(next_state[i], [angle, speed], rtol=1e-12, atol=1e-12)
        assert reward[i] == pytest.approx(r, rel=1e-12, abs=1e-12)


@given(seeds)
def test_versions_part_at_the_first_clipped_speed(seed):
    rng = np.random.default_rng(seed)
    v0 = v1 = Pendulum().draw(rng, 1)["pendulum"]
    for _ in range(300):
        torque = 2.0 * np.sign(v0[:, 1])
        v0, v1 = (Pendulum(v).step(x, torque[..., None])[0] for v, x in (("v0", v0), ("v1", v1)))
        if np.abs(v0[0, 1]) == 8.0:
            break
        np.testing.assert_allclose(v0, v1, atol=1e-12)
    assert np.abs(v0[0, 1]) == 8.0
    assert (v0 - v1)[0, 0] * v0[0, 1] > 0  # v0 moved further, at the unclipped speed


def test_named_states():
    upright, hanging = np.array([0.0, 0.0]), np.array([np.pi, 0.0])
    state, reward = Pendulum().step(upright, np.zeros(1))
    assert state.tolist() == [0.0, 0.0]
    assert reward == 0.0
    assert Pendulum().step(hanging, np.array([5.0]))[1] == pytest.approx(-(np.pi**2) - 0.004)
    assert Pendulum().observe(np.array([np.pi / 2, -4.0])) == pytest.approx([0.0, 1.0, -0.5])
    tipped = Pendulum().step(np.array([0.1, 0.0]), np.zeros(1))[0]
    assert tipped[1] > 0  # it falls away from upright


def test_initial_states():
    state = Pendulum().draw(np.random.default_rng(0), 100_000)["pendulum"]
    assert state.shape == (100_000, 2)
    for column, half_width in zip(state.T, (np.pi, 1.0), strict=True):
        assert np.abs(column).max() == pytest.approx(half_width, rel=1e-3)
        assert np.abs(column).max() <= half_width
        assert column.mean() == pytest.approx(0.0, abs=0.01 * half_width)
        assert column.std() == pytest.approx(half_width / np.sqrt(3), rel=0.01)


def test_an_unknown_version_is_named():
    with pytest.raises(ValueError, match="unknown pendulum version 'v2'"):
        Pendulum("v2")
