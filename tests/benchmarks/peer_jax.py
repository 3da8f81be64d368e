"""The same training iteration in JAX: one seed's program, compiled, mapped over seeds.

Independent of `lvgts_np`: nothing is imported from it. Measured on one core:
`lax.map` over seeds is twice as fast as `vmap` at S = 20 and three times at S = 1, where there is
nothing to map: XLA's batched matmuls on a CPU are slow, and a seed at a time stays in the cache.
So is a scan over time, a third faster than time unrolled, and compiled in half the time. The scores
of the memory are taken without a gradient, and only the k+1 latents that matter enter it.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

MARGIN, MIN_NOISE_SCALE, LOG_STD = 1e-3, 0.05, (-1.0, 1.0)
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8


class Learner:
    """Model and policy of a batch of seeds; parameters come and go as flat dicts of arrays.

    c has k, N, alphas, a_max, model_lr, policy_lr, clip_norm. float64 needs `jax.enable_x64`.
    """

    def __init__(self, phi, theta, c, dtype="float32"):
        self.c, self.dtype = c, dtype
        self.phi, self.theta = (
            {name: jnp.asarray(x, dtype) for name, x in params.items()} for params in (phi, theta)
        )
        self.adam_phi, self.adam_theta = adam_init(self.phi), adam_init(self.theta)
        sizes = {"N": c.N, "k": c.k}
        self._model = partial(model_loss_and_grad, alphas=c.alphas, **sizes)
        self._policy = partial(return_and_grad, a_max=c.a_max, **sizes)
        self._fit = jax.jit(self._fit_step, donate_argnums=(0, 1))
        self._improve = jax.jit(self._improve_step, donate_argnums=(0, 2))

    def fit(self, batch):
        """One Adam step on the model from a mini-batch o, a, r (T, S, B, .); -> its losses."""
        data = [np.asarray(x, self.dtype) for x in batch]
        self.phi, self.adam_phi, losses = self._fit(self.phi, self.adam_phi, data)
        return losses

    def improve(self, o, a, u):
        """One Adam step up the imagined return of real episodes (T, S, B, .); -> G (S,)."""
        data = [np.asarray(x, self.dtype) for x in (o, a, u)]
        self.theta, self.adam_theta, G = self._improve(self.theta, self.phi, self.adam_theta, data)
        return G

    def model_gradient(self, batch):
        return jax.jit(self._model)(self.phi, [np.asarray(x, self.dtype) for x in batch])

    def policy_gradient(self, o, a, u):
        data = [np.asarray(x, self.dtype) for x in (o, a, u)]
        return jax.jit(self._policy)(self.theta, self.phi, data)

    def params(self):
        """phi and theta as dicts of NumPy arrays."""
        return [jax.tree.map(np.asarray, params) for params in (self.phi, self.theta)]

    def wait(self):
        """Until the last step is done."""
        jax.block_until_ready((self.phi, self.theta))

    def _fit_step(self, phi, adam, data):
        # the barrier keeps XLA from computing gradients twice, for their norm and for Adam
        losses, gradient = jax.lax.optimization_barrier(self._model(phi, data))
        return *adam_step(phi, gradient, adam, self.c.model_lr, self.c.clip_norm), losses

    def _improve_step(self, theta, phi, adam, data):
        G, ascent = jax.lax.optimization_barrier(self._policy(theta, phi, data))
        gradient = jax.tree.map(jnp.negative, ascent)
        return *adam_step(theta, gradient, adam, self.c.policy_lr, self.c.clip_norm), G


def adam_init(params):
    zeros = jax.tree.map(jnp.zeros_like, params)
    return zeros, jax.tree.map(jnp.zeros_like, params), jnp.zeros((), int)


def adam_step(params, gradient, adam, lr, most):
    """New parameters and state; the gradient is clipped seed by seed."""
    m, v, t = adam[0], adam[1], adam[2] + 1
    norm = jnp.sqrt(sum(jnp.sum(g * g, axis=(1, 2)) for g in gradient.values()))
    scale = jnp.minimum(1.0, most / jnp.maximum(norm, 1e-30))[:, None, None]
    gradient = {n: g * scale for n, g in gradient.items()}
    m = {n: BETA_1 * m[n] + (1 - BETA_1) * g for n, g in gradient.items()}
    v = {n: BETA_2 * v[n] + (1 - BETA_2) * g * g for n, g in gradient.items()}
    lr, root = lr / (1 - BETA_1**t), 1 - BETA_2**t
    params = {n: x - lr * m[n] / (jnp.sqrt(v[n] / root) + EPSILON) for n, x in params.items()}
    return params, (m, v, t)


def model_loss_and_grad(phi, data, N, k, alphas):
    """The three losses, each (S,), and the gradient of their weighted sum."""

    def objective(phi, o, a, r):
        losses = model_losses(phi, o, a, r, N, k)
        return sum(alpha * loss for alpha, loss in zip(alphas, losses, strict=True)), losses

    gradient = jax.value_and_grad(objective, has_aux=True)
    (_, losses), gradient = over_seeds(gradient, phi, *swapped(data))
    return losses, gradient


def return_and_grad(theta, phi, data, N, k, a_max):
    """G (S,) and its gradient, from real episodes o, a, u."""

    def objective(theta, phi, o, a, u):
        inferred = infer(phi, jax.lax.stop_gradient(theta), o, a, u, N, k)
        return imagined_return(theta, phi, inferred, a_max, N)

    return over_seeds(jax.value_and_grad(objective), theta, phi, *swapped(data))


def swapped(data):
    """Arrays (T, S, B, .) with the seeds in front."""
    return [jnp.swapaxes(x, 0, 1) for x in data]


def over_seeds(f, *args):
    """f of each seed's share of the arguments, stacked."""
    if len(jax.tree.leaves(args)[0]) == 1:
        return jax.tree.map(lambda x: x[None], f(*jax.tree.map(lambda x: x[0], args)))
    return jax.lax.map(lambda share: f(*share), args)


def huberized_relu(x):
    v = jax.nn.relu(x)
    slope = jnp.minimum(v, 1.0)
    return slope * (v - 0.5 * slope)


def mlp(p, name, x, activation=jax.nn.relu):
    v = activation(x @ p[name + ".W1"] + p[name + ".b1"])
    return v @ p[name + ".W2"] + p[name + ".b2"]


def flatten_time(x):
    return x.reshape(-1, x.shape[-1])


def encode(phi, o, a, N, k):
    """h and q (T, B, H) of one seed, and weights and places (T, k+1, B) of its reads."""
    (T, B, _), H = o.shape, phi["b.W"].shape[-1]
    oa = jnp.concatenate((o, jnp.concatenate((jnp.zeros_like(a[:1]), a[:-1]))), axis=-1)
    W, steps, zeros = phi["b.W"] * H**-0.5, jnp.arange(T), jnp.zeros((T + 1, B, H), o.dtype)

    def step(carry, x):
        (h_tm1, memory), (t, oa_t) = carry, x
        h_tm1 = jnp.where(t % N == 0, jax.lax.stop_gradient(h_tm1), h_tm1)
        q = mlp(phi, "b.q", jnp.concatenate((oa_t, h_tm1), axis=-1))
        h_m, *read = remember(q @ W, memory, t, k)
        h = latent(phi, q, h_m)
        return (h, memory.at[t].set(h)), (h, q, read)

    return jax.lax.scan(step, (zeros[0], zeros[1:]), (steps, oa))[1]


def remember(key_query, memory, t, k):
    """h_m (B, H) of the first t of a memory (T, B, H), weights and places (k+1, B)."""
    places, rank = jnp.arange(len(memory)), jnp.arange(min(k + 1, len(memory)))[:, None]
    s = jnp.einsum("tbh,bh->bt", *jax.lax.stop_gradient((memory, key_query)))
    best = jax.lax.top_k(jnp.where(places < t, s, -jnp.inf), len(rank))[1].T  # highest first
    h_i = pick(memory, best)
    s = jnp.sum(h_i * key_query, axis=-1)
    excess = s - s[jnp.clip(t - 1, 0, k)] + jnp.where(t <= k, MARGIN, 0.0)
    excess += (t > k) & (jax.lax.stop_gradient(excess[:1]) <= 0.0)  # the k+1 largest tie
    excess = jnp.where(rank < jnp.minimum(t, k), excess, 0.0)
    w = excess / jnp.where(t == 0, 1.0, jnp.sum(excess, axis=0))
    return jnp.sum(w[..., None] * h_i, axis=0), w, best


def pick(memory, best):
    """Latents (K, B, H) at the places best (K, B)."""
    return memory[best, jnp.arange(best.shape[1])]


def latent(phi, q, h_m):
    """What encoder and transition make of a query and of what it read from memory."""
    return jnp.tanh(q + mlp(phi, "b.c", jnp.concatenate((q, h_m), axis=-1)))


def model_losses(phi, o, a, r, N, k):
    h, q, _ = encode(phi, o, a, N, k)
    q = jax.lax.stop_gradient(q[1:])
    loss_reward = half_square(reward(phi, h, a) - flatten_time(r))
    loss_decoder = half_square(mlp(phi, "d", flatten_time(h)) - flatten_time(o))
    x = jnp.concatenate((jax.lax.stop_gradient(h[:-1]), a[:-1]), axis=-1)
    mean, mae = jnp.split(mlp(phi, "f", flatten_time(x)), 2, axis=-1)
    error = mean - flatten_time(q)
    off = mae - jnp.abs(jax.lax.stop_gradient(error))
    return loss_reward, loss_decoder, half_square(error) + half_square(off)


def reward(phi, h, a):
    """r̂ (T·B, 1) of latents and actions (T, B, .)."""
    return mlp(phi, "r", flatten_time(jnp.concatenate((h, a), axis=-1)), huberized_relu)


def half_square(error):
    return jnp.sum(error * error) / (2.0 * len(error))


def infer(phi, theta, o, a, u, N, k):
    """h_0, the reads, ξ and η under which the replay is what happened."""
    h, q, (w, best) = encode(phi, o, a, N, k)
    x = jnp.concatenate((h[:-1], a[:-1]), axis=-1)
    mean, log_std = jnp.split(mlp(theta, "pi", h), 2, axis=-1)
    eta = (u - mean) / jnp.exp(jnp.clip(log_std, *LOG_STD))
    q_hat, mae = jnp.split(mlp(phi, "f", x), 2, axis=-1)
    xi = (q[1:] - q_hat) / jnp.maximum(mae, MIN_NOISE_SCALE)
    return h[0], (w[1:], best[1:]), xi, eta


def imagined_return(theta, phi, inferred, a_max, N):
    """G of one seed. Latents enter the memory before their detach."""
    h_0, (w, best), xi, eta = inferred

    def act(carry, eta_t):
        mean, log_std = jnp.split(mlp(theta, "pi", carry), 2, axis=-1)
        u = mean + jnp.exp(jnp.clip(log_std, *LOG_STD)) * eta_t
        return a_max * jnp.tanh(u / a_max)

    def step(state, x):
        (carry, memory), (t, eta_t, xi_t, w, best) = state, x
        a_hat = act(carry, eta_t)
        h_m = jnp.sum(w[..., None] * pick(memory, best), axis=0)
        q, mae = jnp.split(mlp(phi, "f", jnp.concatenate((carry, a_hat), axis=-1)), 2, axis=-1)
        h = latent(phi, q + jnp.maximum(mae, MIN_NOISE_SCALE) * xi_t, h_m)
        after = jnp.where((t + 1) % N == 0, jax.lax.stop_gradient(h), h)
        return (after, memory.at[t + 1].set(h)), (carry, a_hat)

    start = h_0, jnp.zeros((len(eta), *h_0.shape), h_0.dtype).at[0].set(h_0)
    xs = jnp.arange(len(xi)), eta[:-1], xi, w, best
    (last, _), (carries, a_hat) = jax.lax.scan(step, start, xs)
    carries = jnp.concatenate((carries, last[None]))
    a_hat = jnp.concatenate((a_hat, act(last, eta[-1])[None]))
    return jnp.sum(reward(phi, carries, a_hat)) / h_0.shape[0]
