"""A snapshot built up by increments is the one that a single full read gives."""

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from common import feedback
from task.snapshot import Snapshot
from task.votes import VoteReader
from tests.history import (
    History,
    SqliteHistory,
    analysis,
    as_base,
    read,
    styles,
    votes_in,
)

START = datetime(2026, 1, 1, tzinfo=UTC)
WEEK = timedelta(weeks=1)
WEEKS = 3

# A row as people leave it in one week: three votes, and the hour of the last one in that week;
# an hour below 0 is a vote that was committed late.
State = tuple[str | None, str | None, str | None, int]
VOTE = st.sampled_from(["like", "bad", "GOOD?", None])
STATE = st.tuples(VOTE, VOTE, VOTE, st.integers(-1, 167))
UNTIMED = range(7, 10)  # rows whose time is never known
CHANGES = st.lists(st.dictionaries(st.integers(1, 9), STATE), min_size=WEEKS, max_size=WEEKS)


def row(row_id: int, week: int, state: State) -> dict[str, object]:
    *votes, hour = state
    time = START + week * WEEK + timedelta(hours=hour)
    told = None if row_id in UNTIMED else f"{time:%F %T}"
    names = styles(f"week {week}", "b", "c", score=week / 10)
    return analysis(row_id, *votes, feedback_at=told, recommended_styles=names)


def live(history: History, folder: Path, changes: list[dict[int, State]]) -> Snapshot:
    """Store each week's changes and read them on top of the week before."""
    snapshot = None
    for week, changed in enumerate(changes):
        history.store(*(row(row_id, week, state) for row_id, state in changed.items()))
        base = as_base(snapshot, START + week * WEEK) if snapshot else None
        snapshot = read(history, folder / f"week-{week}.parquet", base=base, since=START)
    assert snapshot is not None
    return snapshot


def agrees_with_a_full_read(history: History, folder: Path, snapshot: Snapshot) -> None:
    full = read(history, folder / "full.parquet", since=START)
    assert votes_in(snapshot) == votes_in(full)
    assert snapshot.fingerprint == full.fingerprint
    shared = set(vars(full)) - {"path", "cutoff", "mode", "base_run_id", "rows", "read"}
    shared -= {"rejected", "noted", "samples", "checked", "checked_rejected"}
    assert {k: getattr(snapshot, k) for k in shared} == {k: getattr(full, k) for k in shared}


@settings(max_examples=40, deadline=None)
@given(changes=CHANGES)
def test_increments_add_up_to_a_full_read(changes: list[dict[int, State]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        history = SqliteHistory(Path(name) / "history.sqlite")
        snapshot = live(history, Path(name), changes)
        agrees_with_a_full_read(history, Path(name), snapshot)


FORMS = ["{}", "{}Z", "{:%H:%M}", "{0.year:04}-{0:%m-%d}", "{0.year:04}-{0:%m-%dT%H:%M:%S.%f}"]


@given(
    time=st.datetimes(min_value=datetime(1, 1, 1), max_value=datetime(9999, 12, 31)),
    form=st.sampled_from(FORMS),
    other=st.sampled_from(["", "soon", "2026-01-01T00:00:00+09:00"]),
)
def test_a_time_reads_the_same_alone_and_among_many(time: datetime, form: str, other: str) -> None:
    # Given a text that a whole batch of good times may hold, or one with other forms in it
    text = form.format(time)
    votes = b"=like\xfe0"
    rows = [
        [str(i).encode(), b"", b"", b"", b"", b"", value.encode(), b'[{"style": "a"}]', votes]
        for i, value in enumerate([text, text])
    ]
    mixed = [*rows, [*rows[0][:6], other.encode(), *rows[0][7:]]]

    (alone,) = VoteReader(incremental=False).tables(rows, None)
    (among,) = VoteReader(incremental=False).tables(mixed, None)

    expected = feedback.utc_microseconds(text)
    for table in (alone, among):
        found = table["feedback_at"].cast("int64").to_pylist()
        assert found[:2] == [expected, expected]
