"""The votes on a real server: what a connection promises, and how each failure reads."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pymysql
import pytest

from common.database import VoteCounts
from common.errors import DatabaseError
from local.mariadb import READER_PASSWORD, Server, running
from tests.history import History, MysqlHistory, analysis


@pytest.fixture(scope="module")
def plain_server() -> Iterator[Server]:
    """A server that offers no TLS, with its clock in another zone."""
    with running(
        "--default-time-zone=+09:00", "--transaction-isolation=READ-COMMITTED", tls=False
    ) as one:
        yield one


def test_every_spelling_counts_and_nothing_else(history: History) -> None:
    # Given the six spellings, and what a lax comparison would take for one of them
    history.store(
        analysis(1, "like", "LIKE", "good"),
        analysis(2, "dislike", "DISLIKE", "bad"),
        analysis(3, "Like", "like ", "GOOD"),
        analysis(4, "", "good\n", None),
    )

    with history.open() as db:
        assert db.count_votes(None) == VoteCounts(total=6, new=6, unknown=5)


def test_unknown_spellings_are_counted_where_the_new_votes_are(history: History) -> None:
    # Given a release of the application that spells a like in a way of its own
    history.store(
        analysis(1, "like", "thumb", feedback_at="2026-03-01 11:00:00"),
        analysis(2, "thumb", None, "thumb", feedback_at="2026-03-01 13:00:00"),
        analysis(3, "like", "", feedback_at="2026-03-01 13:00:00"),
        analysis(4, "thumb", feedback_at="2999-01-01 00:00:00"),
    )
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)

    with history.open() as db:
        assert db.count_votes(noon) == VoteCounts(total=2, new=1, unknown=3)
        assert db.count_votes(None) == VoteCounts(total=2, new=2, unknown=5)


def test_new_means_after_the_last_verdict_and_not_after_now(history: History) -> None:
    # Given votes before, at and after a verdict's cutoff, in the future, and at no known time
    cutoff = datetime(2026, 3, 1, 12, 0, 0, 500_000, tzinfo=UTC)
    for number, time in enumerate(
        [
            "2026-03-01 12:00:00.499999",
            "2026-03-01 12:00:00.500000",
            "2026-03-01 12:00:00.500001",
            "2999-01-01 00:00:00",
            None,
        ]
    ):
        history.store(analysis(number, "like", "bad", feedback_at=time))

    with history.open() as db:
        assert db.count_votes(cutoff) == VoteCounts(total=10, new=2)
        assert db.count_votes(cutoff.astimezone()) == VoteCounts(total=10, new=2)
        assert db.count_votes(None) == VoteCounts(total=10, new=10)


def test_an_empty_table_has_no_votes(history: History) -> None:
    with history.open() as db:
        assert db.count_votes(None) == VoteCounts(total=0, new=0)
        assert db.count_votes(db.clock()) == VoteCounts(total=0, new=0)


def test_quotes_and_sql_in_a_vote_are_only_text(history: History) -> None:
    history.store(analysis(1, "'; DROP", "like' --", "%s"), analysis(2, "like"))

    with history.open() as db:
        assert db.count_votes(None) == VoteCounts(total=1, new=1, unknown=3)


def test_what_is_committed_after_opening_is_not_seen(plain_server: Server) -> None:
    # Given a server that by itself would show each statement the newest rows
    history = MysqlHistory(plain_server, "snapshot")
    history.store(analysis(1, "like"))

    with history.open() as db:
        history.store(analysis(2, "like"))
        assert db.count_votes(None).total == 1


def test_the_clock_is_the_servers_in_utc(plain_server: Server) -> None:
    history = MysqlHistory(plain_server, "clock")

    with history.open() as db:
        assert abs(db.clock() - datetime.now(UTC)) < timedelta(minutes=1)


def test_a_timestamp_is_utc_whatever_the_servers_zone(plain_server: Server) -> None:
    # Given a column that the server shows in the session's zone, nine hours ahead by default
    history = MysqlHistory(plain_server, "zone")
    history.execute("ALTER TABLE analysis_history MODIFY feedback_at TIMESTAMP NULL")
    history.store(analysis(1, "like", feedback_at="2026-03-01 09:00:00"))

    with history.open() as db:
        ((*_, feedback_at, _, _),) = db.voted_rows()
        assert feedback_at == b"2026-03-01 00:00:00"
        assert db.count_votes(datetime(2026, 2, 28, 23, 59, 59, tzinfo=UTC)).new == 1
        assert db.count_votes(datetime(2026, 3, 1, tzinfo=UTC)).new == 0


def test_the_session_cannot_write(mariadb: Server) -> None:
    # Given a user who may write, and the driver's own connection, since no method would write
    history = MysqlHistory(mariadb, "readonly")
    history.store(analysis(1, "like"))

    with mariadb.open("readonly", user="root", password="") as db:
        cursor = vars(db)["_connection"].cursor()
        for _ in ("in the snapshot", "after it"):
            with pytest.raises(pymysql.MySQLError, match="READ ONLY transaction"):
                cursor.execute("DELETE FROM analysis_history")
            cursor.execute("COMMIT")

    with history.open() as db:
        assert db.count_votes(None).total == 1


def test_a_wrong_password_says_so_and_does_not_tell_it(mariadb: Server) -> None:
    MysqlHistory(mariadb, "locked")

    with pytest.raises(DatabaseError) as refused:
        mariadb.open("locked", password="not-the-password")

    assert "wrong user or password" in str(refused.value)
    assert "not-the-password" not in repr(refused.value)
    assert READER_PASSWORD not in repr(refused.value)


def test_a_server_that_is_not_there_is_an_error() -> None:
    with running() as gone:
        gone.create("gone")
        gone.stop()

        with pytest.raises(DatabaseError, match="nobody answers there"):
            gone.open("gone")


def test_a_database_that_is_not_there_is_an_error(mariadb: Server) -> None:
    with pytest.raises(DatabaseError, match="no such database"):
        mariadb.open("nowhere", user="root", password="")


def test_a_table_that_is_not_there_is_an_error(mysql_history: MysqlHistory) -> None:
    mysql_history.execute("DROP TABLE analysis_history")

    with mysql_history.open() as db, pytest.raises(DatabaseError, match="found none"):
        db.count_votes(None)


def test_a_missing_column_is_named(mysql_history: MysqlHistory) -> None:
    mysql_history.execute("ALTER TABLE analysis_history DROP COLUMN image_hash")

    with mysql_history.open() as db, pytest.raises(DatabaseError, match="no image_hash"):
        db.voted_rows()


def test_the_right_authority_vouches_for_the_server(mariadb: Server) -> None:
    MysqlHistory(mariadb, "trusted")

    with mariadb.open("trusted", ca=mariadb.ca) as db:
        assert db.tls_in_use()


def test_another_authority_is_refused(mariadb: Server) -> None:
    MysqlHistory(mariadb, "untrusted")

    with pytest.raises(DatabaseError, match="not what DB_CA vouches for"):
        mariadb.open("untrusted", ca=mariadb.wrong_ca)


def test_a_certificate_for_another_host_is_refused(mariadb: Server) -> None:
    # Given a certificate that names 127.0.0.1 alone
    MysqlHistory(mariadb, "elsewhere")

    with pytest.raises(DatabaseError, match="not what DB_CA vouches for"):
        mariadb.open("elsewhere", host="localhost", ca=mariadb.ca)


def test_a_server_without_tls_is_refused_where_it_must_be_verified(plain_server: Server) -> None:
    MysqlHistory(plain_server, "plain")

    with pytest.raises(DatabaseError, match="encrypted"):
        plain_server.open("plain", ca=plain_server.ca)
    with plain_server.open("plain") as db:
        assert not db.tls_in_use()


def test_a_statement_that_takes_too_long_is_ended_by_the_server(
    mysql_history: MysqlHistory,
) -> None:
    mysql_history.store(analysis(1, "like"))
    mysql_history.execute("RENAME TABLE analysis_history TO stored")
    mysql_history.execute(
        "CREATE VIEW analysis_history AS SELECT *, 1 FROM stored WHERE SLEEP(9) = 0"
    )
    mysql_history.execute(f"GRANT SELECT ON {mysql_history.database}.* TO reader@'%'")

    with (
        mysql_history.open(timeout=0.1) as db,
        pytest.raises(DatabaseError, match="longer than allowed"),
    ):
        db.count_votes(None)


def test_mysql_is_asked_for_its_own_time_limit() -> None:
    # Given a server that calls itself MySQL, and does not know MySQL's name for the limit
    with running("--version=8.0.36") as server:
        server.create("mysql_words")

        with pytest.raises(DatabaseError, match="max_execution_time"):
            server.open("mysql_words")


def test_a_reader_may_not_write_and_an_administrator_may(mariadb: Server) -> None:
    MysqlHistory(mariadb, "rights")
    mariadb.execute("CREATE USER column_reader@'%' IDENTIFIED BY ''")
    mariadb.execute("GRANT SELECT (id, user_id) ON rights.analysis_history TO column_reader@'%'")
    mariadb.execute("CREATE USER writer@'%' IDENTIFIED BY ''")
    mariadb.execute("GRANT SELECT, INSERT (id) ON rights.analysis_history TO writer@'%'")

    mariadb.execute("CREATE ROLE some_role")
    mariadb.execute("CREATE USER role_reader@'%' IDENTIFIED BY ''")
    mariadb.execute("GRANT SELECT ON rights.* TO role_reader@'%'")
    mariadb.execute("GRANT some_role TO role_reader@'%'")

    for user, password, may in [
        ("reader", READER_PASSWORD, False),
        ("role_reader", "", True),  # a role may hold any right
        ("column_reader", "", False),
        ("writer", "", True),
        ("root", "", True),
    ]:
        with mariadb.open("rights", user=user, password=password) as db:
            assert db.can_write() is may, user


def test_a_right_to_some_columns_only_is_told_as_the_missing_ones(mariadb: Server) -> None:
    MysqlHistory(mariadb, "partial")
    mariadb.execute("CREATE USER half_reader@'%' IDENTIFIED BY ''")
    mariadb.execute("GRANT SELECT (id, user_id) ON partial.analysis_history TO half_reader@'%'")

    with (
        mariadb.open("partial", user="half_reader", password="") as db,
        pytest.raises(DatabaseError, match="no image_hash, face_shape"),
    ):
        db.columns()


def test_an_index_counts_only_if_feedback_at_comes_first(mysql_history: MysqlHistory) -> None:
    with mysql_history.open() as db:
        assert db.has_feedback_index()

    mysql_history.execute("DROP INDEX feedback_at ON analysis_history")
    mysql_history.execute("CREATE INDEX other ON analysis_history (created_at, feedback_at)")
    with mysql_history.open() as db:
        assert not db.has_feedback_index()
