"""Encoder b, decoder d, transition f, reward model r and policy π. [Eq. 2, Eq. 3]

Parameters are flat dicts of arrays with a leading seed axis: phi holds the model ("b.q", "b.W",
"b.c", "d", "f", "r"), theta the policy ("pi"). Networks without recurrence may be called with all
time steps at once, as one batch that `flatten_time` makes.
"""

import autograd.numpy as np
import numpy as onp

from lvgts_np.paper.attention import append, read, scores, topk_weights
from lvgts_np.paper.autodiff import detach, tanh
from lvgts_np.paper.constants import LOG_STD, MIN_NOISE_SCALE, OUTPUTS_OF_R, PAY_MARGIN
from lvgts_np.paper.nets import clip, huberized_relu, init_mlp, mlp, relu


def encode_step(phi, oa_t, h_tm1, memory, k, rule):
    """Encoder b, one step. [Eq. 3, Alg. 2]

    q_t = MLP_ψ(o_t a_{t-1}, h_{t-1}),   w_t = att(q_t, h_{i<t}),   h_m = Σ_i w_t[i] h_i,
    h_t = latent(q_t, h_m)

    oa_t = (o_t, a_{t-1}) is (S, B, O+A), h_tm1 (S, B, H), memory (S, B, t, H) or None at t = 0;
    k and rule as in `topk_weights`. Returns h_t (S, B, H), w_t (S, B, t) and q_t (S, B, H).
    """
    # DEVIATION: Algorithm 2 gives MLP_ψ no h_{t-1}, which Eq. 3 gives b. (M17)
    q_t = mlp(phi, "b.q", np.concatenate((oa_t, h_tm1), axis=-1))
    # DEVIATION: Algorithm 2 lets i run to t; no latent is attended to before it exists. (M6)
    if memory is None:
        w_t, h_m = onp.zeros(h_tm1.shape[:-1] + (0,)), onp.zeros_like(h_tm1)
    else:
        w_t = topk_weights(scores(q_t, phi["b.W"], memory), k, rule)
        h_m = read(w_t, memory)
    return latent(phi, q_t, h_m), w_t, q_t


def latent(phi, q_t, h_m, rho_t=0.0):
    """Latent of a query and its memory read, shared by encoder and transition. [Eq. 3, Alg. 2]

    h_t = tanh(q_t + MLP(q_t, h_m) + ρ_t)        all (S, B, H)
    """
    # UNSPECIFIED: the latent's range; tanh keeps it bounded. (M2)
    return tanh(q_t + combine(phi, q_t, h_m) + rho_t)


def combine(phi, q_t, h_m):
    """Term that the memory adds to the query: MLP(q_t, h_m), or h_m where phi has no "b.c"."""
    # DEVIATION: Algorithm 2 returns ĥ_t + h_m; the switch "add" keeps that sum. (M1)
    if "b.c.W1" not in phi:
        return h_m
    return mlp(phi, "b.c", np.concatenate((q_t, h_m), axis=-1))


def encode(phi, o, a, N, k, rule="paper", count_from=0):
    """Encoder b over whole episodes, its recurrence detached every N steps. [Eq. 3, §4.2]

    h_t = b(h_{t-1}, h_m, o_t, a_{t-1}), h_{-1} = a_{-1} = 0, h_{t-1} ← Detach(h_{t-1}) at N | t + c

    o (T, S, B, O), a (T, S, B, A). Returns lists over t of h_t (S, B, H), w_t (S, B, t) and q_t
    (S, B, H). The memory read is never detached; c is count_from; N > T cuts nothing.
    """
    h, w, q, memory = [], [], [], None
    a_tm1 = onp.zeros_like(a[0])
    h_tm1 = onp.zeros(o[0].shape[:-1] + (phi["b.W"].shape[-1],), dtype=o[0].dtype)
    for t in range(len(o)):
        # UNSPECIFIED: whether §4.2's truncation also holds for the encoder; it does, before the
        # latents that the replay cuts after, and so the attention has to look back. (M3)
        if (t + count_from) % N == 0:
            h_tm1 = detach(h_tm1)
        oa_t = np.concatenate((o[t], a_tm1), axis=-1)
        h_t, w_t, q_t = encode_step(phi, oa_t, h_tm1, memory, k, rule)
        memory = append(memory, h_t)
        h.append(h_t)
        w.append(w_t)
        q.append(q_t)
        h_tm1, a_tm1 = h_t, a[t]
    return h, w, q


def decode(phi, h):
    """Decoder d. [Eq. 2]

    ô_t = d(h_t)        h (S, B, H), returns (S, B, O).
    """
    return mlp(phi, "d", h)


def predict(phi, h_t, a_t):
    """Prediction of the next query, before its observation: mean and mean absolute error. [§3.2]

    (q̂_{t+1}, σ_{t+1}) = MLP_f(h_t, a_t)        h_t (S, B, H), a_t (S, B, A), returns 2 x (S, B, H).
    """
    out, H = mlp(phi, "f", np.concatenate((h_t, a_t), axis=-1)), h_t.shape[-1]
    return out[..., :H], out[..., H:]


def noise_scale(mae):
    """Scale of the transition's noise ξ. [§3.2]

    max(σ, 0.05)        σ (S, B, H) the predicted mean absolute error
    """
    return clip(mae, MIN_NOISE_SCALE, onp.inf)


def transition(phi, h_t, h_m, a_t, xi_t, rho_t):
    """Latent transition f, with memory read and noise. [§3.2]

    ĥ_{t+1} = f(ĥ_t, ĥ_m^{t+1}, a_t, ξ_t, ρ_t) = tanh(q + MLP(q, ĥ_m^{t+1}) + ρ_t),
    q = q̂_{t+1} + max(σ_{t+1}, 0.05) ξ_t

    a_t is (S, B, A), all others and what is returned (S, B, H).
    """
    # UNSPECIFIED: what f is made of. It predicts the query and reads the memory as the encoder
    # does: an MLP of (h, h_m, a) learns a mean over the next observation, and its derivative with
    # respect to h_m loses most of a recall reward's credit. The noise is scaled by the predicted
    # error: with unscaled noise a replayed action that makes o_m clearer would leave the error of
    # the observation as it was, and be credited with less. (M9)
    mean, mae = predict(phi, h_t, a_t)
    return latent(phi, mean + noise_scale(mae) * xi_t, h_m, rho_t)


def reward(phi, h_t, a_t, units="huberized"):
    """Reward model r, its mean. [Eq. 2]

    r̂_t = r(h_t, a_t) = p̄_t y_t,   p̄_t = clip((p_t - 0.05) / 0.9, 0, 1)

    or y_t where phi holds an r without p. h_t (S, B, H), a_t (S, B, A), returns (S, B, 1).
    """
    y_t, _, p_t = predict_reward(phi, h_t, a_t, units)
    if p_t.shape[-1] == 0:
        return y_t
    # UNSPECIFIED: the mean of a distribution of which a part is exactly 0. Where p is below ε it is
    # 0 and has no slope: at hundreds of steps that pay nothing slopes of almost 0 add up. (M19)
    return clip((p_t - PAY_MARGIN) / (1.0 - 2.0 * PAY_MARGIN), 0.0, 1.0) * y_t


def predict_reward(phi, h_t, a_t, units="huberized"):
    """Distribution of the reward: if a step pays, and what. [Alg. 1, r(r_t | h_t, a_t)]

    (y_t, σ_t, p_t) = MLP_r(h_t, a_t)

    y is the mean of what a step pays, σ the mean absolute error of y, p the probability that the
    step pays. h_t (S, B, H), a_t (S, B, A), returns 3 x (S, B, 1); (S, B, 0) for what phi's r
    lacks: without p, y is the mean of all rewards.
    """
    if units not in ("huberized", "relu"):
        raise ValueError(f"unknown reward_units {units!r}")
    # UNSPECIFIED: r's activation. The policy follows r's slope, and a ReLU's is a staircase. (M12)
    activation = huberized_relu if units == "huberized" else relu
    out = mlp(phi, "r", np.concatenate((h_t, a_t), axis=-1), activation)
    return out[..., :1], out[..., 1:2], out[..., 2:]


def policy(theta, h_t):
    """Mean and standard deviation of the policy's pre-squash action. [Alg. 1, π_θ]

    (μ, log σ) = MLP(h_t),  log σ clipped to [-1, 1]        h_t (S, B, H), returns 2 x (S, B, A).
    """
    # UNSPECIFIED: the policy's distribution; Gaussian, squashed by `squash`. (M10)
    out = mlp(theta, "pi", h_t)
    A = out.shape[-1] // 2
    return out[..., :A], np.exp(clip(out[..., A:], *LOG_STD))


def squash(u, a_max):
    """Action of a pre-squash action. [§4.1]

    a = a_max tanh(u / a_max)
    """
    # UNSPECIFIED: the action range; (-a_max, a_max). (T6)
    return a_max * tanh(u / a_max)


def act(theta, h_t, eta_t, a_max):
    """Reparameterised policy π. [Alg. 1, π_θ(h_t, η_t)]

    a_t = squash(μ(h_t) + σ(h_t) η_t)

    h_t (S, B, H), eta_t (S, B, A); returns a_t and the pre-squash u_t, both (S, B, A).
    """
    mean, std = policy(theta, h_t)
    u_t = mean + std * eta_t
    return squash(u_t, a_max), u_t


def init_model(
    rng, O, A, H, hidden,
    combine="mlp", actions=0.3, recurrence=1.5, transition="query", shortcut=True,
    reward_loss="weighted",
):  # fmt: skip
    """Initial model parameters phi of one seed, leading axis 1.

    combine is M1's switch, ValueError unless "mlp" or "add"; actions and recurrence scale the
    query's first weights of a_{t-1} and of h_{t-1}; transition and shortcut, as in `imagine`, say
    what f reads and predicts; reward_loss says if r has y alone ("square"), σ too ("weighted"), or
    also p ("hurdle").
    """
    if combine not in ("mlp", "add"):
        raise ValueError(f"unknown combine {combine!r}")
    if transition not in ("query", "latent"):
        raise ValueError(f"unknown transition {transition!r}")
    if reward_loss not in OUTPUTS_OF_R:
        raise ValueError(f"unknown reward_loss {reward_loss!r}")
    # UNSPECIFIED: the initial weights. They decide whether attention forms on the steps that
    # observed o_m or on later ones that copied it, which makes the shortcut two hops long. So keys
    # start as minus the latent, and attention on the latents least like the query; copies are
    # overwritten where the recurrence is strong and the memory's term starts small; and steps
    # without observation have like latents where actions weigh little. (M1)
    phi = init_mlp(rng, "b.q", O + A + H, hidden, H)
    phi["b.q.W1"] *= onp.repeat([1.0, actions, recurrence], [O, A, H])[:, None]
    phi["b.W"] = 0.1 * rng.standard_normal((1, H, H)) / onp.sqrt(H) - onp.eye(H)
    phi |= init_mlp(rng, "d", H, hidden, O)
    reads, of = (H, H) if transition == "latent" else (0, 2 * H)  # h_m; a query's mean and error
    phi |= init_mlp(rng, "f", H + reads * shortcut + A, hidden, of)
    phi |= init_mlp(rng, "r", H + A, hidden, OUTPUTS_OF_R[reward_loss])
    if combine == "mlp":
        phi |= init_mlp(rng, "b.c", H + H, hidden, H, last=0.1)
    return phi


def init_policy(rng, H, A, hidden):
    """Initial policy parameters theta of one seed; the last layer is zero, so u_t = η_t. (T4)"""
    return init_mlp(rng, "pi", H, hidden, 2 * A, last=0.0)
