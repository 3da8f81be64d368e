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
from lvgts_np.adjoint import memory as memories
from lvgts_np.paper import (
    attention,
    forms,
    imagine,
)

AFTER = ((0, 0), (0, 1), (0, 0), (0, 0))  # a step whose latent is not yet known


@unit
def topk_weights(case):
    """Top-k sparse attention weights. [Alg. 2]   w = relu(s - s_(k+1)) / Σ_i relu(s_i - s_(k+1))"""
    k, rule, M = case.k, case.rule, 2 + 4 * (case.seed % 5)

    return Problem(
        {"s": drawn(case, M, ties=True)[0]},
        lambda x: attention.topk_weights(x["s"], k, rule),
        naive=lambda n, x: scalars(n, lambda _, s: n.topk(s, k, rule), {}, x["s"]),
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


@unit
def excesses(case):
    """Excesses by hand, of the k + 1 best scores. [Alg. 2]   relu(s - s_(k+1)) / Σ_i"""
    rule, M = case.rule, 2 + 4 * (case.seed % 5)
    k, (s,) = case.k + (rule == "sab"), drawn(case, M)  # at least one is above its threshold

    def hand(x, c):
        best, top = memories.largest(s.copy(), min(M, k + 1))
        threshold = top[memories.threshold_rank(M, k, rule)]
        excess, w = memories.excesses(top, threshold, M, k, rule), onp.zeros_like(s)
        onp.put_along_axis(w, best.transpose(1, 2, 0), excess.transpose(1, 2, 0), axis=-1)
        return w / w.sum(axis=-1, keepdims=True), None

    return Problem({}, lambda x: attention.topk_weights(s, k, rule), hand)


def reading(case, kind):
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
        past = kind(M + 1, onp.pad(x["h"], AFTER), case.k, case.rule, layers.Buffers())
        for t in range(M):
            past.append(t, x["h"][:, t])
        return past, [past.read(t, x["key_query"]) for t in range(1, M + 1)][-1]

    return {"key_query": query, "h": h}, text, forward


@unit
def read(case):
    """Memory read by hand, short episodes. [Alg. 2]   s_i = h_iᵀ key_query,   h_m = Σ_i w_i h_i"""
    x, text, forward = reading(case, memories.Dense)
    return Problem(x, text, lambda x, c: (forward(x)[1], None))


@unit
def read_of_many(case):
    """Memory read by hand, long episodes. [Alg. 2]   s_i = h_iᵀ key_query,   h_m = Σ_i w_i h_i"""
    x, text, forward = reading(case, memories.Sparse)
    return Problem(x, text, lambda x, c: (forward(x)[1], None))


@unit
def read_adjoint(case):
    """Adjoint of the read, short episodes. [Alg. 2]   λ_h[i] = w_i λ_h_m + λ_s[i] key_query"""
    return reading_back(*reading(case, memories.Dense))


@unit
def read_of_many_adjoint(case):
    """Adjoint of the read, long episodes. [Alg. 2]   λ_h[i] = w_i λ_h_m + λ_s[i] key_query"""
    return reading_back(*reading(case, memories.Sparse))


def reading_back(x, text, forward):
    """Problem of a read and of its adjoint."""

    def hand(x, c):
        past, _ = forward(x)
        M, nothing = x["h"].shape[1], onp.zeros_like(c)
        key_query = [past.read_adjoint(t, c if t == M else nothing) for t in range(1, M + 1)][-1]
        return None, {
            "key_query": key_query,
            "h": onp.stack([past.of_reads(t) for t in range(M)], 1),
        }

    return Problem(x, text, hand)
