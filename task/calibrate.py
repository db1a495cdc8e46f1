"""Recalibration and threshold, both fitted on validation cells only.

logit p' = u + v · logit p with u ~ N(0, 0.5²) and v ~ N(1, 0.25²): shrunk to identity, so a
small validation set cannot bend the probabilities far. The threshold maximises weighted F1
over the midpoints between neighbouring probabilities; a tie goes to the one nearest 0.5.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from task import metrics
from task.models.hierarchical import sigmoid

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MIN_VOTES = 200
"""Real validation votes from which on anything is fitted on them."""
DEFAULT_THRESHOLD = 0.5

_U_VARIANCE, _V_VARIANCE = 0.5**2, 0.25**2


def recalibrate(logit: Floats, like: Ints, dislike: Ints) -> tuple[float, float]:
    """The posterior mode (u, v) for validation cells of these logits (C,) and votes (C,)."""
    u, v = 0.0, 1.0
    votes = (like + dislike).astype(np.float64)
    for _ in range(50):
        p = sigmoid(u + v * logit)
        residual, weight = like - votes * p, votes * p * (1.0 - p)
        slope = np.array([residual.sum() - u / _U_VARIANCE, residual @ logit])
        slope[1] -= (v - 1.0) / _V_VARIANCE
        cross = weight @ logit
        bend = np.array([[weight.sum() + 1 / _U_VARIANCE, cross], [cross, weight @ logit**2]])
        bend[1, 1] += 1 / _V_VARIANCE
        step = np.clip(np.linalg.solve(bend, slope), -1.0, 1.0)
        u, v = u + float(step[0]), v + float(step[1])
        if np.abs(step).max() < 1e-10:
            break
    return u, v


def best_threshold(p: Floats, like: Ints, dislike: Ints) -> float:
    """The probability from which on `like` is answered, best for weighted F1 on these cells."""
    values, rank = np.unique(p, return_inverse=True)
    if len(values) < 2:
        return DEFAULT_THRESHOLD
    likes, dislikes = np.bincount(rank, like), np.bincount(rank, dislike)
    # Row i answers `dislike` up to value i and `like` above it.
    fn, tn = np.cumsum(likes)[:-1], np.cumsum(dislikes)[:-1]
    tables = np.stack([tn, dislikes.sum() - tn, fn, likes.sum() - fn], axis=1).reshape(-1, 2, 2)
    f1 = metrics.weighted_f1(tables)
    midpoints = (values[:-1] + values[1:]) / 2
    best = np.flatnonzero(f1 >= f1.max() - 1e-12)
    return float(midpoints[best[np.argmin(np.abs(midpoints[best] - DEFAULT_THRESHOLD))]])
