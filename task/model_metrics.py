"""The metrics of one model on the votes that judge it, each with its interval, and its curves.

Point values are exact functions of the votes; F1 gets a bootstrap by group, everything else an
interval from its influence summed by group.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from task import metrics
from task.bootstrap import paired_f1, profiles
from task.intervals import Interval, centred, interval, mean, percentiles, z
from task.judging import Scored
from task.paired import losses
from task.prepare import Examples

Floats = NDArray[np.float64]


def _labels(votes: Examples) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    like = votes.like.astype(np.int64)
    return like, 1 - like


def profiles_of(votes: Examples, theirs: Scored, ours: Scored) -> NDArray[np.int64]:
    """The 8 counts of each group, (G, 8), that the bootstrap draws."""
    _, group = np.unique(votes.group, return_inverse=True)
    return profiles(group.astype(np.int32), votes.like, theirs.answer, ours.answer)


def confusion_of(votes: Examples, scored: Scored) -> NDArray[np.int64]:
    """Counts [[true −, false +], [false −, true +]] of the answers: (2, 2)."""
    return metrics.confusion(scored.answer, *_labels(votes))


def metrics_of(
    votes: Examples, scored: Scored, confidence: float, seed: int
) -> dict[str, Interval]:
    """All metrics of one model. Every influence (N,) sums to zero over the votes."""
    y, p, answer = votes.like.astype(np.float64), scored.p, scored.answer.astype(np.float64)
    like, dislike = _labels(votes)
    table = confusion_of(votes, scored)
    above, below = metrics.placements(p, like, dislike)
    auc = metrics.auc(p, like, dislike)
    gap = np.sign(np.bincount(metrics.bins(p), y - p, metrics.BINS))[metrics.bins(p)] * (y - p)
    squared = (votes.score - scored.score) ** 2
    known = ~np.isnan(squared)
    rmse = math.sqrt(squared[known].mean()) if known.any() else math.nan
    of_rmse = np.where(known, (squared - rmse**2) / (2 * rmse or 1.0), 0.0) / max(known.sum(), 1)
    drawn = paired_f1(profiles_of(votes, scored, scored), seed=seed)

    def of_mean(values: Floats) -> Interval:
        return interval(mean(values), centred(values), votes.group, confidence)

    def of_ratio(value: float, part: Floats, whole: Floats) -> Interval:
        influence = (part - value * whole) / max(float(whole.sum()), 1.0)
        return interval(value, influence, votes.group, confidence)

    likes, dislikes = max(int(like.sum()), 1), max(int(dislike.sum()), 1)
    of_auc = y * (above - auc) / likes + (1 - y) * (below - auc) / dislikes
    return {
        "f1": percentiles(drawn.challenger_value, drawn.challenger, len(y), confidence),
        "accuracy": of_mean((y == answer).astype(np.float64)),
        "precision": of_ratio(float(metrics.precision(table)), y * answer, answer),
        "recall": of_ratio(float(metrics.recall(table)), y * answer, y),
        "auc": interval(auc, of_auc, votes.group, confidence),
        "log_loss": of_mean(losses(votes, p)),
        "brier": of_mean((y - p) ** 2),
        "calibration_error": interval(mean(gap), centred(gap), votes.group, confidence),
        "score_rmse": interval(rmse, of_rmse, votes.group, confidence, n=int(known.sum())),
    }


def points_of(votes: Examples, scored: Scored) -> dict[str, Interval]:
    """The metrics that a policy may have a floor for, and the log-loss, as point values."""
    table, n = confusion_of(votes, scored), len(votes)
    values = {
        "f1": float(metrics.weighted_f1(table)),
        "accuracy": float(metrics.accuracy(table)),
        "precision": float(metrics.precision(table)),
        "recall": float(metrics.recall(table)),
        "log_loss": mean(losses(votes, scored.p)),
    }
    return {name: point(value, n) for name, value in values.items()}


def point(value: float, n: int) -> Interval:
    """A value without an interval."""
    return Interval(value=None if math.isnan(value) else value, low=None, high=None, n=n)


NO_CURVES: dict[str, dict[str, Any]] = {"confusion": {}, "roc": {}, "calibration": {}}


def curves_of(
    votes: Examples, ours: Scored, theirs: Scored | None, confidence: float
) -> dict[str, dict[str, Any]]:
    """Confusion, ROC and calibration of both; None for a champion that is not there."""
    return {
        "confusion": _both(lambda s: confusion_of(votes, s).tolist(), ours, theirs),
        "roc": _both(lambda s: metrics.roc(s.p, *_labels(votes)), ours, theirs),
        "calibration": _both(lambda s: _reliability(votes, s, confidence), ours, theirs),
    }


def _reliability(votes: Examples, scored: Scored, confidence: float) -> list[dict[str, Any]]:
    """Observed against predicted per bin, with Wilson's interval (1927)."""
    at = metrics.bins(scored.p)
    n = np.bincount(at, minlength=metrics.BINS)
    predicted = np.bincount(at, scored.p, metrics.BINS)
    observed = np.bincount(at, votes.like, metrics.BINS)
    z2 = z(confidence) ** 2
    rows = []
    for i in np.flatnonzero(n):
        share, size = observed[i] / n[i], float(n[i])
        centre = (share + z2 / (2 * size)) / (1 + z2 / size)
        half = math.sqrt(z2 * (share * (1 - share) / size + z2 / (4 * size**2))) / (1 + z2 / size)
        rows.append(
            {
                "predicted": float(predicted[i] / n[i]),
                "observed": float(share),
                "votes": int(n[i]),
                "low": float(max(0.0, centre - half)),
                "high": float(min(1.0, centre + half)),
            }
        )
    return rows


def _both(of: Any, ours: Scored, theirs: Scored | None) -> dict[str, Any]:
    return {"challenger": of(ours), "champion": of(theirs) if theirs else None}
