"""Distractor: a pendulum to be swung up, after OpenAI Gym's Pendulum. [§4.1]"""

from dataclasses import dataclass

import autograd.numpy as np

VERSIONS = ("v0", "v1")
GRAVITY, MASS, LENGTH, DT = 10.0, 1.0, 1.0, 0.05
MAX_SPEED, MAX_TORQUE = 8.0, 2.0


@dataclass(frozen=True)
class Pendulum:
    """Distractor of the pendulum_ tasks, see `protocol.Distractor`. [§4.1]

    A state (..., 2) is (angle, speed), in rad from upright and rad/s; an action is the torque, in
    N m. Any leading axes.
    """

    version: str = "v0"  # or "v1" (T7)

    def __post_init__(self):
        if self.version not in VERSIONS:
            raise ValueError(f"unknown pendulum version {self.version!r}: must be of {VERSIONS}")

    def channels(self):
        return {"pendulum": ["cos", "sin", "speed / 8"]}

    def draw(self, rng, B):
        """Initial states (B, 2): angle ~ U(-π, π), speed ~ U(-1, 1). [§4.1]"""
        return {"pendulum": rng.uniform([-np.pi, -1.0], [np.pi, 1.0], size=(B, 2))}

    def reset(self, noise):
        state, shape = noise.get("pendulum"), (*np.shape(noise["o_m"]), 2)
        if np.shape(state) != shape:
            raise ValueError(f"noise 'pendulum' has shape {np.shape(state)}, expected {shape}")
        return state

    def observe(self, state):
        """Observation of the pendulum, each within [-1, 1]. [§4.1]   (cos θ, sin θ, ω/8)"""
        angle, speed = state[..., 0], state[..., 1]
        # DEVIATION: Gym shows the speed as it is; we divide it by 8, a range fit for networks. (T7)
        return np.stack([np.cos(angle), np.sin(angle), speed / MAX_SPEED], axis=-1)

    def step(self, state, a_t):
        """Next state after dt = 0.05 s, and the reward of the state before it. [§4.1]

        ω' = ω + dt (3g/2l sin θ + 3/(ml²) u),   θ' = θ + dt ω',   u = clip(torque, ±2)
        r = -(θ² + 0.1 ω² + 0.001 u²),   θ taken into [-π, π)
        """
        angle, speed = state[..., 0], state[..., 1]
        u = np.clip(a_t[..., 0], -MAX_TORQUE, MAX_TORQUE)  # actions reach further, to +-a_max (T7)
        # Gym's v0 writes -sin(angle + pi), which is the same up to rounding.
        gravity = 3.0 * GRAVITY / (2.0 * LENGTH) * np.sin(angle)
        new_speed = speed + DT * (gravity + 3.0 / (MASS * LENGTH**2) * u)
        clipped = np.clip(new_speed, -MAX_SPEED, MAX_SPEED)
        # v0, the paper's, moves the angle with the unclipped speed; v1 clips first (T7)
        new_angle = angle + DT * (new_speed if self.version == "v0" else clipped)
        angle = (angle + np.pi) % (2.0 * np.pi) - np.pi
        reward = -(angle**2 + 0.1 * speed**2 + 0.001 * u**2)
        return np.stack([new_angle, clipped], axis=-1), reward
