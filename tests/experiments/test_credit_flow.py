"""The picture of one reward's credit: its table against the CSVs, and what is drawn of it."""

import csv
import itertools

import matplotlib
import numpy as np
import pytest
from matplotlib.patches import Circle, PathPatch, Rectangle
from matplotlib.text import Annotation

from lvgts_np.experiments.plots import credit_flow, run_plots, style
from lvgts_np.experiments.run_data import read_seeds
from lvgts_np.training import config_file
from lvgts_np.training.agent import make_task
from lvgts_np.training.config import ALGOS, preset
from lvgts_np.training.files import write_table

LONG = {"t2": 301, "T": 306}


def write_seed(path, c, seed):
    """config.json, and an attention.csv and a credit.csv with the zeros that detaches leave."""
    rng, T = np.random.default_rng(seed), c.T
    w = np.tril(rng.random((T, T)) ** 8 + 2.0 * (np.arange(T) < c.t1), -1)
    w[1:] /= w[1:].sum(1, keepdims=True)
    j, i = np.indices((T, T))
    rms = np.tril(10 ** rng.uniform(-5, 0, (T, T)))
    by_read = (c.algo == "lvgts") & (i < c.t1 - 1)
    rms[(j // c.N != i // c.N) & ~by_read] = 0.0
    path.mkdir(parents=True)
    config_file.save(c, path / "config.json")
    steps = [(t, i, w[t, i]) for t in range(T) for i in range(t)]
    write_table(path / "attention.csv", ("t", "i", "weight"), steps)
    every = [(*at, 0.5 * rms[at], rms[at]) for at in np.ndindex(T, T)]
    write_table(path / "credit.csv", ("j", "i", "mean", "rms"), every)


def agent(folder, **changes):
    """The attention map and the credit of two seeds, their means, and their config."""
    c = preset("dummy_amt", **changes)
    for seed in (0, 1):
        write_seed(folder / f"seed_{seed}", c, seed)
    seeds = read_seeds(folder, (0, 1))
    A, rms = (
        np.mean([style.matrix(seed.tables[source], row, value, c.T) for seed in seeds], axis=0)
        for source, row, value in (("attention", "t", "weight"), ("credit", "j", "rms"))
    )
    return A, rms, seeds[0].config


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def of_seeds(folder, source, value, **at):
    """The mean over both seeds of one cell of their CSVs."""
    rows = [row for s in (0, 1) for row in rows_of(folder / f"seed_{s}" / f"{source}.csv")]
    found = [row[value] for row in rows if all(int(row[name]) == n for name, n in at.items())]
    return sum(map(float, found)) / 2 if len(found) == 2 else found


def line(ax, y):
    """The texts of one line of a panel by their place, without those to the left of it."""
    places = {text.get_position(): text.get_text() for text in ax.texts}
    return {x: word for (x, at), word in places.items() if at == y and x > -0.5}


def drawn(ax):
    """Arcs, hatched boxes, bars and gradient arrows of the chain of a panel, each by its place."""
    arcs = [int(p.get_path().vertices[-1, 0]) for p in ax.patches if isinstance(p, PathPatch)]
    boxes = [p.get_x() + 0.27 for p in ax.patches if isinstance(p, Rectangle) and p.get_hatch()]
    bars = [x.get_xdata()[0] for x in ax.lines if x.get_color() == style.RED]
    arrows = [x for x in ax.texts if isinstance(x, Annotation) and x.xy[1] == 0]
    return arcs, np.round(boxes, 9).tolist(), bars, [(x.xy[0], x.xyann[0]) for x in arrows]


@pytest.mark.parametrize("algo", ALGOS)
def test_the_table_holds_the_means_of_the_seeds_files(tmp_path, algo):
    agent(tmp_path, algo=algo)
    run_plots.draw(tmp_path)
    table = rows_of(tmp_path / "credit_flow.csv")
    assert [row["t"] for row in table] == [str(t) for t in range(14)]
    assert [row["phase"] for row in table] == 3 * ["remember"] + 8 * ["distractor"] + 3 * ["recall"]
    assert [int(row["t"]) for row in table if row["detach"] == "1"] == [3, 7, 11]
    assert table[13]["weight"] == ""
    for t, row in enumerate(table):
        rms = of_seeds(tmp_path, "credit", "rms", j=13, i=t)
        assert float(row["rms"]) == pytest.approx(rms, rel=1e-12, abs=0)
        if t < 13:
            weight = of_seeds(tmp_path, "attention", "weight", t=13, i=t)
            assert float(row["weight"]) == pytest.approx(weight, rel=1e-12, abs=0)


def test_exact_zeros_stay_zeros(tmp_path):
    table = credit_flow.flow_table(*agent(tmp_path / "a", algo="lm_svg"))
    assert np.flatnonzero(table["rms"]).tolist() == [12, 13]
    table = credit_flow.flow_table(*agent(tmp_path / "b", algo="lvgts"))
    assert np.flatnonzero(table["rms"]).tolist() == [0, 1, 12, 13]


@pytest.mark.parametrize(
    ("changes", "j"),
    [({}, 13), (LONG, 305), ({"N": 5}, 11), ({"N": 20}, 12), ({"N": 1}, 12), ({"t2": 11}, 13),
     ({"t2": 13, "N": 7}, 14), ({"t2": 12, "T": 14, "N": 13}, 13), ({"t2": 10, "N": 6}, 13),
     ({"count_from": 1}, 12)],
)  # fmt: skip
def test_the_reward_step_is_in_the_recall_phase_and_its_latent_is_not_detached(changes, j):
    c = preset("dummy_amt", **changes)
    assert credit_flow.flow_step(make_task(c), vars(c)) == j


def test_zero_is_written_for_an_exact_zero_and_for_no_other_number():
    values = (0.0, 5e-324, 0.0009, 0.001, 0.0557, 0.9996, 12.34)
    written = [credit_flow.number(np.float64(value)) for value in values]
    assert written == ["0", "<.001", "<.001", "0.001", "0.056", "1.000", "12.3"]


def test_the_pair_shows_the_reads_of_one_and_the_exact_zeros_of_the_other(tmp_path):
    agents = [agent(tmp_path / algo, algo=algo) for algo in ALGOS]
    top, bottom = credit_flow.plot_credit_flow_pair(agents).axes
    assert top.get_title("left") == "LVGTS: memory reads carry credit past the bars"
    assert bottom.get_title("left") == "LM-SVG: exactly 0 before a_12"
    assert [*line(bottom, -1.65).values()][:12] == 12 * ["0"]
    for ax, zeros in ((top, range(2, 12)), (bottom, range(12))):
        arcs, boxes, bars, _ = drawn(ax)
        assert boxes == list(zeros)
        assert bars == [4.42, 8.42, 12.42]
        assert [t for t, word in line(ax, -1.65).items() if word == "0"] == list(zeros)
    colors = [{p.get_edgecolor()[:3] for p in ax.patches if isinstance(p, PathPatch)}
              for ax in (top, bottom)]  # fmt: skip
    assert colors == [{matplotlib.colors.to_rgb(x)} for x in (style.BLUE, credit_flow.IDLE_READ)]


@pytest.mark.parametrize("algo", ALGOS)
@pytest.mark.parametrize("changes", [{}, {"store": "after"}, {"N": 1}, {"T": 5, "t1": 1, "t2": 2}])
def test_every_step_has_its_number_and_every_weight_its_arc(tmp_path, algo, changes):
    one = agent(tmp_path, algo=algo, **changes)
    table, (ax,) = credit_flow.flow_table(*one), credit_flow.plot_credit_flow(*one).axes
    steps = range(len(table["t"]))
    assert line(ax, -0.02) == {t: str(t) for t in steps}
    assert line(ax, -1.65) == {t: credit_flow.number(table["rms"][t]) for t in steps}
    arcs, boxes, bars, arrows = drawn(ax)
    assert arcs == np.flatnonzero(table["weight"] >= credit_flow.MIN_WEIGHT).tolist()
    assert line(ax, 1.05) == {t: f"{table['weight'][t]:.2f}" for t in arcs}
    assert boxes == np.flatnonzero(table["rms"] == 0).tolist()
    assert len(arrows) == len(steps) - len(boxes)
    beside = -0.42 if changes.get("store") == "after" else 0.42  # of what the memory keeps
    assert bars == [t + 1 + beside for t in np.flatnonzero(table["detach"][:-1])]
    for (left, right), bar in itertools.product(arrows, bars):  # none crosses a bar
        assert left < right
        assert bar <= left or bar >= right


def test_a_weight_below_the_threshold_draws_no_arc(tmp_path):
    A, rms, c = agent(tmp_path)
    below = np.nextafter(credit_flow.MIN_WEIGHT, 0)
    A[13, :13] = [credit_flow.MIN_WEIGHT, below, *11 * [0.0]]
    (ax,) = credit_flow.plot_credit_flow(A, rms, c).axes
    assert drawn(ax)[0] == [0]


@pytest.mark.parametrize("algo", ALGOS)
def test_a_long_episode_is_collapsed_and_nothing_of_it_is_lost(tmp_path, algo):
    A, rms, c = agent(tmp_path, algo=algo, **LONG)
    rms[305, 150] = 0.25 * (algo == "lvgts")
    table = credit_flow.flow_table(A, rms, c)
    (ax,) = credit_flow.plot_credit_flow(A, rms, c).axes
    shown = [*range(6), *range(299, 306)]
    assert [*line(ax, -0.02).values()] == [str(t) for t in shown]
    assert line(ax, -0.9) == {6.5: "6–298\n73 bars"}
    numbers = line(ax, -1.65)
    assert numbers.pop(6.5) == {"lvgts": "≤ 0.250", "lm_svg": "0"}[algo]
    assert [*numbers.values()] == [credit_flow.number(table["rms"][t]) for t in shown]
    assert line(ax, 1.05)[6.5] == f"{table['weight'][6:299].sum():.2f}"
    assert [text.get_text() for text in ax.texts if text.get_position()[1] == 2.75] == [
        "remember", "distractor", "recall",
    ]  # fmt: skip


@pytest.mark.filterwarnings("error::UserWarning")
@pytest.mark.parametrize("changes", [{}, LONG, {"T": 5, "t1": 1, "t2": 2}])
def test_no_text_lies_on_another_or_beyond_the_page(tmp_path, changes):
    agents = [agent(tmp_path / algo, algo=algo, **changes) for algo in ALGOS]
    title = "dummy_amt: credit of one predicted reward"
    with matplotlib.rc_context(style.STYLE):
        figure = credit_flow.plot_credit_flow_pair(agents, title)
        figure.draw_without_rendering()
    for ax in figure.axes:
        boxes = [text.get_window_extent() for text in ax.texts if text.get_text()]
        assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))
        circle = next(p for p in ax.patches if isinstance(p, Circle)).get_window_extent()
        steps = [x for x in ax.texts if x.get_position()[1] == -0.02]
        assert all(x.get_window_extent().width < circle.width for x in steps)
        boxes += [x.get_window_extent() for x in figure.legends[0].get_texts()]
        assert all(figure.bbox.x0 < box.x0 < box.x1 < figure.bbox.x1 for box in boxes)
        assert all(figure.bbox.y0 < box.y0 < box.y1 < figure.bbox.y1 for box in boxes)


@pytest.mark.parametrize("algo", ALGOS)
def test_arrays_in_memory_give_the_picture_of_the_files(tmp_path, algo):
    A, rms, c = agent(tmp_path, algo=algo)
    _, figure = run_plots.draw_credit_flow(read_seeds(tmp_path, (0, 1)), c, "")
    figures = [figure, credit_flow.plot_credit_flow(A, rms, preset("dummy_amt", algo=algo))]
    figures.append(credit_flow.plot_credit_flow_pair([(A, rms, c)]))
    words = [[text.get_text() for text in figure.axes[0].texts] for figure in figures]
    assert words[0] == words[1] == words[2]
