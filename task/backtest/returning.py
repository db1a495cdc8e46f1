"""What a person's own offset would have changed, for new and for returning groups apart.

A group has returned where it had at least two votes before the look; everybody else is new, and
has no offset. The offset of a look rests on votes before it alone: those that the champion was
fitted on answered by the folds without them, the later ones as published. It is backtested and
never published, until groups are keyed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from task.backtest.history import History, Look, taken
from task.backtest.score import Score, score
from task.judging import Version, as_published, out_of_fold
from task.models import personal
from task.models.crossed import sigmoid
from task.models.personal import LEAST_VOTES, Offsets
from task.paired import gain
from task.prepare import Examples

Floats = NDArray[np.float64]
_CLIP = 1e-6
CONFIDENCE = 0.90
"""Two-sided, of the gain by which it is decided whether offsets would ship."""


@dataclass(frozen=True, kw_only=True)
class _Week:
    """The votes of one look's week: like probabilities without and with offsets."""

    look: int
    votes: Examples
    returned: NDArray[np.bool_]
    without: Floats
    personal: Floats
    threshold: float
    offsets: Offsets


@dataclass(frozen=True, kw_only=True)
class Stratum:
    """New or returning groups: both ways of answering them, and the gain of the offsets."""

    groups: int
    without: Score
    personal: Score
    gain: float | None
    low: float | None
    high: float | None


class Returning:
    """Gathers the weeks of one policy."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._group = history.votes.group.astype(np.int64)  # numbers from 0
        self._groups = int(self._group.max()) + 1
        self._weeks: list[_Week] = []

    def look(self, champion: Version, look: Look) -> None:
        """Estimate the offsets from the votes so far, and answer those that follow."""
        offsets = personal.fit(
            self._logit(champion, look.known),
            self._history.votes.like[: look.known],
            self._group[: look.known],
            self._groups,
        )
        votes = taken(self._history.votes, look.following)
        group = self._group[look.following]
        sizes = np.bincount(self._group[: look.known], minlength=self._groups)
        own = offsets.offset[group]
        p = as_published(champion.table, self._history.levels, votes).p
        self._weeks.append(
            _Week(
                look=look.number,
                votes=votes,
                returned=sizes[group] >= LEAST_VOTES,
                without=p,
                personal=np.where(own == 0.0, p, sigmoid(_logit(p) + own)),
                threshold=champion.table.threshold,
                offsets=offsets,
            )
        )

    def counted_from(self, first: int) -> None:
        """Leave out the weeks before look `first`, which do not count."""
        self._weeks = [week for week in self._weeks if week.look >= first]

    @property
    def says(self) -> str:
        """Whether the last look's offsets were on, and in how many looks they were."""
        if not self._weeks:
            return "off: nothing served"
        on = sum(week.offsets.on for week in self._weeks)
        return f"{self._weeks[-1].offsets.says}; on in {on} of {len(self._weeks)} looks"

    @property
    def deviation(self) -> float | None:
        """s at the last look, in logits."""
        return self._weeks[-1].offsets.deviation if self._weeks else None

    def stratum(self, *, returned: bool) -> Stratum:
        """New or returning groups, over all weeks that count."""
        masks = [week.returned == returned for week in self._weeks]
        parts = [week.votes.where(mask) for week, mask in zip(self._weeks, masks, strict=True)]
        without = _joined([w.without[m] for w, m in zip(self._weeks, masks, strict=True)])
        mine = _joined([w.personal[m] for w, m in zip(self._weeks, masks, strict=True)])
        cut = _joined(
            [np.full(int(m.sum()), w.threshold) for w, m in zip(self._weeks, masks, strict=True)]
        )
        votes = _votes(parts) if parts else taken(self._history.votes, slice(0, 0))
        found = gain(votes, mine, without, CONFIDENCE)
        return Stratum(
            groups=found.groups,
            without=score(votes, without, without >= cut),
            personal=score(votes, mine, mine >= cut),
            gain=found.value,
            low=found.low,
            high=found.high,
        )

    def would_ship(self) -> bool:
        """Only if they are on, and shown to help returning groups."""
        if not self._weeks or not self._weeks[-1].offsets.on:
            return False
        low = self.stratum(returned=True).low
        return low is not None and low > 0.0

    def _logit(self, champion: Version, known: int) -> Floats:
        """Of each known vote, by a model that it was not fitted on."""
        levels, votes = self._history.levels, taken(self._history.votes, slice(0, known))
        held = out_of_fold(champion, levels, votes).p
        published = as_published(champion.table, levels, votes).p
        return _logit(np.where(votes.feedback_at > champion.cutoff, published, held))


def _logit(p: Floats) -> Floats:
    safe = np.clip(p, _CLIP, 1.0 - _CLIP)
    return np.asarray(np.log(safe) - np.log1p(-safe))


def _joined(parts: list[Floats]) -> Floats:
    return np.concatenate([np.zeros(0), *parts])


def _votes(parts: list[Examples]) -> Examples:
    columns = {name: np.concatenate([getattr(p, name) for p in parts]) for name in vars(parts[0])}
    return replace(parts[0], **columns)
