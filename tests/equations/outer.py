"""Around the mathematics: memory task, Adam, return, attention map. [§4.1, Eq. 1, Fig. 2]"""

import numpy as np

from equations.problem import Problem, drawn, stream, unit
from lvgts_np.tasks.memory import paper_task
from lvgts_np.tasks.protocol import play
from lvgts_np.training import metrics, optim


@unit
def memory_task(case):
    """Memory task. [§4.1]   o_t = o_m + (a_m - a_{t-1}) σ ε_t,   r_t = c - (a_t - o_m)²"""
    name = ("dummy_pmt", "dummy_amt")[case.seed % 2]
    numbers = {"t1": 2, "t2": case.T - 3, "c": 0.7, "a_m": 1.3, "sigma": 0.8}
    o_m, eps, a = drawn(case, 1, case.T, case.T)
    noise = {"o_m": o_m[..., 0], "eps": eps}

    def text(x):
        actions = iter(np.moveaxis(a, -1, 0)[..., None])
        task = paper_task(name, T=case.T, **numbers)
        episodes = play(task, noise, lambda o_t: next(actions))
        return np.concatenate((episodes.o[..., 0], episodes.r_recall)).transpose(1, 2, 0)

    def naive(n, x):
        active = name.endswith("amt")
        flat = zip(o_m.reshape(-1), eps.reshape(-1, case.T), a.reshape(-1, case.T), strict=True)
        found = [sum(n.play(active, *numbers.values(), *each), []) for each in flat]
        return np.array(found).reshape(case.S, case.B, -1)

    return Problem({}, text, naive=naive)


@unit
def adam_step(case):
    """Adam. [Kingma and Ba 2015]   x ← x - lr m / (1-β₁ᵗ) / (√(v / (1-β₂ᵗ)) + ε)"""
    (first,), scale = drawn(case, case.H), (1e-9, 1e-3, 1.0)[case.seed % 3]
    gradients = scale * stream(case, 3).standard_normal((4, *first.shape))

    def text(x):
        x, state, path = first, optim.adam_init(first), []
        for g in gradients:
            x, state = optim.adam_step(x, g, state, 0.01, 0.95)
            path.append(x)
        return np.stack(path, axis=-1)

    def naive(n, x):
        paths = [n.adam(first[e], gradients[:, *e], 0.01, 0.95) for e in np.ndindex(first.shape)]
        return np.array(paths).reshape(*first.shape, -1)

    return Problem({}, text, naive=naive)


@unit
def clip_norm(case):
    """Gradient's norm, clipped seed by seed.   g ← g min(1, max / ‖g‖)"""
    g = drawn(case, case.H)[0][:, 0] * np.geomspace(0.1, 10.0, case.S)[:, None]
    return Problem(
        {},
        lambda x: optim.clip_norm(g, 1.0),
        naive=lambda n, x: np.array([n.clip_norm(row.tolist(), 1.0) for row in g]),
    )


@unit
def mean_return(case):
    """Return of each seed. [Eq. 1]   J = mean over episodes of Σ_t r_t"""
    r = stream(case, 3).standard_normal((case.T, case.S, case.B))
    return Problem(
        {},
        lambda x: metrics.mean_return(r),
        naive=lambda n, x: np.array([sum(r[:, s].flat) / case.B for s in range(case.S)]),
    )


@unit
def attention_map(case):
    """Mean attention, and its share on the remember phase. [Fig. 2]   A[t, i] = mean w_t[i]"""
    rng, (S, B, T) = stream(case, 3), case[:3]
    w = [rng.random((S, B, t)) for t in range(T)]

    def text(x):
        share = metrics.attention_share(w, range(2), range(T - 2, T))
        return np.concatenate((metrics.attention_map(w).reshape(S, -1), share[:, None]), axis=-1)

    def naive(n, x):
        A = [n.attention_map([w_t[s].tolist() for w_t in w]) for s in range(S)]
        shares = [sum(sum(row[:2]) for row in A_s[T - 2 :]) / 2 for A_s in A]
        return np.array([[*sum(A_s, []), share] for A_s, share in zip(A, shares, strict=True)])

    return Problem({}, text, naive=naive)
