"""Studies of many runs: Figure 2 and the lag sweep, their statistics, claims and report."""
