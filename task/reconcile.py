"""Whether a snapshot holds what the database holds: both are added up alike and compared.

For each position and answer: how many cells, and the sum of the CRC-32 of their rows' ids as
decimal text, which depends on no order. Counts alone would not see one vote go while another
comes; a sum of checksums does, and an exclusive-or of them would not, because CRC-32 is linear
in it. Cells that were rejected are in no snapshot, so they are carried along in its file's
metadata: without them an increment could not tell a rejected vote from a lost one.
"""

import base64
import zlib
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from common.cell_answers import DISLIKED, LIKED, NOTHING, UNKNOWN, Answers
from common.errors import StoreError
from common.feedback import LIKE

METADATA_KEY = b"rejected_cells"
WORDS = {LIKED: "likes", DISLIKED: "dislikes", UNKNOWN: "rejects"}
_PLACES = 1 << 7  # as many as a snapshot can tell
_ANSWERS = UNKNOWN + 1
_CHUNK = 1_000  # three digits at a time
_REJECTED = np.dtype([("id", "<i8"), ("position", "i1"), ("answer", "i1"), ("timed", "?")])

Ids = npt.NDArray[np.int64]
Cells = npt.NDArray[Any]  # of `_REJECTED`


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A position and answer that database and snapshot disagree on."""

    position: int
    answer: str  # likes, dislikes or rejects
    database: int  # cells
    snapshot: int

    def __str__(self) -> str:
        if self.database == self.snapshot:
            return f"other {self.answer} at position {self.position}, {self.database:,} in each"
        return (
            f"{self.answer} at position {self.position}: {self.database:,} in the database, "
            f"{self.snapshot:,} in the snapshot"
        )


class Sums:
    """Cells and checksums by position and answer; votes are added in order of their keys."""

    def __init__(self) -> None:
        self.ids = 0  # different ones
        self.repeated = 0  # rows whose id came before
        self._cells = np.zeros((_PLACES, _ANSWERS), dtype=np.int64)
        self._crc = np.zeros((_PLACES, _ANSWERS), dtype=np.int64)
        self._last: tuple[int, int] | None = None

    def add(self, votes: pa.Table) -> None:
        """Add votes of a snapshot."""
        ids, positions = votes["analysis_id"].to_numpy(), votes["style_index"].to_numpy()
        liked = pc.equal(votes["feedback"].cast(pa.string()), LIKE).to_numpy()
        self._count_repeated(ids, positions)
        self._add(ids, positions, np.where(liked, LIKED, DISLIKED))

    def add_rejected(self, cells: Cells) -> None:
        """Add cells that are in no snapshot."""
        self._add(cells["id"], cells["position"], cells["answer"])

    def against(self, answers: Answers, *, checksums: bool = True) -> tuple[Difference, ...]:
        """What differs from the database."""
        cells, crc = np.zeros_like(self._cells), np.zeros_like(self._crc)
        for pattern, (rows, crc_sum) in answers.items():
            for position, answer in enumerate(pattern, 1):
                cells[position, answer] += rows
                crc[position, answer] += crc_sum
        differs = (cells != self._cells) | (checksums & (crc != self._crc))
        differs[:, NOTHING] = False
        return tuple(
            Difference(
                position=int(position),
                answer=WORDS[int(answer)],
                database=int(cells[position, answer]),
                snapshot=int(self._cells[position, answer]),
            )
            for position, answer in np.argwhere(differs)
        )

    def _add(self, ids: Ids, positions: npt.NDArray[Any], answers: npt.NDArray[Any]) -> None:
        place = positions.astype(np.int64) * _ANSWERS + answers
        crc = checksums_of(ids)
        # Halves, because bincount adds in floating point, which is exact up to 2 ** 53.
        for half, scale in ((crc & 0xFFFF, 1), (crc >> 16, 1 << 16)):
            added = np.bincount(place, half, self._crc.size).astype(np.int64)
            self._crc += scale * added.reshape(self._crc.shape)
        self._cells += np.bincount(place, minlength=self._cells.size).reshape(self._cells.shape)

    def _count_repeated(self, ids: Ids, positions: npt.NDArray[Any]) -> None:
        """Within a row positions grow: where they do not, another row has the same id."""
        if not len(ids):
            return
        last_id, last_position = self._last or (int(ids[0]) - 1, 0)
        same = ids == np.concatenate([[last_id], ids[:-1]])
        self.ids += int((~same).sum())
        self.repeated += int(
            (same & (positions <= np.concatenate([[last_position], positions[:-1]]))).sum()
        )
        self._last = int(ids[-1]), int(positions[-1])


class Rejected:
    """Collects the cells that a reader rejects, in ten bytes each."""

    def __init__(self) -> None:
        self._ids, self._others = array("q"), array("b")

    def add(self, row_id: int, position: int, feedback: str | None, *, timed: bool) -> None:
        """Add a cell; feedback: LIKE, DISLIKE, or None for an unknown spelling."""
        answer = UNKNOWN if feedback is None else LIKED if feedback == LIKE else DISLIKED
        self._ids.append(row_id)
        self._others.extend((position, answer, timed))

    def cells(self) -> Cells:
        """All of them, shape (cells,)."""
        others = np.frombuffer(self._others, dtype=np.int8).reshape(-1, 3)
        found = np.zeros(len(others), dtype=_REJECTED)
        found["id"] = np.frombuffer(self._ids, dtype=np.int64)
        found["position"], found["answer"], found["timed"] = others.T
        return found


def votes_in(answers: Answers) -> int:
    """Votes in the database, whether or not they can be learned from."""
    of_rows = ((sum(a in WORDS and a != UNKNOWN for a in p), n) for p, (n, _) in answers.items())
    return sum(votes * rows for votes, rows in of_rows)


def merged(base: Cells, reread: Sequence[int], new: Cells) -> Cells:
    """Rejected cells after an increment: as with votes, what is read again replaces."""
    keep = base["timed"] & ~np.isin(base["id"], np.asarray(reread, dtype=np.int64))
    return np.concatenate([base[keep], new])


def to_metadata(cells: Cells) -> dict[bytes, bytes]:
    """Rejected cells as a snapshot's file carries them."""
    return {METADATA_KEY: base64.b64encode(zlib.compress(cells.tobytes(), 1))}


def from_metadata(metadata: dict[bytes, bytes] | None) -> Cells:
    """The same back; none from a file of an earlier release, whose first increment may differ."""
    text = (metadata or {}).get(METADATA_KEY)
    try:
        data = b"" if text is None else zlib.decompress(base64.b64decode(text, validate=True))
        return np.frombuffer(data, dtype=_REJECTED)
    except (ValueError, zlib.error) as exc:
        raise StoreError(
            f"a snapshot's rejected cells must be readable, got {exc}: the file was altered; "
            "read everything again with --full"
        ) from exc


def checksums_of(ids: Ids) -> Ids:
    """The CRC-32 of each id's decimal text, shape (n,).

    CRC-32 is linear: that of a text is the exclusive-or of what its parts add to a text of
    noughts, so three digits cost one look-up.
    """
    result = np.empty(len(ids), dtype=np.int64)
    for below, part in _by_length(ids):
        if below is None:
            result[part] = [zlib.crc32(b"%d" % number) for number in ids[part].tolist()]
            continue
        rest, crc = ids[part], np.full(int(part.sum()), zlib.crc32(b"0" * below), dtype=np.int64)
        for table in _tables(below):
            rest, digits = np.divmod(rest, _CHUNK)
            crc ^= table[digits]
        result[part] = crc
    return result


def _by_length(ids: Ids) -> Iterator[tuple[int | None, npt.NDArray[np.bool_]]]:
    """(decimal digits, which ids have so many); None for what has too many, or a sign."""
    powers = 10 ** np.arange(1, 18, dtype=np.int64)
    lengths = np.searchsorted(powers, ids, side="right") + 1
    lengths[(ids < 0) | (ids >= powers[-1])] = 0
    for length in np.unique(lengths):
        yield int(length) or None, lengths == length


@lru_cache(32)
def _tables(length: int) -> tuple[Ids, ...]:
    """What each three digits add to the CRC-32 of so many noughts, from the lowest on."""
    noughts = zlib.crc32(b"0" * length)
    tables = []
    for place in range(0, length, 3):
        texts = (
            b"%d" % (number * 10**place) for number in range(min(_CHUNK, 10 ** (length - place)))
        )
        crcs = [zlib.crc32(text.rjust(length, b"0")) ^ noughts for text in texts]
        tables.append(np.array(crcs, dtype=np.int64))
    return tuple(tables)
