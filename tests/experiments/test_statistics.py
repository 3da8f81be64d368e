"""Statistics of few runs against plain loops, closed forms and simulation."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvgts_np.experiments.studies import statistics
from lvgts_np.experiments.studies.statistics import band, best, interval, iqm, paired, success

numbers = st.lists(st.floats(-3, 3), min_size=1, max_size=25)
rng = np.random.default_rng(0)
RUNS = rng.standard_normal(20)
OTHERS = RUNS + 0.3 * rng.standard_normal(20) - 0.2
ORDER = rng.permutation(20)


def iqm_by_hand(x):
    """Drop the lowest and the highest n // 4, one by one."""
    x = list(x)
    for _ in range(len(x) // 4):
        x.remove(min(x))
        x.remove(max(x))
    return sum(x) / len(x)


def interval_by_hand(groups, statistic, resamples=20_000):
    """Resample each group with replacement, and read the 2.5 and 97.5 % points off."""
    draw = np.random.default_rng(1)
    found = sorted(
        statistic([x[int(draw.integers(len(x)))] for x in groups for _ in x])
        for _ in range(resamples)
    )
    return found[round(0.025 * resamples)], found[round(0.975 * resamples)]


@given(numbers)
def test_the_interquartile_mean_is_that_of_the_loop(x):
    assert iqm(x) == pytest.approx(iqm_by_hand(x), abs=1e-12)


def test_the_interquartile_mean_forgives_five_lost_runs_of_twenty():
    assert iqm([1.9] * 15 + [-50.0] * 5) == pytest.approx(1.9)
    assert iqm([1.9] * 14 + [-50.0] * 6) < 0


@pytest.mark.parametrize(("ours", "by_hand"), [(np.mean, np.mean), (iqm, iqm_by_hand)])
def test_the_interval_is_that_of_the_loop(ours, by_hand):
    x = RUNS[:8]
    low, high = interval_by_hand([list(x)], by_hand, 5_000)
    assert interval(x, statistic=ours) == pytest.approx((low, high), abs=0.04)


def test_the_stratified_interval_is_that_of_the_loop():
    groups = [RUNS[:6], 50.0 + OTHERS[:9]]
    low, high = interval_by_hand([list(x) for x in groups], np.mean, 5_000)
    assert interval(*groups) == pytest.approx((low, high), abs=0.03)
    # Without strata the share of each group would vary, and with it the mean by many units.
    low, high = interval(np.concatenate(groups))
    assert high - low > 10


def test_the_stratified_statistic_is_over_all_groups():
    low, high = interval([0.0] * 4, [1.0] * 12)
    assert (low, high) == (0.75, 0.75)
    assert interval([0.0] * 4, [1.0] * 12, statistic=iqm) == (1.0, 1.0)


def test_the_interval_of_many_runs_is_the_normal_one():
    x = np.random.default_rng(2).standard_normal(2000)
    half = 1.96 * x.std() / math.sqrt(len(x))
    assert interval(x) == pytest.approx((x.mean() - half, x.mean() + half), rel=0.03, abs=2e-3)


@pytest.mark.parametrize(("n", "coverage"), [(20, 0.92), (5, 0.83)])
def test_the_interval_covers_as_the_module_says(n, coverage):
    low, high = interval(np.random.default_rng(n).standard_normal((n, 2000)))
    assert np.mean((low < 0) & (high > 0)) == pytest.approx(coverage, abs=0.02)
    assert f"{coverage:.0%}"[:-1] in statistics.__doc__


def test_the_order_of_the_runs_changes_no_interval():
    assert interval(RUNS[ORDER]) == interval(RUNS)
    assert interval(RUNS[ORDER], OTHERS, statistic=iqm) == interval(RUNS, OTHERS, statistic=iqm)
    for order in (rng.permutation(20) for _ in range(20)):
        assert paired(RUNS[order], OTHERS[order]) == paired(RUNS, OTHERS)
    assert success(RUNS[ORDER] > 0) == success(RUNS > 0)
    curves = np.outer(RUNS, [1.0, -2.0, 0.1])
    assert all(
        np.array_equal(*pair) for pair in zip(band(curves), band(curves[ORDER]), strict=True)
    )
    assert sorted(RUNS[ORDER][best(RUNS[ORDER])]) == sorted(RUNS[best(RUNS)])


@given(st.floats(-5, 5), st.floats(0.1, 3))
def test_shift_and_scale_move_the_interval_along(shift, scale):
    for statistic in (np.mean, iqm):
        low, high = interval(RUNS, statistic=statistic)
        moved = interval(shift + scale * RUNS, statistic=statistic)
        assert moved == pytest.approx((shift + scale * low, shift + scale * high))
    assert list(best(shift + scale * RUNS)) == list(best(RUNS))
    common = paired(shift + RUNS, shift + OTHERS)
    assert common[:4] == pytest.approx(paired(RUNS, OTHERS)[:4])
    assert common[4:] == pytest.approx(paired(RUNS, OTHERS)[4:])


def test_a_band_is_the_mean_and_the_interval_of_each_point():
    curves = np.random.default_rng(3).standard_normal((20, 7)) + np.arange(7)
    mean, low, high = band(curves)
    assert mean.shape == low.shape == high.shape == (7,)
    for point in range(7):
        assert mean[point] == pytest.approx(sum(curves[:, point]) / 20)
        assert (low[point], high[point]) == pytest.approx(interval(curves[:, point]))


def test_one_run_says_nothing_about_the_next():
    assert interval([1.3]) == (-np.inf, np.inf)
    assert interval(RUNS, [1.3]) == (-np.inf, np.inf)
    mean, low, high = band([[1.0, 2.0]])
    assert np.array_equal(mean, [1.0, 2.0])
    assert np.all(low == -np.inf)
    assert np.all(high == np.inf)


def sign_test_by_hand(wins, losses):
    """The probability of a split that is no likelier than this one."""
    n = wins + losses
    return (
        sum(math.comb(n, k) for k in range(n + 1) if math.comb(n, k) <= math.comb(n, wins)) / 2**n
    )


def wilcoxon_by_hand(d):
    """The share of all sign patterns whose rank sum is at least as far from its mean."""
    ranks = [1 + sum(abs(other) < abs(one) for other in d) for one in d]
    middle = sum(ranks) / 2
    far = abs(sum(r for r, one in zip(ranks, d, strict=True) if one > 0) - middle)
    patterns = list(itertools.product((0, 1), repeat=len(d)))
    sums = [sum(r * s for r, s in zip(ranks, pattern, strict=True)) for pattern in patterns]
    return sum(abs(one - middle) >= far for one in sums) / len(patterns)


@pytest.mark.parametrize("n", [3, 6, 9])
@pytest.mark.parametrize("start", range(4))
def test_pairs_are_those_of_the_loops(n, start):
    x, y = RUNS[start : start + n], OTHERS[start : start + n]
    d, found = [a - b for a, b in zip(x, y, strict=True)], paired(x, y)
    wins = sum(one > 0 for one in d)
    assert (found.n, found.wins, found.losses) == (n, wins, n - wins)
    assert found.mean == pytest.approx(sum(d) / n)
    assert (found.low, found.high) == interval(np.array(d))
    assert found.sign_p == pytest.approx(sign_test_by_hand(wins, n - wins))
    assert found.wilcoxon_p == pytest.approx(wilcoxon_by_hand(d))


def test_differences_of_zero_are_left_out_of_the_tests_but_not_of_the_mean():
    x, y = RUNS[:9], OTHERS[:9]
    plain, padded = paired(x, y), paired([*x, 1, 2, 3], [*y, 1, 2, 3])
    assert padded[4:] == plain[4:]
    assert padded.n == 12
    assert padded.mean == pytest.approx(plain.mean * 9 / 12)
    assert paired([1, 2], [1, 2]) == (2, 0.0, 0.0, 0.0, 0, 0, 1.0, 1.0)


def test_swapped_pairs_mirror():
    there, back = paired(RUNS, OTHERS), paired(OTHERS, RUNS)
    assert back.mean == pytest.approx(-there.mean)
    assert (back.wins, back.losses) == (there.losses, there.wins)
    assert back[6:] == pytest.approx(there[6:])


def test_pairing_takes_out_what_seeds_have_in_common():
    hard = np.linspace(-10, 10, 20)
    found = paired(hard + 0.5 + 0.1 * RUNS, hard)
    assert 0.4 < found.low < found.high < 0.6
    assert found.wins == 20
    assert found.sign_p == pytest.approx(2 / 2**20)
    assert found.wilcoxon_p == pytest.approx(2 / 2**20)


@given(st.integers(1, 60), st.data())
def test_the_interval_of_a_count_is_wilson_s(n, data):
    k, z = data.draw(st.integers(0, n)), 1.959963984540054
    centre = (k / n + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(k / n * (1 - k / n) / n + z**2 / (4 * n**2))
    found = success([True] * k + [False] * (n - k))
    assert found == pytest.approx((k, n, centre - half, centre + half), abs=1e-12)


def test_the_counts_that_are_often_quoted():
    assert success([1] * 15 + [0] * 5) == pytest.approx((15, 20, 0.53, 0.89), abs=0.005)
    assert success([1] * 20) == pytest.approx((20, 20, 0.84, 1.0), abs=0.005)


@given(numbers)
def test_the_best_are_those_that_the_loop_keeps(x):
    kept, left = [], list(range(len(x)))
    while 4 * len(kept) < 3 * len(x):
        kept.append(max(left, key=lambda at: (x[at], -at)))
        left.remove(kept[-1])
    assert list(best(x)) == sorted(kept)


def test_the_best_of_twenty_are_fifteen():
    assert list(best(np.arange(20.0))) == list(range(5, 20))


def test_the_paper_s_rule_lifts_the_mean_and_hides_the_spread():
    x = np.random.default_rng(4).standard_normal((4000, 20))
    kept = np.array([one[best(one)] for one in x])
    assert kept.mean() == pytest.approx(0.40, abs=0.01)
    assert kept.std(axis=1, ddof=1).mean() == pytest.approx(0.73, abs=0.01)


BAD = [[], [1.0, np.nan], [1.0, None], [np.inf, 1.0]]


@pytest.mark.parametrize("x", BAD, ids=str)
@pytest.mark.parametrize("statistic", [iqm, interval, band, success, best])
def test_missing_numbers_are_one_clear_error(statistic, x):
    with pytest.raises(ValueError, match=r"^runs of shape .*a finite number for every run[^\n]*$"):
        statistic(x)


@pytest.mark.parametrize("x", BAD, ids=str)
def test_missing_numbers_in_pairs_and_groups(x):
    for call in (lambda: paired(x, x), lambda: paired([1, 2], x), lambda: interval(RUNS, x)):
        with pytest.raises(ValueError, match=r"^runs of shape"):
            call()


def test_pairs_need_as_many_of_each():
    with pytest.raises(ValueError, match=r"^2 runs against 3"):
        paired([1, 2], [1, 2, 3])
