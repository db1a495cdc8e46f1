"""New and returning groups are told apart, and offsets know only what was voted before."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.streams import Plan
from task.backtest.fits import Bench
from task.backtest.history import History, looks
from task.backtest.play import Played
from task.backtest.returning import Returning
from task.backtest.summary import summary
from tests.unit.backtests import BASE, START, TRAINING, WEEK, arm, contender, past, played, stream

PLAN = Plan(seed=1, votes_a_week=1_000, weeks=8, styles=12, groups="heavy")
COUNTS = {"read": 8_000}


def tried(of: History) -> Played:
    return played(of, contender(personal=True))


@pytest.fixture(scope="module")
def persons(tmp_path_factory: pytest.TempPathFactory) -> History:
    """People whose tastes differ by 1 logit beside their kind's, many of whom come again."""
    return past(stream(PLAN, personal=1.0), tmp_path_factory.mktemp("persons"))


def test_where_people_differ_offsets_help_who_returns_and_would_ship(persons: History) -> None:
    found = tried(persons)
    personal = summary(found, COUNTS, {"harm": {}})["policies"][0]["personal"]

    assert personal["deviation"] == pytest.approx(1.0, rel=0.2)
    assert personal["would_ship"] is True
    returning = personal["returning"]
    assert returning["with"]["log_loss"] < returning["without"]["log_loss"] - 0.01
    assert returning["with"]["auc"] > returning["without"]["auc"] + 0.01
    assert 0.0 < returning["low"] < returning["gain"] < returning["high"]
    # And nobody else is touched
    assert personal["new"]["with"] == personal["new"]["without"]
    assert personal["new"]["votes"] + returning["votes"] == found.arms[0].score(found.first).votes


def test_where_people_do_not_differ_they_cost_next_to_nothing_and_do_not_ship(
    tmp_path: Path,
) -> None:
    found = tried(past(stream(PLAN), tmp_path))
    personal = summary(found, COUNTS, {"harm": {}})["policies"][0]["personal"]

    assert personal["would_ship"] is False
    assert personal["says"].startswith("off: ")
    returning = personal["returning"]
    assert returning["with"]["log_loss"] <= returning["without"]["log_loss"] + 0.0005


def test_the_policy_itself_is_scored_without_offsets(persons: History) -> None:
    plain = arm(played(persons, contender()), "harm")
    personal = arm(tried(persons), "harm")

    assert plain.score(1).loss == personal.score(1).loss
    assert plain.returning is None


def test_an_offset_knows_only_the_votes_before_its_week(persons: History) -> None:
    # Given one look's champion, and a past whose following votes are the opposite ones
    end = START + 8 * WEEK
    look = looks(persons.votes.feedback_at, START, end, 1)[5]
    champion, _ = Bench({BASE: persons}, look, lambda: 0.0).fit(TRAINING)
    turned = persons.votes.like.copy()
    turned[look.known :] = ~turned[look.known :]
    other = replace(persons, votes=replace(persons.votes, like=turned))

    strata = []
    for each in (persons, other):
        returning = Returning(each)
        returning.look(champion, look)
        strata.append(returning)

    deviations = [each.deviation for each in strata]
    assert deviations[0] == deviations[1] is not None
    assert strata[0].says == strata[1].says
    gains = [each.stratum(returned=True).gain for each in strata]
    assert gains[0] is not None
    assert gains[1] is not None
    assert gains[0] > 0.0 > gains[1]


def test_who_has_two_votes_has_returned_and_who_has_one_is_new(persons: History) -> None:
    look = looks(persons.votes.feedback_at, START, START + 8 * WEEK, 1)[5]
    champion, _ = Bench({BASE: persons}, look, lambda: 0.0).fit(TRAINING)
    returning = Returning(persons)
    returning.look(champion, look)

    before = np.bincount(persons.votes.group[: look.known].astype(int), minlength=8_000)
    following = persons.votes.group[look.following].astype(int)
    expected = int((before[following] >= 2).sum())
    assert returning.stratum(returned=True).without.votes == expected
    assert returning.stratum(returned=False).without.votes == len(following) - expected


def test_where_nothing_served_nothing_is_told(persons: History) -> None:
    returning = Returning(persons)

    assert returning.says == "off: nothing served"
    assert returning.would_ship() is False
    assert returning.stratum(returned=True).gain is None
