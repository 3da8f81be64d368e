"""Top-k attention, scores, the memory read and its adjoint. [Alg. 2]"""

from types import SimpleNamespace

import autograd.numpy as np
import numpy as onp

from equations.problem import (
    Problem,
    by_time,
    drawn,
    joined,
    scalars,
    stream,
    unit,
)
from lvgts_np.adjoint import layers
from lvgts_np.paper import (
    attention,
    forms,
    imagine,
)


@unit
def topk_weights(case):
    """Top-k sparse attention weights. [Alg. 2]   w = relu(s - s_(k+1)) / Σ_i relu(s_i - s_(k+1))"""
    k, rule, M = case.k, case.rule, 2 + 4 * (case.seed % 5)  # also more than are sorted

    def hand(x, c):
        best, top = layers.largest(x["s"].copy(), min(M, k + 1))
        excess, _ = layers.excesses(top, M, k, rule)
        total, w = excess.sum(axis=0), onp.zeros_like(x["s"])
        share = (excess / onp.where(total == 0.0, 1.0, total)).transpose(1, 2, 0)
        onp.put_along_axis(w, best.transpose(1, 2, 0), share, axis=-1)
        return w + layers.uniform(x["s"], total == 0.0), None

    return Problem(
        {"s": drawn(case, M, ties=True)[0]},
        lambda x: attention.topk_weights(x["s"], k, rule),
        hand,
        lambda n, x: scalars(n, lambda _, s: n.topk(s, k, rule), {}, x["s"]),
    )


@unit
def scores(case):
    """Dot-product scores. [Alg. 2, Eq. 3]   s_i = qᵀ (W h_i) / √H"""
    q, h = drawn(case, case.H, case.T * case.H)
    x = {
        "q": q,
        "W": stream(case, 3).standard_normal((case.S, case.H, case.H)),
        "h": by_time(h, case.H),
    }
    return Problem(
        x,
        lambda x: attention.scores(x["q"], x["W"], np.swapaxes(x["h"], 1, 2)),
        naive=lambda n, x: scalars(
            n,
            lambda p, q, h: [n.score(q, p["W"], h_i) for h_i in h],
            {"W": x["W"]},
            x["q"],
            onp.swapaxes(x["h"], 0, 1),
        ),
    )


def remembered(case):
    """Latents h_i (M, S, B, H), and attention to them."""
    w, h = drawn(case, case.T, case.T * case.H)
    return {"w": w, "h": onp.swapaxes(by_time(h, case.H), 0, 1)}


def memory_of(h):
    """Memory (S, B, M, H), one latent at a time."""
    memory = None
    for h_i in h:
        memory = attention.append(memory, h_i)
    return memory


@unit
def memory(case):
    """Memory. [Alg. 1, lines 11, 22]   M[t+1] = ĥ_{t+1}"""
    x = remembered(case)
    return Problem(
        {"h": x["h"]},
        lambda x: np.reshape(memory_of(x["h"]), (case.S, case.B, -1)),
        naive=lambda n, x: scalars(n, lambda _, h: h, {}, x["h"]),
    )


@unit
def memory_read(case):
    """Memory read. [Alg. 1, line 15; Alg. 2]   h_m = Σ_i w_i h_i"""
    return Problem(
        remembered(case),
        lambda x: attention.read(x["w"], memory_of(x["h"])),
        naive=lambda n, x: scalars(n, lambda _, w, h: n.read(w, h), {}, x["w"], x["h"]),
    )


@unit
def transition_read(case):
    """Memory read of the transition. [§3.1, §3.2]   LVGTS: Σ_i w_i h_i,   LM-SVG: 0, or none"""
    x = remembered(case)
    nothing = {"query": attention.read_nothing, "latent": forms.no_argument}[case.transition]

    def text(x):
        memory = memory_of(x["h"])
        form = SimpleNamespace(read_nothing=nothing)
        reads = [imagine.transition_read(shortcut, form) for shortcut in (True, False)]
        return joined([read(x["w"], memory) for read in reads])

    def naive(n, x):
        def both(_, w, h):
            return [n.argument(case.transition, shortcut, w, h) for shortcut in (True, False)]

        return scalars(n, both, {}, x["w"], x["h"])

    return Problem(x, text, naive=naive)


def reading(case):
    """A read by hand, of few or many memories, also where scores tie."""
    M = 2 + 4 * (case.seed % 5)
    # No score is 0: of a complex step's product its square is left there, and breaks the tie.
    query, h = (x + 4.0 for x in drawn(case, case.H, M * case.H, ties=True))
    h = by_time(h, case.H)
    if case.seed % 2:  # all scores of an episode tie
        h[:, :, 0] = h[:, :1, 0]

    def text(x):
        memory = np.swapaxes(x["h"], 1, 2)
        s = np.matmul(memory, x["key_query"][..., None])[..., 0]
        return attention.read(attention.topk_weights(s, case.k, case.rule), memory)

    def forward(x):
        h = onp.pad(x["h"], ((0, 0), (0, 2), (0, 0), (0, 0)))  # of the future, not yet known
        keys = onp.ascontiguousarray(h.transpose(0, 2, 3, 1))
        return layers.read(x["key_query"], h, keys, M, case.k, case.rule)

    return {"key_query": query, "h": h}, text, forward


@unit
def read(case):
    """Memory read of a query by hand. [Alg. 2]   s_i = h_iᵀ key_query,   h_m = Σ_i w_i h_i"""
    x, text, forward = reading(case)
    return Problem(x, text, lambda x, c: (forward(x)[0], None))


@unit
def read_adjoint(case):
    """Adjoint of the memory read. [Alg. 2]   λ_h[i] = w_i λ_h_m + λ_s[i] key_query"""
    x, text, forward = reading(case)

    def hand(x, c):
        lambda_h = onp.pad(onp.zeros_like(x["h"]), ((0, 0), (0, 2), (0, 0), (0, 0)))
        key_query = layers.read_adjoint(forward(x)[1], c, lambda_h)
        return None, {"key_query": key_query, "h": lambda_h[:, :-2]}

    return Problem(x, text, hand)
