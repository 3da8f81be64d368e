"""The kinds of faults, by name: the rows of the table in docs/reliability.md."""

from functools import partial

from faults import damage, inputs, kills
from faults.harness import Kind, references

KINDS = {
    "writes": Kind("kills before and after writes", 6, 600, kills.at_a_write, kills.prepare),
    "moments": Kind(
        "kills at random moments", 0, 80, kills.at_a_moment, partial(references, "figure2", "lags")
    ),
    "commands": Kind("odd command lines", 150, 7_000, inputs.command_line),
    "configs": Kind("odd config files", 100, 4_000, inputs.config_file),
    "python": Kind("odd arguments from Python", 100, 3_000, inputs.from_python),
    "small": Kind("random small runs", 4, 400, inputs.small_run),
    "damage": Kind("damaged files of a run", 12, 1600, damage.read_back, damage.prepare),
    "study": Kind(
        "damaged files of a study",
        0,
        100,
        damage.in_a_study,
        partial(references, "figure2", "lags"),
    ),
}
