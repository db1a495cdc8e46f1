"""Paired bootstrap by group, on counts instead of rows.

Votes of one person or photo stand or fall together, so groups are drawn, not votes. Each
group has a profile of 8 counts (truth × champion's answer × challenger's answer); equal
profiles are merged, and one multinomial over the distinct profiles draws all groups at once.
Not a loop that resamples rows: measured 955 times slower at 100,000 rows.

Where the two answer few groups differently, the plain bootstrap is too sure of itself: three
discordant groups, all for the challenger, put its 5th percentile above 0, yet that happens to
equal models once in eight. So the groups are drawn from a smoothed distribution: one imagined
discordant group for each side (Agresti and Min 2005), half a liked and half a disliked one, each
with as many votes as the real discordant groups have on average. The tail then equals the exact
sign test's within 0.03 (docs/decisions has the table), and with many discordant groups the
smoothing vanishes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from task.metrics import weighted_f1

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

DRAWS = 2_000
_APART = [1, 2, 5, 6]
"""Where in a profile the two answer differently: (truth, champion, challenger)."""
_RARE = 12
"""A profile that at most so many groups have is rare; measured, flat between 8 and 15."""
_BLOCK = 4_000_000
"""Counts drawn at once, so that many distinct profiles do not need much memory."""


@dataclass(frozen=True, kw_only=True)
class Draws:
    """F1 of both models in each of the draws, (B,), and in the data themselves."""

    challenger: Floats
    champion: Floats
    challenger_value: float
    champion_value: float

    @property
    def difference(self) -> Floats:
        return self.challenger - self.champion

    @property
    def difference_value(self) -> float:
        return self.challenger_value - self.champion_value


def profiles(group: NDArray[np.int32], truth: Bools, champion: Bools, challenger: Bools) -> Ints:
    """The 8 counts of each group, (G, 8), from votes (N,); groups numbered from 0."""
    kind = truth.astype(np.int64) * 4 + champion * 2 + challenger
    groups = int(group.max()) + 1 if len(group) else 0
    counts = np.bincount(group.astype(np.int64) * 8 + kind, minlength=groups * 8)
    table = counts.reshape(groups, 8)
    return table[table.any(axis=1)]


def paired_f1(table: Ints, *, seed: int, draws: int = DRAWS, smooth: bool = True) -> Draws:
    """Weighted F1 of both models over resampled groups. `table` is (G, 8) from `profiles`."""
    distinct, times = _merge(table)
    here = distinct.T @ times
    random = np.random.default_rng(seed)
    widest = max(len(times), int(times[times <= _RARE].sum()), 1)
    block = max(1, _BLOCK // widest)
    sizes = [min(block, draws - start) for start in range(0, draws, block)]
    counts = np.concatenate([_draw(random, distinct, times, size, smooth) for size in sizes])
    return Draws(
        challenger=weighted_f1(_of_challenger(counts)),
        champion=weighted_f1(_of_champion(counts)),
        challenger_value=float(weighted_f1(_of_challenger(here))),
        champion_value=float(weighted_f1(_of_champion(here))),
    )


def _draw(
    random: np.random.Generator, distinct: Ints, times: Ints, size: int, smooth: bool
) -> Ints:
    """Summed counts (size, 8) of as many groups as there are, drawn with replacement.

    Profiles that few groups have are together one outcome of the multinomial, and each group
    drawn from them is one uniform number: the same distribution at less than half the cost,
    since most profiles are rare and a multinomial pays for every outcome.
    """
    rare = times <= _RARE
    common, odd = distinct[~rare], distinct[rare]
    weights = times[~rare].astype(np.float64)
    if smooth:
        common = np.concatenate([common, _imagined(distinct, times)])
        weights = np.append(weights, np.full(len(_APART), 0.5))
    owner = np.repeat(np.arange(len(odd)), times[rare])  # the profile of each such group
    weights = np.append(weights, len(owner))
    drawn = random.multinomial(int(times.sum()), weights / (weights.sum() or 1.0), size=size)
    sums = drawn[:, :-1].astype(np.float64) @ common
    if len(owner):
        at = np.repeat(np.arange(size) * len(odd), drawn[:, -1])
        at += owner[random.integers(0, len(owner), len(at), dtype=np.uint32)]
        hits = np.bincount(at, minlength=size * len(odd))
        sums += hits.reshape(size, len(odd)).astype(np.float64) @ odd
    return np.asarray(sums.astype(np.int64))


def _imagined(distinct: Ints, times: Ints) -> Ints:
    """Four profiles on which exactly one model is right, of the discordant groups' usual size."""
    apart = distinct[:, _APART].sum(axis=1)
    groups = int(times[apart > 0].sum())
    size = max(1, round(int(apart @ times) / max(groups, 1)))
    return np.asarray(np.eye(8, dtype=np.int64)[_APART] * size)


def _merge(table: Ints) -> tuple[Ints, Ints]:
    """Distinct profiles and how many groups have each."""
    if len(table) and table.max() < 256:
        # Eight counts below 256 are one 64-bit number: sorting numbers is fast.
        packed = np.ascontiguousarray(table, dtype=np.uint8).view(np.uint64).ravel()
        keys, times = np.unique(packed, return_counts=True)
        return keys.view(np.uint8).reshape(-1, 8).astype(np.int64), times.astype(np.int64)
    distinct, times = np.unique(table, axis=0, return_counts=True)
    return distinct.astype(np.int64), times.astype(np.int64)


def _of_challenger(counts: Ints) -> Ints:
    """(…, 8) → confusion tables (…, 2, 2), summed over the champion's answers."""
    return np.asarray(counts.reshape(*counts.shape[:-1], 2, 2, 2).sum(axis=-2))


def _of_champion(counts: Ints) -> Ints:
    return np.asarray(counts.reshape(*counts.shape[:-1], 2, 2, 2).sum(axis=-1))
