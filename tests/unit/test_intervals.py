"""Intervals that know that votes come in groups."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest

from task.intervals import Interval, centred, deviation, interval, p_positive, percentiles, z

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
    assert pretended == pytest.approx(deviation(centred(values), group) / 2, rel=0.01)


def test_the_numbers_of_the_groups_mean_nothing() -> None:
    values, group = sample(), ALONE // 3
    renumbered = np.random.default_rng(2).permutation(1_000)[group].astype(np.int32)

    assert deviation(centred(values), renumbered) == pytest.approx(
        deviation(centred(values), group)
    )


def test_an_interval_is_as_wide_as_its_confidence_says() -> None:
    values = sample()
    se = deviation(centred(values), ALONE)

    found = interval(1.5, centred(values), ALONE, 0.90)

    assert found.value == 1.5
    assert found.low == pytest.approx(1.5 - 1.6449 * se, rel=1e-4)
    assert found.high == pytest.approx(1.5 + 1.6449 * se, rel=1e-4)
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
    assert deviation(nothing, nobody) == 0.0
    assert p_positive(math.nan, 1.0) is None


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
    "value, se, p",
    [
        (1.644854, 1.0, 0.05),
        (0.0, 1.0, 0.5),
        (-1.0, 1.0, 1 - NormalDist().cdf(-1.0)),
        (1.0, 0.0, 1.0),  # no spread at all is no evidence
    ],
)
def test_the_chance_of_such_a_value_from_nothing(value: float, se: float, p: float) -> None:
    assert p_positive(value, se) == pytest.approx(p, abs=1e-6)
