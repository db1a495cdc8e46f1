"""Challengers planted exactly so much worse than their champion, or exactly as good.

Nothing is trained here: tables are made from the truth, so the loss is known to the last digit,
and they owe nothing to the votes that judge them. A fresh one comes every week.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bench.years_arms import Gate, Look
from bench.years_cells import PLANTED, Cell
from bench.years_fits import Fits, Year, cutoff, version, year
from common.feedback import FOLDS
from local.world import World
from task import eprocess
from task.judging import Version, as_published
from task.paired import losses

Floats = NDArray[np.float64]
CHAMPION_NOISE = 0.3
"""Standard deviation, in logits, of the first champion's errors."""
SHAPES = ("cells", "styles", "stretched")
"""How a challenger is worse: each cell, whole styles, or all logits too far from their mean."""


def worse_by(world: World, champion: Floats, loss: float, shape: str, seed: int) -> Floats:
    """The champion (F, T, S) moved in a random direction until it is worse by exactly `loss`."""
    rng, logit = np.random.default_rng([seed, 6]), _logit(champion)
    direction = rng.normal(size=logit.shape)
    if shape == "styles":
        direction = np.broadcast_to(rng.normal(size=logit.shape[2]), logit.shape)
    elif shape == "stretched":
        direction = logit - logit.mean() + 0.3 * direction
    return _reaching(world, logit, direction, world.excess_log_loss(champion) + loss)


def equal_to(world: World, champion: Floats, seed: int) -> Floats:
    """The truth with errors of its own that cost exactly what the champion's do."""
    direction = np.random.default_rng([seed, 7]).normal(size=champion.shape)
    return _reaching(world, world.log_odds, direction, world.excess_log_loss(champion))


def _reaching(world: World, logit: Floats, direction: Floats, wanted: float) -> Floats:
    """Go along a direction until the excess is `wanted`; by bisection, to the last digits."""

    def excess(step: float) -> float:
        return world.excess_log_loss(_chance(logit + step * direction))

    low, high = 0.0, 1.0
    while excess(high) < wanted:
        high *= 2.0
    for _ in range(60):
        middle = (low + high) / 2.0
        low, high = (middle, high) if excess(middle) < wanted else (low, middle)
    return _chance(logit + high * direction)


@dataclass(kw_only=True)
class Played:
    """What one planted year came to."""

    promotions: int = 0
    lost: float = 0.0
    proved: bool = False
    why: dict[str, int] = field(default_factory=dict)


def play_planted(cell: Cell, seed: int, *, anchored: bool = True) -> Played:
    """One year of one planted challenger a week before the gate that ships.

    A margin year ends with its first promotion: nothing worse can happen in it.
    """
    found, loss = year(cell.plan(seed)), PLANTED[cell.kind]
    world, plan = found.stream.before, found.stream.plan
    gate, result = Gate(anchored=anchored), Played()
    noise = CHAMPION_NOISE * np.random.default_rng([seed, 8]).normal(size=world.log_odds.shape)
    tables = {"first": _chance(world.log_odds + noise)}
    champion = _version("first", tables["first"], found, plan.warm_up)
    state = None
    if cell.kind == "equal":
        tables["zeroth"] = equal_to(world, tables["first"], seed * 1_000)
        replaced = _version("zeroth", tables["zeroth"], found, plan.warm_up)
        state = eprocess.begin("first", "zeroth", cutoff(plan.warm_up))
    for week in range(plan.warm_up + 1, plan.all_weeks):
        name = f"w{week}"
        serving = tables[champion.table.version]
        if cell.kind == "equal":
            table = equal_to(world, serving, seed * 1_000 + week)
        else:
            shape = SHAPES[seed % len(SHAPES)]
            table = worse_by(world, serving, loss, shape, seed * 1_000 + week)
        tables[name] = table
        challenger = _version(name, table, found, week)
        look = Look(
            week=week,
            cutoff=cutoff(week),
            prepared=found.until(week),
            challenger=challenger,
            old=challenger,
            broken=False,
            truth=lambda *_: -loss,
        )
        if state is not None:
            state = _bet(state, look, champion, replaced)
            result.proved |= eprocess.proved(state)
        if gate.promotes(look, champion):
            result.promotions += 1
            result.lost += loss
            if state is not None:
                replaced = champion
                state = eprocess.begin(name, champion.table.version, cutoff(week))
            champion = challenger
            if cell.kind == "margin":
                break
    result.why = dict(gate.why)
    return result


def _bet(state: eprocess.State, look: Look, champion: Version, replaced: Version) -> eprocess.State:
    """The week's votes, bet on as a run would."""
    votes = look.prepared.examples
    votes = votes.where(votes.feedback_at > state.since)
    levels = look.prepared.levels
    ours, theirs = (
        losses(votes, as_published(each.table, levels, votes).p) for each in (champion, replaced)
    )
    return eprocess.update(
        state,
        theirs - ours,
        votes.group.astype(np.int64),
        votes.feedback_at,
        bound=eprocess.largest_difference(
            champion.table.like.astype(np.float64), replaced.table.like.astype(np.float64)
        ),
        cutoff=look.cutoff,
    )


def _version(name: str, table: Floats, found: Year, week: int) -> Version:
    """A planted version: its folds are what ships."""
    folds = np.broadcast_to(table, (FOLDS, *table.shape))
    half = np.full(FOLDS, 0.5)
    made = Fits(
        ship=table,
        threshold=0.5,
        folds=folds,
        fold_threshold=half,
        constant=half,
        old=table,
        old_threshold=0.5,
    )
    return version(name, made, found.levels, week)


def _logit(p: Floats) -> Floats:
    return np.asarray(np.log(p) - np.log1p(-p))


def _chance(logit: Floats) -> Floats:
    return np.asarray(1.0 / (1.0 + np.exp(-logit)))
