"""Votes to cells: everything that training needs, at the size of the choices.

A cell is one (source, fold, face, tone, style) with its counts of likes and dislikes and the
exact integer sums of its scores. Loss and gradient are exact functions of cells, so from here on
the cost of training no longer grows with the number of votes. The real votes are also kept one by
one as `Examples`, with group and time: what a model is judged on.

The codes here cover every name in the snapshot: they are addresses, not a vocabulary. What a
model may know is `train_vocabulary`, the levels that it learns from. Not a data frame
group-by: it was measured 24 to 32 times slower and needs nine times the memory.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
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
from task.folds import FOLDS, fold_numbers
from task.recency import EVERY_VOTE, NO_TIME, Recency
from task.tally import group_numbers

Ints = NDArray[np.int64]
Codes = NDArray[np.int32]

CELLS, PREPARED = "cells.safetensors", "prepared.json"
TEST = "test"
"""The side of the fixed 70/15/15 split on which a version of format 1 was never fitted."""
BASE, REAL = range(2)
SCORE_UNIT = 10_000
"""Scores are summed as integers of 1/10,000, so sums do not depend on the order."""

_FACES = ("", *FACE_SHAPES)
_STATS = ("n_like", "n_dislike", "n_scored", "score_sum", "score_square")
_COLUMNS = ["split", "face_shape", "skin_tone", "hairstyle", "feedback"]
_PER_STYLE = FOLDS * len(_FACES) * len(TONES)


@dataclass(frozen=True, kw_only=True)
class Cells:
    """C cells as columns, each of shape (C,), in the order (source, fold, face, tone, style).

    Base rows stand in fold 0 and are no part of it: they are never held out.
    """

    source: NDArray[np.int8]
    fold: NDArray[np.int8]
    face: Codes
    tone: Codes
    style: Codes
    n_like: Ints
    n_dislike: Ints
    n_scored: Ints
    score_sum: Ints
    score_square: Ints

    def where(self, mask: NDArray[np.bool_] | NDArray[np.intp]) -> Cells:
        return Cells(**{f.name: getattr(self, f.name)[mask] for f in fields(self)})

    def of(self, source: int) -> Cells:
        return self.where(self.source == source)

    @property
    def votes(self) -> int:
        return int(self.n_like.sum() + self.n_dislike.sum())


@dataclass(frozen=True, kw_only=True)
class Examples:
    """The N real votes one by one: codes, vote, group, fold and time, each (N,).

    `group` is the first 8 bytes of the group's hash; `score` is NaN where missing; `feedback_at`
    is in microseconds since 1970 UTC, or NO_TIME; `test` says which stand on the test side of the
    fixed split that versions of format 1 were fitted by.
    """

    group: NDArray[np.uint64]
    fold: NDArray[np.int8]
    face: NDArray[np.int8]
    tone: NDArray[np.int8]
    style: Codes
    like: NDArray[np.bool_]
    score: NDArray[np.float32]
    feedback_at: Ints
    test: NDArray[np.bool_]

    def where(self, mask: NDArray[np.bool_] | slice) -> Examples:
        return Examples(**{f.name: getattr(self, f.name)[mask] for f in fields(self)})

    def __len__(self) -> int:
        return len(self.like)


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """What training and evaluation start from. The cells' counts are in 1/`unit` of a vote."""

    levels: Vocabulary
    cells: Cells
    unit: int
    examples: Examples
    base_rejected: dict[str, int]


def prepare(votes: Path, base: BaseRows, recency: Recency = EVERY_VOTE) -> Prepared:
    """Count a snapshot and the base rows into cells. Memory: one batch, the cells, the examples."""
    with reading(votes, made_by="export"), pq.ParquetFile(votes) as file:
        examples = _no_examples(file.metadata.num_rows)
    tally, start = _Tally(recency, _oldest(votes)), 0
    for batch in _batches(votes):
        start += tally.add_votes(batch, examples, start)
    real = tally.counts
    tally.counts = np.zeros_like(real)
    tally.add_base(base)
    levels, order = tally.levels()
    cells = _cells([tally.counts, _grown(real, tally.counts.shape[1])], order)
    examples = examples.where(slice(0, start))
    if len(order):
        examples.style[:] = order[examples.style]
    return Prepared(
        levels=levels,
        cells=cells,
        unit=recency.unit,
        examples=examples,
        base_rejected=base.rejected,
    )


def train_vocabulary(prepared: Prepared) -> Vocabulary:
    """The names that a model may know: those it learns from, base rows included."""
    faces, _, styles = prepared.levels.sizes
    cells = prepared.cells
    return prepared.levels.restrict(
        np.bincount(cells.face, minlength=faces) > 0, np.bincount(cells.style, minlength=styles) > 0
    )


def encode(cells: Cells, levels: Vocabulary, vocabulary: Vocabulary) -> tuple[Codes, Codes, Codes]:
    """The cells' codes in a model's own vocabulary; names it has not learned become 0."""
    face, tone, style = levels.translate(vocabulary)
    return face[cells.face], tone[cells.tone], style[cells.style]


def save(prepared: Prepared, folder: Path) -> None:
    """Write `cells.safetensors` and `prepared.json`."""
    arrays = {f"cells.{name}": values for name, values in vars(prepared.cells).items()}
    arrays |= {f"examples.{name}": values for name, values in vars(prepared.examples).items()}
    save_file(arrays, folder / CELLS)
    text = {
        "levels": prepared.levels.as_dict(),
        "unit": prepared.unit,
        "base_rejected": prepared.base_rejected,
    }
    write_whole(folder / PREPARED, json.dumps(text, ensure_ascii=False))


def load(folder: Path) -> Prepared:
    """Read what `save` wrote. Raises RetrainError when it is damaged."""
    with reading(folder / CELLS, made_by="prepare"):
        arrays = load_file(folder / CELLS)
        cells = Cells(**{f.name: arrays[f"cells.{f.name}"] for f in fields(Cells)})
        examples = Examples(**{f.name: arrays[f"examples.{f.name}"] for f in fields(Examples)})
    with reading(folder / PREPARED, made_by="prepare"):
        text = json.loads((folder / PREPARED).read_text("utf-8"))
        levels, rejected = features.from_dict(text["levels"]), text["base_rejected"]
        unit = int(text["unit"])
    return Prepared(
        levels=levels, cells=cells, unit=unit, examples=examples, base_rejected=rejected
    )


class _Tally:
    """Dense counts (5 statistics, S × 180) that grow with the styles met, and their names."""

    def __init__(self, recency: Recency, oldest: int) -> None:
        self.recency, self.oldest = recency, oldest
        self.codes: dict[str, int] = {}
        self.spellings: list[Counter[str]] = []
        self.counts: Ints = np.zeros((len(_STATS), 0), dtype=np.int64)

    def style(self, name: str) -> int:
        key = style_key(name)
        if key not in self.codes:
            self.codes[key] = len(self.codes)
            self.spellings.append(Counter())
        return self.codes[key]

    def add_votes(self, batch: pa.RecordBatch, examples: Examples, start: int) -> int:
        """Count one batch of the snapshot, and note its votes from `start` on; returns how many."""
        face = _face_order()[_decode(batch, "face_shape", _face)]
        tone = _decode(batch, "skin_tone", TONES.index)
        style = _decode(batch, "hairstyle", self.style)
        like = _decode(batch, "feedback", _is_like).astype(bool)
        groups = pa.chunked_array([batch.column("group")])
        fold = fold_numbers(groups)
        feedback_at = _microseconds(batch.column("feedback_at"))
        score = batch.column("score").to_numpy(zero_copy_only=False)
        known = feedback_at <= self.recency.cutoff  # NO_TIME is, too
        weight = self.recency.weights(feedback_at, self.oldest) * known
        if self.recency.window_days:
            known &= weight > 0  # what is too old to learn from is too old to judge by
        self._count_spellings(batch, weight > 0)
        self._add(_address(fold, face, tone, style), like, score, weight)
        here = slice(start, start + int(known.sum()))
        columns = {
            "group": group_numbers(groups),
            "fold": fold,
            "face": face,
            "tone": tone,
            "style": style,
            "like": like,
            "score": score,
            "feedback_at": feedback_at,
            "test": _decode(batch, "split", TEST.__eq__).astype(bool),
        }
        for name, values in columns.items():
            getattr(examples, name)[here] = values if known.all() else values[known]
        return here.stop - start

    def add_base(self, base: BaseRows) -> None:
        """Count the base rows: always learned from, never held out."""
        face = _face_order()[np.array([_face(name) for name in base.face_shape], dtype=np.int64)]
        tone = np.array([TONES.index(name) for name in base.skin_tone], dtype=np.int64)
        style = np.array([self.style(name) for name in base.hairstyle], dtype=np.int64)
        for name in base.hairstyle:
            self.spellings[self.style(name)][display_name(name)] += 1
        fold = np.zeros(face.shape, dtype=np.int8)
        weight = np.ones(face.shape, dtype=np.int64)
        self._add(_address(fold, face, tone, style), base.like, base.score, weight)

    def _add(
        self, at: Ints, like: NDArray[np.bool_], score: NDArray[np.float64], weight: Ints
    ) -> None:
        size = len(self.codes) * _PER_STYLE
        self.counts = _grown(self.counts, size)
        known = ~np.isnan(score)
        units = np.rint(score[known] * SCORE_UNIT)
        where, some = at[known], weight[known]
        # Sums of integers below 2^53 are exact in float64 within one batch.
        liked = np.bincount(at[like], weight[like], size).astype(np.int64)
        self.counts[0] += liked
        self.counts[1] += np.bincount(at, weight, size).astype(np.int64) - liked
        self.counts[2] += np.bincount(where, some, size).astype(np.int64)
        self.counts[3] += np.bincount(where, some * units, size).astype(np.int64)
        self.counts[4] += np.bincount(where, some * (units * units), size).astype(np.int64)

    def _count_spellings(self, batch: pa.RecordBatch, learned: NDArray[np.bool_]) -> None:
        column = batch.column("hairstyle")
        names = column.dictionary.to_pylist()
        times = np.bincount(column.indices.to_numpy()[learned], minlength=len(names))
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


def _batches(
    votes: Path, columns: Sequence[str] = (*_COLUMNS, "score", "group", "feedback_at")
) -> Iterator[pa.RecordBatch]:
    with (
        reading(votes, made_by="export"),
        pq.ParquetFile(votes, read_dictionary=_COLUMNS) as file,
    ):
        # One row group after the other: `iter_batches` was measured to hold ten times the memory.
        for number in range(file.num_row_groups):
            yield from file.read_row_group(number, list(columns), use_threads=False).to_batches()


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


def _address(fold: NDArray[Any], face: Codes, tone: Ints, style: Ints) -> Ints:
    # Style is the slowest index, so a new style only lengthens the counts.
    at = ((style * FOLDS + fold) * len(_FACES) + face) * len(TONES) + tone
    return np.asarray(at)


def _oldest(votes: Path) -> int:
    """The first `feedback_at` of a snapshot; NO_TIME when none has a time."""
    first = NO_TIME
    for batch in _batches(votes, ["feedback_at"]):
        times = batch.column("feedback_at").drop_null().cast(pa.int64()).to_numpy()
        if len(times):
            first = int(times.min()) if first == NO_TIME else min(first, int(times.min()))
    return first


def _microseconds(column: pa.Array) -> Ints:
    return np.asarray(column.cast(pa.int64()).fill_null(NO_TIME).to_numpy())


def _grown(counts: Ints, size: int) -> Ints:
    extra = size - counts.shape[1]
    return np.pad(counts, ((0, 0), (0, extra))) if extra > 0 else counts


def _cells(counts: list[Ints], order: Codes) -> Cells:
    """The non-empty cells of [base, real] counts in canonical order."""
    columns: list[NDArray[np.int64]] = []
    for source, stats in enumerate(counts):
        at = np.flatnonzero(stats[0] + stats[1])
        style, fold, face, tone = np.unravel_index(
            at, (max(len(order), 1), FOLDS, len(_FACES), len(TONES))
        )
        named = order[style] if len(order) else style
        keys = [np.full(at.shape, source), fold, face, tone, named]
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


def _no_examples(votes: int) -> Examples:
    """Room for so many votes: filled in place, since joining parts would need it twice."""
    kinds = {
        "group": np.uint64,
        "fold": np.int8,
        "face": np.int8,
        "tone": np.int8,
        "style": np.int32,
        "like": np.bool_,
        "score": np.float32,
        "feedback_at": np.int64,
        "test": np.bool_,
    }
    return Examples(**{name: np.zeros(votes, dtype=kind) for name, kind in kinds.items()})
