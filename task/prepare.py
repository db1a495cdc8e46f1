"""Votes to cells: everything that training and evaluation need, at the size of the choices.

A cell is one (split, source, face, tone, style) with its counts of likes and dislikes and the
exact integer sums of its scores. Loss, gradient and every metric are exact functions of
cells, so from here on the cost no longer grows with the number of votes. Only the test votes
are also kept one by one, with their group, for the comparison by group.

The codes here cover every name in the snapshot: they are addresses, not a vocabulary. What a
model may know is `train_vocabulary`, the levels that occur in train. Not a data frame
group-by: it was measured 24 to 32 times slower and needs nine times the memory.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from common.feedback import FACE_SHAPES, display_name, style_key
from task import features
from task.base import BaseRows
from task.features import TONES, Vocabulary
from task.files import reading, write_whole
from task.tally import group_numbers

Ints = NDArray[np.int64]
Codes = NDArray[np.int32]

CELLS, PREPARED = "cells.safetensors", "prepared.json"
SPLITS = ("train", "validation", "test")
TRAIN, VALIDATION, TEST = range(3)
BASE, REAL = range(2)
SCORE_UNIT = 10_000
"""Scores are summed as integers of 1/10,000, so sums do not depend on the order."""
NO_TIME = np.iinfo(np.int64).min
"""`feedback_at` of a vote that has none."""

_FACES = ("", *FACE_SHAPES)
_STATS = ("n_like", "n_dislike", "n_scored", "score_sum", "score_square")
_COLUMNS = ["split", "face_shape", "skin_tone", "hairstyle", "feedback"]
_PER_STYLE = len(SPLITS) * len(_FACES) * len(TONES)


@dataclass(frozen=True, kw_only=True)
class Cells:
    """C cells as columns, each of shape (C,), in the order (source, split, face, tone, style)."""

    source: NDArray[np.int8]
    split: NDArray[np.int8]
    face: Codes
    tone: Codes
    style: Codes
    n_like: Ints
    n_dislike: Ints
    n_scored: Ints
    score_sum: Ints
    score_square: Ints

    def where(self, mask: NDArray[np.bool_]) -> Cells:
        return Cells(**{f.name: getattr(self, f.name)[mask] for f in fields(self)})

    def of(self, source: int, split: int) -> Cells:
        return self.where((self.source == source) & (self.split == split))

    @property
    def votes(self) -> int:
        return int(self.n_like.sum() + self.n_dislike.sum())


@dataclass(frozen=True, kw_only=True)
class TestVotes:
    """The N real test votes one by one: codes, vote, group and time, each (N,).

    `group` numbers the groups from 0 in the order of their hashes; `score` is NaN where missing;
    `feedback_at` is in microseconds since 1970 UTC, or NO_TIME.
    """

    __test__ = False

    group: Codes
    face: Codes
    tone: Codes
    style: Codes
    like: NDArray[np.bool_]
    score: NDArray[np.float64]
    feedback_at: Ints

    def where(self, mask: NDArray[np.bool_]) -> TestVotes:
        return TestVotes(**{f.name: getattr(self, f.name)[mask] for f in fields(self)})


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """What training and evaluation start from."""

    levels: Vocabulary
    cells: Cells
    test: TestVotes
    base_rejected: dict[str, int]


def prepare(votes: Path, base: BaseRows) -> Prepared:
    """Count a snapshot and the base rows into cells. Memory: one batch and the cells."""
    tally = _Tally()
    test = [tally.add_votes(batch) for batch in _batches(votes)]
    real = tally.counts
    tally.counts = np.zeros_like(real)
    tally.add_base(base)
    levels, order = tally.levels()
    cells = _cells([tally.counts, _grown(real, tally.counts.shape[1])], order)
    return Prepared(
        levels=levels, cells=cells, test=_test_votes(test, order), base_rejected=base.rejected
    )


def train_vocabulary(prepared: Prepared) -> Vocabulary:
    """The names that a model may know: those that occur in train, base rows included."""
    train = prepared.cells.where(prepared.cells.split == TRAIN)
    faces, _, styles = prepared.levels.sizes
    return prepared.levels.restrict(
        np.bincount(train.face, minlength=faces) > 0, np.bincount(train.style, minlength=styles) > 0
    )


def encode(cells: Cells, levels: Vocabulary, vocabulary: Vocabulary) -> tuple[Codes, Codes, Codes]:
    """The cells' codes in a model's own vocabulary; names it has not learned become 0."""
    face, tone, style = levels.translate(vocabulary)
    return face[cells.face], tone[cells.tone], style[cells.style]


def save(prepared: Prepared, folder: Path) -> None:
    """Write `cells.safetensors` and `prepared.json`."""
    arrays = {f"cells.{name}": values for name, values in vars(prepared.cells).items()}
    arrays |= {f"test.{name}": values for name, values in vars(prepared.test).items()}
    save_file(arrays, folder / CELLS)
    text = {"levels": prepared.levels.as_dict(), "base_rejected": prepared.base_rejected}
    write_whole(folder / PREPARED, json.dumps(text, ensure_ascii=False))


def load(folder: Path) -> Prepared:
    """Read what `save` wrote. Raises RetrainError when it is damaged."""
    with reading(folder / CELLS, made_by="prepare"):
        arrays = load_file(folder / CELLS)
        cells = Cells(**{f.name: arrays[f"cells.{f.name}"] for f in fields(Cells)})
        test = TestVotes(**{f.name: arrays[f"test.{f.name}"] for f in fields(TestVotes)})
    with reading(folder / PREPARED, made_by="prepare"):
        text = json.loads((folder / PREPARED).read_text("utf-8"))
        levels, rejected = features.from_dict(text["levels"]), text["base_rejected"]
    return Prepared(levels=levels, cells=cells, test=test, base_rejected=rejected)


class _Tally:
    """Dense counts (5 statistics, S × 54) that grow with the styles met, and their names."""

    def __init__(self) -> None:
        self.codes: dict[str, int] = {}
        self.spellings: list[Counter[str]] = []
        self.counts: Ints = np.zeros((len(_STATS), 0), dtype=np.int64)

    def style(self, name: str) -> int:
        key = style_key(name)
        if key not in self.codes:
            self.codes[key] = len(self.codes)
            self.spellings.append(Counter())
        return self.codes[key]

    def add_votes(self, batch: pa.RecordBatch) -> dict[str, Any]:
        """Count one batch of the snapshot; returns its test votes."""
        split = _decode(batch, "split", SPLITS.index)
        face = _decode(batch, "face_shape", _face)
        tone = _decode(batch, "skin_tone", TONES.index)
        style = _decode(batch, "hairstyle", self.style)
        like = _decode(batch, "feedback", _is_like).astype(bool)
        self._count_spellings(batch, split == TRAIN)
        score = batch.column("score").to_numpy(zero_copy_only=False)
        self._add(_address(split, face, tone, style), like, score)
        mask = split == TEST
        return {
            "group": group_numbers(
                pa.chunked_array([batch.column("group").filter(pa.array(mask))])
            ),
            "feedback_at": _microseconds(batch.column("feedback_at"))[mask],
            "face": face[mask].astype(np.int8),
            "tone": tone[mask].astype(np.int8),
            "style": style[mask].astype(np.int32),
            "like": like[mask],
            "score": score[mask],
        }

    def add_base(self, base: BaseRows) -> None:
        """Count the base rows: always in train."""
        face = np.array([_face(name) for name in base.face_shape], dtype=np.int64)
        tone = np.array([TONES.index(name) for name in base.skin_tone], dtype=np.int64)
        style = np.array([self.style(name) for name in base.hairstyle], dtype=np.int64)
        for name in base.hairstyle:
            self.spellings[self.style(name)][display_name(name)] += 1
        split = np.full(face.shape, TRAIN)
        self._add(_address(split, face, tone, style), base.like, base.score)

    def _add(self, at: Ints, like: NDArray[np.bool_], score: NDArray[np.float64]) -> None:
        size = len(self.codes) * _PER_STYLE
        self.counts = _grown(self.counts, size)
        liked = np.bincount(at[like], minlength=size)
        known = ~np.isnan(score)
        units = np.rint(score[known] * SCORE_UNIT)
        where = at[known]
        self.counts[0] += liked
        self.counts[1] += np.bincount(at, minlength=size) - liked
        self.counts[2] += np.bincount(where, minlength=size)
        # Sums of integers below 2^53 are exact in float64 within one batch.
        self.counts[3] += np.bincount(where, units, size).astype(np.int64)
        self.counts[4] += np.bincount(where, units * units, size).astype(np.int64)

    def _count_spellings(self, batch: pa.RecordBatch, train: NDArray[np.bool_]) -> None:
        column = batch.column("hairstyle")
        names = column.dictionary.to_pylist()
        times = np.bincount(column.indices.to_numpy()[train], minlength=len(names))
        for name, count in zip(names, times.tolist(), strict=True):
            self.spellings[self.style(name)][display_name(name)] += count

    def levels(self) -> tuple[Vocabulary, Codes]:
        """All names in a canonical order, and the new code of each interned style."""
        names = {
            key: min(self.spellings[code].items(), key=lambda item: (-item[1], item[0]))[0]
            for key, code in self.codes.items()
        }
        levels = features.vocabulary(FACE_SHAPES, names)
        order = np.array([levels.style_codes[key] for key in self.codes], dtype=np.int32)
        return levels, order


def _batches(votes: Path) -> Iterator[pa.RecordBatch]:
    with (
        reading(votes, made_by="export"),
        pq.ParquetFile(votes, read_dictionary=_COLUMNS) as file,
    ):
        columns = [*_COLUMNS, "score", "group", "feedback_at"]
        # One row group after the other: `iter_batches` was measured to hold ten times the memory.
        for number in range(file.num_row_groups):
            yield from file.read_row_group(number, columns, use_threads=False).to_batches()


def _decode(batch: pa.RecordBatch, name: str, code: Any) -> Ints:
    """A dictionary column as codes: each distinct value is looked up once, null included."""
    column = batch.column(name)
    values = column.dictionary.to_pylist()
    table = [code(value) for value in values]
    indices = column.indices
    if column.null_count:
        table.append(code(None))
        indices = indices.fill_null(len(values))
    return np.asarray(np.array(table, dtype=np.int64)[indices.to_numpy()])


def _face(name: str | None) -> int:
    return _FACES.index(name) if name in _FACES else 0


def _is_like(value: str) -> int:
    return ("dislike", "like").index(value)


def _address(split: Ints, face: Ints, tone: Ints, style: Ints) -> Ints:
    # Style is the slowest index, so a new style only lengthens the counts.
    at = ((style * len(SPLITS) + split) * len(_FACES) + face) * len(TONES) + tone
    return np.asarray(at)


def _microseconds(column: pa.Array) -> Ints:
    return np.asarray(column.cast(pa.int64()).fill_null(NO_TIME).to_numpy())


def _grown(counts: Ints, size: int) -> Ints:
    extra = size - counts.shape[1]
    return np.pad(counts, ((0, 0), (0, extra))) if extra > 0 else counts


def _cells(counts: list[Ints], order: Codes) -> Cells:
    """The non-empty cells of [base, real] counts in canonical order."""
    face_order = _face_order()
    columns: list[NDArray[np.int64]] = []
    for source, stats in enumerate(counts):
        at = np.flatnonzero(stats[0] + stats[1])
        style, split, face, tone = np.unravel_index(
            at, (max(len(order), 1), len(SPLITS), len(_FACES), len(TONES))
        )
        named = order[style] if len(order) else style
        keys = [np.full(at.shape, source), split, face_order[face], tone, named]
        columns.append(np.stack([*keys, *stats[:, at]]).astype(np.int64))
    table = np.concatenate(columns, axis=1)
    table = table[:, np.lexsort(table[4::-1])]
    kinds = [np.int8, np.int8, np.int32, np.int32, np.int32] + [np.int64] * len(_STATS)
    names = [f.name for f in fields(Cells)]
    return Cells(
        **{n: np.ascontiguousarray(r, k) for n, r, k in zip(names, table, kinds, strict=True)}
    )


def _face_order() -> Codes:
    """From the order of `_FACES` to the vocabulary's sorted one."""
    names = features.vocabulary(FACE_SHAPES, {}).face_codes
    return np.array([names[name] for name in _FACES], dtype=np.int32)


def _test_votes(parts: list[dict[str, Any]], order: Codes) -> TestVotes:
    if not parts:
        empty = np.zeros(0, dtype=np.int32)
        no_votes, no_times = np.zeros(0, dtype=np.bool_), np.zeros(0, dtype=np.int64)
        return TestVotes(
            group=empty,
            face=empty,
            tone=empty,
            style=empty,
            like=no_votes,
            score=no_times.astype(np.float64),
            feedback_at=no_times,
        )
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    _, number = np.unique(joined["group"], return_inverse=True)
    return TestVotes(
        group=number.astype(np.int32),
        face=_face_order()[joined["face"]],
        tone=joined["tone"].astype(np.int32),
        style=order[joined["style"]].astype(np.int32),
        like=joined["like"],
        score=joined["score"].astype(np.float64),
        feedback_at=joined["feedback_at"],
    )
