"""The votes generator against a real server: what SQLite cannot show."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pymysql
import pytest
from pymysql.connections import Connection

from common.feedback import VOTES
from local.mariadb import HOST, Server, running
from local.table import create_mysql, create_sqlite
from local.votes import change_votes, overwrite_with_like, restore, write_votes
from local.world import make_world

START, END = datetime(2025, 3, 1, tzinfo=UTC), datetime(2025, 9, 1, tzinfo=UTC)
LATER = datetime(2025, 10, 1, 12, tzinfo=UTC)
WORLD = make_world("rules", styles=40, seed=1)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running() as started:
        yield started


@pytest.fixture(params=[3, 5])
def connection(server: Server, request: pytest.FixtureRequest) -> Iterator[Connection[Any]]:
    """A connection to a database with an empty table of three or five votes per row."""
    opened = pymysql.connect(
        host=HOST, port=server.port, user="root", charset="utf8mb4", local_infile=True
    )
    with opened, opened.cursor() as cursor:
        cursor.execute("DROP DATABASE IF EXISTS generated")
        cursor.execute("CREATE DATABASE generated")
        cursor.execute("USE generated")
        create_mysql(opened, styles=request.param)
        yield opened


def rows(connection: Connection[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM analysis_history ORDER BY id")
        return list(cursor.fetchall())


def empty(connection: Connection[Any]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE analysis_history")


def test_a_file_of_rows_and_inserted_rows_make_the_same_table(
    connection: Connection[Any],
) -> None:
    # Given the rows of one seed, inserted
    written = write_votes(connection, WORLD, 1_500, seed=7, ugly=True, start=START, end=END)
    inserted = rows(connection)

    # When the same rows are sent as a file
    empty(connection)
    again = write_votes(
        connection, WORLD, 1_500, seed=7, ugly=True, start=START, end=END, bulk=True
    )

    # Then the tables are equal, quotes, backslashes, emoji and NULLs included
    assert rows(connection) == inserted
    assert again == written
    assert len(inserted) == written.analyses
    text = "".join(row[5] or "" for row in inserted)
    assert all(part in text for part in ('\\"', "DROP TABLE", "💇", "✨"))


def test_every_vote_lies_in_the_window(connection: Connection[Any]) -> None:
    write_votes(connection, WORLD, 1_500, seed=7, ugly=False, start=START, end=END)

    with connection.cursor() as cursor:
        cursor.execute("SELECT MIN(feedback_at), MAX(feedback_at) FROM analysis_history")
        ((first, last),) = cursor.fetchall()
    assert START < first.replace(tzinfo=UTC) < last.replace(tzinfo=UTC) <= END


def test_people_vote_again_and_the_bug_upstream_is_repaired(connection: Connection[Any]) -> None:
    # Given a table on which people have voted again
    write_votes(connection, WORLD, 1_500, seed=7, ugly=True, start=START, end=END)
    before = rows(connection)
    changed = change_votes(connection, WORLD, 100, seed=1, at=LATER)
    voted_again = rows(connection)
    touched = [a for a, b in zip(voted_again, before, strict=True) if a != b]
    assert len(touched) == 100
    assert changed > 100

    # When the bug strikes 200 rows
    saved = overwrite_with_like(connection, 200, seed=2, at=LATER)

    # Then it can be repaired without a trace
    likes = sum(set(VOTES) & set(row) == {"like"} for row in rows(connection))
    assert likes >= len(saved) == 200
    restore(connection, saved)
    assert rows(connection) == voted_again


def test_a_seed_means_the_same_votes_on_a_server_and_in_a_file(
    server: Server, tmp_path: Path
) -> None:
    """Only the form of a time may differ; what people voted on, and when, may not."""
    database = pymysql.connect(host=HOST, port=server.port, user="root", charset="utf8mb4")
    with database, database.cursor() as cursor, closing(create_sqlite(tmp_path / "v")) as file:
        cursor.execute("DROP DATABASE IF EXISTS generated")
        cursor.execute("CREATE DATABASE generated")
        cursor.execute("USE generated")
        create_mysql(database, whole_seconds=False)

        for connection in (database, file):
            write_votes(connection, WORLD, 1_500, seed=7, ugly=True, start=START, end=END)
            change_votes(connection, WORLD, 500, seed=8, at=LATER)

        voted = "id, user_id, image_hash, face_shape, style_1_feedback, style_2_feedback"
        question = f"SELECT {voted}, feedback_at FROM analysis_history ORDER BY id"
        cursor.execute(question)
        on_server, in_file = list(cursor.fetchall()), file.execute(question).fetchall()
    assert [row[:-1] for row in on_server] == [row[:-1] for row in in_file]
    moments = [row[-1] and row[-1].replace(tzinfo=UTC) for row in on_server]
    assert moments == [row[-1] and moment(row[-1]) for row in in_file]


def moment(text: str) -> datetime:
    """A time as SQLite has it, with or without a zone."""
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)
