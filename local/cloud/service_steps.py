"""What a rolling deployment does next: pure decisions from what is counted.

At least all desired tasks stay healthy, and at most twice as many live. New ones start as far as
there is room, and an old one goes for each that is healthy beyond the desired count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

LEAST_FAILURES, MOST_FAILURES = 3, 200


@dataclass(frozen=True, kw_only=True)
class Counted:
    """The live tasks of one deployment that are not told to stop."""

    healthy: int = 0
    pending: int = 0

    @property
    def live(self) -> int:
        return self.healthy + self.pending


def to_start(desired: int, primary: Counted, older: Sequence[Counted], leaving: int) -> int:
    """How many tasks the primary deployment starts; `leaving` are live but told to stop."""
    live = primary.live + sum(each.live for each in older) + leaving
    return max(0, min(desired - primary.live, 2 * desired - live))


def to_stop(desired: int, primary: Counted, older: Sequence[Counted]) -> list[int]:
    """How many healthy tasks of each older deployment stop; the first in the list go first."""
    spare = primary.healthy + sum(each.healthy for each in older) - desired
    stopped = []
    for each in older:
        stopped.append(min(max(spare, 0), each.healthy))
        spare -= stopped[-1]
    return stopped


def is_enough(desired: int, primary: Counted) -> bool:
    """Whether the primary deployment has what is desired, and nothing else."""
    return (primary.healthy, primary.pending) == (desired, 0)


def failures_allowed(desired: int, least: int = LEAST_FAILURES) -> int:
    """So many failed tasks in a row, and a deployment has failed."""
    return min(max(least, (desired + 1) // 2), MOST_FAILURES)
