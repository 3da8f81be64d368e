"""PPO plays and is judged as LVGTS is; without sb3-contrib, skipped."""

import csv
import sys

import numpy as np
import pytest

pytest.importorskip("sb3_contrib")

import ppo
import torch
from sb3_contrib.common.recurrent.policies import RecurrentActorCriticPolicy

from lvgts_np.tasks.gym import TaskEnv
from lvgts_np.training.trainer import make_task


@pytest.mark.parametrize("name", ["dummy_amt", "pendulum_amt", "lag_30", "KeyToDoor"])
def test_a_batch_plays_the_episodes_of_as_many_environments(name):
    task, B = make_task(ppo.config_of(name, 32)), 3
    batch, rng = ppo.BatchEnv(task, B, np.random.default_rng(0)), np.random.default_rng(0)
    a = np.random.default_rng(1).uniform(-3.0, 3.0, (task.T, B, task.A))
    noise, o = task.draw(rng, B), batch.reset()
    envs = [TaskEnv(task) for _ in range(B)]
    for i, env in enumerate(envs):
        env.state, env.o = task.reset({x: y[i : i + 1] for x, y in noise.items()})
        np.testing.assert_array_equal(o[i], env.o[0])
    for t in range(task.T):
        o, r, over, infos = batch.step(a[t])
        for i, env in enumerate(envs):
            o_i, r_i, over_i, _, _ = env.step(a[t, i])
            shown = infos[i]["terminal_observation"] if over_i else o[i]
            np.testing.assert_allclose(shown, o_i, rtol=1e-12)
            np.testing.assert_allclose(r[i], r_i, rtol=1e-12)
            assert over[i] == over_i == (t == task.T - 1)
            assert "TimeLimit.truncated" not in infos[i]
    np.testing.assert_array_equal(o, task.reset(task.draw(rng, B))[1])  # the next episodes


def test_a_sequence_in_one_call_gives_the_numbers_of_step_by_step():
    torch.manual_seed(0)
    lstm, states = torch.nn.LSTM(2, 3), (torch.randn(1, 4, 3), torch.randn(1, 4, 3))
    starts = torch.zeros(4, 7)
    starts[1:3, 0] = 1.0  # two sequences begin an episode, two go on with one
    given = torch.randn(28, 2), states, starts.flatten(), lstm
    mine, theirs = (x._process_sequence(*given) for x in (ppo.Policy, RecurrentActorCriticPolicy))
    for x, y in zip((mine[0], *mine[1]), (theirs[0], *theirs[1]), strict=True):
        torch.testing.assert_close(x, y)


def test_the_evaluation_is_that_of_single_episodes_through_gymnasium(monkeypatch):
    monkeypatch.setattr(ppo, "EVAL_EPISODES", 1)
    task = make_task(ppo.config_of("dummy_amt", 32))
    model, env = ppo.learner(task, 0, 32, {}), TaskEnv(task)
    o, _ = env.reset(seed=5)
    state, over, G = None, False, 0.0
    while not over:
        a, state = model.predict(o, state, np.array([state is None]), deterministic=True)
        o, _, over, _, info = env.step(a)
        G += info["reward"]
    assert ppo.evaluate(model, task, np.random.default_rng(5)) == pytest.approx(G, abs=1e-5)


def test_the_learning_rate_falls_to_its_end_and_forget_gates_open():
    task, biases = make_task(ppo.config_of("dummy_pmt", 64)), []
    for bias in (0.0, 5.0):
        model = ppo.learner(task, 0, 64, {"lr_end": 0.1, "forget_bias": bias})
        biases.append(model.policy.lstm_actor.bias_ih_l0.detach().numpy().reshape(4, -1))
    np.testing.assert_allclose((biases[1] - biases[0]).T, [[0.0, 5.0, 0.0, 0.0]] * 64, atol=1e-6)
    assert model.lr_schedule(1.0) == pytest.approx(1e-3)
    model.learn(64 * task.T)
    assert model.lr_schedule(0.0) == pytest.approx(1e-4)


def test_a_short_run_learns_and_is_not_run_twice(tmp_path, monkeypatch):
    out = tmp_path / "ppo.csv"
    words = f"ppo.py dummy_pmt --seeds 1 --episodes 800 --out {out}"
    monkeypatch.setattr(sys, "argv", words.split())
    ppo.main()
    with out.open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["episodes"]) for row in rows] == [32 * n for n in range(1, 26)]
    seconds = [float(row["cpu_seconds"]) for row in rows]
    assert 0.0 < seconds[0] < seconds[-1]
    assert float(rows[-1]["return_recall"]) > float(rows[0]["return_recall"]) + 0.5
    before = out.read_bytes()
    ppo.main()
    assert out.read_bytes() == before
