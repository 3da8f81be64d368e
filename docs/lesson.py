# %% [markdown]
# # The lesson: from a recall reward to the action that showed the number
#
# Twelve sections of about a screen, from the derivative of one line to two trained agents. Needed:
# the chain rule, and NumPy. The source is [lesson.py](lesson.py). It opens as a notebook in VS
# Code, PyCharm and (with jupytext) Jupyter, as [lesson.ipynb](lesson.ipynb) does anywhere, and runs
# as a script: `python docs/lesson.py`, about a minute, or `--short`, seconds, which barely trains.
# [lesson.md](lesson.md) is made from it. Formulas stand in code; exercises have folded solutions.

# %%
import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # arrays are small: more threads wait
HERE = Path(__file__).parent if "__file__" in globals() else Path.cwd()
sys.path[:0] = [str(HERE), str(HERE.parent)]

import autograd.numpy as np  # differentiated
import lesson_plots as plots
import numpy as onp  # never traced
from lesson_tools import seconds, section, show

SHORT = "--short" in sys.argv
if SHORT:
    note = "--short: the numbers in the text of sections 8 to 11 are those of the whole lesson"
    print(note, file=sys.stderr)

# %% [markdown]
# ## 1. What you will see
#
# An agent sees a number, waits, and must then act it out. To learn from its reward it needs the
# derivative of a late reward with respect to an early action: the action's *credit*. It is computed
# backwards through a learned model, and this computation is cut (*detached*, red bars) every N = 4
# steps, as one does with long sequences.
#
# ![Backward pass from one predicted reward, LVGTS above LM-SVG](backward.gif)
#
# LVGTS (above) gives the model's transition a memory, read with attention; a gradient flows back
# through a read in one hop, past all bars. LM-SVG (below) is the same without the read. The cell
# prints the credit for predicted reward 13 in two agents of Figure 2: LVGTS's
# actions 0 and 1 get 0.049 and 0.055, past 3 detaches; LM-SVG's all get exactly 0 before step 12.

# %%
section("what you will see")
agents = ("lvgts", "lm_svg")
files = [HERE / f"{algo}_credit_flow.csv" for algo in agents]
flows = [onp.genfromtxt(f, delimiter=",", names=True, dtype=None, encoding="utf-8") for f in files]
print(" t  phase       latent detached  LVGTS  LM-SVG")
for row, other in zip(*flows, strict=True):
    cut = "yes" if row["t"] and flows[0]["detach"][row["t"] - 1] else "-"
    credit = [f"{x:.3f}" if x else "0" for x in (row["rms"], other["rms"])]
    print(f"{row['t']:2}  {row['phase']:<10}  {cut:^15}  {credit[0]:>5}  {credit[1]:>6}")
credit, cuts = flows[0]["rms"], flows[0]["detach"].sum()
print(f"LVGTS: actions 0 and 1 get {credit[0]:.3f} and {credit[1]:.3f}, past {cuts} detaches")

# %% [markdown]
# ## 2. The task
#
# A number o_m, drawn from N(0, 1), is to be remembered. In the *active memory task* observations of
# the remember phase show it under noise, `o_t = o_m + (1 - a_{t-1}) ε_t`: an action of 1 makes the
# next observation clear, and earns nothing itself. After a distractor come 4 recall steps, each
# with the reward `0.5 - (a_t - o_m)²`.
#
# Over 10,000 episodes the oracle, which acts 1 and later recalls the posterior mean, earns 1.998;
# that is the *optimal return*, just below 2, as actions stop at 3 and o_m does not. Perfect recall
# after random remember actions still earns the *myopic baseline*, 1.28: an agent above it has
# learned to look.

# %%
from lvgts_np import MemoryTask
from lvgts_np.tasks.bounds import Oracle, max_return, myopic_return
from lvgts_np.tasks.protocol import play

section("the task")
task, rng = MemoryTask(), onp.random.default_rng(1000)
noise = task.draw(rng, 10_000)
random_actions = task.a_max * onp.tanh(rng.standard_normal((task.t1, 10_000, 1)) / task.a_max)


def recall_return(act):
    """Mean recall return over the episodes, and its standard error."""
    r = play(task, noise, act).r_recall.sum(axis=0)
    return f"{r.mean():.3f} +- {r.std() / onp.sqrt(r.size):.3f}"


print(f"{task.recall_steps} recall steps, at most {task.recall_steps * task.c}; |a| < {task.a_max}")
print("the oracle earns", recall_return(Oracle(task)))
print("after random remember actions", recall_return(Oracle(task, random_actions)))
print(f"optimal return {max_return(task):.3f}, myopic baseline {myopic_return(task):.2f}")
show(
    "episode",
    "An episode of the oracle: one noisy observation, two clear ones, and the recall",
    plots.episode(task, noise, play(task, noise, Oracle(task))),
)

# %% [markdown]
# **Exercise.** What is the best return of an agent without memory, and how does it act?
#
# <details><summary>Solution</summary>
#
# Recall observations say nothing about o_m, so its mean, 0, is the best action, and each of the
# recall steps earns `0.5 - Var(o_m)`, together -2.
#
# ```python
# from lvgts_np.tasks.bounds import floor_return
#
# print(recall_return(lambda o_t: onp.zeros_like(o_t)), "against", floor_return(task))
# assert floor_return(task) == -2
# ```
#
# </details>

# %% [markdown]
# ## 3. A gradient by hand
#
# One recall step of an agent with one weight. The chain rule, read from the reward back to the
# weight, is a line for each line of the program; λ_y is the derivative of r with respect to y:
#
# | forward | backward |
# |---|---|
# | `a = tanh(w x)` | `λ_w = λ_a (1 - a²) x` |
# | `r = 0.5 - (a - o)²` | `λ_a = -2 (a - o)` |
#
# By hand, by autograd and by the *complex step* `Im r(w + ih) / h` it is 0.699792. Why is the last
# exact? In `r(w + ih) = r + ih r' - h² r''/2 - ...` the imaginary part is `h r'` up to `h³`, and
# nothing is subtracted: with a tiny h only rounding is left. Central differences subtract numbers
# that agree in most digits; their best step has an error of about 1e-11 here.

# %%
from autograd import grad

section("a gradient by hand")
x, o, w = 0.7, 0.9, 0.5


def r(w):
    a = np.tanh(w * x)
    return 0.5 - (a - o) ** 2


def r_adjoint(w):
    a = onp.tanh(w * x)
    lambda_a = -2 * (a - o)
    return lambda_a * (1 - a**2) * x


true = r_adjoint(w)
print(f"by hand      {true:.6f}")
print(f"autograd     {grad(r)(w):.6f}")
print(f"complex step {r(w + 1e-20j).imag / 1e-20:.6f}")
h = 10.0 ** -onp.arange(1, 14)
central = onp.abs((r(w + h) - r(w - h)) / (2 * h) - true) / true
step = onp.abs(r(w + 1j * h).imag / h - true) / true
print(f"best central difference: error about {10 ** onp.round(onp.log10(central.min())):.0e}")
show(
    "errors",
    "Relative errors by step: a central difference has a best step, the complex step needs none",
    plots.errors_by_step(h, central, step),
)

# %% [markdown]
# **Exercise.** Turn the sign of `lambda_a`. Which of the three agree now, and what does that say?
#
# <details><summary>Solution</summary>
#
# Autograd and the complex step agree, by hand has the other sign: two that share no rule outvote
# the third. By this vote every gradient of the package is checked.
#
# ```python
# assert abs(grad(r)(w) - r(w + 1e-20j).imag / 1e-20) < 1e-15
# assert abs(grad(r)(w) - -true) > 1
# ```
#
# </details>

# %% [markdown]
# ## 4. Where a gradient ends
#
# A scalar recurrent network, `h_{t+1} = tanh(w h_t + u_t)`, its state detached every N = 4 steps:
# `detach` is the identity with the derivative 0. The cuts before the last state, `h_15`, are at 4,
# 8 and 12, and its derivative with respect to an input before step 12 is not small but exactly 0.
# So the gradient with respect to w is biased: of the whole N = 4 leaves 0.57, and N = 1 leaves
# 0.23.
#
# Truncating is shortening the horizon (§A.1): in a deterministic chain the value gradient that is
# cut after n transitions *is* the gradient of the n-step value. The discount `γ = 1 - 1/n` has a
# horizon of n steps too, but fades: for n = 4, 0.32 of a reward's weight is left at lag 4, never 0.

# %%
from lvgts_np.paper.autodiff import detach

section("where a gradient ends")
u = onp.abs(onp.random.default_rng(0).normal(0.0, 0.05, 15))


def last_state(w, u, N):
    h = 0.0
    for t in range(15):
        h = np.tanh(w * h + u[t])
        if (t + 1) % N == 0 and t + 1 < 15:
            h = detach(h)
    return h


truncated, whole = (grad(last_state, 1)(0.9, u, N) for N in (4, 15))
print("cuts:", *range(4, 15, 4))
print("dh_15/du_t:", *(f"{x:.2f}" if x else "0" for x in truncated))
dw = {N: grad(last_state)(0.9, u, N) for N in (1, 2, 4, 8, 15)}
print("dh_15/dw:", *(f"N = {N} leaves {x / dw[15]:.2f} " for N, x in dw.items()))
print(f"(1 - 1/4)^4 = {(1 - 1 / 4) ** 4:.2f}")
show(
    "reach",
    "Derivative of the last state by input: whole, discounted, and exactly 0 before the last cut",
    plots.reach(whole, truncated, whole * 0.75 ** onp.arange(14, -1, -1), 4),
)

# %% [markdown]
# §A.1 in the package's own functions, for the chain `s' = 0.9 s + a` with the policy `a = -0.2 s`
# and the reward `-s² - a²`, from a state of 1. The first two columns are equal; the third, of the
# discounted value, comes nearer to the whole gradient, -4.08, more slowly.

# %%
from lvgts_np.paper.value_gradients import Local, n_step_value, truncated_value_gradient

one = onp.ones(1)
pi, reward, f = (lambda s: -0.2 * s), (lambda s, a: -(s**2) - a**2), (lambda s, a: 0.9 * s + a)
states = 0.7 ** onp.arange(40)  # s' = (0.9 - 0.2) s
slopes = one[None] * 0.9, one[None], one[None] * -0.2  # ds'/ds, ds'/da, da/ds
chain = [Local(-2 * s * one, 2 * 0.2 * s * one, *slopes) for s in states]


def discounted_value(s_0, gamma):
    return sum(gamma**t * reward(s * s_0, pi(s * s_0)) for t, s in enumerate(states))


for n in (2, 4, 8, 39):
    cut = truncated_value_gradient(chain, 0, n)[0]
    n_step = grad(lambda s_0, n=n: n_step_value(pi, reward, f, s_0, n))(1.0)
    discounted = grad(discounted_value)(1.0, 1 - 1 / n)
    print(f"n = {n:2}  truncated {cut:.2f}  n-step {n_step:.2f}  discounted {discounted:.2f}")
print(f"the whole gradient: {cut:.2f}")

# %% [markdown]
# **Exercise.** What is the smallest N for which `last_state` loses no gradient?
#
# <details><summary>Solution</summary>
#
# N = 15, the length: what follows the last step is not differentiated. With N = 14 the state is cut
# just before the last step, and only the last input is left.
#
# ```python
# assert onp.count_nonzero(grad(last_state, 1)(0.9, u, 15)) == 15
# assert onp.count_nonzero(grad(last_state, 1)(0.9, u, 14)) == 1
# ```
#
# </details>

# %% [markdown]
# ## 5. Sparse attention
#
# Attention looks past the cuts, at few memories: of the scores s the k best keep what they have
# above the one after them, normalised (Algorithm 2; `s_(j)` is the j-th largest):
#
# `w_i = relu(s_i - s_(k+1)) / Σ_j relu(s_j - s_(k+1))`
#
# The scores 0.9, 0.5, 0.3, 0.2, -0.4 and -1 with k = 3 have the weights .636, .273 and .091; all
# others are exactly 0. The released code of Sparse Attentive Backtracking subtracts `s_(k)` instead
# (rule "sab"), and keeps one fewer, .750 and .250.
#
# The adjoint has six lines: a score gets what its weight gets less the mean of that under w, and
# the threshold, which is subtracted from all, gets minus the sum.

# %%
from lvgts_np.paper.attention import topk_weights

section("sparse attention")
s = onp.array([0.9, 0.5, 0.3, 0.2, -0.4, -1.0])
print("the scores:       ", *(f"{x:g}" for x in s))
print("the weights:      ", *(f"{x:.3f}".lstrip("0") for x in topk_weights(s, 3)))
print("'sab', one fewer: ", *(f"{x:.3f}".lstrip("0") for x in topk_weights(s, 3, "sab")))


def topk_adjoint(s, k, lambda_w):
    threshold = onp.argsort(-s)[k]
    excess = onp.maximum(s - s[threshold], 0)
    w = excess / excess.sum()
    lambda_s = (excess > 0) * (lambda_w - w @ lambda_w) / excess.sum()
    lambda_s[threshold] -= lambda_s.sum()
    return lambda_s


lambda_w = onp.array([1.0, -2.0, 0.5, 3.0, 1.0, 1.0])
by_hand = topk_adjoint(s, 3, lambda_w)
by_autograd = grad(lambda s: np.sum(lambda_w * topk_weights(s, 3)))(s)
print("lambda_s:         ", *(f"{x:.3f}" for x in by_hand))
print("equals autograd's:", onp.allclose(by_hand, by_autograd, rtol=0, atol=1e-12))
tied = onp.array([0.9, 0.9, 0.9, 0.9, -0.4])
print("where four tie:   ", *(f"{x:.3f}".lstrip("0") for x in topk_weights(tied, 3)))
moving = onp.linspace(-0.5, 1.5, 201)
moved = onp.stack([topk_weights(onp.array([0.9, 0.5, x, 0.2, -0.4, -1.0]), 3) for x in moving])
show(
    "weights",
    "Weights as the third score moves: continuous, with a kink where it becomes the threshold",
    plots.weights(moving, moved, 3),
)

# %% [markdown]
# Where the `k + 1` best tie the formula is 0/0; weights are then uniform over all that tie, .250
# each for four: a value, but no derivative. Tests of gradients set ties aside, tests of values draw
# them on purpose.
#
# **Exercise.** Why do the entries of `lambda_s` sum to 0?
#
# <details><summary>Solution</summary>
#
# One number added to all scores changes no weight: the derivative along `(1, ..., 1)` is 0.
#
# ```python
# assert abs(by_hand.sum()) < 1e-14
# assert onp.allclose(topk_weights(s + 7.0, 3), topk_weights(s, 3))
# ```
#
# </details>

# %% [markdown]
# ## 6. The shortcut
#
# The model's transition `ĥ_{t+1} = f(ĥ_t, h_m, â_t, ξ_t)` reads the memory, `h_m = Σ_i w_i ĥ_i`.
# The derivative of `h_m` with respect to `ĥ_i` is the weight: one factor, whatever lies between.
# LM-SVG has `h_m = 0`.
#
# The *credit matrix* has `∂r̂_j / ∂â_i` in row j, column i; below for random parameters (root mean
# square over 4 episodes). Framed are recall rewards and remember actions: only LVGTS has credit
# there. Row 12 has none in both: r reads that latent just after its detach.
#
# A latent must enter the memory *before* it is detached. At N = 2 the cuts are at 2, 4, ...: stored
# after its detach, latent 2 has no derivative with respect to the action 1 that made it, and a read
# of it is a shortcut that carries nothing. Action 1 then has a credit of exactly 0.

# %%
from lvgts_np import credit_matrix, preset
from lvgts_np.training.backends import problem

section("the shortcut")


def rms_credit(algo, N=4, store="before"):
    """Credit matrix (T, T), root mean square over the episodes, of random parameters."""
    switches = {"algo": algo, "N": N, "encoder_N": N, "store": store, "reward_loss": "square"}
    config = preset("dummy_amt", dtype="float64", **switches)  # the σ of r gets no credit
    replayed = dict(problem(config, task))["return_and_grad"]
    return onp.sqrt(onp.mean(credit_matrix(*replayed[:5])[..., 0] ** 2, axis=(2, 3)))


print("credit of actions 0, 1, 2 for all recall rewards, in 1e-5")
for N in (4, 2):
    print(f"N = {N}, cuts at", *range(N, 15, N))
    for algo, store in (("lvgts", "before"), ("lvgts", "after"), ("lm_svg", "before")):
        credit = 1e5 * onp.linalg.norm(rms_credit(algo, N, store)[11:, :3], axis=0)
        row = "  ".join(f"{x:4.1f}" if x else "   0" for x in credit)
        print(f"    {algo:<6}  stored {store:<6} detach:  {row}")
pair = {"LVGTS": rms_credit("lvgts"), "LM-SVG": rms_credit("lm_svg")}
show(
    "shortcut",
    "Credit matrices of random parameters: recall rewards reach remember actions in LVGTS only",
    plots.matrices(pair, preset("dummy_amt"), (1e-6, 1e-1)),
)

# %% [markdown]
# **Exercise.** At N = 4 storing after the detach takes hardly any credit from actions 0 to 2. Why?
#
# <details><summary>Solution</summary>
#
# The latents that these actions made, 1 to 3, lie before the first cut, at 4: stored before or
# after, nothing detaches them. Only paths over a read *of* latent 4, 8 or 12 are lost.
#
# ```python
# before, after = (rms_credit("lvgts", 4, store)[11:, :3] for store in ("before", "after"))
# assert onp.count_nonzero(after) == onp.count_nonzero(before)
# assert onp.allclose(after, before, rtol=0.01)
# assert not onp.array_equal(after, before)
# ```
#
# </details>

# %% [markdown]
# ## 7. The adjoint
#
# What trains is not autograd but the same gradient by hand: the replay's backward pass, read
# upwards beside it. The first cell prints pairs of lines: first from `paper/imagine.py`, then the
# line of `adjoint/policy.py` that transposes it. `λ_x` is the derivative of the return with respect
# to x. The shortcut backwards is one line: each latent read gets its weight times the read's
# adjoint.

# %%
import inspect

from lvgts_np import adjoint
from lvgts_np.adjoint.policy import replay_adjoint
from lvgts_np.paper import gradients
from lvgts_np.paper.imagine import replay

section("the adjoint")


def line(function, start):
    (found,) = [x for x in inspect.getsource(function).splitlines() if x.strip().startswith(start)]
    return found.split("  #")[0].strip()


for forward, backward in (
    ("a_hat.append", "lambda_u ="),
    ("h_hat.append", "lambda_x_r[:, t] +="),
    ("h_m =", "add_at(lambda_h"),
    ("ends =", "if (t +"),
):
    print(line(replay, forward), line(replay_adjoint, backward), sep="\n    ", end="\n\n")

replayed = dict(problem(preset("dummy_amt"), task))["return_and_grad"]
_, by_autograd = gradients.return_and_grad(*replayed)
_, by_hand = adjoint.return_and_grad(*replayed)
for name, g in by_autograd.items():
    differ = onp.max(onp.abs(by_hand[name] - g)) < 1e-15
    print(f"{name}: largest entry {onp.max(onp.abs(g)):.4f}, differs by less than 1e-15: {differ}")

# %% [markdown]
# The two gradients differ by less than 1e-15. Which check finds a mistake, and names it? Below is
# the latent of Equation 3 with its adjoint by hand, in which one line can be left out.
# `check_gradient` takes the derivative along a random direction of each parameter, by hand, by
# autograd, by complex step and by differences, and reports the vote. Of q it says: by hand 0.0094,
# autograd 0.0308, as both other oracles; h_m, W1 and W2 are right. So look where q enters alone, at
# `lambda_q`. More on [checking your own gradients](checking.md), and [from autograd to an
# adjoint](adjoint.md).

# %%
from lvgts_np.check import check_gradient


def latent(x):
    v = np.concatenate((x["q"], x["h_m"])) @ x["W1"]
    return np.tanh(x["q"] + (v * (v > 0)) @ x["W2"])  # tanh(q + MLP(q, h_m))


def latent_adjoint(x, lambda_h, bug=False):
    x_c = onp.concatenate((x["q"], x["h_m"]))
    v = onp.maximum(x_c @ x["W1"], 0.0)
    h = onp.tanh(x["q"] + v @ x["W2"])
    lambda_z = lambda_h * (1 - h**2)  # h = tanh(z)
    lambda_v = (x["W2"] @ lambda_z) * (v > 0)  # z = q + v W2, v = relu(x_c W1)
    lambda_q, lambda_h_m = onp.split(x["W1"] @ lambda_v, 2)  # x_c = (q, h_m)
    if not bug:
        lambda_q = lambda_q + lambda_z  # z = q + ...
    W1, W2 = onp.outer(x_c, lambda_v), onp.outer(v, lambda_z)
    return {"q": lambda_q, "h_m": lambda_h_m, "W1": W1, "W2": W2}


rng, sizes = onp.random.default_rng(0), {"q": 3, "h_m": 3, "W1": (6, 5), "W2": (5, 3)}
x = {name: rng.normal(size=size) for name, size in sizes.items()}
print("right:", bool(check_gradient(latent, x, latent_adjoint)))
print(check_gradient(latent, x, lambda x, c: latent_adjoint(x, c, bug=True)))

# %% [markdown]
# **Exercise.** Take the `detach` of section 4 for a mistake: which oracles see the cut?
#
# <details><summary>Solution</summary>
#
# Autograd, and the complex step, as `detach` drops the imaginary part. Plain differences move the
# state behind the cut as well and give the whole derivative; `check_gradient` therefore takes
# differences of the program with its detached values held fixed.
#
# ```python
# straight = (last_state(0.9 + 1e-6, u, 4) - last_state(0.9 - 1e-6, u, 4)) / 2e-6
# assert abs(straight - dw[15]) < 1e-6
# assert abs(last_state(0.9 + 1e-20j, u, 4).imag / 1e-20 - dw[4]) < 1e-12
# assert check_gradient(lambda x: last_state(x["w"], u, 4), {"w": onp.array(0.9)})
# ```
#
# </details>

# %% [markdown]
# ## 8. The model
#
# A real episode is replayed through the model with noise *inferred* so that latents and actions
# come out as they were: then a derivative of the replay is one about what happened. The first lines
# show the replay to be exact, and how far it strays with the noise set to 0.
#
# Model and attention learn first, in a warm-up, 0.2 of the run, in which LVGTS and LM-SVG are the
# same program. As means over two seeds, the reward loss falls from 1.17 to 0.38, and the decoder's
# from 0.08 to 0.02. The attention of recall steps on the remember phase grows from 0.75 to 0.90
# (keys start as minus the latent, so that a step attends to what is unlike its query). The
# transition's loss stays large, 1.52: what comes next the model cannot know, and the inferred noise
# holds what it did not predict.

# %%
from lvgts_np import Trainer, diagnose
from lvgts_np.paper.imagine import policy_replay
from lvgts_np.paper.model import encode

section("the model")
c = preset("dummy_amt", dtype="float64")
trainer = Trainer(c, seeds=[1000])
phi, theta = trainer.phi, trainer.theta
episodes, _, inferred = trainer.probe(64)
h, _, _ = encode(phi, episodes.o, episodes.a, **c.encoder)
for name, xi in (("inferred", inferred.xi), ("set to 0", [0 * x for x in inferred.xi])):
    pi = policy_replay(theta, inferred, c.a_max)
    _, h_hat, _ = replay(phi, pi, inferred._replace(xi=xi), **c.rollout)
    print(f"noise {name}: latents differ by up to {onp.max(onp.abs(onp.stack(h_hat) - h)):.0e}")

EPISODES, EVERY = (160, 1) if SHORT else (8_000, 10)
learners, rows, runs = {}, {algo: [] for algo in agents}, {}
for algo in agents:
    config = preset("dummy_amt", algo=algo, episodes=EPISODES, eval_every=EVERY)
    learners[algo] = Trainer(config, seeds=[1000, 1001])
    runs[algo] = learners[algo].run()
untrained = diagnose(Trainer(config, seeds=[1000, 1001])).attention
while learners["lvgts"].iteration < config.warmup_iterations:
    rows["lvgts"].append(next(runs["lvgts"]))
warm = diagnose(learners["lvgts"]).attention
print(f"warm-up: {config.warmup} of {EPISODES} episodes")
first, last = rows["lvgts"][0], rows["lvgts"][-1]
of = {k: f"{first[k].mean():.2f} to {last[k].mean():.2f}" for k in first if "loss" in k}
print(f"the reward loss falls from {of['loss_reward']}, the decoder's from {of['loss_decoder']}")
print(f"the transition's stays large, {last['loss_transition'].mean():.2f}")
shares = [A[:, config.t2 + 1 :, : config.t1].sum(axis=2).mean() for A in (untrained, warm)]
print(f"attention on the remember phase grows from {shares[0]:.2f} to {shares[1]:.2f}")
show(
    "attention",
    "Attention untrained and after the warm-up: recall steps attend to the remember phase",
    plots.attention({"untrained": untrained[0], "after the warm-up": warm[0]}, config),
)

# %% [markdown]
# ## 9. Learn
#
# Both algorithms, two seeds. LVGTS ends at 1.92 and 1.91, above the myopic baseline of 1.28; LM-SVG
# at -0.10 and 1.53. "Possible" is what perfect recall would earn with the observations that an
# agent's remember actions brought about.
#
# LM-SVG's recall rewards give remember actions a credit of exactly 0: nothing chooses these. Yet
# they do not stay at 0, where an untrained policy has them: one network acts at all steps, so what
# it learns about recall moves them too, and so do the model's errors about early rewards. They
# *drift*: in one seed below 0, in the other half-way to 1: by luck its return is above the
# baseline. Where BLAS rounds otherwise (try `OPENBLAS_CORETYPE=SkylakeX python docs/lesson.py`, or
# `Sandybridge`) they end elsewhere; LVGTS stays above the baseline, and LM-SVG's credit 0.

# %%
from lvgts_np import credit_over_episodes
from lvgts_np.experiments.compass import compass
from lvgts_np.tasks.bounds import posterior

section("learn")
rows["lvgts"].append(next(runs["lvgts"]))  # the policy's first iterations
compasses = {"policy just started": compass(learners["lvgts"])}  # for section 10
for algo, run in runs.items():
    rows[algo] += list(run)
warm_up = zip(rows["lvgts"], rows["lm_svg"], strict=True)
warm_up = [pair for pair in warm_up if pair[0]["iteration"][0] <= config.warmup_iterations]
same = all(onp.array_equal(x["loss_reward"], y["loss_reward"]) for x, y in warm_up)
print("the same losses up to the end of the warm-up:", same)
print("algorithm  seed  return  possible   a_0    a_1   credit of a_0, a_1")
matrices, recalled = {}, {}
for algo, learner in learners.items():
    recalled[algo] = rows[algo][-1]["eval_return_recall"]
    found = diagnose(learner, 256)
    _, variance = posterior(task, found.episodes.o, found.episodes.a)
    possible = task.recall_steps * (task.c - variance.mean(axis=1))
    for i, seed in enumerate(learner.seeds):
        a = found.episodes.a[:2, i, :, 0].mean(axis=1)
        _, rms = credit_over_episodes(found.credit[i])
        credit = "  ".join(f"{x:.3f}" if x else "0" for x in rms[task.T - 1, :2])
        matrices.setdefault(f"{plots.style.ALGOS[algo]}, seed {seed}", rms)
        numbers = f"{recalled[algo][i]:6.2f}  {possible[i]:8.2f}  {a[0]:5.2f}  {a[1]:5.2f}"
        print(f"{plots.style.ALGOS[algo]:<9}  {seed}  {numbers}   {credit}")
ends = [" and ".join(f"{x:.2f}" for x in recalled[algo]) for algo in agents]
print(f"LVGTS ends at {ends[0]}, LM-SVG at {ends[1]}, myopic baseline {myopic_return(task):.2f}")
above = [onp.sum(recalled[algo] > myopic_return(task)) for algo in agents]
print(f"seeds above it: LVGTS {above[0]} of 2, LM-SVG {above[1]} of 2")
assert not any(rms[11:, :3].any() for name, rms in matrices.items() if name.startswith("LM-SVG"))

# %%
curves = {algo: onp.stack([row["eval_return_recall"] for row in rows[algo]]) for algo in agents}
bounds = {"optimal": max_return(task), "myopic baseline": myopic_return(task)}
episodes = [row["episodes"][0] for row in rows["lvgts"]]
show(
    "curves",
    "Recall return by training episodes, two seeds of each algorithm, and the bounds",
    plots.curves(episodes, curves, bounds),
)
show(
    "credit",
    "Credit matrices of the trained agents: recall rewards reach remember actions in LVGTS only",
    plots.matrices({k: v for k, v in matrices.items() if "1000" in k}, config, (1e-4, 1.0)),
)

# %% [markdown]
# ## 10. Is the credit true?
#
# In sign when training ends, in size not, and hardly in sign as the policy starts. It is held
# against the environment's own derivative, that of the real recall return, with all noise fixed,
# later observations and actions responding, and nothing cut. As `o_t = o_m + (1 - a_{t-1}) ε_t`, in
# one episode this carries the sign of a noise that nobody sees, and no model can know it. So
# *conditional means* are compared: over episodes whose remember actions are all forced to one
# value. For an agent that recalls, the true mean is positive below 1 and negative above.
#
# Counted are forced values a half or more from 1 whose true mean t is over 2 standard errors from
# 0: how often the modelled mean m has the sign of t, and the size, `Σ m t / Σ t²`, which is 1 if m
# is right. 10 iterations after the warm-up, LVGTS has 5 of 8 signs right and size 0.09 in seed
# 1000, 5 of 7 and size 0.04 in seed 1001. Finished, it has 7 of 8, with size 0.27, and 4 of 4, with
# size 0.60. The policy follows the sign; Adam rescales the size. (In the picture thick lines are
# means of the two seeds, thin lines the seeds.)

# %%
section("is the credit true")
compasses["finished"] = compass(learners["lvgts"])  # rows of each seed


def held_against_true(rows, estimator):
    """Right signs of those known, and the size, of an estimator's mean credit."""
    away = [row for row in rows if abs(row[1] - task.a_m) >= 0.5]
    t, error = onp.array([row[4:] for row in away if row[3] == "true"]).T
    m, _ = onp.array([row[4:] for row in away if row[3] == estimator]).T
    t, m = t[onp.abs(t) > 2 * error], m[onp.abs(t) > 2 * error]
    return onp.sum(m * t > 0), t.size, m @ t / (t @ t or 1.0)


names = {"shortcut, cut": "LVGTS", "learned f": "real r", "learned r": "real f"}
for title, of_seeds in compasses.items():
    print(f"{title}, {of_seeds[0][0][0] - config.warmup_iterations} iterations after the warm-up")
    for seed, seed_rows in zip(learners["lvgts"].seeds, of_seeds, strict=True):
        found = {name: held_against_true(seed_rows, key) for key, name in names.items()}
        told = [f"{name} {n} of {of}, size {x:.2f}" for name, (n, of, x) in found.items()]
        print(f"    seed {seed}: {'; '.join(told)}")
show(
    "compass",
    "True and modelled credit by forced action: small as the policy starts, of one sign at the end",
    plots.compass(compasses, task.a_m),
)

# %% [markdown]
# Autograd, the complex step and differences agree on a modelled credit, and cannot tell: all three
# differentiate the program, and the program is a model. r and f were fitted to values, at actions
# that were taken; a small error of values does not make a small error of slopes.
#
# Where does the missing part go? Exchange one learned part for the real one: *real r* is the replay
# through f with the environment's rewards, *real f* the real episode with the learned r. As the
# policy starts, real r has 7 of 8 signs right in seed 1000 and 7 of 7 in seed 1001, and real f has
# 7 of 8 and 5 of 7: the wrong signs come with both. Finished, real f has size 0.36 and, in seed
# 1001, size 0.64: f and its cuts take little, and what is missing is missing in r. Real r has less,
# size 0.19 and size 0.10: the replayed recall actions hardly answer, and what LVGTS has is what r
# itself knows about the cost of an unclear look.
#
# Where BLAS rounds otherwise about half of the signs are right as the policy starts, and nearly all
# when training ends, at a fifth to a half of the size. More: [credit.md](credit.md).
#
# **Exercise.** All remember actions are 0, and recall is perfect. What is the true mean credit of
# a_0, and how many single episodes have its sign?
#
# <details><summary>Solution</summary>
#
# The posterior variance is `V = 1 / (1 + 1 + 1 / (1 - a_0)² + 1 / (1 - a_1)²)`, so the expected
# return `4 (0.5 - V)` has the derivative `8 V² / (1 - a_0)³ = 0.5`. Over the episodes of section 2
# the mean is 0.495, and 67 % have its sign.
#
# ```python
# def perfect_recall(a_0):
#     a = onp.zeros_like(random_actions)
#     a[0] = a_0
#     return play(task, noise, Oracle(task, a)).r_recall.sum(axis=0)
#
#
# credit = (perfect_recall(1e-4) - perfect_recall(-1e-4)) / 2e-4
# print(f"mean {credit.mean():.3f}, {100 * onp.mean(credit > 0):.0f} % have its sign")
# assert abs(credit.mean() - 0.5) < 3 * credit.std() / onp.sqrt(credit.size)
# ```
#
# </details>

# %% [markdown]
# ## 11. A task of your own
#
# So far memory and credit were needed together. Here is a task of credit alone, a soft *key to
# door*: the first two actions, the key, should be the number p, which stands in view; the last two
# steps, the door, pay `exp(-(a - p)²)` for each of them, half at each. At the eight steps between,
# every action costs a side reward, which teaches to stand still. Nothing has to be remembered to
# act; but what pays lies past the truncation.
#
# A task is a class with sizes, all randomness in `draw`, and a deterministic `step` for any number
# of episodes at once. What `check_gradient` is for a gradient, `check_task` is for a task: it plays
# random actions and says in one line what is wrong. Below it names a `step` that changes its state
# in place, so that the same action, taken twice, pays differently.

# %%
from lvgts_np import Task, check_task

section("a task of your own")


class Key(Task):
    T, O, A, a_max = 12, 2, 1, 3.0
    cue, pay = range(2), range(10, 12)

    def draw(self, rng, B):
        return {"p": rng.standard_normal(B)}

    def observe(self, t, p):
        return onp.stack([p * (t in self.cue), 0.0 * p + (t in self.pay)], axis=-1)

    def reset(self, noise):
        p = noise["p"]
        return (0, p, 0.0 * p), self.observe(0, p)

    def step(self, state, a_t):  # -> state, observation, reward, side reward
        t, p, key = state
        a = a_t[..., 0]
        reward, side = key * (t in self.pay), -0.3 * a**2 * (1 < t < 10)
        key = key + 0.5 * onp.exp(-((a - p) ** 2)) * (t in self.cue)
        return (t + 1, p, key), self.observe(t + 1, p) if t < 11 else None, reward, side


class Worn(Key):
    def step(self, state, a_t):
        result = super().step(state, a_t)
        state[2][...] *= 0.9  # the key wears off, in place
        return result


for one in (Key(), Worn()):
    try:
        check_task(one)
        print("right:", type(one).__name__)
    except ValueError as error:
        print(error)

# %% [markdown]
# Both algorithms with the default settings, two seeds. LVGTS ends at 1.98 and 1.97, LM-SVG at 1.17
# and 1.00; standing still earns 1.155. In LM-SVG the key's actions get a credit of exactly 0 for
# the door: nothing chooses them, so they stay near what the eight steps teach, and drift.
#
# **Exercise.** Derive what standing still earns: what does an action a at the key earn that does
# not depend on p, and which a is best? And what does p itself earn?
#
# <details><summary>Solution</summary>
#
# The door pays twice the mean of `exp(-(a - p)²)` over the two steps of the key. As p is drawn from
# N(0, 1), its expectation is a Gaussian integral, `exp(-a² / 3) / √3`. It is largest at a = 0,
# where the return is `2 E exp(-p²) = 2 / √3 = 1.155`. The action p earns 2, or a little less, as it
# is cut off at 3.
#
# ```python
# def earned(act):
#     noise = Key().draw(onp.random.default_rng(0), 100_000)
#     return play(Key(), noise, act).r_recall.sum(axis=0)
#
#
# for a in (0.0, 0.5):
#     R = earned(lambda o, a=a: onp.full_like(o[..., :1], a))
#     expected = 2 * onp.exp(-(a**2) / 3) / 3**0.5
#     print(f"a = {a}: {R.mean():.3f}, expected {expected:.3f}")
#     assert abs(R.mean() - expected) < 4 * R.std() / R.size**0.5
# print(f"a = p: {earned(lambda o: onp.clip(o[..., :1], -3, 3)).mean():.3f}")
# ```
#
# </details>

# %%
EPISODES, EVERY = (160, 1) if SHORT else (4_800, 5)
returns = {}
print("algorithm  seed  return  credit of a_0, a_1, a_2 for the last reward")
for algo in agents:
    config = preset(Key(), algo=algo, episodes=EPISODES, eval_every=EVERY)
    learner = Trainer(config, seeds=[1000, 1001])
    key_rows = list(learner.run())
    returns[algo] = onp.stack([row["eval_return_recall"] for row in key_rows])
    for i, seed in enumerate(learner.seeds):
        _, rms = credit_over_episodes(diagnose(learner, 256).credit[i])
        credit = "  ".join(f"{x:.3f}" if x else "0" for x in rms[-1, :3])
        print(f"{plots.style.ALGOS[algo]:<9}  {seed}  {returns[algo][-1, i]:6.2f}  {credit}")
ends = [" and ".join(f"{x:.2f}" for x in returns[algo][-1]) for algo in agents]
print(f"LVGTS ends at {ends[0]}, LM-SVG at {ends[1]}; standing still earns {2 / 3**0.5:.3f}")
episodes = [row["episodes"][0] for row in key_rows]
bounds = {"optimal": 2.0, "standing still": 2 / 3**0.5}
show(
    "key",
    "Return by training episodes: LM-SVG stays near what standing still earns, LVGTS learns more",
    plots.curves(episodes, returns, bounds, bottom=0.0, label="return"),
)

# %% [markdown]
# ## 12. Audit yourself
#
# Ten questions; each can be answered from what stands above.
#
# **1.** Which one thing do LVGTS and LM-SVG differ by?
# <details><summary>Answer</summary>
#
# What the transition reads: `h_m = Σ_i w[i] ĥ_i`, or nothing (`transition_read` in
# `paper/imagine.py`). Encoder, losses, attention and policy are the same program.
#
# </details>
#
# **2.** Why is LM-SVG's credit of remember actions exactly zero, not merely small?
# <details><summary>Answer</summary>
#
# Every path from a recall reward back to them passes a `detach`, whose derivative is zero, and so
# is a product with it. It is no matter of rounding: zero in every episode.
#
# </details>
#
# **3.** Does `detach` change what is computed forward?
# <details><summary>Answer</summary>
#
# No: the replay has the same values for every N.
#
# ```python
# pi = policy_replay(theta, inferred, c.a_max)
# by_N = [replay(phi, pi, inferred, N=N, shortcut=True)[0] for N in (1, 4, 15)]
# assert all(onp.array_equal(r_hat, by_N[0]) for r_hat in by_N)
# ```
#
# </details>
#
# **4.** Why does the predicted reward `r̂_12` give earlier actions no credit, in LVGTS either?
# <details><summary>Answer</summary>
#
# `ĥ_12` is detached before r and π see it, and a memory read enters only the next latent.
#
# </details>
#
# **5.** Must a latent be stored before or after its detach, and what if it is the other way?
# <details><summary>Answer</summary>
#
# Before. After it the memory holds a constant: same values, same return, no gradient through a read
# of it. No test of values can see this; one of credit can.
#
# </details>
#
# **6.** Autograd and the complex step agree to the last digit. Which mistake may both share?
# <details><summary>Answer</summary>
#
# One in the program itself: both differentiate what is written, along the branches it takes. A `>=`
# for a `>` in the attention, or a wrong formula, shows only in values: so each equation is also
# restated in scalar loops.
#
# </details>
#
# **7.** The gradient is right. What may still be wrong with the credit?
# <details><summary>Answer</summary>
#
# It is the right derivative of a model. Whether the model's derivative is that of the environment
# is another question (section 10): with noise that was not scaled by the predicted error it had the
# wrong sign ([how the settings were chosen](tuning.md), section 2).
#
# </details>
#
# **8.** Why are the attention and the noise held constant in the replay?
# <details><summary>Answer</summary>
#
# The trajectory is then a function of the policy alone, and with its real actions the real one.
# What an action would change about *where* the model looks is not counted.
#
# </details>
#
# **9.** An agent's mean recall return on the active task is above the oracle's. What do you say?
# <details><summary>Answer</summary>
#
# That it is chance or a mistake: the optimal return is an upper bound of the mean. (The paper's
# printed reward, with the other sign, would pay for being wrong: row T1 of
# [differences](differences.md).)
#
# </details>
#
# **10.** One seed of LM-SVG ends above the myopic baseline. Does that refute the claim?
# <details><summary>Answer</summary>
#
# No. The claim is that its recall rewards give remember actions no credit, which can be read off
# its credit matrix, and that it therefore cannot learn them *reliably*. Drift sometimes ends well.
# Count over many seeds: [results](results.md).
#
# </details>

# %%
print(f"{'seconds':>11}", file=sys.stderr)
for name, passed in seconds().items():
    print(f"{passed:11.1f}  {name}", file=sys.stderr)
print(f"{sum(seconds().values()):11.1f}  together", file=sys.stderr)
