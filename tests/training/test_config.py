"""The config: what is valid, what survives a file, and what is said of the rest."""

import dataclasses
import json
import math
import re
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvgts_np.paper import constants
from lvgts_np.tasks import pendulum
from lvgts_np.training.backends import BACKENDS
from lvgts_np.training.config import (
    ALGOS,
    BOUNDS,
    FIELDS,
    HELP,
    LAG_SWEEP,
    MAX_ABS,
    SMOKE,
    TASKS,
    Config,
    ConfigError,
    check_value,
    did_you_mean,
    parse,
    preset,
)
from lvgts_np.training.config_file import load, save

LIMITS = {name: field.metadata["limits"] for name, field in FIELDS.items()}
CHOICES = {name: limits for name, limits in LIMITS.items() if isinstance(limits, tuple)}
# The ends of each interval, and whether they belong to it, read from the words that a user sees.
ENDS = {
    name: [float(end) for end in re.findall(r"\d+", limits)] + [float(MAX_ABS)]
    for name, limits in LIMITS.items()
    if isinstance(limits, str)
}
OPEN = {
    name: (LIMITS[name].startswith(("> ", "in (")), LIMITS[name].endswith(")")) for name in ENDS
}


def values(name):
    """Hypothesis strategy for one field alone."""
    kind, (low, high, *_) = FIELDS[name].type, ENDS.get(name, (-MAX_ABS, MAX_ABS))
    if name in CHOICES:
        return st.sampled_from(CHOICES[name])
    if kind is bool:
        return st.booleans()
    if kind is int:
        return st.integers(int(low), int(high))
    exclude_min, exclude_max = OPEN.get(name, (False, False))
    return st.floats(low, high, exclude_min=exclude_min, exclude_max=exclude_max)


@st.composite
def configs(draw):
    fields = {name: draw(values(name)) for name in FIELDS}
    fields["t1"] = draw(st.integers(1, 100))
    fields["t2"] = fields["t1"] + draw(st.integers(1, 100))
    fields["T"] = fields["t2"] + draw(st.integers(2, 100))
    fields["replay_episodes"] = max(fields["replay_episodes"], fields["episodes_per_iteration"])
    return Config(**fields)


@given(configs())
def test_save_then_load_is_the_same_config(config):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "config.json"
        save(config, path)
        assert load(path) == config
        assert list(json.loads(path.read_text())) == list(FIELDS)


@given(configs())
def test_what_a_user_would_type_parses_to_the_same_value(config):
    for name, value in config.as_dict().items():
        assert parse(name, str(value)) == value


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("algo", ALGOS)
def test_presets_are_valid_also_in_their_smoke_form(task, algo):
    config = preset(task, algo=algo)
    assert (config.task, config.algo) == (task, algo)
    smoke = preset(task, **SMOKE, algo=algo)
    assert 1 < smoke.iterations < 10
    assert smoke.iterations > smoke.warmup_iterations  # the policy's step is exercised


def test_smoke_and_lag_sweep_change_only_fields():
    for changes in (SMOKE, LAG_SWEEP):
        assert preset("dummy_amt", **changes) != preset("dummy_amt")


def test_the_warm_up_is_a_share_of_the_run_however_short_it_is():
    assert preset("dummy_amt", warmup=0.2, episodes=16_000).warmup_iterations == 100
    assert preset("dummy_amt", warmup=0.2, episodes=320).warmup_iterations == 2
    assert preset("dummy_amt", warmup=0.0).warmup_iterations == 0


def test_config_is_immutable():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Config().N = 5


WRONG = [
    ("N", True), ("N", 4.0), ("N", "4"), ("N", None), ("N", [4]), ("N", math.nan),
    ("c", False), ("c", "0.5"), ("c", math.nan), ("c", math.inf), ("c", -math.inf),
    ("c", 10**400), ("c", None), ("encoder_N", -1), ("count_from", True),
    ("task", 3), ("task", ["dummy_pmt"]), ("algo", "lvgt"), ("combine", ""), ("store", "During"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_check_value_refuses(name, value):
    with pytest.raises(ConfigError, match=name):
        check_value(name, value)
    with pytest.raises(ConfigError, match=name):
        Config().replace(**{name: value})


def test_check_value_accepts_a_whole_number_for_a_float():
    check_value("c", 1)


@pytest.mark.parametrize("name", sorted(ENDS))
def test_the_ends_of_an_interval_are_the_last_values_accepted(name):
    kind = FIELDS[name].type
    step = 1 if kind is int else 1e-6
    (low, high, *_), (open_low, open_high) = ENDS[name], OPEN[name]
    for end, is_open, outside in ((low, open_low, low - step), (high, open_high, high + step)):
        end, outside = kind(end), kind(outside)
        wanted = f"between -{MAX_ABS} and {MAX_ABS}" if end == MAX_ABS else LIMITS[name]
        for value in (outside, *([end] if is_open else [])):
            message = re.escape(f"{name} = {value}: must be {wanted}")
            with pytest.raises(ConfigError, match=message):
                Config().replace(**{name: value})
        if not is_open:
            check_value(name, end)


def test_every_field_has_a_help_and_limits_that_exist():
    for name, field in FIELDS.items():
        assert field.metadata["help"], name
        assert field.default in CHOICES.get(name, (field.default,))
        if field.type is str:
            assert len(CHOICES[name]) > 1
        assert LIMITS[name] is None or name in CHOICES or LIMITS[name] in BOUNDS
    assert {name for name, limits in LIMITS.items() if limits is None} == {
        "t2", "T", "c", "a_m"
    }  # fmt: skip


def test_choices_are_those_of_the_code_that_reads_them():
    switches = {
        "combine": constants.COMBINES,
        "topk_rule": constants.TOPK_RULES,
        "store": constants.STORES,
    }
    switches |= {"reward_units": constants.REWARD_UNITS, "transition": constants.TRANSITIONS}
    switches |= {"reward_loss": constants.REWARD_LOSSES}
    for name, choices in switches.items():
        assert CHOICES[name] == choices
    assert CHOICES["pendulum_version"] == pendulum.VERSIONS
    assert CHOICES["grad"] == tuple(BACKENDS)


def test_help_ends_with_the_limits():
    assert HELP["N"] == "[§4.2] the policy's gradient is truncated every N steps; >= 1"
    assert HELP["algo"].endswith("; one of lvgts, lm_svg")
    assert HELP["model_beta_2"].endswith("; in [0, 1)")


def test_numbers_that_must_fit_each_other():
    Config(t1=9, t2=10, T=12)
    Config(replay_episodes=32, episodes_per_iteration=32)
    for wrong in (
        {"t1": 10},
        {"t1": 11},
        {"t2": 3},
        {"T": 11},
        {"T": 5},
        {"replay_episodes": 31},
        {"c": -2.0 * MAX_ABS},
    ):
        with pytest.raises(ConfigError, match=next(iter(wrong))):
            Config().replace(**wrong)


def test_iterations_cover_every_episode():
    assert Config(episodes=33, episodes_per_iteration=32).iterations == 2
    assert Config(episodes=64, episodes_per_iteration=32).iterations == 2


def test_a_whole_encoder_is_never_detached_and_the_policy_s_N_is_its_own():
    assert Config(N=2).encoder["N"] == 4
    assert Config(encoder_N=3).rollout["N"] == 4
    assert Config(encoder_N=3).encoder["N"] == 3
    assert Config(encoder_N=0).encoder["N"] == Config().T + 1


def test_did_you_mean_is_blind_to_case():
    assert did_you_mean("n", FIELDS) == "; did you mean 'N'?"
    assert did_you_mean("LVGTS", ALGOS) == "; did you mean 'lvgts'?"
    assert did_you_mean("zzz", ALGOS) == "; one of lvgts, lm_svg"


@given(st.text(max_size=40))
def test_any_field_name_from_outside_is_answered(name):
    if name not in FIELDS:
        for answer in (lambda: Config().replace(**{name: 1}), lambda: parse(name, "1")):
            with pytest.raises(ConfigError, match="unknown field"):
                answer()


@given(st.binary(max_size=200))
def test_any_file_is_loaded_or_answered_in_one_line(content):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "config.json"
        path.write_bytes(content)
        with pytest.raises(ConfigError) as caught:
            load(path)
    assert str(path) in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
