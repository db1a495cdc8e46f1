"""Worlds with a known truth: what is drawn from them leads back to it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from common.feedback import style_key
from local.world import KINDS, LIKE_RATE, Kind, Votes, World, make_world, style_names
from task.base_rules import chances


def counted(votes: Votes, world: World) -> tuple[np.ndarray, np.ndarray]:
    """Likes and votes of each cell, (F, T, S)."""
    shape = world.p_like.shape
    cell = np.ravel_multi_index((votes.face, votes.tone, votes.style), shape)
    size = int(np.prod(shape))
    likes = np.bincount(cell, weights=votes.like, minlength=size)
    return likes.reshape(shape), np.bincount(cell, minlength=size).reshape(shape)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("skewed", [True, False])
def test_every_kind_of_world_has_the_like_rate_of_production(kind: Kind, skewed: bool) -> None:
    world = make_world(kind, styles=60, seed=1, skewed=skewed)

    assert world.p_like.shape == world.cell_share.shape == (5, 3, 60)
    assert world.cell_share.sum() == pytest.approx(1)
    assert (world.cell_share * world.p_like).sum() == pytest.approx(LIKE_RATE)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_world_and_another_seed_another(kind: Kind) -> None:
    first, again, other = (make_world(kind, seed=seed).p_like for seed in (1, 1, 2))

    assert np.array_equal(first, again)
    assert not np.allclose(first, other)


def test_the_kinds_differ_under_one_seed() -> None:
    tables = [make_world(kind, seed=1).p_like for kind in KINDS]

    assert not np.allclose(tables[0], tables[1])
    assert not np.allclose(tables[1], tables[2])


def test_a_low_rank_world_has_few_hidden_directions_and_a_random_one_many() -> None:
    # Given tastes by face and tone, without what all share
    ranks = {}
    for kind in KINDS:
        odds = make_world(kind, styles=60, seed=3).log_odds.reshape(15, 60)
        ranks[kind] = np.linalg.matrix_rank(odds - odds.mean(axis=0), tol=1e-6)

    # Then three directions of faces' and tones' tastes explain the low-rank world
    assert ranks["low-rank"] <= 3 + 1  # and one for the shift of all log-odds
    assert ranks["random"] >= 14


@pytest.mark.parametrize("kind", KINDS)
def test_counting_enough_votes_recovers_the_truth(kind: Kind) -> None:
    # Given many votes
    world = make_world(kind, styles=10, seed=4)
    likes, votes = counted(world.sample(400_000, seed=5), world)

    # When each cell's share of likes is taken for the prediction
    share = (likes + LIKE_RATE) / (votes + 1)

    # Then it lies near the truth, and no nearer than 150 free numbers can
    assert np.all(np.abs(share - world.p_like) < 5 * np.sqrt(0.25 / votes))
    excess = world.excess_log_loss(share)
    assert 0 < excess < 2 * 150 / (2 * 400_000)


def test_votes_follow_the_shares_of_faces_tones_and_styles() -> None:
    world = make_world("rules", styles=10, seed=6, skewed=True)

    _, votes = counted(world.sample(200_000, seed=7), world)

    # People vote in groups of two on average, so counts spread a little more than alone.
    assert votes.sum(axis=(1, 2)) / 200_000 == pytest.approx(world.face_share, abs=0.005)
    assert votes.sum(axis=(0, 2)) / 200_000 == pytest.approx(world.tone_share, abs=0.005)
    assert votes.sum(axis=(0, 1)) / 200_000 == pytest.approx(world.style_share, abs=0.005)
    assert world.face_share.max() == pytest.approx(0.86)


def test_people_vote_more_than_once_with_one_face_and_tone() -> None:
    votes = make_world("random", seed=8).sample(10_000, seed=9)
    people = int(votes.group.max()) + 1

    assert 10_000 / people == pytest.approx(2.0, abs=0.1)
    for codes in (votes.face, votes.tone):
        kinds = {(g, c) for g, c in zip(votes.group.tolist(), codes.tolist(), strict=True)}
        assert len(kinds) == people


@pytest.mark.parametrize("count", [0, 1, 9, 10_000])
def test_exactly_as_many_votes_come_as_were_asked_for(count: int) -> None:
    votes = make_world("random", seed=8).sample(count, seed=9)

    sizes = {len(v) for v in (votes.group, votes.face, votes.tone, votes.style, votes.like)}
    assert sizes == {count}


def test_sampling_is_decided_by_its_seed() -> None:
    world = make_world("random", seed=8)
    first, again, other = (world.sample(100, seed=seed) for seed in (1, 1, 2))

    assert np.array_equal(first.style, again.style)
    assert np.array_equal(first.like, again.like)
    assert not np.array_equal(first.style, other.style)


def test_scores_know_the_tastes_only_roughly() -> None:
    world = make_world("random", seed=8)
    votes = world.sample(20_000, seed=9)

    p = world.p_like[votes.face, votes.tone, votes.style]
    assert 0.5 < np.corrcoef(votes.score, p)[0, 1] < 0.95
    assert votes.score.min() >= 0
    assert votes.score.max() <= 1


def test_only_the_truth_has_no_excess_log_loss() -> None:
    world = make_world("random", seed=1)

    assert world.excess_log_loss(world.p_like) == pytest.approx(0, abs=1e-12)
    assert world.excess_log_loss(np.clip(world.p_like + 0.02, 0, 1)) > 0


def test_excess_log_loss_is_the_textbook_divergence_weighted_by_share() -> None:
    # Given a world of one cell that is liked by three in four
    world = make_world("random", styles=1, seed=1)
    odds = np.full_like(world.log_odds, np.log(3))
    world = replace(world, log_odds=odds)

    # When everybody is predicted to toss a coin
    excess = world.excess_log_loss(np.full_like(odds, 0.5))

    # Then the loss is ln 2 less the entropy of 3:1
    assert excess == pytest.approx(0.75 * np.log(1.5) + 0.25 * np.log(0.5))


def test_a_sure_and_wrong_prediction_costs_much_but_not_infinitely_much() -> None:
    world = make_world("random", seed=1)

    assert 5 < world.excess_log_loss(np.zeros_like(world.p_like)) < 100


@pytest.mark.parametrize("kind", KINDS)
def test_changed_tastes_turn_against_what_was_liked_on_half_of_the_styles(kind: Kind) -> None:
    # Given a world and its changed form
    before = make_world(kind, styles=40, seed=2)
    after = before.with_changed_tastes(seed=3)

    # Then half of the styles moved by the strength against the rest, and the like-rate stayed
    moved = (after.log_odds - before.log_odds).round(9)
    down, still, up = np.unique(moved)
    assert (up - still, still - down) == pytest.approx((3, 3))
    assert (moved != still).any(axis=(0, 1)).sum() == 20
    assert (after.cell_share * after.p_like).sum() == pytest.approx(LIKE_RATE)

    # And what was known of the old tastes now costs far more than knowing nothing
    nothing = after.excess_log_loss(np.full_like(after.p_like, LIKE_RATE))
    assert after.excess_log_loss(before.p_like) > 1.5 * nothing


def test_nothing_changes_when_no_style_is_to_change() -> None:
    world = make_world("rules", seed=2)

    assert world.with_changed_tastes(share=0.0, seed=3).p_like == pytest.approx(world.p_like)


@pytest.mark.parametrize("weight", [0.0, 0.5, 0.9])
def test_a_world_resembles_the_base_rules_as_closely_as_asked(weight: float) -> None:
    world = make_world("random", styles=40, seed=5).resembling_base(weight)
    rules = np.log(chances() / (1 - chances()))

    likeness = np.corrcoef(world.log_odds.ravel(), rules.ravel())[0, 1]
    assert likeness == pytest.approx(weight, abs=0.1)
    assert (world.cell_share * world.p_like).sum() == pytest.approx(LIKE_RATE)


def test_styles_that_the_rules_do_not_know_keep_their_own_tastes() -> None:
    world = make_world("random", styles=50, seed=5)

    moved = world.resembling_base(0.9).log_odds[:, :, 40:] - world.log_odds[:, :, 40:]

    assert np.ptp(moved) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("count", [1, 40, 41, 10_000])
def test_style_names_are_all_different(count: int) -> None:
    names = style_names(count)

    assert len({style_key(name) for name in names}) == len(names) == count
