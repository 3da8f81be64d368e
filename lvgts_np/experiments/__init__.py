"""Runs on disk, statistics, pictures and studies; nothing of the mathematics.

`runs` trains batches of seeds; `plots` draws them; `studies` are Figure 2 and the lag sweep.
"""
