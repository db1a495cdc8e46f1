"""Votes of worlds with a known truth, as the stages' own values, and exact quality.

A bench wants millions of votes as cells without writing a file first, so this goes from a
world's codes straight to `task.prepare`'s values; the fold is drawn by group. Quality needs no
votes held out: how often each cell is voted on and liked is known, so log-loss, AUC and F1 are
those of infinitely many of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from common.feedback import FACE_SHAPES, SKIN_TONES, style_key
from local.world import Votes, World
from task import features, metrics
from task.features import Vocabulary
from task.folds import FOLDS
from task.prepare import REAL, SCORE_UNIT, Cells, Examples, Prepared
from task.recency import NO_TIME

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

EXPECTED = 10**12
"""So many votes stand for infinitely many."""


@dataclass(frozen=True, kw_only=True)
class Quality:
    """How good a table is, exactly. `excess` is the log-loss over the truth's own, in nats."""

    excess: float
    auc: float
    f1: float


def fold_of(group: Ints, seed: int) -> NDArray[np.int8]:
    """The fold of each vote (N,), drawn by group."""
    groups = int(group.max()) + 1 if len(group) else 0
    fold = np.random.default_rng([seed, 1]).integers(0, FOLDS, groups)
    return np.asarray(fold[group], dtype=np.int8)


def levels_of(world: World) -> Vocabulary:
    """All names of a world."""
    return features.vocabulary(FACE_SHAPES, {style_key(name): name for name in world.styles})


def places(world: World, vocabulary: Vocabulary) -> tuple[Ints, Ints, Ints]:
    """The codes in a vocabulary of a world's faces, tones and styles: (F,), (T,), (S,)."""
    return (
        np.array([vocabulary.face(name) for name in FACE_SHAPES]),
        np.array([vocabulary.tone(name) for name in SKIN_TONES]),
        np.array([vocabulary.style(name) for name in world.styles]),
    )


def prepared(world: World, votes: Votes, fold: NDArray[np.int8]) -> Prepared:
    """What `task.prepare` would make of these votes, without base data."""
    levels = levels_of(world)
    face, tone, style = places(world, levels)
    codes = face[votes.face], tone[votes.tone], style[votes.style]
    return Prepared(
        levels=levels,
        cells=cells_of(codes, votes, fold, levels.sizes),
        unit=1,
        examples=_examples(codes, votes, fold),
        base_rejected={},
    )


def cells_of(
    codes: tuple[Ints, Ints, Ints], votes: Votes, fold: NDArray[np.int8], sizes: tuple[int, ...]
) -> Cells:
    """Count votes with these codes (N,) into real cells."""
    shape = (FOLDS, *sizes)
    at = np.ravel_multi_index((fold.astype(np.int64), *codes), shape)
    length = int(np.prod(shape))
    n = np.bincount(at, minlength=length)
    like = np.bincount(at[votes.like], minlength=length)
    units = np.rint(votes.score * SCORE_UNIT)
    total = np.bincount(at, units, length).astype(np.int64)
    square = np.bincount(at, units * units, length).astype(np.int64)
    kept = np.flatnonzero(n)
    where = np.unravel_index(kept, shape)
    return Cells(
        source=np.full(kept.shape, REAL, dtype=np.int8),
        fold=where[0].astype(np.int8),
        face=where[1].astype(np.int32),
        tone=where[2].astype(np.int32),
        style=where[3].astype(np.int32),
        n_like=like[kept],
        n_dislike=(n - like)[kept],
        n_scored=n[kept],
        score_sum=total[kept],
        score_square=square[kept],
    )


def _examples(codes: tuple[Ints, Ints, Ints], votes: Votes, fold: NDArray[np.int8]) -> Examples:
    return Examples(
        group=votes.group.astype(np.uint64),
        fold=fold,
        face=codes[0].astype(np.int8),
        tone=codes[1].astype(np.int8),
        style=codes[2].astype(np.int32),
        like=votes.like,
        score=votes.score.astype(np.float32),
        feedback_at=np.full(len(fold), NO_TIME, dtype=np.int64),
        test=np.zeros(len(fold), dtype=bool),
    )


def expected_votes(world: World) -> tuple[Ints, Ints]:
    """Likes and dislikes of each cell, (F·T·S,), out of `EXPECTED` votes."""
    share, p = world.cell_share.ravel() * EXPECTED, world.p_like.ravel()
    return np.rint(share * p).astype(np.int64), np.rint(share * (1 - p)).astype(np.int64)


def quality(world: World, p: Floats, threshold: float) -> Quality:
    """The exact quality of like probabilities (F, T, S) in the world's own order."""
    like, dislike = expected_votes(world)
    answer = p.ravel() >= threshold
    return Quality(
        excess=world.excess_log_loss(p),
        auc=metrics.auc(p.ravel(), like, dislike),
        f1=float(metrics.weighted_f1(metrics.confusion(answer, like, dislike))),
    )
