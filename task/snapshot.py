"""The snapshot of the votes: its columns, its file, its fingerprint and what is known of it.

`votes.parquet` is written in row groups of equal size under a temporary name and renamed when
complete: a crash leaves no file. Everything is counted on the batches as they are written,
whether they come from the database or from an earlier snapshot, so that a full and an
incremental read of the same votes cannot differ in it.
"""

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from common.errors import StoreError
from task.reconcile import Cells, Difference, Sums, to_metadata
from task.tally import Counts, Tally, text_bytes

ROW_GROUP = 65_536  # votes: what writing and merging hold in memory
_WORD = pa.dictionary(pa.int32(), pa.string())
_TIME = pa.timestamp("us", tz="UTC")
SCHEMA = pa.schema(
    [
        pa.field("analysis_id", pa.int64(), nullable=False),
        pa.field("style_index", pa.int8(), nullable=False),  # 1 for style_1_feedback
        pa.field("group", pa.string(), nullable=False),
        pa.field("split", _WORD, nullable=False),
        pa.field("face_shape", _WORD),  # null: unknown
        pa.field("skin_tone", _WORD, nullable=False),
        pa.field("hairstyle", _WORD, nullable=False),
        pa.field("score", pa.float64()),
        pa.field("feedback", _WORD, nullable=False),
        pa.field("naver_clicked", pa.bool_(), nullable=False),
        pa.field("reason", pa.string()),
        pa.field("created_at", _TIME),
        pa.field("feedback_at", _TIME),
    ]
)
_WORDS = [field.name for field in SCHEMA if pa.types.is_dictionary(field.type)]


@dataclass(frozen=True, kw_only=True)
class BaseSnapshot:
    """An earlier snapshot that passed validation, to which an incremental read adds."""

    path: Path
    cutoff: datetime
    run_id: str
    source: str  # identity of the database it was read from


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A rejected cell, without personal data: the id is hashed, the value only described."""

    reason: str
    analysis: str  # first 12 hex digits of the id's SHA-256
    style_index: int
    value: str  # such as "text of 3 characters"


@dataclass(frozen=True, kw_only=True)
class Snapshot(Counts):
    """A written snapshot: `Counts` of its votes, and what was met while reading."""

    path: Path
    cutoff: datetime  # the database's clock when the read began
    last_verdict_cutoff: datetime | None
    mode: Literal["full", "incremental"]
    base_run_id: str | None
    source: str  # identity of the database
    rows: int  # analyses read this time
    read: int  # cells read this time: votes, known or not
    rejected: Mapping[str, int]  # cells by reason, of this read
    noted: Mapping[str, int]  # what was mended, of this read: bad_score, bad_time
    samples: tuple[Sample, ...]
    checked: int  # cells that count for the share of rejects
    checked_rejected: int
    fingerprint: str  # hex SHA-256 of the votes' content, however they were read
    counted: int  # votes in the database, learnable or not
    ids: int  # different ids of rows with votes
    repeated: int  # rows whose id another row has
    untimed: int  # of this read: votes whose time is there and cannot be read
    missed: tuple[Difference, ...]  # where an increment differed, so that all was read
    differs: tuple[Difference, ...]  # where this snapshot differs from the database


class SnapshotWriter:
    """Writes votes that come in order; `with` closes it, and removes the file on an error."""

    def __init__(self, destination: Path, tally: Tally) -> None:
        self._destination = destination
        self._partial = destination.with_name(destination.name + ".partial")
        self._tally = tally
        self._fingerprint = _Fingerprint()
        self.sums = Sums()
        self._pending: list[pa.Table] = []
        self._rows = 0
        with _disk(destination):
            destination.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._partial.open("wb")
            self._writer = pq.ParquetWriter(
                self._file, SCHEMA, compression="zstd", compression_level=1, use_dictionary=_WORDS
            )

    def add(self, votes: pa.Table) -> None:
        """Write votes, of `SCHEMA`, in row groups of `ROW_GROUP`."""
        self._pending.append(votes)
        self._rows += votes.num_rows
        if self._rows >= ROW_GROUP:
            table = pa.concat_tables(self._pending)
            whole = len(table) - len(table) % ROW_GROUP
            for start in range(0, whole, ROW_GROUP):
                self._write(table.slice(start, ROW_GROUP))
            self._pending = [table.slice(whole)]
            self._rows = len(table) - whole

    def close(self, rejected: Cells | None = None) -> tuple[Counts, str]:
        """Finish the file under its own name; the counts and the fingerprint.

        rejected: the cells that the file carries along for the next increment.
        """
        if self._rows:
            self._write(pa.concat_tables(self._pending))
        if rejected is not None:
            self.sums.add_rejected(rejected)
        with _disk(self._destination):
            if rejected is not None:
                self._writer.add_key_value_metadata(to_metadata(rejected))
            self._writer.close()
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._partial.replace(self._destination)
        return self._tally.counts(), self._fingerprint.digest()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *exc: object) -> None:
        if kind is None:
            return
        with suppress(OSError):  # the error that brought us here is the one to report
            self._writer.close()
        with suppress(OSError):
            self._file.close()
        self._partial.unlink(missing_ok=True)

    def _write(self, votes: pa.Table) -> None:
        votes = votes.unify_dictionaries().combine_chunks()
        self._tally.add(votes)
        self._fingerprint.add(votes)
        self.sums.add(votes)
        with _disk(self._destination):
            self._writer.write_table(votes, row_group_size=ROW_GROUP)


class _Fingerprint:
    """A digest of columns that does not depend on how they are cut into batches.

    Each column feeds two hashes: one of lengths (texts) or presence (the rest), one of values.
    """

    def __init__(self) -> None:
        self._hashes = {field.name: (hashlib.sha256(), hashlib.sha256()) for field in SCHEMA}

    def add(self, votes: pa.Table) -> None:
        for name, (shape, values) in self._hashes.items():
            for chunk in votes[name].chunks:
                is_text = pa.types.is_dictionary(chunk.type) or pa.types.is_string(chunk.type)
                one, other = _text_parts(chunk) if is_text else _number_parts(chunk)
                shape.update(one)
                values.update(other)

    def digest(self) -> str:
        whole = hashlib.sha256()
        for name, hashes in self._hashes.items():
            whole.update(name.encode())
            for part in hashes:
                whole.update(part.digest())
        return whole.hexdigest()


def _text_parts(column: pa.Array) -> tuple[Any, Any]:
    """Lengths in bytes as little-endian int32, -1 for null; all bytes in a row."""
    text = column.cast(pa.string())
    lengths = pc.binary_length(text).fill_null(-1).to_numpy().astype("<i4")
    return lengths, text_bytes(text.fill_null(""))


def _number_parts(column: pa.Array) -> tuple[Any, Any]:
    """Presence as one byte each; values with 0 or False for null."""
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    present = column.is_valid().to_numpy(zero_copy_only=False)
    zero = pa.scalar(0).cast(column.type)
    return present, column.fill_null(zero).to_numpy(zero_copy_only=False)


@contextmanager
def _disk(path: Path) -> Iterator[None]:
    """An error of the disk becomes one that says what to do."""
    try:
        yield
    except OSError as exc:
        raise StoreError(
            f"the snapshot {path} cannot be written ({exc.strerror or exc}): "
            "free some space or choose another WORK_DIR, then run again"
        ) from exc


def snapshot_record(snapshot: Snapshot) -> dict[str, Any]:
    """What `run.json` says about the reading."""
    last = snapshot.last_verdict_cutoff
    return {
        "source": snapshot.source,
        "mode": snapshot.mode,
        "base_run_id": snapshot.base_run_id,
        "cutoff": snapshot.cutoff.isoformat(),
        "last_verdict_cutoff": last.isoformat() if last else None,
        "data_fingerprint": snapshot.fingerprint,
        "samples": [asdict(sample) for sample in snapshot.samples],
        "counts": {
            "read": snapshot.read,
            "rejected_by_reason": dict(snapshot.rejected),
            "noted": dict(snapshot.noted),
            "votes": snapshot.votes,
            "new_votes": snapshot.new_votes,
            "late": snapshot.late,
            "counted": snapshot.counted,
            "untimed": snapshot.untimed,
            "reread": bool(snapshot.missed),
            **snapshot.splits,
        },
        "reconciliation": {
            "votes_in_database": snapshot.counted,
            "missed": [asdict(each) for each in snapshot.missed],
            "differs": [asdict(each) for each in snapshot.differs],
            "ids": snapshot.ids,
            "repeated": snapshot.repeated,
        },
    }
