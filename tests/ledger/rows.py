"""Rows of the ledger: each equation and each line of an algorithm of the paper, and where it is."""

from typing import NamedTuple


class Row(NamedTuple):
    """An equation, or a line of an algorithm.

    The first of the text and of the functions by hand may name a line by words of it, as in
    "paper.imagine.replay # line 15".
    """

    tag: str
    what: str
    latex: str  # for Matplotlib's mathtext
    text: list  # dotted names below lvgts_np
    hand: list
    units: list  # of `equations`; none where the tests alone check


TABLE = r"""
Eq. 1 | objective
$ J(\theta) = E_\theta [\sum_t r_t]
text: training.metrics.mean_return
units: mean_return

Eq. 2 d | decoder
$ \hat{o}_t = d(h_t)
text: paper.model.decode
hand: adjoint.model.fit
units: decoder_and_reward, fit

Eq. 2 r | reward model
$ \hat{r}_t = r(h_t, a_t)
text: paper.model.reward
hand: adjoint.model.fit, adjoint.policy.imagine, adjoint.policy.mean_and_slopes
units: decoder_and_reward, fit, reward_slopes

Eq. 2 f | transition model
$ \hat{h}_t = f(\hat{h}_{t-1}, a_{t-1})
text: paper.model.predict
hand: adjoint.model.fit
units: predict, fit

Eq. 3 | encoder with memory read
$ h_m^t = att(h_{i<t}),\quad h_t = b(h_{t-1}, h_m^t, o_t a_{t-1})
text: paper.model.encode, paper.model.encode_step, paper.model.latent, paper.model.combine
hand: adjoint.encoder.encode_adjoint, adjoint.encoder.encode_step, adjoint.layers.latent_adjoint,
      adjoint.layers.latent
units: tanh, relu, latent, latent_adjoint, encode, encode_forward, encode_by_steps,
      encode_adjoint

Eq. 4 | truncated value gradient
$ \frac{\partial V^i}{\partial s_i} = \frac{dr_i}{ds_i}
      + \left(\frac{ds_{i+1}}{ds_i}\right)^T \frac{\partial V^{i+1}}{\partial s_{i+1}}
text: paper.value_gradients.truncated_value_gradient
units: truncated_value_gradient, n_step_value

Eq. 5 | the same as a sum
$ \frac{\partial V^i}{\partial s_i} = \sum_{j=i}^{i+n}
      \left(\prod_{l=i}^{j-1} \frac{ds_{l+1}}{ds_l}\right)^T \frac{dr_j}{ds_j}
text: paper.value_gradients.truncated_value_gradient
units: truncated_value_gradient

Eq. 6 | n-step value
$ V^i = \sum_{k=i}^{i+n} r_k
text: paper.value_gradients.n_step_value
units: n_step_value

Eq. 7 | total loss
$ L = \alpha_{rew} L_{rew} + \alpha_{decoder} L_{decoder} + \alpha_{trans} L_{trans}
text: paper.losses.total_loss
hand: adjoint.model.model_loss_and_grad, adjoint.model.block_gradient
units: total_loss, model_loss_and_grad, reference_gradients

A.2 rew | reward loss
$ L_{rew} = \frac{1}{2} [r(h_t, a_t) - r_t]^2
text: paper.losses.model_losses # loss_reward, paper.losses.reward_errors,
      paper.losses.reward_weights, paper.losses.half_square
hand: adjoint.model.fit, adjoint.model.detached, adjoint.model.paying_steps
units: reward_errors, model_losses, fit

A.2 decoder | decoder loss
$ L_{decoder} = \frac{1}{2} |d(h_t) - o_t|^2
text: paper.losses.model_losses # loss_decoder
hand: adjoint.model.fit
units: model_losses, fit

A.2 trans | transition loss
$ L_{trans} = \frac{1}{2} |\hat{q}_{t+1} - SG(q_{t+1})|^2
text: paper.losses.model_losses # loss_transition, paper.forms.query_errors,
      paper.forms.latent_errors, paper.forms.form_of
hand: adjoint.model.fit, adjoint.model.block_gradient # h_m =
units: query_errors, latent_errors, model_losses, fit

§3.1 | LM-SVG's transition
$ \hat{h}_{t+1} = f(\hat{h}_t, 0, a_t)
text: paper.attention.read_nothing, paper.forms.no_argument
hand: adjoint.policy.imagine # if rollout.shortcut
units: transition_read, replay

§3.2 | LVGTS's transition
$ \hat{h}_{t+1} = f(\hat{h}_t, \hat{h}_m^{t+1}, a_t)
text: paper.model.transition, paper.model.noise_scale, paper.forms.latent_transition
hand: adjoint.forms.query_step, adjoint.forms.latent_step, adjoint.forms.form_of,
      adjoint.layers.of_latents
units: min_noise_scale, clip, predict, transition, latent_transition, query_step, latent_step,
      replay_forward

§4.1 phases | phases
$ remember\ t < t_1,\quad recall\ t > t_2
text: tasks.memory.MemoryTask.phase
units: memory_task

§4.1 o | observation (AMT)
$ o_t = o_m + (a_m - a_{t-1})\, \epsilon
text: tasks.memory.MemoryTask._memory_channel, tasks.memory.MemoryTask.noise_scale
units: memory_task

§4.1 r | recall reward
$ r_t = c - (a_t - o_m)^2
text: tasks.memory.MemoryTask._recall_reward
units: memory_task

§4.2 N | truncation of the encoder
$ h_{t-1} \leftarrow Detach(h_{t-1}),\quad N | t + c
text: paper.model.encode # % N
hand: adjoint.encoder.encode_adjoint # % N
units: stop_gradient, encode, encode_adjoint

Alg. 1 l. 2-8 | episodes
$ a_t = \pi_\theta(h_t, \eta_t)
text: training.trainer.Trainer._collect, tasks.protocol.play
units: memory_task

Alg. 1 l. 9 | model's step
$ \mathrm{Train}\ b, d, f, r\ \mathrm{with\ (7)}
text: training.trainer.Trainer._fit_model, training.optim.adam_step, training.optim.clip_norm
units: adam_step, clip_norm

Alg. 1 l. 10 | first latent
$ \hat{h}_1 \leftarrow b(o_1 a_0)
text: paper.imagine.replay # line 10
hand: adjoint.policy.replay # line 10
units: replay, replay_forward, replay_adjoint

Alg. 1 l. 11 | first memory
$ M[1] \leftarrow \hat{h}_1
text: paper.imagine.replay # line 11
units: memory, replay, replay_forward, replay_adjoint

Alg. 1 l. 12 | return
$ G \leftarrow 0
text: paper.imagine.replay # line 12
hand: adjoint.policy.return_and_grad # G =
units: imagined_return, return_and_grad

Alg. 1 l. 13 | steps
$ t = 1 .. T
text: paper.imagine.replay # line 13
hand: adjoint.policy.replay # line 13
units: replay, replay_forward, replay_adjoint

Alg. 1 l. 14 | inferred noise
$ \mathrm{infer}\ \xi, w_t
text: paper.imagine.infer, paper.forms.query_noise, paper.forms.latent_noise
hand: adjoint.noise.infer, adjoint.forms.query_noise, adjoint.forms.latent_noise
units: query_noise, latent_noise, infer, reference_inference, query_noise_by_hand,
      latent_noise_by_hand, infer_by_hand

Alg. 1 l. 15 | memory read: the temporal shortcut
$ h_m \leftarrow \sum_i w_t[i] M[i]
text: paper.imagine.replay # line 15, paper.attention.read, paper.imagine.transition_read
hand: adjoint.policy.replay_adjoint # shortcut, adjoint.memory.sparse
units: memory_read, transition_read, attended, replay, replay_forward, replay_adjoint

Alg. 1 l. 16 | policy
$ \hat{a}_t \leftarrow \pi_\theta(\hat{h}_t, \eta_t),\quad
      \hat{r}_t \leftarrow r(\hat{h}_t, \hat{a}_t)
text: paper.imagine.replay # line 16, paper.model.act, paper.model.policy, paper.model.squash
hand: adjoint.policy.replay # line 16, adjoint.policy.replay_adjoint # a_max
units: squash, log_std, policy, act, reward_slopes, replay, replay_forward, replay_adjoint

Alg. 1 l. 17 | transition
$ \hat{h}_{t+1} \leftarrow f(\hat{h}_t, h_m, \hat{a}_t, \xi)
text: paper.imagine.replay # line 17
hand: adjoint.policy.replay # line 17, adjoint.forms.query_step_adjoint,
      adjoint.forms.latent_step_adjoint
units: transition, latent_transition, query_step_adjoint, latent_step_adjoint, replay,
      replay_forward, replay_adjoint

Alg. 1 l. 18 | return
$ G \leftarrow G + \gamma^t \hat{r}_t
text: paper.imagine.replay # lines 16, paper.imagine.imagined_return # sum(
hand: adjoint.policy.return_and_grad # G =
units: imagined_return, return_and_grad

Alg. 1 l. 19-21 | truncation of the replay
$ \hat{h}_t \leftarrow Detach(\hat{h}_t),\quad N | t+1+c
text: paper.imagine.replay # line 19, paper.autodiff.detach
hand: adjoint.policy.replay_adjoint # truncation
units: stop_gradient, replay, replay_forward, replay_adjoint

Alg. 1 l. 22 | memory
$ M[t+1] \leftarrow \hat{h}_t
text: paper.imagine.replay # line 22, paper.attention.append
hand: adjoint.policy.replay_adjoint # store ==
units: memory, replay, replay_forward, replay_adjoint

Alg. 1 l. 24 | policy's step
$ \mathrm{Update}\ \pi_\theta\ \mathrm{using}\ \nabla_\theta G
text: paper.gradients.return_and_grad, training.trainer.Trainer._improve_policy
hand: adjoint.policy.return_and_grad, adjoint.policy.replay_adjoint
units: value_and_grad, return_and_grad, reference_gradients

Alg. 2 l. 1 | keys
$ K \leftarrow h_{i<t} W^T
text: paper.attention.scores # key_query
hand: adjoint.encoder.encode_step # read(
units: scores, encode_forward

Alg. 2 l. 2 | query
$ q_t \leftarrow MLP_\psi(o_t a_{t-1}, h_{t-1})
text: paper.model.encode_step # mlp(, paper.nets.mlp, paper.nets.relu, paper.nets.huberized_relu
hand: adjoint.layers.mlp_adjoint, adjoint.layers.mlp_gradient, adjoint.layers.mlp
units: relu, huberized_relu, mlp, mlp_adjoint, mlp_gradient, summed

Alg. 2 l. 3 | scores
$ attn_w \leftarrow q_t K^T / \sqrt{H}
text: paper.attention.scores
hand: adjoint.memory.Dense.read # s =, adjoint.memory.Sparse.read # s =
units: scores, read, read_of_many, read_adjoint, read_of_many_adjoint

Alg. 2 l. 4 | threshold
$ attn_k \leftarrow sorted(attn_w)[k+1]
text: paper.attention.topk_weights # rule == , paper.attention.pick
hand: adjoint.memory.threshold_rank, adjoint.memory.largest
units: margin, sab_eps, topk_weights, excesses, read, read_of_many, read_adjoint,
      read_of_many_adjoint

Alg. 2 l. 5 | sparse weights
$ attn_k \leftarrow ReLU(attn_w - attn_k)
text: paper.attention.topk_weights
hand: adjoint.memory.excesses, adjoint.memory.Dense.read, adjoint.memory.Sparse.read
units: topk_weights, excesses, read, read_of_many, read_adjoint, read_of_many_adjoint

Alg. 2 l. 6 | memory read
$ h_m \leftarrow \sum_i attn_k[i]\, h_i\ /\ \sum_i attn_k[i]
text: paper.attention.read
hand: adjoint.memory.Dense.read_adjoint, adjoint.memory.Dense.of_reads,
      adjoint.memory.Sparse.read_adjoint, adjoint.memory.Sparse.of_reads
units: memory_read, read, read_of_many, read_adjoint, read_of_many_adjoint

Alg. 2 l. 7 | latent
$ h_t \leftarrow \tanh(q_t + MLP(q_t, h_m))
text: paper.model.latent, paper.model.combine
hand: adjoint.layers.latent_adjoint, adjoint.layers.latent
units: latent, latent_adjoint

Fig. 1 | credit
$ C[j, i] = \partial \hat{r}_j / \partial \hat{a}_i
text: paper.credit.credit, paper.credit.credit_matrix, paper.credit.phase_cotangents,
      paper.autodiff.vjp
hand: adjoint.policy.credit
units: vjp, credit_matrix, credit_by_hand, response

Fig. 2 | attention per phase
$ mean\ of\ w_t[i]
text: training.metrics.attention_map
units: attention_map

init | first weights (M1, M12)
$ W_1 \sim N(0, 2/d_{in}),\quad W \sim -I
text: paper.model.init_model, paper.model.init_policy, paper.nets.init_mlp
units: first_weights
"""


def parse(block):
    """A Row of "tag | what", "$ LaTeX" and up to three lists, each with its name in front."""
    head, latex, *lists = block.replace("\n      ", " ").splitlines()
    named = {key: names.split(", ") for key, names in (line.split(": ", 1) for line in lists)}
    each = (named.get(key, []) for key in ("text", "hand", "units"))
    return Row(*head.split(" | "), latex.removeprefix("$ "), *each)


ROWS = [parse(block) for block in TABLE.strip().split("\n\n")]
