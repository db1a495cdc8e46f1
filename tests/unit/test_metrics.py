"""Metrics where they are not obvious: nothing to score, one class, ties, ends of curves."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from task import metrics

NOBODY = np.zeros(0)
NO_VOTES = np.zeros(0, dtype=np.int64)


def counts(*values: int) -> NDArray[np.int64]:
    return np.array(values, dtype=np.int64)


def test_without_votes_there_is_no_figure() -> None:
    assert math.isnan(metrics.log_loss(NOBODY, NO_VOTES, NO_VOTES))
    assert math.isnan(metrics.brier(NOBODY, NO_VOTES, NO_VOTES))
    assert math.isnan(metrics.auc(NOBODY, NO_VOTES, NO_VOTES))
    assert math.isnan(metrics.calibration_error(NOBODY, NO_VOTES, NO_VOTES))
    assert metrics.roc(NOBODY, NO_VOTES, NO_VOTES) == []
    nothing = metrics.confusion(NOBODY > 0, NO_VOTES, NO_VOTES)
    assert math.isnan(float(metrics.weighted_f1(nothing)))
    assert math.isnan(float(metrics.accuracy(nothing)))


@pytest.mark.parametrize("like, dislike", [(3, 0), (0, 3)])
def test_one_class_alone_has_no_auc_and_no_roc(like: int, dislike: int) -> None:
    p = np.array([0.2, 0.7])

    assert math.isnan(metrics.auc(p, counts(like, like), counts(dislike, dislike)))
    assert metrics.roc(p, counts(like, like), counts(dislike, dislike)) == []


@pytest.mark.parametrize(
    "table, f1",
    [
        ([[0, 0], [0, 5]], 1.0),  # only likes, all found
        ([[5, 0], [0, 0]], 1.0),  # only dislikes, all found
        ([[0, 5], [0, 0]], 0.0),  # only dislikes, none found
        ([[0, 5], [0, 5]], (2 / 3) / 2),  # always like: F1 of like is 2/3, of dislike 0
        ([[3, 1], [2, 4]], 0.4 * (6 / 9) + 0.6 * (8 / 11)),  # worked by hand
    ],
)
def test_weighted_f1_of_small_tables(table: list[list[int]], f1: float) -> None:
    assert float(metrics.weighted_f1(np.array(table))) == pytest.approx(f1)


def test_weighted_f1_of_many_tables_is_that_of_each() -> None:
    tables = np.arange(24).reshape(3, 2, 2, 2)

    many = metrics.weighted_f1(tables)

    assert many.shape == (3, 2)
    each = [[float(metrics.weighted_f1(one)) for one in row] for row in tables]
    assert many.tolist() == each


def test_precision_is_zero_when_nothing_was_answered_like_and_recall_without_likes() -> None:
    assert float(metrics.precision(np.array([[3, 0], [2, 0]]))) == 0.0
    assert float(metrics.recall(np.array([[3, 1], [0, 0]]))) == 0.0


def test_probabilities_of_zero_and_one_have_a_finite_loss() -> None:
    loss = metrics.log_loss(np.array([0.0, 1.0]), counts(1, 0), counts(0, 1))

    assert loss == pytest.approx(-math.log(metrics.CLIP), rel=1e-6)


def test_a_probability_of_one_is_in_the_last_bin() -> None:
    assert metrics.bins(np.array([0.0, 0.05, 0.1, 0.95, 1.0])).tolist() == [0, 0, 1, 9, 9]


def test_gaps_of_one_bin_cancel_and_gaps_of_two_bins_do_not() -> None:
    # Given a like at .4 and a dislike at .4 or .6: in one bin they average out to .5
    together = metrics.calibration_error(np.array([0.45]), counts(1), counts(1))
    apart = metrics.calibration_error(np.array([0.4, 0.6]), counts(1, 0), counts(0, 1))

    assert together == pytest.approx(0.05)
    assert apart == pytest.approx(0.6)


def test_the_roc_goes_from_corner_to_corner_and_up() -> None:
    rng = np.random.default_rng(1)
    p, like, dislike = rng.random(500), rng.integers(0, 5, 500), rng.integers(0, 5, 500)

    curve = metrics.roc(p, like, dislike, points=21)

    assert len(curve) == 21
    assert (curve[0], curve[-1]) == ([0.0, 0.0], [1.0, 1.0])
    steps = np.diff(np.array(curve), axis=0)
    assert (steps >= 0).all()
    whole = metrics.roc(p, like, dislike, points=10_000)
    x, y = np.array(whole).T
    area = float((np.diff(x) * (y[1:] + y[:-1]) / 2).sum())
    assert area == pytest.approx(metrics.auc(p, like, dislike), abs=1e-5)


@settings(max_examples=40, deadline=None)
@given(
    cells=st.lists(
        st.tuples(st.sampled_from([0.1, 0.5, 0.9]), st.integers(0, 3), st.integers(0, 3)),
        min_size=1,
        max_size=8,
    )
)
def test_placements_average_to_the_auc_from_both_sides(
    cells: list[tuple[float, int, int]],
) -> None:
    p, like, dislike = (np.array(column) for column in zip(*cells, strict=True))
    assume(like.sum() and dislike.sum())

    of_like, of_dislike = metrics.placements(p, like, dislike)

    auc = metrics.auc(p, like, dislike)
    assert of_like @ like / like.sum() == pytest.approx(auc)
    assert of_dislike @ dislike / dislike.sum() == pytest.approx(auc)
