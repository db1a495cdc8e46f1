"""Intervals that know that votes come in groups, and that few or unequal groups know little.

A bootstrap's percentiles for F1 and its difference; for everything that is smooth in the
votes, the standard error of its influence function summed by group (a sandwich with
clusters, Liang and Zeger 1986), which is exact on counts and needs no resampling. Ends and
p-values are Student's, with the effective number of groups less one as degrees of freedom. Not
the normal: with nine groups it raised two to three times the false alarms it was meant to. What
fewer than two effective groups cannot show is None.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from task.student import student_quantile, student_tail

Floats = NDArray[np.float64]
Ints = NDArray[np.integer[Any]]

FEWEST_GROUPS = 2 - 1e-9
"""Below two effective groups nothing is known of the spread between groups."""


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


@dataclass(frozen=True, kw_only=True)
class Paired:
    """The mean difference per vote of two models on the same votes.

    `deviation` is the clustered standard error; `jackknife` is the more careful one, for tests.
    """

    value: float | None
    deviation: float | None
    jackknife: float | None
    groups: int
    effective_groups: float


def interval(
    value: float,
    influence: Floats,
    group: Ints,
    confidence: float,
    n: int | None = None,
) -> Interval:
    """value ± t · the deviation of its influence summed by group.

    Fewer than two effective groups do not show their spread: then the ends are unknown.
    """
    size = len(influence) if n is None else n
    if size == 0 or math.isnan(value):
        return Interval(value=None, low=None, high=None, n=size)
    if confidence == 0:
        return Interval(value=value, low=value, high=value, n=size)
    sums, sizes = _by_group(influence, group)
    spread, groups = _deviation(sums), effective_groups(sizes)
    if spread is None or groups < FEWEST_GROUPS:
        return Interval(value=value, low=None, high=None, n=size)
    half = student_quantile((1 + confidence) / 2, groups - 1) * spread
    return Interval(value=value, low=value - half, high=value + half, n=size)


def deviation(influence: Floats, group: Ints) -> float | None:
    """Standard error of an estimate from per-vote influences, clustered by group.

    None for fewer than two groups: one group has no spread between groups.
    """
    return _deviation(_by_group(influence, group)[0])


def effective_groups(sizes: Ints | Floats) -> float:
    """So many groups of equal size would be as sure: (Σ n)² / Σ n² (Kish 1965); 0 without votes.

    A person with a hundred votes among nine with one is then about one group, not ten.
    """
    n = np.asarray(sizes, dtype=np.float64)
    squares = float((n**2).sum())
    return float(n.sum()) ** 2 / squares if squares else 0.0


def paired(difference: Floats, group: Ints, *, variance: Floats | None = None) -> Paired:
    """The mean of paired loss differences (N,), with what is known of its error by group.

    deviation² = G/(G−1) · Σ (D_g − n_g m̂)² / n². jackknife² = (G−1)/G · Σ (m̂ without g − m̂)²
    (Miller 1974; Bell and McCaffrey 2002, CR3): equal with groups of one size, larger where one
    group has many of the votes and drags the mean along. `variance` (N,) is what each difference
    would vary by if the models' mean chance were true: `jackknife` is at least that. Nine likes
    and no dislike look all alike, and a dislike would have undone them.
    """
    n = len(difference)
    if not n:
        return Paired(value=None, deviation=None, jackknife=None, groups=0, effective_groups=0.0)
    sums, sizes = _by_group(difference, group)
    value, groups = float(sums.sum()) / n, len(sizes)
    rest = sums - sizes * value
    careful = None
    if groups > 1:
        left_out = rest / (n - sizes)
        careful = math.sqrt((groups - 1) / groups * float((left_out**2).sum()))
        if variance is not None:
            alike = _correlation(difference, _by_group(difference**2, group)[0], sums, sizes)
            expected = _by_group(variance, group)[0] * (1 + (sizes - 1) * alike)
            careful = max(careful, math.sqrt(float(expected.sum())) / n)
    return Paired(
        value=value,
        deviation=_deviation(rest / n),
        jackknife=careful,
        groups=groups,
        effective_groups=effective_groups(sizes),
    )


def p_positive(value: float | None, deviation: float | None, groups: float) -> float | None:
    """One-sided p-value against "the true value is at most 0"; None without evidence.

    groups: their effective number; Student's t has one degree of freedom less.
    """
    if value is None or math.isnan(value) or deviation is None or groups < FEWEST_GROUPS:
        return None
    if deviation == 0.0:
        return 1.0
    return student_tail(value / deviation, groups - 1)


def _by_group(values: Floats, group: Ints) -> tuple[Floats, Floats]:
    """The sum of the values and the number of votes of each group, (G,), in order of label."""
    if group.dtype == np.uint64:
        group = group.view(np.int64)  # labels, not numbers: the same ones are equal
    if not len(group):
        return np.zeros(0), np.zeros(0)
    first = int(group.min())
    code = group.astype(np.int64) - first if int(group.max()) - first < 4 * len(group) else None
    if code is None:  # labels far apart, as hashes are
        code = np.unique(group, return_inverse=True)[1]
    sizes = np.bincount(code)
    there = sizes > 0
    return np.asarray(np.bincount(code, values)[there], dtype=np.float64), sizes[there].astype(
        np.float64
    )


def _correlation(values: Floats, squares: Floats, sums: Floats, sizes: Floats) -> float:
    """How alike the values within a group are, 0..1: one less the share of variance within."""
    total = float(values.var())
    if total == 0:
        return 0.0
    within = float((squares - sums**2 / sizes).sum()) / max(len(values) - len(sizes), 1)
    return min(max(1 - within / total, 0.0), 1.0)


def _deviation(sums: Floats) -> float | None:
    groups = len(sums)
    if groups < 2:
        return None
    return math.sqrt(float((sums**2).sum()) * groups / (groups - 1))


def centred(values: Floats) -> Floats:
    """The influence of each vote (N,) on the mean of these values."""
    return (values - mean(values)) / max(len(values), 1)


def mean(values: Floats) -> float:
    """The mean; NaN without votes."""
    return float(values.mean()) if len(values) else math.nan


def z(confidence: float) -> float:
    """The normal quantile of a two-sided confidence; 0 for 0."""
    return NormalDist().inv_cdf((1 + confidence) / 2)
