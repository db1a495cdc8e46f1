"""What is trained at the beginning of each week of a simulated year, and the votes known by then.

The production fit on dense counts, without base data, files or scores: the model that ships, its
folds and its pairs of folds, decided by `task.train.decide`; and, in the same batch, the fit on
the 70 % of groups that the former gate's models learned from, for its arms. Years that differ
only in what happens later share their fits.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from bench.streams import START, WEEK, Plan, Stream, flipped, make_stream
from common.feedback import (
    FACE_SHAPES,
    FOLDS,
    SKIN_TONES,
    SPLIT_PARTS,
    SPLIT_VERSION,
    TRAIN_BELOW,
    VALIDATION_BELOW,
    style_key,
)
from task import calibrate
from task.artifact import FoldTables, ScoreTable
from task.candidates import HIERARCHICAL, Candidate, FoldCounts, cross_fitted, parts
from task.features import Vocabulary
from task.judging import Version
from task.models.crossed import Counts, sigmoid
from task.prepare import Cells, Examples, Prepared
from task.train import decide

Floats = NDArray[np.float64]
_EMPTY = Cells(**{field.name: np.zeros(0, dtype=np.int64) for field in fields(Cells)})  # type: ignore[arg-type]
_MIX = tuple(np.uint64(x) for x in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))


@dataclass(frozen=True, kw_only=True)
class Fits:
    """Like chances of what ships (F, T, S) and of its folds (FOLDS, F, T, S), with thresholds.

    `old` (F, T, S) is the fit on 70 % of the groups, its threshold from the next 15 %.
    """

    ship: Floats
    threshold: float
    folds: Floats
    fold_threshold: Floats
    constant: Floats
    old: Floats
    old_threshold: float


@dataclass(frozen=True, kw_only=True)
class Year:
    """A stream as the stages would see it: N votes one by one, and their side of the old split."""

    stream: Stream
    levels: Vocabulary
    examples: Examples
    side: NDArray[np.int64]
    """0 train, 1 validation, 2 test."""

    def known(self, week: int) -> int:
        """How many votes there are at the beginning of a week."""
        return self.stream.plan.votes_a_week * week

    def until(self, week: int) -> Prepared:
        """The votes before a week."""
        part = slice(0, self.known(week))
        arrays = {f.name: getattr(self.examples, f.name)[part] for f in fields(Examples)}
        return Prepared(
            levels=self.levels,
            cells=_EMPTY,
            unit=1,
            examples=Examples(**arrays),
            base_rejected={},
        )


def cutoff(week: int) -> int:
    """The last microsecond before a week."""
    return START + week * WEEK - 1


@lru_cache(maxsize=2)
def year(plan: Plan) -> Year:
    """Draw a year. Its vocabulary is the world's own: no vote has an unknown name."""
    stream = make_stream(plan)
    votes = len(stream.like)
    keys = tuple(style_key(name) for name in stream.before.styles)
    levels = Vocabulary(
        faces=FACE_SHAPES, tones=SKIN_TONES, styles=keys, names=stream.before.styles
    )
    side = (_hashed(stream.group, 1) % np.uint64(SPLIT_PARTS)).astype(np.int64)
    examples = Examples(
        group=stream.group.astype(np.uint64),
        fold=(_hashed(stream.group, 2) % np.uint64(FOLDS)).astype(np.int8),
        face=stream.face.astype(np.int8),
        tone=stream.tone.astype(np.int8),
        style=stream.style.astype(np.int32),
        like=stream.like,
        score=np.full(votes, np.nan, dtype=np.float32),
        feedback_at=stream.feedback_at(),
        test=side >= VALIDATION_BELOW,
    )
    sides = (side >= TRAIN_BELOW).astype(np.int64) + (side >= VALIDATION_BELOW)
    return Year(stream=stream, levels=levels, examples=examples, side=sides)


def fits(plan: Plan, week: int, flip: int = 0) -> Fits:
    """What is trained on the votes before `week`; `flip` seeds labels flipped in training, 0: none.

    Until tastes change, a year is the same as one in which they do not.
    """
    return _fits(replace(plan, redraw=0.0) if week <= plan.change else plan, week, flip)


@lru_cache(maxsize=160)
def _fits(plan: Plan, week: int, flip: int) -> Fits:
    found = year(plan)
    part = slice(0, found.known(week))
    votes, side = found.until(week).examples, found.side[part]
    like = flipped(votes.like, flip) if flip else votes.like
    shape = (FOLDS, *found.levels.sizes)
    at = np.ravel_multi_index(
        (votes.fold.astype(np.int64), votes.face, votes.tone, votes.style), shape
    )
    size = int(np.prod(shape))
    by_side = [
        (_count(at[mask], None, size, shape), _count(at[mask], like[mask], size, shape))
        for mask in (side == 0, side == 1, side == 2)
    ]
    n, likes = (np.sum([pair[i] for pair in by_side], axis=0) for i in (0, 1))
    counts = Counts(
        n=np.concatenate([parts(n), by_side[0][0].sum(axis=0)[None]]),
        total=np.concatenate([parts(likes), by_side[0][1].sum(axis=0)[None]]),
    )
    logit, _, settled = cross_fitted(counts, None)
    none = np.zeros_like(n)
    folds = FoldCounts(n=n, like=likes, scored=none, score_sum=none, score_square=np.zeros(FOLDS))
    candidate = Candidate(
        name=HIERARCHICAL,
        weights={},
        logit=logit[0],
        score=none[0],
        fold_logit=logit[1 : 1 + FOLDS],
        fold_score=none,
        pair_logit=logit[1 + FOLDS : -1],
        rounds=0,
        best_round=0,
        settled=settled,
    )
    _, sizes = np.unique(votes.group, return_counts=True)
    share = calibrate.effective_share(sizes)
    _, models, shipped, threshold, _ = decide([candidate], folds, share, None)
    old, old_threshold = _old(logit[-1], *by_side[1], share)
    return Fits(
        ship=shipped,
        threshold=threshold,
        folds=models.like,
        fold_threshold=models.threshold,
        constant=models.constant,
        old=old,
        old_threshold=old_threshold,
    )


def version(name: str, found: Fits, levels: Vocabulary, week: int) -> Version:
    """A version as it is judged, its tables in memory and not rounded."""
    score = np.zeros_like(found.ship)
    return Version(
        table=table(name, found.ship, found.threshold, levels),
        folds=FoldTables(
            like=found.folds,  # type: ignore[arg-type]
            score=np.broadcast_to(score, found.folds.shape),
            threshold=found.fold_threshold,
            constant=found.constant,
            base=None,
        ),
        cutoff=cutoff(week),
    )


def table(name: str, like: Floats, threshold: float, levels: Vocabulary) -> ScoreTable:
    """A table of like chances as a version's."""
    return ScoreTable(
        version=name,
        vocabulary=levels,
        score=np.zeros_like(like),
        like=like,  # type: ignore[arg-type]
        threshold=threshold,
        metadata={"split_version": SPLIT_VERSION},
    )


def _old(logit: Floats, n: Floats, like: Floats, share: float) -> tuple[Floats, float]:
    """The former model: calibrated, from 200 votes on, and cut on the validation side."""
    at = np.nonzero(n)
    likes, dislikes = like[at], (n - like)[at]
    held = np.broadcast_to(logit, n.shape)[at]
    u, v = 0.0, 1.0
    if n.sum() >= 200:
        u, v = calibrate.recalibrate(held, share * likes, share * dislikes)
    cut = calibrate.best_threshold(sigmoid(u + v * held), likes, dislikes, share * float(n.sum()))
    return sigmoid(u + v * logit), cut


def _count(
    at: NDArray[np.int64], like: NDArray[np.bool_] | None, size: int, shape: tuple[int, ...]
) -> Floats:
    return np.asarray(np.bincount(at, like, size).reshape(shape), dtype=np.float64)


def _hashed(group: NDArray[np.int64], salt: int) -> NDArray[np.uint64]:
    """A constant function of the group that looks random (SplitMix64; Steele et al. 2014)."""
    z = group.astype(np.uint64) * np.uint64(8) + np.uint64(salt)
    z = z * _MIX[0] + _MIX[0]
    z = (z ^ (z >> np.uint64(30))) * _MIX[1]
    z = (z ^ (z >> np.uint64(27))) * _MIX[2]
    return np.asarray(z ^ (z >> np.uint64(31)))
