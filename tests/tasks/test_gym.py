"""Gymnasium both ways, against tasks that are played directly; without Gymnasium, skipped."""

import json
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvgts_np import Trainer, preset
from lvgts_np.check.strategies import scales, seeds
from lvgts_np.cli import main
from lvgts_np.tasks import TaskError, memory, pendulum, reference
from lvgts_np.tasks.check import check_task
from lvgts_np.tasks.protocol import play
from lvgts_np.training.config import SMOKE, TASKS
from lvgts_np.training.config_file import load

gymnasium = pytest.importorskip("gymnasium")
gym = pytest.importorskip("lvgts_np.tasks.gym")

IDS = [f"lvgts/{name}-v0" for name in gym.PAPER]
SUITE = {"task": "suite:Memories", "n": 3}


def test_the_papers_tasks_are_registered():
    assert gym.PAPER == TASKS
    assert set(IDS) < set(gymnasium.registry)


@pytest.mark.parametrize(("id", "options"), [*((id, {}) for id in IDS), ("lvgts/task-v0", SUITE)])
def test_gymnasium_finds_nothing_wrong_with_a_task(id, options):
    from gymnasium.utils.env_checker import check_env

    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        check_env(gymnasium.make(id, **options).unwrapped, skip_render_check=True)
    told = " ".join(str(warning.message) for warning in found)
    # Normal numbers have no bounds, and actions are those of the task.
    assert told.count("WARN") == len(found) == 3
    assert told.count("infinit") == 2
    assert told.count("normalized space") == 1


@pytest.mark.parametrize("id", IDS)
def test_an_episode_is_that_of_the_task_alone_and_among_others(id):
    task = memory.paper_task(id[6:-3], t2=5, T=9)
    a = 3.0 * np.tanh(np.random.default_rng(0).standard_normal((task.T, 2, 1)))
    noises = [task.draw(np.random.default_rng(seed), 1) for seed in (4, 5)]
    noise = {name: np.concatenate([x[name] for x in noises]) for name in noises[0]}
    actions = iter(a)
    played = play(task, noise, lambda o_t: next(actions))
    rewards = played.r_recall + 0.5 * played.r_distractor
    options = {"t2": 5, "T": 9, "distractor_scale": 0.5}
    both = gymnasium.make_vec(id, num_envs=2, **options)
    (one,) = gymnasium.make_vec(id, num_envs=1, **options).envs
    o, _ = both.reset(seed=[4, 5])
    alone, _ = one.reset(seed=5)
    for t in range(task.T):
        np.testing.assert_array_equal(o, played.o[t])
        np.testing.assert_array_equal(alone, played.o[t, 1])
        o, r, over, cut, _ = both.step(a[t])
        alone, reward, *ends, info = one.step(a[t, 1])
        np.testing.assert_allclose(r, rewards[t], rtol=0, atol=1e-12)
        assert reward == r[1]
        assert (info["reward"], info["side_reward"]) == (
            played.r_recall[t, 1],
            played.r_distractor[t, 1],
        )
        assert over.tolist() == [t == task.T - 1] * 2
        assert not cut.any()
        assert ends == [t == task.T - 1, False]


@given(st.integers(1, 12), st.floats(1, 10), seeds, scales())
def test_an_environment_is_a_right_task(T, g, seed, scale):
    check_task(gym.GymTask("Pendulum-v1", T, options={"g": g}), seed, scale)


@given(seeds, scales())
def test_an_environment_is_a_right_distractor(seed, scale):
    check_task(memory.MemoryTask(distractor=gym.GymDistractor("Pendulum-v1")), seed, scale)


class Seeded(memory.MemoryTask):
    """Memory task that draws as its environments do when they are seeded."""

    def draw(self, rng, B):
        each = [super(Seeded, self).draw(np.random.default_rng(s), 1)
                for s in rng.integers(2**31, size=B)]  # fmt: skip
        return {name: np.concatenate([noise[name] for noise in each]) for name in each[0]}


@pytest.mark.parametrize("algo", ["lvgts", "lm_svg"])
def test_a_task_through_gymnasium_and_back_learns_the_same(algo):
    there = gym.GymTask("lvgts/dummy_pmt-v0", 15, cue=[0, 1, 2], pay=[11, 12, 13, 14])
    changes = SMOKE | {"hidden": 8, "algo": algo}
    ours, theirs = (
        list(Trainer(preset(task, **changes), [0, 1]).run()) for task in (Seeded(False), there)
    )
    assert len(ours) == 3
    for row, other in zip(ours, theirs, strict=True):
        for name in set(row) - {"credit_ratio", "credit_sign"}:  # of other steps
            np.testing.assert_array_equal(row[name], other[name])


def test_gymnasiums_pendulum_as_distractor_is_ours():
    theirs = memory.MemoryTask(distractor=gym.GymDistractor("Pendulum-v1"), t2=40, T=44)
    ours = memory.MemoryTask(distractor=pendulum.Pendulum("v1"), t2=40, T=44)
    noise = theirs.draw(np.random.default_rng(0), 20)
    theirs.reset(noise)
    starts = [env.unwrapped.state for env in theirs.distractor.envs]
    a = np.random.default_rng(1).uniform(-3, 3, (44, 20, 1))
    found = []
    for task in (theirs, ours):
        actions = iter(a)
        found.append(play(task, noise | {"pendulum": np.array(starts)}, lambda o: next(actions)))  # noqa: B023
    np.testing.assert_allclose(found[0].o, found[1].o, atol=2e-6)
    np.testing.assert_array_equal(found[0].r_recall, found[1].r_recall)
    np.testing.assert_allclose(found[0].r_distractor, found[1].r_distractor, rtol=2e-6)
    assert np.ptp(found[0].r_distractor) > 10


def doubled(o, a, r):
    return 2.0 * r - a[..., 0] + o[..., 1]


def test_the_reward_is_that_of_a_function_by_its_name():
    plain, other = (gym.GymTask("Pendulum-v1", 3, reward) for reward in (None, "test_gym:doubled"))
    noise, a = plain.draw(np.random.default_rng(0), 2), np.ones((2, 1))
    (_, o, r, _), (_, _, changed, _) = (
        task.step(task.reset(noise)[0], a) for task in (plain, other)
    )
    np.testing.assert_array_equal(changed, doubled(o, a, r))


class Uneven(gymnasium.Env):
    """Box that is neither centred nor even; the observation is the action."""

    observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (2,), np.float64)
    action_space = gymnasium.spaces.Box(
        np.array([0.0, -4.0]), np.array([1.0, 4.0]), dtype=np.float64
    )

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(2), {}

    def step(self, action):
        return action, 0.0, False, False, {}


def test_the_actions_of_a_task_are_stretched_over_the_box():
    gymnasium.register("test/uneven-v0", Uneven)
    task = gym.GymTask("test/uneven-v0", 2)
    assert (task.a_max, task.A) == (4.0, 2)
    state, _ = task.reset({"gym": np.zeros(3, int)})
    a = np.array([[-4.0, -4.0], [0.0, 0.0], [4.0, 2.0]])
    _, o, _, _ = task.step(state, a)
    np.testing.assert_allclose(o, [[0.0, -4.0], [0.5, 0.0], [1.0, 2.0]])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"id": "CartPole-v1", "T": 5}, r"CartPole-v1 takes actions in Discrete\(2\): must be a B"),
        ({"id": "Nothing-v0", "T": 5}, "Environment `Nothing` doesn't exist"),
        ({"id": "Pendulum-v1", "T": 5, "reward": "test_gym:absent"}, "has no attribute 'absent'"),
    ],
)
def test_what_cannot_be_a_task_is_one_line(arguments, words):
    with pytest.raises(TaskError, match=words) as found:
        reference.make("lvgts_np.tasks.gym:GymTask", arguments)
    assert "\n" not in str(found.value)


def test_an_environment_that_ends_early_is_one_line():
    with pytest.raises(TaskError, match="step 200: ValueError: Pendulum-v1 ended after 200 steps"):
        check_task(gym.GymTask("Pendulum-v1", 201))


def test_the_command_line_trains_on_an_environment(tmp_path, capfd):
    words = "--task lvgts_np.tasks.gym:GymTask --smoke --quiet --set task.id=Pendulum-v1 task.T=6"
    assert main([*words.split(), "--out", str(tmp_path)]) == 0
    out, err = capfd.readouterr()
    assert err == ""
    assert out.startswith("lvgts_np.tasks.gym:GymTask lvgts seed 0: return -")
    (file,) = tmp_path.glob("*/lvgts/seed_0/config.json")
    assert load(file).arguments["id"] == json.loads(file.read_text())["task.id"] == "Pendulum-v1"
