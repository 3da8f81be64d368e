"""Runs on disk, statistics, pictures and studies; nothing of the mathematics.

`runs` trains batches of seeds, `figure2` and `lags` are the studies.
"""
