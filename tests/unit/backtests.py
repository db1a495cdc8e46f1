"""Small simulated pasts for the tests of the backtest."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.stream import table, with_persons, write
from bench.streams import START, Plan, Stream, make_stream
from task import base
from task.backtest.fits import Judging, Training
from task.backtest.history import WEEK, History, history, looks
from task.backtest.play import Arm, Contender, Played, play
from task.candidates import Options
from task.gate import Policy
from task.prepare import prepare

PLAN = Plan(seed=1, votes_a_week=60, weeks=10, styles=12)
BASE = "none"
TRAINING = Training(
    options=Options(candidates="hierarchical"), half_life_days=0, window_days=0, base=BASE
)
__all__ = ["START", "WEEK", "table"]


def stream(plan: Plan = PLAN, *, personal: float = 0.0) -> Stream:
    return with_persons(make_stream(plan), personal)


def past(made: Stream, folder: Path) -> History:
    """The stream as it is read back from its snapshot, without base rows."""
    write(made, folder)
    return history(prepare(folder / "votes.parquet", base.generate(0, 0)))


def contender(name: str = "harm", **changes: Any) -> Contender:
    """A policy that trains whenever something is new."""

    def enough(total: int, new: int) -> str | None:
        return None if total >= 50 and new >= 1 else f"too few votes: {total} of 50"

    plain = Contender(
        name=name,
        training=TRAINING,
        policy=Policy(),
        judging=Judging(confidence=0.9, max_negative_flips=0.1, seed=0),
        yearly_risk=0.05,
        enough=enough,
    )
    return replace(plain, **changes)


def played(of: History, *contenders: Contender, every: int = 1, **more: Any) -> Played:
    """Every week of a past, without a clock."""
    last = int(of.votes.feedback_at[-1])
    end = START + ((last - START) // WEEK + 1) * WEEK
    found = looks(of.votes.feedback_at, START, end, every)
    return play(contenders, {BASE: of}, found, cpu=lambda: 0.0, **more)


def arm(found: Played, name: str) -> Arm:
    (one,) = (each for each in found.arms if each.name == name)
    return one


def figures(one: Arm) -> list[dict[str, float | None] | None]:
    """An arm's figures of each week."""
    return [line.score.figures() if line.score else None for line in one.lines]


def truth_of(made: Stream, of: History) -> np.ndarray[Any, np.dtype[np.float64]]:
    """The chance of a like of each vote, in the order of the past."""
    p = [made.world(week).p_like for week in range(made.plan.all_weeks)]
    at = (made.face, made.tone, made.style)
    chance = np.array([p[w][f, t, s] for w, f, t, s in zip(made.week, *at, strict=True)])
    assert len(chance) == len(of.votes)
    return chance
