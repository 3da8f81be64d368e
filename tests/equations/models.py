"""Latent, decoder, reward model, transition, policy, encoder. [Eq. 2, Eq. 3, §3.2]"""

from types import SimpleNamespace

import numpy as onp
from draws import A_MAX

from equations.problem import (
    Problem,
    by_episode,
    by_time,
    drawn,
    episode,
    joined,
    models,
    nudged,
    ones,
    part,
    scalars,
    slope,
    unit,
)
from lvgts_np.adjoint import encoder, layers
from lvgts_np.adjoint import forms as by_hand
from lvgts_np.paper import (
    attention,
    forms,
    model,
)


def latents(case):
    """Query, memory read and ρ, with the parameters of b.c, and the latent by hand."""
    phi = part(models(case)[0], "b.c.")
    x = dict(zip(("q", "h_m", "rho"), drawn(case, case.H, case.H, case.H), strict=True))

    def forward(x):
        net = layers.networks(phi, "b.c")["b.c"] if phi else None
        h, v = onp.empty_like(x["q"]), onp.empty((case.S, case.B, case.hidden))
        x_c = ones(onp.concatenate((x["q"], x["h_m"]), axis=-1))
        layers.latent(net, x_c, v, onp.zeros(v.shape[1:]), h, x["rho"])
        return net, h, v

    return phi, x, forward


@unit
def latent(case):
    """Latent of a query and its memory read. [Eq. 3, Alg. 2]   h = tanh(q + MLP(q, h_m) + ρ)"""
    phi, x, forward = latents(case)
    return Problem(
        x,
        lambda x: model.latent(phi, x["q"], x["h_m"], x["rho"]),
        lambda x, c: (forward(x)[1], None),
        lambda n, x: scalars(n, n.latent, phi, x["q"], x["h_m"], x["rho"]),
    )


@unit
def latent_adjoint(case):
    """Adjoints of query and memory read. [Eq. 3]   λ_z = λ_h (1 - h²),   λ_q = λ_z + λ_z ∂MLP/∂q"""
    phi, x, forward = latents(case)
    x |= {"v": onp.zeros((case.S, case.B, case.hidden))} if phi else {}

    def text(x):
        params = nudged(phi, "b.c", b1=x["v"]) if phi else phi
        return model.latent(params, x["q"], x["h_m"], x["rho"])

    def hand(x, c):
        net, h, v = forward(x)
        lambda_z, lambda_v = onp.empty_like(h), onp.empty_like(v)
        lambda_q, lambda_h_m = layers.latent_adjoint(net, h, v, c, lambda_z, lambda_v)
        g = {"q": lambda_q, "h_m": lambda_h_m, "rho": lambda_z}
        return None, g | ({"v": lambda_v} if phi else {})

    return Problem(x, text, hand)


@unit
def decoder_and_reward(case):
    """Decoder d and reward model r. [Eq. 2]   ô_t = d(h_t),   (r̂_t, σ_t) = r(h_t, a_t)"""
    phi = part(models(case)[0], "d.", "r.")
    h, a = drawn(case, case.H, case.A)
    return Problem(
        {**phi, "h": h, "a": a},
        lambda x: joined(
            model.decode(x, x["h"]),
            model.reward(x, x["h"], x["a"], case.reward_units),
            *model.predict_reward(x, x["h"], x["a"], case.reward_units),
        ),
        naive=lambda n, x: scalars(
            n,
            lambda p, h, a: [
                n.mlp(p, "d", h),
                n.reward(p, h, a, case.reward_units),
                *n.predict_reward(p, h, a, case.reward_units),
            ],
            part(x, "d.", "r."),
            x["h"],
            x["a"],
        ),
    )


def f_parts(case):
    """Latent, memory argument, noise, ρ and action at which f is evaluated."""
    names, H = ("h", "h_m", "xi", "rho", "a"), case.H
    x = dict(zip(names, drawn(case, H, H, H, H, case.A), strict=True))
    if case.transition == "latent" and not case.shortcut:
        x["h_m"] = x["h_m"][..., :0]
    return x


@unit
def predict(case):
    """Prediction of the next query, and its noise. [§3.2]   (q̂, σ) = MLP_f(h, a),   max(σ, 0.05)"""
    phi = part(models(case._replace(transition="query"))[0], "f.")
    h, a = drawn(case, case.H, case.A)

    def text(x):
        mean, mae = model.predict(x, x["h"], x["a"])
        return joined(mean, model.noise_scale(mae))

    def naive(n, x):
        def f(p, h, a):
            mean, mae = n.predict(p, h, a)
            return [mean, [n.scale(s) for s in mae]]

        return scalars(n, f, part(x, "f."), x["h"], x["a"])

    return Problem({**phi, "h": h, "a": a}, text, naive=naive)


@unit
def transition(case):
    """Transition of queries. [§3.2]   tanh(q + MLP(q, ĥ_m) + ρ),   q = q̂ + max(σ, 0.05) ξ"""
    return one_step(case._replace(transition="query"), model.transition)


@unit
def latent_transition(case):
    """Transition of latents. [§3.2, A.2]   tanh(MLP_f(ĥ, ĥ_m, a) + ξ)"""
    return one_step(case._replace(transition="latent"), forms.latent_transition)


PARTS = ("h", "h_m", "a", "xi", "rho")


def one_step(case, f):
    """A step of f and its restatement."""
    phi, x = part(models(case)[0], "f.", "b.c."), f_parts(case)
    if case.transition == "latent":
        x["rho"] = x["rho"][..., :0]  # it has none

    def naive(n, x):
        def restated(p, *each):
            return n.step(p, case.transition, *each)

        return scalars(n, restated, part(x, "f.", "b.c."), *(x[name] for name in PARTS))

    return Problem(phi | x, lambda x: f(x, *(x[name] for name in PARTS)), naive=naive)


@unit
def query_step(case):
    """Step of a query by hand. [§3.2]   ĥ_{t+1}, and the derivative of q with respect to σ"""
    return stepped(case._replace(transition="query"), by_hand.query_step, model.transition)


@unit
def latent_step(case):
    """Step of a latent by hand. [§3.2, A.2]   ĥ_{t+1}"""
    return stepped(case._replace(transition="latent"), by_hand.latent_step, forms.latent_transition)


@unit
def query_step_adjoint(case):
    """Adjoint of a query's step. [§3.2]   λ_f = (λ_q, λ_q ∂q/∂σ)"""
    adjoint = by_hand.query_step, by_hand.query_step_adjoint
    return stepped(case._replace(transition="query"), *adjoint[:1], model.transition, adjoint[1])


@unit
def latent_step_adjoint(case):
    """Adjoint of a latent's step. [§3.2, A.2]   λ_MLP = λ_ĥ (1 - ĥ²)"""
    adjoint = by_hand.latent_step, by_hand.latent_step_adjoint
    latent = case._replace(transition="latent")
    return stepped(latent, *adjoint[:1], forms.latent_transition, adjoint[1])


def stepped(case, step, f, adjoint=None):
    """A step by hand, or the adjoints of its latent, action and memory argument."""
    phi, x = part(models(case)[0], "f.", "b.c."), f_parts(case)
    queries = case.transition == "query"
    noise, H, lead = {"xi": x.pop("xi"), "rho": x.pop("rho")}, case.H, (case.S, 1, case.B)

    def forward(x):
        nets = layers.networks(phi, "f", "b.c")
        inferred = SimpleNamespace(xi=[noise["xi"]], rho=[noise["rho"]])
        widths = {"v_f": case.hidden, "v_c": case.hidden, "dq": H, "du": case.A}
        trace = SimpleNamespace(**{name: onp.empty((*lead, F)) for name, F in widths.items()})
        trace.x_r = ones(joined(x["h"], x["a"]))[:, None]
        width = nets["f"].W1.shape[1] if case.transition == "latent" else 2 * H + 1
        work, h_tp1 = onp.ones((case.S, case.B, width)), onp.empty((case.S, case.B, H))
        work[..., H : H + x["h_m"].shape[-1]] = x["h_m"]
        step(nets, trace, inferred, 0, work, onp.zeros((case.B, case.hidden)), h_tp1)
        trace.x_pi = onp.stack((x["h"], h_tp1), axis=1)
        trace.x_pi = onp.concatenate((trace.x_pi, onp.ones((case.S, 2, case.B, 1))), axis=-1)
        return nets, trace, h_tp1

    def hand(moved, c):
        nets, trace, h_tp1 = forward(x | moved)
        if adjoint is None:
            return joined(h_tp1, trace.dq[:, 0]) if queries else h_tp1, None
        work = onp.empty_like(h_tp1), onp.empty((case.S, case.B, case.hidden))
        lambda_h_a, lambda_h_m = adjoint(nets, trace, 0, c, *work)
        return None, {"h": lambda_h_a[..., :H], "h_m": lambda_h_m, "a": lambda_h_a[..., H:]}

    def text(x):
        h_tp1 = f(phi, *((x | noise)[name] for name in PARTS))
        if not queries or adjoint:
            return h_tp1
        mae = model.predict(phi, x["h"], x["a"])[1]
        return joined(h_tp1, slope(lambda s: model.noise_scale(s) * noise["xi"], s=mae)["s"])

    return Problem(x if adjoint else {}, (lambda _: text(x)) if adjoint is None else text, hand)


@unit
def squash(case):
    """Action of a pre-squash action. [§4.1]   a = a_max tanh(u / a_max)"""
    return Problem(
        {"u": drawn(case, case.A)[0]},
        lambda x: model.squash(x["u"], A_MAX),
        naive=lambda n, x: scalars(n, lambda _, u: n.squash(u, A_MAX), {}, x["u"]),
    )


@unit
def policy(case):
    """Policy. [Alg. 1, π_θ]   (μ, log σ) = MLP(h),   log σ clipped to [-1, 1]"""
    theta, (h,) = models(case)[1], drawn(case, case.H)
    theta["pi.b2"] = 2.0 * theta["pi.b2"]  # some log σ beyond a bound
    return Problem(
        {**theta, "h": h},
        lambda x: joined(*model.policy(x, x["h"])),
        naive=lambda n, x: scalars(n, n.policy, part(x, "pi."), x["h"]),
    )


@unit
def act(case):
    """Reparameterised action. [Alg. 1, π_θ(h_t, η_t)]   u = μ(h) + σ(h) η,   a = squash(u)"""
    theta = models(case)[1]
    h, eta = drawn(case, case.H, case.A)
    return Problem(
        {**theta, "h": h, "eta": eta},
        lambda x: joined(*model.act(x, x["h"], x["eta"], A_MAX)),
        naive=lambda n, x: scalars(
            n, lambda p, h, eta: n.act(p, h, eta, A_MAX), part(x, "pi."), x["h"], x["eta"]
        ),
    )


def encoding(case):
    """Parameters of b, and an episode to encode."""
    phi = part(models(case)[0], "b.")
    return phi, *episode(case)[:2]


@unit
def encode(case):
    """Encoder b over an episode. [Eq. 3, §4.2, Alg. 2]   h_t = b(h_{t-1}, h_m, o_t, a_{t-1})"""
    phi, o, a = encoding(case)
    return Problem(
        phi,
        lambda x: joined(*model.encode(x, o, a, **case.encoder)),
        naive=lambda n, x: scalars(n, lambda p, o, a: n.encode(p, o, a, **case.encoder), x, o, a),
    )


def noise_of(case, noise):
    """Noise that makes a step exact, and its restatement."""
    case = case._replace(B=1)
    phi, theta = models(case)
    if case.seed % 2:
        phi["b.q.b2"][..., 0] = 40.0  # a latent that is rounded to 1
    o, a, u, _ = episode(case)
    h, w, q = model.encode(phi, o, a, **case.encoder)
    seen = attention.read(w[1], attention.append(None, h[0]))
    h_m = seen if case.shortcut else (0.0 * seen if case.transition == "query" else seen[..., :0])

    def text(x):
        return joined(*noise(phi, h[0], h_m, a[0], q[1], h[1], seen))

    def naive(n, x):
        def f(p, o, a, u):
            _, _, xi, rho, _ = n.infer(p, p, o, a, u, case.encoder, *case.f)
            return [xi[0], rho[0]]

        return scalars(n, f, phi | theta, o, a, u)

    return Problem({}, text, naive=naive)


@unit
def query_noise(case):
    """Noise of a query. [Alg. 1, line 14]   ξ = (q - q̂) / max(σ, 0.05)"""
    return noise_of(case._replace(transition="query"), forms.query_noise)


@unit
def latent_noise(case):
    """Noise of a latent. [Alg. 1, line 14]   ξ = atanh h - MLP_f(h, h_m, a)"""
    return noise_of(case._replace(transition="latent"), forms.latent_noise)


def noise_by_hand(case, text, noise):
    """Noise of a form of f, at the second step."""
    phi, _ = models(case)
    o, a, _, _ = episode(case)
    h, w, q = model.encode(phi, o, a, **case.encoder)
    seen = attention.read(w[1], attention.append(None, h[0]))
    h_m = seen if case.shortcut else (0.0 * seen if case.transition == "query" else seen[..., :0])
    nets = layers.networks(phi, "f", "b.c")
    x_c = onp.concatenate((q[1], seen, onp.ones_like(seen[..., :1])), axis=-1)

    def hand(x, c):
        return joined(*noise(nets, h[0], a[0], x_c, h[1], case.shortcut)), None

    return Problem({}, lambda x: joined(*text(phi, h[0], h_m, a[0], q[1], h[1], seen)), hand)


@unit
def query_noise_by_hand(case):
    """Noise of a query by hand. [Alg. 1, line 14]   ξ = (q - q̂) / max(σ, 0.05)"""
    return noise_by_hand(case._replace(transition="query"), forms.query_noise, by_hand.query_noise)


@unit
def latent_noise_by_hand(case):
    """Noise of a latent by hand. [Alg. 1, line 14]   ξ = atanh h - MLP_f(h, h_m, a)"""
    return noise_by_hand(
        case._replace(transition="latent"), forms.latent_noise, by_hand.latent_noise
    )


def encode_by_hand(phi, o, a, case):
    """Networks, key matrix over √H, trace of the encoder by hand."""
    nets = layers.networks(phi, *(name for name in ("b.q", "b.c") if name + ".W1" in phi))
    W, oa = phi["b.W"] / onp.sqrt(case.H), [onp.swapaxes(x, 0, 1) for x in (o, a)]
    return nets, W, encoder.encode(nets, W, oa, case.k, case.rule, layers.Buffers())


@unit
def encode_forward(case):
    """Encoder by hand: latents, queries and memory reads of each step. [Eq. 3, Alg. 2]"""
    phi, o, a = encoding(case)

    def text(x):
        h, w, q = model.encode(phi, o, a, **case.encoder)
        reads, memory = [], attention.append(None, h[0])
        for t in range(1, case.T):
            reads.append(attention.read(w[t], memory))
            memory = attention.append(memory, h[t])
        return joined(h, q, reads)

    def hand(x, c):
        _, _, trace = encode_by_hand(phi, o, a, case)
        q, h_m = onp.split(trace.x_c[..., :-1], 2, axis=-1)
        reads = [h_m[:, t] for t in range(1, case.T)]
        return joined(by_episode(trace.h), by_episode(q), reads), None

    return Problem({}, text, hand)


@unit
def encode_by_steps(case):
    """Encoder by hand, of an episode under way. [Eq. 3]   h_t = b(h_{t-1}, h_m, o_t, a_{t-1})"""
    phi, o, a = encoding(case)

    def hand(x, c):
        by_step = encoder.Encoder(phi, case.k, case.rule, case.B, steps=2)  # and then 4, 8
        a_tm1 = onp.concatenate((onp.zeros_like(a[:1]), a[:-1]))
        return joined([by_step.step(joined(*oa_t)) for oa_t in zip(o, a_tm1, strict=True)]), None

    return Problem({}, lambda x: joined(model.encode(x | phi, o, a, **case.encoder)[0]), hand)


@unit
def encode_adjoint(case):
    """Backward pass of the encoder. [Eq. 3, §4.2]   λ_h_t += [N ∤ t+1+c] (∂q_{t+1}/∂h_t)ᵀ λ_q"""
    phi, o, a = encoding(case)

    def hand(x, c):
        nets, W, trace = encode_by_hand(x, o, a, case)
        lambda_h = by_time(c, case.H)
        cut = case.encoder_N, case.count_from
        return None, encoder.encode_adjoint(nets, W, trace, lambda_h, *cut, layers.Buffers())

    return Problem(phi, lambda x: joined(model.encode(x, o, a, **case.encoder)[0]), hand)
