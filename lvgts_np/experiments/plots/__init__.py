"""Pictures: of a run directory, of the studies, and of the paths that credit takes.

Each is drawn from arrays by a function plot_..., and from the CSV of its name when a run ends.
"""
