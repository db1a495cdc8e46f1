"""A person's own offset: a random intercept of the group on top of the population's logits.

logit p = population's + b_g, b_g ~ N(0, s²). s² maximises the marginal likelihood (each group's
integral by adaptive Gauss-Hermite quadrature) with a weak prior, b_g is the posterior's mode
(Newton). Off, all offsets 0, where nothing shows that a group's votes hang together: s below a
floor, or its likelihood ratio not significant. Not penalised quasi-likelihood or Laplace's
approximation for s²: with two or three votes a group both are far too small (Breslow and Lin 1995).

The population's logits must come from models that these votes were not fitted on, else they have
taken up part of the offsets. Sources: Liu and Pierce 1994 (quadrature), Self and Liang 1987 (the
ratio's distribution on the boundary). Shapes: N votes, G groups, K nodes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from task.models.crossed import sigmoid

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

LEAST_VOTES = 2
"""A group with fewer says nothing of whether votes of one group hang together."""
LEAST_DEVIATION, MOST_DEVIATION = 0.1, 5.0
"""Bounds of s, in logits; at the lower one the offsets are off."""
LEVEL = 0.001
"""One-sided level of the likelihood ratio test. Low, since the population's own errors hang
together within a group too: on simulated votes of people who do not differ, p fell to .003."""
PRIOR_VARIANCE, PRIOR_GROUPS = 0.1, 1.0
"""The prior of s² weighs as much as so many groups whose offsets were seen exactly."""
_X, _W = np.polynomial.hermite.hermgauss(7)
_STEPS, _TOLERANCE = 30, 1e-6


@dataclass(frozen=True, kw_only=True)
class Offsets:
    """`offset` (G,) in logits, 0 for groups with too few votes and where they are off.

    `deviation` is s, None without groups to tell by; `p` of the test against s = 0; `groups` and
    `votes` are what it was estimated from.
    """

    offset: Floats
    deviation: float | None
    p: float | None
    groups: int
    votes: int
    on: bool

    @property
    def says(self) -> str:
        """Whether they are on, and why not."""
        if self.deviation is None or self.p is None:
            return f"off: no group has {LEAST_VOTES} votes yet"
        about = f"s = {self.deviation:.2f} logits from {self.groups:,} groups (p = {self.p:.2g})"
        if self.on:
            return f"on: {about}"
        return f"off: {about} does not show that the votes of a group hang together"


def fit(logit: Floats, like: Bools, group: Ints, groups: int) -> Offsets:
    """Estimate s² and each group's offset from votes (N,) of groups 0 … G − 1."""
    sizes = np.bincount(group, minlength=groups)
    known = sizes >= LEAST_VOTES
    mask = known[group]
    offset = np.zeros(groups)
    if not mask.any():
        return Offsets(offset=offset, deviation=None, p=None, groups=0, votes=0, on=False)
    code = np.cumsum(known) - 1
    votes = _Votes(logit[mask], like[mask], code[group[mask]], int(known.sum()))
    ends = 2.0 * math.log(LEAST_DEVIATION), 2.0 * math.log(MOST_DEVIATION)
    variance = math.exp(_root(votes.slope, *ends))
    gain = votes.likelihood(variance) - votes.likelihood(0.0)
    p = 0.5 * math.erfc(math.sqrt(max(gain, 0.0)))
    deviation = math.sqrt(variance)
    on = p <= LEVEL and deviation > LEAST_DEVIATION * 1.01
    if on:
        offset[known] = votes.mode(variance)[0]
    return Offsets(
        offset=offset,
        deviation=deviation,
        p=p,
        groups=int(known.sum()),
        votes=int(mask.sum()),
        on=on,
    )


class _Votes:
    """The votes of one estimate; the last modes are where the next search starts."""

    def __init__(self, logit: Floats, like: Bools, code: Ints, groups: int) -> None:
        self.logit, self.sign, self.code, self.groups = (
            logit,
            np.where(like, -1.0, 1.0),
            code,
            groups,
        )
        self.like = like.astype(np.float64)
        self.start = np.zeros(groups)

    def mode(self, variance: float) -> tuple[Floats, Floats]:
        """The posterior's mode and curvature of each group: (G,), (G,)."""
        b = self.start
        curvature = np.full(self.groups, 1.0 / variance)
        for _ in range(_STEPS):
            p = sigmoid(self.logit + b[self.code])
            slope = np.bincount(self.code, self.like - p, self.groups) - b / variance
            curvature = np.bincount(self.code, p * (1.0 - p), self.groups) + 1.0 / variance
            step = np.clip(slope / curvature, -2.0, 2.0)
            b = b + step
            if np.abs(step).max() < _TOLERANCE:
                break
        self.start = b
        return b, curvature

    def slope(self, log_variance: float) -> float:
        """The derivative of the log posterior in log s²; its sign is what the search needs."""
        variance = math.exp(log_variance)
        nodes, logs = self._nodes(variance)
        weights = np.exp(logs - logs.max(axis=0))
        squares = (weights * nodes**2).sum(axis=0) / weights.sum(axis=0)
        prior = PRIOR_GROUPS * (PRIOR_VARIANCE / variance - 1.0)
        return float((squares / variance - 1.0).sum()) + prior

    def likelihood(self, variance: float) -> float:
        """The marginal log-likelihood."""
        if variance == 0.0:
            return float(self._of(np.zeros(self.groups)).sum())
        _, logs = self._nodes(variance)
        top = logs.max(axis=0)
        return float((top + np.log(np.exp(logs - top).sum(axis=0))).sum())

    def _nodes(self, variance: float) -> tuple[Floats, Floats]:
        """Offsets at the nodes (K, G), and the log of what each adds to the integral (K, G)."""
        b, curvature = self.mode(variance)
        width = math.sqrt(2.0) / np.sqrt(curvature)
        nodes = b + width * _X[:, None]
        density = -(nodes**2) / (2.0 * variance) - 0.5 * math.log(2.0 * math.pi * variance)
        scale = np.log(_W)[:, None] + (_X**2)[:, None] + np.log(width)
        return nodes, np.stack([self._of(node) for node in nodes]) + density + scale

    def _of(self, b: Floats) -> Floats:
        """The log-likelihood of each group's votes at these offsets: (G,)."""
        loss = np.logaddexp(0.0, self.sign * (self.logit + b[self.code]))
        return np.asarray(-np.bincount(self.code, loss, self.groups), dtype=np.float64)


def _root(slope: Callable[[float], float], low: float, high: float) -> float:
    """Where a slope that falls from plus to minus is 0, else the end it points to (Illinois)."""
    at_low, at_high = slope(low), slope(high)
    if at_low <= 0.0 or at_high >= 0.0:
        return low if at_low <= 0.0 else high
    side = 0
    for _ in range(40):
        middle = (low * at_high - high * at_low) / (at_high - at_low)
        found = slope(middle)
        if found > 0.0:
            low, at_low = middle, found
            at_high = at_high / 2.0 if side == 1 else at_high
            side = 1
        else:
            high, at_high = middle, found
            at_low = at_low / 2.0 if side == -1 else at_low
            side = -1
        if high - low < 0.005 or found == 0.0:
            break
    return (low * at_high - high * at_low) / (at_high - at_low)
