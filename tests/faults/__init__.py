"""Faults done to runs: kills, odd input, damaged and hostile files, small machines, bad numbers.

`python tests/faults/run.py` does them and prints how many it tried and how many failed. A kind of
fault is a function trial(draw, number, place): draw is a random.Random of this seed, kind and
number, place an empty folder. It raises Fault where the package answers wrongly, and returns
whether the fault came to anything: a kill may come too late.

A trial runs the command line in a child of this process, so that it starts in milliseconds, or as
a program of its own where its start matters.
"""
