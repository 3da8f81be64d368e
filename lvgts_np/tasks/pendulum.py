"""Distractor: a pendulum to be swung up, after OpenAI Gym's Pendulum. [§4.1]

A state is (angle, speed), in rad from upright and rad/s; the torque is in N m. Written for arrays
(..., 2) with any leading axes.
"""

import autograd.numpy as np

VERSIONS = ("v0", "v1")
GRAVITY, MASS, LENGTH, DT = 10.0, 1.0, 1.0, 0.05
MAX_SPEED, MAX_TORQUE = 8.0, 2.0


def draw_state(rng, B):
    """Initial states (B, 2): angle ~ U(-π, π), speed ~ U(-1, 1). [§4.1]"""
    return rng.uniform([-np.pi, -1.0], [np.pi, 1.0], size=(B, 2))


def step(state, torque, version):
    """Next state after dt = 0.05 s, and the reward of the state before it. [§4.1]

    ω' = ω + dt (3g/2l sin θ + 3/(ml²) u),   θ' = θ + dt ω',   u = clip(torque, ±2)

    state (..., 2), torque (...) -> next state (..., 2), reward (...). ValueError if the shapes do
    not fit or the version is neither "v0" nor "v1".
    """
    _check_state(state)
    if np.shape(torque) != np.shape(state)[:-1]:
        raise ValueError(
            f"torque has shape {np.shape(torque)}, state {np.shape(state)}: "
            "expected one torque per state"
        )
    if version not in VERSIONS:
        raise ValueError(f"unknown pendulum version {version!r}: expected one of {VERSIONS}")
    angle, speed = state[..., 0], state[..., 1]
    u = np.clip(torque, -MAX_TORQUE, MAX_TORQUE)  # the actions reach further, to +-a_max (T7)
    # Gym's v0 writes -sin(angle + pi), which is the same up to rounding.
    gravity = 3.0 * GRAVITY / (2.0 * LENGTH) * np.sin(angle)
    new_speed = speed + DT * (gravity + 3.0 / (MASS * LENGTH**2) * u)
    clipped = np.clip(new_speed, -MAX_SPEED, MAX_SPEED)
    # v0, the paper's, moves the angle with the unclipped speed; v1 clips first (T7)
    new_angle = angle + DT * (new_speed if version == "v0" else clipped)
    return np.stack([new_angle, clipped], axis=-1), _reward(angle, speed, u)


def observe(state):
    """Observation of the pendulum. [§4.1]

    (cos θ, sin θ, ω/8)

    state (..., 2) -> (..., 3), each within [-1, 1].
    """
    _check_state(state)
    angle, speed = state[..., 0], state[..., 1]
    # DEVIATION: Gym shows the speed as it is; we divide it by 8, a range fit for networks. (T7)
    return np.stack([np.cos(angle), np.sin(angle), speed / MAX_SPEED], axis=-1)


def _reward(angle, speed, u):
    """Reward: the cost of angle, speed and torque, negated. [§4.1]

    r = -(θ² + 0.1 ω² + 0.001 u²),   θ taken into [-π, π)
    """
    angle = (angle + np.pi) % (2.0 * np.pi) - np.pi
    return -(angle**2 + 0.1 * speed**2 + 0.001 * u**2)


def _check_state(state):
    if np.ndim(state) < 1 or np.shape(state)[-1] != 2:
        raise ValueError(f"state has shape {np.shape(state)}: expected (..., 2), (angle, speed)")
