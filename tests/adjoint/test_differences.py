"""The hand-written gradients against differences of their own values: no second program.

Where a latent is detached, the forward pass is given the constant in its place that it had at x.
"""

from contextlib import ExitStack
from functools import cache
from unittest.mock import patch

import numpy as np
import pytest
from draws import A_MAX, Case, cases, random_episode, random_model, random_replay
from hypothesis import given, settings
from hypothesis import strategies as st
from planted import passes_unplanted, plant

from lvgts_np import adjoint
from lvgts_np.adjoint import encoder, forms, layers, memory, model, policy
from lvgts_np.check.oracles import EPS, differences

ALPHAS = (1.5, 0.7, 0.0)  # of which the last multiplies what has targets of its own
HALF = settings(max_examples=max(10, settings.default.max_examples // 2))
SCALE = st.sampled_from([0.25, 0.5])


def assert_slopes(f, x, gradient, rng, times=1.0):
    """Differences of f along a random direction of each parameter are `times` its gradient.

    Returns the parameters whose slope they do not know, for a branch or rounding.
    """
    unknown = []
    for name, g in gradient.items():
        v = rng.standard_normal(g.shape)
        terms = times * g * v / np.linalg.norm(v)
        size, v = np.abs(terms).sum(), v / np.linalg.norm(v)
        scale = max(np.linalg.norm(x[name]), 0.1)
        D = differences(f, x, {name: v}, [scale, 0.01 * scale], 10 * EPS * abs(f(x)), size)
        if not D.error <= 1e-5 * size:
            unknown.append(name)
            continue
        found = f"{name}: differences {D.slope:.9g}, by hand {terms.sum():.9g}"
        assert abs(D.slope - terms.sum()) <= 10 * D.error + 1e-11 * size, found
    return unknown


class Cuts:
    """MLP that is called once a step, with the latent h_t of its input constant where it is cut.

    The first pass records the constants. `place` gives the step and the first index of h_t in the
    input of each call, or None; the last MLP, if `whole`, has all steps as one batch.
    """

    def __init__(self, place, case, N, kept=None):
        self.place, self.case, self.N, self.kept, self.constants = place, case, N, kept, {}

    def program(self, modules, f):
        def value(x):
            calls = iter(range(10**6))
            with ExitStack() as stack:
                for module in modules:
                    stack.enter_context(
                        patch.object(module, "mlp", lambda *x, **y: self.mlp(next(calls), *x, **y))
                    )
                return f(x)

        return value

    def mlp(self, call, net, x, *buffers, **named):
        if self.place(call):
            steps, first = self.place(call)
            own = x.reshape(len(x), len(steps), -1, x.shape[-1])
            own = own if self.kept and self.kept(call) else own.copy()
            for n, t in enumerate(steps):
                if (t + self.case.count_from) % self.N == 0:
                    h_t = own[:, n, :, first : first + self.case.H]
                    h_t[...] = self.constants.setdefault((call, n), h_t.copy())
            x = own.reshape(x.shape)
        return layers.mlp(net, x, *buffers, **named)


def frozen_model(case, f):
    """f of phi, its encoder's recurrence cut: b.q is called at each step, then r, d and f.

    What r's errors are weighted with and what its σ learns are constants, too.
    """
    first = case.O + case.A
    cuts = Cuts(lambda call: ([call], first) if call < case.T else None, case, case.encoder_N)
    program, real, kept = cuts.program([encoder, model], f), model.detached, {}

    def detached(*args):
        return kept.setdefault(args[-1], real(*args)) if args[-1] else real(*args)

    def value(x):
        with patch.object(model, "detached", detached):
            return program(x)

    return value


def frozen_policy(case, f):
    """f of theta, the replay's carry cut: pi and f are called at each step, then r for all."""

    def place(call):
        return ([call // 2] if call < 2 * case.T - 1 else list(range(case.T))), 0

    def kept(call):  # the memory is read from the input of pi
        return case.store == "after" and call % 2 == 0

    return Cuts(place, case, case.N, kept).program([policy, forms], f)


def model_problem(case):
    phi, _ = random_model(case, case.rng)
    o, a, _, r = random_episode(case, case.rng)
    return phi, (o, a, r)


def check_encoder(case):
    """Gradient of reward and decoder loss with respect to all that makes them."""
    phi, data = model_problem(case)

    def value(phi):
        each = adjoint.model_loss_and_grad(phi, data, case.encoder, ALPHAS, None, case.forms)[0]
        return sum(alpha * loss.sum() for alpha, loss in zip(ALPHAS, each, strict=True))

    _, gradient = adjoint.model_loss_and_grad(phi, data, case.encoder, ALPHAS, None, case.forms)
    whole = case.encoder_N > case.T and case.reward_loss == "square"
    program = value if whole else frozen_model(case, value)
    mine = {name: g for name, g in gradient.items() if not name.startswith("f.")}
    assert not any(gradient[name].any() for name in gradient if name not in mine)
    return assert_slopes(program, phi, mine, case.rng)


def check_transition(case, part):
    """Gradient of the transition loss, which only f has, by its mean or by its σ.

    With σ = 0 the loss is ½ |e|² + ½ |0 - |e||² = |e|², of which one half is a target: its
    derivative is twice the gradient. Where the mean is constant, σ has a constant target.
    """
    if part == "sigma":  # which only queries have
        case = case._replace(transition="query")
    phi, data = model_problem(case)
    kept, off = (slice(case.H), slice(case.H, None))[:: 1 if part == "mean" else -1]
    for name in ("f.W2", "f.b2"):
        phi[name][..., off] = 0.0

    def of_part(params):
        own = {name: g for name, g in params.items() if name.startswith("f.")}
        return {name: g[..., kept] if "2" in name else g for name, g in own.items()}

    def value(x):
        whole = {name: g.copy() for name, g in phi.items()}
        for name, g in x.items():
            whole[name][..., kept if "2" in name else slice(None)] = g
        return adjoint.model_loss_and_grad(whole, data, case.encoder, alphas, None, case.forms)[0][
            2
        ].sum()

    alphas = 0.0, 0.0, 1.0
    _, gradient = adjoint.model_loss_and_grad(phi, data, case.encoder, alphas, None, case.forms)
    assert not any(g.any() for name, g in gradient.items() if not name.startswith("f."))
    times = 2.0 if part == "mean" and case.transition == "query" else 1.0
    return assert_slopes(value, of_part(phi), of_part(gradient), case.rng, times)


def check_return(case):
    phi, theta, inferred = random_replay(case, case.rng)
    moved = {name: x + 0.1 * case.rng.standard_normal(x.shape) for name, x in theta.items()}

    def value(theta):
        return adjoint.return_and_grad(phi, theta, inferred, A_MAX, case.rollout, None, case.gamma)[
            0
        ].sum()

    _, gradient = adjoint.return_and_grad(
        phi, moved, inferred, A_MAX, case.rollout, None, case.gamma
    )
    program = value if case.N > case.T else frozen_policy(case, value)
    return assert_slopes(program, moved, gradient, case.rng)


@HALF
@given(cases(scale=SCALE))
def test_the_gradient_of_reward_and_decoder_loss(case):
    check_encoder(case)


@HALF
@given(cases(scale=SCALE), st.sampled_from(["mean", "sigma"]))
def test_the_gradient_of_the_transition_loss(case, part):
    check_transition(case, part)


@HALF
@given(cases(scale=SCALE))
def test_the_gradient_of_the_return(case):
    check_return(case)


CASE = Case(T=8, B=3, H=4, N=3, encoder_N=3, k=3, scale=0.5, seed=2)
WHOLE = CASE._replace(N=9, encoder_N=9)
PHASE = CASE._replace(count_from=1)
LATENT = CASE._replace(transition="latent")
RULE = "(t + rollout.count_from) % rollout.N != 0"
CHECKS = [
    (check_encoder,),
    (check_transition, "mean"),
    (check_transition, "sigma"),
    (check_return,),
]


@pytest.mark.parametrize(
    "case", [CASE, WHOLE, PHASE, LATENT], ids=["cut", "whole", "phase", "latent"]
)
@pytest.mark.parametrize(
    "check", CHECKS, ids=lambda check: "_".join(map(str, check[1:])) or check[0].__name__
)
def test_here_the_differences_know_every_slope(check, case):
    assert check[0](case, *check[1:]) == []


# function, what it says, what the bug makes of it, the check that must fail
# fmt: off
BUGS = [
    (encoder.encode_adjoint, "(t + count_from) %", "(t + 1) %", check_encoder, CASE),
    (encoder.encode_adjoint, "(t + count_from) % N != 0", "True", check_encoder, CASE),
    (encoder.encode_adjoint, "(t + count_from)", "t", check_encoder, PHASE),
    (memory.Dense.read_adjoint, "lambda_s -= self.at[t] * lambda_s.sum(axis=0)", "pass",
     check_encoder, WHOLE),
    (memory.Dense.of_reads, "self.w[t + 1 :, t]", "0.0 * self.w[t + 1 :, t]", check_encoder, WHOLE),
    (layers.mlp_gradient, "x[..., -1:].mT, lambda_y", "x[..., -1:].mT, lambda_y * (1 + 1e-4)",
     check_encoder, WHOLE),
    (model.fit, "error *= alpha", "error *= -alpha", check_transition, CASE, "mean"),
    (model.fit, "error *= alpha", "error *= -alpha", check_transition, CASE, "sigma"),
    (layers.mlp_adjoint, "slope if net", "1.0 if net", check_return, WHOLE),
    (policy.replay_adjoint, RULE, RULE.replace("rollout.count_from", "1"), check_return, CASE),
    (policy.replay_adjoint, RULE, "t > 0", check_return, CASE),
    (policy.replay_adjoint, RULE, RULE.replace("rollout.count_from", "0"), check_return, PHASE),
    (policy.replay_adjoint, 'store == "after"', 'store == "before"', check_return, CASE),
    (policy.replay_adjoint, "w[..., None] * lambda_h_m", "w[..., None] ** 2 * lambda_h_m",
     check_return, CASE),
    (policy.replay, "1.0 - tanh * tanh", "1.0 - tanh", check_return, WHOLE),
    (forms.latent_step_adjoint, "lambda_x[..., H:-A]", "0.0 * lambda_x[..., H:-A]", check_return,
     LATENT),
    (forms.latent_step_adjoint, "lambda_x[..., -A:]", "lambda_x[..., :A]", check_return, LATENT),
    (model.fit, "1.0 - np.square", "1.0 + np.square", check_transition, LATENT, "mean"),
    (policy.return_and_grad, "dr /= B", "pass", check_return, WHOLE),
    (policy.return_and_grad, "dr *= discount[:, None, None]", "pass", check_return,
     WHOLE._replace(gamma=0.5)),
]
# fmt: on


passes_once = cache(passes_unplanted)


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: f"{bug[0].__name__}: {bug[2]}")
def test_the_bug_is_caught(monkeypatch, bug):
    function, old, new, check, *args = bug
    passes_once(check, *args)
    plant(monkeypatch, function, old, new)
    with np.errstate(all="ignore"), pytest.raises(AssertionError):
        check(*args)
