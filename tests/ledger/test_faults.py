"""Where a bug is planted the ledger names the function, and no other."""

import pytest
import test_adjoint
import test_planted_bugs
from planted import plant

from ledger.measure import CASES, measure
from ledger.uses import faults
from lvgts_np.adjoint import encoder, layers, memory, noise, policy
from lvgts_np.adjoint import forms as by_hand
from lvgts_np.adjoint import model as by_hand_losses
from lvgts_np.paper import (
    attention,
    autodiff,
    credit,
    forms,
    gradients,
    imagine,
    losses,
    model,
    nets,
)

# function, what it says, what the bug makes of it
# fmt: off
MORE = [
    (autodiff.value_and_grad, "onp.ones_like(value)", "2.0 * onp.ones_like(value)"),
    (autodiff.vjp, "list(backward(g))", "list(backward(2.0 * g))"),
    (nets.huberized_relu, "relu(x) - 0.5", "relu(x) + 0.5"),
    (nets.init_mlp, "2.0 / d_in", "1.0 / d_in"),
    (attention.read_nothing, "onp.zeros(", "onp.ones("),
    (attention.pick, "== index", "!= index"),
    (model.init_model, "- onp.eye(H)", "+ onp.eye(H)"),
    (model.init_model, "last=0.1", "last=1.0"),
    (model.init_model, "0.1 * rng", "1.0 * rng"),
    (model.encode, "a_tm1 = onp.zeros_like", "a_tm1 = onp.ones_like"),
    (model.combine, "concatenate((q_t, h_m)", "concatenate((h_m, q_t)"),
    (model.predict, "out[..., :H], out[..., H:]", "out[..., H:], out[..., :H]"),
    (model.policy, "clip(out[..., A:], *LOG_STD)", "out[..., A:]"),
    (losses.total_loss, "alpha * loss", "loss"),
    (losses.reward_errors, "onp.sqrt(weights / share) * error", "weights / share * error"),
    (losses.reward_weights, "(e, e / s)", "(e, e * s)"),
    (losses.reward_weights, "c / s**2", "c / s"),
    (losses.reward_errors, "(p - pays)", "(p + pays)"),
    (losses.reward_errors, "pays * detach(error)", "detach(error)"),
    (losses.reward_errors, "1.0 / T)", "1.0)"),
    (model.predict_reward, "out[..., :1], out[..., 1:2]", "out[..., -1:], out[..., 1:2]"),
    (model.reward, "(p_t - PAY_MARGIN)", "(p_t + PAY_MARGIN)"),
    (by_hand_losses.detached, "np.sqrt(c)", "c"),
    (by_hand_losses.detached, "reshape(len(mae), -1, B)", "reshape(len(mae), 1, -1)"),
    (policy.mean_of, "else slice(1)", "else slice(-1, None)"),
    (imagine.infer, "/ std", "* std"),
    (imagine.transition_read, "read if shortcut else form.read_nothing", "read"),
    (credit.phase_cotangents, "~paid, paid", "paid, paid"),
    (credit.credit_matrix, "onp.eye(", "onp.tri("),
    (gradients.return_and_grad, "np.sum(G), G", "-np.sum(G), G"),
    (layers.mlp, "y += net.b2", "pass"),
    (memory.Sparse.read, "tied /= np.maximum(tied.sum(axis=-1, keepdims=True), 1.0)", "pass"),
    (memory.excesses, "threshold, MARGIN", "threshold, 2.0 * MARGIN"),
    (layers.latent_adjoint, "lambda_x[..., H:]", "lambda_x[..., :H]"),
    (encoder.empty_trace, "a[:, :-1]", "a[:, 1:]"),
    (encoder.encode_adjoint, "(lambda_key[:, n], W_T)", "(lambda_key[:, n], W)"),
    (by_hand_losses.block_gradient, "alphas[1]", "alphas[0]"),
    (encoder.encode_step, "np.matmul(x_c[..., :H], W)", "x_c[..., :H]"),
    (noise.infer, "steps.start + 1", "steps.start"),
    (by_hand.query_noise, "(q - out", "(q + out"),
    (by_hand.latent_noise, "z - values", "z + values"),
    (memory.dense, "% T", "% (T + 1)"),
    (credit.response, "a_t[None]", "2.0 * a_t[None]"),
    (policy.response, "= 0.0, np", "= 1.0, np"),
    (policy.mean_and_slopes, "np.ones_like(y)", "y"),
    (policy.return_and_grad, "dr /= B", "pass"),
    (by_hand.query_step_adjoint, "(lambda_q, lambda_mae)", "(lambda_z, lambda_mae)"),
    (forms.query_errors, "- flatten_time(q[1:])", "- flatten_time(q[:-1])"),
]
# fmt: on
KEPT = "order[-1]", "total[none] = tied / tied.sum(axis=0), 1.0"  # wrong for the adjoint alone
KEPT += "paying", "1)", "(p < 9.0) &"  # and where few episodes pay, or p has no slope
BUGS = [bug[:3] for bug in (*test_planted_bugs.BUGS, *test_adjoint.BUGS) if bug[2] not in KEPT]
BUGS += MORE


def judged(usual, name):
    """The unit measured if it uses the function, up to the first problem that shows a fault."""
    if not any(name in uses for uses in usual.uses.values()):
        return usual
    for case in CASES:
        unit = measure(usual.name, [case])
        if unit.wrong:
            break
    return unit


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: f"{bug[0].__name__}: {bug[2]}")
def test_a_planted_bug_fails_first_where_it_is(monkeypatch, measured, bug):
    function, old, new = bug
    name = f"{function.__module__}.{function.__qualname__}"
    if any(unit.wrong for unit in measured.values()):
        pytest.skip("a formula is wrong without the bug")
    plant(monkeypatch, function, old, new, test_planted_bugs.HELPERS)
    seen = []
    for usual in measured.values():
        seen.append(judged(usual, name))
        if seen[-1].wrong:
            break
    (fault,) = faults(seen)
    named = [suspect for suspect in fault.suspects if not suspect.startswith("naive.")]
    assert name in named
    assert len(named) <= 4
