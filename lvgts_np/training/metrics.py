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


def attention_map(parts):
    """Mean attention over episodes, A[t, i] = mean w_t[i], 0 for i >= t. [Fig. 2]

    parts are lists over t of w_t (S, B, t), of some episodes each; returns (S, T, T).
    """
    T, S, B = len(parts[0]), len(parts[0][0]), sum(w[0].shape[1] for w in parts)
    A = np.zeros((S, T, T))
    for t in range(1, T):
        A[:, t, :t] = sum(w[t].sum(axis=1) for w in parts) / B
    return A


def attention_share(parts, t1, t2):
    """Share of the recall phase's attention that lies on the remember phase, (S,).

    mean_{t>t₂} Σ_{i<t₁} w_t[i]
    """
    recall = attention_map(parts)[:, t2 + 1 :, :t1]
    return per_seed(recall, 0).sum(-1) / recall.shape[1]


def credit_rms(C, t1):
    """Root mean square credit of the remember actions, one number per cotangent and seed.

    C (P, T, S, B, A) as `credit` gives it; returns (P, S).
    """
    return np.sqrt(np.stack([np.square(per_seed(c[:t1], 1)).mean(-1) for c in C]))


def credit_beside(true, modelled):
    """Modelled credit of the remember actions beside the true one: columns (S,) by name.

    Means over episodes of each action i; their ratio Σ_i m_i t_i / Σ_i t_i² over the actions, 0
    where all t_i are; the share of the actions whose means have the same sign. true and modelled
    are (n, S, B, A).
    """
    t, m = ([per_seed(x, 0).mean(-1) for x in C] for C in (true, modelled))  # n x (S,)
    columns = {f"true_credit_{i}": x for i, x in enumerate(t)}
    columns |= {f"modelled_credit_{i}": x for i, x in enumerate(m)}
    t, m = (np.reshape(x, (len(t), true.shape[1])) for x in (t, m))
    ratio = (m * t).sum(0) / np.maximum(np.square(t).sum(0), np.finfo(float).tiny)
    same = (np.sign(m) == np.sign(t)).sum(0) / max(len(t), 1)
    return columns | {"credit_ratio": ratio, "credit_sign": same}
