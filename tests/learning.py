"""What tests of the learning start from: snapshots, cells and tables made of chosen votes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from common import feedback
from common.feedback import FACE_SHAPES, SKIN_TONES
from local.world import World
from task import artifact, base, features
from task.artifact import FoldTables, ScoreTable
from task.base import BaseRows
from task.features import Vocabulary
from task.folds import FOLDS
from task.models.crossed import Counts
from task.prepare import REAL, SCORE_UNIT, Cells, Examples, Prepared
from task.recency import NO_TIME
from task.snapshot import SCHEMA

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NO_BASE = BaseRows(
    face_shape=[],
    skin_tone=[],
    hairstyle=[],
    score=np.zeros(0),
    like=np.zeros(0, dtype=bool),
    rejected={},
)


@dataclass(frozen=True, kw_only=True)
class Vote:
    """One vote of a snapshot; `at` is its `feedback_at` in seconds since 1970.

    `split` is the side of the fixed split, which the snapshot still has as a column; `fold` is
    what the group's hash says.
    """

    face: str | None = "계란형"
    tone: str = "웜톤"
    style: str = "댄디컷"
    like: bool = True
    score: float | None = 0.5
    split: str = "train"
    group: str = "g"
    at: int | None = 0

    @property
    def fold(self) -> int:
        return fold_of(self.group)


def fold_of(group: str) -> int:
    """The fold of a group of this name: bytes 8 to 15 of its hash, modulo 10."""
    return int.from_bytes(hashlib.sha256(group.encode()).digest()[8:16], "big") % FOLDS


def group_in(fold: int, name: str = "g") -> str:
    """The name of a group that stands in this fold, one for each `name`."""
    return next(f"{name} {i}" for i in count() if fold_of(f"{name} {i}") == fold)


def write_votes(path: Path, votes: Iterable[Vote], *, row_group: int = 65_536) -> Path:
    """A snapshot of these votes in their order, as `task.snapshot` writes it."""
    rows = [_row(number, vote) for number, vote in enumerate(votes)]
    columns = {name: [row[name] for row in rows] for name in SCHEMA.names}
    table = pa.Table.from_arrays(
        [pa.array(columns[field.name], _plain(field.type)).cast(field.type) for field in SCHEMA],
        schema=SCHEMA,
    )
    pq.write_table(table, path, row_group_size=row_group)
    return path


def _plain(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _row(number: int, vote: Vote) -> dict[str, Any]:
    return {
        "analysis_id": number,
        "style_index": 1,
        "group": hashlib.sha256(vote.group.encode()).hexdigest(),
        "split": vote.split,
        "face_shape": vote.face,
        "skin_tone": vote.tone,
        "hairstyle": vote.style,
        "score": vote.score,
        "feedback": "like" if vote.like else "dislike",
        "naver_clicked": False,
        "reason": None,
        "created_at": EPOCH,
        "feedback_at": None if vote.at is None else EPOCH + timedelta(seconds=vote.at),
    }


def drawn(world: World, votes: int, seed: int) -> list[Vote]:
    """Votes of a world's people, on the sides that their groups belong to."""
    got = world.sample(votes, seed)
    groups = [feedback.group(f"{seed}-{person}", None, 0) for person in got.group.tolist()]
    return [
        Vote(
            face=FACE_SHAPES[face],
            tone=SKIN_TONES[tone],
            style=world.styles[style],
            like=like,
            score=score,
            split=feedback.split(group),
            group=group,
            at=number,
        )
        for number, (face, tone, style, like, score, group) in enumerate(
            zip(
                got.face.tolist(),
                got.tone.tolist(),
                got.style.tolist(),
                got.like.tolist(),
                got.score.tolist(),
                groups,
                strict=True,
            )
        )
    ]


def small_base(rows: int = 300) -> BaseRows:
    return base.generate(rows, seed=0)


def vocabulary(*styles: str, faces: Sequence[str] = FACE_SHAPES) -> Vocabulary:
    return features.vocabulary(faces, {feedback.style_key(name): name for name in styles})


def score_table(
    known: Vocabulary,
    like: float | NDArray[np.float64],
    *,
    score: float = 0.5,
    threshold: float = 0.5,
    version: str = "m-a",
) -> ScoreTable:
    """A model that gives `like` everywhere, or this table (F, T, S)."""
    return ScoreTable(
        version=version,
        vocabulary=known,
        score=np.full(known.sizes, score, dtype=np.float32),
        like=np.broadcast_to(np.asarray(like, dtype=np.float32), known.sizes).copy(),
        threshold=threshold,
        metadata={},
    )


def unseen(
    known: Vocabulary,
    style: Sequence[int],
    like: Sequence[bool],
    *,
    group: Sequence[int] | None = None,
    at: Sequence[int] | None = None,
    score: float = 0.5,
) -> Prepared:
    """Real votes of one face and tone on these styles (codes of `known`), and nothing else.

    All stand in test; a group stands in the fold of its number's last digit.
    """
    n = len(style)
    numbers = np.array(range(n) if group is None else group, dtype=np.uint64)
    votes = Examples(
        group=numbers,
        fold=(numbers % FOLDS).astype(np.int8),
        face=np.ones(n, dtype=np.int8),
        tone=np.zeros(n, dtype=np.int8),
        style=np.array(style, dtype=np.int32),
        like=np.array(like, dtype=bool),
        score=np.full(n, score, dtype=np.float32),
        feedback_at=np.array([NO_TIME] * n if at is None else at, dtype=np.int64),
        test=np.ones(n, dtype=bool),
    )
    return Prepared(levels=known, cells=no_cells(), unit=1, examples=votes, base_rejected={})


def no_cells() -> Cells:
    nothing = np.zeros(0, dtype=np.int64)
    return real_cells(0, nothing, nothing, nothing, nothing, nothing)


def real_cells(
    fold: int,
    face: NDArray[np.integer],
    tone: NDArray[np.integer],
    style: NDArray[np.integer],
    n_like: NDArray[np.integer],
    n_dislike: NDArray[np.integer],
    scores: NDArray[np.float64] | None = None,
) -> Cells:
    """Real cells with these counts; `scores` (C,) is the score of each of a cell's votes."""
    n = (n_like + n_dislike).astype(np.int64)
    units = np.rint(np.zeros(len(n)) if scores is None else scores * SCORE_UNIT).astype(np.int64)
    scored = np.zeros_like(n) if scores is None else n
    return Cells(
        source=np.full(len(n), REAL, dtype=np.int8),
        fold=np.full(len(n), fold, dtype=np.int8),
        face=face.astype(np.int32),
        tone=tone.astype(np.int32),
        style=style.astype(np.int32),
        n_like=n_like.astype(np.int64),
        n_dislike=n_dislike.astype(np.int64),
        n_scored=scored,
        score_sum=scored * units,
        score_square=scored * units * units,
    )


def joined(*parts: Cells) -> Cells:
    names = [field.name for field in fields(Cells)]
    return Cells(**{n: np.concatenate([getattr(part, n) for part in parts]) for n in names})


def counts_of(world: World, votes: int, seed: int) -> Counts:
    """The likes of a world's votes as the sufficient statistics of one fit: (1, F, T, S)."""
    got, shape = world.sample(votes, seed), world.p_like.shape
    at = np.ravel_multi_index((got.face, got.tone, got.style), shape)
    n = np.bincount(at, minlength=world.p_like.size)
    likes = np.bincount(at[got.like], minlength=world.p_like.size)
    return one_fit(n.reshape(shape), likes.reshape(shape))


def one_fit(n: NDArray[Any], total: NDArray[Any], squares: float | None = None) -> Counts:
    """The sufficient statistics of a single fit from tables (F, T, S)."""
    return Counts(
        n=n[None].astype(np.float64),
        total=total[None].astype(np.float64),
        squares=None if squares is None else np.array([squares]),
    )


def folds_like(like: NDArray[np.float64]) -> FoldTables:
    """Folds that answer as this table (F, T, S) of like probabilities does."""
    ours = np.broadcast_to(like.astype(np.float32), (FOLDS, *like.shape)).copy()
    half = np.full(FOLDS, 0.5)
    return FoldTables(like=ours, score=1 - ours, threshold=half, constant=half, base=None)


def write_version(folder: Path, known: Vocabulary, *, version: str = "m-a") -> Path:
    """A whole version's files, but for the manifest: probabilities that differ everywhere."""
    like = np.linspace(0.05, 0.95, int(np.prod(known.sizes))).reshape(known.sizes)
    artifact.write(
        folder,
        weights={"w": np.arange(3.0)},
        metadata={
            "version": version,
            "vocabulary": known.as_dict(),
            "threshold": 0.5,
            "cutoff": "2026-01-01T00:00:00+00:00",
        },
        score=1.0 - like,
        like=like,
    )
    artifact.write_folds(folder, folds_like(like))
    cells = [[known.faces[1], known.tones[1], known.styles[-1], 3, 2]]
    artifact.write_self_test(folder, cells)
    return folder
