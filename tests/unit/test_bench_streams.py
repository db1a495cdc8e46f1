"""Simulated years: what is drawn follows its plan, and the truth of each week is exact."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bench.streams import (
    LIKE_RATES,
    REDRAWN,
    REDRAWN_IN,
    START,
    VOTES_A_WEEK,
    WEEK,
    Groups,
    Plan,
    Stream,
    flipped,
    make_stream,
    noisy,
    stale,
    swapped,
)

PLAN = Plan(seed=1, votes_a_week=500, weeks=52, warm_up=4, redraw=REDRAWN)
HEAVY = replace(PLAN, groups="heavy")
NAMES = ("group", "face", "tone", "style", "like", "score", "week")


def same(one: Stream, other: Stream) -> bool:
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in NAMES)


def test_one_seed_gives_one_stream_and_another_seed_other_people_and_tastes() -> None:
    first, again, other = (make_stream(replace(HEAVY, seed=seed)) for seed in (1, 1, 2))

    assert same(first, again)
    assert not np.intersect1d(first.group, other.group).size
    assert first.plan.kind != other.plan.kind
    assert not np.allclose(first.before.log_odds, other.before.log_odds)


@pytest.mark.parametrize("votes_a_week", VOTES_A_WEEK)
@pytest.mark.parametrize("groups", ["single", "heavy"])
def test_each_week_has_its_votes_in_the_order_of_time(votes_a_week: int, groups: Groups) -> None:
    stream = make_stream(Plan(seed=2, votes_a_week=votes_a_week, weeks=6, warm_up=2, groups=groups))

    assert {len(getattr(stream, name)) for name in NAMES} == {8 * votes_a_week}
    assert np.bincount(stream.week).tolist() == [votes_a_week] * 8
    at = stream.feedback_at()
    assert (np.diff(at) > 0).all()
    assert np.array_equal((at - START) // WEEK, stream.week)


@pytest.mark.parametrize("like_rate", LIKE_RATES)
@pytest.mark.parametrize("seed", [0, 1, 2])  # the three kinds of worlds
def test_the_like_rate_is_the_one_asked_for(like_rate: float, seed: int) -> None:
    stream = make_stream(Plan(seed=seed, votes_a_week=1000, weeks=52, like_rate=like_rate))

    world = stream.world(0)
    assert (world.cell_share * world.p_like).sum() == pytest.approx(like_rate)
    assert stream.like.mean() == pytest.approx(like_rate, abs=0.01)


def test_single_groups_vote_once_and_heavy_ones_return_over_the_weeks() -> None:
    alone, heavy = make_stream(PLAN), make_stream(HEAVY)

    assert len(np.unique(alone.group)) == len(alone.group)
    people, votes = np.unique(heavy.group, return_counts=True)
    assert (votes == 1).mean() > 0.5
    assert np.median(votes) == 1
    assert 5 <= (votes >= 100).sum() < 0.02 * len(people)
    loudest = heavy.group == people[votes.argmax()]
    assert len(np.unique(heavy.week[loudest])) > 40


def test_nobody_gives_over_a_tenth_of_a_small_years_votes() -> None:
    for seed in range(20):
        stream = make_stream(Plan(seed=seed, votes_a_week=10, groups="heavy"))
        assert np.unique(stream.group, return_counts=True)[1].max() <= 52


def test_a_person_has_one_face_and_one_tone() -> None:
    stream = make_stream(HEAVY)

    people = len(np.unique(stream.group))
    assert len(np.unique(np.c_[stream.group, stream.face, stream.tone], axis=0)) == people


def test_in_the_middle_of_the_year_so_many_styles_are_drawn_anew_and_no_other() -> None:
    stream = make_stream(PLAN)
    change = PLAN.warm_up + REDRAWN_IN
    old, new = stream.world(change - 1), stream.world(change)

    differ = (old.log_odds != new.log_odds).all(axis=(0, 1))
    assert differ.sum() == round(REDRAWN * 60)
    assert np.array_equal(old.log_odds[:, :, ~differ], new.log_odds[:, :, ~differ])
    assert stream.world(0) is old
    assert stream.world(55) is new
    # Then a table that was right is wrong from that week on, by exactly so much
    assert stream.excess(old.p_like, change - 1) == pytest.approx(0, abs=1e-12)
    assert stream.excess(old.p_like, change) == pytest.approx(new.excess_log_loss(old.p_like))
    assert stream.excess(old.p_like, change) > 0.05


def test_votes_before_and_after_the_change_follow_their_own_truth() -> None:
    stream = make_stream(replace(PLAN, votes_a_week=5_000))
    changed = np.abs(stream.before.log_odds - stream.after.log_odds)[
        stream.face, stream.tone, stream.style
    ]
    for world, part in ((stream.before, stream.week < 30), (stream.after, stream.week >= 30)):
        p = world.p_like[stream.face, stream.tone, stream.style]
        moved = part & (changed > 1)
        expected, error = p[moved].mean(), 4 * 0.5 / np.sqrt(moved.sum())
        assert stream.like[moved].mean() == pytest.approx(expected, abs=error)
        assert np.corrcoef(p[moved], stream.like[moved])[0, 1] > 0.25


def test_years_with_and_without_a_change_have_the_same_votes_until_it_comes() -> None:
    stays, changes = make_stream(replace(PLAN, redraw=0.0)), make_stream(PLAN)

    assert stays.world(0) is stays.world(55)
    assert same(stays.until(PLAN.change), changes.until(PLAN.change))
    assert np.array_equal(stays.group, changes.group)
    assert np.array_equal(stays.style, changes.style)


def test_a_training_knows_the_votes_before_its_week_and_a_stale_one_fewer() -> None:
    stream = make_stream(PLAN)

    assert np.unique(stream.until(10).week).tolist() == list(range(10))
    assert np.unique(stream.of(10).week).tolist() == [10]
    assert same(stale(stream, 10, by=3), stream.until(7))
    assert len(stale(stream, 2, by=5).like) == 0
    with pytest.raises(ValueError, match="by must be at least 1 week"):
        stale(stream, 10, by=0)


def test_noise_on_a_table_is_of_the_size_it_says_and_seeded() -> None:
    table = make_stream(PLAN).before.p_like

    broken = noisy(table, 3)

    logit = np.log(broken / (1 - broken)) - np.log(table / (1 - table))
    assert logit.std() == pytest.approx(0.6, rel=0.1)
    assert np.array_equal(broken, noisy(table, 3))
    assert not np.array_equal(broken, noisy(table, 4))


def test_a_tenth_of_the_labels_are_flipped_and_the_originals_stay() -> None:
    like = make_stream(PLAN).like
    before = like.copy()

    broken = flipped(like, 3)

    assert (broken != like).sum() == round(len(like) / 10)
    assert np.array_equal(like, before)
    assert np.array_equal(broken, flipped(like, 3))


def test_two_styles_and_no_others_are_swapped() -> None:
    table = make_stream(PLAN).before.p_like
    before = table.copy()

    broken = swapped(table, 3)

    one, other = np.flatnonzero((broken != table).any(axis=(0, 1)))
    assert np.array_equal(broken[:, :, one], table[:, :, other])
    assert np.array_equal(broken[:, :, other], table[:, :, one])
    assert np.array_equal(table, before)


@pytest.mark.parametrize(
    "wrong, rule",
    [
        ({"redraw": 1.2}, "redraw must be a share"),
        ({"like_rate": 1.0}, "like_rate must be between"),
        ({"votes_a_week": 0}, "a plan needs a vote"),
    ],
)
def test_a_plan_that_cannot_be_drawn_is_refused(wrong: dict[str, float], rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        replace(PLAN, **wrong)  # type: ignore[arg-type]
