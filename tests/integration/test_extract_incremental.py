"""Reading what changed, against reading everything, on both kinds of database."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from common.errors import DatabaseError, StoreError
from task.extract import extract
from task.snapshot import BaseSnapshot, Snapshot
from tests.history import HOUR, History, SqliteHistory, analysis, as_base, read, votes_in

CUTOFF = datetime(2026, 3, 1, tzinfo=UTC)
BEFORE = "2026-02-01 00:00:00"
AFTER = "2026-03-02 00:00:00"
LATE_COMMIT = "2026-02-28 23:30:00"  # before the cutoff, yet not in the base


@pytest.fixture
def base(history: History, tmp_path: Path) -> BaseSnapshot:
    """A snapshot of 20 rows with two votes each, as if read at CUTOFF."""
    history.store(*(analysis(i, "like", "bad", feedback_at=BEFORE) for i in range(1, 21)))
    return as_base(read(history, tmp_path / "base.parquet"), CUTOFF)


def both(history: History, tmp_path: Path, base: BaseSnapshot) -> tuple[Snapshot, Snapshot]:
    """An incremental and a full read."""
    incremental = read(history, tmp_path / "incremental.parquet", base=base)
    full = read(history, tmp_path / "full.parquet")
    assert (incremental.mode, full.mode) == ("incremental", "full")
    return incremental, full


def test_changed_withdrawn_and_late_votes_are_found(
    history: History, tmp_path: Path, base: BaseSnapshot
) -> None:
    history.store(
        analysis(2, "bad", "bad", feedback_at=AFTER),  # changed
        analysis(3, "like", None, feedback_at=AFTER),  # one vote withdrawn
        analysis(4, feedback_at=AFTER),  # all votes withdrawn
        analysis(5, "like", "oops", feedback_at=AFTER),  # no longer a vote
        analysis(30, "like", feedback_at=AFTER),  # new
        analysis(0, "bad", feedback_at=AFTER),  # new, before all others
        analysis(31, "good", feedback_at=LATE_COMMIT),
        analysis(32, "good", feedback_at="2999-01-01 00:00:00"),  # later than the clock
        analysis(33, "good", feedback_at=None),
    )

    incremental, full = both(history, tmp_path, base)

    assert votes_in(incremental) == votes_in(full)
    assert incremental.fingerprint == full.fingerprint
    assert incremental.rows == 9
    assert incremental.base_run_id == "m-base"
    assert (incremental.votes, incremental.late) == (full.votes, full.late) == (41, 1)
    assert (incremental.splits, incremental.likes) == (full.splits, full.likes)


def test_votes_without_a_time_are_read_again_each_time(history: History, tmp_path: Path) -> None:
    # Given a base with votes of unknown time
    history.store(
        analysis(1, "like", feedback_at=None),
        analysis(2, "like", feedback_at=None),
        analysis(3, "like", feedback_at=None),
        analysis(4, "like", feedback_at=BEFORE),
    )
    base = as_base(read(history, tmp_path / "base.parquet"), CUTOFF)

    # When one is changed, one withdrawn, and none of it moves a time
    history.store(analysis(2, "bad", feedback_at=None), analysis(3, feedback_at=None))
    incremental, full = both(history, tmp_path, base)

    assert votes_in(incremental) == votes_in(full)
    assert [vote["feedback"] for vote in votes_in(full)] == ["like", "dislike", "like"]


def test_old_faults_of_unknown_time_do_not_count_for_an_increment(
    history: History, tmp_path: Path, base: BaseSnapshot
) -> None:
    history.store(
        *(analysis(i, "oops", feedback_at=None) for i in range(40, 80)),
        analysis(80, "like", "oops", feedback_at=AFTER),
    )

    incremental, full = both(history, tmp_path, base)

    assert (incremental.checked, incremental.checked_rejected) == (2, 1)
    assert (full.checked, full.checked_rejected) == (82, 41)
    assert incremental.rejected == full.rejected == {"unknown_vote": 41}


def test_nothing_new_leaves_the_votes_as_they_were(
    history: History, tmp_path: Path, base: BaseSnapshot
) -> None:
    incremental, full = both(history, tmp_path, base)

    assert (incremental.rows, incremental.votes) == (0, 40)
    assert incremental.fingerprint == full.fingerprint


def test_an_increment_on_nothing_is_all_there_is(history: History, tmp_path: Path) -> None:
    base = as_base(read(history, tmp_path / "base.parquet"), CUTOFF)
    history.store(analysis(1, "like", feedback_at=AFTER))

    incremental, full = both(history, tmp_path, base)

    assert incremental.fingerprint == full.fingerprint
    assert incremental.votes == 1


@pytest.mark.parametrize("full", [True, False])
def test_another_source_or_a_wish_for_all_reads_everything(
    history: History, tmp_path: Path, base: BaseSnapshot, full: bool
) -> None:
    other = BaseSnapshot(path=base.path, cutoff=base.cutoff, run_id="m-1", source="elsewhere")

    with history.open() as db:
        snapshot = extract(
            db,
            tmp_path / "votes.parquet",
            base=base if full else other,
            last_verdict=None,
            overlap=HOUR,
            full=full,
        )

    assert (snapshot.mode, snapshot.base_run_id, snapshot.rows) == ("full", None, 20)


def test_the_overlap_is_what_is_read_twice(
    history: History, tmp_path: Path, base: BaseSnapshot
) -> None:
    exact = CUTOFF - datetime.fromisoformat(f"{BEFORE}+00:00")

    at_edge = read(history, tmp_path / "a.parquet", base=base, overlap=exact)
    within = read(history, tmp_path / "b.parquet", base=base, overlap=exact - timedelta.resolution)

    assert (at_edge.rows, within.rows) == (20, 0)
    assert at_edge.fingerprint == within.fingerprint


def test_a_broken_base_is_an_error_and_leaves_nothing(
    history: History, tmp_path: Path, base: BaseSnapshot
) -> None:
    whole = base.path.read_bytes()
    target = tmp_path / "votes.parquet"

    for broken in (whole[: len(whole) // 2], b"", whole[:200] + bytes(400) + whole[600:]):
        base.path.write_bytes(broken)
        with pytest.raises(StoreError, match="--full"):
            read(history, target, base=base)
    base.path.unlink()
    with pytest.raises(StoreError, match="--full"):
        read(history, target, base=base)

    assert not target.exists()
    assert list(tmp_path.glob("*.partial")) == []


def test_a_base_with_other_columns_is_refused(
    history: History, tmp_path: Path, base: BaseSnapshot
) -> None:
    pq.write_table(pa.table({"analysis_id": [1]}), base.path)

    with pytest.raises(StoreError, match="must have the columns"):
        read(history, tmp_path / "votes.parquet", base=base)


def test_a_base_whose_group_was_shortened_is_refused(
    history: History, tmp_path: Path, base: BaseSnapshot
) -> None:
    table = pq.read_table(base.path)
    place = table.schema.get_field_index("group")
    short = pa.array(["abc"] * len(table), pa.string())
    pq.write_table(table.set_column(place, table.schema.field(place), short), base.path)

    with pytest.raises(StoreError, match="64 hexadecimal digits"):
        read(history, tmp_path / "votes.parquet", base=base)


@pytest.mark.parametrize("wrong", ["'r1'", "NULL"])
@pytest.mark.parametrize("full", [True, False])
def test_an_id_that_is_no_number_is_told_with_its_remedy(
    sqlite_history: SqliteHistory, tmp_path: Path, wrong: str, full: bool
) -> None:
    # Given a table as other programs copy it, without a key
    sqlite_history.store(*(analysis(i, "like", feedback_at=BEFORE) for i in range(1, 3)))
    base = as_base(read(sqlite_history, tmp_path / "base.parquet"), CUTOFF)
    sqlite_history.execute("CREATE TABLE copied AS SELECT * FROM analysis_history")
    sqlite_history.execute("DROP TABLE analysis_history")
    sqlite_history.execute("ALTER TABLE copied RENAME TO analysis_history")
    sqlite_history.execute(
        f"UPDATE analysis_history SET id = {wrong}, feedback_at = '{AFTER}' WHERE id = 2"
    )

    with pytest.raises(DatabaseError, match="must have a whole number as its id"):
        read(sqlite_history, tmp_path / "votes.parquet", base=None if full else base)
