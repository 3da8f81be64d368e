"""An agent that acts step by step."""

import numpy as np
import pytest

from lvgts_np.experiments.diagnostics import diagnose
from lvgts_np.paper.attention import read
from lvgts_np.paper.imagine import infer
from lvgts_np.paper.model import act, encode, init_model, init_policy, policy, squash
from lvgts_np.tasks.memory import paper_task
from lvgts_np.training import checkpoint, config_file
from lvgts_np.training.agent import Agent
from lvgts_np.training.config import SMOKE, ConfigError, preset
from lvgts_np.training.files import save_arrays
from lvgts_np.training.replay_buffer import ReplayBuffer, collect, training_reward
from lvgts_np.training.trainer import Trainer, join_seeds


def make_agent(S=1, O=1, seed=0):
    rng = np.random.default_rng(seed)
    phi = join_seeds([init_model(rng, O, 1, 6, 8) for _ in range(S)])
    theta = join_seeds([init_policy(rng, 6, 1, 8) for _ in range(S)])
    theta = {name: x + 0.3 * rng.standard_normal(x.shape) for name, x in theta.items()}
    return Agent(phi, theta, k=2, rule="paper", a_max=3.0)


def test_acting_step_by_step_is_the_policy_of_the_encoder_over_the_whole_episode():
    agent, task, rng = make_agent(S=2), paper_task("dummy_amt"), np.random.default_rng(1)
    noise = join_seeds([task.draw(rng, 5) for _ in range(2)], new_axis=True)
    eta = rng.standard_normal((15, 2, 5, 1))
    episodes, u = collect(task, agent, noise, eta)
    h, _, _ = encode(agent.phi, episodes.o, episodes.a, N=15, k=2)
    for t in range(15):
        mean, std = policy(agent.theta, h[t])
        np.testing.assert_allclose(u[t], mean + std * eta[t], atol=1e-13)
        np.testing.assert_allclose(episodes.a[t], squash(u[t], 3.0), atol=1e-13)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_collected_actions_have_the_policy_s_noise_and_are_replayed(dtype):
    agent, task, rng = make_agent(S=2), paper_task("dummy_amt"), np.random.default_rng(1)
    agent.phi, agent.theta = (
        {name: x.astype(dtype) for name, x in params.items()} for params in (agent.phi, agent.theta)
    )
    noise = join_seeds([task.draw(rng, 5) for _ in range(2)], new_axis=True)
    eta = rng.standard_normal((15, 2, 5, 1)).astype(dtype)
    episodes, u = collect(task, agent, noise, eta)
    assert u.dtype == dtype
    o, encoder = episodes.o.astype(dtype), {"N": 15, "k": 2, "rule": "paper"}
    h, _, _ = encode(agent.phi, o, episodes.a, **encoder)
    mean, std = (np.array(x) for x in zip(*(policy(agent.theta, h_t) for h_t in h), strict=True))
    near = {"rtol": 0, "atol": 1e-4 if dtype == np.float32 else 1e-12}
    np.testing.assert_allclose(u, mean + std * eta, **near)
    replayed = infer(agent.phi, agent.theta, o, episodes.a, u, encoder, read)
    again = np.array([act(agent.theta, h[t], replayed.eta[t], 3.0)[0] for t in range(15)])
    np.testing.assert_allclose(again, episodes.a, **near)


def test_reset_forgets_and_no_noise_is_the_mean():
    agent, o = make_agent(), np.ones((4, 1))
    first, second = agent.act(o), agent.act(o)
    assert not np.array_equal(first, second)
    agent.reset()
    assert np.array_equal(agent.act(o, 0.0), first)
    assert first.shape == (4, 1)


@pytest.mark.parametrize("shape", [(4,), (4, 2), (3, 4, 1), (2, 2, 4, 1)])
def test_a_wrong_observation_is_named(shape):
    with pytest.raises(ValueError, match=r"observation has shape .* must be \(B, 1\)"):
        make_agent().act(np.zeros(shape))


def test_loading_from_a_folder_without_a_run_says_so(tmp_path):
    with pytest.raises(ConfigError, match="config.json"):
        Agent.load(tmp_path)


def spoil(x):
    """Fill every array in what a function returned."""
    if isinstance(x, np.ndarray):
        x[...] = np.nan if x.dtype.kind == "f" else -1
    elif isinstance(x, dict | list | tuple):
        for part in x.values() if isinstance(x, dict) else x:
            spoil(part)


def left_alone(x):
    pass


def test_what_is_done_to_an_action_moves_no_later_one():
    def actions(harm):
        agent, found = make_agent(S=2), []
        for o_t in np.random.default_rng(0).standard_normal((5, 2, 4, 1)):
            found.append((a_t := agent.act(o_t)).copy())
            harm(a_t)
            harm(o_t)
        return found

    assert np.array_equal(actions(spoil), actions(left_alone))


@pytest.mark.parametrize("grad", ["adjoint", "autograd"])
def test_what_is_done_to_arrays_that_a_trainer_returned_moves_nothing_later(grad):
    def rows(harm):
        trainer, found = Trainer(preset("pendulum_amt", **SMOKE, H=4, grad=grad), [0, 1]), []
        for row in trainer.run(parity=False):
            found.append({name: column.copy() for name, column in row.items()})
            harm(row)
            probed = trainer.probe(3)
            found.append({"C": (C := trainer.credit(probed[2], np.eye(15))).copy()})
            harm([C, probed, checkpoint.state_of(trainer, 0), diagnose(trainer, 2)])
            harm(trainer.replay_buffer.sample([s["task"] for s in trainer.streams], 2))
        return found

    for mine, theirs in zip(rows(spoil), rows(left_alone), strict=True):
        assert all(np.array_equal(mine[name], theirs[name]) for name in theirs)


DAMAGES = {
    "missing": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("checkpoint"),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-9]),
    "other arrays": lambda path: save_arrays(path, {"phi": {"b.W": np.zeros(3)}}),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_checkpoint_without_an_agent_is_named(tmp_path, damage):
    config = preset("dummy_amt", **SMOKE, H=4)
    config_file.save(config, tmp_path / "config.json")
    save_arrays(tmp_path / "checkpoint.npz", checkpoint.state_of(Trainer(config, [3]), 0))
    assert Agent.load(tmp_path).act(np.zeros((2, 1))).shape == (2, 1)
    DAMAGES[damage](tmp_path / "checkpoint.npz")
    with pytest.raises(ConfigError, match=r"checkpoint\.npz holds no agent: [^\n]+$"):
        Agent.load(tmp_path)


def test_the_replay_keeps_the_last_episodes_and_samples_each_seed_on_its_own():
    replay = ReplayBuffer([(2, 1, 5, 1)], float)
    for start in (0, 3, 6):
        x = np.arange(start, start + 3.0)  # episode numbers
        replay.add(np.broadcast_to(x[:, None], (2, 1, 3, 1)))
    assert sorted(replay.columns[0][0, 0, :, 0]) == [4, 5, 6, 7, 8]
    (sample,) = replay.sample([np.random.default_rng(0)], 200)
    assert sample.shape == (2, 1, 200, 1)
    assert set(sample[0, 0, :, 0]) == {4, 5, 6, 7, 8}
    assert np.array_equal(sample[0], sample[1])  # whole episodes: all steps of the same one


def test_a_replay_that_is_not_full_yet_samples_only_what_is_there():
    replay = ReplayBuffer([(2, 1, 100, 1)], float)
    replay.add(np.ones((2, 1, 3, 1)))
    (sample,) = replay.sample([np.random.default_rng(0)], 50)
    assert np.all(sample == 1.0)


def test_the_objective_sees_the_distractor_scaled():
    task, rng = paper_task("pendulum_pmt"), np.random.default_rng(0)
    noise = join_seeds([task.draw(rng, 3)], new_axis=True)
    episodes, _ = collect(task, make_agent(O=4), noise)
    r = training_reward(episodes, 0.1)
    assert r.shape == (15, 1, 3, 1)
    np.testing.assert_allclose(r[5, 0, :, 0], 0.1 * episodes.r_distractor[5, 0])
    np.testing.assert_allclose(r[12, 0, :, 0], episodes.r_recall[12, 0])
