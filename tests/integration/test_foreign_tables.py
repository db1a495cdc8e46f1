"""Tables as others made them: types that cannot serve, other character sets, bytes of no text."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from common.database import Database
from common.errors import DatabaseError, RetrainError, UsageError
from common.queries import TABLE
from local.mariadb import Server, running
from tests.history import (
    VOTED,
    History,
    MysqlHistory,
    SqliteHistory,
    analysis,
    as_base,
    read,
    votes_in,
)

LONG_AGO = datetime(2025, 1, 1, tzinfo=UTC)
CUTOFF = datetime(2026, 3, 1, tzinfo=UTC)
VOTE_COLUMNS = [f"style_{i}_feedback" for i in (1, 2, 3)]


def modify(history: History, column: str, kind: str) -> None:
    """Give a column of an empty table another type."""
    if isinstance(history, MysqlHistory):
        history.execute(f"ALTER TABLE {TABLE} MODIFY {column} {kind}")
        return
    history.execute(f"ALTER TABLE {TABLE} DROP COLUMN {column}")
    history.execute(f"ALTER TABLE {TABLE} ADD COLUMN {column} {kind}")


def counted_and_read(history: History, folder: Path) -> tuple[int, int, int]:
    """Votes in all and new ones by the count, and votes and rejects that are read."""
    with history.open() as db:
        counts = db.count_votes(LONG_AGO)
    assert counts.total == counts.new
    snapshot = read(history, folder / "votes.parquet")
    assert snapshot.differs == ()
    return counts.total, snapshot.votes, sum(snapshot.rejected.values())


@pytest.mark.parametrize(
    ("column", "kind", "says"),
    [
        ("feedback_at", "DATE", r"feedback_at .* got DATE: .* MODIFY feedback_at DATETIME"),
        ("feedback_at", "BIGINT", r"feedback_at .* got BIGINT: .* FROM_UNIXTIME"),
        ("feedback_at", "DOUBLE", r"feedback_at .* got DOUBLE: .* FROM_UNIXTIME"),
        ("feedback_at", "VARCHAR(40)", r"feedback_at .* got VARCHAR: .* do not sort by time"),
        ("feedback_at", "TIME", r"feedback_at .* got TIME: "),
        ("id", "BINARY(16)", r"id .* whole number .* got BINARY"),
        ("id", "VARCHAR(36)", r"id .* whole number .* got VARCHAR"),
        ("id", "DECIMAL(20, 0)", r"id .* whole number .* got DECIMAL"),
    ],
)
def test_a_type_that_cannot_serve_is_refused_before_anything_is_counted_or_read(
    mysql_history: MysqlHistory, tmp_path: Path, column: str, kind: str, says: str
) -> None:
    modify(mysql_history, column, kind)

    with mysql_history.open() as db, pytest.raises(UsageError, match=says):
        db.count_votes(None)
    with pytest.raises(UsageError, match=says):
        read(mysql_history, tmp_path / "votes.parquet")


def test_a_declared_number_is_refused_in_a_file_too(sqlite_history: SqliteHistory) -> None:
    modify(sqlite_history, "feedback_at", "BIGINT")

    with sqlite_history.open() as db, pytest.raises(UsageError, match=r"got BIGINT"):
        db.count_votes(None)


@pytest.mark.parametrize(
    "value", ["'2026-02-01'", "1767323045", "1767323045.5", "x'ff00'", "'soon'", "NULL"]
)
def test_what_is_no_time_in_a_file_is_read_each_time(
    sqlite_history: SqliteHistory, tmp_path: Path, value: str
) -> None:
    sqlite_history.store(*(analysis(i, "like") for i in range(1, 5)))
    base = as_base(read(sqlite_history, tmp_path / "base.parquet"), CUTOFF)
    sqlite_history.store(analysis(9, "bad"))
    sqlite_history.execute(f"UPDATE {TABLE} SET feedback_at = {value} WHERE id > 3")

    found = read(sqlite_history, tmp_path / "votes.parquet", base=base)

    assert (found.mode, found.votes, found.missing_times) == ("incremental", 5, 2)
    assert found.untimed == (0 if value == "NULL" else 2)
    with sqlite_history.open() as db:
        assert db.count_votes(LONG_AGO).new == 3


@pytest.mark.parametrize("charset", ["ucs2", "utf16", "utf32", "euckr", "utf8mb3", "latin1"])
def test_votes_of_any_character_set_are_counted_as_they_are_read(
    mysql_history: MysqlHistory, tmp_path: Path, charset: str
) -> None:
    for column in VOTE_COLUMNS:
        modify(mysql_history, column, f"VARCHAR(10) CHARACTER SET {charset}")
    mysql_history.store(*(analysis(i, "like", "bad", "Like") for i in range(1, 6)))

    assert counted_and_read(mysql_history, tmp_path) == (10, 10, 5)


@pytest.mark.parametrize("kind", ["BINARY(10)", "VARBINARY(10)", "BLOB", "CHAR(10)", "TEXT"])
def test_votes_of_any_type_are_counted_as_they_are_read(
    mysql_history: MysqlHistory, tmp_path: Path, kind: str
) -> None:
    for column in VOTE_COLUMNS:
        modify(mysql_history, column, kind)
    mysql_history.store(*(analysis(i, "like", "DISLIKE", "no") for i in range(1, 6)))

    assert counted_and_read(mysql_history, tmp_path) == (10, 10, 5)


def test_bytes_in_a_file_are_counted_as_they_are_read(
    sqlite_history: SqliteHistory, tmp_path: Path
) -> None:
    like: object = b"like"
    sqlite_history.store(analysis(1, "like", style_2_feedback=like, style_3_feedback=b"\xb0\xa1"))

    assert counted_and_read(sqlite_history, tmp_path) == (2, 2, 1)


@pytest.mark.parametrize("mode", ["EMPTY_STRING_IS_NULL", "ORACLE", "PAD_CHAR_TO_FULL_LENGTH"])
def test_the_servers_own_mode_changes_nothing(tmp_path: Path, mode: str) -> None:
    with running(f"--sql-mode={mode}") as server:
        history = MysqlHistory(server, "modes")
        for column in VOTE_COLUMNS:
            modify(history, column, "CHAR(10)")
        history.store(analysis(1, "like", None, "bad", image_hash=None), analysis(2, "like", "?"))

        assert counted_and_read(history, tmp_path) == (3, 3, 1)


@pytest.mark.parametrize(
    ("kind", "no", "yes"),
    [
        ("ENUM('N','Y')", "'N'", "'Y'"),
        ("BIT(1)", "b'0'", "b'1'"),
        ("VARCHAR(5)", "'false'", "'TRUE'"),
        ("CHAR(1)", "'0'", "'1'"),
        ("BOOLEAN", "0", "1"),
        ("DECIMAL(3, 1)", "0.0", "0.5"),
    ],
)
def test_a_click_is_one_in_every_type(
    mysql_history: MysqlHistory, tmp_path: Path, kind: str, no: str, yes: str
) -> None:
    modify(mysql_history, "style_1_naver_clicked", kind)
    mysql_history.store(analysis(1, "like"), analysis(2, "like"), analysis(3, "like"))
    mysql_history.execute(
        f"UPDATE {TABLE} SET style_1_naver_clicked = CASE id WHEN 1 THEN {no} WHEN 2 THEN {yes} END"
    )

    votes = votes_in(read(mysql_history, tmp_path / "votes.parquet"))

    assert [vote["naver_clicked"] for vote in votes] == [False, True, False]


@pytest.mark.parametrize(("value", "clicked"), [("1", True), ("0", False), ("'false'", False)])
def test_a_click_in_a_file_is_told_by_its_value(
    sqlite_history: SqliteHistory, tmp_path: Path, value: str, clicked: bool
) -> None:
    sqlite_history.store(analysis(1, "like"))
    sqlite_history.execute(f"UPDATE {TABLE} SET style_1_naver_clicked = {value}")

    (vote,) = votes_in(read(sqlite_history, tmp_path / "votes.parquet"))

    assert vote["naver_clicked"] is clicked


@pytest.mark.parametrize(
    "column", ["user_id", "image_hash", "face_shape", "personal_color", "recommended_styles"]
)
def test_bytes_of_another_encoding_are_a_text_or_a_rejected_cell(
    history: History, tmp_path: Path, column: str
) -> None:
    # Given what a program wrote in cp949 into a column of bytes
    modify(history, column, "BLOB")
    history.store(analysis(1, "like", **{column: "계란형".encode("cp949")}), analysis(2, "bad"))

    total, votes, rejects = counted_and_read(history, tmp_path)

    assert (total, votes + rejects) == (2, 2)
    assert rejects == (column == "recommended_styles")


@pytest.mark.parametrize("row_id", [2**63, 2**64 - 1])
@pytest.mark.parametrize("vote", ["like", "?"])
def test_an_id_too_large_is_told_with_its_column(
    mysql_history: MysqlHistory, tmp_path: Path, row_id: int, vote: str
) -> None:
    modify(mysql_history, "id", "BIGINT UNSIGNED")
    mysql_history.store(analysis(1, "like"), analysis(row_id, vote))

    with pytest.raises(DatabaseError, match=f"column id .* must be at most .* got {row_id}"):
        read(mysql_history, tmp_path / "votes.parquet")


def test_the_largest_id_is_read(history: History, tmp_path: Path) -> None:
    modify_id = isinstance(history, MysqlHistory)
    if modify_id:
        modify(history, "id", "BIGINT UNSIGNED")
    history.store(analysis(2**63 - 1, "like", "?"), analysis(1, "bad"))

    assert counted_and_read(history, tmp_path) == (2, 2, 1)


@pytest.mark.parametrize("kind", ["INT(8) UNSIGNED ZEROFILL", "TINYINT", "BIGINT UNSIGNED"])
def test_ids_of_every_whole_type_are_reconciled(
    mysql_history: MysqlHistory, tmp_path: Path, kind: str
) -> None:
    modify(mysql_history, "id", kind)
    mysql_history.store(analysis(7, "like", "?"), analysis(100, "bad"))

    assert counted_and_read(mysql_history, tmp_path) == (2, 2, 1)


def test_a_timestamp_serves(mysql_history: MysqlHistory, tmp_path: Path) -> None:
    modify(mysql_history, "feedback_at", "TIMESTAMP(6) NULL")
    mysql_history.store(*(analysis(i, "like") for i in range(1, 5)))
    base = as_base(read(mysql_history, tmp_path / "base.parquet"), VOTED)
    mysql_history.store(analysis(2, "bad", feedback_at="2026-03-01 00:00:00"))

    found = read(mysql_history, tmp_path / "votes.parquet", base=base)

    assert (found.mode, found.votes, found.likes) == ("incremental", 4, 3)


def refusal(db: Database, since: datetime) -> str:
    with pytest.raises(RetrainError) as refused:
        db.count_votes(since)
    return str(refused.value)


def test_a_cutoff_ahead_of_the_databases_clock_is_refused_with_its_remedy(
    history: History, mariadb: Server
) -> None:
    history.store(analysis(1, "like"))
    with history.open() as db:
        says = refusal(db, datetime(2996, 1, 2, tzinfo=UTC))

    assert "got 2996-01-02 00:00:00" in says
    assert "run --full" in says
