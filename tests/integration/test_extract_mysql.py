"""What only a real server can do to a reader: other column types, zero dates, and dying."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from common.errors import DatabaseError
from local.mariadb import Server, running
from task.extract import extract
from tests.history import HOUR, MysqlHistory, analysis, as_base, read, styles, votes_in


def test_enum_json_and_other_character_sets_are_read_alike(mariadb: Server, tmp_path: Path) -> None:
    # Given the table as the application has it now, and as it had it once
    row = analysis(1, "like", "bad", user_id="José", recommended_styles=styles("a", "é"))
    plain = MysqlHistory(mariadb, "types_plain")
    typed = MysqlHistory(mariadb, "types_typed")
    typed.execute(
        "ALTER TABLE analysis_history MODIFY recommended_styles JSON, "
        "MODIFY style_1_feedback ENUM('like', 'dislike', 'good', 'bad'), "
        "MODIFY style_2_feedback ENUM('like', 'dislike', 'good', 'bad'), "
        "MODIFY user_id VARCHAR(100) CHARACTER SET latin1, "
        "MODIFY id BIGINT AUTO_INCREMENT, MODIFY feedback_at DATETIME, "
        "ADD COLUMN opencv_face_ratio FLOAT, ADD COLUMN mediapipe_face_ratio FLOAT"
    )
    plain.store(row)
    typed.store(row)

    one = read(plain, tmp_path / "plain.parquet")
    other = read(typed, tmp_path / "typed.parquet")

    assert votes_in(one) == votes_in(other)
    assert one.fingerprint == other.fingerprint
    assert one.source != other.source


def test_a_zero_date_is_no_time_and_is_not_lost(
    mysql_history: MysqlHistory, tmp_path: Path
) -> None:
    # Given a vote at MySQL's zero date, which is neither null nor a time
    mysql_history.store(analysis(1, "like"), analysis(2, "like"))
    mysql_history.execute(
        "SET STATEMENT sql_mode = '' FOR UPDATE analysis_history SET feedback_at = 0 WHERE id = 1"
    )

    full = read(mysql_history, tmp_path / "full.parquet")
    base = as_base(full, datetime(2026, 3, 1, tzinfo=UTC))
    incremental = read(mysql_history, tmp_path / "incremental.parquet", base=base)

    assert (full.missing_times, full.noted["bad_time"]) == (1, 1)
    assert incremental.rows == 1
    assert incremental.fingerprint == full.fingerprint


def test_a_server_that_dies_in_mid_read_leaves_no_snapshot(tmp_path: Path) -> None:
    # Given more rows than the buffers between server and reader can hold
    target = tmp_path / "votes.parquet"
    with running() as server:
        history = MysqlHistory(server, "dying")
        history.store(analysis(1, "like", recommended_styles=styles("a", reason="x" * 2_000)))
        history.execute(
            "INSERT INTO analysis_history (id, recommended_styles, style_1_feedback) "
            "SELECT seq, recommended_styles, 'like' FROM analysis_history, seq_2_to_20000"
        )

        # When it is killed while rows are coming
        with server.open("dying") as db, pytest.raises(DatabaseError) as lost:
            extract(
                db,
                target,
                base=None,
                last_verdict=None,
                overlap=HOUR,
                full=True,
                progress=lambda _: server.stop(),
            )

    assert "connection was lost" in str(lost.value)
    assert list(tmp_path.iterdir()) == []


def test_a_reader_that_stops_in_mid_read_does_not_wait_for_the_rest(
    mariadb: Server, tmp_path: Path
) -> None:
    history = MysqlHistory(mariadb, "stopped")
    history.store(*(analysis(i, "like") for i in range(1, 6)))

    with history.open() as db:
        rows = db.voted_rows()
        first = next(rows)
        rows.close()  # type: ignore[attr-defined]  # it is a generator

        assert first[0] == b"1"
        with pytest.raises(DatabaseError):
            db.count_votes(None)


def test_a_row_larger_than_a_packet_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    with running("--max-allowed-packet=1M") as server:
        history = MysqlHistory(server, "large")
        history.store(analysis(1, "like", recommended_styles="x"))
        more = "CONCAT(recommended_styles, REPEAT('x', {}))"
        for length in (1_000_000, 48_500):  # in two steps, as no statement may make so much
            history.execute(
                f"UPDATE analysis_history SET recommended_styles = {more.format(length)}"
            )

        with pytest.raises(DatabaseError, match="max_allowed_packet"):
            read(history, tmp_path / "votes.parquet")
