"""What tests of the learning start from: snapshots, cells and tables made of chosen votes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
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
from task.artifact import ScoreTable
from task.base import BaseRows
from task.features import Vocabulary
from task.models.hierarchical import Counts
from task.prepare import NO_TIME, REAL, SCORE_UNIT, SPLITS, Cells, Prepared, TestVotes
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
    """One vote of a snapshot; `at` is its `feedback_at` in seconds since 1970."""

    face: str | None = "계란형"
    tone: str = "웜톤"
    style: str = "댄디컷"
    like: bool = True
    score: float | None = 0.5
    split: str = "train"
    group: str = "g"
    at: int | None = 0


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
    """Test votes of one face and tone on these styles (codes of `known`), and nothing else."""
    n = len(style)
    votes = TestVotes(
        group=np.array(range(n) if group is None else group, dtype=np.int32),
        face=np.ones(n, dtype=np.int32),
        tone=np.zeros(n, dtype=np.int32),
        style=np.array(style, dtype=np.int32),
        like=np.array(like, dtype=bool),
        score=np.full(n, score),
        feedback_at=np.array([NO_TIME] * n if at is None else at, dtype=np.int64),
    )
    return Prepared(levels=known, cells=no_cells(), test=votes, base_rejected={})


def no_cells() -> Cells:
    nothing = np.zeros(0, dtype=np.int64)
    return real_cells(0, nothing, nothing, nothing, nothing, nothing)


def real_cells(
    split: int,
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
        split=np.full(len(n), split, dtype=np.int8),
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
    """The likes of a world's votes as sufficient statistics of all its cells."""
    got, shape = world.sample(votes, seed), world.p_like.shape
    at = np.ravel_multi_index((got.face, got.tone, got.style), shape)
    n = np.bincount(at, minlength=world.p_like.size)
    kept = np.flatnonzero(n)
    codes = [codes.astype(np.int32) for codes in np.unravel_index(kept, shape)]
    return Counts(
        codes=(codes[0], codes[1], codes[2]),
        n=n[kept].astype(np.float64),
        total=np.bincount(at, got.like, world.p_like.size)[kept].astype(np.float64),
    )


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
    cells = [[known.faces[1], known.tones[1], known.styles[-1], 3, 2]]
    artifact.write_self_test(folder, cells)
    return folder


def side(name: str) -> int:
    return SPLITS.index(name)
