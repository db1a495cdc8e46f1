"""How much a challenger may cost, and how likely that is: the arithmetic behind the gate.

From `ENOUGH` groups on the lower bound of the clustered mean decides. A look spends no more of the
yearly risk than a sound training needs in order to pass, which its divergence and its deviation
tell: once those are small, next to nothing, and early looks have the rest. Below, no bound has
power, and a posterior decides. Its prior, measured on simulated years
(docs/decisions/2026-11-30-do-no-harm.md): nine trainings in ten are sound, and a sound one gains
what the two models differ by (its divergence K, nats per vote), N(K, 1.2·K / effective groups);
one in ten is broken, and loses about as much, N(−K, K²). On average over that prior, and only so,
the yearly risk then holds below `ENOUGH` groups.

The same posterior says whether improvement is to be expected at any size, since the evidence
outweighs the prior as it grows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

from task.student import student_quantile

ENOUGH = 200
"""Groups from which on a bound on the mean holds its level, by their effective number."""
BROKEN = 0.1
"""Prior share of trainings that are broken."""
SPREAD = 1.2
"""Variance of a sound training's gain: so many times its divergence ÷ the effective groups."""
POWER = 2.0
"""Standard errors above its own critical value at which a sound training is expected."""
LEAST_RISK = 1e-6
"""What a look spends at least: beyond, the tails of a mean are not known."""

_NORMAL = NormalDist()


@dataclass(frozen=True, kw_only=True)
class Gain:
    """The champion's log-loss less the challenger's, per vote; positive is better, in nats.

    `deviation` is the standard error by group (leave one group out), None for fewer than two;
    `divergence` the mean Kullback-Leibler divergence of the two models' answers, no label needed.
    """

    value: float | None
    deviation: float | None
    divergence: float
    votes: int
    groups: int
    effective_groups: float
    low: float | None
    high: float | None
    p_worse: float | None


@dataclass(frozen=True, kw_only=True)
class Posterior:
    """What prior and evidence say together: expected gain, and the probability of harm."""

    expected: float
    harm: float


def posterior(gain: Gain, tolerated_loss: float) -> Posterior | None:
    """The posterior of the true gain; None without evidence of its spread."""
    if gain.value is None or gain.deviation is None:
        return None
    k = gain.divergence
    if k <= 0.0:
        return Posterior(expected=0.0, harm=0.0)
    noise = max(gain.deviation**2, 1e-18)
    sound = SPREAD * k / max(gain.effective_groups, 1.0)
    parts = ((1.0 - BROKEN, k, sound), (BROKEN, -k, k * k))
    weights, means, variances = [], [], []
    for share, mean, variance in parts:
        total = variance + noise
        weights.append(math.log(share) - 0.5 * (math.log(total) + (gain.value - mean) ** 2 / total))
        kept = variance / total
        means.append(mean + kept * (gain.value - mean))
        variances.append(variance * (1.0 - kept))
    largest = max(weights)
    weights = [math.exp(weight - largest) for weight in weights]
    scale = sum(weights)
    expected = sum(w * m for w, m in zip(weights, means, strict=True)) / scale
    harm = sum(
        w * _NORMAL.cdf((-tolerated_loss - m) / math.sqrt(max(v, 1e-18)))
        for w, m, v in zip(weights, means, variances, strict=True)
    )
    return Posterior(expected=expected, harm=harm / scale)


def needed(gain: Gain, tolerated_loss: float, most: float) -> float:
    """The risk at which a sound training is expected to pass, by `POWER` errors; at most `most`."""
    if not gain.deviation:
        return most
    least = _NORMAL.cdf(POWER - (tolerated_loss + gain.divergence) / gain.deviation)
    return min(most, max(least, LEAST_RISK))


def lower_bound(gain: Gain, risk: float) -> float | None:
    """The gain's one-sided lower bound that fails with probability `risk`; None without one."""
    if gain.value is None or gain.deviation is None or not 0.0 < risk < 0.5:
        return None
    if gain.effective_groups < 2.0:
        return None
    critical = student_quantile(1.0 - risk, gain.effective_groups - 1.0)
    return gain.value - critical * gain.deviation
