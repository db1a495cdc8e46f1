"""The past as a look knows it: each vote at its time, and counted as a run would count it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from common.errors import UsageError
from task import base
from task.backtest.history import WEEK, history, looks, prepared_at
from task.prepare import Cells, prepare
from task.recency import Recency
from tests.unit.backtests import START, past, stream, table

DAY = WEEK // 7


def same(one: Cells, other: Cells) -> bool:
    return all(np.array_equal(vars(one)[name], vars(other)[name]) for name in vars(one))


@pytest.mark.parametrize(
    ("half_life", "window"),
    [(0, 0), (20, 0), (0, 21), (20, 21)],
    ids=["every vote alike", "half-life", "window", "both"],
)
def test_a_look_counts_its_votes_as_a_run_of_that_day_would(
    half_life: int, window: int, tmp_path: Path
) -> None:
    # Given a snapshot that ends on the day of the look, and one that goes on
    made, cutoff = stream(), START + 6 * WEEK
    recency = Recency(cutoff=cutoff, half_life_days=half_life, window_days=window)
    whole = past(made, tmp_path)
    known = int(np.searchsorted(whole.votes.feedback_at, cutoff, side="right"))
    early = tmp_path / "early.parquet"
    pq.write_table(pq.read_table(tmp_path / "votes.parquet").slice(0, known), early)

    expected = prepare(early, base.generate(0, 0), recency)
    found = prepared_at(whole, known, recency)

    # Then names alone may differ: later ones are known, without votes
    assert found.unit == expected.unit
    assert found.levels == expected.levels
    assert same(found.cells, expected.cells)
    assert len(found.examples) == known


def test_base_rows_are_learned_from_at_every_look(tmp_path: Path) -> None:
    past(stream(), tmp_path)
    rows = base.generate(500, 1)

    found = prepared_at(
        history(prepare(tmp_path / "votes.parquet", rows)), 100, Recency(cutoff=START)
    )

    assert found.cells.of(0).votes == 500
    assert found.cells.of(1).votes == 100


def test_votes_come_in_order_of_time_and_those_without_one_are_left_out(tmp_path: Path) -> None:
    made = stream()
    votes = table(made).to_pandas()
    votes.loc[::7, "feedback_at"] = None
    shuffled = votes.sample(frac=1.0, random_state=1)
    path = tmp_path / "votes.parquet"
    pq.write_table(pa.Table.from_pandas(shuffled, schema=table(made).schema), path)

    found = history(prepare(path, base.generate(0, 0)))

    assert len(found.votes) == int(votes["feedback_at"].notna().sum())
    assert (np.diff(found.votes.feedback_at) > 0).all()


def test_groups_keep_together_under_their_numbers(tmp_path: Path) -> None:
    made = stream()
    path = tmp_path / "votes.parquet"
    votes = table(made).to_pandas()
    votes["group"] = votes["group"].where(votes.index % 3 > 0, votes["group"][0])
    pq.write_table(pa.Table.from_pandas(votes, schema=table(made).schema), path)

    found = history(prepare(path, base.generate(0, 0))).votes

    assert set(found.group[::3].tolist()) == {0}
    assert len(set(found.group.tolist())) == votes["group"].nunique()
    assert len(set(found.fold[::3].tolist())) == 1


def test_votes_without_any_time_cannot_be_replayed(tmp_path: Path) -> None:
    votes = table(stream()).to_pandas()
    votes["feedback_at"] = None
    path = tmp_path / "votes.parquet"
    pq.write_table(pa.Table.from_pandas(votes, schema=table(stream()).schema), path)

    with pytest.raises(UsageError, match="votes with a time, got 600 votes without any: let"):
        history(prepare(path, base.generate(0, 0)))


def test_each_look_knows_what_came_until_then_and_the_last_week_may_be_short() -> None:
    times = START + np.arange(24) * DAY  # a vote a day

    found = looks(times, START, START + 24 * DAY, 1)

    assert [look.known for look in found] == [1, 8, 15, 22]
    assert [look.until for look in found] == [8, 15, 22, 24]
    assert [(look.end - look.cutoff) // DAY for look in found] == [7, 7, 7, 3]
    assert len(looks(times, START, START + 24 * DAY, 2)) == 2


def test_votes_from_before_the_first_look_are_known_to_it() -> None:
    times = START + np.arange(40) * DAY

    first = looks(times, START + 20 * DAY, START + 40 * DAY, 1)[0]

    assert (first.known, first.until) == (21, 28)


@pytest.mark.parametrize("days", [[1, 2, 3], [20], []], ids=["one week", "one vote", "none"])
def test_fewer_than_two_weeks_with_votes_are_too_few(days: list[int]) -> None:
    times = START + np.array(days, dtype=np.int64) * DAY

    with pytest.raises(UsageError, match="two weeks from 2025-01-01 to 2025-01-29 must have votes"):
        looks(times, START, START + 28 * DAY, 1)
