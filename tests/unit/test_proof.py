"""Is the version that serves proved better than the one it replaced? Each person is bet on once."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from common.errors import RegistryError
from common.registry.records import Run, State
from task import eprocess, metrics
from task.judging import Version
from task.prepare import Prepared
from task.proof import last_state, look, summary
from task.recency import NO_TIME
from tests.compared import format_1, version
from tests.learning import score_table, unseen, vocabulary

KNOWN = vocabulary("s0", "s1")
START = datetime(2026, 11, 22, 2, tzinfo=UTC)
BEGAN, NOW = 1_000, 2_000


def versioned(name: str, like: float, cutoff: int = BEGAN) -> Version:
    return version(score_table(KNOWN, like), name=name, cutoff=cutoff)


CHAMPION, REPLACED = versioned("m-b", 0.8), versioned("m-a", 0.6, cutoff=500)


def votes(at: list[int], group: list[int] | None = None, like: bool = True) -> Prepared:
    return unseen(KNOWN, [1] * len(at), [like] * len(at), at=at, group=group)


def run(name: str, bets: Any, week: int = 0, state: State = "served") -> Run:
    at = START + timedelta(weeks=week)
    return Run(run_id=name, created_at=at, state=state, cutoff=at, evidence={"bets": bets})


def looked(prepared: Prepared, *runs: Run, cutoff: int = NOW) -> eprocess.State:
    found = look(runs, CHAMPION, REPLACED, prepared, cutoff=cutoff)
    assert found is not None
    return found


def after(state: eprocess.State, name: str = "m-c", week: int = 1) -> Run:
    """The run that left this state, through the registry's JSON."""
    return run(name, json.loads(json.dumps(eprocess.to_json(state))), week)


@pytest.mark.parametrize("champion, replaced", [(None, REPLACED), (CHAMPION, None), (None, None)])
def test_without_two_versions_there_is_nothing_to_compare(
    champion: Version | None, replaced: Version | None
) -> None:
    assert look([], champion, replaced, votes([1_500]), cutoff=NOW) is None
    assert summary(None) is None


def test_only_votes_after_both_cutoffs_are_bet_on() -> None:
    # Given votes before, at and after the later cutoff, at no known time, and after this run's own
    found = looked(votes([400, 700, BEGAN, BEGAN + 1, NO_TIME, NOW, NOW + 1]))

    assert (found.since, found.cutoff) == (BEGAN, NOW)
    assert (found.votes, found.groups) == (2, 2)


def test_the_champion_gains_where_its_chance_was_nearer() -> None:
    liked, disliked = looked(votes([1_500])), looked(votes([1_500], like=False))

    assert liked.total == pytest.approx(np.log(0.8 / 0.6), abs=1e-6)
    assert disliked.total == pytest.approx(np.log(0.2 / 0.4), abs=1e-6)
    assert eprocess.e_value(liked) > 1.0 > eprocess.e_value(disliked)


def test_both_are_scored_as_they_were_published_and_never_by_their_folds() -> None:
    odd = replace(CHAMPION, folds=None), replace(REPLACED, folds=None)
    old = format_1(score_table(KNOWN, 0.6), cutoff=500)

    expected = looked(votes([1_500]))

    assert look([], *odd, votes([1_500]), cutoff=NOW) == expected
    assert look([], CHAMPION, old, votes([1_500]), cutoff=NOW) == expected


def test_a_vote_is_bet_on_once_in_the_first_run_after_it_came() -> None:
    first = looked(votes([1_100, 1_200]), cutoff=1_500)

    # When the next run sees them again, and a new one
    second = looked(votes([1_100, 1_200, 1_600], group=[0, 1, 2]), after(first))

    assert (first.votes, second.votes, second.groups) == (2, 3, 3)
    assert second.total == pytest.approx(1.5 * first.total)
    # And a run that reads nothing new changes nothing
    again = looked(votes([1_100, 1_200, 1_600], group=[0, 1, 2]), after(second))
    assert again == second


def test_a_person_who_comes_back_is_not_bet_on_again() -> None:
    first = looked(votes([1_100], group=[7]), cutoff=1_500)

    second = looked(votes([1_100, 1_600], group=[7, 7]), after(first))

    assert (second.votes, second.groups, second.total) == (1, 1, first.total)
    assert second.log_wealth == first.log_wealth


def test_a_person_of_many_votes_counts_once() -> None:
    many = looked(votes([1_100] * 9, group=[7] * 9))

    assert (many.votes, many.groups) == (9, 1)
    assert many.total == pytest.approx(looked(votes([1_100])).total)


@pytest.mark.parametrize("champion, replaced", [("m-c", "m-a"), ("m-b", "m-c"), ("m-a", "m-b")])
def test_no_other_pair_goes_on_with_the_wealth(champion: str, replaced: str) -> None:
    rich = looked(votes([1_100 + i for i in range(50)]), cutoff=1_500)
    assert eprocess.e_value(rich) > 5

    pair = versioned(champion, 0.8), versioned(replaced, 0.6)
    found = look([after(rich)], *pair, votes([1_600]), cutoff=NOW)

    assert found is not None
    assert (found.champion, found.replaced, found.groups) == (champion, replaced, 1)
    assert eprocess.e_value(found) < 1.2


def test_the_newest_run_with_a_verdict_has_the_state() -> None:
    states = [looked(votes([1_100] * n, group=list(range(n))), cutoff=1_500) for n in (1, 2, 3)]
    runs = [
        after(states[1], "m-2", week=2),
        after(states[0], "m-1", week=1),
        replace(after(states[2], "m-3", week=3), state="failed"),  # judged nothing
        replace(after(states[2], "m-4", week=4), cutoff=None),
    ]

    assert last_state(runs) == states[1]
    assert last_state(reversed(runs)) == states[1]
    assert last_state([]) is None
    assert last_state([Run(run_id="m-1", created_at=START, state="served", cutoff=START)]) is None


@pytest.mark.parametrize(
    "bets",
    [
        "rich",
        [1],
        {"champion": "m-b"},
        {"log_wealth": [0.0]},
        {"groups": -1},
        {"total": float("nan")},
        {"champion": "m-a"},
        {"votes": True},
    ],
)
def test_a_damaged_state_is_an_error_and_no_new_beginning(bets: Any) -> None:
    whole = eprocess.to_json(looked(votes([1_100])))
    damaged = whole | bets if isinstance(bets, dict) and len(bets) == 1 else bets
    if bets == {"champion": "m-b"}:
        damaged = bets  # and nothing else

    with pytest.raises(RegistryError, match=r"damaged: .*Delete it, and it begins anew"):
        looked(votes([1_600]), run("m-c", damaged))


@pytest.mark.parametrize("cutoff", [BEGAN - 1, 1_200])
def test_a_run_that_read_its_votes_before_the_last_bets_leaves_them_as_they_are(
    cutoff: int,
) -> None:
    # Given a run exported by hand before a later one promoted or bet
    state = looked(votes([1_100]), cutoff=1_500)
    runs = [after(state)] if cutoff > BEGAN else []

    found = looked(votes([1_100]), *runs, cutoff=cutoff)

    assert found.groups == (1 if runs else 0)
    assert found.cutoff == (1_500 if runs else BEGAN)


def test_names_that_only_one_of_them_learned_keep_every_bet_within_its_bound() -> None:
    # Given a champion that is sure of a style which the other one does not know
    theirs = vocabulary("s0", "new")
    like = np.full(theirs.sizes, 0.6)
    like[..., theirs.style("new")] = 1.0
    champion = version(score_table(theirs, like), name="m-b", cutoff=BEGAN)
    levels = vocabulary("s0", "s1", "new")
    seen = unseen(levels, [levels.style("new")] * 2, [True, False], at=[1_100] * 2)

    found = look([], champion, REPLACED, seen, cutoff=NOW)

    assert found is not None
    assert np.isfinite(found.log_wealth).all()
    assert found.total == pytest.approx(
        np.log((1 - metrics.CLIP) / 0.6) + np.log(metrics.CLIP / 0.4), rel=1e-4
    )


def test_what_is_told_of_it() -> None:
    state = looked(votes([1_100 + i for i in range(80)]))

    told = summary(state)

    assert told is not None
    assert (told["champion"], told["replaced"]) == ("m-b", "m-a")
    assert (told["votes"], told["groups"], told["proved"]) == (80, 80, True)
    assert told["e_value"] >= 20
    assert told["low"] <= told["gain"] <= told["high"]
    assert told["gain"] == pytest.approx(np.log(0.8 / 0.6), abs=1e-6)
    json.dumps(told, allow_nan=False)
