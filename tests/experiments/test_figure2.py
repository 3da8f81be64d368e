"""`figure2` from the command line to the report, in smoke form."""

import csv

from lvgts_np.cli import main
from lvgts_np.training.config import ALGOS, TASKS

SIZES = ("--set", "hidden=8", "episodes=24", "eval_episodes=8")


def figure2(out, *words):
    return main(
        ["figure2", *words, "--smoke", "--seeds", "2", "--quiet", "--out", str(out), *SIZES]
    )


def test_the_study_ends_with_a_report_and_resumes_to_the_same_bytes(tmp_path, capsys):
    assert figure2(tmp_path) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert len(out.splitlines()) == len(TASKS) * len(ALGOS) + 1
    folder = tmp_path / "figure2"
    page = (folder / "report.html").read_text()
    assert page.count("<img ") == 2
    assert "truncated LM-SVG struggles to surpass" in page
    with (folder / "claims.csv").open() as file:
        verdicts = {row["id"]: row["verdict"] for row in csv.DictReader(file)}
    assert verdicts["truncation"] == "reproduced"  # exactly no credit, trained or not
    assert verdicts["maximum"] == "reproduced"
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    for name in ("summary.json", "checkpoint.npz"):  # as if it had been cut off here
        (tmp_path / "dummy_amt/lm_svg/seed_1" / name).unlink()
    assert figure2(tmp_path) == 2
    assert "holds a run already" in capsys.readouterr().err
    assert figure2(tmp_path, "--resume") == 0
    after = {p.name: p.read_bytes() for p in folder.iterdir()}
    assert [name for name in before if before[name] != after[name]] == []
