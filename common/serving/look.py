"""What to make of a service on ECS: whether a deployment has come, goes on, or has failed.

Pure, because it is a table of cases that a real service shows once a year. Not the waiter of
AWS's library: it calls a service stable also after the circuit breaker has brought the old
deployment back, and at once where nothing is to run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from common.errors import NotServedError

EVENTS = 2
"""So many of the service's newest events are told."""


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """One deployment of a service."""

    id: str
    status: str
    """PRIMARY is the newest; ACTIVE ones are being replaced."""
    rollout: str
    """IN_PROGRESS, COMPLETED or FAILED; empty where ECS does not tell."""
    reason: str
    desired: int
    running: int
    pending: int

    @property
    def complete(self) -> bool:
        """Whether all its tasks run."""
        counted = self.running >= self.desired and self.pending == 0
        return counted and self.rollout in ("COMPLETED", "")


@dataclass(frozen=True, kw_only=True)
class Look:
    """A service at one moment."""

    status: str
    """ACTIVE, DRAINING, INACTIVE, or MISSING where there is none."""
    desired: int
    deployments: tuple[Deployment, ...]
    events: tuple[str, ...]
    """What ECS says of it, the newest first."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """How far a deployment is: `deployment` is the one that serves once `done`."""

    done: bool
    deployment: str
    desired: int
    says: str


def look(answer: Mapping[str, Any]) -> Look:
    """The service in an answer to DescribeServices, or in that to UpdateService."""
    services = answer.get("services") or [answer.get("service") or {}]
    found = services[0]
    return Look(
        status=str(found.get("status", "MISSING")),
        desired=int(found.get("desiredCount", 0)),
        deployments=tuple(_deployment(each) for each in found.get("deployments", [])),
        events=tuple(str(each.get("message", "")) for each in found.get("events", [])[:EVENTS]),
    )


def _deployment(given: Mapping[str, Any]) -> Deployment:
    return Deployment(
        id=str(given.get("id", "")),
        status=str(given.get("status", "")),
        rollout=str(given.get("rolloutState", "")),
        reason=str(given.get("rolloutStateReason", "")),
        desired=int(given.get("desiredCount", 0)),
        running=int(given.get("runningCount", 0)),
        pending=int(given.get("pendingCount", 0)),
    )


def stage(seen: Look, ours: str | None) -> Stage:
    """How far the deployment `ours` is; None: whichever is the newest.

    It is done once it is PRIMARY, all its tasks run, and no other has any left. Raises
    NotServedError when it will never be: the service is gone, it failed, or another took its place.
    """
    if seen.status != "ACTIVE":
        raise NotServedError(
            f"the service must stay ACTIVE while it deploys, it is {seen.status}: make it again, "
            "or correct SERVING_URL"
        )
    primary = next((each for each in seen.deployments if each.status == "PRIMARY"), None)
    mine = next((each for each in seen.deployments if each.id == ours), primary)
    if ours is not None and (mine is None or mine.id != ours):
        raise NotServedError(f"the deployment {ours} is gone: {_instead(primary)}{_events(seen)}")
    if mine is None:
        raise NotServedError(f"the service must have a deployment, it has none{_events(seen)}")
    if mine.rollout == "FAILED":
        raise NotServedError(f"the deployment {mine.id} failed: {mine.reason}{_events(seen)}")
    if mine.status != "PRIMARY":
        raise NotServedError(
            f"the deployment {mine.id} must stay the newest: {_instead(primary)}{_events(seen)}"
        )
    others = sum(each.running + each.pending for each in seen.deployments if each.id != mine.id)
    return Stage(
        done=mine.complete and others == 0,
        deployment=mine.id,
        desired=seen.desired,
        says=f"{mine.running} of {mine.desired} tasks run, {others} of older deployments",
    )


def _instead(primary: Deployment | None) -> str:
    return "there is none instead" if primary is None else f"{primary.id} took its place"


def _events(seen: Look) -> str:
    return "".join(f"; {event}" for event in seen.events if event)
