"""Mutants that no test can catch: file, pieces of their changed lines, and the reason."""

EQUIVALENT = ()
