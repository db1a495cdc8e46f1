"""Intervals that know that votes come in groups."""

from __future__ import annotations

import math
from collections.abc import Callable
from time import perf_counter

import numpy as np
import pytest
from scipy import stats

from task.intervals import (
    Interval,
    Paired,
    centred,
    deviation,
    effective_groups,
    interval,
    p_positive,
    paired,
    percentiles,
    z,
)
from task.student import student_cdf, student_quantile, student_tail

ALONE = np.arange(400, dtype=np.int32)


def sample(n: int = 400) -> np.ndarray:
    return np.random.default_rng(1).normal(2.0, 3.0, n)


def test_votes_of_different_people_have_the_usual_standard_error() -> None:
    values = sample()

    assert deviation(centred(values), ALONE) == pytest.approx(values.std(ddof=1) / 20)


def test_repeating_each_persons_votes_adds_no_certainty() -> None:
    # Given the same values once, and four times from the same people
    values, group = sample(), ALONE
    again, groups = np.tile(values, 4), np.tile(group, 4)

    assert deviation(centred(again), groups) == pytest.approx(deviation(centred(values), group))
    pretended = deviation(centred(again), np.arange(1600, dtype=np.int32))
    assert pretended == pytest.approx(known(deviation(centred(values), group)) / 2, rel=0.01)


def test_the_numbers_of_the_groups_mean_nothing() -> None:
    values, group = sample(), ALONE // 3
    renumbered = np.random.default_rng(2).permutation(1_000)[group].astype(np.int32)

    assert deviation(centred(values), renumbered) == pytest.approx(
        deviation(centred(values), group)
    )


def test_an_interval_is_as_wide_as_its_confidence_says() -> None:
    values = sample()
    se = known(deviation(centred(values), ALONE))
    t = float(stats.t.ppf(0.95, 399))

    found = interval(1.5, centred(values), ALONE, 0.90)

    assert found.value == 1.5
    assert found.low == pytest.approx(1.5 - t * se)
    assert found.high == pytest.approx(1.5 + t * se)
    assert found.n == 400


def test_an_interval_covers_the_truth_as_often_as_it_says() -> None:
    # Given groups of five votes that share a taste, 400 times over
    rng, covered = np.random.default_rng(3), 0
    group = np.repeat(np.arange(40, dtype=np.int32), 5)
    for _ in range(400):
        values = rng.normal(size=40)[group] + rng.normal(size=200)
        found = interval(float(values.mean()), centred(values), group, 0.90)
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= 0.0 <= found.high

    assert 0.86 <= covered / 400 <= 0.94


def test_one_group_shows_no_spread_so_the_ends_are_unknown() -> None:
    values = sample(30)
    one = np.full(30, 7, dtype=np.int32)

    assert interval(0.7, centred(values), one, 0.90) == Interval(
        value=0.7, low=None, high=None, n=30
    )
    assert interval(0.7, centred(values), one, 0.0).low == 0.7


def test_without_votes_or_value_there_is_no_interval() -> None:
    nothing, nobody = np.zeros(0), np.zeros(0, dtype=np.int32)
    unknown = Interval(value=None, low=None, high=None, n=0)

    assert interval(0.0, nothing, nobody, 0.90) == unknown
    assert interval(math.nan, sample(), ALONE, 0.90, n=0) == unknown
    assert percentiles(math.nan, np.full(10, np.nan), 0, 0.90) == unknown
    assert deviation(nothing, nobody) is None
    assert p_positive(math.nan, 1.0, 9) is None
    assert p_positive(None, None, 0) is None
    assert effective_groups(np.zeros(0)) == 0.0
    assert paired(nothing, nobody) == Paired(
        value=None, deviation=None, jackknife=None, groups=0, effective_groups=0.0
    )


def test_percentiles_cut_off_the_same_share_at_both_ends() -> None:
    draws = np.random.default_rng(4).permutation(np.linspace(0.0, 1.0, 2001))

    found = percentiles(0.4, draws, 50, 0.90)

    assert (found.value, found.n) == (0.4, 50)
    assert found.low == pytest.approx(0.05)
    assert found.high == pytest.approx(0.95)


def test_confidence_zero_is_the_plain_value() -> None:
    draws = np.linspace(0.0, 1.0, 11)

    assert percentiles(0.4, draws, 9, 0.0) == Interval(value=0.4, low=0.4, high=0.4, n=9)
    assert z(0.0) == 0.0
    assert z(0.90) == pytest.approx(1.644854, abs=1e-6)


@pytest.mark.parametrize(
    "value, se, groups, p",
    [
        (1.644854, 1.0, 1e9, 0.05),  # many groups: the normal
        (1.859548, 1.0, 9, 0.05),  # eight degrees of freedom
        (0.0, 1.0, 9, 0.5),
        (-1.0, 1.0, 5.5, float(stats.t.sf(-1.0, 4.5))),  # effective groups need not be whole
        (1.0, 0.0, 9, 1.0),  # no spread at all is no evidence
    ],
)
def test_the_chance_of_such_a_value_from_nothing(
    value: float, se: float, groups: float, p: float
) -> None:
    assert p_positive(value, se, groups) == pytest.approx(p, abs=1e-6)


def test_fewer_than_two_effective_groups_have_no_p_value_and_no_interval() -> None:
    # Given one person with 400 votes beside nine with one
    loud = np.r_[np.zeros(400), np.arange(1, 10)].astype(np.int64)
    values = sample(409)

    found = paired(values, loud)

    assert found.groups == 10
    assert found.effective_groups == pytest.approx(409**2 / (400**2 + 9))
    assert found.deviation is not None
    assert p_positive(found.value, found.deviation, found.effective_groups) is None
    assert interval(0.7, centred(values), loud, 0.9).low is None
    assert deviation(centred(values), np.zeros(409, dtype=np.int64)) is None
    assert p_positive(1.0, None, 1) is None
    # Then two people with one vote each are enough, if barely
    assert p_positive(1.0, 1.0, 2.0) == pytest.approx(0.25)


def test_equal_groups_count_each_and_a_loud_one_counts_about_one() -> None:
    assert effective_groups(np.full(30, 7)) == pytest.approx(30)
    assert effective_groups(np.r_[np.full(9, 1), 1000]) == pytest.approx(1.02, abs=0.01)


@pytest.mark.parametrize("df", [1.0, 1.3, 2.0, 4.5, 8.0, 29.0, 199.0, 5e3, 9e4, 2e5, 1e7])
def test_students_t_agrees_with_scipy(df: float) -> None:
    for t in (-30.0, -2.0, 0.0, 1e-6, 0.3, 1.0, 1.7, 3.1, 8.0):
        assert student_cdf(t, df) == pytest.approx(stats.t.cdf(t, df), abs=1e-9)
    for p in (0.001, 0.05, 0.5, 0.9, 0.95, 1 - 0.05 / 52, 0.99999):
        assert student_quantile(p, df) == pytest.approx(stats.t.ppf(p, df), rel=1e-7, abs=1e-6)
    assert student_tail(6.0, df) == pytest.approx(stats.t.sf(6.0, df), rel=1e-5)


def test_students_t_without_degrees_of_freedom_or_at_the_ends_is_refused() -> None:
    for p, df in ((0.5, 0.0), (0.0, 3.0), (1.0, 3.0), (0.9, math.nan)):
        with pytest.raises(ValueError, match="must be"):
            student_quantile(p, df)
    with pytest.raises(ValueError, match="df must be above 0, got -1"):
        student_tail(1.0, -1.0)
    assert (student_tail(math.inf, 3), student_tail(-math.inf, 3)) == (0.0, 1.0)


def test_a_paired_mean_has_the_standard_error_of_its_formula() -> None:
    rng = np.random.default_rng(5)
    group, values = rng.geometric(0.05, 300), rng.normal(0.1, 1.0, 300)
    sums = np.array([values[group == g].sum() for g in np.unique(group)])
    sizes = np.array([(group == g).sum() for g in np.unique(group)])
    many, mean = len(sums), values.mean()

    found = paired(values, group)

    assert found.value == pytest.approx(mean)
    square = many / (many - 1) * ((sums - sizes * mean) ** 2).sum() / 300**2
    assert found.deviation == pytest.approx(math.sqrt(square))
    assert found.deviation == pytest.approx(deviation(centred(values), group))
    without = np.array([values[group != g].mean() for g in np.unique(group)])
    square = (many - 1) / many * ((without - mean) ** 2).sum()
    assert found.jackknife == pytest.approx(math.sqrt(square))


def test_the_jackknife_is_no_wider_for_equal_groups_and_wider_where_one_is_loud() -> None:
    values, equal = sample(), ALONE // 4
    loud = np.minimum(ALONE, 40)

    same, wider = paired(values, equal), paired(values, loud)

    assert known(same.jackknife) == pytest.approx(known(same.deviation))
    assert known(wider.jackknife) > 1.5 * known(wider.deviation)


def test_votes_that_all_agree_are_no_less_sure_than_their_chance_allows() -> None:
    # Given nine likes of nine people, of chance .95, and a challenger who says a little less
    values, variance = np.full(9, 0.054), np.full(9, 0.075 * 0.925 * 0.747**2)

    found = paired(values, np.arange(9), variance=variance)

    assert known(found.deviation) == pytest.approx(0, abs=1e-12)
    assert known(found.jackknife) == pytest.approx(math.sqrt(variance[0] / 9))
    assert known(p_positive(found.value, found.jackknife, found.effective_groups)) > 0.1


@pytest.mark.parametrize(
    "labels",
    [lambda rng: rng.permutation(400) - 200, lambda rng: rng.integers(-(2**62), 2**62, 400)],
    ids=["small and negative", "hashes"],
)
def test_a_group_may_have_any_number_for_a_label(
    labels: Callable[[np.random.Generator], np.ndarray],
) -> None:
    values, group = sample(), ALONE // 3
    renamed = labels(np.random.default_rng(6))[group]

    ours, theirs = paired(values, group), paired(values, renamed)

    assert (ours.groups, ours.effective_groups) == (theirs.groups, theirs.effective_groups)
    assert known(ours.deviation) == pytest.approx(known(theirs.deviation))
    assert known(ours.jackknife) == pytest.approx(known(theirs.jackknife))


def test_a_million_votes_under_hashed_labels_take_well_under_a_second() -> None:
    rng = np.random.default_rng(7)
    group = rng.integers(-(2**62), 2**62, 500_000)[rng.integers(0, 500_000, 1_000_000)]
    values = rng.normal(size=1_000_000)

    started = perf_counter()
    paired(values, group)

    assert perf_counter() - started < 1.0


def geometric(groups: int, rng: np.random.Generator) -> np.ndarray:
    return rng.geometric(0.5, groups)


def heavy(groups: int, rng: np.random.Generator) -> np.ndarray:
    """Pareto's tail of index 0.9: nearly half vote once, a few hundreds of times."""
    return np.minimum((1 - rng.random(groups)) ** (-1 / 0.9), 800).astype(np.int64)


@pytest.mark.parametrize("sizes", [geometric, heavy])
@pytest.mark.parametrize("groups", [9, 30, 200])
@pytest.mark.parametrize("ours, theirs", [(0.811, 0.63687), (0.63687, 0.811)])
def test_equal_models_are_called_worse_in_about_one_of_twenty_looks(
    sizes: Callable[[int, np.random.Generator], np.ndarray],
    groups: int,
    ours: float,
    theirs: float,
) -> None:
    # Given two constants, one on each side of the like rate, of the same expected log-loss, so
    # that differences are never 0 and lean to one side; votes of one person resemble each other
    rng, looks, alarms = np.random.default_rng(8), 1_000, 0
    like, dislike = math.log(theirs / ours), math.log((1 - theirs) / (1 - ours))
    rate = -dislike / (like - dislike)
    assert 0.7 < rate < 0.76
    edge = float(stats.norm.ppf(rate))
    for _ in range(looks):
        group = np.repeat(np.arange(groups), sizes(groups, rng))
        own = rng.normal(size=groups)[group]
        liked = math.sqrt(0.1) * own + math.sqrt(0.9) * rng.normal(size=len(group)) < edge
        p = (ours + theirs) / 2
        variance = np.full(len(group), p * (1 - p) * (like - dislike) ** 2)
        found = paired(np.where(liked, like, dislike), group, variance=variance)
        p_value = p_positive(found.value, found.jackknife, found.effective_groups)
        alarms += p_value is not None and p_value <= 0.05

    assert alarms / looks <= 0.06


def known(value: float | None) -> float:
    assert value is not None
    return value
