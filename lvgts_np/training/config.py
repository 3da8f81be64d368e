"""One run's numbers: each field with its source, and what is wrong with a value."""

import contextlib
import dataclasses
import difflib
import json
import math
import operator
import os
import reprlib
from pathlib import Path

from lvgts_np.paper import constants
from lvgts_np.tasks import call, reference

TASKS = ("dummy_pmt", "dummy_amt", "pendulum_pmt", "pendulum_amt")  # of the paper
NUMBERS = ("t1", "t2", "c", "a_m", "sigma", "pendulum_version")  # that only these have
OWN = "task."  # before the name of an argument of another task
ALGOS = ("lvgts", "lm_svg")

# Environment variables, each read by another BLAS as it is loaded.
THREADS = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS",
    "BLIS_NUM_THREADS",
)  # fmt: skip
MAX_ABS = 10**9  # of any number: far beyond it sizes and squares overflow
BOUNDS = {  # as help and messages word them
    ">= 0": lambda x: x >= 0,
    ">= 1": lambda x: x >= 1,
    "> 0": lambda x: x > 0,
    "in [0, 1]": lambda x: 0 <= x <= 1,
    "in [0, 1)": lambda x: 0 <= x < 1,
    "in (0, 1]": lambda x: 0 < x <= 1,
}


class ParityError(RuntimeError):
    """Gradient backends that disagree, or one that fails: one line that names the function."""


class ConfigError(ValueError):
    """A user's mistake: one line that says what, where, and what would be right."""


def setting(default, text, limits=None):
    """Field of Config with its help, and its limits: a key of BOUNDS, or a tuple of choices."""
    shown = f"one of {', '.join(limits)}" if isinstance(limits, tuple) else limits
    text = f"{text}; {shown}" if limits else text
    return dataclasses.field(default=default, metadata={"help": text, "limits": limits})


@dataclasses.dataclass(frozen=True)
class Config:
    """A complete run. Immutable; `preset` starts one, `replace` changes it, both check it.

    A task that is not the paper's is "module:Class": it has its own T and a_max, its arguments are
    fields "task.x", and there are no NUMBERS.
    """

    # What is run
    task: str = setting("dummy_pmt", "[§4.1] task", TASKS)
    algo: str = setting("lvgts", "[§3.2] LVGTS, or [§3.1] the baseline LM-SVG", ALGOS)
    # The task [§4.1, §4.2]
    t1: int = setting(3, "[§4.2] the remember phase is t < t1 (T2)", ">= 1")
    t2: int = setting(10, "[§4.2] the distractor is t1 <= t <= t2, the recall phase t > t2 (T2)")
    T: int = setting(15, "[§4.2] steps of an episode, t = 0..T-1; >= t2 + 2")
    c: float = setting(0.5, "[§4.2] reward of a perfect recall action")
    a_m: float = setting(1.0, "[§4.1] action that shows o_m without noise (T4)")
    sigma: float = setting(1.0, "[§4.1] noise of the remember observations (T4)", ">= 0")
    a_max: float = setting(3.0, "actions are in (-a_max, a_max) (T6)", "> 0")
    pendulum_version: str = setting("v0", "[§4.1] Gym's Pendulum-v0 or -v1 (T7)", ("v0", "v1"))
    distractor_scale: float = setting(
        0.1, "share of the distractor's reward in G (T8)", "in [0, 1]"
    )
    gamma: float = setting(1.0, "[A.1] discount in G, not of reported returns (A2)", "in (0, 1]")
    # The model [§3, A.3]
    N: int = setting(4, "[§4.2] the policy's gradient is truncated every N steps", ">= 1")
    encoder_N: int = setting(4, "the same of the encoder's recurrence, 0: whole (M3)", ">= 0")
    count_from: int = setting(0, "[Alg. 1] number of the first step, for N (M14)", "in [0, 1]")
    k: int = setting(3, "[§4.2] memories attended at each step", ">= 1")
    H: int = setting(16, "latent size (M12)", ">= 1")
    hidden: int = setting(64, "hidden units of every MLP (M12)", ">= 1")
    combine: str = setting("mlp", "how query and memory make the latent (M1)", constants.COMBINES)
    transition: str = setting("query", "[A.2] what f predicts (M9)", constants.TRANSITIONS)
    reward_units: str = setting("huberized", "hidden units of r (M12)", constants.REWARD_UNITS)
    reward_loss: str = setting("weighted", "[Alg. 1] loss of r (M19)", constants.REWARD_LOSSES)
    topk_rule: str = setting("paper", "[Alg. 2] threshold of attention (M4)", constants.TOPK_RULES)
    store: str = setting("before", "[Alg. 1] stored before or after detach (M8)", constants.STORES)
    init_actions: float = setting(0.3, "initial scale of the encoder's action weights (M1)", ">= 0")
    init_recurrence: float = setting(1.5, "initial scale of the encoder's recurrence (M1)", ">= 0")
    # Model learning [A.2]
    alpha_reward: float = setting(10.0, "[Eq. 7] weight of the reward loss (M11)", ">= 0")
    alpha_decoder: float = setting(1.0, "[Eq. 7] weight of the decoder loss (M11)", ">= 0")
    alpha_transition: float = setting(1.0, "[Eq. 7] weight of the transition loss (M11)", ">= 0")
    model_steps: int = setting(20, "Adam steps of the model an iteration", ">= 1")
    model_batch: int = setting(64, "episodes in a mini-batch", ">= 1")
    model_lr: float = setting(6e-3, "learning rate of the model, decayed to 10 % of this", "> 0")
    model_beta_2: float = setting(0.95, "beta_2 of the model's Adam", "in [0, 1)")
    replay_episodes: int = setting(3_200, "size of the replay buffer, an iteration or more", ">= 1")
    # Policy learning [Alg. 1]
    policy_lr: float = setting(6e-3, "learning rate of the policy, decayed to 5 % of this", "> 0")
    warmup: float = setting(0.2, "share of the run in which only the model learns", "in [0, 1]")
    clip_norm: float = setting(1.0, "max_norm of each gradient, of all parameters", "> 0")
    # The loop
    grad: str = setting("adjoint", "gradient backend; autograd: reference", ("adjoint", "autograd"))
    dtype: str = setting("float32", "of parameters and latents", ("float32", "float64"))
    episodes: int = setting(8_000, "episodes of training", ">= 1")
    episodes_per_iteration: int = setting(32, "episodes collected an iteration", ">= 1")
    eval_every: int = setting(10, "iterations between evaluations", ">= 1")
    eval_episodes: int = setting(256, "episodes of an evaluation", ">= 1")
    arguments: dict = dataclasses.field(default_factory=dict, hash=False)  # "task.x"

    def __post_init__(self):
        for name in FIELDS:
            object.__setattr__(self, name, plain(getattr(self, name)))
            check_value(name, getattr(self, name))
        if self.task not in TASKS:
            self._check_task()
        elif self.arguments:
            name = OWN + next(iter(self.arguments))
            raise ConfigError(f"unknown field {name!r}: the numbers of {self.task} are fields")
        elif self.t1 >= self.t2:
            raise ConfigError(f"t1 = {self.t1}, t2 = {self.t2}: t1 must be < t2")
        elif self.T < self.t2 + 2:  # no step is left to recall
            raise ConfigError(f"T = {self.T}, t2 = {self.t2}: T must be >= t2 + 2")
        size, n = self.replay_episodes, self.episodes_per_iteration
        if size < n:
            raise ConfigError(f"replay_episodes = {size}: must hold at least one iteration ({n})")

    def _check_task(self):
        """All arguments of a task that is not the paper's, and the T and a_max that it has."""
        task = reference.make(self.task, self.arguments)
        object.__setattr__(self, "arguments", reference.describe(task)[1])
        for name in ("T", "a_max"):
            value = call(f"task {self.task}: {name}", getattr, task, name, None)
            if value is None:
                raise ConfigError(f"task {self.task}: no {name!r}; must be a lvgts_np.Task")
            object.__setattr__(self, name, plain(value))
            check_value(name, getattr(self, name))

    @property
    def iterations(self):
        return math.ceil(self.episodes / self.episodes_per_iteration)

    @property
    def warmup_iterations(self):
        return int(self.warmup * self.iterations)

    @property
    def alphas(self):
        return self.alpha_reward, self.alpha_decoder, self.alpha_transition

    @property
    def shortcuts(self):
        """Whether f reads the memory, in the rollouts that a model of these settings has."""
        own = self.algo == "lvgts"
        return (own, not own) if self.transition == "query" else (own,)

    @property
    def rollout(self):
        """Keyword arguments of `paper.imagine.replay`."""
        return {"N": self.N, "store": self.store, "count_from": self.count_from} | self.forms

    @property
    def forms(self):
        """Keyword arguments of `paper.losses.model_losses`."""
        # [§3.2] the shortcut is all that the algorithms differ by
        f = {"shortcut": self.algo == "lvgts", "transition": self.transition}
        return {**f, "reward_units": self.reward_units}

    @property
    def encoder(self):
        """Keyword arguments of `paper.model.encode`."""
        N = self.encoder_N or self.T + 1  # which never comes, from 0 or from 1
        return {"N": N, "k": self.k, "rule": self.topk_rule, "count_from": self.count_from}

    def replace(self, /, **changes):
        """A copy with some fields changed; ConfigError names a field that does not exist."""
        own = {x: changes.pop(x) for x in list(changes) if x.startswith(OWN)}
        for name in changes:
            check_name(name)
        kept = self.arguments if str(changes.get("task", self.task)) == self.task else {}
        arguments = kept | {x.removeprefix(OWN): value for x, value in own.items()}
        new = dataclasses.replace(self, **changes, arguments=arguments)
        for name in changes if new.task not in TASKS else ():
            if name in NUMBERS or getattr(new, name) != changes[name] and name in ("T", "a_max"):
                has = ", ".join(f"{OWN}{x}" for x in new.arguments) or "no arguments"
                raise ConfigError(f"{name} = {changes[name]}: {new.task} has its own; it has {has}")
        return new

    def as_dict(self):
        """Fields by name, as config.json has them; a task that is not the paper's has "task.x"."""
        own = {OWN + x: value for x, value in self.arguments.items()}
        hidden = () if self.task in TASKS else NUMBERS
        return {x: getattr(self, x) for x in FIELDS if x not in hidden} | own


FIELDS = {field.name: field for field in dataclasses.fields(Config) if field.metadata}
HELP = {name: field.metadata["help"] for name, field in FIELDS.items()}
KINDS = {int: "a whole number", float: "a number", str: "a word"}

# Changes of any run under --smoke: everything is exercised, nothing is learned.
SMOKE = {
    "hidden": 16, "model_steps": 2, "model_batch": 16, "episodes": 48,
    "episodes_per_iteration": 8, "eval_every": 2, "eval_episodes": 16,
}  # fmt: skip

# Changes of the lag sweep, for lags at which few steps pay; docs/tuning.md says why.
LAG_SWEEP = {"reward_loss": "hurdle", "alpha_reward": 5.0}

# Values of the switches of docs/differences.md that are not the defaults.
SWITCHES = {
    "pendulum_version": ("v1",), "distractor_scale": (0.0, 1.0), "combine": ("add",),
    "encoder_N": (0,), "topk_rule": ("sab",), "transition": ("latent",), "reward_units": ("relu",),
    "reward_loss": ("square", "hurdle"), "count_from": (1,), "gamma": (0.9, 0.75),
    "store": ("after",),
}  # fmt: skip


def preset(task, **changes):
    """Settings of a task, a name or an object, with some fields changed: one set serves all."""
    if reference.is_one(task):
        task, arguments = reference.describe(task)
        changes = {OWN + x: value for x, value in arguments.items()} | changes
    return Config().replace(task=task, **changes)


def did_you_mean(word, words):
    """'; did you mean X?' for the nearest of words, or '; one of ...' where none is near."""
    lower = {known.lower(): known for known in words}
    near = difflib.get_close_matches(str(word).lower(), list(lower), n=1, cutoff=0.5)
    return f"; did you mean {lower[near[0]]!r}?" if near else f"; one of {', '.join(words)}"


def plain(value):
    """Python's own number for one of NumPy's, which JSON does not take."""
    return value.item() if getattr(value, "shape", None) == () else value


def whole(name, value, minimum):
    """Plain int; ConfigError unless value is a whole number of any type from minimum to MAX_ABS."""
    value = plain(value)
    try:
        number = operator.index(None if isinstance(value, bool) else value)
    except TypeError as error:
        raise ConfigError(f"{name} = {reprlib.repr(value)}: must be a whole number") from error
    if not minimum <= number <= MAX_ABS:
        raise ConfigError(f"{name} = {number}: must be from {minimum} to {MAX_ABS}")
    return number


def expanded(path):
    """Path with ~ expanded; ConfigError for what is no path."""
    try:
        found = Path(path).expanduser()
        with contextlib.suppress(FileNotFoundError, NotADirectoryError, PermissionError):
            os.stat(found)
        return found
    except (TypeError, ValueError, RuntimeError, OSError) as error:  # RuntimeError: ~ without home
        fault = getattr(error, "strerror", None) or error
        raise ConfigError(f"path {reprlib.repr(path)}: {fault}") from error


def check_name(name):
    """ConfigError for a field that does not exist."""
    if name not in FIELDS:
        raise ConfigError(f"unknown field {name!r}{did_you_mean(name, FIELDS)}")


def check_value(name, value):
    """ConfigError unless value is of the field's type, and in its bounds or choices."""
    kind, limits = FIELDS[name].type, FIELDS[name].metadata["limits"]
    accepted = (int, float) if kind is float else kind
    if not isinstance(value, accepted) or isinstance(value, bool):
        raise ConfigError(f"{name} = {value!r}: must be {KINDS[kind]}")
    if kind in (int, float) and not abs(value) <= MAX_ABS:  # nan is not
        raise ConfigError(f"{name} = {value}: must be between -{MAX_ABS} and {MAX_ABS}")
    if isinstance(limits, tuple) and value not in limits and not (name == "task" and ":" in value):
        known = (*limits, "module:Class") if name == "task" else limits
        raise ConfigError(f"unknown {name} {value!r}{did_you_mean(value, known)}")
    if isinstance(limits, str) and not BOUNDS[limits](value):
        raise ConfigError(f"{name} = {value}: must be {limits}")


def parse(name, text):
    """Value of field `name` from what a user typed, such as "0.5"; ConfigError if unfit."""
    if name.startswith(OWN):  # JSON, or a word
        with contextlib.suppress(ValueError):
            return json.loads(text)
        return text
    check_name(name)
    try:
        value = FIELDS[name].type(text)
    except ValueError:
        value = text
    check_value(name, value)
    return value
