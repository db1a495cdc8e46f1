"""What came of a backtest, as plain values: one object that the table, the page and JSON show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from task.backtest.history import moment
from task.backtest.play import Arm, Line, Played
from task.backtest.returning import Returning, Stratum

NOTES = (
    "A vote counts as it was last known: what it was before a change is not recorded.",
    "Validation is not replayed, nor what happens once the pointer has moved.",
    "Minutes are those of this machine's processor, training and judging, each policy as if alone.",
)


def summary(
    played: Played, counts: Mapping[str, int], settings: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """Everything. `settings` are those of each policy that differ from the defaults."""
    policies = [arm for arm in played.arms if arm.contender is not None]
    references = [arm for arm in played.arms if arm.contender is None]
    looks = played.looks
    return {
        "from": looks[0].at.isoformat(),
        "to": moment(looks[-1].end).isoformat(),
        "looks": len(looks),
        "counted_looks": len(looks) - played.first,
        "counted_from": looks[played.first].at.isoformat() if played.first < len(looks) else None,
        "votes": dict(counts),
        "notes": [*NOTES, *_idle(policies)],
        "policies": [
            _policy(arm, played.first) | {"settings": settings[arm.name]} for arm in policies
        ],
        "references": [_arm(arm, played.first) | {"of": list(arm.of)} for arm in references],
    }


def _idle(policies: list[Arm]) -> list[str]:
    """Which policies served nothing, since that decides what counts."""
    idle = [arm.name for arm in policies if not any(line.serves for line in arm.lines)]
    if len(idle) == len(policies):
        return ["No policy ever put a model into service, so no week counts."]
    if idle:
        return [f"Never served, so the weeks count without it: {', '.join(idle)}."]
    return []


def _arm(arm: Arm, first: int) -> dict[str, Any]:
    scored = arm.score(first)
    return {
        "name": arm.name,
        "votes": scored.votes,
        **scored.figures(),
        "weekly": [_line(line, counted=line.look.number >= first) for line in arm.lines],
    }


def _policy(arm: Arm, first: int) -> dict[str, Any]:
    states = Counter(line.state for line in arm.lines)
    refusals = Counter(name for line in arm.lines for name in line.refused_by)
    found = _arm(arm, first)
    return {
        **{name: found[name] for name in ("name", "votes", "log_loss", "auc", "f1", "excess")},
        "runs": len(arm.lines) - states["skipped"],
        "skipped": states["skipped"],
        "promotions": states["promoted"],
        "refusals": dict(refusals.most_common()),
        "task_minutes": sum(line.seconds for line in arm.lines) / 60.0,
        "personal": _personal(arm.returning) if arm.returning else None,
        "weekly": found["weekly"],
    }


def _line(line: Line, *, counted: bool) -> dict[str, Any]:
    said: dict[str, Any] = {
        "cutoff": line.look.at.isoformat(),
        "known": line.look.known,
        "counted": counted and line.score is not None,
    }
    if line.state is not None:
        said |= {
            "state": line.state,
            "reason": line.reason,
            "refused_by": list(line.refused_by),
        }
    figures = line.score.figures() if line.score else {}
    return said | {"serves": line.serves, "votes": line.look.until - line.look.known, **figures}


def _personal(returning: Returning) -> dict[str, Any]:
    return {
        "says": returning.says,
        "deviation": returning.deviation,
        "would_ship": returning.would_ship(),
        "new": _stratum(returning.stratum(returned=False)),
        "returning": _stratum(returning.stratum(returned=True)),
    }


def _stratum(found: Stratum) -> dict[str, Any]:
    kept = ("log_loss", "auc")
    return {
        "votes": found.without.votes,
        "groups": found.groups,
        "without": {name: found.without.figures()[name] for name in kept},
        "with": {name: found.personal.figures()[name] for name in kept},
        "gain": found.gain,
        "low": found.low,
        "high": found.high,
    }
