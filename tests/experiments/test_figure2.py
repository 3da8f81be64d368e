"""`figure2` from the command line to the report, in smoke form."""

import csv

import pytest
from test_report import assert_readable, browse, needs_browser, outline

from lvgts_np.cli import main
from lvgts_np.experiments.studies.claims import CLAIMS
from lvgts_np.training.config import ALGOS, TASKS

SIZES = ("--set", "hidden=8", "episodes=24", "eval_episodes=8")


def figure2(out, *words):
    return main(
        ["figure2", *words, "--smoke", "--seeds", "2", "--quiet", "--out", str(out), *SIZES]
    )


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("out")
    assert figure2(folder) == 0
    return folder


def verdicts(out):
    with (out / "figure2/claims.csv").open(encoding="utf-8") as file:
        return {row["id"]: row["verdict"] for row in csv.DictReader(file)}


def test_claims_that_hold_by_construction_hold(out):
    found = verdicts(out)
    assert [id for id, x in found.items() if x == "by construction"] == ["maximum", "truncation"]
    assert {found[id] for id in found.keys() - {"maximum", "truncation"}} == {"no verdict"}


CLAIM = "id,words,where,command,test,result,verdict"
SUMMARY = (
    "task,algo,n,frozen,mean,iqm,iqm_low,iqm_high,worst,solved,solved_low,solved_high,"
    "attention_remember,kept,kept_mean,dropped"
)
CONDITIONS = [task for task in TASKS for _ in ALGOS]


@pytest.mark.parametrize(
    ("name", "header", "first_cells"),
    [("claims", CLAIM, [row[0] for row in CLAIMS]), ("summary", SUMMARY, CONDITIONS)],
)
def test_both_tables_are_written_as_csv(out, name, header, first_cells):
    with (out / f"figure2/{name}.csv").open(encoding="utf-8", newline="") as file:
        names, *rows = csv.reader(file)
    assert names == header.split(",")
    assert [row[0] for row in rows] == first_cells
    assert {len(row) for row in rows} == {len(names)}


def test_the_report_opens_with_the_verdict_then_claims_then_pictures(out):
    page = out / "figure2/report.html"
    text = page.read_text(encoding="utf-8")
    marks = (
        "Of 10 claims of the paper: 2 by construction, 8 no verdict.",
        "Too short to learn anything",
        "truncated LM-SVG struggles to surpass",
        "<img ",
    )
    places = [text.index(mark) for mark in marks]
    assert places == sorted(places)
    maps = [alt for alt in outline(page).values("alt") if alt.startswith("Matrix of the credit")]
    assert [alt.split(": ")[1] for alt in maps] == [
        "dummy_amt, lvgts.", "dummy_amt, lm_svg.", "pendulum_amt, lvgts.", "pendulum_amt, lm_svg.",
    ]  # fmt: skip
    assert text.count("exactly 0 in 0 of 2 runs") == 2
    assert text.count("exactly 0 in 2 of 2 runs") == 2 + 3  # maps, and LM-SVG's tasks in a claim


def test_the_report_links_to_the_tables_behind_it(out):
    found = outline(out / "figure2/report.html")
    links = [link for link in found.values("href") if not link.startswith("#")]
    assert [link for link in links if not (out / "figure2" / link).exists()] == []
    linked = {(out / "figure2" / link).resolve() for link in links}
    tables = {*out.glob("figure2/*.csv"), *out.glob("*/*/*.csv")}
    assert {path.resolve() for path in tables} - linked == set()


@needs_browser
def test_a_browser_shows_the_report_at_both_widths(out, tmp_path):
    seen = browse(out / "figure2/report.html", tmp_path, (420, 1200))
    assert_readable(seen)
    assert all(len(at["images"]) == 6 and min(at["images"]) > 0 for at in seen.values())


def test_the_study_resumes_to_the_same_bytes(out, capsys):
    folder = out / "figure2"
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    for name in ("summary.json", "checkpoint.npz"):  # as if it had been cut off here
        (out / "dummy_amt/lm_svg/seed_1" / name).unlink()
    assert figure2(out) == 2
    assert "holds a run already" in capsys.readouterr().err
    assert figure2(out, "--resume") == 0
    printed, err = capsys.readouterr()
    assert err == ""
    assert len(printed.splitlines()) == len(TASKS) * len(ALGOS) + 1
    after = {p.name: p.read_bytes() for p in folder.iterdir()}
    assert [name for name in before if before[name] != after[name]] == []
