"""The kinds of faults, by name: the rows of the table in docs/reliability.md."""

from functools import partial

from faults import damage, hostile, inputs, kills, limits, nonfinite, streams, surroundings
from faults.harness import Kind, references

ONE, TWO = partial(references, "train"), partial(references, "train", "pendulum")
DRAWN = partial(references, "train", pictures=True)
STUDIES = partial(references, "train", "figure2", "lags")
KINDS = {
    "writes": Kind("kills before and after writes", 6, 600, kills.at_a_write, kills.prepare),
    "moments": Kind("kills at random moments", 0, 80, kills.at_a_moment, STUDIES),
    "commands": Kind("odd command lines", 150, 7_000, inputs.command_line),
    "configs": Kind("odd config files", 100, 4_000, inputs.config_file),
    "python": Kind("odd arguments from Python", 100, 3_000, inputs.from_python),
    "small": Kind("random small runs", 4, 400, inputs.small_run),
    "damage": Kind("damaged files of a run", 10, 1_600, damage.read_back, damage.prepare),
    "study": Kind("damaged files of a study", 0, 100, damage.in_a_study, STUDIES),
    "hostile": Kind("hostile files", 10, 192, hostile.trial, damage.prepare),
    "limits": Kind("small machines and failing disks", 6, 250, limits.any_of, kills.prepare),
    "disks": Kind("disks of some kilobytes", 0, 30, limits.small_disk, ONE),
    "big": Kind("random sizes under a limit of memory", 2, 150, limits.big),
    "streams": Kind("closed, full and dying streams", 0, 63, streams.any_of, DRAWN),
    "surroundings": Kind("a user's surroundings", 0, 83, surroundings.trial, DRAWN),
    "nonfinite": Kind("numbers that are not finite", 6, 200, nonfinite.trial, TWO),
}
