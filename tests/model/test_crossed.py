"""The fit of crossed effects: it agrees with a dense oracle, it settles, a batch is its fits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from statistics import median

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bench.worlds import fold_of
from local.world import KINDS, Kind, World, make_world
from task.folds import FOLDS, learned_from
from task.models import crossed
from task.models.crossed import GROUPINGS, Counts, Effects, Offset, fit, sigmoid, table
from task.models.variances import Variances
from tests.learning import counts_of, one_fit
from tests.model.dense import as_columns, dense

Floats = NDArray[np.float64]
SMALL = (3, 2, 5)
FIGURE_1 = [(kind, seed) for kind in KINDS for seed in range(5)]
"""The worlds of `bench 1` at 10,000 votes and 50 styles."""
OLD_MEDIAN = 0.01880
"""Median excess over them of the fit before this one, 40 sweeps on 70 % of the votes."""


def figure_1(kind: Kind, seed: int) -> tuple[World, Counts]:
    world = make_world(kind, styles=50, seed=100 + seed)
    return world, counts_of(world, 10_000, seed)


def some_votes(seed: int, sizes: tuple[int, int, int] = SMALL, most: int = 30) -> Counts:
    """Votes in every cell, liked by chance."""
    rng = np.random.default_rng(seed)
    n = rng.integers(1, most, sizes)
    return one_fit(n, rng.binomial(n, sigmoid(rng.normal(0.5, 1.0, sizes))))


def word_on(sizes: tuple[int, int, int], seed: int = 1) -> Offset:
    values = np.random.default_rng(seed).normal(size=(1, *sizes))
    known = np.ones(sizes[0], dtype=bool), np.ones(sizes[1], dtype=bool)
    return Offset(values=values, faces=known[0], tones=known[1])


def of_one(found: Effects) -> dict[str, float]:
    return {name: float(values[0]) for name, values in found.variances.items()}


@pytest.fixture
def fixed_variances(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variances stay those of the prior."""

    def stay(self: Variances, names: object, part: NDArray[np.bool_], *_: object) -> Floats:
        return np.zeros(int(part.sum()))

    monkeypatch.setattr(Variances, "score", stay)


@pytest.mark.usefixtures("fixed_variances")
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("trusted", [False, True])
def test_for_given_variances_every_effect_is_at_the_mode_of_a_dense_logistic_regression(
    seed: int, trusted: bool
) -> None:
    counts, word = some_votes(seed), word_on(SMALL, seed) if trusted else None

    found = fit(counts, word)

    oracle = dense(counts, of_one(found), None if word is None else word.values[0])
    assert as_columns(found, trusted=trusted) == pytest.approx(oracle.mode(), abs=1e-5)


@pytest.mark.parametrize("seed", range(4))
def test_the_deviation_of_trust_is_marginal_over_all_that_is_not_known(seed: int) -> None:
    counts, word = some_votes(seed, most=8), word_on(SMALL, seed)

    found = fit(counts, word)

    oracle = dense(counts, of_one(found), word.values[0])
    at = as_columns(found, trusted=True)
    inverse = np.linalg.inv(oracle.bend(at))
    assert float(found.trust_deviation[0]) == pytest.approx(inverse[1, 1] ** 0.5, rel=1e-3)
    # And wider than what all else being known would leave
    assert float(found.trust_deviation[0]) > 1.05 * oracle.bend(at)[1, 1] ** -0.5


@pytest.mark.parametrize("kind, seed", FIGURE_1)
def test_a_fit_settles_where_the_posterior_is_flat(kind: Kind, seed: int) -> None:
    _, counts = figure_1(kind, seed)

    found = fit(counts)

    assert found.settled
    assert found.rounds <= 30
    left = dense(counts, of_one(found)).newton(as_columns(found))
    assert np.abs(left).max() < 1e-4


def alone(at: tuple[int | slice, ...], n: float, likes: float) -> Counts:
    votes, total = np.zeros((6, 3, 40)), np.zeros((6, 3, 40))
    votes[at], total[at] = n, likes
    return one_fit(votes, total)


def one_vote_a_style() -> Counts:
    rng = np.random.default_rng(0)
    n = np.zeros((6, 3, 500))
    n[rng.integers(0, 6, 500), rng.integers(0, 3, 500), np.arange(500)] = 1
    return one_fit(n, n * (rng.random((6, 3, 500)) < 0.7))


EVERY = slice(None)
UGLY: dict[str, Callable[[], Counts]] = {
    "no vote": lambda: alone((1, 1, 1), 0, 0),
    "one vote": lambda: alone((1, 1, 1), 1, 1),
    "one style": lambda: alone((EVERY, EVERY, 3), 20, 8),
    "one face": lambda: alone((2, EVERY, EVERY), 5, 3),
    "all likes": lambda: alone((EVERY, EVERY, EVERY), 20, 20),
    "a million votes in one cell": lambda: alone((1, 1, 1), 1e6, 6e5),
    "a million likes in one cell": lambda: alone((1, 1, 1), 1e6, 1e6),
    "one vote on each of 500 styles": one_vote_a_style,
}


@pytest.mark.parametrize("name", UGLY)
def test_ugly_votes_settle_on_finite_answers_that_further_rounds_do_not_move(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = UGLY[name]()
    found = fit(counts)

    assert found.settled
    assert np.isfinite(table(found, counts.sizes)).all()
    further(monkeypatch)
    later = fit(counts)
    assert table(later, counts.sizes) == pytest.approx(table(found, counts.sizes), abs=1e-3)
    for grouping in GROUPINGS:  # also where one face or style alone leaves answers at once
        assert later.variances[grouping] == pytest.approx(found.variances[grouping], rel=0.02)


def further(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on nothing settles, so a fit makes so many rounds."""
    monkeypatch.setattr(crossed, "ROUNDS", 60)
    monkeypatch.setattr(crossed, "TOLERANCE", -1.0)


@pytest.mark.parametrize("votes", [200, 10_000, 1_000_000])
def test_a_settled_fit_is_not_moved_by_further_rounds(
    votes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = counts_of(make_world("rules", styles=30, seed=1), votes, seed=1)
    found = table(fit(counts), counts.sizes)

    further(monkeypatch)

    assert table(fit(counts), counts.sizes) == pytest.approx(found, abs=5e-4)


def test_too_few_rounds_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    _, counts = figure_1("rules", 1)
    monkeypatch.setattr(crossed, "ROUNDS", 2)

    found = fit(counts)

    assert (found.rounds, found.settled) == (2, False)


def batch(seed: int, scored: bool) -> Counts:
    """All sixteen fits of a training on 2,000 votes."""
    world = make_world("rules", styles=20, seed=seed)
    votes = world.sample(2_000, seed)
    shape = (FOLDS, *world.p_like.shape)
    fold = fold_of(votes.group, seed)
    at = np.ravel_multi_index((fold.astype(int), votes.face, votes.tone, votes.style), shape)
    length = int(np.prod(shape))
    value = votes.score if scored else votes.like.astype(float)
    mask = learned_from().astype(float)
    n, total = (
        np.einsum("kf,f...->k...", mask, np.bincount(at, weights, length).reshape(shape))
        for weights in (None, value)
    )
    squares: Floats = mask @ np.bincount(fold, value**2, FOLDS)
    return Counts(n=n, total=total, squares=squares if scored else None)


@pytest.mark.parametrize("scored", [False, True])
@pytest.mark.parametrize("trusted", [False, True])
def test_a_batch_of_fits_is_each_of_them_alone(scored: bool, trusted: bool) -> None:
    counts = batch(1, scored)
    one_word = word_on(counts.sizes) if trusted else None
    words = one_word and replace(one_word, values=np.repeat(one_word.values, len(counts.n), axis=0))

    together = fit(counts, words)

    assert together.settled
    tables = table(together, counts.sizes)
    for k in range(len(counts.n)):
        squares = None if counts.squares is None else counts.squares[[k]]
        single = Counts(n=counts.n[[k]], total=counts.total[[k]], squares=squares)
        one = fit(single, one_word)
        assert table(one, counts.sizes)[0] == pytest.approx(tables[k], abs=1e-9)
        assert one.trust_deviation[0] == pytest.approx(together.trust_deviation[k], abs=1e-9)
        part = together.of(k)
        assert one.variances["style"] == pytest.approx(part.variances["style"], rel=1e-9)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_the_names_of_styles_faces_and_tones_mean_nothing(seed: int) -> None:
    # Given the same votes with all levels numbered otherwise
    counts = counts_of(make_world("rules", styles=30, seed=1), 400, seed=1)
    rng = np.random.default_rng(seed)
    order = np.ix_(np.zeros(1, dtype=int), *(rng.permutation(size) for size in counts.sizes))
    renamed = Counts(n=counts.n[order], total=counts.total[order])

    ours, theirs = (table(fit(each), each.sizes) for each in (counts, renamed))

    assert ours[order] == pytest.approx(theirs, abs=1e-8)


def test_levels_that_nobody_has_voted_on_change_nothing_for_the_others() -> None:
    counts = counts_of(make_world("rules", styles=30, seed=1), 500, seed=1)
    wider = Counts(
        n=np.pad(counts.n, ((0, 0), (0, 1), (0, 2), (0, 3))),
        total=np.pad(counts.total, ((0, 0), (0, 1), (0, 2), (0, 3))),
    )

    narrow, wide = (table(fit(each), each.sizes) for each in (counts, wider))

    faces, tones, styles = counts.sizes
    assert np.array_equal(wide[:, :faces, :tones, :styles], narrow)


def test_at_ten_thousand_votes_no_world_knows_a_better_fit_of_the_past() -> None:
    # Given the same seven tenths of the votes that the fit before this one was measured on
    found = []
    for kind, seed in FIGURE_1:
        world = make_world(kind, styles=50, seed=100 + seed)
        votes = world.sample(10_000, seed)
        learned = fold_of(votes.group, seed) < 7
        shape = world.p_like.shape
        at = np.ravel_multi_index((votes.face, votes.tone, votes.style), shape)[learned]
        n, likes = (
            np.bincount(at, weights, world.p_like.size).reshape(shape)
            for weights in (None, votes.like[learned])
        )
        counts = one_fit(n, likes)
        found.append(world.excess_log_loss(sigmoid(table(fit(counts), shape)[0])))

    assert median(found) <= OLD_MEDIAN
