"""The steps that the registry's contract tests are told in."""

from datetime import UTC, datetime, timedelta
from typing import Any

from common.registry import Registry
from common.registry.records import HistoryEntry, Lease, Run

START = datetime(2026, 11, 22, 2, tzinfo=UTC)
LEASE_SECONDS = 600.0


def after(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def launch(registry: Registry, run_id: str, now: datetime = START) -> Run:
    run = Run(run_id=run_id, created_at=now)
    return registry.launch(run, owner=f"{run_id}/cli", lease_seconds=LEASE_SECONDS, now=now)


def claim(registry: Registry, run_id: str, task: str = "t1", now: datetime = START) -> Lease:
    return registry.claim(run_id, task=task, lease_seconds=LEASE_SECONDS, now=now)


def running(registry: Registry, run_id: str, now: datetime = START) -> tuple[Run, Lease]:
    """A run that was launched and claimed."""
    launch(registry, run_id, now)
    lease = claim(registry, run_id, now=now)
    run = registry.run(run_id)
    assert run is not None
    return run, lease


def promote(registry: Registry, version: str, serial: int, **more: Any) -> HistoryEntry:
    arguments: dict[str, Any] = {"action": "promote", "now": START} | more
    return registry.promote(
        version=version, sha=f"sha-{version}", expected_serial=serial, **arguments
    )


def everything(registry: Registry) -> tuple[object, ...]:
    """All that a refused operation must leave as it was."""
    return (
        registry.active(),
        registry.history(),
        registry.hold(),
        registry.lease(),
        registry.runs(),
    )
