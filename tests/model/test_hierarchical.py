"""The hierarchical model in worlds whose tastes are known."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from common.feedback import FACE_SHAPES, SKIN_TONES
from local.world import KINDS, Kind, World, make_world, style_names
from task import base
from task.models import hierarchical
from task.models.hierarchical import Counts, Head, fit, fit_head, sigmoid, table
from tests.learning import counts_of

SIZES = (5, 3, 30)
NOBODY: NDArray[np.int32] = np.zeros(0, dtype=np.int32)
Floats = NDArray[np.float64]


def everywhere(log_odds: Floats, votes: float) -> Counts:
    """So many votes in every cell, liked exactly as often as expected."""
    codes = np.indices(log_odds.shape).reshape(3, -1).astype(np.int32)
    n = np.full(log_odds.size, votes)
    return Counts(codes=(codes[0], codes[1], codes[2]), n=n, total=n * sigmoid(log_odds.ravel()))


@cache
def base_rows() -> Counts:
    """The base data's rows on the worlds' styles, as half votes."""
    rows = base.generate(10_000, seed=1)
    places = {name: code for code, name in enumerate(style_names(30))}
    faces, tones = FACE_SHAPES, SKIN_TONES
    face = np.array([faces.index(name or "") for name in rows.face_shape])
    tone = np.array([tones.index(name) for name in rows.skin_tone])
    style = np.array([places.get(name, -1) for name in rows.hairstyle])
    kept = style >= 0
    at = np.ravel_multi_index((face[kept], tone[kept], style[kept]), SIZES)
    n = np.bincount(at, minlength=int(np.prod(SIZES)))
    likes = np.bincount(at[rows.like[kept]], minlength=len(n))
    codes = np.indices(SIZES).reshape(3, -1).astype(np.int32)
    return Counts(codes=(codes[0], codes[1], codes[2]), n=n / 2, total=likes / 2)


@cache
def world(kind: Kind, seed: int, resembling: float) -> World:
    return make_world(kind, styles=30, seed=seed).resembling_base(resembling)


def excess(of: World, head: Head) -> float:
    return of.excess_log_loss(sigmoid(head.table(SIZES)))


def mean_excess(resembling: float, votes: int, with_base: bool) -> float:
    """Averaged over the three kinds of worlds and two seeds."""
    found = []
    for kind in KINDS:
        for seed in (1, 2):
            one = world(kind, seed, resembling)
            real = counts_of(one, votes, seed)
            found.append(excess(one, fit_head(base_rows() if with_base else None, real, SIZES)))
    return float(np.mean(found))


@pytest.mark.parametrize("kind", KINDS)
def test_with_many_votes_everywhere_the_truth_is_found(kind: Kind) -> None:
    log_odds = make_world(kind, styles=30, seed=1).log_odds

    found = table(fit(everywhere(log_odds, 20_000.0), SIZES), SIZES)

    assert np.abs(found - log_odds).max() < 0.1
    assert np.abs(found - log_odds).mean() < 0.01


def test_each_effect_is_found_where_it_was_put() -> None:
    # Given effects of faces, styles, and of one face on one style
    rng = np.random.default_rng(1)
    face, style = rng.normal(0, 0.5, 5), rng.normal(0, 1.0, 30)
    truth = 0.8 + face[:, None, None] + style + np.zeros(SIZES)
    truth[2, :, 7] += 2.0

    found = fit(everywhere(truth, 5_000.0), SIZES)

    assert np.corrcoef(found.effects["face"], face)[0, 1] > 0.99
    assert np.corrcoef(found.effects["style"], style)[0, 1] > 0.97
    assert table(found, SIZES) == pytest.approx(truth, abs=0.1)
    assert found.effects["face×style"].argmax() == 2 * 30 + 7
    assert np.abs(found.effects["tone"]).max() < 0.02
    assert found.variances["tone"] < 0.01 < found.variances["face"]
    assert found.variances["style"] == pytest.approx(style.var(), rel=0.5)


def test_few_votes_are_shrunk_and_many_are_not() -> None:
    # Given one style that is liked more than the others, by few votes or by many
    truth = np.full(SIZES, 0.5)
    truth[:, :, 3] = 3.0

    few, many = (
        table(fit(everywhere(truth, votes), SIZES), SIZES)[:, :, 3].mean() for votes in (0.2, 500.0)
    )

    assert 0.5 < few < many - 0.3
    assert many == pytest.approx(3.0, abs=0.1)


def test_a_level_without_data_keeps_its_effect_at_zero() -> None:
    real = counts_of(make_world("rules", styles=30, seed=1), 500, seed=1)
    wider = (6, 3, 33)  # one face and three styles nobody has voted on

    found = fit(real, wider)

    assert not found.effects["face"][5:].any()
    assert not found.effects["style"][30:].any()
    assert not found.effects["face×style"][:, 30:].any()
    assert not found.effects["tone×style"][:, 30:].any()
    assert not found.effects["face×tone×style"][5:].any()
    assert found.effects["style"][:30].any()


def test_an_unknown_style_falls_back_to_face_and_tone_and_nothing_else() -> None:
    found = fit(counts_of(make_world("random", styles=29, seed=2), 3_000, seed=2), SIZES)
    effects = found.effects

    expected = found.intercept + effects["face"][:, None] + effects["tone"] + effects["face×tone"]

    answers = table(found, SIZES)[:, :, 29]
    assert np.allclose(answers, expected)
    assert np.ptp(answers) > 0


def test_a_base_that_resembles_the_truth_is_believed_and_one_that_does_not_is_not() -> None:
    trusts = {}
    for resembling in (1.0, 0.0):
        one = world("random", 1, resembling)
        real = counts_of(one, 5_000, seed=3)
        head = fit_head(base_rows(), real, SIZES)
        assert head.real is not None
        trusts[resembling] = head.real.trust

    assert trusts[1.0] > 0.75
    assert abs(trusts[0.0]) < 0.2


def test_trust_is_surer_with_more_votes() -> None:
    one = world("random", 1, 0.9)
    spread = []
    for votes in (35, 1_000, 20_000):
        real = fit_head(base_rows(), counts_of(one, votes, seed=1), SIZES).real
        assert real is not None
        spread.append(real.trust_deviation)

    assert 0.5 > spread[0] > spread[1] > spread[2] > 0


@pytest.mark.parametrize(
    "resembling, votes, allowed",
    [
        (0.0, 1_000, 0.005),  # nothing like the truth: must not hurt by more than a little
        (0.0, 7_000, 0.003),
        (0.5, 200, 0.0),  # somewhat: must help while votes are few
        (0.9, 200, -0.03),  # closely: must help much
        (0.9, 7_000, 0.0),
    ],
)
def test_the_base_data_help_where_they_are_right_and_hardly_hurt_where_they_are_wrong(
    resembling: float, votes: int, allowed: float
) -> None:
    with_base = mean_excess(resembling, votes, True)
    without = mean_excess(resembling, votes, False)

    assert with_base <= without + allowed


def test_more_votes_make_a_better_model() -> None:
    found = [mean_excess(0.5, votes, True) for votes in (35, 200, 1_000, 7_000)]

    assert found == sorted(found, reverse=True)
    assert found[-1] < 0.03


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_the_names_of_styles_mean_nothing(seed: int) -> None:
    # Given the same votes with the styles numbered otherwise
    real = counts_of(make_world("rules", styles=30, seed=1), 400, seed=1)
    order = np.random.default_rng(seed).permutation(30).astype(np.int32)
    face, tone, style = real.codes
    renamed = Counts(codes=(face, tone, order[style]), n=real.n, total=real.total)

    ours, theirs = (table(fit(counts, SIZES), SIZES) for counts in (real, renamed))

    assert np.allclose(ours, theirs[:, :, order], atol=1e-9)


def nothing() -> Counts:
    return Counts(codes=(NOBODY, NOBODY, NOBODY), n=np.zeros(0), total=np.zeros(0))


def all_alike(like: bool) -> Callable[[], Counts]:
    return lambda: everywhere(np.full(SIZES, 60.0 if like else -60.0), 1e7)


@pytest.mark.parametrize(
    "counts",
    [
        nothing,
        all_alike(True),  # probabilities at the very edge
        all_alike(False),
        lambda: Counts(
            codes=(NOBODY[:0], NOBODY[:0], NOBODY[:0]),
            n=np.zeros(0),
            total=np.zeros(0),
            squares=np.zeros(0),
        ),
    ],
)
def test_extreme_votes_give_finite_answers(counts: Callable[[], Counts]) -> None:
    found = table(fit(counts(), SIZES), SIZES)

    assert np.isfinite(found).all()


def test_one_vote_moves_the_answer_a_little() -> None:
    one = np.ones(1, dtype=np.int32)
    base_only = fit_head(base_rows(), None, SIZES)
    voted = fit_head(
        base_rows(),
        Counts(codes=(one, one, one), n=np.ones(1), total=np.zeros(1)),
        SIZES,
    )

    moved = voted.table(SIZES) - base_only.table(SIZES)

    assert moved[1, 1, 1] == moved.min() < 0
    assert np.abs(moved).max() < 1.5


def test_without_any_data_every_answer_is_even() -> None:
    assert not fit_head(None, None, SIZES).table(SIZES).any()


def test_the_score_head_finds_mean_scores() -> None:
    # Given scores with noise in every cell
    one = make_world("low-rank", styles=30, seed=5)
    rng, n = np.random.default_rng(5), 40
    mean = one.mean_score()
    scores = mean[..., None] + rng.normal(0, 0.08, (*SIZES, n))
    codes = np.indices(SIZES).reshape(3, -1).astype(np.int32)
    counts = Counts(
        codes=(codes[0], codes[1], codes[2]),
        n=np.full(mean.size, float(n)),
        total=scores.sum(axis=-1).ravel(),
        squares=(scores**2).sum(axis=-1).ravel(),
    )

    found = table(fit(counts, SIZES), SIZES)

    plain = scores.mean(axis=-1)
    assert np.abs(found - mean).max() < 0.06
    assert ((found - mean) ** 2).mean() < ((plain - mean) ** 2).mean()


def test_a_head_comes_back_from_its_weights() -> None:
    real = counts_of(world("rules", 1, 0.5), 300, 1)
    for below, above in ((base_rows(), real), (base_rows(), None), (None, real), (None, None)):
        head = fit_head(below, above, SIZES)

        weights = hierarchical.to_weights(head, "like")

        again = hierarchical.table_from_weights(weights, "like", SIZES)
        assert np.array_equal(again, head.table(SIZES))
