"""Times in the generated table, and what happens to its votes later."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from common.feedback import utc_microseconds
from local.table import create_sqlite
from local.votes import change_votes, overwrite_with_like, restore, write_votes
from tests.unit.votes_samples import END, LATER, START, Rows, a_world, cells, fill, read


@pytest.fixture(scope="module")
def ugly(tmp_path_factory: pytest.TempPathFactory) -> Rows:
    return fill(tmp_path_factory.mktemp("ugly") / "votes.db", 3_000, ugly=True)[0]


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Rows:
    return fill(tmp_path_factory.mktemp("clean") / "votes.db", 6_000, ugly=False)[0]


@pytest.fixture
def table(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    connection = create_sqlite(tmp_path / "votes.db")
    write_votes(connection, a_world(), 1_500, seed=7, ugly=True, start=START, end=END)
    yield connection
    connection.close()


def content(connection: sqlite3.Connection) -> list[tuple[Any, ...]]:
    return connection.execute("SELECT * FROM analysis_history ORDER BY id").fetchall()


def test_times_are_of_several_forms_and_all_can_be_read(ugly: Rows) -> None:
    texts = [row[name] for row in ugly for name in ("feedback_at", "created_at") if row[name]]

    assert {text[26:] for text in texts} == {"", "Z", "+00:00", "+09:00"}
    assert None not in {utc_microseconds(text) for text in texts}


def test_feedback_lies_in_the_window_but_for_a_few_wrong_clocks(tmp_path: Path) -> None:
    rows, written = fill(tmp_path / "votes.db", 12_000, ugly=True)
    edges = [time.timestamp() * 1e6 for time in (START, END)]

    in_window = future = missing = 0
    for row in rows:
        votes = sum(vote is not None for vote in cells(row))
        time = row["feedback_at"] and utc_microseconds(row["feedback_at"])
        missing += votes if time is None else 0
        in_window += votes if time and edges[0] < time <= edges[1] else 0
        future += votes if time and time > edges[1] + 300 * 86_400 * 1e6 else 0

    assert 0 < future == written.future
    assert 0 < missing == written.no_time
    assert in_window == 12_000 - future - missing


def test_rows_without_a_vote_have_no_time_of_feedback(ugly: Rows) -> None:
    assert {row["feedback_at"] for row in ugly if not any(v is not None for v in cells(row))} == {
        None
    }


def test_votes_come_after_the_analysis_and_some_weeks_later(clean: Rows) -> None:
    delays = [
        (utc_microseconds(row["feedback_at"]) or 0) - (utc_microseconds(row["created_at"]) or 0)
        for row in clean
        if row["feedback_at"]
    ]

    assert min(delays) > 0
    assert np.mean(np.array(delays) > 7 * 86_400 * 1e6) == pytest.approx(0.023, abs=0.01)


def test_ids_follow_the_time_of_the_analysis_and_not_that_of_the_vote(clean: Rows) -> None:
    made = [utc_microseconds(row["created_at"]) or 0 for row in clean]
    voted = [utc_microseconds(row["feedback_at"]) or 0 for row in clean if row["feedback_at"]]

    assert made == sorted(made)
    assert voted != sorted(voted)


def test_a_window_of_one_second_can_be_filled(tmp_path: Path) -> None:
    # Given that acts of a demo follow each other within moments
    connection = create_sqlite(tmp_path / "votes.db")
    end = START + timedelta(seconds=1)

    # When votes are written between two of them
    write_votes(connection, a_world(), 60, seed=1, ugly=False, start=START, end=end)

    # Then all of them lie after the first and not after the second
    times = [utc_microseconds(row["feedback_at"]) for row in read(connection) if row["feedback_at"]]
    connection.close()
    low, high = (time.timestamp() * 1e6 for time in (START, end))
    assert len(times) > 30
    assert all(time is not None and low < time <= high for time in times)


def test_the_table_has_an_index_on_the_time_of_feedback(table: sqlite3.Connection) -> None:
    plan = table.execute(
        "EXPLAIN QUERY PLAN SELECT id FROM analysis_history WHERE feedback_at > '2025'"
    ).fetchall()

    assert "ix_feedback_at" in plan[0][3]


def test_people_vote_again_on_old_rows_by_their_new_tastes(table: sqlite3.Connection) -> None:
    # Given a world in which nobody likes anything any more
    before = read(table)
    gloomy = replace(a_world(), log_odds=np.full_like(a_world().log_odds, -50.0))

    # When people vote again on 200 rows
    changed = change_votes(table, gloomy, 200, seed=1, at=LATER)

    # Then those rows, and no others, were voted on at that time
    after = read(table)
    moved = [(b, a) for b, a in zip(before, after, strict=True) if a != b]
    assert len(moved) == 200
    assert {a["feedback_at"] for _, a in moved} == {"2025-10-01 12:00:00.000000"}
    # And each readable vote is a dislike, while what was no vote still is none
    new = Counter(
        v for b, a in moved for w, v in zip(cells(b), cells(a), strict=True) if w is not None
    )
    assert new["dislike"] >= changed > 250
    assert new["like"] + new["good"] + new["LIKE"] < 0.1 * changed  # those that cannot be read
    for b, a in moved:
        assert [v is None for v in cells(b)] == [v is None for v in cells(a)]


def test_voting_again_is_decided_by_its_seed(tmp_path: Path) -> None:
    tables = []
    for name, seed in (("1.db", 5), ("2.db", 5), ("3.db", 6)):
        connection = create_sqlite(tmp_path / name)
        write_votes(connection, a_world(), 300, seed=7, ugly=True, start=START, end=END)
        change_votes(connection, a_world(), 50, seed=seed, at=LATER)
        tables.append(content(connection))
        connection.close()

    assert tables[0] == tables[1]
    assert tables[0] != tables[2]


def test_the_bug_upstream_likes_everything_and_can_be_repaired(table: sqlite3.Connection) -> None:
    # Given a table
    before = content(table)

    # When the bug strikes 300 rows
    saved = overwrite_with_like(table, 300, seed=1, at=LATER)

    # Then those rows like everything, at that time
    struck = [row for row in read(table) if row["feedback_at"] == "2025-10-01 12:00:00.000000"]
    assert len(struck) == len(saved) == 300
    assert {vote for row in struck for vote in cells(row)} == {"like"}

    # And the repair leaves no trace
    restore(table, saved)
    assert content(table) == before


def test_the_bug_strikes_every_row_when_there_are_fewer_than_asked(
    table: sqlite3.Connection,
) -> None:
    saved = overwrite_with_like(table, 10_000_000, seed=1, at=LATER)

    assert len(saved) == len(content(table))
