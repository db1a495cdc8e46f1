"""What a year of promotions may risk, and what the next look may spend of it.

Every look at fresh votes may let a version through that is worse than its champion by more than
the margin. Each gets a share of the yearly risk, and the shares of any 365 days sum to no more
than that (a union bound: true whatever the looks have to do with each other).

A reserve of `BURST` full looks refills evenly over the year, and a look gets one `BURST`-th of
what is in it. Dividing the unspent rest of a year instead would starve the last looks of a first
year, and give those of a busy year nothing at all. Here the pace settles by itself: weekly looks
get 1/62 of the yearly risk each, and the more there are the less each gets.

A run's look counts at its cutoff, up to which it knew the votes; so `now` is the cutoff of the
look that asks. Pure: no clock, no registry.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from common.errors import RegistryError
from common.registry.records import VERDICT_STATES, Run, utc_text

LOOKS_A_YEAR = 53
"""Looks that a year's refill pays in full: one a week, and no year has more weeks."""
BURST = 9
"""Full looks in the reserve: so many at once, by hand for instance, still get something."""
YEAR = timedelta(days=365)
LEAST = 1e-4
"""Of the yearly risk; a look that would get less gets nothing, since it could prove nothing."""


@dataclass(frozen=True, kw_only=True)
class Budget:
    """The yearly risk, what the last 365 days spent of it, and what a look may spend now.

    `look` is what a test may be made at; `reserve` what there is at once, for a look whose risk is
    known only from the votes. `frees_at`: when `look` is above 0 again; None while it is.
    """

    yearly: float
    spent: float
    look: float
    reserve: float
    frees_at: datetime | None


def budget(runs: Iterable[Run], now: datetime, yearly_risk: float) -> Budget:
    """What a look at `now` may spend, after the looks of `runs`, in any order.

    Raises RegistryError when a run's recorded risk is no share.
    """
    looks = sorted((at, risk) for at, risk in map(_look, runs) if risk > 0.0)
    full = yearly_risk * BURST / (LOOKS_A_YEAR + BURST)
    pace = yearly_risk * LOOKS_A_YEAR / (LOOKS_A_YEAR + BURST) / YEAR.total_seconds()
    reserve, since = full, now
    for at, risk in looks:
        refill = pace * max(0.0, (at - since).total_seconds())
        reserve, since = min(full, reserve + refill) - risk, at
    reserve = min(full, reserve + pace * max(0.0, (now - since).total_seconds()))
    least = LEAST * yearly_risk
    enough = reserve / BURST >= least
    wait = timedelta(seconds=math.ceil((least * BURST - reserve) / pace))
    return Budget(
        yearly=yearly_risk,
        spent=math.fsum(risk for at, risk in looks if at > now - YEAR),
        look=reserve / BURST if enough else 0.0,
        reserve=reserve if enough else 0.0,
        frees_at=None if enough else max(now, since) + wait,
    )


def describe(budget: Budget) -> str:
    """ "this year 1.2 % of 5 % risked", and when a spent budget frees."""
    said = f"this year {budget.spent:.1%} of {budget.yearly:.1%} risked"
    said = said.replace(".0%", "%").replace("%", " %")
    if budget.frees_at is None:
        return said
    return f"{said}: nothing is left for a look before {utc_text(budget.frees_at)}"


def _look(run: Run) -> tuple[datetime, float]:
    """When a run looked, and the risk it spent.

    One that promoted has looked, however it ended; one that never came to a verdict has not.
    """
    at = run.cutoff or run.ended_at or run.created_at
    if run.state not in VERDICT_STATES and run.serial is None:
        return at, 0.0
    risk = run.evidence.get("risk", 0.0)
    if isinstance(risk, bool) or not isinstance(risk, int | float) or not 0.0 <= risk <= 1.0:
        raise RegistryError(
            f"the risk that {run.run_id} spent must be a number from 0 to 1, got "
            f"{str(risk)[:40]!r}: the registry is damaged; restore it from a backup"
        )
    return at, float(risk)
