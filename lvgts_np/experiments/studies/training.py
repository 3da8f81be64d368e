"""Training of a study: its conditions in one pool, checked before and summarised after."""

from lvgts_np.experiments import runs
from lvgts_np.experiments.run_data import Seed
from lvgts_np.experiments.run_directory import check_writable
from lvgts_np.experiments.studies.summary import summary_table


def train_study(conditions, directories, seeds, report, **modes):
    """Train {condition: Config}, the longest episodes first; a Summary each, in their order.

    directories are theirs, and `report` is the study's, in which it can be written later.
    """
    check_writable(report)
    first = sorted(conditions, key=lambda condition: -conditions[condition].T)
    configs = {directories[condition]: conditions[condition] for condition in first}
    found = dict(zip(first, runs.train(configs, seeds, pictures=False, **modes), strict=True))
    seeds = [[Seed(run["seed"], {}, run, {}) for run in found[c]] for c in conditions]
    return summary_table(dict(zip(conditions, seeds, strict=True)))
