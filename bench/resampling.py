"""8: the paired bootstrap by group on merged profiles, against loops that resample groups."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from time import process_time

import numpy as np
from numpy.typing import NDArray

from bench.figure import (
    Arm,
    Figure,
    Outcome,
    Round,
    Size,
    Target,
    alternated,
    middle,
    milliseconds,
    ratio,
)
from local.world import make_world
from task.bootstrap import DRAWS, paired_f1, profiles
from task.metrics import weighted_f1
from task.models.crossed import sigmoid

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

VOTES, STYLES = 100_000, 100
FASTER, AGREE = 500.0, 0.05
PART = 60
"""Resamples of the plain loop that the quick form measures."""

MERGED, ROWS, WEIGHTS = "merged profiles", "loop over rows", "loop over weights"
ARMS = (
    Arm(
        name=MERGED,
        says="`task.bootstrap` from the votes' groups and answers on: profiles, merging, "
        f"{DRAWS:,} draws, both F1 in each",
    ),
    Arm(
        name=ROWS,
        says="the plain NumPy loop: draw as many groups as there are, gather the rows of each "
        "drawn group, count both confusion tables, both F1; where each group's rows are is known "
        f"beforehand, outside the clock. The quick form measures {PART} resamples and scales",
    ),
    Arm(
        name=WEIGHTS,
        says="for information, no target: the cleverest loop we know. How often each group is "
        "drawn becomes a weight of its rows, and one weighted bincount counts both tables",
    ),
)


@dataclass(frozen=True, kw_only=True)
class Answers:
    """N test votes: their groups, numbered from 0, and truth × champion × challenger, 0 … 7."""

    group: Ints
    kind: Ints


def run(size: Size) -> Outcome:
    """All arms on the same answers; the spread and the interval stand beside the time."""
    found = answers(VOTES)
    part = size.pick(PART, DRAWS)
    arms: dict[str, Callable[[], Round]] = {
        MERGED: partial(_measured, lambda: merged(found), 1.0),
        ROWS: partial(_measured, row_loop(found, part), DRAWS / part),
        WEIGHTS: partial(_measured, weight_loop(found, DRAWS), 1.0),
    }
    rounds: list[Round] = [
        {f"{arm} {name}": value for arm, values in entry.items() for name, value in values.items()}
        for entry in alternated(arms, size.times(3, 3))
    ]
    return Outcome(
        arms=ARMS,
        columns=(f"{DRAWS:,} resamples of {VOTES:,} votes", *(arm.name for arm in ARMS)),
        lines=tuple(_lines(rounds, whole=part == DRAWS)),
        targets=(
            Target(
                says=f"{ROWS} ÷ {MERGED}",
                value=ratio(rounds, f"{ROWS} seconds", f"{MERGED} seconds"),
                bound=FASTER,
            ),
            Target(
                says=f"spread of the difference, {MERGED} ÷ {WEIGHTS} − 1, size",
                value=abs(ratio(rounds, f"{MERGED} spread", f"{WEIGHTS} spread") - 1),
                bound=AGREE,
                at_most=True,
            ),
        ),
        rounds=tuple(rounds),
        note=(
            f"{int(found.group.max()) + 1:,} groups. Both loops draw the same resamples (a test "
            "holds them together), so the faster one stands for both in the comparison."
        ),
    )


def answers(votes: int) -> Answers:
    """Votes by people who vote once or several times, and two imperfect models' answers."""
    world = make_world("random", styles=STYLES, seed=3)
    drawn = world.sample(votes, seed=3)
    rng = np.random.default_rng(3)
    at = drawn.face, drawn.tone, drawn.style
    champion, challenger = (
        (sigmoid(world.log_odds + noise * rng.normal(size=world.log_odds.shape)) >= 0.5)[at]
        for noise in (0.6, 0.5)
    )
    kind = drawn.like.astype(np.int64) * 4 + champion * 2 + challenger
    return Answers(group=drawn.group, kind=np.asarray(kind))


def merged(found: Answers) -> Floats:
    """Our own: the difference of F1 in each draw, (DRAWS,)."""
    truth, champion, challenger = (found.kind & bit > 0 for bit in (4, 2, 1))
    table = profiles(found.group.astype(np.int32), truth, champion, challenger)
    return paired_f1(table, seed=0).difference


def row_loop(found: Answers, draws: int) -> Callable[[], Floats]:
    """Resample groups by gathering their rows."""
    order = np.argsort(found.group, kind="stable")
    ends = np.cumsum(np.bincount(found.group))
    rows_of = np.split(order, ends[:-1])

    def loop() -> Floats:
        rng = np.random.default_rng(0)
        out = np.empty(draws)
        for i in range(draws):
            chosen = rng.integers(0, len(rows_of), len(rows_of))
            rows = np.concatenate([rows_of[group] for group in chosen])
            out[i] = _difference(np.bincount(found.kind[rows], minlength=8))
        return out

    return loop


def weight_loop(found: Answers, draws: int) -> Callable[[], Floats]:
    """Resample groups by weighing their rows."""
    groups = int(found.group.max()) + 1

    def loop() -> Floats:
        rng = np.random.default_rng(0)
        out = np.empty(draws)
        for i in range(draws):
            times = np.bincount(rng.integers(0, groups, groups), minlength=groups)
            out[i] = _difference(np.bincount(found.kind, times[found.group], minlength=8))
        return out

    return loop


def _difference(counts: NDArray[np.number]) -> float:
    """F1 of the challenger less that of the champion, from the 8 counts."""
    table = counts.reshape(2, 2, 2)
    return float(weighted_f1(table.sum(axis=1)) - weighted_f1(table.sum(axis=2)))


def _measured(call: Callable[[], Floats], scale: float) -> Round:
    start = process_time()
    drawn = call()
    seconds = (process_time() - start) * scale
    low, high = np.percentile(drawn, [5, 95]).tolist()
    return {"seconds": seconds, "spread": float(np.std(drawn)), "low": low, "high": high}


def _lines(rounds: list[Round], *, whole: bool) -> list[tuple[str, ...]]:
    names = [arm.name for arm in ARMS]
    lines = [("CPU time", *(milliseconds(middle(rounds, f"{arm} seconds")) for arm in names))]
    for value in ("spread", "low", "high"):
        shown = [f"{middle(rounds, f'{arm} {value}'):+.5f}" for arm in names]
        if not whole:
            shown[names.index(ROWS)] = ""
        lines.append((f"difference of F1: {value}", *shown))
    return lines


FIGURE = Figure(name="8", title="the paired bootstrap by group", run=run)
