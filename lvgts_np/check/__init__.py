"""Gradient checks for any function, and those of the paper's equations."""

from lvgts_np.check.gradient import GradientCheck, check_gradient

__all__ = ["GradientCheck", "check_gradient"]
