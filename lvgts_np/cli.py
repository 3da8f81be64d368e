"""The command line: flags make one Config, each seed gives one result line, a mistake one line."""

import argparse
import contextlib
import dataclasses
import sys
from pathlib import Path

from lvgts_np.training.config import (
    ALGOS,
    CHOICES,
    FIELDS,
    LAG_SWEEP,
    MAX_ABS,
    SMOKE,
    TASKS,
    Config,
    ConfigError,
    did_you_mean,
    parse,
    preset,
)

PROG = "run.py"


def whole_number(minimum):
    """argparse's type for a whole number that is not below minimum."""

    def convert(text):
        with contextlib.suppress(ValueError):
            if minimum <= int(text) <= MAX_ABS:
                return int(text)
        raise argparse.ArgumentTypeError(
            f"must be a whole number from {minimum} to {MAX_ABS}, not {text!r}"
        )

    return convert


FLAGS = ("task", "algo", "episodes", "grad", "dtype")  # that are fields, so the config checks them
OPTIONS = {
    "--task": {"help": f"{', '.join(TASKS)}; not needed with --config"},
    "--algo": {"help": f"{' or '.join(ALGOS)} (default: {Config.algo})"},
    "--seeds": {
        "type": whole_number(1), "metavar": "N",
        "help": "how many, trained side by side (default: 1, for figure2 20, for horizon 5)",
    },
    "--first-seed": {
        "type": whole_number(0), "default": 0, "metavar": "S",
        "help": "the seeds are S, S+1, ... (default: 0)",
    },
    "--jobs": {
        "type": whole_number(1), "default": 1, "metavar": "J",
        "help": "processes that share the seeds (default: 1)",
    },
    "--episodes": {"metavar": "E", "help": f"to train for (default: {Config.episodes})"},
    "--grad": {"help": "adjoint, written by hand, or autograd, its reference"},
    "--dtype": {"help": "float32 or float64"},
    "--set": {
        "nargs": "+", "action": "extend", "default": [], "metavar": "FIELD=VALUE",
        "help": "change fields of the config, listed below",
    },
    "--config": {
        "type": Path, "metavar": "FILE",
        "help": "the config.json of a run, in place of the task's defaults",
    },
    "--out": {
        "type": Path, "default": Path("results"), "metavar": "FOLDER",
        "help": "where to write (default: results)",
    },
    "--force": {"action": "store_true", "help": "write over an earlier run"},
    "--resume": {"action": "store_true", "help": "go on with an earlier run that was cut off"},
    "--smoke": {"action": "store_true", "help": "some seconds of everything; nothing is learned"},
    "--quiet": {"action": "store_true", "help": "no progress, only the result lines"},
}  # fmt: skip


def main(argv=None):
    """The exit code: 0 ok, 1 failure, 2 wrong usage (nothing is written), 130 interrupted."""
    try:
        args = parse_arguments(argv)
        return COMMANDS[args.command](args)
    except SystemExit as done:  # --help
        return done.code
    except ConfigError as mistake:
        return say(mistake, 2)
    except KeyboardInterrupt:
        return say("interrupted", 130)
    except MemoryError as error:
        return say(f"out of memory: {error or 'this run is too large'}", 1)
    except OSError as error:
        return say(error, 1)


def say(message, code):
    """One line on stderr, whatever the message quotes; returns the exit code."""
    print(f"{PROG}: {' '.join(str(message).splitlines())}", file=sys.stderr)
    return code


def train(args):
    """Run what the arguments ask for and report it."""
    config, seeds, modes = make_config(args), seed_numbers(args, 1), make_modes(args)
    # Heavy: here, so that help and mistakes are answered at once.
    from lvgts_np.experiments import runs
    from lvgts_np.experiments.run_directory import condition_directory

    folder = condition_directory(args.out, config)
    (summaries,) = runs.run({folder: config}, seeds, **modes)
    return report(folder, summaries)


def figure2(args):
    """All tasks with both algorithms, and the report on them."""
    refuse(args, "task", "algo")
    args.task = TASKS[0]
    base = make_config(args)
    conditions = [base.replace(task=task, algo=algo) for task in TASKS for algo in ALGOS]
    seeds, modes = seed_numbers(args, 20), make_modes(args)
    from lvgts_np.experiments import figure2

    rows = figure2.figure2(conditions, seeds, args.out, **modes)
    for row in rows:
        print(f"{row.task} {row.algo}: {outcome(row)}")
    return ended(rows, args.out / "figure2" / "report.html")


def horizon(args):
    """The active memory task with longer and longer distractors, and the curve of it."""
    refuse(args, "task", "algo", "t2", "T")
    args.task = "dummy_amt"
    base = make_config(args, **LAG_SWEEP)
    seeds, modes = seed_numbers(args, 5), make_modes(args)
    from lvgts_np.experiments import lags

    rows = lags.lag_sweep(base, seeds, args.out, **modes)
    for row in rows:
        print(f"lag {row.lag} {row.algo}: {outcome(row)}")
    return ended(rows, args.out / "horizon" / "horizon.png")


COMMANDS = {"train": train, "figure2": figure2, "horizon": horizon}


def refuse(args, *names):
    """ConfigError where the user sets what the sub-command varies."""
    assigned = dict(parse_assignment(text) for text in args.set)
    for name in names:
        if getattr(args, name, None) is not None or name in assigned:
            raise ConfigError(f"{args.command} sets {name} itself: leave {name} out")


def outcome(row):
    return (
        f"recall return {row.mean:z.2f} (worst {row.worst:z.2f}), {row.solved} of {row.n} solved, "
        f"attention on the remember phase {row.attention_remember:.2f}"
    )


def ended(rows, path):
    """A study's last line, and its exit code."""
    print(f"-> {path}", flush=True)
    frozen = sum(row.frozen for row in rows)
    return say(f"{frozen} runs stopped early; their summary.json say why", 1) if frozen else 0


def seed_numbers(args, default):
    return list(range(args.first_seed, args.first_seed + (args.seeds or default)))


def make_modes(args):
    """The keyword arguments that say how to run, not what."""
    if args.force and args.resume:
        raise ConfigError("--force writes over a run, --resume goes on with it: give only one")
    return {name: getattr(args, name) for name in ("jobs", "force", "resume", "quiet")}


def report(folder, summaries):
    """A line on stdout for each seed that finished, then one on stderr for each that froze."""
    frozen = [summary for summary in summaries if summary.get("frozen")]
    for summary in summaries:
        if not summary.get("frozen"):
            print(result_line(folder, summary))
    sys.stdout.flush()
    for summary in frozen:
        path = folder / f"seed_{summary['seed']}"
        say(f"seed {summary['seed']} stopped: {summary['frozen']} -> {path}", 1)
    return 1 if frozen else 0


def result_line(folder, summary):
    return (
        "{task} {algo} seed {seed}: recall return {final_eval_return_recall:z.2f} "
        "of {max_return:z.2f} (myopic {myopic_return:z.2f}), attention on the remember phase "
        "{attention_remember:.2f}, {wall_s:.0f} s -> {folder}/seed_{seed}"
    ).format(**summary, folder=folder)


def make_config(args, **defaults):
    """The Config of the arguments: file or defaults, then --smoke, then --set, then the flags."""
    flags = {name: getattr(args, name) for name in FLAGS}
    flags = {name: parse(name, text) for name, text in flags.items() if text is not None}
    changes = dict(parse_assignment(text) for text in args.set)
    for name in ("task", "algo", "grad", "dtype"):
        if name in flags and flags[name] != changes.get(name, flags[name]):
            raise ConfigError(
                f"--{name} {flags[name]} and --set {name}={changes[name]}: give only one of them"
            )
    changes = {**(SMOKE if args.smoke else {}), **changes, **flags}
    if args.config is not None:
        from lvgts_np.training.config_file import load  # needs NumPy

        return load(args.config).replace(**changes)
    changes = {**defaults, **changes}
    if "task" not in changes:
        raise ConfigError(f"--task is missing; one of {', '.join(TASKS)}")
    return preset(**changes)


def parse_assignment(text):
    """Field and value of "field=value"."""
    name, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"--set {text!r}: must be field=value, such as N=4")
    return name, parse(name, value)


class Parser(argparse.ArgumentParser):
    """argparse, but a mistake is a ConfigError, not two lines and an exit."""

    def error(self, message):
        raise ConfigError(f"{message.removeprefix('argument ')}; see {PROG} --help")


def parse_arguments(argv):
    """argparse's namespace; ConfigError for what is no option and no sub-command."""
    parser = Parser(
        PROG,
        f"{PROG} [train] --task TASK [options]\n       {PROG} figure2 [options]\n"
        f"       {PROG} horizon [options]",
        "Train an agent, one for each seed; writes FOLDER/TASK/ALGO/seed_S.\nfigure2 does so for "
        "every task and algorithm, and writes FOLDER/figure2/report.html.\nhorizon does so for "
        "dummy_amt with longer and longer distractors; writes FOLDER/horizon.",
        fields_help(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,  # --seed 3 is not --seeds 3
    )
    for name, keywords in OPTIONS.items():
        parser.add_argument(name, **keywords)
    # The sub-command is taken from the rest: argparse finds an optional one only in front.
    args, rest = parser.parse_known_args(argv)
    for word in rest:
        if word not in COMMANDS:
            raise ConfigError(unknown_argument(word))
    if len(set(rest)) > 1:
        raise ConfigError(f"{' and '.join(rest)}: give only one sub-command")
    args.command = rest[0] if rest else "train"
    return args


def unknown_argument(word):
    """What is wrong with a word that is neither an option nor an option's value."""
    if not word.startswith("-"):
        return f"unknown sub-command {word!r}{did_you_mean(word, list(COMMANDS))}"
    option, _, value = word.partition("=")
    field = option.lstrip("-")
    if field in FIELDS:
        return f"unknown option {option!r}; did you mean '--set {field}={value or '...'}'?"
    return f"unknown option {option!r}{did_you_mean(option, OPTIONS)}"


def fields_help():
    """The fields of --set with their defaults."""
    lines = ["fields and their defaults (lvgts_np/config.py says what each is):"]
    for name, value in dataclasses.asdict(Config()).items():
        words = [f"  {name}={str(value).lower() if isinstance(value, bool) else value}"]
        words += [f"(one of {', '.join(CHOICES[name])})"] if name in CHOICES else []
        lines.append(" ".join(words))
    lines.append("a later --set wins over an earlier one, a flag over --set, --set over --smoke")
    return "\n".join(lines)
