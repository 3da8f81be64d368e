"""Comparison of the gradient backends before training: what is read is what runs."""

import traceback
from pathlib import Path

import numpy as np

from lvgts_np.paper.credit import phase_cotangents
from lvgts_np.paper.imagine import infer
from lvgts_np.paper.model import init_model, init_policy
from lvgts_np.tasks import EpisodeError
from lvgts_np.training.agent import BACKENDS, Agent
from lvgts_np.training.arithmetic import isolated, release
from lvgts_np.training.config import ParityError
from lvgts_np.training.replay_buffer import collect, training_reward

PACKAGE = Path(__file__).parents[1]
EPISODES = 4  # of the mini-batch that is compared, at most
STEPS = 1000  # in all, or one: the reference keeps the memory of every step
TOLERANCE = 1e-8  # of the largest entry of an array ...
ROUNDING = 1e-11  # ... and of all arrays
ADVICE = "--grad autograd trains with the reference implementation, --no-parity skips this check"


@isolated()
def check_parity(config, task):
    """Compare both backends on one mini-batch in float64: latents, noise, gradients, credit.

    ParityError names the function and the parameters that differ, or the line that fails. Nothing
    is compared where the reference implementation itself trains (grad = "autograd").
    """
    if config.grad == "autograd":
        return
    try:
        for name, args in problem(config, task):
            compare(name, *(flat(called(backend, name, args)) for backend in BACKENDS.values()))
        release()  # what the tapes took
    except (ParityError, EpisodeError):
        raise
    except Exception as error:  # of any kind: one implementation fails where the other runs
        raise ParityError(f"{where(error)}: {error!r}; {ADVICE}") from error


def problem(config, task):
    """Names of the backends' functions and their arguments: random parameters, real episodes."""
    c, rng, B = config, np.random.default_rng(0), max(1, min(EPISODES, STEPS // config.T))
    sizes = task.O, task.A, c.H, c.hidden
    f = {"shortcut": c.rollout["shortcut"], "transition": c.transition}
    phi = randomised(init_model(rng, *sizes, c.combine, **f, reward_loss=c.reward_loss), rng)
    phi["r.W2"][..., 2:] *= 0.1
    phi["r.b2"][..., 2:] = 0.5  # p, where it has a slope: else no return would have one
    theta = randomised(init_policy(rng, c.H, task.A, c.hidden), rng)
    noise = {name: x[None] for name, x in task.draw(rng, B).items()}
    eta = rng.standard_normal((c.T, 1, B, task.A))
    agent = Agent(phi, theta, c.k, c.topk_rule, c.a_max)
    episodes, u = collect(task, agent, noise, eta)
    batch = episodes.o, episodes.a, training_reward(episodes, c.distractor_scale)
    inferring = phi, theta, *batch[:2], u, c.encoder, *f.values()
    replayed = phi, theta, infer(*inferring), c.a_max, c.rollout
    yield "Encoder", (phi, c.k, c.topk_rule, B, *batch[:2])
    yield "infer", inferring
    yield "model_loss_and_grad", (phi, batch, c.encoder, c.alphas, None, c.forms)
    yield "return_and_grad", (*replayed, None, c.gamma)
    yield "credit", (*replayed, phase_cotangents(c.T, task.pay))


def called(backend, name, args):
    """What a function of a backend returns; of an Encoder, its latents along episodes (o, a)."""
    if name != "Encoder":
        return getattr(backend, name)(*args)
    *args, o, a = args
    encoder, a_tm1 = backend.Encoder(*args), np.concatenate((np.zeros_like(a[:1]), a[:-1]))
    return {"h": np.stack([encoder.step(oa_t) for oa_t in np.concatenate((o, a_tm1), axis=-1)])}


def randomised(params, rng):
    """Parameters of these shapes, every entry random."""
    return {
        name: 0.5 * rng.standard_normal(x.shape) / np.sqrt(x.shape[-2])
        for name, x in params.items()
    }


def flat(result):
    """Result of a backend's function as a dict of arrays."""
    if isinstance(result, np.ndarray):
        return {"the actions": result}
    if isinstance(result, dict):
        return result
    if hasattr(result, "_asdict"):  # Inferred: lists over time, whose first weights are none
        return {x: np.concatenate([np.ravel(y) for y in ys]) for x, ys in result._asdict().items()}
    value, gradient = result
    return {"the value": np.stack(value), **gradient}


def compare(function, mine, reference):
    """ParityError unless these dicts of arrays agree."""
    largest = max(np.max(np.abs(x)) for x in reference.values())
    wrong = []
    for name, x in reference.items():
        bound = TOLERANCE * np.max(np.abs(x)) + ROUNDING * largest
        if mine[name].shape != x.shape or not np.max(np.abs(mine[name] - x)) <= bound:
            wrong.append(name)
    if wrong:
        raise ParityError(
            f"{function}: adjoint and reference implementation differ with respect to "
            f"{', '.join(wrong)}; {ADVICE}"
        )


def where(error):
    """File and function of the package in which an exception was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    inside = [frame for frame in frames if Path(frame.filename).is_relative_to(PACKAGE)]
    return f"{Path(inside[-1].filename).relative_to(PACKAGE)}, {inside[-1].name}"
