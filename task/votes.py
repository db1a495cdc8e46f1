"""Rows of `analysis_history` become votes in columns; what is no vote is counted by reason.

Rows are taken apart into lists by column, and a batch of those becomes an Arrow table, where
what has few distinct values (faces, tones) is looked up once each. A data frame of rows would
hold all of them and take several times as long.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from hashlib import sha256
from typing import Any, NamedTuple

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from common import feedback
from common.database import Row
from common.errors import DatabaseError
from common.feedback import FIRST_US, LAST_US
from common.queries import PRESENT, ROW, TABLE, VOTE_SEPARATOR
from task.reconcile import Cells, Rejected
from task.snapshot import SCHEMA, Sample

BATCH = 4_096  # rows that are held as Python objects
SAMPLES = 20
SAMPLES_PER_REASON = 5
CACHED = 4_096  # combinations of votes whose meaning is remembered

ID = ROW.index("id")
FEEDBACK_AT = ROW.index("feedback_at")
STYLES = ROW.index("recommended_styles")
VOTES = len(ROW)
UTC_TIME = SCHEMA.field("feedback_at").type
NAIVE_TIME = pa.timestamp(UTC_TIME.unit)
IDS = range(-(2**63), 2**63)  # what a snapshot can hold

Progress = Callable[[int], None]


class Cell(NamedTuple):
    """One voted style of a row."""

    style_index: int
    feedback: str | None  # None: not one of the six spellings
    clicked: bool
    length: int  # of the vote's text, in characters


class Fault(NamedTuple):
    """Why a cell is no vote."""

    reason: str
    value: str  # described, not told


class VoteReader:
    """Reads rows into tables of votes and keeps count; one for one read."""

    def __init__(self, *, incremental: bool) -> None:
        self.rows = 0
        self.cells = 0
        self.checked = 0  # cells that count for the share of rejects, and the rejects of them
        self.checked_rejected = 0
        self.rejected: Counter[str] = Counter()
        self.noted: Counter[str] = Counter()
        self.samples: list[Sample] = []
        self.ids: list[int] = []  # of every row, voted or not, for an increment to replace
        self._incremental = incremental
        self._kept_out = Rejected()

    @property
    def kept_out(self) -> Cells:
        """The rejected cells."""
        return self._kept_out.cells()

    def tables(self, rows: Iterable[Row], progress: Progress | None) -> Iterator[pa.Table]:
        """Tables of `SCHEMA`, in the order of the rows; `progress` is told the rows so far."""
        batch = _Batch()
        for row in rows:
            self.rows += 1
            if self._incremental:
                self.ids += _numbers([row[ID]])
            cells = _cells(row[VOTES])
            if cells:
                self._take(row, cells, batch)
            if self.rows % BATCH == 0:
                yield self._table(batch)
                batch = _Batch()
                if progress is not None:
                    progress(self.rows)
        yield self._table(batch)
        if progress is not None:
            progress(self.rows)

    def _take(self, row: Row, cells: Sequence[Cell], batch: "_Batch") -> None:
        number = batch.add_row(row)
        # A row without a time is read again by every increment: its old faults are no news.
        timed = _time(row[FEEDBACK_AT]) is not None if self._incremental else None
        checked = timed is not False
        self.cells += len(cells)
        self.checked += checked * len(cells)
        items = _items(row[STYLES])
        for cell in cells:
            fault = batch.add_vote(number, cell, items)
            if fault:
                timed = _time(row[FEEDBACK_AT]) is not None if timed is None else timed
                self._reject(fault, row[ID], cell, timed)
                self.checked_rejected += checked

    def _table(self, batch: "_Batch") -> pa.Table:
        table = batch.table()
        self.noted.update(
            bad_score=batch.bad_scores, bad_time=batch.bad_times, untimed=batch.untimed
        )
        return table

    def _reject(self, fault: Fault, row_id: bytes, cell: Cell, timed: bool) -> None:
        (number,) = _numbers([row_id])
        self._kept_out.add(number, cell.style_index, cell.feedback, timed=timed)
        self.rejected[fault.reason] += 1
        if len(self.samples) < SAMPLES and self.rejected[fault.reason] <= SAMPLES_PER_REASON:
            self.samples.append(
                Sample(
                    reason=fault.reason,
                    analysis=sha256(row_id).hexdigest()[:12],
                    style_index=cell.style_index,
                    value=fault.value,
                )
            )


class _Batch:
    """Some rows by column, as they came, and their votes by column with their rows' numbers."""

    def __init__(self) -> None:
        self.bad_scores = 0
        self.bad_times = 0  # of rows
        self.untimed = 0  # votes whose own time is there and cannot be read
        # One entry a row, in the order of ROW.
        self._of_rows: tuple[list[bytes], ...] = ([], [], [], [], [], [], [])
        # One entry a vote.
        self._row: list[int] = []
        self._cells: list[Cell] = []
        self._names: list[str] = []
        self._scores: list[float | None] = []
        self._reasons: list[str | None] = []

    def add_row(self, row: Row) -> int:
        """Add what all votes of a row share; its number."""
        ids, users, images, faces, colours, created, voted = self._of_rows
        ids.append(row[0])
        users.append(row[1])
        images.append(row[2])
        faces.append(row[3])
        colours.append(row[4])
        created.append(row[5])
        voted.append(row[6])
        return len(ids) - 1

    def add_vote(self, row: int, cell: Cell, items: list[object] | Fault) -> Fault | None:
        """Add the vote on one of the recommended styles, or say why it is none."""
        if cell.feedback is None:
            return Fault("unknown_vote", f"text of {cell.length} characters")
        if isinstance(items, Fault):
            return items
        if len(items) < cell.style_index:
            return Fault("no_item", _described(items))
        item = items[cell.style_index - 1]
        if not isinstance(item, dict):
            return Fault("not_an_item", _described(item))
        name = feedback.item_name(item)
        if name is None:
            return Fault("no_style_name", _described(item))
        score, bad = feedback.item_score(item)
        self.bad_scores += bad
        self._row.append(row)
        self._cells.append(cell)
        self._names.append(name)
        self._scores.append(score)
        self._reasons.append(feedback.item_reason(item))
        return None

    def table(self) -> pa.Table:
        """The votes, shape (votes, columns of SCHEMA)."""
        number = pa.array(self._row, pa.int32())
        arrays = {name: column.take(number) for name, column in self._shared().items()}
        own: dict[str, list[Any]] = {
            "style_index": [cell.style_index for cell in self._cells],
            "hairstyle": self._names,
            "score": self._scores,
            "feedback": [cell.feedback for cell in self._cells],
            "naver_clicked": [cell.clicked for cell in self._cells],
            "reason": self._reasons,
        }
        arrays |= {name: _array(name, values) for name, values in own.items()}
        return pa.Table.from_arrays([arrays[name] for name in SCHEMA.names], schema=SCHEMA)

    def _shared(self) -> dict[str, pa.Array]:
        """The columns that a row's votes have in common, shape (rows,) each."""
        texts, users, images, faces, colours, created, voted = map(_utf8, self._of_rows)
        ids = _numbers(texts)
        groups = [
            feedback.group(user.decode(), image.decode(), row_id)
            for row_id, user, image in zip(ids, users, images, strict=True)
        ]
        times = self._times(voted)
        unread = times.is_null().to_numpy(zero_copy_only=False) & (np.array(voted) != b"")
        self.untimed += int(unread[self._row].sum())
        return {
            "analysis_id": pa.array(ids, pa.int64()),
            "group": pa.array(groups, pa.string()),
            "split": _array("split", [feedback.split(group) for group in groups]),
            "face_shape": _looked_up(faces, feedback.face_shape),
            "skin_tone": _looked_up(colours, feedback.skin_tone),
            "created_at": self._times(created),
            "feedback_at": times,
        }

    def _times(self, texts: Sequence[bytes]) -> pa.Array:
        """Times in UTC, null where there is none; those that cannot be read are counted."""
        given = pa.array([text or None for text in texts], pa.string())
        try:
            times = given.cast(NAIVE_TIME).cast(pa.int64())
        except pa.ArrowInvalid:  # an offset, or no time at all: one by one
            times = pa.array([_time(text) for text in texts], pa.int64())
        else:
            short = pc.less(pc.binary_length(given), feedback.LEAST_TIME)
            outside = pc.or_(pc.less(times, FIRST_US), pc.greater_equal(times, LAST_US))
            times = pc.if_else(pc.or_(short, outside), None, times)
        self.bad_times += times.null_count - given.null_count
        return times.cast(UTC_TIME)


def _utf8(texts: list[bytes]) -> list[bytes]:
    """The texts themselves; where one is no UTF-8, its wrong bytes are replaced."""
    try:
        b"".join(texts).decode()
    except UnicodeDecodeError:
        return [text.decode("utf-8", "replace").encode() for text in texts]
    return texts


def _numbers(texts: Sequence[bytes]) -> list[int]:
    """The rows' ids. DatabaseError for one that is no number: no vote of it could be told again."""
    try:
        ids = list(map(int, texts))
    except ValueError:
        raise DatabaseError(
            f"every row of {TABLE} must have a whole number as its id, got a text or nothing: "
            "make id a number that the database gives (PRIMARY KEY, AUTO_INCREMENT)"
        ) from None
    if ids and not (min(ids) in IDS and max(ids) in IDS):
        raise DatabaseError(
            f"the column id of {TABLE} must be at most {IDS[-1]}, got {max(ids, key=abs)}: "
            "renumber those rows, or remove them"
        )
    return ids


def _array(name: str, values: list[Any]) -> pa.Array:
    kind = SCHEMA.field(name).type
    if pa.types.is_dictionary(kind):
        return pa.array(values, pa.string()).dictionary_encode()
    return pa.array(values, kind)


def _looked_up(texts: Sequence[bytes], meaning: Callable[[str], str | None]) -> pa.Array:
    """The meaning of each text, shape (rows,), asked once for each distinct one."""
    coded = pa.array(texts, pa.string()).dictionary_encode()
    meant = pa.array(map(meaning, coded.dictionary.to_pylist()), pa.string()).dictionary_encode()
    return meant.take(coded.indices)


def _time(text: bytes) -> int | None:
    return feedback.utc_microseconds(text.decode("utf-8", "replace"))


@lru_cache(CACHED)
def _cells(votes: bytes) -> tuple[Cell, ...]:
    """The voted styles of a row, from its votes and clicks; the same few come again and again."""
    cells = []
    fields = votes.split(VOTE_SEPARATOR)
    for index, (vote, clicked) in enumerate(zip(fields[::2], fields[1::2], strict=True), 1):
        if vote:
            text = vote.removeprefix(PRESENT).decode("utf-8", "replace")
            cells.append(Cell(index, feedback.VOTES.get(text), clicked == b"1", len(text)))
    return tuple(cells)


def _items(text: bytes) -> list[object] | Fault:
    """The list of recommended styles, or why there is none."""
    if not text:
        return Fault("no_styles", "null")
    try:
        items = orjson.loads(text)
    except orjson.JSONDecodeError:
        items = _lenient(text)
    if isinstance(items, list | Fault):
        return items
    return Fault("not_a_list", _described(items))


def _lenient(text: bytes) -> object:
    """JSON as Python reads it, which takes NaN and Infinity, or the fault."""
    try:
        value = json.loads(text)
        json.dumps(value, ensure_ascii=False).encode()  # half a surrogate pair is no text
    except (ValueError, RecursionError):
        return Fault("malformed_json", f"text of {len(text.decode('utf-8', 'replace'))} characters")
    return value


def _described(value: object) -> str:
    """What a JSON value is, without telling it."""
    match value:
        case None:
            return "null"
        case bool():
            return "truth value"
        case int() | float():
            return "number"
        case str():
            return f"text of {len(value)} characters"
        case list():
            return f"list of {len(value)}"
        case _:
            return "object"
