"""The cells of `bench years`: which kinds of simulated years are played, one factor at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil
from typing import Literal

from bench.streams import LIKE_RATES, REDRAWN, STYLES, VOTES_A_WEEK, WEEKS, Groups, Plan

Kind = Literal["trained", "sabotage", "margin", "compounding", "equal"]
FIRST_MODEL = 50
"""Votes before the first model, as `min_feedback_count` has it."""
MARGIN = 0.01
"""Nats: the `tolerated_loss` that the margin cells plant."""
PLANTED = {"margin": MARGIN, "compounding": 0.009, "equal": 0.0}
"""How much worse than its champion each planted challenger truly is, in nats."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One kind of year. `redraw`: the share of styles whose tastes change in the middle of it."""

    name: str
    kind: Kind = "trained"
    votes_a_week: int
    groups: Groups = "single"
    like_rate: float = LIKE_RATES[0]
    redraw: float = 0.0
    weeks: int = WEEKS
    styles: int = STYLES

    def plan(self, seed: int) -> Plan:
        """One year of it; nothing is decided before there are votes for a first model."""
        return Plan(
            seed=seed,
            votes_a_week=self.votes_a_week,
            weeks=self.weeks,
            warm_up=ceil(FIRST_MODEL / self.votes_a_week),
            like_rate=self.like_rate,
            groups=self.groups,
            redraw=self.redraw,
            styles=self.styles,
        )


def _cells() -> Iterator[Cell]:
    # Cells of one size stand together: they share most of their fits.
    for votes in sorted(VOTES_A_WEEK, key=lambda votes: (votes == max(VOTES_A_WEEK), votes)):
        yield Cell(name=f"same-{votes}", votes_a_week=votes)
        if votes > min(VOTES_A_WEEK):
            yield Cell(name=f"sabotage-{votes}", kind="sabotage", votes_a_week=votes)
        yield Cell(name=f"redrawn-{votes}", votes_a_week=votes, redraw=REDRAWN)
    for votes in VOTES_A_WEEK[1:3]:
        yield Cell(name=f"heavy-{votes}", votes_a_week=votes, groups="heavy")
        yield Cell(
            name=f"heavy-redrawn-{votes}", votes_a_week=votes, groups="heavy", redraw=REDRAWN
        )
        for rate in LIKE_RATES[1:]:
            name = f"rate-{rate:g}"
            yield Cell(name=f"{name}-{votes}", votes_a_week=votes, like_rate=rate)
    for votes in VOTES_A_WEEK[1:3]:
        for groups in ("single", "heavy"):
            for kind in PLANTED:
                yield Cell(
                    name=f"{kind}-{groups}-{votes}",
                    kind=kind,  # type: ignore[arg-type]
                    votes_a_week=votes,
                    groups=groups,
                )


CELLS: dict[str, Cell] = {cell.name: cell for cell in _cells()}
QUICK = ("same-60", "margin-single-60")
"""The cells of the quick form."""
