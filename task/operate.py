"""What an operator may do by hand: look, roll back, hold, resume, promote.

A person's decision outranks the schedule: a rollback puts promotion on hold, in the same
transaction, until `resume`. A version is verified and self-tested before it is put into
service, also by hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from common.errors import NotDoneError
from common.registry import Registry
from common.registry.records import (
    LIVE_STATES,
    HistoryEntry,
    Hold,
    Run,
    rollback_target,
    to_json,
)
from common.store import Store
from task import publish
from task.rollout import Service, bring_back, bring_by_hand

SHOWN = 5
"""Runs in `status`, skipped ones not counted."""


def status(registry: Registry, store: Store, now: datetime) -> dict[str, Any]:
    """What is active, whether promotion is on hold, who holds the lease and runs, the last runs."""
    active, hold, lease = registry.active(), registry.hold(), registry.lease()
    runs = registry.runs()
    live = next((run for run in runs if run.state in LIVE_STATES), None)
    return {
        "active": to_json(active) if active else None,
        "hold": to_json(hold) if hold else None,
        "lease": to_json(lease) if lease and lease.held(now) else None,
        "running": to_json(live) if live else None,
        "versions": publish.versions(store),
        "runs": [to_json(run) for run in newest(runs)],
    }


def newest(runs: Sequence[Run]) -> list[Run]:
    """The newest runs that did something, and the last skipped one, of `runs` newest first.

    Most weeks may be skipped; they must not hide what happened in the others.
    """
    skipped = [run for run in runs if run.state == "skipped"][:1]
    others = [run for run in runs if run.state != "skipped"][:SHOWN]
    return [run for run in runs if run in [*others, *skipped]]


def history(registry: Registry) -> dict[str, Any]:
    """All runs, oldest first, with F1 over time, and every change of the active version."""
    return {
        "runs": [_run_line(run) for run in reversed(registry.runs())],
        "changes": [to_json(entry) for entry in registry.history()],
    }


def deployment_history(registry: Registry) -> list[dict[str, Any]]:
    """`deployment_history.json`: one object per run that compared or published a model.

    `deployed` says whether its model went into service, by the run itself or later by hand.
    """
    found = history(registry)
    taken_back = {each["serial"] - 1 for each in found["changes"] if each["action"] == "restore"}
    by_hand = {
        change["version"]
        for change in found["changes"]
        if change["action"] == "promote" and change["run_id"] is None
        if change["serial"] not in taken_back
    }
    return [
        {
            "timestamp": line["ended_at"],
            "deployed": line["state"] in ("promoted", "served") or line["version"] in by_hand,
            "new_model_metrics": line["metrics"] or None,
            "current_model_metrics": line["champion_metrics"] or None,
            **{name: line[name] for name in ("run_id", "state", "version", "previous", "reason")},
        }
        for line in found["runs"]
        if line["metrics"]
    ]


def target_of_rollback(entries: Sequence[HistoryEntry], version: str | None) -> str:
    """The version to go back to. Raises NotDoneError when there is none."""
    found = version or rollback_target(entries)
    if found is None:
        raise NotDoneError(
            "rollback needs a version that was active before, found none that was not itself "
            "rolled back from; name one: `python -m task rollback VERSION`"
        )
    return found


def rollback(
    registry: Registry,
    store: Store,
    version: str | None,
    *,
    service: Service | None,
    now: datetime,
    dry_run: bool = False,
) -> dict[str, Any]:
    """Go back to a version and put promotion on hold; returns what changed.

    ServingError: the service is not there, and nothing changed; or it could not be told. The
    pointer then stays where the person wanted it, since the version left is the worse one.
    """
    publish.check_pair(store, registry)
    active, serial = current(registry)
    target = target_of_rollback(registry.history(), version)
    if target == active:
        raise NotDoneError(
            f"rollback must name another version than the active one, got {target}; "
            "`python -m task history` lists what there is"
        )
    _, sha = publish.checked(store, target)
    if service:
        service.check()
    done = {"version": target, "previous": active, "hold": True, "dry_run": dry_run}
    if dry_run:
        return done
    hold = Hold(since=now, reason=f"rolled back from {active} by hand", version=target)
    entry = registry.promote(
        version=target,
        sha=sha,
        expected_serial=serial,
        action="rollback",
        now=now,
        hold=hold,
    )
    publish.checked(store, target)  # a run's retention may have crossed the change
    return done | {"serial": entry.serial, "deployment": bring_back(service, target)}


def promote(
    registry: Registry,
    store: Store,
    version: str,
    *,
    service: Service | None,
    now: datetime,
    dry_run: bool = False,
) -> dict[str, Any]:
    """Put a published version into service; returns what changed.

    ServingError: the service is not there, or could not be told; what was active is so again.
    """
    publish.check_pair(store, registry)
    active, hold = registry.active(), registry.hold()
    if hold is not None:
        raise NotDoneError(
            f"promotion must not be on hold, it is since {hold.since.isoformat()} "
            f"({hold.reason}); `python -m task resume` first"
        )
    if active is not None and active.version == version:
        raise NotDoneError(f"promote must name another version than the active one, got {version}")
    _, sha = publish.checked(store, version)
    if service:
        service.check()
    done = {
        "version": version,
        "previous": active.version if active else None,
        "dry_run": dry_run,
    }
    if dry_run:
        return done
    run = registry.run(version)
    entry = registry.promote(
        version=version,
        sha=sha,
        expected_serial=active.serial if active else 0,
        action="promote",
        now=now,
        metrics=run.metrics if run else {},
    )
    publish.checked(store, version)  # a run's retention may have crossed the change
    deployment = bring_by_hand(service, registry, entry, now=now)
    return done | {"serial": entry.serial, "deployment": deployment}


def resume(registry: Registry, *, dry_run: bool = False) -> dict[str, Any]:
    """Take the hold off; returns what it was. Raises NotDoneError when there is none."""
    hold = registry.hold()
    if hold is None:
        raise NotDoneError("resume needs promotion to be on hold, it is not: nothing to do")
    if not dry_run:
        registry.clear_hold()
    return {"hold": to_json(hold), "dry_run": dry_run}


def current(registry: Registry) -> tuple[str, int]:
    """The active version and its serial. Raises NotDoneError when none is active."""
    found = registry.active()
    if found is None or found.version is None:
        raise NotDoneError(
            "there must be an active version, there is none: `python -m task run` makes one, "
            "`python -m task promote VERSION` takes a published one"
        )
    return found.version, found.serial


def _run_line(run: Run) -> dict[str, Any]:
    line = to_json(run)
    names = ("run_id", "state", "exit", "reason", "ended_at", "cutoff", "version", "previous")
    return {name: line.get(name) for name in (*names, "counts", "metrics", "champion_metrics")}
