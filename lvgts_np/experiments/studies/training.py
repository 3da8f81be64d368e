"""Training and report of a study's conditions, {condition: (directory, Config)}, in one pool."""

from lvgts_np.experiments import runs
from lvgts_np.experiments.run_data import Seed, read_seeds
from lvgts_np.experiments.run_directory import check_writable
from lvgts_np.experiments.studies.summary import summary_table
from lvgts_np.training.streams import note


def train_study(conditions, seeds, directory, **modes):
    """Train all conditions, the longest episodes first; a Summary each, in their order.

    The report can be written to `directory` later; modes are the keyword arguments of `runs.train`.
    Errors as there.
    """
    check_writable(directory)
    first = sorted(conditions, key=lambda condition: -conditions[condition][1].T)
    configs = dict(conditions[condition] for condition in first)
    found = dict(zip(first, runs.train(configs, seeds, pictures=False, **modes), strict=True))
    study = {c: [Seed(run["seed"], {}, run, {}) for run in found[c]] for c in conditions}
    return summary_table(study)


def report_study(conditions, seeds, directory, report, fault):
    """Draw all conditions, then call report({condition: [Seed, ...]}, directory).

    Whether nothing of it failed; where the report did, `fault` and the error are a line on stderr.
    """
    drawn = [runs.draw(path, seeds) for path, _ in conditions.values()]

    def work():
        study = {c: read_seeds(path, seeds) for c, (path, _) in conditions.items()}
        report(study, directory)

    error = runs.attempt(work)
    if error:
        note(f"{fault}: {error}")
    return all(drawn) and not error
