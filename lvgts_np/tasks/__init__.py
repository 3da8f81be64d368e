"""Environments: memory tasks, the pendulum that distracts, and what can be earned. [§4.1, §4.2]"""
