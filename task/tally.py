"""What is counted in a snapshot, batch by batch, in memory that does not grow with the votes.

Two of the counts would need every group in memory. They are answered from hashes instead: the
share of repeated votes from a sample of (group, style) pairs that is exact up to `PAIRS` of
them, and the busiest group's share from hashed counters, which can only be a little too high.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from common.errors import StoreError
from common.feedback import LIKE, SPLITS, style_key

PAIRS = 65_536  # (group, style) pairs remembered; beyond them every second is, and so on
BUCKETS_BITS = 16
_GROUP_DIGITS = 64
_NUMBER_DIGITS = 16
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NEVER = np.iinfo(np.int64).min
_HEX = np.zeros(256, dtype=np.uint8)
_HEX[np.frombuffer(b"0123456789abcdef", dtype=np.uint8)] = np.arange(16)

Numbers = npt.NDArray[np.uint64]


@dataclass(frozen=True, kw_only=True)
class Counts:
    """What stands in a snapshot, in votes unless said otherwise."""

    votes: int
    likes: int
    new_votes: int
    new_likes: int
    late: int  # feedback_at after the cutoff
    splits: dict[str, int]
    unknown_faces: int
    missing_scores: int
    missing_times: int  # without feedback_at
    score_low: float | None
    score_high: float | None
    newest: datetime | None  # the latest feedback_at that is not late
    duplicate_share: float  # of votes whose group had voted on the style already
    busiest_share: float  # of new votes, by the group with most of them


class Tally:
    """Counts the votes of one snapshot; `since` and `cutoff` are the window of new votes."""

    def __init__(self, *, since: datetime | None, cutoff: datetime) -> None:
        self._since = None if since is None else microseconds(since)
        self._cutoff = microseconds(cutoff)
        self._sums: Counter[str] = Counter(dict.fromkeys(SPLITS, 0))
        self._scores: list[float] = []  # lowest and highest
        self._newest = _NEVER
        self._pairs = _PairSample()
        self._buckets = np.zeros(1 << BUCKETS_BITS, dtype=np.int64)

    def add(self, votes: pa.Table) -> None:
        """Count the votes of a batch."""
        times, known = _microseconds_of(votes["feedback_at"])
        late = known & (times > self._cutoff)
        new = np.ones(len(times), dtype=bool)
        if self._since is not None:
            new = known & (times > self._since) & ~late
        likes = pc.equal(_text(votes["feedback"]), LIKE).to_numpy()
        self._sums.update(
            votes=votes.num_rows,
            likes=int(likes.sum()),
            new_votes=int(new.sum()),
            new_likes=int((new & likes).sum()),
            late=int(late.sum()),
            unknown_faces=votes["face_shape"].null_count,
            missing_scores=votes["score"].null_count,
            missing_times=int((~known).sum()),
        )
        for entry in pc.value_counts(_text(votes["split"])).to_pylist():
            self._sums[entry["values"]] += entry["counts"]
        on_time = times[known & ~late]
        self._newest = max(self._newest, int(on_time.max(initial=_NEVER)))
        self._add_scores(votes["score"])
        groups = group_numbers(votes["group"])
        self._buckets += np.bincount(
            (groups[new] >> np.uint64(64 - BUCKETS_BITS)).astype(np.int64),
            minlength=len(self._buckets),
        )
        self._pairs.add(groups ^ _style_numbers(votes["hairstyle"]))

    def counts(self) -> Counts:
        """Everything counted so far."""
        sums = self._sums
        new_votes = sums["new_votes"]
        return Counts(
            votes=sums["votes"],
            likes=sums["likes"],
            new_votes=new_votes,
            new_likes=sums["new_likes"],
            late=sums["late"],
            splits={name: sums[name] for name in SPLITS},
            unknown_faces=sums["unknown_faces"],
            missing_scores=sums["missing_scores"],
            missing_times=sums["missing_times"],
            score_low=min(self._scores, default=None),
            score_high=max(self._scores, default=None),
            newest=None
            if self._newest == _NEVER
            else _EPOCH + timedelta(microseconds=self._newest),
            duplicate_share=self._pairs.repeated_share(),
            busiest_share=int(self._buckets.max()) / new_votes if new_votes else 0.0,
        )

    def _add_scores(self, scores: pa.ChunkedArray) -> None:
        ends = pc.min_max(scores).as_py()
        found = [*self._scores, *(v for v in ends.values() if v is not None)]
        self._scores = [min(found), max(found)] if found else []


class _PairSample:
    """How many of a stream of hashed pairs came before, from the pairs of lowest hash."""

    def __init__(self) -> None:
        self._pairs: Numbers = np.empty(0, dtype=np.uint64)
        self._times = np.empty(0, dtype=np.int64)
        self._below = 1 << 64

    def add(self, pairs: Numbers) -> None:
        """Count pairs, forgetting the upper half of the hashes while there are too many."""
        pairs = self._kept(pairs)
        every, place = np.unique(np.concatenate([self._pairs, pairs]), return_inverse=True)
        weights = np.concatenate([self._times, np.ones(len(pairs), dtype=np.int64)])
        self._times = np.bincount(place, weights, minlength=len(every)).astype(np.int64)
        self._pairs = every
        while len(self._pairs) > PAIRS:
            self._below //= 2
            keep = len(self._kept(self._pairs))  # they are in order
            self._pairs, self._times = self._pairs[:keep], self._times[:keep]

    def repeated_share(self) -> float:
        """The share of pairs that had come before."""
        total = int(self._times.sum())
        return 1 - len(self._pairs) / total if total else 0.0

    def _kept(self, pairs: Numbers) -> Numbers:
        return pairs[pairs <= np.uint64(self._below - 1)]


def microseconds(time: datetime) -> int:
    """Microseconds since 1970, exactly."""
    return (time - _EPOCH) // timedelta(microseconds=1)


def group_numbers(groups: pa.ChunkedArray, *, first_byte: int = 0) -> Numbers:
    """8 bytes of each group's hash as a number, from `first_byte` on, shape (votes,)."""
    column = groups.combine_chunks()
    if not pc.all(pc.equal(pc.binary_length(column), _GROUP_DIGITS), min_count=0).as_py():
        raise StoreError(
            f"a group must be {_GROUP_DIGITS} hexadecimal digits, and one is not: "
            "the snapshot was altered; read again with --full"
        )
    digits = np.frombuffer(text_bytes(column), dtype=np.uint8).reshape(-1, _GROUP_DIGITS)
    halves = _HEX[digits[:, 2 * first_byte : 2 * first_byte + _NUMBER_DIGITS]]
    whole = np.ascontiguousarray((halves[:, ::2] << 4) | halves[:, 1::2])
    return whole.view(">u8").ravel().astype(np.uint64)


def text_bytes(column: Any) -> memoryview:
    """The bytes of all texts of a string array, one after the other; nulls must hold none."""
    _, offsets_buffer, data = column.buffers()
    offsets = np.frombuffer(offsets_buffer, dtype=np.int32)
    start, end = offsets[column.offset], offsets[column.offset + len(column)]
    return memoryview(data)[start:end]


def _style_numbers(names: pa.ChunkedArray) -> Numbers:
    """A hash of each vote's style key, shape (votes,): spellings of one style are equal."""
    encoded = pc.dictionary_encode(_text(names)).combine_chunks()
    hashes = [
        int.from_bytes(blake2b(style_key(name).encode(), digest_size=8).digest())
        for name in encoded.dictionary.to_pylist()
    ]
    result: Numbers = np.array(hashes, dtype=np.uint64)[encoded.indices.to_numpy()]
    return result


def _text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column.cast(pa.string())


def _microseconds_of(
    times: pa.ChunkedArray,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """(microseconds, 0 where there is none; whether there is one)."""
    return times.cast(pa.int64()).fill_null(0).to_numpy(), times.is_valid().to_numpy()
