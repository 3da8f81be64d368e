"""The tasks against a restatement for one episode, one number at a time."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvgts_np.tasks import pendulum
from lvgts_np.tasks.memory import paper_task
from lvgts_np.tasks.protocol import play
from lvgts_np.training.config import TASKS

seeds = st.integers(0, 2**32 - 1)
LEADS = [(), (1,), (3,), (2, 2)]


@st.composite
def tasks(draw, names=TASKS):
    """Any task: phases of any length, any a_m and sigma, both pendulums."""
    t1 = draw(st.integers(1, 5))
    t2 = t1 + draw(st.integers(0, 6))
    return paper_task(
        draw(st.sampled_from(names)),
        t1=t1,
        t2=t2,
        T=t2 + 1 + draw(st.integers(1, 4)),
        c=draw(st.floats(-1, 1)),
        a_m=draw(st.floats(-3, 3)),
        sigma=draw(st.just(0.0) | st.floats(0.001, 3)),
        pendulum_version=draw(st.sampled_from(pendulum.VERSIONS)),
    )


def draw_stacked(task, seed, lead, B):
    """Noise of prod(lead) seeds, axes (*lead, B, ...), and actions (T, *lead, B, 1)."""
    draws = [task.draw(np.random.default_rng([seed, s]), B) for s in range(int(np.prod(lead)))]
    noise = {
        key: np.stack([d[key] for d in draws]).reshape(*lead, *draws[0][key].shape)
        for key in draws[0]
    }
    a = 3.0 * np.random.default_rng(seed).standard_normal((task.T, *lead, B, 1))
    return noise, a


def replay(task, noise, a):
    """Play recorded actions (T, ..., B, A)."""
    actions = iter(a)
    return play(task, noise, lambda o_t: next(actions))


def has_pendulum(task):
    return isinstance(task.distractor, pendulum.Pendulum)


def naive_episode(task, o_m, eps, swing, a):
    """One episode: o_m a number, eps and a of length T, swing (angle, speed) or None."""
    o, r_recall, r_distractor = [], [], []
    for t in range(task.T):
        shown, channels, recall, distraction = 0.0, [0.0, 0.0, 0.0], 0.0, 0.0
        if t < task.t1:
            shown = o_m
            if task.active:
                a_tm1 = a[t - 1] if t >= 1 else 0.0
                shown += (task.a_m - a_tm1) * task.sigma * eps[t]
        elif t <= task.t2:
            if has_pendulum(task):
                channels = task.distractor.observe(swing)
                swing, distraction = task.distractor.step(swing, a[t : t + 1])
        else:
            shown = eps[t]
            recall = task.c - (a[t] - o_m) * (a[t] - o_m)
        o.append([shown, *channels] if has_pendulum(task) else [shown])
        r_recall.append(recall)
        r_distractor.append(distraction)
    return np.array(o), np.array(r_recall), np.array(r_distractor)


@given(tasks(), seeds, st.sampled_from(LEADS), st.integers(1, 4))
def test_equals_the_naive_episode(task, seed, lead, B):
    noise, a = draw_stacked(task, seed, lead, B)
    if has_pendulum(task):
        noise["pendulum"] *= [1.0, 9.0]  # so fast that v0 and v1 differ
    episodes = replay(task, noise, a)
    assert episodes.o.shape == (task.T, *lead, B, task.O)
    assert episodes.a.shape == (task.T, *lead, B, task.A)
    assert np.array_equal(episodes.a, a)
    for i in np.ndindex(*lead, B):
        swing = noise["pendulum"][i] if has_pendulum(task) else None
        o, r_recall, r_distractor = naive_episode(
            task, noise["o_m"][i], noise["eps"][i], swing, a[(slice(None), *i, 0)]
        )
        at = (slice(None), *i)
        np.testing.assert_allclose(episodes.o[at], o, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(episodes.r_recall[at], r_recall, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(episodes.r_distractor[at], r_distractor, rtol=1e-12, atol=1e-12)


@given(tasks(), seeds, st.integers(0, 20))
def test_an_action_changes_only_what_follows_it(task, seed, t):
    t = t % task.T
    noise, a = draw_stacked(task, seed, (), 3)
    before = replay(task, noise, a)
    a[t] += 0.3
    after = replay(task, noise, a)
    assert np.array_equal(before.o[: t + 1], after.o[: t + 1])
    assert np.array_equal(before.r_recall[:t], after.r_recall[:t])
    assert np.array_equal(before.r_distractor[:t], after.r_distractor[:t])
    assert np.array_equal(before.r_recall[t + 1 :], after.r_recall[t + 1 :])
    assert np.all((before.r_recall[t] != after.r_recall[t]) == (t > task.t2))
    if t + 1 < task.T:
        informs = task.active and task.sigma > 0 and t + 1 < task.t1
        assert np.all((before.o[t + 1, :, 0] != after.o[t + 1, :, 0]) == informs)


@pytest.mark.parametrize("name", TASKS)
def test_the_papers_phases(name):
    """t1 = 3, t2 = 10, T = 15, c = 0.5: rewarded at t = 11..14, and the maximum return is 2."""
    task = paper_task(name)
    noise, a = draw_stacked(task, 0, (), 1)
    a[:] = 1.0
    a[11:] = noise["o_m"][..., None]
    episodes = replay(task, noise, a)
    assert episodes.r_recall[:, 0].tolist() == [0.0] * 11 + [0.5] * 4
    assert task.recall_steps == 4
    shown = episodes.o[:, 0, 0]
    assert np.flatnonzero(shown == 0.0).tolist() == list(range(3, 11))
    # a_m = 1 is taken from t = 0 on, so o_m is plain from t = 1 on; in PMT it always is.
    plain = np.flatnonzero(shown == noise["o_m"]).tolist()
    assert plain == ([1, 2] if task.active else [0, 1, 2])
    swings = np.flatnonzero(episodes.r_distractor[:, 0]).tolist()
    assert swings == (list(range(3, 11)) if has_pendulum(task) else [])
    if has_pendulum(task):
        seen = np.flatnonzero(np.any(episodes.o[:, 0, 1:], axis=-1)).tolist()
        assert seen == list(range(3, 11))
        assert np.array_equal(episodes.o[3, :, 1:], task.distractor.observe(noise["pendulum"]))


@pytest.mark.parametrize(("t2", "expected"), [(8, -24.4), (10, -37.5)])
def test_the_pendulums_reward_is_not_scaled(t2, expected):
    """About -24 over six steps and -37 over eight (T8)."""
    task = paper_task("pendulum_pmt", t2=t2)
    noise, a = draw_stacked(task, 0, (), 100_000)
    total = replay(task, noise, 0 * a).r_distractor.sum(axis=0)
    assert total.mean() == pytest.approx(expected, abs=0.3)  # 4 standard errors


@given(tasks(), seeds)
def test_a_seed_does_not_depend_on_its_stack(task, seed):
    noise, a = draw_stacked(task, seed, (3,), 4)
    together = replay(task, noise, a)
    for s in range(3):
        alone = replay(task, task.draw(np.random.default_rng([seed, s]), 4), a[:, s])
        for x, y in zip(together, alone, strict=True):
            assert np.array_equal(x[:, s], y)


def test_all_tasks_of_a_seed_meet_the_same_noise():
    draws = [paper_task(name).draw(np.random.default_rng(7), 50_000) for name in TASKS]
    for noise in draws:
        assert np.array_equal(noise["o_m"], draws[0]["o_m"])
        assert np.array_equal(noise["eps"], draws[0]["eps"])
    assert ["pendulum" in noise for noise in draws] == [False, False, True, True]
    columns = np.column_stack([draws[0]["o_m"], draws[0]["eps"]])  # (B, 1 + T)
    assert columns.mean(axis=0) == pytest.approx(np.zeros(16), abs=0.02)
    assert np.cov(columns.T) == pytest.approx(np.eye(16), abs=0.03)


@given(tasks(), seeds)
def test_step_is_deterministic_and_leaves_its_arguments_alone(task, seed):
    noise, a = draw_stacked(task, seed, (), 2)
    kept = {key: value.copy() for key, value in noise.items()}
    state, _ = task.reset(noise)
    for a_t in a:
        first, second = task.step(state, a_t), task.step(state, a_t)
        for x, y in zip(first[1:], second[1:], strict=True):
            assert np.array_equal(x, y)
        state = first[0]
    assert first[1] is None
    assert all(np.array_equal(noise[key], kept[key]) for key in kept)
    with pytest.raises(
        ValueError, match=f"the episode is over: its last step was t = {task.T - 1}"
    ):
        task.step(state, a_t)


def test_play_copies_an_action_array_that_is_used_again():
    task, a_t = paper_task("dummy_pmt"), np.zeros((2, 1))

    def act(o_t):
        a_t[:] += 1.0
        return a_t

    episodes = play(task, task.draw(np.random.default_rng(0), 2), act)
    assert episodes.a[:, 0, 0].tolist() == list(range(1, 16))


def test_bad_shapes_are_named():
    task = paper_task("pendulum_amt")
    noise = task.draw(np.random.default_rng(0), 4)
    state, _ = task.reset(noise)
    with pytest.raises(ValueError, match=r"action has shape \(4,\), expected \(4, 1\)"):
        task.step(state, np.zeros(4))
    with pytest.raises(ValueError, match=r"noise 'eps' has shape \(4, 14\), expected \(4, 15\)"):
        task.reset({**noise, "eps": noise["eps"][:, 1:]})
    with pytest.raises(ValueError, match=r"noise 'pendulum' has shape \(\), expected \(4, 2\)"):
        task.reset({"o_m": noise["o_m"], "eps": noise["eps"]})
    with pytest.raises(ValueError, match="needs 'o_m'"):
        task.reset({"eps": noise["eps"]})
