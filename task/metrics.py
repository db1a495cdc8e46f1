"""Every metric as an exact function of cells: predictions (C,), likes (C,), dislikes (C,).

The positive class is `like`. Not scikit-learn: it wants one row per vote, costs a second of
start-up, and is not in the API's image; the tests hold these against it on expanded rows.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Counts = NDArray[np.int64] | NDArray[np.float64]
"""Likes or dislikes: whole numbers of votes, or weighted ones."""

CLIP = 1e-7
"""Probabilities are kept this far from 0 and 1 in the log-loss."""
BINS = 10
"""Equal-width bins of the calibration error."""


def dot(a: NDArray[np.number], b: NDArray[np.number]) -> float:
    """Σ a·b, the same to the last bit on any number of threads.

    Not `a @ b`: the linear algebra library splits long vectors over the threads it finds, so a
    model trained on two cores would differ from one trained on four.
    """
    return float(np.sum(a * b))


def log_losses(p: Floats) -> tuple[Floats, Floats]:
    """The loss of a like and of a dislike at each predicted probability, in nats."""
    safe = np.clip(p, CLIP, 1.0 - CLIP)
    return -np.log(safe), -np.log1p(-safe)


def log_loss(p: Floats, like: Counts, dislike: Counts) -> float:
    """Mean negative log-likelihood of a vote; NaN without votes."""
    of_like, of_dislike = log_losses(p)
    return mean(dot(of_like, like) + dot(of_dislike, dislike), like, dislike)


def brier(p: Floats, like: Counts, dislike: Counts) -> float:
    """Mean squared error of the probability; NaN without votes."""
    return mean(dot((1.0 - p) ** 2, like) + dot(p**2, dislike), like, dislike)


def confusion(answer: NDArray[np.bool_], like: Counts, dislike: Counts) -> Ints:
    """Counts [[true −, false +], [false −, true +]] of the answers: (2, 2)."""
    return np.array(
        [
            [dislike[~answer].sum(), dislike[answer].sum()],
            [like[~answer].sum(), like[answer].sum()],
        ],
        dtype=np.int64,
    )


def weighted_f1(table: NDArray[np.number]) -> Floats:
    """F1 of both classes, weighted by their true counts; tables (…, 2, 2) → (…)."""
    counts = np.asarray(table, dtype=np.float64)
    tn, fp = counts[..., 0, 0], counts[..., 0, 1]
    fn, tp = counts[..., 1, 0], counts[..., 1, 1]
    likes, dislikes = tp + fn, tn + fp
    of_like = _ratio(2 * tp, 2 * tp + fp + fn, 0.0)
    of_dislike = _ratio(2 * tn, 2 * tn + fp + fn, 0.0)
    return _ratio(likes * of_like + dislikes * of_dislike, likes + dislikes, np.nan)


def accuracy(table: NDArray[np.number]) -> Floats:
    """Share of right answers; NaN without votes."""
    counts = np.asarray(table, dtype=np.float64)
    right = counts[..., 0, 0] + counts[..., 1, 1]
    return _ratio(right, counts.sum(axis=(-2, -1)), np.nan)


def precision(table: NDArray[np.number]) -> Floats:
    """Share of likes among the answers `like`; 0 when nothing was answered so."""
    counts = np.asarray(table, dtype=np.float64)
    return _ratio(counts[..., 1, 1], counts[..., :, 1].sum(axis=-1), 0.0)


def recall(table: NDArray[np.number]) -> Floats:
    """Share of the likes that were answered `like`; 0 when there were none."""
    counts = np.asarray(table, dtype=np.float64)
    return _ratio(counts[..., 1, 1], counts[..., 1, :].sum(axis=-1), 0.0)


def placements(p: Floats, like: Counts, dislike: Counts) -> tuple[Floats, Floats]:
    """For each cell, the share of dislikes that a like there outranks, and of likes above it.

    Ties count one half. Their means over likes and dislikes are both the AUC; their spread
    gives its variance (DeLong, DeLong and Clarke-Pearson 1988).
    """
    _, rank = np.unique(p, return_inverse=True)
    likes, dislikes = np.bincount(rank, like), np.bincount(rank, dislike)
    below = np.cumsum(dislikes) - dislikes / 2
    above = likes.sum() - np.cumsum(likes) + likes / 2
    return (
        _ratio(below, np.full(below.shape, dislikes.sum()), np.nan)[rank],
        _ratio(above, np.full(above.shape, likes.sum()), np.nan)[rank],
    )


def auc(p: Floats, like: Counts, dislike: Counts) -> float:
    """Area under the ROC curve; NaN when a class is missing."""
    if not like.sum() or not dislike.sum():
        return float("nan")
    return dot(placements(p, like, dislike)[0], like) / float(like.sum())


def roc(p: Floats, like: Counts, dislike: Counts, points: int = 101) -> list[list[float]]:
    """The ROC curve as [false-positive rate, true-positive rate], thinned to `points`."""
    if not like.sum() or not dislike.sum():
        return []
    _, rank = np.unique(-p, return_inverse=True)
    tpr = np.append(0.0, np.cumsum(np.bincount(rank, like)) / like.sum())
    fpr = np.append(0.0, np.cumsum(np.bincount(rank, dislike)) / dislike.sum())
    kept = np.unique(np.linspace(0, len(tpr) - 1, min(points, len(tpr))).astype(int))
    return [[round(float(fpr[i]), 6), round(float(tpr[i]), 6)] for i in kept]


def bins(p: Floats) -> NDArray[np.intp]:
    """The calibration bin of each probability: 0 … BINS − 1."""
    return np.minimum((p * BINS).astype(np.intp), BINS - 1)


def calibration_error(p: Floats, like: Counts, dislike: Counts) -> float:
    """Mean over votes of |observed − predicted| per bin; NaN without votes."""
    gap = np.bincount(bins(p), like * (1.0 - p) - dislike * p, BINS)
    return mean(float(np.abs(gap).sum()), like, dislike)


def mean(total: float, like: Counts, dislike: Counts) -> float:
    """A total per vote; NaN without votes."""
    votes = float(like.sum() + dislike.sum())
    return total / votes if votes else float("nan")


def _ratio(top: Floats, bottom: Floats, otherwise: float) -> Floats:
    out = np.full(np.shape(bottom), otherwise)
    return np.asarray(np.divide(top, bottom, out=out, where=np.asarray(bottom) != 0))
