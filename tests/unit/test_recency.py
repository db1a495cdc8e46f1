"""Recency: older votes count less, exactly, and not at all when it is off."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.world import make_world
from task import prepare
from task.prepare import BASE, REAL, Prepared, train_vocabulary
from task.recency import EVERY_VOTE, NO_TIME, Recency
from tests.learning import NO_BASE, Vote, drawn, small_base, write_votes

DAY = 86_400
NOW = 1_000 * DAY
VOTES = drawn(make_world("rules", styles=12, seed=3), 400, seed=3)


def recency(half_life_days: int = 0, window_days: int = 0) -> Recency:
    return Recency(cutoff=NOW * 1_000_000, half_life_days=half_life_days, window_days=window_days)


def prepared(folder: Path, votes: list[Vote], how: Recency) -> Prepared:
    return prepare.prepare(write_votes(folder / "votes.parquet", votes), NO_BASE, how)


def aged(days: float | None, style: str = "a") -> Vote:
    return Vote(style=style, score=0.5, at=None if days is None else NOW - round(days * DAY))


@pytest.mark.parametrize(
    "days, weight",
    [
        (0, 1_000),
        (0.9, 1_000),  # whole days count
        (30, 500),
        (60, 250),
        (45, 354),  # 1,000 · 2^(−1.5), rounded
        (400, 0),  # less than 1/2,000 of a vote is none
        (-5, 0),  # a vote from a clock that is ahead waits for a later run
    ],
)
def test_a_vote_counts_half_after_each_half_life(tmp_path: Path, days: float, weight: int) -> None:
    got = prepared(tmp_path, [aged(0, "now"), aged(days)], recency(half_life_days=30))

    assert got.unit == 1_000
    code = got.levels.style("a")
    here = got.cells.where(got.cells.style == code)
    assert here.n_like.sum() == here.n_scored.sum() == weight
    assert here.score_sum.sum() == weight * 5_000
    assert here.score_square.sum() == weight * 5_000**2


@pytest.mark.parametrize("days, votes", [(0, 1), (29.9, 1), (30, 0), (400, 0)])
def test_a_vote_before_the_window_does_not_count(tmp_path: Path, days: float, votes: int) -> None:
    got = prepared(tmp_path, [aged(0, "now"), aged(days)], recency(window_days=30))

    assert got.unit == 1
    assert got.cells.votes == 1 + votes
    # And a name that nobody has said since is not learned, nor does the vote judge anybody
    assert (train_vocabulary(got).style("a") != 0) == bool(votes)
    assert len(got.examples) == 1 + votes


def test_both_together_weigh_what_is_left_in_the_window(tmp_path: Path) -> None:
    votes = [aged(0), aged(30), aged(60)]

    got = prepared(tmp_path, votes, recency(half_life_days=30, window_days=60))

    assert got.cells.votes == 1_500


def test_a_vote_without_a_time_counts_as_the_oldest_that_has_one(tmp_path: Path) -> None:
    votes = [aged(0, "new"), aged(60, "old"), aged(None)]

    got = prepared(tmp_path, votes, recency(half_life_days=30))

    of = {
        name: got.cells.n_like[got.cells.style == got.levels.style(name)].sum()
        for name in ("new", "old", "a")
    }
    assert of == {"new": 1_000, "old": 250, "a": 250}
    assert got.examples.feedback_at[2] == NO_TIME


def test_votes_of_which_none_has_a_time_count_alike(tmp_path: Path) -> None:
    timeless = [aged(None), aged(None, "b")]

    assert prepared(tmp_path, timeless, recency()).cells.votes == 2
    assert prepared(tmp_path, timeless, recency(half_life_days=30)).cells.votes == 2_000
    assert prepared(tmp_path, timeless, recency(window_days=30)).cells.votes == 2


@settings(deadline=None)
@given(seed=st.integers(0, 10**6))
def test_weighted_sums_are_whole_numbers_and_do_not_depend_on_the_order(seed: int) -> None:
    rng = np.random.default_rng(seed)
    at = NOW * 1_000_000 - rng.integers(0, 400 * DAY * 1_000_000, 50)
    order = rng.permutation(50)
    how = recency(half_life_days=17, window_days=300)

    weights = how.weights(at, int(at.min()))

    assert weights.dtype == np.int64
    assert np.array_equal(how.weights(at[order], int(at.min())), weights[order])


def test_the_order_of_rows_changes_no_weighted_cell(tmp_path: Path) -> None:
    how = Recency(cutoff=400 * 1_000_000, half_life_days=1)
    votes = [Vote(**{**vars(vote), "at": -i * DAY // 30}) for i, vote in enumerate(VOTES)]
    shuffled = random.Random(1).sample(votes, len(votes))

    one, other = (prepared(tmp_path, each, how).cells for each in (votes, shuffled))

    for name, values in vars(one).items():
        assert np.array_equal(values, vars(other)[name]), name


def test_off_it_leaves_every_byte_of_the_cells_as_it_was(tmp_path: Path) -> None:
    off = Recency(cutoff=NOW * 1_000_000)
    paths = []
    for name, how in (("a", EVERY_VOTE), ("b", off)):
        (tmp_path / name).mkdir()
        prepare.save(prepared(tmp_path, VOTES, how), tmp_path / name)
        paths.append((tmp_path / name / prepare.CELLS).read_bytes())

    assert paths[0] == paths[1]


def test_base_rows_have_no_age(tmp_path: Path) -> None:
    path = write_votes(tmp_path / "votes.parquet", [aged(300)])

    got = prepare.prepare(path, small_base(), recency(half_life_days=30))

    assert got.cells.of(BASE).votes == 300
    assert got.cells.of(REAL).votes == 1
