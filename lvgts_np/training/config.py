"""One run's numbers: each field with its source, and what is wrong with a value."""

import dataclasses
import difflib
import math
import sys
from dataclasses import dataclass

TASKS = ("dummy_pmt", "dummy_amt", "pendulum_pmt", "pendulum_amt")
ALGOS = ("lvgts", "lm_svg")

CHOICES = {
    "task": TASKS,
    "algo": ALGOS,
    "pendulum_version": ("v0", "v1"),
    "combine": ("mlp", "add"),
    "topk_rule": ("paper", "sab"),
    "store": ("before", "after"),
    "grad": ("adjoint", "autograd"),
    "dtype": ("float32", "float64"),
    "model_lr_fall": ("linear", "squared"),
}


class ConfigError(ValueError):
    """A user's mistake: one line that says what, where, and what would be right."""


@dataclass(frozen=True)
class Config:
    """A complete run. Immutable; `preset` starts one, `replace` changes it, both check it."""

    # What is run
    task: str = "dummy_pmt"  # [§4.1]
    algo: str = "lvgts"  # [§3.2], or "lm_svg" [§3.1]
    # The task [§4.1, §4.2]
    t1: int = 3  # [§4.2] the remember phase is t < t1 (T2)
    t2: int = 10  # [§4.2] the distractor is t1 <= t <= t2, the recall phase t > t2 (T2)
    T: int = 15  # [§4.2] steps in an episode, t = 0..T-1
    c: float = 0.5  # [§4.2] reward of a perfect recall action
    a_m: float = 1.0  # [§4.1] the action that shows o_m without noise (T4)
    sigma: float = 1.0  # [§4.1] noise of the remember observations (T4)
    a_max: float = 3.0  # actions lie in (-a_max, a_max) (T6)
    pendulum_version: str = "v0"  # [§4.1] Gym's Pendulum-v0 or -v1 (T7)
    distractor_scale: float = 0.1  # share of the pendulum's reward in the objective (T8)
    # The model [§3, A.3]
    N: int = 4  # [§4.2] gradients are truncated every N steps
    k: int = 3  # [§4.2] memories attended at each step
    H: int = 16  # latent size (M12)
    hidden: int = 64  # hidden units of every MLP (M12)
    combine: str = "mlp"  # how query and memory make the latent (M1)
    truncate_encoder: bool = True  # the encoder's recurrence is truncated too (M3)
    topk_rule: str = "paper"  # [Alg. 2] threshold of the attention (M4)
    store: str = "before"  # a latent enters the memory before or after its detach (M8)
    init_actions: float = 0.3  # scale of the encoder's initial weights for actions (M1)
    init_recurrence: float = 1.5  # and for its last latent (M1)
    # Model learning [A.2]
    alpha_reward: float = 20.0  # [Eq. 7] (M11)
    alpha_decoder: float = 1.0  # [Eq. 7] (M11)
    alpha_transition: float = 1.0  # [Eq. 7] (M11)
    model_steps: int = 20  # Adam steps an iteration
    model_batch: int = 64  # episodes in a mini-batch
    model_lr: float = 6e-3  # falls to a tenth
    model_lr_fall: str = "linear"  # or "squared", which is steeper at first
    model_beta_2: float = 0.999  # how long the model's Adam remembers squared gradients
    replay_episodes: int = 3_200  # the last episodes that mini-batches are drawn from
    # Policy learning [Alg. 1]
    policy_lr: float = 6e-3  # falls linearly to a twentieth, from the end of the warm-up
    warmup: float = 0.2  # share of the run in which only the model learns
    exploration: float = 0.0  # least std of the collected actions, as the policy starts to learn
    clip_norm: float = 1.0  # of each gradient, all parameters of a seed together
    # The loop
    grad: str = "adjoint"  # who differentiates: the hand-written adjoint, or autograd
    dtype: str = "float32"  # what parameters and latents are; float64 is for checking
    episodes: int = 16_000
    episodes_per_iteration: int = 32
    eval_every: int = 10  # iterations
    eval_episodes: int = 256

    def __post_init__(self):
        check(self)

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
    def rollout(self):
        """Keyword arguments of `paper.imagine.replay`."""
        # [§3.2] the shortcut is all that the algorithms differ by
        return {"N": self.N, "shortcut": self.algo == "lvgts", "store": self.store}

    @property
    def encoder(self):
        """Keyword arguments of `paper.model.encode`."""
        N = self.N if self.truncate_encoder else self.T
        return {"N": N, "k": self.k, "rule": self.topk_rule}

    def replace(self, /, **changes):
        """A copy with some fields changed; ConfigError names a field that does not exist."""
        for name in changes:
            if name not in FIELDS:
                raise ConfigError(f"unknown field {name!r}{did_you_mean(name, FIELDS)}")
        return dataclasses.replace(self, **changes)


FIELDS = {field.name: field.type for field in dataclasses.fields(Config)}

# What --smoke changes of any run: everything is exercised, nothing is learned.
SMOKE = {
    "hidden": 16,
    "model_steps": 2,
    "model_batch": 16,
    "episodes": 48,
    "episodes_per_iteration": 8,
    "eval_every": 2,
    "eval_episodes": 16,
}

# What the horizon study changes, whose longest episodes are twenty times as long as Figure 2's:
# there a rate that stays high lets models come apart in the middle of a run, a recurrence that
# starts weaker leaves attention on copies, and actions that narrow early leave credit unlearned.
LAG_SWEEP = {
    "init_actions": 0.6,
    "init_recurrence": 2.0,
    "exploration": 1.0,
    "model_lr_fall": "squared",
    "model_beta_2": 0.95,
    "episodes": 14_400,
    "eval_every": 20,
    "eval_episodes": 128,
}


def preset(task, **changes):
    """The settings of a task with some fields changed: one set serves all four tasks."""
    return Config().replace(task=task, **changes)


def did_you_mean(word, words):
    """'; did you mean X?' for the nearest of words, or '; one of ...' where none is near."""
    lower = {known.lower(): known for known in words}
    near = difflib.get_close_matches(str(word).lower(), list(lower), n=1, cutoff=0.5)
    return f"; did you mean {lower[near[0]]!r}?" if near else f"; one of {', '.join(words)}"


# The least value of each number that has one, and whether that value itself is allowed.
LEAST = {
    "t1": (1, True), "sigma": (0, True), "a_max": (0, False), "distractor_scale": (0, True),
    "N": (1, True), "k": (1, True), "H": (1, True), "hidden": (1, True),
    "init_actions": (0, True), "init_recurrence": (0, True),
    "alpha_reward": (0, True), "alpha_decoder": (0, True), "alpha_transition": (0, True),
    "model_steps": (1, True), "model_batch": (1, True), "model_lr": (0, False),
    "model_beta_2": (0, True), "replay_episodes": (1, True), "policy_lr": (0, False),
    "warmup": (0, True), "exploration": (0, True), "clip_norm": (0, False), "episodes": (1, True),
    "episodes_per_iteration": (1, True), "eval_every": (1, True), "eval_episodes": (1, True),
}  # fmt: skip
# The numbers that end at 1, and whether 1 itself is allowed.
UP_TO_1 = {"distractor_scale": True, "warmup": True, "model_beta_2": False}
MAX_ABS = 10**9  # of any number, either side of 0: far beyond it sizes and squares overflow
KINDS = {int: "a whole number", float: "a finite number", bool: "true or false", str: "a word"}


def check(config):
    """ConfigError for the first value that cannot be run."""
    for name, kind in FIELDS.items():
        value = getattr(config, name)
        check_type(name, kind, value)
        if kind in (int, float) and abs(value) > MAX_ABS:
            raise ConfigError(f"{name} = {value}: must be between -{MAX_ABS} and {MAX_ABS}")
    for name, (least, allowed) in LEAST.items():
        value = getattr(config, name)
        if value < least or (value == least and not allowed):
            bound = f">= {least}" if allowed else f"> {least}"
            raise ConfigError(f"{name} = {value}: must be {bound}")
    for name, allowed in UP_TO_1.items():
        value = getattr(config, name)
        if value > 1 or (value == 1 and not allowed):
            raise ConfigError(f"{name} = {value}: must be in [0, 1{']' if allowed else ')'}")
    if config.t1 >= config.t2:
        raise ConfigError(f"t1 = {config.t1}, t2 = {config.t2}: t1 must be < t2")
    if config.T <= config.t2 + 1:
        raise ConfigError(
            f"T = {config.T}, t2 = {config.t2}: T must be >= t2 + 2, or no step is left to recall"
        )
    if config.replay_episodes < config.episodes_per_iteration:
        raise ConfigError(
            f"replay_episodes = {config.replay_episodes}: must hold at least one iteration "
            f"({config.episodes_per_iteration} episodes)"
        )


def check_type(name, kind, value):
    """ConfigError unless value is of the field's kind, finite, and one of its choices."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    fits = {
        int: number and isinstance(value, int),
        float: number and abs(value) <= sys.float_info.max,  # False for nan and inf
        bool: isinstance(value, bool),
        str: isinstance(value, str),
    }
    if not fits[kind]:
        raise ConfigError(f"{name} = {value!r}: must be {KINDS[kind]}")
    if name in CHOICES and value not in CHOICES[name]:
        raise ConfigError(f"unknown {name} {value!r}{did_you_mean(value, CHOICES[name])}")


def parse(name, text):
    """The value of field `name` from what a user typed, "0.5" or "true"; ConfigError if unfit."""
    if name not in FIELDS:
        raise ConfigError(f"unknown field {name!r}{did_you_mean(name, FIELDS)}")
    kind = FIELDS[name]
    if kind is bool:
        value = {"true": True, "false": False}.get(text.lower(), text)
    else:
        try:
            value = kind(text)
        except ValueError:
            value = text
        if kind is float and value in (math.inf, -math.inf):
            value = text  # quote "1e400" as it was typed
    check_type(name, kind, value)
    return value
