"""Recalibration and threshold: they mend what is bent, and leave alone what few votes show."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from local.world import make_world
from task import calibrate, metrics
from task.models.crossed import Counts, sigmoid
from tests.learning import counts_of

Floats = NDArray[np.float64]
NONE = np.zeros(1)


def slope(
    u: float,
    v: float,
    logit: NDArray[np.float64],
    like: NDArray[np.float64],
    votes: NDArray[np.float64],
) -> NDArray[np.float64]:
    """The gradient of the log posterior by u and v: 0 at its mode."""
    residual = like - votes * sigmoid(u + v * logit)
    return np.array([residual.sum() - u / 0.2**2, (residual * logit).sum() - (v - 1) / 0.1**2])


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
    drawn = rng.integers(0, 10**size + 1, 40)
    votes = drawn.astype(float)
    like = rng.binomial(drawn, sigmoid(bent[0] + bent[1] * logit)).astype(float)

    u, v = calibrate.recalibrate(logit, like, votes - like)

    assert np.abs(slope(u, v, logit, like, votes)).max() <= 1e-6 * max(votes.sum(), 1)


def test_without_votes_nothing_is_changed() -> None:
    assert calibrate.recalibrate(np.zeros(1), NONE, NONE) == (0.0, 1.0)


def test_few_votes_bend_less_than_many() -> None:
    logit = np.linspace(-2, 2, 9)
    found = []
    for votes in (10, 100_000):
        like = np.rint(votes * sigmoid(1.0 + 0.5 * logit))
        found.append(calibrate.recalibrate(logit, like, votes - like))

    (u_few, v_few), (u_many, v_many) = found
    assert 0 < u_few < u_many == pytest.approx(1.0, abs=0.01)
    assert 1 > v_few > v_many == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("kind", ["low-rank", "rules", "random"])
@pytest.mark.parametrize("shift, scale", [(0.8, 1.0), (-0.5, 2.0), (0.0, 0.5)])
def test_a_bent_model_is_mended_for_votes_that_it_was_not_mended_on(
    kind: str, shift: float, scale: float
) -> None:
    # Given a world's true probabilities, bent, and 2,000 votes
    world = make_world(kind, styles=30, seed=4)  # type: ignore[arg-type]
    bent = shift + scale * world.log_odds
    seen = counts_of(world, 2_000, seed=5)

    u, v = calibrate.recalibrate(*votes_on(bent, seen))

    before, after = (world.excess_log_loss(sigmoid(x)) for x in (bent, u + v * bent))
    assert after < before / 2


def votes_on(logit: Floats, seen: Counts, share: float = 1.0) -> tuple[Floats, Floats, Floats]:
    """The logits of cells with votes, and their likes and dislikes, each weighing `share`."""
    n, likes = seen.n[0].ravel(), seen.total[0].ravel()
    kept = n > 0
    return logit.ravel()[kept], share * likes[kept], share * (n - likes)[kept]


def test_a_good_model_is_not_harmed_by_few_votes() -> None:
    worse = []
    for seed in range(10):
        world = make_world("random", styles=30, seed=seed)
        u, v = calibrate.recalibrate(*votes_on(world.log_odds, counts_of(world, 200, seed)))
        worse.append(world.excess_log_loss(sigmoid(u + v * world.log_odds)))

    assert np.mean(worse) < 0.002


def group_sizes(people: int, votes: int) -> NDArray[np.int64]:
    return np.full(people, votes // people)


def bent_by(slope_: float, votes: int, people: int, seed: int) -> tuple[float, float]:
    """(u, v) for a model whose logits are the truth's divided by this slope."""
    world = make_world("random", styles=30, seed=seed)
    share = calibrate.effective_share(group_sizes(people, votes))
    seen = votes_on(world.log_odds / slope_, counts_of(world, votes, seed), share)
    return calibrate.recalibrate(*seen)


@pytest.mark.parametrize("seed", range(5))
def test_one_person_with_300_votes_bends_nothing(seed: int) -> None:
    u, v = bent_by(1.5, votes=300, people=1, seed=seed)

    assert abs(u) < 0.02
    assert abs(v - 1.0) < 0.02


@pytest.mark.parametrize("seed", range(5))
def test_three_thousand_people_mend_most_of_a_slope(seed: int) -> None:
    u, v = bent_by(1.5, votes=6_000, people=3_000, seed=seed)

    assert 1.25 < v <= 1.55
    assert abs(u) < 0.2


def test_votes_of_many_people_bend_more_than_as_many_of_few() -> None:
    slopes = [bent_by(1.5, votes=6_000, people=people, seed=1)[1] for people in (6, 60, 600, 6_000)]

    assert slopes == sorted(slopes)
    assert slopes[0] < 1.1 < 1.3 < slopes[-1]


@pytest.mark.parametrize(
    "sizes, share",
    [
        ([1] * 9, 1.0),  # everybody once
        ([300], 1 / 300),  # one person alone
        ([2] * 50, 0.5),
        ([98, 1, 1], 100 / 9_606),  # a loud one and two others: Kish's 1.04 groups
        ([], 1.0),
    ],
)
def test_a_vote_counts_as_its_part_of_the_effective_groups(sizes: list[int], share: float) -> None:
    assert calibrate.effective_share(np.array(sizes, dtype=np.int64)) == pytest.approx(share)


CELL = st.tuples(st.integers(1, 19), st.integers(0, 4), st.integers(0, 4))


def f1_at(threshold: float, p: Floats, like: Floats, dislike: Floats) -> float:
    return float(metrics.weighted_f1(metrics.confusion(p >= threshold, like, dislike)))


@settings(max_examples=60, deadline=None)
@given(cells=st.lists(CELL, min_size=2, max_size=10), groups=st.sampled_from([1.0, 20.0, 1e12]))
def test_the_threshold_is_the_nearest_to_one_half_within_a_standard_error_of_the_best(
    cells: list[tuple[int, int, int]], groups: float
) -> None:
    step, like, dislike = (np.array(column) for column in zip(*cells, strict=True))
    p = step / 20
    values = np.unique(p)
    assume(len(values) > 1 and (like + dislike).sum())

    found = calibrate.best_threshold(p, like, dislike, groups)

    # Given what each midpoint reaches, and the votes that it answers otherwise than the best
    midpoints = (values[:-1] + values[1:]) / 2
    reached = np.array([f1_at(m, p, like, dislike) for m in midpoints])
    best = midpoints[reached.argmax()]
    between = [((p >= m) != (p >= best)) @ (like + dislike) for m in midpoints]
    error = np.sqrt(np.array(between) / (like + dislike).sum() / groups)
    near = midpoints[reached >= reached.max() - error - 1e-12]
    assert found in midpoints
    assert abs(found - 0.5) == pytest.approx(np.abs(near - 0.5).min())
    if groups == 1e12:  # with everybody asked it is the best one itself
        assert f1_at(found, p, like, dislike) == pytest.approx(reached.max(), abs=1e-5)


def test_a_few_people_do_not_move_the_threshold_far_and_many_do() -> None:
    # Given probabilities of which the best cut is at .8
    p = np.linspace(0.05, 0.95, 19)
    like = np.where(p > 0.8, 95.0, 40.0)
    dislike = 100 - like

    cuts = [calibrate.best_threshold(p, like, dislike, groups) for groups in (4.0, 40.0, 4e4)]

    assert cuts[0] == pytest.approx(0.5, abs=0.03)
    assert cuts[0] <= cuts[1] <= cuts[2]
    assert cuts[2] > 0.7


def test_one_probability_alone_leaves_the_threshold_at_one_half() -> None:
    both = np.array([3, 1])

    assert calibrate.best_threshold(np.array([0.8, 0.8]), both, both, 4.0) == 0.5
    assert calibrate.best_threshold(np.zeros(0), both[:0], both[:0], 4.0) == 0.5
    assert calibrate.best_threshold(np.array([0.2, 0.8]), both, both, 0.0) == 0.5


def test_neighbouring_served_probabilities_are_told_apart() -> None:
    # Given two probabilities in float32 with no other between them
    low = np.float32(0.7)
    high = np.nextafter(low, np.float32(1))
    p = np.array([low, high]).astype(np.float64)

    threshold = calibrate.best_threshold(p, np.array([0, 5]), np.array([5, 0]), 10.0)

    assert (p >= threshold).tolist() == [False, True]
