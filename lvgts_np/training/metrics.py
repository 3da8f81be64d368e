"""Returns, attention and credit as numbers. [Fig. 1, Fig. 2]

Reductions here move the seed axis to the front first, so that a seed's numbers are bitwise
identical in any batch of seeds.
"""

import numpy as np


def per_seed(x, axis):
    """Array with its seed axis first and all others flattened, (S, n)."""
    x = np.moveaxis(x, axis, 0)
    return np.ascontiguousarray(x).reshape(len(x), -1)


def mean_return(r):
    """Mean over episodes of the sum over steps; r (T, S, B), returns (S,)."""
    return per_seed(r, 1).sum(-1) / r.shape[2]


def attention_map(w):
    """Mean attention over episodes, A[t, i] = mean w_t[i], 0 for i >= t. [Fig. 2]

    w is a list over t of w_t (S, B, t); returns (S, T, T).
    """
    (S, B, _), T = w[0].shape, len(w)
    A = np.zeros((S, T, T))
    for t in range(1, T):
        A[:, t, :t] = w[t].sum(axis=1) / B
    return A


def attention_share(w, cue, pay):
    """Share of the attention at the steps `pay` that lies on the steps `cue`, (S,).

    mean_{t in pay} Σ_{i in cue} w_t[i]         in memory tasks of recall on the remember phase
    """
    share = attention_map(w)[:, list(pay)][:, :, list(cue)]
    return per_seed(share, 0).sum(-1) / len(pay)


def credit_rms(C, cue):
    """Root mean square credit of the actions at `cue`, one number per cotangent and seed.

    C (P, T, S, B, A) as `credit` gives it; returns (P, S).
    """
    return np.sqrt(np.stack([np.square(per_seed(c[list(cue)], 1)).mean(-1) for c in C]))


def credit_names(task):
    """Names of the `credited` actions: the step, and of several numbers the number."""
    steps = list(task.credited)
    return [f"{i}" if task.A == 1 else f"{i}_{j}" for i in steps for j in range(task.A)]


def credit_beside(true, modelled, names):
    """Modelled credit of the credited actions beside the true one: columns (S,) by name.

    Means over episodes of each action i; their ratio Σ_i m_i t_i / Σ_i t_i² over the actions, 0
    where all t_i are; the share of the actions whose means have the same sign. true and modelled
    are (n, S, B, A), names their n A actions', see `credit_names`.
    """
    t, m = ([per_seed(x, 0).mean(-1) for c in C for x in np.moveaxis(c, -1, 0)]
            for C in (true, modelled))  # n A x (S,)  # fmt: skip
    columns = {f"true_credit_{i}": x for i, x in zip(names, t, strict=True)}
    columns |= {f"modelled_credit_{i}": x for i, x in zip(names, m, strict=True)}
    t, m = (np.reshape(x, (len(t), true.shape[1])) for x in (t, m))
    ratio = (m * t).sum(0) / np.maximum(np.square(t).sum(0), np.finfo(float).tiny)
    same = (np.sign(m) == np.sign(t)).sum(0) / max(len(t), 1)
    return columns | {"credit_ratio": ratio, "credit_sign": same}
