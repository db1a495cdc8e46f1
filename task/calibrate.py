"""Recalibration and threshold, both fitted on validation cells only.

logit p' = u + v · logit p with u ~ N(0, 0.5²) and v ~ N(1, 0.25²): shrunk to identity, so a
small validation set cannot bend the probabilities far. The threshold maximises weighted F1
over the midpoints between neighbouring probabilities; a tie goes to the one nearest 0.5.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from task.metrics import dot, weighted_f1
from task.models.hierarchical import sigmoid

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MIN_VOTES = 200
"""Real validation votes from which on anything is fitted on them."""
DEFAULT_THRESHOLD = 0.5

_U_VARIANCE, _V_VARIANCE = 0.5**2, 0.25**2


def recalibrate(logit: Floats, like: Ints, dislike: Ints) -> tuple[float, float]:
    """The posterior mode (u, v) for validation cells of these logits (C,) and votes (C,).

    Newton's method; a step that would go downhill is halved until it does not.
    """
    at = np.array([0.0, 1.0])
    here = _posterior(at, logit, like, dislike)
    for _ in range(50):
        step = _newton(at, logit, like, like + dislike)
        while (there := _posterior(at + step, logit, like, dislike)) < here:
            step = step / 2
        at, here = at + step, there
        if np.abs(step).max() < 1e-10:
            break
    return float(at[0]), float(at[1])


def _posterior(at: Floats, logit: Floats, like: Ints, dislike: Ints) -> float:
    """The log of the posterior density at (u, v), but for a constant."""
    eta = at[0] + at[1] * logit
    prior = at[0] ** 2 / _U_VARIANCE + (at[1] - 1.0) ** 2 / _V_VARIANCE
    votes = dot(like, np.logaddexp(0.0, -eta)) + dot(dislike, np.logaddexp(0.0, eta))
    return -votes - float(prior) / 2.0


def _newton(at: Floats, logit: Floats, like: Ints, votes: Ints) -> Floats:
    """Newton's step of (u, v): (2,)."""
    p = sigmoid(at[0] + at[1] * logit)
    residual, weight = like - votes * p, votes * p * (1.0 - p)
    slope = np.array([residual.sum(), dot(residual, logit)])
    slope -= (at - [0.0, 1.0]) / [_U_VARIANCE, _V_VARIANCE]
    cross = dot(weight, logit)
    bend = np.array([[weight.sum(), cross], [cross, dot(weight, logit**2)]])
    return np.linalg.solve(bend + np.diag([1 / _U_VARIANCE, 1 / _V_VARIANCE]), slope)


def best_threshold(p: Floats, like: Ints, dislike: Ints) -> float:
    """The probability from which on `like` is answered, best for weighted F1 on these cells."""
    values, rank = np.unique(p, return_inverse=True)
    if len(values) < 2:
        return DEFAULT_THRESHOLD
    likes, dislikes = np.bincount(rank, like), np.bincount(rank, dislike)
    # Row i answers `dislike` up to value i and `like` above it.
    fn, tn = np.cumsum(likes)[:-1], np.cumsum(dislikes)[:-1]
    tables = np.stack([tn, dislikes.sum() - tn, fn, likes.sum() - fn], axis=1).reshape(-1, 2, 2)
    f1 = weighted_f1(tables)
    midpoints = (values[:-1] + values[1:]) / 2
    best = np.flatnonzero(f1 >= f1.max() - 1e-12)
    return float(midpoints[best[np.argmin(np.abs(midpoints[best] - DEFAULT_THRESHOLD))]])
