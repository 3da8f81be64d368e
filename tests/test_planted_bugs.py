"""Bugs planted in the source, one at a time: the check of the suite that is named must fail."""

import autograd.numpy as np
import numpy as onp
import pytest
from autograd.extend import defvjp, primitive
from draws import Case
from planted import passes_unplanted, plant
from test_attention import (
    check_one_threshold,
    check_scores_and_read,
    check_scores_and_read_gradients,
    check_topk_gradient,
    check_topk_values,
    check_weights_are_a_distribution,
)
from test_batching import check_seeds_are_independent
from test_credit import check_boundary_slot, check_credit, check_myopic, check_shortcut
from test_imagine import (
    check_infer,
    check_latent_at_its_bound,
    check_replay,
    check_replay_is_exact,
)
from test_losses import check_losses, check_no_encoder_gradient, check_stop_gradients
from test_model import (
    check_branches_at_ties,
    check_encode,
    check_encode_gradient,
    check_encoder_truncation,
    check_map_gradient,
    check_maps,
)
from test_optim import check_adam, check_clip
from test_value_gradients import check_same_operator

from lvgts_np.paper import attention, credit, forms, imagine, losses, model, nets, value_gradients
from lvgts_np.paper.autodiff import detach
from lvgts_np.training import optim


def wrong(value, *vjps):
    """An operation with the right value and the derivative that is given."""
    operation = primitive(value)
    defvjp(operation, *vjps)
    return operation


HELPERS = {
    "detach": detach,
    "negative_tanh": wrong(onp.tanh, lambda y, x: lambda g: -g * (1.0 - y * y)),
    "off": wrong(lambda x: x, lambda y, x: lambda g: g * (1.0 + 1e-6)),
    "w_for_dw": wrong(lambda w: w, lambda y, w: lambda g: w * np.sum(g, axis=-1, keepdims=True)),
    "add": wrong(lambda x, y: x + y, lambda z, x, y: lambda g: g, lambda z, x, y: lambda g: g),
}

CASE = Case(T=8, B=2, H=4, N=3, seed=1)
DISCOUNTED = CASE._replace(gamma=0.5)
LATENT = CASE._replace(transition="latent", scale=0.5)
PHASE = CASE._replace(count_from=1)
LM_SVG = CASE._replace(T=15, N=4, lm_svg=True, scale=0.5)
TIED = onp.array([[1.0, 1.0, 1.0, 0.0]])
THRESHOLD_TIED = onp.array([3.0, 2.0, 1.0, 1.0, 0.5])

RULE = "order[..., k : k + 1]"
CUT = "(t + 1 + count_from) % N == 0"
B2 = 'np.matmul(hidden, params[name + ".W2"]) + params[name + ".b2"]'
UNBROADCAST = 'add(np.matmul(hidden, params[name + ".W2"]), params[name + ".b2"])'
STEP = "x - lr * (m / (1 - BETA_1**t)) / (np.sqrt(v / (1 - beta_2**t)) + EPSILON)"

# function, what it says, what the bug makes of it, the check that must fail, its arguments
# fmt: off
BUGS = [
    (nets.relu, "> 0", ">= 0", check_branches_at_ties),
    (nets.clip, "value > low", "value >= low", check_branches_at_ties),
    (nets.mlp, "name + \".b1\"]", "name + \".b1\"] * 0.0", check_maps, CASE),
    (nets.mlp, B2, B2.replace("+ params", "- params"), check_maps, CASE),
    (nets.mlp, B2, 'np.matmul(hidden, params[name + ".W2"]) + off(params[name + ".b2"])',
     check_map_gradient, "decode", CASE),
    (nets.mlp, B2, UNBROADCAST, check_map_gradient, "decode", CASE),
    (attention.topk_weights, RULE, "order[..., k - 1 : k]",
     check_topk_values, THRESHOLD_TIED[None], 2, "paper"),
    (attention.topk_weights, "value > value_of", "value >= value_of",
     check_one_threshold, THRESHOLD_TIED, 2),
    (attention.topk_weights, "largest <= value_of", "largest < value_of",
     check_weights_are_a_distribution, TIED, 2, "paper"),
    (attention.topk_weights, "order[..., -1:]) + MARGIN", "order[..., -1:])",
     check_weights_are_a_distribution, TIED[:, :1], 1, "paper"),
    (attention.topk_weights, "(s - threshold) * survives", "(s - detach(threshold)) * survives",
     check_topk_gradient, 0, 5, 2, "paper", 1.0, False),
    (attention.scores, "q.shape[-1]", "memory.shape[-2]", check_scores_and_read, CASE),
    (attention.scores, "np.matmul(q, W)", "np.matmul(q, np.swapaxes(W, -1, -2))",
     check_scores_and_read, CASE),
    (attention.read, "w[..., None, :]", "w_for_dw(w)[..., None, :]",
     check_scores_and_read_gradients, CASE),
    (model.encode, "(t + count_from) %", "(t + 1) %", check_encoder_truncation, CASE),
    (model.encode, "(t + count_from) %", "t %", check_encoder_truncation, PHASE),
    (model.encode, "h_tm1 = detach(h_tm1)", "pass", check_encoder_truncation, CASE),
    (model.encode, "append(memory, h_t)", "append(memory, detach(h_t))",
     check_encoder_truncation, CASE),
    (model.encode, "h_tm1, a_tm1 = h_t, a[t]", "h_tm1 = h_t", check_encode, CASE),
    (model.latent, "return tanh(", "return negative_tanh(", check_encode_gradient, CASE),
    (model.squash, "return a_max * tanh(", "return a_max * negative_tanh(",
     check_map_gradient, "act", CASE),
    (model.act, "mean + std", "mean - std", check_maps, CASE),
    (losses.reward_errors, "error = y - r", "error = y + r", check_losses, CASE),
    (losses.model_losses, "h, w, q = detach(h), detach(w), detach(q)", "pass",
     check_no_encoder_gradient, CASE),
    (losses.model_losses, "reward(phi, h_all", "reward(phi, detach(h_all)",
     check_stop_gradients, CASE),
    (losses.half_square, "2.0 * error", "error", check_losses, CASE),
    (forms.query_noise, "q_tp1 - mean", "q_tp1 + mean", check_infer, CASE),
    (model.transition, "noise_scale(mae)", "noise_scale(detach(mae))", check_replay, CASE),
    (model.noise_scale, "MIN_NOISE_SCALE", "0.0", check_infer, CASE),
    (forms.query_errors, "onp.abs(detach(error))", "np.abs(error)", check_stop_gradients, CASE),
    (nets.huberized_relu, "0.5 * slope", "slope", check_maps, CASE),
    (forms.query_noise, "seen) - combine", "seen) + combine", check_replay_is_exact, LM_SVG, False),
    (imagine.infer, "(u_t - mean)", "(u_t + mean)", check_replay_is_exact, CASE, True),
    (model.transition, "* xi_t", "* -xi_t", check_replay_is_exact, CASE, False),
    (model.latent, "+ rho_t", "", check_replay_is_exact, LM_SVG, False),
    (forms.latent_noise, "np.arctanh(", "np.arcsin(", check_replay_is_exact, LATENT, False),
    (forms.latent_noise, "- mlp(", "+ mlp(", check_infer, LATENT),
    (forms.latent_noise, "clip(h_tp1, -bound, bound)", "h_tp1", check_latent_at_its_bound),
    (forms.latent_transition, "return tanh(", "return negative_tanh(", check_replay, LATENT),
    (forms.latent_transition, "(h_t, h_m, a_t)", "(h_t, 0.0 * h_m, a_t)", check_replay, LATENT),
    (forms.latent_transition, "(h_t, h_m, a_t)", "(h_t, detach(h_m), a_t)", check_replay, LATENT),
    (forms.latent_errors, "h[1:]", "h[:-1]", check_losses, LATENT),
    (forms.latent_errors, "append(memory, h_t)", "append(memory, 0.0 * h_t)", check_losses, LATENT),
    (losses.model_losses, "detach(h), detach(w)", "detach(h), w", check_no_encoder_gradient,
     LATENT),
    (imagine.transition_read, "form.read_nothing", "read", check_replay,
     LM_SVG._replace(transition="query")),
    (imagine.replay, CUT, CUT.replace("t + 1", "t"), check_replay, CASE),
    (imagine.replay, CUT, CUT.replace(" + count_from", ""), check_replay, PHASE),
    (imagine.replay, CUT, "False", check_replay, CASE),
    (imagine.replay, CUT, "False", check_myopic, LM_SVG),
    (imagine.replay, CUT, CUT.replace("% N", "% (N + 1)"), check_credit, CASE),
    (imagine.replay, 'store == "before"', 'store != "before"', check_boundary_slot, 0, 8, "before"),
    (imagine.replay, "inferred.w[t + 1], memory", "inferred.w[t + 1], detach(memory)",
     check_shortcut, 0, "before"),
    (imagine.replay, "reward(phi, carry", "reward(phi, detach(carry)", check_replay, CASE),
    (imagine.imagined_return, "/ G.shape[-2]", "", check_replay, CASE),
    (imagine.imagined_return, "gamma**t", "gamma ** (t + 1)", check_replay, DISCOUNTED),
    (imagine.imagined_return, "gamma**t * ", "", check_replay, DISCOUNTED),
    (credit.credit, "pi(h, t) + nudge", "detach(pi(h, t)) + nudge", check_credit, CASE),
    (optim.adam_step, STEP, STEP.replace("x - lr", "x + lr"), check_adam, 0, 3, 1.0),
    (optim.adam_step, STEP, STEP.replace("beta_2**t", "beta_2"), check_adam, 0, 3, 1.0),
    (optim.adam_step, "(1 - beta_2) * g * g", "(1 - beta_2) * g", check_adam, 0, 3, 1e-3),
    (optim.clip_norm, "np.minimum", "np.maximum", check_clip, 0, 1.0, 1.0),
    (optim.global_norm, "np.vecdot(g, g)", "np.vecdot(g, g).sum(keepdims=True)",
     check_seeds_are_independent, Case(T=3), onp.float64),
    (value_gradients.truncated_value_gradient, "i + n + 1", "i + n",
     check_same_operator, 0, 3, 2, 5, 2, 0.5),
    (value_gradients.truncated_value_gradient, "ds.T @ dV", "ds @ dV",
     check_same_operator, 0, 3, 2, 5, 2, 0.5),
    (value_gradients.n_step_value, "horizon + 1", "horizon + 2",
     check_same_operator, 0, 3, 2, 5, 2, 0.5),
]
# fmt: on


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: f"{bug[0].__name__}: {bug[2]}")
def test_the_bug_is_caught(monkeypatch, bug):
    function, old, new, check, *args = bug
    passes_unplanted(check, *args)
    plant(monkeypatch, function, old, new, HELPERS)
    with onp.errstate(all="ignore"), pytest.raises(AssertionError):
        check(*args)
