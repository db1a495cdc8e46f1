"""The whole loop on a real MariaDB server: the same votes give the same model as from a file.

The processes are real, the server is, and so is its end in mid-read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from local.mariadb import READER, READER_PASSWORD, Server, running
from local.table import create_mysql, create_sqlite
from local.votes import change_votes, write_votes
from tests.e2e.conftest import CHANGED, WORLD
from tests.e2e.cut import cut_off_after
from tests.e2e.home import Done, Home, clear, digest, until

VOTES = 1_200


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running() as started:
        yield started


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def people_vote(server: Server, database: str, *, styles: int = 3) -> None:
    """A database with the application's table and a month of its ugly votes."""
    server.create(database, index=False)
    now = datetime.now(UTC).replace(microsecond=0)
    with server.admin(database) as connection:
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE analysis_history")
        create_mysql(connection, styles=styles)
        write_votes(
            connection,
            WORLD,
            VOTES,
            seed=1,
            ugly=True,
            start=now - timedelta(days=30),
            end=now - timedelta(minutes=1),
        )


def copied(server: Server, database: str, home: Home, *, styles: int = 3) -> Home:
    """A home whose SQLite file holds the same rows."""
    create_sqlite(home.votes, styles=styles).close()
    with server.admin(database) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT * FROM analysis_history")
        rows = [tuple(map(_plain, row)) for row in cursor.fetchall()]
    with home.table() as table:
        marks = ", ".join("?" * len(rows[0]))
        table.executemany(f"INSERT INTO analysis_history VALUES ({marks})", rows)
    return home


def _plain(value: object) -> object:
    return str(value) if isinstance(value, datetime) else value


def on(server: Server, database: str, user: str = READER, **more: str) -> dict[str, str]:
    """The variables that lead a command to a database."""
    return {"DATABASE_URL": server.url(database, user), "DB_PASSWORD": READER_PASSWORD} | more


def record(home: Home, done: Done) -> dict[str, Any]:
    path = home.runs / done.result["run_id"] / "run.json"
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return found


def learned(home: Home, done: Done) -> tuple[object, ...]:
    """What a run read and learned, down to the bytes."""
    here = home.runs / done.result["run_id"]
    counts = done.result["counts"]
    return (
        done.result["data_fingerprint"],
        digest(here / "votes.parquet"),
        digest(here / "cells.safetensors"),
        digest(here / "model" / "model.safetensors"),
        digest(here / "model" / "table.safetensors"),
        {name: counts[name] for name in ("read", "rejected_by_reason", "votes")},
    )


@pytest.mark.parametrize("styles", [3, 5])
def test_a_server_and_a_file_with_the_same_votes_give_the_same_model(
    server: Server, home: Home, tmp_path: Path, styles: int
) -> None:
    database = f"whole_{styles}"
    people_vote(server, database, styles=styles)
    (tmp_path / "file").mkdir()
    file = copied(server, database, Home(tmp_path / "file"), styles=styles)

    from_server, from_file = home.run(**on(server, database)), file.run()

    assert (from_server.exit, from_server.state) == (0, "promoted"), from_server
    assert from_server.result["counts"]["votes"] > 0.9 * VOTES
    assert learned(home, from_server) == learned(file, from_file)
    assert home.traces(READER_PASSWORD, from_server) == []


def test_an_increment_with_changed_withdrawn_and_late_votes_equals_a_full_read(
    server: Server, home: Home, tmp_path: Path
) -> None:
    # Given a first run, and whatever people do afterwards
    people_vote(server, "changing")
    first = home.run(**on(server, "changing"))
    assert first.state == "promoted", first
    before = datetime.fromisoformat(record(home, first)["cutoff"])
    after = before.replace(microsecond=0) + timedelta(seconds=1)
    until(lambda: datetime.now(UTC) > after)
    with server.admin("changing") as connection, connection.cursor() as cursor:
        change_votes(connection, CHANGED, 400, seed=4, at=after)
        cursor.execute(
            "UPDATE analysis_history SET feedback_at = %s, style_1_feedback = NULL, "
            "style_2_feedback = NULL, style_3_feedback = NULL WHERE id %% 29 = 0",
            [after.replace(tzinfo=None)],
        )
        cursor.execute(  # committed late: cast before the first run's cutoff, seen after it
            "UPDATE analysis_history SET style_1_feedback = 'bad', feedback_at = %s "
            "WHERE id %% 31 = 0",
            [(before - timedelta(minutes=5)).replace(tzinfo=None)],
        )

    # When the next run reads what changed
    second = home.run(**on(server, "changing"))

    # Then its votes are those of a full read, here and from a file with the same rows
    assert second.exit == 0, second
    assert record(home, second)["mode"] == "incremental"
    assert second.result["counts"]["read"] < first.result["counts"]["read"]
    full = home.task("export", "--full", **on(server, "changing"))
    (tmp_path / "file").mkdir()
    file = copied(server, "changing", Home(tmp_path / "file")).task("export")
    fingerprints = {done.result["data_fingerprint"] for done in (second, full, file)}
    assert len(fingerprints) == 1
    assert fingerprints != {first.result["data_fingerprint"]}


def test_with_a_ca_the_connection_is_encrypted_and_verified(server: Server, home: Home) -> None:
    # Given a user who may only come encrypted
    people_vote(server, "encrypted")
    server.execute("CREATE USER careful@'%%' IDENTIFIED BY %s REQUIRE SSL", [READER_PASSWORD])
    server.execute("GRANT SELECT ON encrypted.analysis_history TO careful@'%'")
    careful = on(server, "encrypted", "careful")

    # Then a server that another authority vouches for is not believed, and the reason is said
    clear(home.run(**careful, DB_CA=str(server.wrong_ca)), 1, "certificate", "DB_CA")

    # And with the right one the loop runs
    done = home.run(**careful, DB_CA=str(server.ca))
    assert (done.exit, done.state) == (0, "promoted"), done


def test_a_wrong_password_fails_the_run_and_is_never_shown(server: Server, home: Home) -> None:
    people_vote(server, "guarded")
    wrong = "not the/pass%word & 비밀"

    done = home.run(**on(server, "guarded") | {"DB_PASSWORD": wrong})

    clear(done, 1, "password", "DB_PASSWORD")
    assert home.last_run().state == "failed"
    assert home.free()
    assert home.traces(wrong, done) == []


def test_a_table_that_may_not_be_read_fails_the_run(server: Server, home: Home) -> None:
    people_vote(server, "closed")
    server.execute("CREATE USER stranger@'%%' IDENTIFIED BY %s", [READER_PASSWORD])
    server.execute("GRANT CREATE TEMPORARY TABLES ON closed.* TO stranger@'%'")

    clear(home.run(**on(server, "closed", "stranger")), 1, "SELECT")


def test_a_server_that_is_killed_in_mid_read_fails_the_run(home: Home) -> None:
    # Given a loop that has a champion, and votes that take a while to be read
    with running(tls=False) as server:
        people_vote(server, "doomed")
        first = home.run(**on(server, "doomed"))
        assert first.state == "promoted", first
        before = home.champion()

        # When the server is killed while it sends the votes
        with cut_off_after(200_000, server) as port:
            address = f"mysql://{READER}@127.0.0.1:{port}/doomed"
            done = home.run(
                "--full",
                "--min-new-feedback",
                "0",
                DATABASE_URL=address,
                DB_PASSWORD=READER_PASSWORD,
            )
        assert server.process.poll() is not None

    # Then the run fails and leaves nothing that looks like a snapshot
    clear(done, 1, "connection was lost")
    assert home.champion() == before
    assert (home.last_run().state, home.last_run().exit) == ("failed", 1)
    assert home.free()
    assert list((home.runs / done.result["run_id"]).glob("votes.parquet*")) == []
    assert home.traces(READER_PASSWORD, done) == []
