"""Environments: memory tasks, the pendulum that distracts, and what can be earned. [§4.1, §4.2]"""


class BoundsError(ArithmeticError):
    """Bounds of a task that cannot be right, one line."""
