"""Recalibration and threshold: they mend what is bent, and leave alone what few votes show."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from local.world import make_world
from task import calibrate, metrics
from task.models.hierarchical import sigmoid
from tests.learning import counts_of

NONE = np.zeros(1, dtype=np.int64)


def slope(
    u: float,
    v: float,
    logit: NDArray[np.float64],
    like: NDArray[np.int64],
    votes: NDArray[np.int64],
) -> NDArray[np.float64]:
    """The gradient of the log posterior by u and v: 0 at its mode."""
    residual = like - votes * sigmoid(u + v * logit)
    return np.array([residual.sum() - u / 0.5**2, (residual * logit).sum() - (v - 1) / 0.25**2])


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    size=st.integers(0, 6),
    bent=st.tuples(st.floats(-6, 6), st.floats(-4, 4)),
)
def test_the_result_is_the_mode_of_the_posterior(
    seed: int, size: int, bent: tuple[float, float]
) -> None:
    # Given votes from a handful to many millions, from probabilities bent in any way
    rng = np.random.default_rng(seed)
    logit = rng.normal(rng.normal() * 3, 2.0, 40)
    votes = rng.integers(0, 10**size + 1, 40)
    like = rng.binomial(votes, sigmoid(bent[0] + bent[1] * logit))

    u, v = calibrate.recalibrate(logit, like, votes - like)

    assert np.abs(slope(u, v, logit, like, votes)).max() <= 1e-6 * max(votes.sum(), 1)


def test_without_votes_nothing_is_changed() -> None:
    assert calibrate.recalibrate(np.zeros(1), NONE, NONE) == (0.0, 1.0)


def test_few_votes_bend_less_than_many() -> None:
    logit = np.linspace(-2, 2, 9)
    found = []
    for votes in (10, 100_000):
        like = np.rint(votes * sigmoid(1.0 + 0.5 * logit)).astype(np.int64)
        found.append(calibrate.recalibrate(logit, like, votes - like))

    (u_few, v_few), (u_many, v_many) = found
    assert 0 < u_few < u_many == pytest.approx(1.0, abs=0.01)
    assert 1 > v_few > v_many == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("kind", ["low-rank", "rules", "random"])
@pytest.mark.parametrize("shift, scale", [(0.8, 1.0), (-0.5, 2.0), (0.0, 0.5)])
def test_a_bent_model_is_mended_for_votes_that_it_was_not_mended_on(
    kind: str, shift: float, scale: float
) -> None:
    # Given a world's true probabilities, bent, and 400 validation votes
    world = make_world(kind, styles=30, seed=4)  # type: ignore[arg-type]
    bent = shift + scale * world.log_odds
    seen = counts_of(world, 400, seed=5)
    like = seen.total.astype(np.int64)

    u, v = calibrate.recalibrate(bent[seen.codes], like, seen.n.astype(np.int64) - like)

    before, after = (world.excess_log_loss(sigmoid(x)) for x in (bent, u + v * bent))
    assert after < before / 2


def test_a_good_model_is_not_harmed_by_few_votes() -> None:
    worse = []
    for seed in range(10):
        world = make_world("random", styles=30, seed=seed)
        seen = counts_of(world, calibrate.MIN_VOTES, seed)
        like = seen.total.astype(np.int64)
        logit = world.log_odds[seen.codes]
        u, v = calibrate.recalibrate(logit, like, seen.n.astype(np.int64) - like)
        worse.append(world.excess_log_loss(sigmoid(u + v * world.log_odds)))

    assert np.mean(worse) < 0.006


CELL = st.tuples(st.integers(1, 19), st.integers(0, 4), st.integers(0, 4))


@settings(max_examples=60, deadline=None)
@given(cells=st.lists(CELL, min_size=2, max_size=10))
def test_no_midpoint_has_a_better_f1_and_none_as_good_is_nearer_to_one_half(
    cells: list[tuple[int, int, int]],
) -> None:
    step, like, dislike = (np.array(column) for column in zip(*cells, strict=True))
    p = step / 20
    values = np.unique(p)
    assume(len(values) > 1 and (like + dislike).sum())

    found = calibrate.best_threshold(p, like, dislike)

    def f1(threshold: float) -> float:
        return float(metrics.weighted_f1(metrics.confusion(p >= threshold, like, dislike)))

    midpoints = (values[:-1] + values[1:]) / 2
    assert found in midpoints
    best = max(f1(m) for m in midpoints)
    assert f1(found) == pytest.approx(best, abs=1e-12)
    as_good = [m for m in midpoints if f1(m) >= best - 1e-12]
    assert abs(found - 0.5) == pytest.approx(min(abs(m - 0.5) for m in as_good))


def test_one_probability_alone_leaves_the_threshold_at_one_half() -> None:
    both = np.array([3, 1])

    assert calibrate.best_threshold(np.array([0.8, 0.8]), both, both) == 0.5
    assert calibrate.best_threshold(np.zeros(0), both[:0], both[:0]) == 0.5


def test_neighbouring_served_probabilities_are_told_apart() -> None:
    # Given two probabilities in float32 with no other between them
    low = np.float32(0.7)
    high = np.nextafter(low, np.float32(1))
    p = np.array([low, high]).astype(np.float64)

    threshold = calibrate.best_threshold(p, np.array([0, 5]), np.array([5, 0]))

    assert (p >= threshold).tolist() == [False, True]
