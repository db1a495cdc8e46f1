"""How much older votes count in training: a half life, a window, and nothing after the cutoff."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

NO_TIME = np.iinfo(np.int64).min
"""`feedback_at` of a vote that has none."""
_DAY = 86_400 * 1_000_000


@dataclass(frozen=True, kw_only=True)
class Recency:
    """How much older votes count: `cutoff` is the run's, in microseconds; 0 days is off.

    A vote after the cutoff (a clock that is ahead) waits for a later run: a version has learned
    from nothing after its cutoff, so that such votes can judge it. A vote `half_life_days` before
    the cutoff counts half, one before the window not at all. With either, a vote without a time
    counts as if it were as old as the oldest that has one: nobody knows, and it must not count as
    new. Where none has a time, all count alike.
    """

    cutoff: int = int(np.iinfo(np.int64).max)
    half_life_days: int = 0
    window_days: int = 0

    @property
    def unit(self) -> int:
        """Weights are whole numbers of 1/unit, so that sums do not depend on the order."""
        return 1_000 if self.half_life_days else 1

    def weights(self, feedback_at: Ints, oldest: int) -> Ints:
        """The weight of each vote (N,) in 1/unit; `oldest` is the first time there is."""
        weights = np.full(len(feedback_at), self.unit, dtype=np.int64)
        if oldest == NO_TIME:
            return weights
        at = np.where(feedback_at == NO_TIME, oldest, feedback_at)
        days = np.maximum(self.cutoff - at, 0) // _DAY
        if self.half_life_days:
            weights = np.rint(self.unit * 0.5 ** (days / self.half_life_days)).astype(np.int64)
        if self.window_days:
            weights[days >= self.window_days] = 0
        return weights


EVERY_VOTE = Recency()
