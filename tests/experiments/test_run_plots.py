"""Pictures: their tables against the seeds' files, their bytes, and what must not be drawn."""

import csv
import json
import math

import numpy as np
import pytest
from matplotlib.image import imread

from lvgts_np.experiments.diagnostics import credit_over_episodes, diagnose
from lvgts_np.experiments.plots import run_plots
from lvgts_np.experiments.run_data import mean_over_seeds, read_seed
from lvgts_np.training import config_file
from lvgts_np.training.config import ALGOS, SMOKE, preset
from lvgts_np.training.trainer import Trainer

STEMS = ("learning_curve", "attention", "credit", "credit_flow", "episode")
BOUNDS = {"max_return": 1.998, "myopic_return": 1.277, "floor_return": -2.0}


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def write_csv(path, header, rows):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])


def write_log(folder, seed, settings, evaluations):
    """A seed_<s> folder with a config and a log only, as an interrupted run leaves it."""
    path = folder / f"seed_{seed}"
    path.mkdir(parents=True)
    config_file.save(settings, path / "config.json")
    rng = np.random.default_rng(seed)
    curve = 1.8 - 3.8 / (1 + np.exp(np.linspace(-4, 8, 30))) + 0.1 * rng.standard_normal(30)
    log = [(10 * n + 10, 320 * n + 320, curve[n]) for n in range(evaluations)]
    write_csv(path / "log.csv", ("iteration", "episodes", "eval_return_recall"), log)
    return path


def write_diagnostics(path, settings, seed):
    """Attention that looks back, credit within blocks of N and by shortcuts, and an episode."""
    T, N, rng = settings.T, settings.N, np.random.default_rng(seed)
    steps = [(t, i) for t in range(1, T) for i in range(t)]
    w = np.tril(rng.random((T, T)) ** 4 + np.eye(T)[0], -1)
    w[1:] /= w[1:].sum(1, keepdims=True)
    write_csv(path / "attention.csv", ("t", "i", "weight"), [(*at, w[at]) for at in steps])
    rms = np.tril(10 ** rng.uniform(-6, 0, (T, T)))
    j, i = np.indices((T, T))
    rms[(j // N != i // N) & ((settings.algo == "lm_svg") | (j % N == 0))] = 0.0
    mean = rms * rng.uniform(-1, 1, (T, T))
    every = [(*at, mean[at], rms[at]) for at in np.ndindex(T, T)]
    write_csv(path / "credit.csv", ("j", "i", "mean", "rms"), every)
    channels = 4 if settings.task.startswith("pendulum") else 1
    header = ("t", "phase", "o_m", "a", "r_recall", "r_distractor", "r_hat")
    header += tuple(f"o_{n}" for n in range(channels))
    numbers = rng.standard_normal((T, 4 + channels))
    write_csv(path / "episode.csv", header, [(t, "", 0.7, *x) for t, x in enumerate(numbers)])


def write_seed(folder, seed, settings, evaluations=30):
    """A whole seed_<s> folder."""
    path = write_log(folder, seed, settings, evaluations)
    write_diagnostics(path, settings, seed)
    (path / "summary.json").write_text(json.dumps({"seed": seed, **BOUNDS}))


def check_pictures(folder):
    """All ten files, nothing half written, every picture with something in it."""
    files = sorted(path.name for path in folder.iterdir() if path.is_file())
    assert files == sorted(f"{stem}.{kind}" for stem in STEMS for kind in ("csv", "png"))
    for stem in STEMS:
        image = imread(folder / f"{stem}.png")
        assert min(image.shape[:2]) > 500
        grey = image[..., :3].mean(-1)
        assert 0.02 < (grey < 0.9).mean() < 0.9


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    """Three seeds; the second has more evaluations, the third was interrupted."""
    folder = tmp_path_factory.mktemp("three")
    settings = preset("dummy_amt")
    write_seed(folder, 0, settings, 20)
    write_seed(folder, 1, settings.replace(episodes=30_000), 30)
    write_log(folder, 10, settings, 12)
    run_plots.draw(folder)
    return folder


def test_three_seeds_of_different_lengths_give_all_pictures(three):
    check_pictures(three)


def test_learning_curve_holds_every_evaluation_and_the_mean_where_all_have_one(three):
    table = rows_of(three / "learning_curve.csv")
    names = ["seed_0", "seed_1", "seed_10"]
    assert list(table[0]) == ["episodes", *names, "mean", *BOUNDS]
    for name in names:
        log = rows_of(three / name / "log.csv")
        log = {row["episodes"]: row["eval_return_recall"] for row in log}
        assert {row["episodes"]: row[name] for row in table if row[name]} == log
    assert len(table) == 30
    for n, row in enumerate(table):
        assert (row["mean"] != "") == (n < 12)
        if row["mean"]:
            mean = sum(float(row[name]) for name in names) / 3
            assert float(row["mean"]) == pytest.approx(mean, rel=1e-12)
        assert {name: float(row[name]) for name in BOUNDS} == BOUNDS


@pytest.mark.parametrize(
    ("stem", "steps", "values"),
    [("attention", ("t", "i"), ("weight",)), ("credit", ("j", "i"), ("mean", "rms"))],
)
def test_tables_of_steps_hold_the_mean_over_the_seeds_that_have_one(three, stem, steps, values):
    seeds = [rows_of(three / f"seed_{s}" / f"{stem}.csv") for s in (0, 1)]
    table = {tuple(row[name] for name in steps): row for row in rows_of(three / f"{stem}.csv")}
    assert len(table) == len(seeds[0])
    for first, second in zip(*seeds, strict=True):
        row = table[tuple(first[name] for name in steps)]
        for value in values:
            mean = (float(first[value]) + float(second[value])) / 2
            assert float(row[value]) == pytest.approx(mean, rel=1e-12, abs=0)


def test_the_same_tables_give_the_same_bytes(three):
    before = {path.name: path.read_bytes() for path in three.iterdir() if path.is_file()}
    run_plots.draw(three)
    assert {path.name: path.read_bytes() for path in three.iterdir() if path.is_file()} == before


def test_a_failure_leaves_the_old_picture_and_no_rubbish(three, monkeypatch):
    before = {path.name: path.read_bytes() for path in three.iterdir() if path.is_file()}

    def fail(figure, path, **options):
        path.write_text("half a pict")
        raise OSError("disk full")

    monkeypatch.setattr(run_plots.matplotlib.figure.Figure, "savefig", fail)
    with pytest.raises(OSError, match="disk full"):
        run_plots.draw(three)
    assert {path.name: path.read_bytes() for path in three.iterdir() if path.is_file()} == before


def test_one_pendulum_seed_without_shortcuts(tmp_path):
    settings = preset("pendulum_amt", algo="lm_svg", distractor_scale=0.25)
    write_seed(tmp_path, 7, settings)
    run_plots.draw(tmp_path)
    check_pictures(tmp_path)
    assert all(row["mean"] == row["seed_7"] for row in rows_of(tmp_path / "learning_curve.csv"))
    seed, table = rows_of(tmp_path / "seed_7" / "episode.csv"), rows_of(tmp_path / "episode.csv")
    for real, drawn in zip(seed, table, strict=True):
        r = float(real["r_recall"]) + 0.25 * float(real["r_distractor"])
        assert math.isclose(float(drawn["r"]), r, rel_tol=1e-12)
        assert all(float(drawn[name]) == float(real[name]) for name in ("a", "r_hat", "o_0", "o_3"))


def test_a_short_episode(tmp_path):
    settings = preset("dummy_pmt", T=5, t1=1, t2=2, N=1)
    write_seed(tmp_path, 0, settings)
    run_plots.draw(tmp_path)
    check_pictures(tmp_path)


def drawn(tmp_path, draw, settings):
    """The Figure of one picture of one seed."""
    write_seed(tmp_path, 0, settings)
    seeds = [read_seed(tmp_path / "seed_0")]
    return draw(seeds, seeds[0].config, "title")[1]


@pytest.mark.parametrize("algo", ALGOS)
def test_exact_zeros_of_the_past_are_hatched_and_no_others(tmp_path, algo):
    figure = drawn(tmp_path, run_plots.draw_credit, preset("dummy_amt", algo=algo))
    table = rows_of(tmp_path / "seed_0" / "credit.csv")
    past = [row for row in table if int(row["i"]) <= int(row["j"])]
    zeros = {(int(row["i"]), int(row["j"])) for row in past if float(row["rms"]) == 0}
    assert 20 < len(zeros) < len(past)
    for ax in figure.axes[:2]:
        (hatched,) = [artist for artist in ax.collections if artist.get_hatch()]
        boxes = [path.get_extents() for path in hatched.get_paths()]
        covered = [(box.x0 + 0.5 + n, box.y0 + 0.5) for box in boxes for n in range(int(box.width))]
        assert sorted(covered) == sorted(zeros)
        blank = np.ma.getmaskarray(ax.images[0].get_array())
        assert blank.sum() == len(zeros) + 15 * 14 / 2


def test_the_red_bars_are_the_attention_of_one_recall_step(tmp_path):
    figure = drawn(tmp_path, run_plots.draw_attention, preset("dummy_amt"))
    table = rows_of(tmp_path / "seed_0" / "attention.csv")
    weights = [float(row["weight"]) for row in table if row["t"] == "12"]
    bars = figure.axes[1].containers[0]
    assert [bar.get_height() for bar in bars] == weights
    words = [text.get_text() for text in figure.axes[1].texts]
    assert words == [f"{w:.2f}" if w >= 0.005 else "" for w in weights]


@pytest.mark.filterwarnings("error::UserWarning")
@pytest.mark.parametrize("at", [3, -1])
def test_a_collapse_is_cut_and_leaves_every_name_on_the_page(tmp_path, at):
    for seed in range(2):
        write_seed(tmp_path, seed, preset("dummy_amt"))
    log = rows_of(tmp_path / "seed_1" / "log.csv")
    log[at]["eval_return_recall"] = -21.1
    write_csv(tmp_path / "seed_1" / "log.csv", log[0], [row.values() for row in log])
    seeds = [read_seed(tmp_path / f"seed_{seed}") for seed in range(2)]
    _, figure = run_plots.draw_learning_curve(seeds, seeds[0].config, "title")
    figure.draw_without_rendering()
    (ax,), names = figure.axes, figure.legends[0].get_texts()
    assert ax.get_ylim()[0] == pytest.approx(-2.0 - 0.75 * (1.998 + 2.0))
    words = [text.get_text() for text in (*ax.texts, *names)]
    assert {"seed 0", "seed 1", "mean", "to -21.1"} < set(words)
    for text in (*ax.texts, *names):
        box, frame = text.get_window_extent(), figure if text in names else ax
        assert frame.bbox.x0 < box.x0 < box.x1 < frame.bbox.x1
        assert frame.bbox.y0 < box.y0 < box.y1 < frame.bbox.y1
        assert text not in names or box.x0 > ax.bbox.x1  # no name on a curve


def test_of_many_seeds_only_those_that_end_early_are_named():
    episodes, curves = np.arange(1, 5), {seed: np.linspace(seed, 1, 4) for seed in range(6)}
    curves[4][2:] = curves[5][:] = np.nan
    figure = run_plots.plot_learning_curve(episodes, curves)
    figure.draw_without_rendering()
    words = [text.get_text() for text in figure.legends[0].get_texts()]
    assert words == ["seeds", "seed 4 ends", "seed 5 ends", "mean"]
    lines = figure.axes[0].lines
    assert [line.get_marker() for line in lines] == [*4 * ["None"], "x", "x", "None"]
    assert len(lines[4].get_ydata()) == 2


def test_interrupted_seeds_give_a_learning_curve_without_lines(tmp_path):
    write_log(tmp_path, 0, preset("dummy_amt"), 3)
    write_log(tmp_path, 1, preset("dummy_amt"), 0)
    run_plots.draw(tmp_path)
    assert sorted(path.name for path in tmp_path.glob("*.*")) == [
        "learning_curve.csv", "learning_curve.png",
    ]  # fmt: skip
    table = rows_of(tmp_path / "learning_curve.csv")
    assert list(table[0]) == ["episodes", "seed_0", "mean", *BOUNDS]
    assert all(row[name] == "" for row in table for name in BOUNDS)


@pytest.mark.parametrize(("like", "drawn"), [(None, ["seed_1", "seed_2"]), (0, ["seed_0"])])
def test_seeds_with_other_settings_are_left_out(tmp_path, like, drawn):
    for seed, k in ((0, 2), (1, 3), (2, 3)):
        write_log(tmp_path, seed, preset("dummy_amt", k=k), 3)
    run_plots.draw(tmp_path, like)
    table = rows_of(tmp_path / "learning_curve.csv")
    assert list(table[0]) == ["episodes", *drawn, "mean", *BOUNDS]


def test_nothing_to_draw_is_one_clear_line(tmp_path):
    write_log(tmp_path / "empty", 0, preset("dummy_amt"), 0)
    (tmp_path / "other" / "seed_old").mkdir(parents=True)
    for name in ("missing", "empty", "other"):
        with pytest.raises(ValueError, match=f"{name}: nothing to draw, [^\n]*$"):
            run_plots.draw(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "text"),
    [("log.csv", "episodes,eval_return_recall\n320\n"), ("log.csv", "episodes\nx\n"),
     ("config.json", "{")],
)  # fmt: skip
def test_a_damaged_file_is_named(tmp_path, name, text):
    path = write_log(tmp_path, 0, preset("dummy_amt"), 3)
    (path / name).write_text(text)
    with pytest.raises(ValueError, match=f"seed_0/{name}: damaged, "):
        run_plots.draw(tmp_path)


def test_seeds_whose_tables_disagree_are_not_averaged(tmp_path):
    for seed in (0, 1):
        write_seed(tmp_path, seed, preset("dummy_amt"))
    attention = tmp_path / "seed_1" / "attention.csv"
    attention.write_text("\n".join(attention.read_text().splitlines()[:-1]))
    seeds = [read_seed(tmp_path / f"seed_{seed}") for seed in (0, 1)]
    with pytest.raises(ValueError, match=r"attention\.csv of seeds 0 and 1 disagree"):
        mean_over_seeds(seeds, "attention", "weight")


def test_credit_maps_have_one_scale_and_tell_zero_from_the_future(tmp_path):
    scales = []
    for algo in ALGOS:
        settings = preset("dummy_amt", algo=algo)
        figure = drawn(tmp_path / algo, run_plots.draw_credit, settings)
        left, right = (ax.images[0] for ax in figure.axes[:2])
        scales.append((left.norm.vmin, left.norm.vmax, right.norm.linthresh, right.norm.vmax))
        dark = [np.mean(left.cmap(x)[:3]) for x in (0.0, 0.5, 1.0)]
        assert dark == sorted(dark, reverse=True)  # more credit is darker
        hatched = next(x for x in figure.axes[0].collections if x.get_hatch())
        future = figure.axes[0].get_facecolor()
        assert abs(np.mean(hatched.get_facecolor()[0, :3]) - np.mean(future[:3])) > 0.15
    assert scales[0] == scales[1] == (1e-4, 1.0, 1e-4, 1.0)


def test_pictures_are_drawn_from_arrays_in_memory():
    trainer = Trainer(preset("dummy_amt", **SMOKE))
    rows = list(trainer.run())
    found = diagnose(trainer, 4)
    mean, rms = credit_over_episodes(found.credit[0])
    episodes = np.array([row["episodes"][0] for row in rows])
    curves = {0: np.array([row["eval_return_recall"][0] for row in rows])}
    curve = run_plots.plot_learning_curve(episodes, curves).axes[0].lines[0]
    assert np.array_equal(curve.get_ydata(), curves[0])
    for figure in (
        run_plots.plot_attention(found.attention[0], trainer.config),
        run_plots.plot_credit(rms, mean, trainer.config),
    ):
        assert figure.axes[0].images[0].get_array().shape == (15, 15)
