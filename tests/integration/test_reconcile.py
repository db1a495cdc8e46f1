"""What an increment cannot see is found by reconciling, on both kinds of database."""

import logging
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from common.settings import Settings
from task.snapshot import BaseSnapshot, Snapshot
from task.validate import Finding, check
from tests.history import History, MysqlHistory, analysis, as_base, read, votes_in

CUTOFF = datetime(2026, 3, 1, tzinfo=UTC)
BEFORE, AFTER = "2026-02-01 00:00:00", "2026-03-02 00:00:00"
DELETED = "DELETE FROM analysis_history WHERE id <= 4"


@pytest.fixture
def base(history: History, tmp_path: Path) -> BaseSnapshot:
    """20 rows with two votes and a rejected cell each, as if read at CUTOFF."""
    history.store(*(analysis(i, "like", "bad", "??", feedback_at=BEFORE) for i in range(1, 21)))
    return as_base(read(history, tmp_path / "base.parquet"), CUTOFF)


def again(history: History, tmp_path: Path, base: BaseSnapshot) -> Snapshot:
    """What the next run holds, which must be what a full read gives."""
    found = read(history, tmp_path / "next.parquet", base=base)
    full = read(history, tmp_path / "full.parquet")
    assert votes_in(found) == votes_in(full)
    assert (found.fingerprint, found.differs) == (full.fingerprint, ())
    return found


def reconciled(snapshot: Snapshot) -> Finding:
    findings = check(snapshot, pq.read_schema(snapshot.path), Settings())
    return next(each for each in findings if each.name == "reconciled")


def test_what_moves_its_time_needs_no_full_read(
    history: History, tmp_path: Path, base: BaseSnapshot
) -> None:
    # Given changed, withdrawn and new votes, a rejected cell mended and another one come
    history.store(
        analysis(1, "bad", "bad", "like", feedback_at=AFTER),
        analysis(2, feedback_at=AFTER),
        analysis(3, "like", "!", "!", feedback_at=AFTER),
        analysis(30, "like", recommended_styles="[", feedback_at=AFTER),
        analysis(31, "like", recommended_styles="[", feedback_at=None),
    )

    found = again(history, tmp_path, base)

    assert (found.mode, found.missed, reconciled(found).answer) == ("incremental", (), "ok")
    # And the next one knows of the rejected cells of both
    last = read(history, tmp_path / "last.parquet", base=as_base(found, datetime.now(UTC)))
    assert (last.mode, last.missed) == ("incremental", ())


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(DELETED, id="rows deleted"),
        pytest.param(
            f"{DELETED}; INSERT INTO analysis_history (id, style_1_feedback, style_2_feedback, "
            "style_3_feedback, recommended_styles, feedback_at) SELECT id + 100, "
            "style_1_feedback, style_2_feedback, style_3_feedback, recommended_styles, feedback_at "
            "FROM analysis_history WHERE id <= 8",
            id="as many inserted with old times as deleted",
        ),
        pytest.param(
            "UPDATE analysis_history SET style_1_feedback = style_2_feedback, "
            "style_2_feedback = style_1_feedback WHERE id = 9",
            id="changed without moving the time",
        ),
        pytest.param(
            "UPDATE analysis_history SET style_1_feedback = 'bad' WHERE id = 9; "
            "UPDATE analysis_history SET style_2_feedback = 'like' WHERE id = 8",
            id="counts shifted between rows",
        ),
        pytest.param(
            "UPDATE analysis_history SET style_3_feedback = NULL WHERE id = 9",
            id="a rejected cell withdrawn",
        ),
        pytest.param(
            "UPDATE analysis_history SET id = id + 1000 WHERE id > 10", id="ids given anew"
        ),
    ],
)
def test_what_does_not_move_its_time_is_found_at_once(
    history: History,
    tmp_path: Path,
    base: BaseSnapshot,
    change: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for statement in change.split("; "):
        history.execute(statement)

    with caplog.at_level(logging.WARNING):
        found = again(history, tmp_path, base)

    assert (found.mode, bool(found.missed)) == ("full", True)
    assert "all votes are read again" in caplog.text
    finding = reconciled(found)
    assert (finding.answer, finding.value) == ("warn", len(found.missed))
    assert "at position" in finding.says


def test_votes_that_change_places_are_seen_though_every_count_stays(
    history: History, tmp_path: Path, base: BaseSnapshot
) -> None:
    # Given a like that goes from row 9 to row 8, and its dislike back
    history.store(analysis(8, "bad", "bad", "??", feedback_at=BEFORE))
    changed = as_base(read(history, tmp_path / "changed.parquet"), CUTOFF)
    history.store(
        analysis(8, "like", "bad", "??", feedback_at=BEFORE),
        analysis(9, "bad", "bad", "??", feedback_at=BEFORE),
    )

    found = again(history, tmp_path, changed)

    assert {str(each) for each in found.missed} == {
        "other likes at position 1, 19 in each",
        "other dislikes at position 1, 1 in each",
    }


def test_a_difference_that_a_full_read_leaves_stops_with_both_numbers(
    history: History, tmp_path: Path
) -> None:
    # Given a view that shows the reader each id twice
    history.store(*(analysis(i, "like", "bad") for i in range(1, 4)))
    history.execute("ALTER TABLE analysis_history RENAME TO stored")
    history.execute(
        "CREATE VIEW analysis_history AS SELECT * FROM stored UNION ALL SELECT * FROM stored"
    )

    finding = reconciled(read(history, tmp_path / "votes.parquet"))

    assert (finding.answer, finding.value) == ("stop", 3)
    assert "6 rows have 3 different ones" in finding.says


def test_a_base_without_its_rejected_cells_is_read_anew(
    history: History, tmp_path: Path, base: BaseSnapshot
) -> None:
    # Given a snapshot of an earlier release
    pq.write_table(pq.read_table(base.path).replace_schema_metadata(None), base.path)

    found = again(history, tmp_path, base)

    assert (found.mode, [each.answer for each in found.missed]) == ("full", ["rejects"])


@pytest.mark.parametrize(
    "time", ["2026-00-15 10:00:00", "2026-11-00 09:00:00", "2026-09-31 00:00:00", "2027-02-30"]
)
def test_a_date_of_no_calendar_is_counted_and_comes_in(
    mysql_history: MysqlHistory, tmp_path: Path, time: str
) -> None:
    # Given times as a server keeps them when told to, before and after the cutoff
    mysql_history.store(*(analysis(i, "like", feedback_at=BEFORE) for i in range(1, 5)))
    base = as_base(read(mysql_history, tmp_path / "base.parquet"), CUTOFF)
    mysql_history.store(*(analysis(i, "like", feedback_at=BEFORE) for i in range(5, 9)))
    mysql_history.execute(
        "SET STATEMENT sql_mode = 'ALLOW_INVALID_DATES' FOR UPDATE analysis_history "
        f"SET feedback_at = '{time}' WHERE id > 3"
    )

    found = again(mysql_history, tmp_path, base)

    assert (found.votes, found.untimed, found.missing_times) == (8, 5, 5)
    with mysql_history.open() as db:
        assert db.count_votes(datetime(2025, 1, 1, tzinfo=UTC)).new == 3
        assert db.count_untimed() == 5


@pytest.mark.parametrize("time", ["9999-12-31 23:59:59", "1970-01-01 00:00:01"])
def test_a_time_that_stands_for_none_is_no_time(
    history: History, tmp_path: Path, base: BaseSnapshot, time: str
) -> None:
    history.store(*(analysis(i, "like", feedback_at=time) for i in (1, 50)))

    found = again(history, tmp_path, base)

    assert (found.mode, found.untimed, found.late) == ("incremental", 2, 0)
    with history.open() as db:
        assert db.count_untimed() == 2
        assert db.count_votes(datetime(2025, 1, 1, tzinfo=UTC)).new == 38
