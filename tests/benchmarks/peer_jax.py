"""The same training iteration in JAX: one seed's program, compiled, mapped over seeds.

Independent of `lvgts_np`: nothing is imported from it. Measured on one core:
`lax.map` over seeds is twice as fast as `vmap` at S = 20 and three times at S = 1, where there is
nothing to map: XLA's batched matmuls on a CPU are slow, and a seed at a time stays in the cache.
Time is unrolled: each step knows how much it remembers. The k+1 largest scores are kept by a
network of min and max, which XLA fuses.
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
    """Lists of h_t (B, H), q_t (B, H) and w_t (t, B) of one seed, o (T, B, O)."""
    H = phi["b.W"].shape[-1]
    oa = jnp.concatenate((o, jnp.concatenate((jnp.zeros_like(a[:1]), a[:-1]))), axis=-1)
    W = phi["b.W"] * H**-0.5
    zeros = jnp.zeros((o.shape[1], H), o.dtype)
    h, q, w, h_m, h_tm1 = [], [], [None], zeros, zeros
    for t in range(len(o)):
        if t % N == 0:
            h_tm1 = jax.lax.stop_gradient(h_tm1)
        q.append(mlp(phi, "b.q", jnp.concatenate((oa[t], h_tm1), axis=-1)))
        if t > 0:
            memory = jnp.stack(h)
            w.append(topk_weights(jnp.sum(memory * (q[t] @ W), axis=-1), k))
            h_m = jnp.sum(w[t][..., None] * memory, axis=0)
        h_tm1 = latent(phi, q[t], h_m)
        h.append(h_tm1)
    return h, q, w


def latent(phi, q, h_m):
    """What encoder and transition make of a query and of what it read from memory."""
    return jnp.tanh(q + mlp(phi, "b.c", jnp.concatenate((q, h_m), axis=-1)))


def topk_weights(s, k):
    """Weights (M, B) from scores (M, B): relu(s - s_(k+1)), to sum 1."""
    value = jax.lax.stop_gradient(s)
    if len(s) <= k:
        excess = s - pick(s, value == jnp.min(value, axis=0)) + MARGIN
    else:
        threshold = largest(value, k + 1)
        tied = (value == jnp.max(value, axis=0)) & (value <= threshold)
        excess = jax.nn.relu(s - pick(s, value == threshold)) + tied
    return excess / jnp.sum(excess, axis=0)


def pick(s, where):
    """The entry of s (M, B) where `where`; the mean of equals."""
    return jnp.sum(s * where, axis=0) / jnp.sum(where, axis=0)


def largest(s, n):
    """The n-th largest of M scores (M, B), as (B,)."""
    best = [jnp.full_like(s[0], -jnp.inf)] * n
    for row in s:
        for j in range(n):
            best[j], row = jnp.maximum(best[j], row), jnp.minimum(best[j], row)
    return best[-1]


def model_losses(phi, o, a, r, N, k):
    h, q, _ = encode(phi, o, a, N, k)
    h, q = jnp.stack(h), jax.lax.stop_gradient(jnp.stack(q[1:]))
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
    """h_0, w, ξ and η under which the replay is what happened."""
    h, q, w = encode(phi, o, a, N, k)
    h, q = jnp.stack(h), jnp.stack(q[1:])
    x = jnp.concatenate((h[:-1], a[:-1]), axis=-1)
    mean, log_std = jnp.split(mlp(theta, "pi", h), 2, axis=-1)
    eta = (u - mean) / jnp.exp(jnp.clip(log_std, *LOG_STD))
    q_hat, mae = jnp.split(mlp(phi, "f", x), 2, axis=-1)
    return h[0], w, (q - q_hat) / jnp.maximum(mae, MIN_NOISE_SCALE), eta


def imagined_return(theta, phi, inferred, a_max, N):
    """G of one seed. Latents enter the memory before their detach."""
    h_0, w, xi, eta = inferred
    carry, h_hat, carries, a_hat = h_0, [h_0], [], []
    for t in range(len(eta)):
        mean, log_std = jnp.split(mlp(theta, "pi", carry), 2, axis=-1)
        u = mean + jnp.exp(jnp.clip(log_std, *LOG_STD)) * eta[t]
        a_hat.append(a_max * jnp.tanh(u / a_max))
        carries.append(carry)
        if t + 1 == len(eta):
            break
        h_m = jnp.sum(w[t + 1][..., None] * jnp.stack(h_hat), axis=0)
        x = jnp.concatenate((carry, a_hat[t]), axis=-1)
        q, mae = jnp.split(mlp(phi, "f", x), 2, axis=-1)
        q += jnp.maximum(mae, MIN_NOISE_SCALE) * xi[t]
        h_hat.append(latent(phi, q, h_m))
        carry = jax.lax.stop_gradient(h_hat[-1]) if (t + 1) % N == 0 else h_hat[-1]
    return jnp.sum(reward(phi, jnp.stack(carries), jnp.stack(a_hat))) / h_0.shape[0]
