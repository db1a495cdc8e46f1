"""The paired log-loss of two models on the same votes: what the gate's evidence is made of."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from task import metrics
from task.harm import Gain
from task.intervals import p_positive, paired
from task.prepare import Examples
from task.student import student_quantile

Floats = NDArray[np.float64]


def losses(votes: Examples, p: Floats) -> Floats:
    """The log-loss of each vote (N,) at these like probabilities."""
    return np.where(votes.like, *metrics.log_losses(p))  # of a like where it is one


def gain(votes: Examples, ours: Floats, theirs: Floats, confidence: float) -> Gain:
    """What the challenger's probabilities (N,) gain over others, by group.

    The interval is two-sided at `confidence`; `p_worse` is one-sided, against "not worse".
    """
    if_like, if_dislike = (
        theirs_loss - ours_loss
        for theirs_loss, ours_loss in zip(
            metrics.log_losses(theirs), metrics.log_losses(ours), strict=True
        )
    )
    difference = np.where(votes.like, if_like, if_dislike)
    middle = (ours + theirs) / 2
    # What each difference would vary by, were the models' mean chance true.
    variance = middle * (1.0 - middle) * (if_like - if_dislike) ** 2
    found = paired(difference, votes.group, variance=variance)
    value, deviation = found.value, found.jackknife
    low = high = None
    if value is not None and deviation is not None and found.effective_groups >= 2.0:
        t = student_quantile((1.0 + confidence) / 2.0, found.effective_groups - 1.0)
        low, high = value - t * deviation, value + t * deviation
    divergence = float(np.mean(ours * if_like + (1.0 - ours) * if_dislike)) if len(ours) else 0.0
    minus = None if value is None else -value
    return Gain(
        value=value,
        deviation=deviation,
        divergence=max(divergence, 0.0),
        votes=len(ours),
        groups=found.groups,
        effective_groups=found.effective_groups,
        low=low,
        high=high,
        p_worse=p_positive(minus, deviation, found.effective_groups),
    )
