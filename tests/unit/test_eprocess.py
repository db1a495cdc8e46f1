"""The proof that the champion is better: never often by chance, by no vote twice, in any order."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from common.errors import RegistryError
from task.eprocess import (
    BETS,
    State,
    begin,
    confidence_sequence,
    e_value,
    from_json,
    largest_difference,
    log_e_value,
    proved,
    resumed,
    to_json,
    update,
)

NEW = begin("m-2", "m-1", 0)
Year = Callable[[np.random.Generator], tuple[np.ndarray, np.ndarray, np.ndarray]]


def bet(
    state: State, values: Any, group: Any, at: Any, cutoff: int, *, bound: float = 1.0
) -> State:
    return update(
        state,
        np.asarray(values, dtype=np.float64),
        np.asarray(group, dtype=np.int64),
        np.asarray(at, dtype=np.int64),
        bound=bound,
        cutoff=cutoff,
    )


def played(year: Year, rng: np.random.Generator, *, bound: float) -> tuple[bool, State]:
    """Whether a year of 52 looks would have stopped at a proof, and its end."""
    values, group, week = year(rng)
    state, ever = NEW, False
    for look in range(1, 53):
        state = bet(state, values, group, week, look, bound=bound)
        ever |= proved(state)
    return ever, state


def weeks(votes: int) -> np.ndarray:
    return np.repeat(np.arange(1, 53), votes)


def coins(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each vote for one or the other by the largest difference: the loudest fair game."""
    return rng.choice([-1.0, 1.0], 52 * 60), np.arange(52 * 60), weeks(60)


def lopsided(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Never equal: small gains nearly always, and one large loss in twenty, of mean zero."""
    return np.where(rng.random(52 * 60) < 0.95, 1 / 19, -1.0), np.arange(52 * 60), weeks(60)


def heavy(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A few people with hundreds of votes come back all year, each with a lasting opinion."""
    sizes = np.minimum((1 - rng.random(3120)) ** (-1 / 0.9), 400).astype(np.int64)
    group = rng.permutation(np.repeat(np.arange(3120), sizes)[:3120])
    leaning = rng.choice([-0.4, 0.4], 3120)[group]
    return np.where(rng.random(3120) < 0.5 + leaning / 2, 1.0, -1.0), group, weeks(60)


def drifting(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Worse in the first half year, and as much better in the second."""
    better = np.where(np.arange(3120) < 1560, 0.4, 0.6)
    return np.where(rng.random(3120) < better, 1.0, -1.0), np.arange(3120), weeks(60)


@pytest.mark.parametrize("year", [coins, lopsided, heavy, drifting])
def test_equal_versions_are_proved_different_in_at_most_five_of_a_hundred_years(
    year: Year,
) -> None:
    rng, years = np.random.default_rng(1), 200

    proofs = sum(played(year, rng, bound=1.0)[0] for _ in range(years))

    # Then so many or more are not what 5 % would rarely give
    assert stats.binom.sf(proofs - 1, years, 0.05) > 0.05
    assert proofs <= 10


def two_tables(rng: np.random.Generator, gain: float) -> Year:
    """Votes with chance .73; the replaced version errs by `gain` logits, the champion by none."""
    truth = math.log(0.73 / 0.27)
    sign = rng.choice([-1.0, 1.0], 3120)

    def year(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        p, q = 0.73, 1 / (1 + np.exp(-(truth + gain * sign)))
        like = rng.random(3120) < p
        loss = np.where(like, np.log(p / q), np.log((1 - p) / (1 - q)))
        return loss, np.arange(3120), weeks(60)

    return year


def test_a_truly_better_champion_is_proved_within_some_hundred_votes() -> None:
    # Given a champion better by .048 nat a vote
    rng = np.random.default_rng(2)
    table = np.full(1, 1 / (1 + math.exp(-(math.log(0.73 / 0.27) - 0.7))))
    bound = largest_difference(np.full(1, 0.73), table) + 0.2
    needed = []
    for _ in range(20):
        values, group, week = two_tables(rng, 0.7)(rng)
        state = NEW
        for look in range(1, 53):
            state = bet(state, values, group, week, look, bound=bound)
            if proved(state):
                break
        needed.append(state.votes)

    assert max(needed) < 3120
    assert np.median(needed) <= 800


def test_a_worse_champion_is_never_proved_and_loses_its_wealth() -> None:
    rng = np.random.default_rng(3)
    values, group, week = two_tables(rng, 0.7)(rng)

    state = bet(NEW, -values, group, week, 52, bound=1.0)

    assert not proved(state)
    assert e_value(state) < 0.2
    interval = confidence_sequence(state)
    assert interval.high is not None
    assert interval.high < 0


def test_the_wealth_is_the_mean_of_fixed_bets_worked_by_hand() -> None:
    # Given two people, one of them with two votes of mean .5
    state = bet(NEW, [1.0, 0.0, -1.0], [7, 7, 9], [1, 1, 1], 1, bound=2.0)

    expected = np.mean([(1 + b * 0.25) * (1 - b * 0.5) for b in BETS])
    assert e_value(state) == pytest.approx(expected)
    assert (state.votes, state.groups, state.total) == (3, 2, -0.5)
    assert state.squares == pytest.approx(1.25)
    assert e_value(NEW) == 1.0


def test_no_observation_takes_more_than_half_of_the_wealth() -> None:
    assert max(BETS) == 0.5
    state = bet(NEW, np.full(200, -1.0), np.arange(200), np.ones(200), 1)
    assert math.isfinite(log_e_value(state))
    assert e_value(state) > 0


def test_a_vote_is_bet_on_once_however_often_it_is_shown() -> None:
    rng = np.random.default_rng(4)
    values, at = rng.uniform(-1, 1, 300), rng.integers(1, 301, 300)
    group = np.arange(300)

    once = bet(NEW, values, group, at, 300)
    twice = bet(bet(once, values, group, at, 300), values, group, at, 400)
    in_parts = NEW
    for cutoff in (40, 40, 111, 300, 400):
        in_parts = bet(in_parts, values, group, at, cutoff)

    assert once.votes == 300
    assert twice == replace(once, cutoff=400)
    assert in_parts.votes == 300
    assert in_parts.log_wealth == pytest.approx(once.log_wealth)


def test_a_vote_at_the_cutoff_belongs_to_the_run_before_and_later_ones_wait() -> None:
    state = begin("m-2", "m-1", 10)

    first = bet(state, [0.1, 0.2, 0.4, 0.8], [1, 2, 3, 4], [10, 11, 20, 21], 20)
    second = bet(first, [0.1, 0.2, 0.4, 0.8], [1, 2, 3, 4], [10, 11, 20, 21], 30)

    assert (first.votes, second.votes) == (2, 3)
    assert first.total == pytest.approx(0.6)
    assert second.total == pytest.approx(1.4)


def test_a_person_who_comes_back_adds_nothing() -> None:
    # Given one person in two runs, and another who voted before the pair began
    at, group, values = [5, 15, 25, 25], [2, 1, 1, 2], [0.9, 0.5, 0.5, 0.25]
    state = begin("m-2", "m-1", 10)

    first = bet(state, values, group, at, 20)
    second = bet(first, values, group, at, 30)

    assert (first.groups, first.votes) == (1, 1)
    assert (second.groups, second.votes) == (2, 2)
    assert second.total == pytest.approx(0.75)


def test_a_cutoff_that_goes_back_is_refused() -> None:
    later = bet(NEW, [0.5], [1], [5], 10)

    with pytest.raises(ValueError, match="cutoff must be at least the state's, 10, got 9"):
        bet(later, [0.5], [1], [5], 9)


@pytest.mark.parametrize("bound", [0.4, math.nan, math.inf, -1.0])
def test_a_bound_that_the_votes_break_or_that_is_none_is_refused(bound: float) -> None:
    with pytest.raises(ValueError, match="bound"):
        bet(NEW, [0.5, 0.1], [1, 1], [5, 5], 10, bound=bound)


def test_a_difference_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="at most bound"):
        bet(NEW, [math.nan], [1], [5], 10)


def test_the_order_of_votes_within_a_run_changes_not_one_bit() -> None:
    rng = np.random.default_rng(5)
    values, group = (
        rng.uniform(-1, 1, 500),
        rng.integers(-(2**62), 2**62, 90)[rng.integers(0, 90, 500)],
    )
    order = rng.permutation(500)

    straight = bet(NEW, values, group, np.ones(500), 1)
    shuffled = bet(NEW, values[order], group[order], np.ones(500), 1)

    assert straight == shuffled


def test_equal_tables_and_empty_runs_bet_nothing() -> None:
    same = bet(NEW, np.zeros(9), np.arange(9), np.ones(9), 1, bound=0.0)

    assert (e_value(same), same.groups) == (1.0, 9)
    assert bet(NEW, [], [], [], 8) == replace(NEW, cutoff=8)
    assert confidence_sequence(NEW).value is None
    assert confidence_sequence(bet(NEW, [0.5], [1], [1], 1)).low is None


def test_another_pair_never_goes_on_with_this_ones_wealth() -> None:
    rich = bet(NEW, np.ones(50), np.arange(50), np.ones(50), 9)
    assert proved(rich)

    assert resumed(rich, "m-2", "m-1", 9) is rich
    for champion, replaced in (("m-3", "m-2"), ("m-1", "m-2"), ("m-2", "m-0")):
        anew = resumed(rich, champion, replaced, 9)
        assert (e_value(anew), anew.groups, anew.since, anew.cutoff) == (1.0, 0, 9, 9)
    assert resumed(None, "m-2", "m-1", 0) == NEW
    with pytest.raises(ValueError, match="must differ"):
        begin("m-1", "m-1", 0)


def test_the_bound_is_the_largest_difference_of_either_label_in_any_cell() -> None:
    ours, theirs = np.array([[0.5, 0.9]]), np.array([[0.5, 0.99]])

    assert largest_difference(ours, theirs) == pytest.approx(math.log(10))
    assert largest_difference(theirs, ours) == pytest.approx(math.log(10))


def test_the_confidence_sequence_covers_the_truth_at_all_looks_at_once() -> None:
    rng, missed = np.random.default_rng(6), 0
    for _ in range(200):
        values = np.where(rng.random(3120) < 0.55, 1.0, -1.0)
        state, out = NEW, False
        for look in range(1, 53):
            state = bet(state, values, np.arange(3120), weeks(60), look)
            found = confidence_sequence(state)
            assert found.low is not None
            assert found.high is not None
            out |= not found.low <= 0.1 <= found.high
        missed += out

    assert missed <= 10


def test_a_state_survives_json() -> None:
    state = bet(NEW, [0.3, -0.2, 0.1], [1, 2, 3], [1, 1, 1], 1)

    assert from_json(json.loads(json.dumps(to_json(state), allow_nan=False))) == state


@pytest.mark.parametrize(
    "change",
    [
        {"votes": "3"},
        {"votes": True},
        {"groups": 4},  # more people than votes
        {"total": math.nan},
        {"squares": -1.0},
        {"log_wealth": [0.0]},
        {"log_wealth": [None] * len(BETS)},
        {"log_wealth": "00000000"},
        {"cutoff": -1},  # before the pair began
        {"replaced": "m-2"},
        {"replaced": None},
        {"more": 1},
    ],
)
def test_a_damaged_state_is_refused_by_name(change: dict[str, Any]) -> None:
    good = to_json(bet(NEW, [0.3, -0.2, 0.1], [1, 2, 3], [1, 1, 1], 1))

    with pytest.raises(RegistryError, match="Delete it, and it begins anew"):
        from_json(good | change)
    others: tuple[Any, ...] = (None, [], {name: good[name] for name in list(good)[1:]})
    for other in others:
        with pytest.raises(RegistryError, match="exactly the keys"):
            from_json(other)
