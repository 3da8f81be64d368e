"""Each task of the suite is right, and agents that know it earn its bounds."""

import csv
import json

import numpy as np
import pytest
import suite_table
from hypothesis import given
from hypothesis import strategies as st
from suite import ByContent, Chain, KeyToDoor, Memories, TMaze, Tracking

from lvgts_np.check.strategies import scales, seeds
from lvgts_np.cli import main
from lvgts_np.tasks.check import bounds_of, check_task
from lvgts_np.tasks.protocol import play

B = 40_000
waits, numbers = st.integers(1, 5), st.integers(1, 5)
TASKS = (
    st.builds(KeyToDoor, wait=waits, umbrella=st.floats(0, 3)),
    st.builds(Memories, n=numbers, wait=waits, active=st.booleans()),
    st.builds(ByContent, n=numbers, wait=waits),
    st.builds(Chain, st.lists(st.integers(0, 12), min_size=1, max_size=4, unique=True)),
    st.builds(TMaze, wait=waits, seek=st.booleans()),
    st.builds(Tracking, st.integers(1, 6), st.floats(0, 1)),
)


@pytest.mark.parametrize("tasks", TASKS)
@given(st.data(), seeds, scales())
def test_it_is_right(tasks, data, seed, scale):
    check_task(data.draw(tasks), seed, scale)


# Agents are generators, sent o_t and yield a_t; with `random` they are untrained at the cue.


def still(task, random):
    o = yield
    while True:
        o = yield np.zeros((*o.shape[:-1], task.A))


def at_once(task, random):
    """Acts as the number shown."""
    o = yield
    for t in range(task.T):
        o = yield np.clip(o[..., :1], -3, 3) * np.ones(task.A) * (t in task.cue)


def of_memories(task, random):
    """At the cue a_m, or random; then the posterior means, o / (1 + s²)."""
    m = []
    yield
    for _ in range(task.n + 1):
        a = random(task.n) if random and task.active else np.full((B, task.n), task.a_m)
        o_next = yield a
        scale = (1.0 - a.mean(-1)) * task.active
        m.append(o_next[:, 0] / (1.0 + scale**2))
    while True:
        yield np.clip(np.stack(m[: task.n], axis=-1), -3, 3)


def by_direction(task, random):
    o, shown = (yield), []
    for t in range(task.T):
        if t in task.cue:
            shown.append(o)
        fit = np.stack([x[:, :2] for x in shown], axis=1) @ o[:, :2, None]
        m = np.take_along_axis(
            np.stack([x[:, 2] for x in shown], axis=1), fit[..., 0].argmax(1)[:, None], 1
        )
        o = yield np.clip(m, -3, 3)


def of_sign(task, random):
    """To x = 1, or anywhere; then the side of the larger posterior probability."""
    o, odds = (yield), 0.0
    for t in task.cue:
        std = task.sigma * (1.0 - o[:, 1]) if task.seek else 0.0
        odds = odds + o[:, 0] / np.maximum(std**2, 1e-12)
        o = yield random(1) if random else np.full((B, 1), 1.0 * (t == 0))
    while True:
        yield np.sign(odds)[:, None] * task.a_max


def kalman(task, random):
    o, mean, V = (yield), 0.0, 1.0
    while True:
        K = V / (V + 1.0)
        mean = mean + K * (o - mean)
        o = yield np.clip(mean, -3, 3)
        mean, V = task.rho * mean, task.rho**2 * (1 - K) * V + 1 - task.rho**2


def last_seen(task, random):
    o = yield
    while True:
        o = yield np.clip(o / 2.0, -3, 3)


@pytest.mark.parametrize(
    ("task", "bound", "agent"),
    [
        (KeyToDoor(), "myopic_return", still),
        (KeyToDoor(umbrella=3.0), "max_return", at_once),
        (Memories(), "floor_return", still),
        (Memories(n=3), "max_return", of_memories),
        (Memories(n=2, active=True), "max_return", of_memories),
        (Memories(n=2, active=True), "myopic_return", of_memories),
        (ByContent(), "floor_return", still),
        (ByContent(n=4), "max_return", by_direction),
        (Chain(), "myopic_return", still),
        (Chain(), "max_return", at_once),
        (TMaze(), "floor_return", still),
        (TMaze(), "max_return", of_sign),
        (TMaze(seek=True), "max_return", of_sign),
        (TMaze(seek=True), "myopic_return", of_sign),
        (Tracking(), "floor_return", last_seen),
        (Tracking(), "max_return", kalman),
    ],
    ids=lambda x: getattr(x, "__name__", str(x)),  # a function's str is where it lies in memory
)
def test_an_agent_that_knows_the_task_earns_its_bound(task, bound, agent):
    rng = np.random.default_rng(0)
    untrained = lambda n: task.a_max * np.tanh(rng.standard_normal((B, n)) / task.a_max)  # noqa: E731
    acting = agent(task, untrained if bound == "myopic_return" else None)
    next(acting)
    total = play(task, task.draw(rng, B), acting.send).r_recall.sum(axis=0)
    error = total.std() / np.sqrt(B)
    assert abs(total.mean() - bounds_of(task)[bound]) < 4 * error + 1e-9


def test_the_table_takes_runs_once_and_keeps_the_others(tmp_path, monkeypatch):
    before, table = suite_table.TABLE.read_text(), tmp_path / "tasks.csv"
    table.write_text(before)
    monkeypatch.setattr(suite_table, "TABLE", table)
    suite_table.main([])
    assert table.read_text() == before
    words = f"--task suite:Chain --seeds 2 --smoke --quiet --out {tmp_path} --set task.lags=[1,2]"
    assert main(words.split()) == 0
    for _ in range(2):
        suite_table.main([str(tmp_path / "suite.Chain")])
    rows = list(csv.DictReader(table.read_text().splitlines()))
    new = [row for row in rows if row["arguments"] == "task.lags=[1,2]"]
    assert len(rows) == len(before.splitlines()) - 1 + 2
    for seed, row in enumerate(new):
        path = tmp_path / f"suite.Chain/lvgts/seed_{seed}/summary.json"
        summary = json.loads(path.read_text())
        assert (row["task"], row["algo"], row["seed"]) == ("Chain", "lvgts", str(seed))
        assert float(row["final_return"]) == summary["final_eval_return_recall"]
        assert float(row["compass_sign"]) == summary["compass_sign"]
