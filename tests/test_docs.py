"""What the pages in docs/ say is so, and every link, command and example of all pages."""

import importlib.util
import inspect
import json
import re
import shlex
import sys

import numpy as np
import pytest
import suite
from pages import PAGES, ROOT, examples, in_code, rows_of, table

from lvgts_np import cli
from lvgts_np.experiments import compass
from lvgts_np.experiments.studies import statistics
from lvgts_np.experiments.studies.summary import without_credit
from lvgts_np.tasks import bounds, check
from lvgts_np.training.config import ALGOS, LAG_SWEEP, TASKS, Config, ConfigError, parse, preset
from lvgts_np.training.files import read_table
from lvgts_np.training.trainer import make_task

NUMBER = re.compile(r"-?\d+(\.\d+)?(e-?\d+)?")
LINKS = [
    (page, text, target)
    for page, source in PAGES.items()
    for text, target in re.findall(r"\[([^\]\[]*(?:\[[^\]]*\][^\]\[]*)*)\]\(([^)\s]+)\)", source)
    if not target.startswith("http")
]
COMMANDS = sorted(
    {
        command.replace("\\\n", " ")
        for source in PAGES.values()
        for command in re.findall(r"python (run\.py\b(?:[^`\n\\]|\\\n|\n(?=[^`\n]*`))*)", source)
    }
)


@pytest.mark.parametrize(("page", "text", "target"), LINKS)
def test_a_link_leads_to_its_file_heading_or_line(page, text, target):
    path, _, anchor = target.partition("#")
    path = (ROOT / page).parent / path if path else ROOT / page
    assert path.exists()
    if line := re.fullmatch(r"L(\d+)", anchor):
        (code,) = in_code(text)
        lines = path.read_text().splitlines()
        at = [n for n, source in enumerate(lines, start=1) if code in source]
        assert int(line[1]) in at, f"{code} is on line {at} of {path.name}"
    elif anchor:
        headings = re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE)
        assert anchor in [re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in headings]


def test_the_readme_leads_to_every_page():
    linked = {target for page, _, target in LINKS if page == "README.md"}
    assert linked >= set(PAGES) - {"README.md"}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_one_that_the_command_line_takes(command):
    argv = shlex.split(re.sub(r"\$\w+", "0", command))[1:]  # a variable of the shell
    if argv not in (["--help"], ["check"]):
        for assignment in cli.parse_arguments(argv).set:
            cli.parse_assignment(assignment)


def test_the_commands_are_found():
    assert any("figure2" in command for command in COMMANDS)
    two_lines = "alpha_reward=5", "model_batch=32"
    assert any(all(part in command for part in two_lines) for command in COMMANDS)


def test_the_example_in_run_files_loads_an_agent_that_acts(tmp_path, monkeypatch):
    (code,) = examples("docs/run_files.md")
    monkeypatch.chdir(tmp_path)
    assert cli.main(["--task", "dummy_pmt", "--smoke", "--quiet"]) == 0
    space = {}
    exec(compile(code, "run_files.md", "exec"), space)
    assert space["a_t"].shape == (1, 1)
    assert np.isfinite(space["a_t"]).all()


def test_the_examples_of_own_task_are_right_and_train(tmp_path, monkeypatch):
    key, test, training, draughts, through = examples("docs/own_task.md")
    (tmp_path / "mine.py").write_text(key + draughts)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    gym = importlib.util.find_spec("gymnasium") is not None
    space = {}
    for code in (test, training.replace("4_800", "96"), *[through] * gym):
        exec(compile(code, "own_task.md", "exec"), space)
    space["test_key"]()
    assert space["rms"].shape == (8, 8)
    assert (tmp_path / "credit.png").exists()
    page = PAGES["docs/own_task.md"]
    commands = re.findall(r"^python run.py (.*)$", page, re.MULTILINE)
    assert len(commands) == 4
    for words in commands:
        if gym or "gym" not in words:
            argv = shlex.split(words.replace("episodes=4800 ", ""))
            assert cli.main(["--smoke", "--quiet", *argv]) == 0
    sys.modules.pop("mine")


def test_every_other_example_compiles_and_imports():
    for page in set(PAGES) - {"README.md", "docs/run_files.md", "docs/own_task.md"}:
        for code in examples(page):
            compile(code, page, "exec")
            for line in re.findall(r"^from lvgts_np.*", code, re.MULTILINE):
                exec(line, {})


def test_the_differences_are_those_that_the_code_marks():
    listed = [row[0] for row in table("docs/differences.md", "")]
    assert len(listed) == len(set(listed))
    assert set(listed) == marked()


def marked():
    """The rows named by comments that say DEVIATION: or UNSPECIFIED:."""
    rows = set()
    for path in (ROOT / "lvgts_np").rglob("*.py"):
        for comment in re.findall(r"(?:^ *# .*\n)+", path.read_text(), re.MULTILINE):
            if "DEVIATION:" in comment or "UNSPECIFIED:" in comment:
                names = " ".join(re.findall(r"\([TMA][^)]*\)", comment))
                rows |= set(re.findall(r"[TMA]\d+", names))
    return rows


def test_every_switch_is_a_field_with_its_default_and_choices():
    rows = {in_code(row[0])[0]: row[1:] for row in table("docs/differences.md", "field")}
    switches = re.compile(r"^\| (\w+) .*\*\*switch\*\* `(\w+)`", re.MULTILINE)
    named = switches.findall(PAGES["docs/differences.md"])
    assert sorted(named) == sorted((row[0], name) for name, row in rows.items())
    for name, (_, values, default) in rows.items():
        assert parse(name, default.strip("`")) == getattr(Config(), name)
        if isinstance(getattr(Config(), name), str):
            with pytest.raises(ConfigError, match=f"one of {', '.join(in_code(values))}$"):
                parse(name, "?")


def test_the_bounds_are_those_of_the_tasks():
    rows = {task: row[1:] for row in table("docs/results.md", "tasks") for task in in_code(row[0])}
    assert set(rows) == set(TASKS)
    for name, row in rows.items():
        t = make_task(preset(name))
        values = bounds.max_return(t), bounds.myopic_return(t), bounds.floor_return(t)
        for value, cell in zip(values, row[:3], strict=True):
            assert f"{value:.{len(cell.partition('.')[2])}f}" == cell
    t = make_task(preset("dummy_amt"))
    assert f"{(bounds.max_return(t) + bounds.myopic_return(t)) / 2:.3f}" in rows["dummy_amt"][3]


def two_digits(row):
    return {name: f"{float(cell):.2f}" for name, cell in row.items() if NUMBER.fullmatch(cell)}


def test_the_results_are_those_of_the_files_beside_them():
    expected = []
    for row in rows_of("summary.csv"):
        x = two_digits(row)
        cells = [f"`{row['task']}`", f"`{row['algo']}`", x["mean"]]
        cells += [f"{x['iqm']} [{x['iqm_low']}, {x['iqm_high']}]", x["kept_mean"], x["worst"]]
        cells += [f"{row['solved']} of {row['n']} [{x['solved_low']}, {x['solved_high']}]"]
        expected.append([*cells, x["attention_remember"]])
    assert table("docs/results.md", "task") == expected
    names = ("words", "where", "result", "verdict")
    claims = [[row[name] for name in names] for row in rows_of("claims.csv")]
    assert table("docs/results.md", "claim, word for word") == claims


def test_the_tables_in_docs_are_one_study():
    finals, summary = rows_of("finals.csv"), rows_of("summary.csv")
    for cell in summary:
        runs = [r for r in finals if (r["task"], r["algo"]) == (cell["task"], cell["algo"])]
        returns = [float(r["final_return"]) for r in runs]
        assert float(cell["mean"]) == pytest.approx(np.mean(returns))
        assert int(cell["n"]) == len(returns) == 20
    assert {row["algo"] for row in finals} == {"lvgts", "lm_svg"}


def test_the_single_runs_are_as_told():
    page = " ".join(PAGES["docs/results.md"].split())
    told = re.findall(r"falls to (-[\d.]+) at one evaluation \((\d+,\d+) episodes\)", page)
    told += re.findall(r"(-[\d.]+) at (\d+,\d+)(?: episodes)?[,;.]", page)
    assert len(told) == 1
    rows = [row for row in rows_of("returns.csv") if row["task"] == "dummy_amt"]
    for value, episodes in told:
        at = [two_digits(row) for row in rows if row["episodes"] == episodes.replace(",", "")]
        assert any(value in row.values() for row in at)
    solved = {
        task: [int(r["seed"]) for r in rows_of("finals.csv") if lucky(r, task)]
        for task in ("dummy_amt", "pendulum_amt")
    }
    numbers = [
        " and ".join(", ".join(map(str, seeds)).rsplit(", ", 1)) for seeds in solved.values()
    ]
    assert f"seeds {numbers[0]} of `dummy_amt` and {numbers[1]} of `pendulum_amt`" in page


def lucky(row, task):
    """Whether this is a run of LM-SVG on this task that counts as solved."""
    bar = (float(row["max_return"]) + float(row["myopic_return"])) / 2
    return (row["task"], row["algo"]) == (task, "lm_svg") and float(row["final_return"]) > bar


def test_the_lag_sweep_is_that_of_the_files_beside_it():
    runs, expected = rows_of("horizon_runs.csv"), []
    for row in rows_of("horizon.csv"):
        x = two_digits(row)
        cells = [row["lag"], f"`{row['algo']}`", f"{x['mean']} [{x['low']}, {x['high']}]"]
        cells += [x["worst"]]
        cells += [f"{row['solved']} of {row['n']} [{x['solved_low']}, {x['solved_high']}]"]
        expected.append([*cells, x["attention_remember"]])
        own = [r for r in runs if (r["lag"], r["algo"]) == (row["lag"], row["algo"])]
        assert float(row["mean"]) == pytest.approx(np.mean([float(r["final_return"]) for r in own]))
        assert [int(r["seed"]) for r in own] == list(range(int(row["n"])))
    assert table("docs/results.md", "lag") == expected


def test_the_lag_of_1000_is_that_of_its_file():
    rows, text = rows_of("lag_1000.csv"), PAGES["docs/results.md"]
    returns = np.array([[float(row[f"seed_{s}"]) for s in range(3)] for row in rows])
    bar = (float(rows[0]["max_return"]) + float(rows[0]["myopic_return"])) / 2
    assert "{:.2f}, {:.2f} and {:.2f}".format(*returns[-1]) in text
    solved = [row["episodes"] for row, G in zip(rows, returns, strict=True) if np.all(G > bar)]
    from_here = rows[1 + max(n for n, G in enumerate(returns) if not np.all(G > bar))]["episodes"]
    assert f"from {int(from_here):,} episodes on" in text
    assert solved[-1] == "8000"


def recorded(task, algo):
    """Rows of seeds 0 to 4 of LVGTS or LM-SVG, from the file that has this task or lag."""
    rows = [row | {"task": f"lag_{row['lag']}"} for row in rows_of("horizon_runs.csv")]
    rows += rows_of("finals.csv") + [row for row in rows_of("tasks.csv") if not row["arguments"]]
    return [x for x in rows if (x["task"], x["algo"]) == (task, algo) and int(x["seed"]) < 5]


def runs_beside_ppo():
    """Rows of ppo.csv, and (task, budget) of all that PPO was run on."""
    rows = rows_of("ppo.csv")
    return rows, dict.fromkeys((x["task"], x["budget"]) for x in rows if x["algo"] == "ppo")


def test_the_runs_beside_ppo_are_those_of_the_files():
    rows, studies = runs_beside_ppo()
    expected, met = [], set()
    for task, budget in studies:
        own = [x for x in rows if (x["algo"], x["task"], x["budget"]) == ("ppo", task, budget)]
        last = [x for x in own if x["episodes"] == budget]
        assert [x["seed"] for x in last] == list(dict.fromkeys(x["seed"] for x in own))
        bounds = {name: float(recorded(task, "lvgts")[0][name]) for name in check.BOUNDS}
        bar = (bounds["max_return"] + bounds[without_credit(bounds)]) / 2
        found = [[[float(x[name]) for x in last] for name in ("return_recall", "cpu_seconds")]]
        for algo in ALGOS * (task not in met):  # whose budget is the first
            (cost,) = [x for x in rows if (x["algo"], x["task"]) == (algo, task)]
            episodes = min(int(budget), Config().episodes)  # LVGTS and LM-SVG have no more
            cost = float(cost["cpu_seconds"]) / int(cost["episodes"]) * episodes
            found.append([[float(x["final_return"]) for x in recorded(task, algo)], cost])
        cells = [f"`{task}`", f"{int(budget):,}"]
        for G, seconds in found:
            solved = f"{sum(x > bar for x in G)} of {len(G)}"
            cells += [f"{np.mean(G):z.2f} ({min(G):z.2f}), {solved}", f"{np.mean(seconds):.0f}"]
        expected.append(cells + [""] * (8 - len(cells)))
        met.add(task)
    assert table("docs/results.md", "task or lag") == expected


def test_the_returns_of_ppo_on_its_way_are_those_of_its_runs():
    rows, studies = runs_beside_ppo()
    expected = []
    for task, budget in studies:
        cells = [f"`{task}`", f"{int(budget):,}"]
        for share in (8, 20, 40, 60, 80, 100):
            at = task, budget, str(int(budget) * share // 100)
            G = [x["return_recall"] for x in rows if (x["task"], x["budget"], x["episodes"]) == at]
            cells.append(f"{np.mean(np.array(G, float)):z.2f}")
        expected.append(cells)
    assert table("docs/results.md", "PPO on") == expected


def test_the_search_of_ppo_is_that_of_its_file():
    rows, expected = rows_of("ppo_search.csv"), []
    assert {x["seed"] for x in rows}.isdisjoint(x["seed"] for x in rows_of("ppo.csv"))
    for settings in dict.fromkeys(x["settings"] for x in rows):
        cells = [" ".join(f"`{x}`" for x in settings.split()) or "chosen"]
        for task in ("dummy_amt", "pendulum_amt", "lag_30"):
            own = [x for x in rows if (x["settings"], x["task"]) == (settings, task)]
            cells.append(", ".join(f"{float(x['return_recall']):z.2f}" for x in own))
        expected.append(cells)
    assert sorted(table("docs/results.md", "PPO with")) == sorted(expected)


@pytest.mark.parametrize(("algo", "head"), [("lvgts", "LVGTS"), ("lm_svg", "LM-SVG")])
def test_the_readings_are_those_of_the_files_beside_them(algo, head):
    cells, runs = {}, rows_of("readings_runs.csv")
    for row in rows_of("readings.csv"):
        key = [row[name] for name in ("task", "algo", "reading")]
        own = [r for r in runs if [r[name] for name in ("task", "algo", "reading")] == key]
        assert float(row["mean"]) == pytest.approx(np.mean([float(r["final_return"]) for r in own]))
        assert len(own) == int(row["n"]) == 20
        x = {n: f"{float(y):z.2f}" for n, y in row.items() if NUMBER.fullmatch(y)}
        difference = "{difference} [{difference_low}, {difference_high}]".format(**x)
        mine = [f"{x['mean']} ({x['worst']})", row["solved"]]
        mine += ["" if row["reading"] == "defaults" else difference]
        mine += [f"{x['compass_sign']}, {x['compass_ratio']}"] if algo == "lvgts" else []
        if row["algo"] == algo:
            cells.setdefault(row["reading"], {})[row["task"]] = mine
    expected = []
    for reading, by_task in cells.items():
        blank = [""] * len(by_task["pendulum_amt"])
        name = f"`{reading}`" if re.fullmatch(r"\S+=\S+", reading) else reading
        expected.append([name, *by_task.get("dummy_amt", blank), *by_task["pendulum_amt"]])
    found = table("docs/differences.md", head)
    assert sorted(found) == sorted(expected)


def test_the_six_tasks_are_as_measured_in_the_file_beside_them():
    cells, runs = {}, rows_of("tasks.csv")
    for row in runs:
        assert row["algo"] in ALGOS
        cells.setdefault((row["task"], row["arguments"]), {}).setdefault(row["algo"], []).append(
            row
        )
    expected = []
    for (name, arguments), both in cells.items():
        assert [r["seed"] for r in both["lvgts"]] == [r["seed"] for r in both["lm_svg"]]
        assigned = dict(map(cli.parse_assignment, arguments.split()))
        task = getattr(suite, name)(**{x.removeprefix("task."): y for x, y in assigned.items()})
        x, y = ([float(r["final_return"]) for r in both[algo]] for algo in ALGOS)
        p, found = statistics.paired(x, y), check.bounds_of(task)
        mine = [f"`{name}`" + (f" `{arguments}`" if arguments else ""), str(len(x))]
        mine += [", ".join(f"{found[bound]:z.2f}" for bound in reversed(check.BOUNDS))]
        mine += [f"{np.mean(z):z.2f} ({min(z):z.2f})" for z in (x, y)]
        mine += [f"{p.mean:z.2f} [{p.low:z.2f}, {p.high:z.2f}]"]
        active = found["max_return"] > found["myopic_return"] + 1e-9
        told = [[r[f"compass_{name}"] for r in both["lvgts"]] for name in ("sign", "ratio")]
        told = [
            f"{np.mean([float(z) for z in column if z]):z.2f}" for column in told * bool(active)
        ]
        expected.append([*mine, ", ".join(told)])
    assert table("docs/tasks.md", "task", "seeds") == expected
    for row in table("docs/tasks.md", "task", "lines"):
        lines = len(inspect.getsource(getattr(suite, in_code(row[0])[0])).splitlines())
        assert row[1] == str(lines)
        assert lines < 30


def test_the_settings_of_the_lag_sweep_are_those_of_the_code():
    rows = table("docs/results.md", "field")
    length = {"episodes", "eval_every", "eval_episodes"}
    assert {in_code(row[0])[0] for row in rows} == set(LAG_SWEEP) - length
    for row in rows:
        (name,) = in_code(row[0])
        values = [getattr(Config(), name), LAG_SWEEP[name]]
        assert [parse(name, cell.strip("`")) for cell in row[1:3]] == values


def test_the_speeds_are_those_of_the_benchmark_s_output():
    output = (ROOT / "docs" / "benchmark.txt").read_text()
    names = {"`adjoint`": "adjoint", "`autograd`": "autograd", "PyTorch": "torch", "JAX": "jax"}
    row = r"^\| ([^|]+) \| (float\d\d) \| (\S+) \| (\S+) \| (\S+) \|(.*)\|$"
    rows = re.findall(row, PAGES["docs/performance.md"], re.MULTILINE)
    assert len(rows) == 10
    for n, (backend, dtype, *rates, ratios) in enumerate(rows):
        kernel = output.split("with --kernel Haswell")[n // 5]
        name = next(name for start, name in names.items() if backend.startswith(start))
        for size, rate, at in zip((1, 10, 20), rates, (0, 1, 2), strict=True):
            text = kernel.split(f"\nS = {size},")[1]
            line = re.search(rf"^{name} +{dtype} +(\S+) +(\S+)x", text, re.MULTILINE)
            assert line[1] == rate
            assert not ratios.strip() or line[2] == ratios.strip().split(", ")[at]


def test_every_measured_number_of_performance_stands_in_the_benchmark_s_output():
    output = set(re.findall(r"\d+(?:\.\d+)?", (ROOT / "docs" / "benchmark.txt").read_text()))
    page = re.sub(r"PyTorch \S+|JAX \S+", "", PAGES["docs/performance.md"])
    assert set(re.findall(r"\d+\.\d+", page)) <= output


def test_every_mean_of_tuning_with_three_digits_stands_in_the_search():
    found = set(re.findall(r"-?\d+\.\d{3}\b", PAGES["docs/tuning.md"]))
    searched = {cell for row in rows_of("search.csv") for cell in row.values()}
    rounded = {f"{float(cell):.3f}" for cell in searched if cell and NUMBER.fullmatch(cell)}
    assert len(found) > 20
    assert found <= rounded


ESTIMATORS = ("shortcut, cut", "learned r", "learned f", "shortcut, whole")


def test_the_agreement_of_credit_is_that_of_the_compass_beside_it():
    table = read_table(ROOT / "docs/compass.csv")
    rows = re.findall(r"^\| ([\d,]+) \|(.*)\|$", PAGES["docs/credit.md"], re.MULTILINE)
    assert len(rows) == 5
    for episodes, cells in rows:
        at = table["iteration"] == int(episodes.replace(",", "")) // 32
        for cell, name in zip(cells.split("|"), ESTIMATORS, strict=True):
            here = {column: x[at & np.isin(table["estimator"], ["true", name])]
                    for column, x in table.items()}  # fmt: skip
            here["estimator"] = np.where(here["estimator"] == name, "shortcut, cut", "true")
            found = compass.agreement(make_task(preset("dummy_amt")), "lvgts", here)
            assert cell.strip() == "{compass_sign:.2f}, {compass_ratio:z.2f}".format(**found)


def test_the_cosines_of_truncation_are_those_of_the_table_beside_it():
    found = read_table(ROOT / "docs/truncation.csv")
    rows = re.findall(r"^\| n = (\d+) \|(.*)\|$", PAGES["docs/credit.md"], re.MULTILINE)
    assert len(rows) == 4

    def mean(column, kind, n, episodes):
        at = (found["kind"] == kind) & (found["n"] == n) & (found["episodes"] == episodes)
        at &= (found["actions"] == "remember") & (found["shortcut"] == 1)
        return f"{found[column][at].mean():.2f}"

    moments = (2_400, 4_000, 8_000)
    for n, cells in rows:
        for cell, kind in zip(cells.split("|"), ("block", "sliding", "discount"), strict=True):
            numbers = [mean("cosine_uncut", kind, int(n), x) for x in moments]
            assert cell.strip() == ", ".join(numbers)
    text = " ".join(PAGES["docs/credit.md"].split())
    for n in (4, 15):
        bias, cosine = (
            ", ".join(mean(x, "block", n, m) for m in moments) for x in ("bias", "cosine")
        )
        assert f"bias is {bias}" in text
        assert f"the cosine {cosine}" in text


def test_every_file_and_column_of_a_run_is_in_run_files(tmp_path):
    command = ["--task", "pendulum_amt", "--smoke", "--quiet", "--out", str(tmp_path)]
    assert cli.main(command) == 0
    directory = tmp_path / "pendulum_amt" / "lvgts"
    for path in (directory / "seed_0").iterdir():
        words = re.findall(r"\w+", " ".join(in_code(entry(path.name))))
        assert columns(path) <= set(words), path.name
    for path in directory.glob("*.*"):
        assert entry(path.stem), path.name


def entry(name):
    """What run_files says of a file: rows of tables that start with it, and its section."""
    page = PAGES["docs/run_files.md"]
    rows = re.findall(rf"^\| [^|]*`{re.escape(name)}`.*$", page, re.MULTILINE)
    return "\n".join(rows + re.findall(rf"^### {re.escape(name)}\n([^#]*)", page, re.MULTILINE))


def columns(path):
    """Columns of a CSV file, fields of a summary, for other files their own name."""
    if path.name == "summary.json":
        return set(json.loads(path.read_text()))
    if path.suffix == ".csv":
        return set(path.read_text().split("\n")[0].split(","))
    return {path.stem}
