"""Command line: options make one Config, each seed gives one result line, a mistake one line.

The sub-commands import what is heavy, so that help and mistakes are answered at once.
"""

import argparse
import contextlib
import os
import sys
from pathlib import Path
from typing import NamedTuple

from lvgts_np.tasks import BoundsError, EpisodeError, TaskError
from lvgts_np.training import config as configs
from lvgts_np.training import interrupts, streams
from lvgts_np.training.config import FIELDS, HELP, TASKS, THREADS, Config, ConfigError, did_you_mean

PROG = "run.py"


def main(argv=None):
    """Exit code: 0 ok, 1 failure, 2 wrong usage (nothing is written), 130 or 143 by a signal."""
    last = argv is None  # else a program goes on when this is done
    if last:
        streams.open_all()
    code = answer(sys.argv[1:] if last else argv, last)
    if last and (error := streams.lost()) and code == 0:
        return say(f"not all results could be printed: {error}", 1)
    return code


def answer(argv, last):
    """Exit code of a command, and a line for what ends it."""
    try:
        with interrupts.listen(interrupts.INT, interrupts.TERM, last=last):
            return run(argv)
    except interrupts.Terminated as end:
        return say("terminated; --resume goes on with a run", end.code)
    except SystemExit as done:  # --help
        return done.code
    except (ConfigError, TaskError) as mistake:
        return say(mistake, 2)
    except KeyboardInterrupt:
        return say("interrupted", 130)
    except MemoryError as error:
        return say(f"out of memory: {str(error) or 'this run is too large'}", 1)
    except (OSError, BoundsError, EpisodeError, configs.ParityError) as error:
        return say(error, 1)


def run(argv):
    """Run the command of the arguments; the exit code."""
    if sys.version_info < (3, 11):  # noqa: UP036 (of a checkout no installer asks)
        return say(f"needs Python 3.11 or newer, this is {sys.version.split()[0]}", 2)
    # Before NumPy is imported: on arrays this small, more threads only wait for each other.
    for name in THREADS:
        os.environ.setdefault(name, "1")
    if argv[:1] == ["check"]:
        return check(argv[1:])
    args = parse_arguments(argv)
    config, modes = make_config(args), {name: getattr(args, name) for name in MODES}
    first, n = args.first_seed, args.seeds or args.command.seeds
    return args.command.run(config, range(first, first + n), configs.expanded(args.out), modes)


def say(message, code):
    """One line on stderr, whatever the message quotes; returns the exit code."""
    streams.note(f"{PROG}: {message}")
    return code


def train(config, seeds, out, modes):
    """Train an agent for each seed; writes DIR/TASK/ALGO/seed_S."""
    from lvgts_np.experiments import run_directory, runs
    from lvgts_np.tasks.protocol import phase_names
    from lvgts_np.training.agent import make_task

    code, directory = 0, run_directory.condition_directory(out, config)
    for run in runs.train(config, seeds, out, pictures=False, **modes):
        path = directory / f"seed_{run['seed']}"
        if run.get("frozen"):
            code = say(f"seed {run['seed']} stopped: {run['frozen']} -> {path}", 1)
        else:
            cue, pay = phase_names(make_task(config))
            words = RESULT[0], RESULT[1] * (run["max_return"] is not None), RESULT[2] * bool(cue)
            form = "".join(words) + RESULT[3]
            streams.put(form.format(**run, path=path, cue=cue, pay=pay and f"{pay} "))
    return code if runs.draw(directory, seeds) else 1


RESULT = (  # the second of a task with bounds, the third of one with a cue
    "{task} {algo} seed {seed}: {pay}return {final_eval_return_recall:z.2f}",
    " of {max_return:z.2f} (myopic {myopic_return:z.2f})",
    ", attention on the {cue} phase {attention_remember:.2f}",
    ", {wall_s:.0f} s -> {path}",
)


def figure2(config, seeds, out, modes):
    """Train every task with both algorithms; writes DIR/figure2/report.html. [Fig. 2]"""
    from lvgts_np.experiments.studies import figure2

    page = out / "figure2" / "report.html"
    return run_study(figure2, config, seeds, page, modes, "report not written")


def lags(config, seeds, out, modes):
    """Train dummy_amt with longer and longer distractors; writes DIR/horizon. [§4.1]"""
    from lvgts_np.experiments.studies import lags

    page = out / "horizon" / "horizon.png"
    return run_study(lags, config, seeds, page, modes, "sweep not drawn", "lag ")


def readings(config, seeds, out, modes):
    """Flip every switch alone, and all to the letter; writes DIR/readings. [§4.2]"""
    from lvgts_np.experiments.studies import readings

    page = out / "readings" / "readings.png"
    return run_study(readings, config, seeds, page, modes, "readings not drawn")


def truncation(config, seeds, out, modes):
    """Hold truncated policy gradients against the true one; writes DIR/truncation. [A.1]"""
    from lvgts_np.experiments.studies import truncation

    truncation.truncation(config, list(seeds), out, **modes)
    streams.put(f"-> {out / 'truncation' / 'truncation.png'}")
    return 0


def run_study(study, config, seeds, page, modes, fault, prefix=""):
    """Train and report; a line on stdout for each condition and for the page; the exit code."""
    from lvgts_np.experiments.studies.training import report_study, train_study

    conditions = study.conditions(config, page.parents[1])
    rows = train_study(conditions, seeds, page.parent, **modes)
    for row in rows:
        streams.put(
            f"{prefix}{row[0]} {row.algo}: recall return {row.mean:z.2f} (worst {row.worst:z.2f}), "
            f"{row.solved} of {row.n} solved, "
            f"attention on the remember phase {row.attention_remember:.2f}"
        )
    frozen = sum(row.frozen for row in rows)
    code = say(f"{frozen} runs stopped early; their summary.json say why", 1) if frozen else 0
    if not report_study(conditions, seeds, page.parent, study.report, fault):
        return 1
    streams.put(f"-> {page}")
    return code


def check(argv):
    """Hold each equation's three forms against each other, now; or show one (check Eq.3)."""
    parser = Parser(prog=f"{PROG} check", description=check.__doc__)
    parser.add_argument("equation", nargs="?", help="Eq.3, Alg.1, 'Alg.2 l.5', read_adjoint, ...")
    parser.add_argument("--html", metavar="FILE", help="write the annotated paper as one page")
    args, tests = parser.parse_args(argv), Path(__file__).parents[1] / "tests"
    if not (tests / "ledger").is_dir():
        raise ConfigError("check needs the repository: its restatements and tests are in tests/")
    if str(tests) not in sys.path:
        sys.path.insert(0, str(tests))
    try:
        from ledger import report
    except ModuleNotFoundError as error:
        raise ConfigError(f"check needs {error.name}: pip install -r requirements.txt") from error
    return report.main(args.equation, args.html)


class Command(NamedTuple):
    """A sub-command."""

    run: object  # of config, seeds, out, modes; returns the exit code; its docstring is the help
    seeds: int  # size of the batch where --seeds is left out
    varies: tuple = ()  # fields that it sets itself
    defaults: dict = {}  # of fields, where they are not Config's
    aliases: tuple = ()


COMMANDS = {
    "train": Command(train, 1),
    "figure2": Command(figure2, 20, ("task", "algo")),
    "readings": Command(readings, 20, ("task", "algo", "N", *configs.SWITCHES)),
    "truncation": Command(truncation, 3, defaults={"task": "dummy_amt"}),
    "lags": Command(lags, 5, ("task", "algo", "t2", "T"), configs.LAG_SWEEP, ("horizon",)),
}


def whole_number(text, minimum=1):
    """argparse's type for a whole number that is not below minimum."""
    with contextlib.suppress(ValueError):
        if minimum <= int(text) <= configs.MAX_ABS:
            return int(text)
    limits = f"must be a whole number from {minimum} to {configs.MAX_ABS}"
    raise argparse.ArgumentTypeError(f"{limits}, not {text!r}")


COUNT = {"type": whole_number, "metavar": "N"}
FROM_0 = {"type": lambda text: whole_number(text, 0), "metavar": "S", "default": 0}
ASSIGN = {"nargs": "+", "action": "extend", "metavar": "FIELD=VALUE", "default": []}
SMOKE = {"action": "store_const", "const": configs.SMOKE, "default": {}}
SWITCH = {"action": "store_true"}
OFF = {"action": "store_false", "dest": "parity"}
SIZES = ", ".join(f"{command.seeds} for {name}" for name, command in COMMANDS.items())
MODES = ("jobs", "force", "resume", "quiet", "parity")  # how to run, not what
OPTIONS = {
    **{f"--{name}": (HELP[name], {}) for name in ("task", "algo", "episodes", "grad", "dtype")},
    "--seeds": (f"size of the batch of seeds (default: {SIZES})", COUNT),
    "--first-seed": ("the seeds are S, S+1, ... (default: 0)", FROM_0),
    "--jobs": ("processes that share the seeds (default: 1)", COUNT | {"default": 1}),
    "--set": ("change fields, listed below", ASSIGN),
    "--config": ("config.json of a run, in place of --task and the defaults", {"metavar": "FILE"}),
    "--out": ("where to write (default: results)", {"metavar": "DIR", "default": "results"}),
    "--force": ("write over an earlier run", SWITCH),
    "--resume": ("resume an earlier run that was cut off", SWITCH),
    "--smoke": ("some seconds of everything; nothing is learned", SMOKE),
    "--quiet": ("no progress, only the result lines", SWITCH),
    "--no-parity": ("skip the comparison of both gradient backends before training", OFF),
}


class Parser(argparse.ArgumentParser):
    """argparse with the options and fields that a command that trains does not set itself."""

    def __init__(self, command=None, **texts):
        super().__init__(
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,  # --seed 3 is not --seeds 3
            **texts,
        )
        if command is not None:
            self.usage, self.description = "%(prog)s [options]", command.run.__doc__
            self.epilog = fields_help(command)
            self.set_defaults(command=command)
            for name, (text, how) in OPTIONS.items():
                if name.removeprefix("--") not in command.varies:
                    self.add_argument(name, help=text, **how)

    def print_help(self, file=None):
        streams.put(self.format_help().rstrip("\n"))

    def error(self, message):
        raise ConfigError(f"{message.removeprefix('argument ')}; see {PROG} --help")


def fields_help(command):
    """Fields of --set, with their defaults."""
    lines = ["fields of --set ([..] is a place in the paper, (..) a row of docs/differences.md):"]
    for name, value in Config(**command.defaults).as_dict().items():
        if name not in command.varies:
            lines.append(f"  {f'{name}={str(value).lower()}':<26} {HELP[name]}")
    if "task" not in command.varies:
        lines.append(f"  {'task.x=value':<26} argument x of your own task, --task module:Class")
    lines.append(
        "a later --set wins over an earlier one, --episodes over --set, --set over --smoke"
    )
    return "\n".join(lines)


def parse_arguments(argv):
    """argparse's namespace; ConfigError for what is no option and no sub-command."""
    parser = Parser(COMMANDS["train"], prog=f"{PROG} [{' | '.join(COMMANDS)} | check]")
    commands = parser.add_subparsers(prog=PROG, title="commands", metavar="COMMAND", dest="name")
    for name, command in COMMANDS.items():
        text, aliases = command.run.__doc__, command.aliases
        commands.add_parser(name, command=command, help=text, aliases=aliases)
    commands.add_parser("check", help=check.__doc__)
    # A sub-command may stand anywhere: it is among what the options leave over.
    args, words = Parser(COMMANDS["train"], add_help=False).parse_known_args(argv)
    helps = [word for word in words if word in ("-h", "--help")]
    names = [word for word in words if word not in helps]
    for word in names:
        if word not in commands.choices:
            raise ConfigError(unknown_argument(word, commands.choices))
    if "check" in names:
        raise ConfigError(f"{PROG} check [EQUATION] [--html FILE] has no options of a run")
    if len(names) > 1:
        raise ConfigError(f"{' and '.join(names)}: give only one sub-command")
    if args.force and args.resume:
        raise ConfigError("--force writes over a run, --resume goes on with it: give only one")
    chosen = parser.parse_args([*names, *helps] or ["train"])
    args.name, args.command = chosen.name, chosen.command
    return args


def unknown_argument(word, commands):
    """Message on a word that is neither an option nor an option's value."""
    if not word.startswith("-"):
        return f"unknown sub-command {word!r}{did_you_mean(word, commands)}"
    name, _, value = word.partition("=")
    field = name.lstrip("-")
    if field in FIELDS:
        return f"unknown option {name!r}; did you mean '--set {field}={value or '...'}'?"
    return f"unknown option {name!r}{did_you_mean(name, OPTIONS)}"


def make_config(args):
    """Config of the arguments: file or defaults, then --smoke, then --set, then the options."""
    assigned = dict(map(parse_assignment, args.set))
    given = {name: text for name, text in vars(args).items() if text is not None}
    flags = {name: configs.parse(name, given[name]) for name in FIELDS if name in given}
    changes = args.smoke | assigned | flags
    for name, value in flags.items():
        if name != "episodes" and assigned.get(name, value) != value:
            raise ConfigError(f"--{name} {value} and --set {name}={assigned[name]}: give only one")
    for name in args.command.varies:
        if name in changes:
            raise ConfigError(f"{args.name} sets {name} itself: leave {name} out")
    if args.config is not None:
        from lvgts_np.training.config_file import load  # needs NumPy

        return load(configs.expanded(args.config)).replace(**changes)
    if "task" not in {*changes, *args.command.varies, *args.command.defaults}:
        raise ConfigError(f"--task is missing; one of {', '.join(TASKS)}, or module:Class")
    return Config().replace(**args.command.defaults | changes)


def parse_assignment(text):
    """Field and value of "field=value"."""
    name, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"--set {text!r}: must be field=value, such as N=4")
    return name, configs.parse(name, value)
