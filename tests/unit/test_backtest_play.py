"""Policies played on one past: alike where they are alike, and compared on the same weeks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from task import train
from task.backtest.fits import Bench, Judging
from task.backtest.history import History
from task.backtest.play import Played
from task.gate import Policy
from tests.unit.backtests import (
    BASE,
    TRAINING,
    arm,
    contender,
    figures,
    past,
    played,
    stream,
    truth_of,
)


@pytest.fixture(scope="module")
def weeks(tmp_path_factory: pytest.TempPathFactory) -> History:
    return past(stream(), tmp_path_factory.mktemp("weeks"))


@pytest.fixture(scope="module")
def plain(weeks: History) -> Played:
    """The default policy alone."""
    return played(weeks, HARM)


HARM, SUPERIORITY = contender("harm"), contender("sup", policy=Policy(gate="superiority"))
LATE = contender("late", enough=lambda total, _: None if total >= 300 else "too few votes")
NEVER = contender("never", policy=Policy(min_accuracy=1.0))


def test_a_policy_looks_each_week_once_there_are_enough_votes(plain: Played) -> None:
    found = plain
    lines = arm(found, "harm").lines

    assert (lines[0].state, lines[0].reason) == ("skipped", "too few votes: 1 of 50")
    assert "skipped" not in [line.state for line in lines[1:]]
    assert lines[found.first].state == "promoted"
    assert all(line.score is None for line in lines[: found.first])
    assert all(line.score and line.score.votes for line in lines[found.first :])


def test_a_first_model_must_beat_a_constant(plain: Played) -> None:
    found = plain

    refused = arm(found, "harm").lines[1 : found.first]
    assert {name for line in refused for name in line.refused_by} == {"better_than_constant"}


def test_votes_are_new_until_a_verdict_has_been_given(weeks: History) -> None:
    asked: list[tuple[int, int]] = []

    def enough(total: int, new: int) -> str | None:
        asked.append((total, new))
        return None if new >= 120 else "nothing new"

    played(weeks, contender(enough=enough))

    assert asked[:5] == [(1, 1), (61, 61), (121, 121), (181, 60), (241, 120)]


def test_what_serves_is_what_was_promoted_last(weeks: History) -> None:
    lines = arm(played(weeks, SUPERIORITY), "sup").lines
    serving = None
    for line in lines:
        serving = f"m-{line.look.at:%Y%m%dT%H%M%S}000Z" if line.state == "promoted" else serving
        assert line.serves == serving
        assert (line.refused_by == ()) == (line.state in {"promoted", "skipped"})


def test_the_newest_is_the_same_whatever_the_policies(plain: Played, weeks: History) -> None:
    pasts = (plain, played(weeks, SUPERIORITY))
    alone = [figures(arm(each, "newest always")) for each in pasts]
    together = figures(arm(played(weeks, SUPERIORITY, LATE, NEVER), "newest always"))

    assert alone[0] == alone[1] == together
    assert together[0] is not None  # it asks no trigger


def test_a_policy_does_the_same_alone_and_beside_others(plain: Played, weeks: History) -> None:
    alone = arm(plain, "harm")
    beside = arm(played(weeks, LATE, SUPERIORITY, HARM), "harm")

    assert figures(alone) == figures(beside)
    assert [line.reason for line in alone.lines] == [line.reason for line in beside.lines]


def test_weeks_count_from_when_all_serve_and_for_all_alike(weeks: History) -> None:
    found = played(weeks, HARM, LATE)

    began = [line.serves is not None for line in arm(found, "late").lines].index(True)
    assert found.first == began > 1
    assert {each.score(found.first).votes for each in found.arms} == {60 * (10 - began) - 1}


def test_a_policy_that_never_serves_takes_no_weeks_from_the_others(
    plain: Played, weeks: History
) -> None:
    found = played(weeks, HARM, NEVER)

    assert found.first == plain.first
    assert arm(found, "never").score(found.first).votes == 0
    assert set(arm(found, "never").lines[3].refused_by) == {"floor_accuracy"}
    assert played(weeks, NEVER).first == 10


def test_the_first_model_is_kept_for_ever_by_who_never_changes_it(plain: Played) -> None:
    found = plain

    names = {line.serves for line in arm(found, "first for ever").lines[found.first :]}
    assert names == {arm(found, "harm").lines[found.first].serves}


def test_a_constant_knows_only_the_votes_before(plain: Played, weeks: History) -> None:
    line = arm(plain, "a constant").lines[4]

    before, after = weeks.votes.like[: line.look.known], weeks.votes.like[line.look.following]
    rate = (before.sum() + 1) / (len(before) + 2)
    assert line.score
    assert line.score.figures()["auc"] == 0.5
    assert line.score.loss == pytest.approx(-np.log(np.where(after, rate, 1 - rate)).sum())


def test_nothing_of_the_following_weeks_reaches_a_look(weeks: History) -> None:
    # Given the same past, but for the opposite votes from week 6 on
    cut = int(np.flatnonzero(weeks.votes.feedback_at >= weeks.votes.feedback_at[360])[0])
    turned = weeks.votes.like.copy()
    turned[cut:] = ~turned[cut:]
    other = replace(weeks, votes=replace(weeks.votes, like=turned))

    lines, others = (arm(played(past, HARM), "harm").lines for past in (weeks, other))

    assert [a.reason for a in lines[:6]] == [b.reason for b in others[:6]]
    assert [a.score.loss for a in lines[1:5] if a.score] == [
        b.score.loss for b in others[1:5] if b.score
    ]
    assert lines[7].reason != others[7].reason


def test_where_the_truth_is_known_it_has_no_excess_and_all_others_some(tmp_path: Path) -> None:
    made = stream()
    of = past(made, tmp_path)
    found = played(of, HARM, truth=truth_of(made, of))

    excess = {each.name: each.score(found.first).figures()["excess"] for each in found.arms}
    assert excess.pop("the truth") == 0.0
    assert all(value is not None and value > 0.0 for value in excess.values())


def test_a_window_forgets_and_so_another_newest_stands_beside_it(weeks: History) -> None:
    window = contender("window", training=replace(TRAINING, window_days=14))

    found = played(weeks, HARM, window)

    newest = [each for each in found.arms if each.name == "newest always"]
    assert [each.of for each in newest] == [("harm",), ("window",)]
    assert figures(newest[0])[:2] == figures(newest[1])[:2]
    assert figures(newest[0])[5] != figures(newest[1])[5]


def test_the_f1_gate_is_given_the_interval_that_it_decides_on(weeks: History) -> None:
    judging = Judging(confidence=0.9, max_negative_flips=0.1, seed=0, report=True)
    found = played(weeks, contender("f1", policy=Policy(gate="f1"), judging=judging))

    assert all("unknown" not in line.reason for line in arm(found, "f1").lines[2:])


def test_a_look_makes_the_version_that_a_run_would_publish(plain: Played, weeks: History) -> None:
    look = plain.looks[5]

    version, _ = Bench({BASE: weeks}, look, lambda: 0.0).fit(TRAINING)

    from task.backtest.history import prepared_at

    prepared = prepared_at(weeks, look.known, TRAINING.recency(look))
    made = train.train(prepared, TRAINING.options, clock=lambda: 0.0)
    metadata = {"kind": made.chosen.name, "calibration": made.calibration}
    like, _ = train.rebuild(metadata, made.chosen.weights, made.vocabulary.sizes)
    assert np.array_equal(version.table.like, like.astype(np.float32))
    assert version.table.threshold == made.threshold
    assert version.cutoff == look.cutoff
