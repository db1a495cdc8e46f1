"""What an operator may do by hand: look, roll back, hold, resume, promote.

A person's decision outranks the schedule: a rollback puts promotion on hold, in the same
transaction, until `resume`. A version is verified and self-tested before it is put into
service, also by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from common.errors import NotDoneError, RetrainError, ServingError, UsageError
from common.healing import NOTHING_BEFORE, Healer, restore
from common.registry import Registry
from common.registry.records import (
    OPEN_STATES,
    HistoryEntry,
    Hold,
    Run,
    rollback_target,
    to_json,
    utc_text,
)
from common.serving import EcsService
from common.serving.watch import Expected
from common.store import Store
from task import artifact, publish, questions, versions
from task.questions import Question
from task.rollout import Proof, by_hand, unproved

SHOWN = 5
"""Runs in `status`, skipped ones not counted."""


def status(registry: Registry, store: Store, now: datetime) -> dict[str, Any]:
    """What is active, whether promotion is on hold, who holds the lease and runs, the last runs."""
    active, hold, lease = registry.active(), registry.hold(), registry.lease()
    runs = registry.runs()
    live = next((run for run in runs if run.state in OPEN_STATES), None)
    return {
        "active": to_json(active) if active else None,
        "hold": to_json(hold) if hold else None,
        "lease": to_json(lease) if lease and lease.held(now) else None,
        "running": to_json(live) if live else None,
        "versions": versions.published(store),
        "runs": [to_json(run) for run in newest(runs)],
    }


def moment(text: str, now: datetime) -> datetime:
    """The time that a person named, in UTC if without a zone; UsageError if unknown or to come."""
    try:
        at = datetime.fromisoformat(text)
        at = (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise UsageError(
            f"--at must be a time in ISO 8601, got {text[:60]!r}: write it as {utc_text(now)}"
        ) from error
    if at > now:
        raise UsageError(
            f"--at must not lie in the future, got {utc_text(at)} at {utc_text(now)}: leave --at "
            "out for what is active now"
        )
    return at


def status_at(registry: Registry, at: datetime) -> dict[str, Any]:
    """Which version was active at a time, since when until when, and the change and run behind it.

    `change` is None before the first promotion; its `version` is None after a restoration that
    left none active. `run` made the change, unless a person did; `made_by` is the run that made
    the version, perhaps long before.
    """
    entries = registry.history()
    before = [entry for entry in entries if entry.at <= at]
    after = [entry for entry in entries if entry.at > at]
    change = before[-1] if before else None
    version = change.version if change else None
    return {
        "at": utc_text(at),
        "version": version,
        "since": utc_text(change.at) if change else None,
        "until": utc_text(after[0].at) if after else None,
        "change": to_json(change) if change else None,
        "run": _why(registry, change.run_id) if change else None,
        "made_by": _why(registry, version),
    }


def _why(registry: Registry, run_id: str | None) -> dict[str, Any] | None:
    """How a run ended, and why."""
    run = registry.run(run_id) if run_id else None
    return {"run_id": run.run_id, "state": run.state, "reason": run.reason} if run else None


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


@dataclass(frozen=True, kw_only=True)
class Change:
    """What a person changed, and what shall serve from then on."""

    done: Mapping[str, Any]
    entry: HistoryEntry | None = None
    """None for a dry run."""
    questions: Sequence[Question] = ()
    deployment: str | None = None

    @property
    def version(self) -> str:
        return str(self.done["version"])


def rollback(healer: Healer, store: Store, version: str | None, *, dry_run: bool = False) -> Change:
    """Go back to a version and put promotion on hold.

    ServingError: the service is not there, and nothing changed; or it could not be told. The
    pointer then stays where the person wanted it, since the version left is the worse one.
    """
    registry = healer.registry
    publish.check_pair(store, registry)
    active, serial = current(registry)
    target = target_of_rollback(registry.history(), version)
    if target == active:
        raise NotDoneError(
            f"rollback must name another version than the active one, got {target}; "
            "`python -m task history` lists what there is"
        )
    sha, asked = _checked(healer, store, target)
    done = {"version": target, "previous": active, "hold": True, "dry_run": dry_run}
    if dry_run:
        return Change(done=done)
    now = healer.now()
    hold = Hold(since=now, reason=f"rolled back from {active} by hand", version=target)
    entry = registry.promote(
        version=target,
        sha=sha,
        expected_serial=serial,
        action="rollback",
        now=now,
        hold=hold,
    )
    return _told(healer, store, Change(done=done, entry=entry, questions=asked))


def promote(healer: Healer, store: Store, version: str, *, dry_run: bool = False) -> Change:
    """Put a published version into service.

    ServingError: the service is not there, or could not be told; what was active is so again.
    """
    registry = healer.registry
    publish.check_pair(store, registry)
    active, hold = registry.active(), registry.hold()
    if hold is not None:
        raise NotDoneError(
            f"promotion must not be on hold, it is since {hold.since.isoformat()} "
            f"({hold.reason}); `python -m task resume` first"
        )
    if active is not None and active.version == version:
        raise NotDoneError(f"promote must name another version than the active one, got {version}")
    if still := [run.run_id for run in registry.runs() if run.state == "rolling_out"]:
        # What is active has not been proved: a promotion that fails would make it so for good.
        raise NotDoneError(
            f"promote needs every roll-out to have ended, {still[0]} is rolling_out: wait for it, "
            "or for the healer; `python -m task rollback` is possible at once"
        )
    sha, asked = _checked(healer, store, version)
    done = {
        "version": version,
        "previous": active.version if active else None,
        "dry_run": dry_run,
    }
    if dry_run:
        return Change(done=done)
    run = registry.run(version)
    entry = registry.promote(
        version=version,
        sha=sha,
        expected_serial=active.serial if active else 0,
        action="promote",
        now=healer.now(),
        metrics=run.metrics if run else {},
    )
    return _told(healer, store, Change(done=done, entry=entry, questions=asked))


def _checked(healer: Healer, store: Store, version: str) -> tuple[str, Sequence[Question]]:
    """The sha of a version that is whole and passes its self-test, and what to ask it."""
    with versions.opened(store, version) as folder:
        asked, sha = questions.of(folder), artifact.sha256(folder / artifact.MANIFEST)
    if healer.service:
        healer.service.check()
    return sha, asked


def _told(healer: Healer, store: Store, change: Change) -> Change:
    """The change once the service has been told of it."""
    assert change.entry is not None, "nobody is told of a dry run"
    done = {**change.done, "serial": change.entry.serial}
    service = healer.service
    try:
        versions.checked(store, change.version)  # a run's retention may have crossed the change
        deployment = None if service is None else service.force().deployment
    except RetrainError as error:
        raise _not_served(healer, change.entry, error) from error
    return replace(change, done=done | {"deployment": deployment}, deployment=deployment)


def in_service(
    healer: Healer, change: Change, *, shield: Callable[[], AbstractContextManager[None]]
) -> Mapping[str, Any]:
    """What changed, once it serves. ServingError: it does not; a promotion is then undone."""
    if change.entry is None:
        return change.done
    service = healer.service
    if service is None or change.deployment is None:
        return {**change.done, "proved": unproved(None, healer.verify)}
    proof = Proof(
        expected=Expected(version=change.version, sha=change.entry.sha),
        questions=change.questions,
        bake_seconds=0,
    )
    try:
        return {**change.done, "proved": by_hand(healer, proof, change.deployment)}
    except ServingError as error:
        with shield():
            raise _not_served(healer, change.entry, error) from error


def _not_served(healer: Healer, entry: HistoryEntry, error: RetrainError) -> ServingError:
    """What to say of a change that did not come into service; a promotion is undone."""
    service = healer.service
    again = (
        f"`aws ecs update-service --cluster {service.cluster} --service {service.name} "
        "--force-new-deployment`"
        if isinstance(service, EcsService)
        else f"see that {service} answers"
    )
    if entry.action == "rollback":
        stays = f"{error}; {entry.version} is active and promotion on hold"
        if service is None:
            return ServingError(stays)
        return ServingError(f"{stays}, but {service} answers with what it has loaded: {again}")
    try:
        back = restore(healer, entry)
    except RetrainError as late:
        return ServingError(f"{error}; and {entry.version} could not be taken back: {late}")
    state = f"{back} is active again" if back else NOTHING_BEFORE
    said = f"{error}; so {entry.version} was taken back: {state}"
    if service is None:
        return ServingError(said)
    try:
        service.force()
    except ServingError as late:
        return ServingError(f"{said}, but {service} could not be told of it ({late}): {again}")
    return ServingError(f"{said}; see that every task of {service} serves it")


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
