"""The hierarchical model in worlds whose tastes are known."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from common.feedback import FACE_SHAPES, SKIN_TONES
from local.world import KINDS, Kind, World, make_world, style_names
from task import base
from task.models import hierarchical
from task.models.crossed import Counts, fit, sigmoid, table
from task.models.hierarchical import Base, Head, fit_base, fit_head
from task.models.variances import PRIOR_VARIANCES
from tests.learning import counts_of, one_fit

SIZES = (5, 3, 30)
STYLES = style_names(30)
Floats = NDArray[np.float64]


def everywhere(log_odds: Floats, votes: float) -> Counts:
    """So many votes in every cell, liked exactly as often as expected."""
    n = np.full(log_odds.shape, votes)
    return one_fit(n, n * sigmoid(log_odds))


def base_counts(styles: Sequence[str] = STYLES, *, faces: int = 5, flipped: bool = False) -> Counts:
    """10,000 base rows as half votes, on these styles of a model and on those alone."""
    rows = base.generate(10_000, seed=1)
    places = {name: code for code, name in enumerate(styles)}
    face = np.array([FACE_SHAPES.index(name or "") for name in rows.face_shape])
    tone = np.array([SKIN_TONES.index(name) for name in rows.skin_tone])
    style = np.array([places.get(name, -1) for name in rows.hairstyle])
    kept, shape = style >= 0, (faces, 3, len(styles))
    at = np.ravel_multi_index((face[kept], tone[kept], style[kept]), shape)
    size = int(np.prod(shape))
    n = np.bincount(at, minlength=size).reshape(shape)
    likes = np.bincount(at[rows.like[kept] != flipped], minlength=size).reshape(shape)
    return one_fit(n / 2, likes / 2)


@cache
def base_rows(*, flipped: bool = False) -> Base:
    found = fit_base(base_counts(flipped=flipped))
    assert found is not None
    return found


@cache
def world(kind: Kind, seed: int, resembling: float) -> World:
    return make_world(kind, styles=30, seed=seed).resembling_base(resembling)


def excess(of: World, head: Head) -> float:
    return of.excess_log_loss(sigmoid(head.table(SIZES)[0]))


def mean_excess(resembling: float, votes: int, with_base: bool) -> float:
    """Averaged over the three kinds of worlds and two seeds."""
    found = []
    for kind in KINDS:
        for seed in (1, 2):
            one = world(kind, seed, resembling)
            real = counts_of(one, votes, seed)
            found.append(excess(one, fit_head(base_rows() if with_base else None, real)))
    return float(np.mean(found))


@pytest.mark.parametrize("kind", KINDS)
def test_with_many_votes_everywhere_the_truth_is_found(kind: Kind) -> None:
    log_odds = make_world(kind, styles=30, seed=1).log_odds

    found = table(fit(everywhere(log_odds, 20_000.0)), SIZES)[0]

    assert np.abs(found - log_odds).max() < 0.1
    assert np.abs(found - log_odds).mean() < 0.01


def test_each_effect_is_found_where_it_was_put() -> None:
    # Given effects of faces, styles, and of one face on one style
    rng = np.random.default_rng(1)
    face, style = rng.normal(0, 0.5, 5), rng.normal(0, 1.0, 30)
    truth = 0.8 + face[:, None, None] + style + np.zeros(SIZES)
    truth[2, :, 7] += 2.0

    found = fit(everywhere(truth, 5_000.0))

    assert np.corrcoef(found.effects["face"][0], face)[0, 1] > 0.99
    assert np.corrcoef(found.effects["style"][0], style)[0, 1] > 0.97
    assert table(found, SIZES)[0] == pytest.approx(truth, abs=0.1)
    assert found.effects["face×style"].argmax() == 2 * 30 + 7
    assert np.abs(found.effects["tone"]).max() < 0.02
    # And the variances are drawn to where three tones, all alike, and five faces can show
    assert found.variances["tone"] < PRIOR_VARIANCES["tone"] < found.variances["face"]
    assert found.variances["style"] == pytest.approx(style.var(), rel=0.5)


def test_few_votes_are_shrunk_and_many_are_not() -> None:
    # Given one style that is liked more than the others, by few votes or by many
    truth = np.full(SIZES, 0.5)
    truth[:, :, 3] = 3.0

    few, many = (
        table(fit(everywhere(truth, votes)), SIZES)[..., 3].mean() for votes in (0.2, 500.0)
    )

    assert 0.5 < few < many - 0.3
    assert many == pytest.approx(3.0, abs=0.1)


def with_more_styles(counts: Counts, more: int) -> Counts:
    """The same votes beside so many styles that nobody has voted on."""
    wide = ((0, 0), (0, 0), (0, 0), (0, more))
    return Counts(n=np.pad(counts.n, wide), total=np.pad(counts.total, wide))


def test_a_style_without_data_has_no_effect_of_its_own() -> None:
    real = counts_of(make_world("rules", styles=30, seed=1), 500, seed=1)

    found = fit(with_more_styles(real, 3))

    for name in ("style", "face×style", "tone×style", "face×tone×style"):
        assert not found.effects[name][..., 30:].any()
        assert found.effects[name][..., :30].any()


def test_an_unknown_style_falls_back_to_face_and_tone_and_nothing_else() -> None:
    real = counts_of(make_world("random", styles=29, seed=2), 3_000, seed=2)
    found = fit(with_more_styles(real, 1))
    effects = {name: values[0] for name, values in found.effects.items()}

    expected = (
        found.intercept[0] + effects["face"][:, None] + effects["tone"] + effects["face×tone"]
    )

    answers = table(found, SIZES)[0, :, :, 29]
    assert np.allclose(answers, expected)
    assert np.ptp(answers) > 0


def test_a_base_that_resembles_the_truth_is_believed_and_one_that_does_not_is_not() -> None:
    trusts = {}
    for resembling in (1.0, 0.0):
        one = world("random", 1, resembling)
        real = counts_of(one, 5_000, seed=3)
        head = fit_head(base_rows(), real)
        assert head.real is not None
        trusts[resembling] = float(head.real.trust[0])

    assert trusts[1.0] > 0.75
    assert abs(trusts[0.0]) < 0.2


def test_trust_is_surer_with_more_votes() -> None:
    one = world("random", 1, 0.9)
    spread = []
    for votes in (35, 1_000, 20_000):
        real = fit_head(base_rows(), counts_of(one, votes, seed=1)).real
        assert real is not None
        spread.append(float(real.trust_deviation[0]))

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


def test_one_vote_moves_the_answer_a_little() -> None:
    n, likes = np.zeros(SIZES), np.zeros(SIZES)
    n[1, 1, 1] = 1
    silent = n.copy()
    silent[1, 1, 1] = 1e-9  # as good as no vote, on the same style
    before, after = (
        fit_head(base_rows(), one_fit(votes, likes)).table(SIZES)[0] for votes in (silent, n)
    )

    moved = after - before

    assert moved[1, 1, 1] == pytest.approx(moved.min())
    assert moved.max() < 0  # all who know one dislike only expect more of them
    assert np.abs(moved).max() < 1.5


def test_without_any_data_every_answer_is_even() -> None:
    assert not fit_head(None, None).table(SIZES).any()


def test_the_score_head_finds_mean_scores() -> None:
    # Given scores with noise in every cell
    one = make_world("low-rank", styles=30, seed=5)
    rng, n = np.random.default_rng(5), 40
    mean = one.mean_score()
    scores = mean[..., None] + rng.normal(0, 0.08, (*SIZES, n))
    counts = one_fit(
        np.full(SIZES, float(n)), scores.sum(axis=-1), squares=float((scores**2).sum())
    )

    found = table(fit(counts), SIZES)[0]

    plain = scores.mean(axis=-1)
    assert np.abs(found - mean).max() < 0.06
    assert ((found - mean) ** 2).mean() < ((plain - mean) ** 2).mean()


def test_a_head_comes_back_from_its_weights() -> None:
    real = counts_of(world("rules", 1, 0.5), 300, 1)
    for below, above in ((base_rows(), real), (base_rows(), None), (None, real), (None, None)):
        head = fit_head(below, above).of(0)

        weights = hierarchical.to_weights(head, "like")

        again = hierarchical.table_from_weights(weights, "like", SIZES)
        assert np.array_equal(again, head.table(SIZES)[0])


LIKE_RATES = [0.06, 0.565, 0.95]


def mixed_styles(known: int) -> tuple[str, ...]:
    """A model's styles of which the base data know so many."""
    names = style_names(30)
    return (*names[:known], *(f"{name} anew" for name in names[known:]))


def unseen_face(one: World, head: Head) -> float:
    """The mean like probability of the sixth face, over all who may have it."""
    p = sigmoid(head.table((6, *one.p_like.shape[1:]))[0])[5]
    return float((p * one.tone_share[:, None] * one.style_share).sum())


def with_sixth_face(counts: Counts) -> Counts:
    wide = ((0, 0), (0, 1), (0, 0), (0, 0))
    return Counts(n=np.pad(counts.n, wide), total=np.pad(counts.total, wide))


@pytest.mark.parametrize("like_rate", LIKE_RATES)
@pytest.mark.parametrize("known", [30, 12, 0])
@pytest.mark.parametrize("kind", KINDS)
def test_the_base_data_do_not_bend_the_mean_of_a_face_that_nobody_has_seen(
    kind: Kind, known: int, like_rate: float
) -> None:
    # Given styles that the base data know all, some or none of, and people of any like rate
    one = make_world(kind, styles=30, seed=1, like_rate=like_rate)
    real = with_sixth_face(counts_of(one, 10_000, seed=1))
    below = fit_base(base_counts(mixed_styles(known), faces=6))

    found = unseen_face(one, fit_head(below, real))

    assert found == pytest.approx(like_rate, abs=0.02)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("trusted", [False, True])
def test_an_unseen_face_gets_the_peoples_mean_in_every_world_of_the_first_figure(
    kind: Kind, seed: int, trusted: bool
) -> None:
    one = make_world(kind, styles=50, seed=100 + seed)
    real = with_sixth_face(counts_of(one, 10_000, seed))
    below = fit_base(base_counts(one.styles, faces=6)) if trusted else None

    assert unseen_face(one, fit_head(below, real)) == pytest.approx(0.73, abs=0.02)


@pytest.mark.parametrize("kind", KINDS)
def test_an_unseen_face_is_taken_for_the_one_that_most_people_have(kind: Kind) -> None:
    one = make_world(kind, styles=30, seed=2, skewed=True)
    real = with_sixth_face(counts_of(one, 10_000, seed=2))

    assert unseen_face(one, fit_head(None, real)) == pytest.approx(0.73, abs=0.02)


@pytest.mark.parametrize("kind", KINDS)
def test_a_face_that_the_base_data_alone_know_keeps_the_peoples_mean(kind: Kind) -> None:
    # Given a fifth face with base rows and without a single vote
    one = make_world(kind, styles=30, seed=1).resembling_base(0.9)
    real = counts_of(one, 10_000, seed=1)
    real.n[:, 4], real.total[:, 4] = 0, 0
    rate = float(real.total.sum() / real.n.sum())

    p = sigmoid(fit_head(base_rows(), real).table(SIZES)[0])[4]

    mean = float((p * one.tone_share[:, None] * one.style_share).sum())
    assert mean == pytest.approx(rate, abs=0.02)
    # And yet the base data's word on its styles is heard
    others = sigmoid(fit_head(None, real).table(SIZES)[0])[4]
    truth = one.p_like[4]
    assert np.abs(p - truth).mean() < np.abs(others - truth).mean()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(3))
def test_a_base_with_every_like_flipped_is_believed_to_say_the_contrary(
    kind: Kind, seed: int
) -> None:
    real = counts_of(world(kind, seed, 0.9), 1_000, seed)

    right, flipped = (fit_head(base_rows(flipped=turn), real).real for turn in (False, True))

    assert right is not None
    assert flipped is not None
    assert float(right.trust[0]) > 0.5
    assert float(flipped.trust[0]) < 0
    assert float(flipped.trust[0] + 1.645 * flipped.trust_deviation[0]) < 1


def test_without_base_rows_or_without_a_common_style_the_fit_is_that_of_the_votes_alone() -> None:
    real = counts_of(world("rules", 1, 0.5), 500, 1)
    alone = fit_head(None, real).table(SIZES)
    assert fit_base(None) is None
    assert fit_base(one_fit(np.zeros(SIZES), np.zeros(SIZES))) is None
    # Given base data of thirty other styles
    foreign = with_more_styles(real, 30)
    rows = np.pad(base_counts().n[0], ((0, 0), (0, 0), (30, 0)))

    head = fit_head(fit_base(one_fit(rows, rows / 2)), foreign)

    assert head.base is None
    assert np.array_equal(head.table(foreign.sizes)[..., :30], alone)
    assert np.array_equal(head.table(foreign.sizes), fit_head(None, foreign).table(foreign.sizes))


def test_the_base_data_are_silent_on_a_style_that_they_do_not_know() -> None:
    # Given the words on thirty styles, of which twelve are known
    real = counts_of(world("rules", 1, 0.5), 500, 1)
    below = fit_base(base_counts(mixed_styles(12)))
    assert below is not None

    word = hierarchical.on_styles(below, real)

    assert word is not None
    said = table(word, SIZES)[0]
    assert not said[..., 12:].any()
    assert np.abs(said[..., :12].mean(axis=-1)).max() < 1e-12  # centred in each context
    assert said[..., :12].std() > 0.1
