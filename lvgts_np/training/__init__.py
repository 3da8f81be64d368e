"""Algorithm 1's outer loop: config, agent, replay buffer, optimiser, trainer, checkpoint.

Read `trainer` first.
"""
