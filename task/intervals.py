"""Intervals that know that votes come in groups.

A bootstrap's percentiles for F1 and its difference; for everything that is smooth in the
votes, the standard error of its influence function summed by group (a sandwich with
clusters, Liang and Zeger 1986), which is exact on counts and needs no resampling.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A value with its interval at the configured confidence, and the votes behind it."""

    value: float | None
    low: float | None
    high: float | None
    n: int


def percentiles(value: float, draws: Floats, n: int, confidence: float) -> Interval:
    """The bootstrap's percentile interval; at confidence 0 the plain value."""
    if n == 0 or math.isnan(value):
        return Interval(value=None, low=None, high=None, n=n)
    if confidence == 0:
        return Interval(value=value, low=value, high=value, n=n)
    low, high = np.percentile(draws, [50 * (1 - confidence), 50 * (1 + confidence)])
    return Interval(value=value, low=float(low), high=float(high), n=n)


def interval(
    value: float,
    influence: Floats,
    group: NDArray[np.int32],
    confidence: float,
    n: int | None = None,
) -> Interval:
    """value ± z · the deviation of its influence summed by group.

    The spread between groups cannot be seen in one group: then the ends are unknown.
    """
    size = len(influence) if n is None else n
    if size == 0 or math.isnan(value):
        return Interval(value=None, low=None, high=None, n=size)
    if confidence > 0 and (group == group[0]).all():
        return Interval(value=value, low=None, high=None, n=size)
    half = z(confidence) * deviation(influence, group)
    return Interval(value=value, low=value - half, high=value + half, n=size)


def deviation(influence: Floats, group: NDArray[np.int32]) -> float:
    """Standard error of an estimate from per-vote influences, clustered by group."""
    if not len(group):
        return 0.0
    sums = np.bincount(group, influence)
    groups = len(np.unique(group))
    return math.sqrt(float((sums**2).sum()) * groups / max(groups - 1, 1))


def p_positive(value: float, deviation: float) -> float | None:
    """One-sided p-value against "the true value is at most 0"; None without evidence."""
    if math.isnan(value):
        return None
    if deviation == 0.0:
        return 1.0
    return 1.0 - NormalDist().cdf(value / deviation)


def centred(values: Floats) -> Floats:
    """The influence of each vote (N,) on the mean of these values."""
    return (values - mean(values)) / max(len(values), 1)


def mean(values: Floats) -> float:
    """The mean; NaN without votes."""
    return float(values.mean()) if len(values) else math.nan


def z(confidence: float) -> float:
    """The normal quantile of a two-sided confidence; 0 for 0."""
    return NormalDist().inv_cdf((1 + confidence) / 2)
