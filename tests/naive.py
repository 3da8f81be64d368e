"""The paper's equations once more, for one seed and one episode, in complex scalars and loops.

Imported by tests only, importing nothing of the package. A number's imaginary part carries its
derivative (complex step), branches look at the real part and `stop` drops the imaginary one, so
these loops give values and truncated derivatives.
"""

import cmath
import math

MARGIN, SAB_EPS, MIN_NOISE_SCALE, LOG_STD = 1e-3, 1e-7, 0.05, (-1.0, 1.0)
MIN_REWARD_ERROR = 0.2
PAY_MARGIN = 0.05


def seed_of(params, s):
    """Parameters of seed s as nested lists."""
    return {name: x[s].tolist() for name, x in params.items()}


def known(switch, value, *values):
    if value not in values:
        raise ValueError(f"unknown {switch} {value!r}")


def stop(v):
    return [complex(x).real for x in v]


def dot(x, y):
    return sum(a * b for a, b in zip(x, y, strict=True))


def column(W, j):
    return [row[j] for row in W]


def relu(x):
    return x if complex(x).real > 0 else 0.0


def clip(x, low, high):
    real = complex(x).real
    return low if real <= low else high if real >= high else x


def huberized_relu(x):
    return relu(x) ** 2 / 2 if complex(x).real < 1 else x - 0.5


def mlp(p, name, x, activation=relu):
    W1, b1, W2, b2 = (p[f"{name}.{part}"] for part in ("W1", "b1", "W2", "b2"))
    hidden = [activation(dot(x, column(W1, j)) + b1[0][j]) for j in range(len(b1[0]))]
    return [dot(hidden, column(W2, j)) + b2[0][j] for j in range(len(b2[0]))]


def topk(s, k, rule):
    """Weights by sorting: the (k+1)-th largest is subtracted (`sab`: the k-th, plus 1e-7)."""
    known("topk_rule", rule, "paper", "sab")
    ranked = sorted(s, key=lambda x: complex(x).real, reverse=True)
    if len(s) <= k:
        excess = [x - ranked[-1] + MARGIN for x in s]
    else:
        threshold = ranked[k] if rule == "paper" else ranked[k - 1] + SAB_EPS
        excess = [relu(x - threshold) for x in s]
    if all(x == 0.0 for x in excess):
        excess = [float(complex(x).real == complex(ranked[0]).real) for x in s]
    return [x / sum(excess) for x in excess]


def score(q, W, h):
    """q . (W h) / sqrt(H)"""
    key = [dot(row, h) for row in W]
    return dot(q, key) / math.sqrt(len(q))


def read(w, memory):
    """sum_i w_i h_i"""
    H = len(memory[0])
    return [sum(w_i * h_i[d] for w_i, h_i in zip(w, memory, strict=True)) for d in range(H)]


def encode(p, o, a, N, k, rule, count_from):
    """Eq. 3 for t = 0..T-1, h_{t-1} stopped at steps N, 2N, ... counted from count_from."""
    H, A = len(p["b.W"]), len(a[0])
    h, w, queries = [], [], []
    for t in range(len(o)):
        h_tm1 = h[t - 1] if t > 0 else [0.0] * H
        if (count_from + t) % N == 0:
            h_tm1 = stop(h_tm1)
        q = mlp(p, "b.q", [*o[t], *(a[t - 1] if t > 0 else [0.0] * A), *h_tm1])
        w_t = topk([score(q, p["b.W"], h_i) for h_i in h], k, rule) if t > 0 else []
        h_m = read(w_t, h) if t > 0 else [0.0] * H
        h.append(latent(p, q, h_m, [0.0] * H))
        w.append(w_t)
        queries.append(q)
    return h, w, queries


def added(p, q, h_m):
    """Term that the memory adds to the query."""
    return mlp(p, "b.c", [*q, *h_m]) if "b.c.W1" in p else h_m


def latent(p, q, h_m, rho):
    """tanh(q + MLP(q, h_m) + rho)"""
    return [cmath.tanh(x + y + z) for x, y, z in zip(q, added(p, q, h_m), rho, strict=True)]


def reward(p, h, a, units="huberized"):
    y, *rest = predict_reward(p, h, a, units)
    if len(rest) < 2:
        return y
    share = (rest[1] - PAY_MARGIN) / (1 - 2 * PAY_MARGIN)
    return y * (share if 0 < complex(share).real < 1 else complex(share).real >= 1)


def predict_reward(p, h, a, units):
    """Mean of the reward, its mean absolute error and the share that pays, where r has them."""
    known("reward_units", units, "huberized", "relu")
    return mlp(p, "r", [*h, *a], huberized_relu if units == "huberized" else relu)


def predict(p, h, a):
    """Mean and mean absolute error of the next query."""
    out = mlp(p, "f", [*h, *a])
    return out[: len(h)], out[len(h) :]


def before_tanh(p, h, h_m, a):
    """What the latent form of f is the tanh of; LM-SVG's has no h_m."""
    return mlp(p, "f", [*h, *h_m, *a])


def argument(transition, shortcut, w, memory):
    """Memory argument of f: read, zeros, or none."""
    known("transition", transition, "query", "latent")
    if shortcut:
        return read(w, memory)
    return [0.0] * len(memory[0]) if transition == "query" else []


def step(p, transition, h, h_m, a, xi, rho):
    """f: the next latent."""
    if transition == "latent":
        return [cmath.tanh(x + y) for x, y in zip(before_tanh(p, h, h_m, a), xi, strict=True)]
    noisy = zip(*predict(p, h, a), xi, strict=True)
    return latent(p, [x + scale(y) * z for x, y, z in noisy], h_m, rho)


def scale(x):
    return x if complex(x).real > MIN_NOISE_SCALE else MIN_NOISE_SCALE


def losses(p, episodes, encoder, shortcut, transition, reward_units):
    """A.2: reward, decoder and transition loss of episodes (o, a, r), means over their steps."""
    predicted, decoder, trans, B = [[] for _ in episodes[0][0]], 0.0, 0.0, len(episodes)
    T = len(predicted)
    for o, a, r in episodes:
        h, w, q = encode(p, o, a, **encoder)
        for t in range(T):
            predicted[t].append((predict_reward(p, h[t], a[t], reward_units), r[t][0]))
            decoder += square(mlp(p, "d", h[t]), o[t])
        h, w, q = ([stop(x) for x in xs] for xs in (h, w, q))
        trans += sum(transition_losses(p, h, w, q, a, shortcut, transition))
    rewards = [r for at_t in predicted for _, r in at_t]
    paying = max(sum(r != 0 for r in rewards), B)  # at least one step of each episode
    errors = paying if len(predicted[0][0][0]) == 3 else B * T
    return sum(map(reward_loss, predicted)) / errors, 0.5 * decoder / (B * T), trans / B


def reward_loss(predicted):
    """Half the squares of one step's errors, which weights leave as large as they are."""
    if len(predicted[0][0]) == 1:
        return 0.5 * sum((out[0] - r) ** 2 for out, r in predicted)
    total = plain = weighted = 0.0
    if len(predicted[0][0]) == 3:
        total = sum((out[2] - (r != 0)) ** 2 for out, r in predicted)
        predicted = [(out, r) for out, r in predicted if r != 0]
    errors = [out[0] - r for out, r in predicted]
    for e, (out, _) in zip(errors, predicted, strict=True):
        plain += complex(e).real ** 2
        weighted += (complex(e).real / max(complex(out[1]).real, MIN_REWARD_ERROR)) ** 2
    for e, (out, _) in zip(errors, predicted, strict=True):
        w = plain / weighted / max(complex(out[1]).real, MIN_REWARD_ERROR) ** 2
        total += w * e**2 + (out[1] - abs(complex(e).real)) ** 2
    return 0.5 * total


def transition_losses(p, h, w, q, a, shortcut, transition):
    """Loss of the mean and of the mean absolute error of queries, or that of latents."""
    T, total = len(h), [0.0, 0.0]
    for t in range(T - 1):
        if transition == "latent":
            h_m = argument(transition, shortcut, w[t + 1], h[: t + 1])
            y = [cmath.tanh(x) for x in before_tanh(p, h[t], h_m, a[t])]
            total[0] += square(y, h[t + 1])
        else:
            mean, mae = predict(p, h[t], a[t])
            off = [abs(complex(x - y).real) for x, y in zip(mean, q[t + 1], strict=True)]
            total[0] += square(mean, q[t + 1])
            total[1] += square(mae, off)
    each = [0.5 * x / (T - 1) for x in total]
    return each[:1] if transition == "latent" else each


def square(x, y):
    return sum((a - b) ** 2 for a, b in zip(x, y, strict=True))


def policy(p, h):
    out = mlp(p, "pi", h)
    A = len(out) // 2
    return out[:A], [cmath.exp(clip(x, *LOG_STD)) for x in out[A:]]


def act(p, h, eta, a_max):
    mean, std = policy(p, h)
    u = [m + s * e for m, s, e in zip(mean, std, eta, strict=True)]
    return squash(u, a_max), u


def squash(u, a_max):
    return [a_max * cmath.tanh(x / a_max) for x in u]


def infer(p, pi, o, a, u, encoder, shortcut, transition):
    """w, xi, rho and eta of Algorithm 1, line 14, and the latents that they were inferred on."""
    h, w, q = encode(p, o, a, **encoder)
    xi, rho, eta = [], [], []
    for t in range(len(h)):
        mean, std = policy(pi, h[t])
        eta.append([(x - m) / s for x, m, s in zip(u[t], mean, std, strict=True)])
        if t + 1 < len(h):
            seen = read(w[t + 1], h[: t + 1])
            h_m = argument(transition, shortcut, w[t + 1], h[: t + 1])
            if transition == "latent":
                most = math.nextafter(1.0, 0.0)
                z = [cmath.atanh(clip(x, -most, most)) for x in h[t + 1]]
                xi.append([x - y for x, y in zip(z, before_tanh(p, h[t], h_m, a[t]), strict=True)])
                rho.append([0.0] * len(z))
                continue
            predicted = zip(q[t + 1], *predict(p, h[t], a[t]), strict=True)
            xi.append([(x - y) / scale(z) for x, y, z in predicted])
            pair = added(p, q[t + 1], seen), added(p, q[t + 1], h_m)
            rho.append([x - y for x, y in zip(*pair, strict=True)])
    return h, w, xi, rho, eta


def replay(p, act_at, h_0, noise, N, store, count_from, shortcut, transition, reward_units):
    """Algorithm 1's second loop; act_at(h, t) is the action, noise is w, xi and rho.

    Rewards, latents, actions.
    """
    known("store", store, "before", "after")
    w, xi, rho = noise
    carry, memory = h_0, [h_0]
    r_hat, h_hat, a_hat = [], [h_0], []
    for t in range(len(xi) + 1):
        a_t = act_at(carry, t)
        a_hat.append(a_t)
        r_hat.append(reward(p, carry, a_t, reward_units))
        if t == len(xi):
            return r_hat, h_hat, a_hat
        h_m = argument(transition, shortcut, w[t + 1], memory)
        h = step(p, transition, carry, h_m, a_t, xi[t], rho[t])
        carry = stop(h) if (count_from + t + 1) % N == 0 else h
        memory = [*memory, h if store == "before" else carry]
        h_hat.append(h)


def discounted(r_hat, gamma):
    """A.1: the return of an episode."""
    G = 0.0
    for r_t in reversed(r_hat):
        G = r_t + gamma * G
    return G


def n_step_value(pi, r, f, s, horizon):
    """A.1, Eq. 6: the rewards of `horizon` transitions and one more."""
    states = [s]
    for _ in range(horizon):
        states.append(f(states[-1], pi(states[-1])))
    return sum(r(s, pi(s)) for s in states)


def sum_of_products(steps, i, n):
    """A.1, Eq. 5, its products ending at j-1; a step is its (dr, ds), ds as nested lists."""
    total = [0.0] * len(steps[i][0])
    for j in range(i, min(i + n, len(steps) - 1) + 1):
        term = steps[j][0]
        for l in reversed(range(i, j)):
            term = [dot(term, column(steps[l][1], d)) for d in range(len(term))]
        total = [x + y for x, y in zip(total, term, strict=True)]
    return total


def mlp_weights(rng, name, d_in, hidden, d_out, last):
    """M12: weights of one network, biases 0."""
    W1 = [[x * math.sqrt(2 / d_in) for x in row] for row in rng.standard_normal((d_in, hidden))]
    W2 = [[x * last / math.sqrt(hidden) for x in y] for y in rng.standard_normal((hidden, d_out))]
    b1, b2 = [[0.0] * hidden], [[0.0] * d_out]
    return {f"{name}.W1": W1, f"{name}.b1": b1, f"{name}.W2": W2, f"{name}.b2": b2}


def first_weights(
    rng, O, A, H, hidden, combine, actions, recurrence, transition, shortcut, reward_loss
):
    """M1: the model of one seed."""
    p = mlp_weights(rng, "b.q", O + A + H, hidden, H, 1.0)
    for i, row in enumerate(p["b.q.W1"]):
        factor = 1.0 if i < O else actions if i < O + A else recurrence
        p["b.q.W1"][i] = [factor * x for x in row]
    W = rng.standard_normal((H, H)).tolist()
    p["b.W"] = [[0.1 * W[i][j] / math.sqrt(H) - (i == j) for j in range(H)] for i in range(H)]
    p |= mlp_weights(rng, "d", H, hidden, O, 1.0)
    d_in = H + A + (H if transition == "latent" and shortcut else 0)
    p |= mlp_weights(rng, "f", d_in, hidden, 2 * H if transition == "query" else H, 1.0)
    of_r = 1 + ["square", "weighted", "hurdle"].index(reward_loss)
    p |= mlp_weights(rng, "r", H + A, hidden, of_r, 1.0)
    return p | (mlp_weights(rng, "b.c", H + H, hidden, H, 0.1) if combine == "mlp" else {})


def play(active, t1, t2, c, a_m, sigma, o_m, eps, actions):
    """§4.1: observations and recall rewards of one episode."""
    o, r = [], []
    for t, a_t in enumerate(actions):
        a_tm1 = actions[t - 1] if t > 0 else 0.0
        noise = (a_m - a_tm1) * sigma * eps[t] if active else 0.0
        o.append(o_m + noise if t < t1 else 0.0 if t <= t2 else eps[t])
        r.append(c - (a_t - o_m) ** 2 if t > t2 else 0.0)
    return o, r


def adam(x, gradients, lr, beta_2):
    """One number's path under Algorithm 1 of Kingma and Ba 2015."""
    m = v = 0.0
    path = []
    for t, g in enumerate(gradients, start=1):
        m, v = 0.9 * m + 0.1 * g, beta_2 * v + (1 - beta_2) * g**2
        m_hat, v_hat = m / (1 - 0.9**t), v / (1 - beta_2**t)
        x = x - lr * m_hat / (math.sqrt(v_hat) + 1e-8)
        path.append(x)
    return path


def clip_norm(g, max_norm):
    norm = math.sqrt(sum(x * x for x in g))
    return [x * max_norm / norm if norm > max_norm else x for x in g]


def attention_map(w):
    """Fig. 2: w[t][b][i], averaged over episodes b."""
    T = len(w)
    return [
        [sum(w_b[i] for w_b in w[t]) / len(w[t]) if i < t else 0.0 for i in range(T)]
        for t in range(T)
    ]
