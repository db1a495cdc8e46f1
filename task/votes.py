"""Rows of `analysis_history` become votes in columns; what is no vote is counted by reason.

One pass over the rows with plain lists, turned into an Arrow table now and then: a data frame
of rows would hold all of them and parse each JSON text twice as slowly. Few distinct values
make up most of a row (faces, tones, combinations of votes), so those are looked up.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from hashlib import sha256
from typing import Any, NamedTuple

import orjson
import pyarrow as pa

from common import feedback
from common.database import Row
from common.queries import PRESENT, ROW
from task.snapshot import SCHEMA, Sample

BATCH = 8_192  # votes that are held as Python objects
SAMPLES = 20
SAMPLES_PER_REASON = 5
OF_ROWS = ("analysis_id", "group", "split", "face_shape", "skin_tone", "created_at", "feedback_at")
OF_VOTES = ("style_index", "hairstyle", "score", "feedback", "naver_clicked", "reason")
CACHED = 65_536  # distinct texts whose meaning is remembered

Progress = Callable[[int], None]


class Cell(NamedTuple):
    """One voted style of a row."""

    style_index: int
    feedback: str | None  # None: not one of the six spellings
    clicked: bool
    length: int  # of the vote's text, in characters


class Vote(NamedTuple):
    """What the recommended style says of a vote."""

    hairstyle: str
    score: float | None
    bad_score: bool
    reason: str | None


class Fault(NamedTuple):
    """Why a cell is no vote."""

    reason: str
    value: str  # described, not told


class VoteReader:
    """Reads rows into tables of votes and keeps count; one for one read."""

    def __init__(self, *, incremental: bool) -> None:
        self.rows = 0
        self.cells = 0
        self.checked = 0
        self.rejected: Counter[str] = Counter()
        self.checked_rejected = 0
        self.noted: Counter[str] = Counter()
        self.samples: list[Sample] = []
        self.ids: list[int] = []  # of every row, voted or not, for an increment to replace
        self._incremental = incremental

    def tables(self, rows: Iterable[Row], progress: Progress | None) -> Iterator[pa.Table]:
        """Tables of `SCHEMA`, in the order of the rows; `progress` is told the rows so far."""
        columns = _Columns()
        for row in rows:
            self.rows += 1
            if self._incremental:
                self.ids.append(int(row[0]))
            cells = _cells(tuple(row[len(ROW) :]))
            if cells:
                self._take(row, cells, columns)
            if len(columns.row) >= BATCH:
                yield columns.table()
                columns = _Columns()
                if progress is not None:
                    progress(self.rows)
        yield columns.table()
        if progress is not None:
            progress(self.rows)

    def _take(self, row: Row, cells: Sequence[Cell], columns: "_Columns") -> None:
        row_id, user, image, face, colour, created_at, feedback_at, styles = row[: len(ROW)]
        time = self._time(feedback_at)
        # A row without a time is read again each time: its old faults say nothing of today.
        checked = time is not None or not self._incremental
        self.cells += len(cells)
        self.checked += checked * len(cells)
        number = columns.add_row(
            int(row_id),
            feedback.group(user.decode(), image.decode(), int(row_id)),
            _face(face),
            _tone(colour),
            self._time(created_at),
            time,
        )
        items = _items(styles)
        for cell in cells:
            vote = _vote(cell, items)
            if isinstance(vote, Fault):
                self._reject(vote, int(row_id), cell)
                self.checked_rejected += checked
            else:
                self.noted["bad_score"] += vote.bad_score
                columns.add_vote(number, cell, vote)

    def _time(self, text: bytes) -> int | None:
        if not text:
            return None
        time = feedback.utc_microseconds(text.decode("utf-8", "replace"))
        self.noted["bad_time"] += time is None
        return time

    def _reject(self, fault: Fault, row_id: int, cell: Cell) -> None:
        self.rejected[fault.reason] += 1
        if len(self.samples) < SAMPLES and self.rejected[fault.reason] <= SAMPLES_PER_REASON:
            self.samples.append(
                Sample(
                    reason=fault.reason,
                    analysis=sha256(str(row_id).encode()).hexdigest()[:12],
                    style_index=cell.style_index,
                    value=fault.value,
                )
            )


class _Columns:
    """Lists by column: one entry a row, or one a vote with the number of its row."""

    def __init__(self) -> None:
        self.of_rows: tuple[list[Any], ...] = ([], [], [], [], [], [], [])
        self.row: list[int] = []
        self.of_votes: tuple[list[Any], ...] = ([], [], [], [], [], [])

    def add_row(
        self,
        row_id: int,
        group: str,
        face: str | None,
        tone: str,
        created_at: int | None,
        feedback_at: int | None,
    ) -> int:
        """Add what all votes of a row share; its number."""
        ids, groups, splits, faces, tones, created, voted = self.of_rows
        ids.append(row_id)
        groups.append(group)
        splits.append(feedback.split(group))
        faces.append(face)
        tones.append(tone)
        created.append(created_at)
        voted.append(feedback_at)
        return len(ids) - 1

    def add_vote(self, row: int, cell: Cell, vote: Vote) -> None:
        """Add a vote of the row with that number."""
        indices, names, scores, votes, clicks, reasons = self.of_votes
        self.row.append(row)
        indices.append(cell.style_index)
        names.append(vote.hairstyle)
        scores.append(vote.score)
        votes.append(cell.feedback)
        clicks.append(cell.clicked)
        reasons.append(vote.reason)

    def table(self) -> pa.Table:
        """The votes so far, shape (votes, columns of SCHEMA)."""
        origin = pa.array(self.row, pa.int32())
        shared = dict(zip(OF_ROWS, self.of_rows, strict=True))
        own = dict(zip(OF_VOTES, self.of_votes, strict=True))
        arrays = {name: _array(name, values).take(origin) for name, values in shared.items()}
        arrays |= {name: _array(name, values) for name, values in own.items()}
        return pa.Table.from_arrays([arrays[name] for name in SCHEMA.names], schema=SCHEMA)


def _array(name: str, values: list[Any]) -> pa.Array:
    kind = SCHEMA.field(name).type
    if pa.types.is_dictionary(kind):
        return pa.array(values, pa.string()).dictionary_encode()
    if pa.types.is_timestamp(kind):
        return pa.array(values, pa.int64()).cast(kind)
    return pa.array(values, kind)


@lru_cache(CACHED)
def _cells(fields: tuple[bytes, ...]) -> tuple[Cell, ...]:
    """The voted styles among a row's (vote, clicked) pairs; the same few come again and again."""
    cells = []
    for index in range(len(fields) // 2):
        vote, clicked = fields[2 * index], fields[2 * index + 1]
        if vote:
            text = vote.removeprefix(PRESENT).decode("utf-8", "replace")
            known = feedback.VOTES.get(text)
            cells.append(Cell(index + 1, known, clicked == b"1", len(text)))
    return tuple(cells)


@lru_cache(CACHED)
def _face(text: bytes) -> str | None:
    return feedback.face_shape(text.decode("utf-8", "replace"))


@lru_cache(CACHED)
def _tone(text: bytes) -> str:
    return feedback.skin_tone(text.decode("utf-8", "replace"))


def _items(text: bytes) -> list[object] | Fault:
    """The list of recommended styles, or why there is none."""
    if not text:
        return Fault("no_styles", "null")
    try:
        items = orjson.loads(text)
    except orjson.JSONDecodeError:
        items = _lenient(text)
    if isinstance(items, Fault | list):
        return items
    return Fault("not_a_list", _described(items))


def _lenient(text: bytes) -> object:
    """JSON as Python reads it, who takes NaN and Infinity, or the fault."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        length = len(text.decode("utf-8", "replace"))
        return Fault("malformed_json", f"text of {length} characters")


def _vote(cell: Cell, items: list[object] | Fault) -> Vote | Fault:
    """What is voted on, or why the cell is no vote."""
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
    return Vote(name, *feedback.item_score(item), feedback.item_reason(item))


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
