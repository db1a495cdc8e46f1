"""Trainings that go wrong, in what they make and never in the votes that judge it.

Half are broken in the procedure, so that what ships and all of its folds are; half in the refit
alone, so that only what ships is, and the folds prove nothing of it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np

from bench.streams import Plan, noisy, swapped
from bench.years_fits import Fits, fits

Fault = Literal["noise", "flipped labels", "swapped styles", "stale snapshot"]
SHARE = 0.1
"""How probable a broken training is, each week after the first."""
STALE_BY = 8
"""Weeks by which a stale snapshot is too old."""


@dataclass(frozen=True, kw_only=True)
class Sabotage:
    """What goes wrong in one week's training; `alone`: in the refit alone."""

    fault: Fault
    alone: bool
    seed: int


def drawn(plan: Plan) -> dict[int, Sabotage]:
    """The weeks of a year whose training goes wrong; never that of the first model."""
    rng = np.random.default_rng([plan.seed, 5])
    faults = get_args(Fault)
    found = {}
    for week in range(plan.warm_up + 1, plan.all_weeks):
        broken, kind, alone = rng.random() < SHARE, rng.integers(len(faults)), rng.random() < 0.5
        if broken:
            seed = plan.seed * 1_000 + week + 1
            found[week] = Sabotage(fault=faults[kind], alone=bool(alone), seed=seed)
    return found


def sabotaged(plan: Plan, week: int, how: Sabotage) -> Fits:
    """What a broken training makes of the votes before a week."""
    sound = fits(plan, week)
    if how.fault == "flipped labels":
        broken = fits(plan, week, flip=how.seed)
    elif how.fault == "stale snapshot":
        broken = fits(plan, max(week - STALE_BY, plan.warm_up))
    else:
        spoil = noisy if how.fault == "noise" else swapped
        broken = replace(
            sound,
            ship=spoil(sound.ship, how.seed),
            folds=np.stack([spoil(fold, how.seed) for fold in sound.folds]),
        )
    if how.alone:
        return replace(sound, ship=broken.ship, threshold=broken.threshold)
    return broken
