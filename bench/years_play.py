"""Play one year: every arm, the same challengers; what served is held against the exact truth."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bench.years_arms import Arm, Gate, Look, arms
from bench.years_cells import MARGIN, Cell
from bench.years_fits import Year, cutoff, fits, table, version, year
from bench.years_planted import play_planted
from bench.years_sabotage import drawn, sabotaged
from task.judging import Version, as_published, out_of_fold
from task.paired import losses

Line = dict[str, Any]


@dataclass(kw_only=True)
class Track:
    """One arm's year. `excess` is that of what served, week by week, in nats."""

    arm: Arm
    champion: Version
    excess: list[float] = field(default_factory=list)
    promotions: list[int] = field(default_factory=list)
    harmful: int = 0
    lost: float = 0.0
    broken: int = 0
    biases: list[tuple[int, float, float]] = field(default_factory=list)


def play(cell: Cell, seed: int) -> list[Line]:
    """One year of a cell: a line an arm."""
    if cell.kind in ("trained", "sabotage"):
        return _trained(cell, seed)
    found = {"gate": True, **({"no anchor": False} if cell.kind == "compounding" else {})}
    return [_planted_line(cell, seed, arm, anchored) for arm, anchored in found.items()]


def _planted_line(cell: Cell, seed: int, arm: str, anchored: bool) -> Line:
    played = play_planted(cell, seed, anchored=anchored)
    return {
        "arm": arm,
        "seed": seed,
        "promotions": played.promotions,
        "lost": played.lost,
        "proved": played.proved,
        "why": played.why,
    }


def _trained(cell: Cell, seed: int) -> list[Line]:
    found = year(cell.plan(seed))
    plan = found.stream.plan
    broken = drawn(plan) if cell.kind == "sabotage" else {}
    tracks: dict[str, Track] = {}
    for week in range(plan.warm_up, plan.all_weeks):
        made = sabotaged(plan, week, broken[week]) if week in broken else fits(plan, week)
        challenger = version(f"w{week}", made, found.levels, week)
        former = Version(
            table=table(f"w{week}", made.old, made.old_threshold, found.levels),
            folds=None,
            cutoff=cutoff(week),
        )
        if not tracks:
            tracks = {
                name: Track(arm=arm, champion=former if arm.former else challenger)
                for name, arm in arms(cell.kind).items()
            }
        else:
            look = _look(found, week, challenger, former, broken=week in broken)
            for track in tracks.values():
                _decided(track, look)
        for track in tracks.values():
            track.excess.append(_excess(found, week, track.champion))
    return [_line(name, seed, track, found) for name, track in tracks.items()]


def _look(found: Year, week: int, challenger: Version, former: Version, *, broken: bool) -> Look:
    return Look(
        week=week,
        cutoff=cutoff(week),
        prepared=found.until(week),
        challenger=challenger,
        old=former,
        broken=broken,
        truth=lambda ours, theirs: _excess(found, week, theirs) - _excess(found, week, ours),
    )


def _decided(track: Track, look: Look) -> None:
    """Let an arm decide, and count what it did by the truth of the week that follows."""
    challenger = look.old if track.arm.former else look.challenger
    promoted = track.arm.promotes(look, track.champion)
    if isinstance(track.arm, Gate) and track.arm.whole and not look.broken:
        track.biases.append((look.week, *_biases(look, track.champion)))
    if not promoted:
        return
    loss = -look.truth(challenger, track.champion)
    track.promotions.append(look.week)
    track.harmful += loss > MARGIN
    track.lost += loss
    track.broken += look.broken
    track.champion = challenger


def _biases(look: Look, champion: Version) -> tuple[float, float]:
    """What judging finds less the coming week's true gain: on all votes, and on the last ones."""
    difference = look.evaluation(champion).difference
    assert difference is not None
    assert difference.gain.value is not None
    votes, levels = look.prepared.examples, look.prepared.levels
    votes = votes.where(votes.feedback_at > champion.cutoff)
    ours = losses(votes, out_of_fold(look.challenger, levels, votes).p)
    theirs = losses(votes, as_published(champion.table, levels, votes).p)
    truth = look.truth(look.challenger, champion)
    return difference.gain.value - truth, float((theirs - ours).mean()) - truth


def _excess(found: Year, week: int, version: Version) -> float:
    return found.stream.excess(version.table.like.astype(np.float64), week)


def _line(name: str, seed: int, track: Track, found: Year) -> Line:
    plan, arm = found.stream.plan, track.arm
    change = plan.change - plan.warm_up
    after = [week for week in track.promotions if week > plan.change]
    line: Line = {
        "arm": name,
        "seed": seed,
        "excess": float(np.mean(track.excess)),
        "excess_after": float(np.mean(track.excess[change:])) if plan.redraw else None,
        "promotions": len(track.promotions),
        "harmful": int(track.harmful),
        "lost": track.lost,
        "broken": track.broken,
        # The week after the change is the first whose training knows new tastes.
        "wait": (after[0] - plan.change - 1 if after else None) if plan.redraw else None,
    }
    if isinstance(arm, Gate):
        risk = sum(run.evidence["risk"] for run in arm.runs)
        line |= {"why": dict(arm.why), "refit_failed": arm.refit_failed, "risk": risk}
    if track.biases:
        late = [entry for entry in track.biases if entry[0] > plan.change]
        for key, part in (("bias", track.biases), ("bias_after", late)):
            found_biases = np.array([entry[1:] for entry in part])
            line[key] = found_biases.mean(axis=0).tolist() if part else None
    return line
