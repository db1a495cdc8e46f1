"""Recalibration and threshold, both fitted on votes that the model was not fitted on.

logit p' = u + v · logit p with u ~ N(0, 0.2²) and v ~ N(1, 0.1²): shrunk to identity, so a few
votes cannot bend the probabilities far. The votes of one person say less than as many votes of as
many people, so the likelihood is tempered to the effective number of groups (Kish 1965). The
threshold maximises weighted F1 over the midpoints between neighbouring probabilities, but stays
nearest to 0.5 among those that are within one standard error of the best (Breiman et al. 1984).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from task.metrics import dot, weighted_f1
from task.models.crossed import sigmoid

Floats = NDArray[np.float64]

DEFAULT_THRESHOLD = 0.5

_U_VARIANCE, _V_VARIANCE = 0.2**2, 0.1**2


def effective_share(sizes: NDArray[np.integer[Any]]) -> float:
    """How much a vote counts where groups have these many votes: effective groups ÷ votes."""
    total = float(sizes.sum())
    return total / float((sizes.astype(np.float64) ** 2).sum()) if total else 1.0


def recalibrate(logit: Floats, like: Floats, dislike: Floats) -> tuple[float, float]:
    """The posterior mode (u, v) for cells of these logits (C,) and effective votes (C,).

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


def _posterior(at: Floats, logit: Floats, like: Floats, dislike: Floats) -> float:
    """The log of the posterior density at (u, v), but for a constant."""
    eta = at[0] + at[1] * logit
    prior = at[0] ** 2 / _U_VARIANCE + (at[1] - 1.0) ** 2 / _V_VARIANCE
    votes = dot(like, np.logaddexp(0.0, -eta)) + dot(dislike, np.logaddexp(0.0, eta))
    return -votes - float(prior) / 2.0


def _newton(at: Floats, logit: Floats, like: Floats, votes: Floats) -> Floats:
    """Newton's step of (u, v): (2,)."""
    p = sigmoid(at[0] + at[1] * logit)
    residual, weight = like - votes * p, votes * p * (1.0 - p)
    slope = np.array([residual.sum(), dot(residual, logit)])
    slope -= (at - [0.0, 1.0]) / [_U_VARIANCE, _V_VARIANCE]
    cross = dot(weight, logit)
    bend = np.array([[weight.sum(), cross], [cross, dot(weight, logit**2)]])
    return np.linalg.solve(bend + np.diag([1 / _U_VARIANCE, 1 / _V_VARIANCE]), slope)


def best_threshold(p: Floats, like: Floats, dislike: Floats, effective: float) -> float:
    """The probability from which on `like` is answered, for cells (C,) of these votes.

    `effective` is the number of groups behind them. Two thresholds answer only the votes between
    them differently: the standard error of their difference is √(share between / groups).
    """
    values, rank = np.unique(p, return_inverse=True)
    if len(values) < 2 or effective <= 0.0:
        return DEFAULT_THRESHOLD
    likes, dislikes = np.bincount(rank, like), np.bincount(rank, dislike)
    # Row i answers `dislike` up to value i and `like` above it.
    fn, tn = np.cumsum(likes)[:-1], np.cumsum(dislikes)[:-1]
    tables = np.stack([tn, dislikes.sum() - tn, fn, likes.sum() - fn], axis=1).reshape(-1, 2, 2)
    f1 = weighted_f1(tables)
    midpoints = (values[:-1] + values[1:]) / 2
    below = (fn + tn) / max(float(likes.sum() + dislikes.sum()), 1e-12)
    best = int(np.argmax(f1))
    error = np.sqrt(np.abs(below - below[best]) / effective)
    near = np.flatnonzero(f1 >= f1[best] - error - 1e-12)
    return float(midpoints[near[np.argmin(np.abs(midpoints[near] - DEFAULT_THRESHOLD))]])
