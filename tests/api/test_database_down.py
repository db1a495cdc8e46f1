"""A votes' database that is down costs the recording, is said, and never costs the answer."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from threading import Semaphore
from typing import Any
from unittest import mock

import pytest

from api import votes as module
from common import votes_writer
from common.errors import DatabaseError, UsageError
from common.settings import load
from common.votes_writer import open_writer
from local.mariadb import Server, running
from local.table import create_mysql
from tests.api.service import HOST, PERSON, Place, Service, service

FEEDBACK = {"recommendation_id": f"1-{'0' * 32}", "position": 1, "feedback": "like"}
DATABASE = "votes"


@pytest.fixture
def short_rest() -> Iterator[None]:
    """Recording is tried again after a moment."""
    with mock.patch.object(module, "REST_SECONDS", 0.0):
        yield


def recommend(found: Service) -> Any:
    answer = found.client.post("/recommend", PERSON)
    assert answer.status == 200, answer
    assert answer.json["items"]
    return answer.json


def errors(found: Service) -> str:
    lines = found.metrics.text().decode().splitlines()
    return next(line for line in lines if line.startswith('hairme_errors_total{kind="database"}'))


def test_without_its_file_nothing_is_recorded_and_no_file_is_made(place: Place) -> None:
    place.votes.unlink()
    with service(place) as found:
        answer = recommend(found)

        assert (answer["recorded"], answer["recommendation_id"]) == (False, None)
        assert "did not take it" in answer["why_not_recorded"]
        assert errors(found).endswith(" 1.0")
    assert not place.votes.exists()


def test_a_table_that_gives_its_rows_no_number_is_not_written_to(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    # Given a table as other programs copy it, without a key: a vote would never find its row
    with closing(sqlite3.connect(place.votes)) as db:
        db.execute("CREATE TABLE copied AS SELECT * FROM analysis_history")
        db.execute("DROP TABLE analysis_history")
        db.execute("ALTER TABLE copied RENAME TO analysis_history")
        db.commit()
    with service(place) as found:
        answer = recommend(found)

    assert (answer["recorded"], answer["recommendation_id"]) == (False, None)
    assert "it is no INTEGER PRIMARY KEY" in caplog.text
    with closing(sqlite3.connect(place.votes)) as db:
        assert db.execute("SELECT COUNT(*) FROM analysis_history").fetchone() == (0,)


def test_a_vote_that_cannot_be_taken_is_said(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    place.votes.unlink()
    with service(place) as found:
        answer = found.client.post("/feedback", FEEDBACK)

    assert (answer.status, answer.headers["content-type"]) == (503, "application/problem+json")
    # Then the log has the reason, and the answer nothing of where the database is
    assert "there is no file" in caplog.text
    assert str(place.folder) not in answer.body.decode()


def test_after_a_failure_recording_rests_so_that_answers_stay_fast(place: Place) -> None:
    place.votes.unlink()
    with service(place) as found:
        recommend(found)
        place.make_table()

        assert "failed a moment ago" in recommend(found)["why_not_recorded"]
        assert errors(found).endswith(" 1.0")
        # And a vote is tried all the same: somebody asked for nothing else
        assert found.client.post("/feedback", FEEDBACK).status == 404


def test_too_many_at_once_say_nothing_about_the_database(place: Place) -> None:
    with service(place) as found, mock.patch.object(found.votes, "_places", Semaphore(0)):
        answer = recommend(found)

    assert "too many ask at once" in answer["why_not_recorded"]
    assert errors(found).endswith(" 0.0")
    with service(place) as found:
        assert recommend(found)["recorded"] is True


def test_recording_goes_on_when_the_database_is_back(place: Place, short_rest: None) -> None:
    place.votes.unlink()
    with service(place) as found:
        recommend(found)
        place.make_table()

        assert recommend(found)["recorded"] is True


def test_a_locked_database_is_waited_for_no_longer_than_a_person_would(place: Place) -> None:
    with (
        mock.patch.object(votes_writer, "LIMIT_SECONDS", 0.2),
        service(place) as found,
        closing(sqlite3.connect(place.votes, isolation_level=None)) as other,
    ):
        other.execute("BEGIN EXCLUSIVE")

        assert recommend(found)["recorded"] is False
        assert found.client.post("/feedback", FEEDBACK).status == 503


def test_a_database_that_hangs_is_given_up_and_more_calls_are_not_let_in(
    place: Place, short_rest: None
) -> None:
    with (
        mock.patch.object(votes_writer, "LIMIT_SECONDS", 2.0),
        mock.patch.object(module, "RECORD_SECONDS", 0.05),
        service(place) as found,
        closing(sqlite3.connect(place.votes, isolation_level=None)) as other,
    ):
        other.execute("BEGIN EXCLUSIVE")

        # Then more recommendations than there are places are answered, each unrecorded
        answers = [recommend(found) for _ in range(module.THREADS + 2)]

        assert {answer["recorded"] for answer in answers} == {False}
        assert found.client.get("/health").status == 200


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A MariaDB server of its own, since these tests lock and kill."""
    with running() as made:
        made.execute(f"CREATE DATABASE {DATABASE} CHARACTER SET utf8mb4")
        with made.admin(DATABASE) as connection:
            create_mysql(connection)
        made.execute("CREATE USER api@'%' IDENTIFIED BY 'right'")
        made.execute(f"GRANT SELECT, INSERT, UPDATE ON {DATABASE}.* TO api@'%'")
        yield made


def settings(server: Server, **changes: str) -> dict[str, str]:
    place = {"DATABASE_URL": server.url(DATABASE, "api"), "DB_PASSWORD": "right"}
    return place | {"DB_CA": str(server.ca)} | changes


def writer(server: Server, **changes: str) -> votes_writer.VotesWriter:
    return open_writer(
        load(yaml_path=None, env_file=None, environ=settings(server, **changes), flags={})
    )


def record(into: votes_writer.VotesWriter) -> int:
    return into.record(face_shape=None, personal_color=None, recommended_styles="[]")


@pytest.mark.parametrize(
    "changes, says",
    [
        ({"DB_PASSWORD": "wrong"}, "wrong user or password"),
        ({"DB_CA": "wrong"}, "not what DB_CA vouches for"),
        ({"DATABASE_URL": "mysql://api@127.0.0.1:1/votes"}, "nobody answers there"),
    ],
)
def test_a_server_that_is_not_the_one_is_told(
    server: Server, changes: dict[str, str], says: str
) -> None:
    if "DB_CA" in changes:
        changes = {"DB_CA": str(server.wrong_ca)}

    with closing(writer(server, **changes)) as into, pytest.raises(DatabaseError, match=says):
        record(into)


def test_a_server_elsewhere_must_be_verified() -> None:
    environ = {"DATABASE_URL": "mysql://api@db.example/votes"}

    with pytest.raises(UsageError, match="must be verified"):
        open_writer(load(yaml_path=None, env_file=None, environ=environ, flags={}))


def test_a_user_who_may_only_read_is_told_what_to_grant(server: Server) -> None:
    server.execute("CREATE USER reading@'%' IDENTIFIED BY 'right'")
    server.execute(f"GRANT SELECT ON {DATABASE}.analysis_history TO reading@'%'")
    url = server.url(DATABASE, "reading")

    with (
        closing(writer(server, DATABASE_URL=url)) as into,
        pytest.raises(DatabaseError, match="grant SELECT, INSERT and UPDATE"),
    ):
        record(into)


def test_a_locked_row_is_given_up_in_time(server: Server) -> None:
    with closing(writer(server)) as into, server.admin(DATABASE) as other:
        row = record(into)
        other.begin()
        other.cursor().execute("UPDATE analysis_history SET user_id = 'x' WHERE id = %s", [row])

        with pytest.raises(DatabaseError, match=r"a lock was not released|longer than a person"):
            into.vote(row, 1, "like")


def test_connections_are_kept_and_all_let_go_after_a_failure(server: Server) -> None:
    with closing(writer(server)) as into, server.admin() as admin, admin.cursor() as cursor:
        record(into)
        cursor.execute("SELECT id FROM information_schema.processlist WHERE user = 'api'")
        ((first,),) = cursor.fetchall()
        record(into)
        cursor.execute("SELECT id FROM information_schema.processlist WHERE user = 'api'")
        assert cursor.fetchall() == ((first,),)

        # When the server ends the connection, the next operation fails and the one after works
        cursor.execute(f"KILL CONNECTION {first}")
        with pytest.raises(DatabaseError, match=r"error (2006|2013)"):
            record(into)
        assert record(into) > 0


def test_a_connection_that_rested_is_asked_before_it_is_used(server: Server) -> None:
    with closing(writer(server)) as into, server.admin() as admin, admin.cursor() as cursor:
        record(into)
        cursor.execute("SELECT id FROM information_schema.processlist WHERE user = 'api'")
        cursor.execute(f"KILL CONNECTION {cursor.fetchall()[0][0]}")

        with mock.patch.object(votes_writer, "RESTED_SECONDS", 0.0):
            assert record(into) > 0


def test_a_table_without_numbers_of_its_own_is_told(server: Server) -> None:
    server.execute("CREATE DATABASE numberless")
    server.execute(f"CREATE TABLE numberless.analysis_history LIKE {DATABASE}.analysis_history")
    server.execute("ALTER TABLE numberless.analysis_history MODIFY id INT NOT NULL DEFAULT 7")
    server.execute("GRANT SELECT, INSERT, UPDATE ON numberless.* TO api@'%'")

    with (
        closing(writer(server, DATABASE_URL=server.url("numberless", "api"))) as into,
        pytest.raises(DatabaseError, match="AUTO_INCREMENT"),
    ):
        record(into)


def test_a_server_that_is_killed_costs_the_recording_alone(place: Place, short_rest: None) -> None:
    with running() as dying:
        dying.execute(f"CREATE DATABASE {DATABASE} CHARACTER SET utf8mb4")
        with dying.admin(DATABASE) as connection:
            create_mysql(connection)
        at = {"DATABASE_URL": dying.url(DATABASE, "root", HOST), "DB_CA": str(dying.ca)}
        with service(place, at) as found:
            given = recommend(found)["recommendation_id"]
            dying.stop()

            assert recommend(found)["recorded"] is False
            body = FEEDBACK | {"recommendation_id": given}
            assert found.client.post("/feedback", body).status == 503
            assert found.client.get("/ready").status == 200
