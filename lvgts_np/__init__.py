"""Latent Value Gradients with Temporal Shortcuts (LVGTS) and LM-SVG, in NumPy and autograd.

After Ma, D'Oro, Bengio and Bacon, "Long-Term Credit Assignment via Model-based Temporal
Shortcuts", 2021. Tags name the paper: [Eq. n], [Alg. n], [A.n], [§n], [Fig. n].
`DEVIATION:` marks where the code differs from the paper, `UNSPECIFIED:` where the paper is silent;
the letter and number behind it is the row of docs/differences.md.

The folders, from the bottom up; imports point down:

    paper         what the paper says, one function an equation: the text that is audited
    adjoint       the same gradients by hand, which train
    tasks         the protocol of a task, the memory tasks, the pendulum, what can be earned
    training      Algorithm 1's outer loop: Config, Trainer, Agent
    check         gradient checks, for any function
    experiments   runs on disk, statistics, pictures, studies

Five minutes: tasks.memory, paper.attention, paper.model, paper.imagine, adjoint.policy,
training.trainer.

`import autograd.numpy as np` at the top of a file means that its functions are differentiated,
`import numpy as np` that they never are (`onp` is NumPy where both are needed).

Dimensions, always in this order:

    S seeds     B episodes     T steps     M remembered     H latent     O observation     A action

Symbols:

    h, ĥ          latent of the encoder; of the replay          phi    parameters of b, d, f, r
    w_t[i]        attention from step t to step i < t           theta  parameters of π
    q, q̂, σ       query of the encoder; as f predicts it; its   xi, ξ  noise of the transition
                  mean absolute error                           rho, ρ memory's term that f lacks
    h_m           what is read from memory                      eta, η noise of the policy
    a, u          action; before its squash                     N      steps between detaches
    o_m, a_m      number to remember; action that reveals it    k      memories attended
    t1, t2        remember t < t1, recall t > t2

Arrays over time are lists, or have T in front; a name ending in _t, _tm1, _tp1 is one step's.
"""

import importlib

__version__ = "0.2.0"

# Public names by module, loaded at first use: the command line answers a mistake without importing
# NumPy, and only drawing imports Matplotlib.
_PUBLIC = {
    "training.config": ("Config", "ConfigError", "ParityError", "preset", "ALGOS", "TASKS"),
    "training.trainer": ("Trainer",),
    "training.agent": ("Agent",),
    "tasks.protocol": ("Task", "Distractor"),
    "tasks.memory": ("MemoryTask",),
    "tasks.check": ("check_task",),
    "paper.model": ("init_model", "init_policy"),
    "paper.imagine": ("infer", "replay"),
    "paper.credit": ("credit_matrix",),
    "check": ("GradientCheck", "check_gradient"),
    "experiments.runs": ("train",),
    "experiments.diagnostics": ("diagnose", "credit_over_episodes"),
    "experiments.plots.run_plots": (
        "plot_learning_curve", "plot_attention", "plot_credit", "plot_episode",
    ),
    "experiments.plots.credit_flow": ("plot_credit_flow", "plot_credit_flow_pair"),
}  # fmt: skip
_HOME = {name: module for module, names in _PUBLIC.items() for name in names}
__all__ = [*_HOME, "__version__"]


def __getattr__(name):
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__():
    return sorted({*globals(), *__all__})
