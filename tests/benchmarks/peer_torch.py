"""The same training iteration in eager PyTorch: stacked seeds by `baddbmm`, autograd, flat Adam.

Independent of `lvgts_np`: nothing is imported from it. All parameters of a seed are one row of a
flat tensor, so that clip and Adam are ten calls in all. The scores of the memory are taken without
a graph, and only the k+1 rows that matter enter one. Measured on one core, no gain: a first layer
split in two instead of its input joined, and blocks of seeds.
"""

import torch

MARGIN, MIN_NOISE_SCALE, LOG_STD = 1e-3, 0.05, (-1.0, 1.0)
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8


class Learner:
    """Model and policy of a batch of seeds; parameters come and go as flat dicts of arrays.

    c has k, N, alphas, a_max, model_lr, policy_lr, clip_norm.
    """

    def __init__(self, phi, theta, c, dtype="float32"):
        self.c, self.dtype = c, getattr(torch, dtype)
        self.phi, self.theta = Flat(phi, self.dtype), Flat(theta, self.dtype)
        self.model_losses = model_losses  # what torch.compile may take the place of

    def fit(self, batch):
        """One Adam step on the model from a mini-batch o, a, r (T, S, B, .); -> its losses."""
        losses, gradient = self.model_gradient(batch)
        self.phi.step(gradient, self.c.model_lr, self.c.clip_norm)
        return losses

    def improve(self, o, a, u):
        """One Adam step up the imagined return of real episodes (T, S, B, .); -> G (S,)."""
        G, gradient = self.policy_gradient(o, a, u)
        self.theta.step(gradient.neg_(), self.c.policy_lr, self.c.clip_norm)
        return G

    def model_gradient(self, batch):
        phi = self.phi.tracked()
        data = [torch.from_numpy(x).to(self.dtype) for x in batch]
        losses = self.model_losses(phi, *data, self.c.N, self.c.k)
        total = sum(alpha * loss for alpha, loss in zip(self.c.alphas, losses, strict=True))
        return losses, torch.autograd.grad(total.sum(), self.phi.leaf)[0]

    def policy_gradient(self, o, a, u):
        data = [torch.from_numpy(x).to(self.dtype) for x in (o, a, u)]
        with torch.no_grad():
            phi = self.phi.views(self.phi.data)
            inferred = infer(phi, self.theta.views(self.theta.data), *data, self.c.N, self.c.k)
        G = imagined_return(self.theta.tracked(), phi, inferred, self.c.a_max, self.c.N)
        return G.detach(), torch.autograd.grad(G.sum(), self.theta.leaf)[0]

    def params(self):
        """phi and theta as dicts of NumPy arrays that share memory with the learner."""
        return [
            {name: x.numpy() for name, x in flat.views(flat.data).items()}
            for flat in (self.phi, self.theta)
        ]

    def wait(self):
        """Nothing to wait for on a CPU."""


class Flat:
    """A dict of parameters (S, ., .) as one tensor (S, P), with Adam's moments."""

    def __init__(self, params, dtype):
        self.shapes = {name: x.shape for name, x in params.items()}
        parts = [torch.from_numpy(x).to(dtype).reshape(len(x), -1) for x in params.values()]
        self.sizes = [part.shape[1] for part in parts]
        self.data = torch.cat(parts, dim=1)
        self.m, self.v, self.t = torch.zeros_like(self.data), torch.zeros_like(self.data), 0

    def tracked(self):
        self.leaf = self.data.detach().requires_grad_()
        return self.views(self.leaf)

    def views(self, flat):
        parts = flat.split(self.sizes, dim=1)
        return {
            name: x.view(shape) for x, (name, shape) in zip(parts, self.shapes.items(), strict=True)
        }

    def as_arrays(self, gradient):
        return {name: x.numpy() for name, x in self.views(gradient).items()}

    @torch.no_grad()
    def step(self, g, lr, most):
        """Adam, in place, on the gradient clipped seed by seed."""
        norm = torch.linalg.vector_norm(g, dim=1, keepdim=True)
        g *= (most / norm.clamp_(min=1e-30)).clamp_(max=1.0)
        self.t += 1
        self.m.lerp_(g, 1 - BETA_1)
        self.v.mul_(BETA_2).addcmul_(g, g, value=1 - BETA_2)
        scale = (self.v / (1 - BETA_2**self.t)).sqrt_().add_(EPSILON)
        self.data.addcdiv_(self.m, scale, value=-lr / (1 - BETA_1**self.t))


def huberized_relu(x):
    v = x.relu()
    return torch.nn.functional.huber_loss(v, torch.zeros_like(v), reduction="none")


def mlp(p, name, x, activation=torch.relu_):
    v = activation(torch.baddbmm(p[name + ".b1"], x, p[name + ".W1"]))
    return torch.baddbmm(p[name + ".b2"], v, p[name + ".W2"])


def flatten_time(x):
    """(T, S, B, F) as (S, T·B, F)."""
    T, S, B, F = x.shape
    return x.transpose(0, 1).reshape(S, T * B, F)


def encode(phi, o, a, N, k):
    """Lists of h_t, of q_t, and of the (weights, indices) of each read (None at t = 0)."""
    S, B, H = o.shape[1], o.shape[2], phi["b.W"].shape[-1]
    oa = torch.cat((o, torch.cat((torch.zeros_like(a[:1]), a[:-1]))), dim=-1)
    W = phi["b.W"] * H**-0.5
    zeros = o.new_zeros(S, B, H)
    past = o.new_empty(S, B, len(o), H)  # a copy of the latents, without a graph
    h, q, reads, h_m, h_tm1 = [], [], [None], zeros, zeros
    for t in range(len(o)):
        if t % N == 0:
            h_tm1 = h_tm1.detach()
        q.append(mlp(phi, "b.q", torch.cat((oa[t], h_tm1), dim=-1)))
        if t > 0:
            h_m, *read = remember(torch.bmm(q[t], W), past[:, :, :t], h, k)
            reads.append(read)
        h_tm1 = latent(phi, q[t], h_m)
        past[:, :, t] = h_tm1.detach()
        h.append(h_tm1)
    return h, q, reads


def latent(phi, q, h_m):
    """What encoder and transition make of a query and of what it read from memory."""
    return torch.tanh(q + mlp(phi, "b.c", torch.cat((q, h_m), dim=-1)))


def remember(key_query, past, h, k):
    """h_m, the weights (S, B, K) and where they stand (S, B, K), of the K = min(M, k+1) best."""
    M = len(h)
    with torch.no_grad():
        s = (past * key_query.detach()[:, :, None]).sum(dim=-1)
        best = s.topk(min(M, k + 1), dim=-1, sorted=True).indices  # highest first
    h_i = pick(h, best)  # (S, B, K, H)
    s = (h_i * key_query[:, :, None]).sum(dim=-1)
    if k >= M:
        excess = s - s[..., -1:] + MARGIN
    else:
        excess = s - s[..., -1:]
        none = excess.detach()[..., :1] <= 0.0  # the k+1 largest tie: uniform over the K best
        excess = excess + none.to(s.dtype)
    w = excess / excess.sum(dim=-1, keepdim=True)
    return (w[..., None] * h_i).sum(dim=-2), w, best


def pick(h, best):
    """The rows `best` (S, B, K) of a list of latents (S, B, H), as (S, B, K, H)."""
    memory = torch.stack(h, dim=2)
    return memory.gather(2, best[..., None].expand(*best.shape, memory.shape[-1]))


def model_losses(phi, o, a, r, N, k):
    """Reward, decoder and transition loss, each (S,)."""
    B, (h, q, _) = o.shape[2], encode(phi, o, a, N, k)
    h, a, q = torch.cat(h, dim=1), flatten_time(a), torch.cat(q[1:], dim=1).detach()
    loss_reward = half_square(reward(phi, torch.cat((h, a), dim=-1)) - flatten_time(r))
    loss_decoder = half_square(mlp(phi, "d", h) - flatten_time(o))
    x = torch.cat((h[:, :-B].detach(), a[:, :-B]), dim=-1)
    mean, mae = mlp(phi, "f", x).chunk(2, dim=-1)
    error = mean - q
    off = mae - error.detach().abs()
    return loss_reward, loss_decoder, half_square(error) + half_square(off)


def reward(phi, x):
    """r̂ of (h, a) (S, n, H+A)."""
    return mlp(phi, "r", x, huberized_relu)


def half_square(error):
    return error.square().sum(dim=(1, 2)) / (2.0 * error.shape[1])


def infer(phi, theta, o, a, u, N, k):
    """h_0, the reads, ξ and η under which the replay is what happened."""
    T, S, B = o.shape[:3]
    h, q, reads = encode(phi, o, a, N, k)
    tall_h = torch.cat(h, dim=1)
    x = torch.cat((tall_h[:, :-B], flatten_time(a)[:, :-B]), dim=-1)
    q_hat, mae = mlp(phi, "f", x).chunk(2, dim=-1)
    xi = (torch.cat(q[1:], dim=1) - q_hat) / mae.clamp(min=MIN_NOISE_SCALE)
    mean, log_std = mlp(theta, "pi", tall_h).chunk(2, dim=-1)
    eta = (flatten_time(u) - mean) / log_std.clamp(*LOG_STD).exp()
    xi = xi.view(S, T - 1, B, -1).unbind(1)
    return h[0], reads, xi, eta.view(S, T, B, -1).unbind(1)


def imagined_return(theta, phi, inferred, a_max, N):
    """G (S,). Latents enter the memory before their detach."""
    h_0, reads, xi, eta = inferred
    h_hat, a_hat, carry = [h_0], [], h_0
    for t in range(len(eta)):
        mean, log_std = mlp(theta, "pi", carry).chunk(2, dim=-1)
        u = mean + log_std.clamp(*LOG_STD).exp() * eta[t]
        a_hat.append(a_max * torch.tanh(u / a_max))
        if t + 1 == len(eta):
            break
        w, best = reads[t + 1]
        h_m = (w[..., None] * pick(h_hat, best)).sum(dim=-2)
        q, mae = mlp(phi, "f", torch.cat((carry, a_hat[t]), dim=-1)).chunk(2, dim=-1)
        h_hat.append(latent(phi, q + mae.clamp(min=MIN_NOISE_SCALE) * xi[t], h_m))
        carry = h_hat[-1].detach() if (t + 1) % N == 0 else h_hat[-1]
    return rewards(phi, h_hat, a_hat, N).sum(dim=(1, 2)) / h_0.shape[1]


def rewards(phi, h_hat, a_hat, N):
    """r̂ of all steps at once; the states that the carry cuts are cut here too."""
    h = [x.detach() if t % N == 0 else x for t, x in enumerate(h_hat)]
    x = torch.cat((torch.cat(h, dim=1), torch.cat(a_hat, dim=1)), dim=-1)
    return reward(phi, x)
