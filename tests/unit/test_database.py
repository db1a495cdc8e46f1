"""Addresses of databases, and the one kind that needs no server."""

import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from common import queries
from common.credentials import Password
from common.database import Database, VoteCounts, connect, identity, server_address, sqlite_path
from common.errors import DatabaseError, UsageError
from tests.history import SqliteHistory, analysis

SECRET = "hunter2"
SECOND = timedelta(seconds=1)


def opened(url: str, ca: Path | None = None, timeout: float = 5) -> Database:
    return connect(url, credential=Password(None), ca=ca, statement_timeout_seconds=timeout)


@pytest.mark.parametrize("scheme", ["mysql", "mysql+pymysql", "asyncmy", "mysql+asyncmy"])
def test_each_form_of_a_servers_address_means_the_same(scheme: str) -> None:
    address = server_address(f"{scheme}://me%40home@db.example:3307/hairme?charset=utf8mb4")

    assert (address.user, address.host, address.port) == ("me@home", "db.example", 3307)
    assert address.database == "hairme"


def test_the_port_is_mysqls_unless_given() -> None:
    assert server_address("mysql://me@db.example/hairme").port == 3306


@pytest.mark.parametrize(
    ("url", "says"),
    [
        (f"mysql://me:{SECRET}@db.example/hairme", "DB_PASSWORD"),
        ("mysql://me:@db.example/hairme", "DB_PASSWORD"),
        (f"mysql://me@db.example/hairme?password={SECRET}", "no options but charset"),
        (f"mysql:me:{SECRET}@db.example/hairme", "must be one of"),
        (f"postgresql://me:{SECRET}@db.example/hairme", "scheme postgresql"),
        ("mysql://db.example/hairme", "name a user"),
        ("mysql://me@/hairme", "name a host"),
        ("mysql://me@db..example/hairme", "names of 1 to 63 characters"),
        (f"mysql://me:{SECRET}@{'d' * 64}.example/hairme", "names of 1 to 63 characters"),
        ("mysql://me@db.example/", "name a database"),
        ("mysql://me@db.example:99999/hairme", "port"),
        (f"mysql://me:{SECRET}@db.example:x/hairme", "port"),
        ("mysql://me@[db/hairme", "cannot be read"),
        ("mysql://me@db.example/hairme", "DB_CA"),  # not this machine, so it must be verified
        ("mysql://me@192.168.0.1/hairme", "DB_CA"),
        ("sqlite://", "slashes"),
        ("sqlite:///", "slashes"),
        ("sqlite://history.db", "slashes"),
        ("", "must be one of"),
    ],
)
def test_an_address_that_cannot_be_meant_is_refused_and_no_secret_echoed(
    url: str, says: str
) -> None:
    with pytest.raises(UsageError) as refused:
        opened(url)

    assert says in str(refused.value)
    assert SECRET not in str(refused.value)


def test_a_certificate_authority_that_is_no_file_is_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="DB_CA must be the file"):
        opened("mysql://me@db.example/hairme", ca=tmp_path / "absent.pem")


def test_a_relative_and_an_absolute_path_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    assert sqlite_path("sqlite:///votes.db") == tmp_path / "votes.db"
    assert sqlite_path("sqlite:////var/votes.db") == Path("/var/votes.db")


def test_an_identity_tells_sources_apart() -> None:
    one = identity("mysql", "db.example", 3306, "hairme")

    assert one == identity("mysql", "db.example", 3306, "hairme")
    assert one != identity("mysql", "db.example", 3306, "other")


def test_the_identity_of_a_file_is_its_place(sqlite_history: SqliteHistory) -> None:
    with sqlite_history.open() as one, sqlite_history.open() as other:
        assert one.identity == other.identity


def test_a_file_is_opened_and_never_created(tmp_path: Path) -> None:
    absent = tmp_path / "absent.db"

    with pytest.raises(DatabaseError, match="never created"):
        opened(f"sqlite:///{absent}")

    assert not absent.exists()


def test_a_file_cannot_be_written(sqlite_history: SqliteHistory) -> None:
    # By the driver's own connection, since no method would write
    with sqlite_history.open() as db, pytest.raises(sqlite3.OperationalError, match="readonly"):
        vars(db)["_connection"].execute("DELETE FROM analysis_history")


def test_a_file_that_is_no_database_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "letter.txt"
    file.write_text("Dear reader, " * 200)

    with pytest.raises(DatabaseError, match="cannot be read as an SQLite database"):
        opened(f"sqlite:///{file}")


def test_a_missing_table_is_an_error_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / "empty.db"
    path.write_bytes(b"")  # to SQLite, an empty database

    with (
        opened(f"sqlite:///{path}") as db,
        pytest.raises(DatabaseError, match="table analysis_history, found none"),
    ):
        db.columns()


def test_a_missing_column_is_an_error_that_names_it(sqlite_history: SqliteHistory) -> None:
    sqlite_history.execute("ALTER TABLE analysis_history DROP COLUMN personal_color")
    sqlite_history.execute("ALTER TABLE analysis_history DROP COLUMN style_2_naver_clicked")

    with (
        sqlite_history.open() as db,
        pytest.raises(DatabaseError, match="no personal_color, style_2_naver_clicked"),
    ):
        db.columns()


def test_a_fourth_vote_without_its_click_is_a_missing_column(tmp_path: Path) -> None:
    history = SqliteHistory(tmp_path / "five.sqlite", votes=5)
    history.execute("ALTER TABLE analysis_history DROP COLUMN style_4_naver_clicked")

    with history.open() as db, pytest.raises(DatabaseError, match="no style_4_naver_clicked"):
        db.count_votes(None)


def test_five_vote_columns_are_counted_where_there_are_five(tmp_path: Path) -> None:
    history = SqliteHistory(tmp_path / "five.sqlite", votes=5)
    history.store(analysis(1, "like", None, "bad", "good", "LIKE"))

    with history.open() as db:
        assert db.count_votes(None) == VoteCounts(total=4, new=4)


def test_times_are_compared_in_utc_whatever_their_form(sqlite_history: SqliteHistory) -> None:
    # Given votes at 00:00:01 UTC, spelt in four ways, one a microsecond before, and no time
    for number, time in enumerate(
        [
            "2026-03-01 00:00:01",
            "2026-03-01T00:00:01Z",
            "2026-03-01 09:00:01+09:00",
            "2026-03-01 00:00:01.000000",
            "2026-03-01 00:00:00.999999",
            "soon",
            None,
        ]
    ):
        sqlite_history.store(analysis(number, "like", feedback_at=time))

    # When new means after the second, and after a microsecond less
    with sqlite_history.open() as db:
        after = db.count_votes(datetime(2026, 3, 1, 0, 0, 1, tzinfo=UTC))
        before = db.count_votes(datetime(2026, 3, 1, 0, 0, 0, 999_999, tzinfo=UTC))

    assert after == VoteCounts(total=7, new=0)
    assert before == VoteCounts(total=7, new=4)


def test_a_statement_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    # Given a table that never ends
    path = tmp_path / "endless.sqlite"
    names = [*queries.ROW, *(f"style_{i}_feedback" for i in (1, 2, 3))]
    names += [f"style_{i}_naver_clicked" for i in (1, 2, 3)]
    connection = sqlite3.connect(path)
    connection.execute(
        "CREATE VIEW analysis_history AS "
        "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) "
        f"SELECT {', '.join(f'x AS {name}' for name in names)} FROM n"
    )
    connection.close()

    with (
        opened(f"sqlite:///{path}", timeout=0.05) as db,
        pytest.raises(DatabaseError, match=r"0\.05 s"),
    ):
        db.count_votes(None)


def test_a_locked_file_is_an_error_with_a_remedy(sqlite_history: SqliteHistory) -> None:
    writer = sqlite3.connect(sqlite_history.path)
    writer.execute("BEGIN EXCLUSIVE")

    with pytest.raises(DatabaseError, match="locked"):
        sqlite_history.open(timeout=0.01)

    writer.close()


def test_what_is_written_after_opening_is_not_seen(sqlite_history: SqliteHistory) -> None:
    sqlite_history.execute("PRAGMA journal_mode = WAL")
    sqlite_history.store(analysis(1, "like"))

    with sqlite_history.open() as db:
        sqlite_history.store(analysis(2, "like"))
        assert db.count_votes(None).total == 1


def test_the_facts_a_doctor_asks_for(sqlite_history: SqliteHistory) -> None:
    with sqlite_history.open() as db:
        assert (db.has_feedback_index(), db.tls_in_use(), db.can_write()) == (False, False, True)

    sqlite_history.execute("CREATE INDEX by_time ON analysis_history (created_at, feedback_at)")
    with sqlite_history.open() as db:
        assert not db.has_feedback_index()

    sqlite_history.execute("CREATE INDEX by_feedback ON analysis_history (feedback_at)")
    with sqlite_history.open() as db:
        assert db.has_feedback_index()


def test_the_clock_is_the_moment_of_opening(sqlite_history: SqliteHistory) -> None:
    before = datetime.now(UTC)
    with sqlite_history.open() as db:
        assert before <= db.clock() <= datetime.now(UTC)
        assert db.clock() == db.clock()


def test_only_fixed_texts_stand_in_a_statement() -> None:
    types = {"feedback_at": "datetime", **{f"style_{i}_feedback": "varchar" for i in (1, 2, 3)}}
    table = queries.Table(dialect=queries.MYSQL, types=types)

    statement, values = queries.count_votes_between(table, "since", "cutoff")

    assert values == ["since", "cutoff"]
    assert statement.count("%s") == statement.count("%") == len(values)
