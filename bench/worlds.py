"""Votes of worlds with a known truth, as the stages' own values, and exact quality.

A bench wants millions of votes as cells without writing a file first, so this goes from a
world's codes straight to `task.prepare`'s values; the split is drawn by group with the shares
of the real one. Quality needs no test votes: how often each cell is voted on and liked is
known, so log-loss, AUC and F1 are those of infinitely many of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from common.feedback import (
    FACE_SHAPES,
    SKIN_TONES,
    SPLIT_PARTS,
    TRAIN_BELOW,
    VALIDATION_BELOW,
    style_key,
)
from local.world import Votes, World
from task import features, metrics
from task.features import Vocabulary
from task.prepare import (
    NO_TIME,
    REAL,
    SCORE_UNIT,
    TEST,
    TRAIN,
    VALIDATION,
    Cells,
    Prepared,
    TestVotes,
)

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


def split_of(group: Ints, seed: int) -> NDArray[np.int8]:
    """TRAIN, VALIDATION or TEST of each vote (N,), drawn by group with the real shares."""
    groups = int(group.max()) + 1 if len(group) else 0
    part = np.random.default_rng([seed, 1]).integers(0, SPLIT_PARTS, groups)
    side = np.where(part < TRAIN_BELOW, TRAIN, np.where(part < VALIDATION_BELOW, VALIDATION, TEST))
    return np.asarray(side[group], dtype=np.int8)


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


def prepared(world: World, votes: Votes, split: NDArray[np.int8]) -> Prepared:
    """What `task.prepare` would make of these votes, without base data."""
    levels = levels_of(world)
    face, tone, style = places(world, levels)
    codes = face[votes.face], tone[votes.tone], style[votes.style]
    return Prepared(
        levels=levels,
        cells=cells_of(codes, votes, split, levels.sizes),
        test=_test_votes(codes, votes, split == TEST),
        base_rejected={},
    )


def cells_of(
    codes: tuple[Ints, Ints, Ints], votes: Votes, split: NDArray[np.int8], sizes: tuple[int, ...]
) -> Cells:
    """Count votes with these codes (N,) into real cells."""
    shape = (3, *sizes)
    at = np.ravel_multi_index((split.astype(np.int64), *codes), shape)
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
        split=where[0].astype(np.int8),
        face=where[1].astype(np.int32),
        tone=where[2].astype(np.int32),
        style=where[3].astype(np.int32),
        n_like=like[kept],
        n_dislike=(n - like)[kept],
        n_scored=n[kept],
        score_sum=total[kept],
        score_square=square[kept],
    )


def _test_votes(codes: tuple[Ints, Ints, Ints], votes: Votes, mask: NDArray[np.bool_]) -> TestVotes:
    _, group = np.unique(votes.group[mask], return_inverse=True)
    return TestVotes(
        group=group.astype(np.int32),
        face=codes[0][mask].astype(np.int32),
        tone=codes[1][mask].astype(np.int32),
        style=codes[2][mask].astype(np.int32),
        like=votes.like[mask],
        score=votes.score[mask],
        feedback_at=np.full(int(mask.sum()), NO_TIME, dtype=np.int64),
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
