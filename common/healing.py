"""Takes a version back that did not come into service, and ends the run that promoted it.

One sequence for the run itself, for the next one, for the function `healer`: the pointer goes
back to the version before, the service deploys anew, every task says that it serves that version,
the run ends. Each step asks first whether somebody has done it, so whoever races or begins again
in the middle comes to the same end.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from common.errors import ChampionChangedError, NotServedError, ServingError
from common.registry import Registry
from common.registry.records import HistoryEntry, Lease, Run, utc_text
from common.serving import Service
from common.serving.look import Stage
from common.serving.watch import (
    Expected,
    Patience,
    Verify,
    check,
    tasks_of,
    until,
    until_served,
)

log = logging.getLogger(__name__)

ROLLED_BACK_EXIT, FAILED_EXIT, CHANGED_EXIT = 4, 1, 5
NOTHING_BEFORE = "no version is active, as before"


class UntoldError(ServingError):
    """The pointer is back, and the service could not be told of it yet."""


@dataclass(frozen=True, kw_only=True)
class Healer:
    """What it takes: where the records are, who serves, and how to wait."""

    registry: Registry
    service: Service | None
    verify: Verify
    patience: Patience
    now: Callable[[], datetime]


def left_open(runs: Iterable[Run], lease: Lease | None, now: datetime) -> list[Run]:
    """The roll-outs that nobody carries on: their owner has given the lease up, or lost it."""
    held_by = lease.run_id if lease is not None and lease.held(now) else None
    return [run for run in runs if run.state == "rolling_out" and run.run_id != held_by]


def heal(healer: Healer, run: Run) -> Run:
    """End a roll-out that was left open; the run's record then. It is never finished, only undone.

    Raises RegistryError when the records cannot be changed, and UntoldError when the service could
    not be told: then it is left for the next.
    """
    return take_back(healer, run, "its roll-out was left open, since whoever carried it out died")


def take_back(healer: Healer, run: Run, why: str) -> Run:
    """Bring the version before into service and end the run, whoever has begun with it.

    Raises UntoldError when the service could not be told: the run stays open for whoever heals.
    """
    log.error("%s is taken back: %s", run.version, why)
    note(healer, run, f"taken back: {why}")
    back = _restored(healer, run)
    if back is None:
        return _overtaken(healer, run, why)
    expected = Expected(version=back.version, sha=back.sha or None)
    said = back.version or NOTHING_BEFORE
    try:
        proof = _brought_back(healer, run, expected)
    except UntoldError as error:
        note(healer, run, str(error))
        raise
    except ChampionChangedError:
        return _overtaken(healer, run, why)
    except ServingError as error:
        says = f"{why}; active again: {said}, but that it serves is not proved: {error}"
        return _ended(healer, run, "failed", FAILED_EXIT, says)
    if back.version is None:
        return _ended(healer, run, "failed", FAILED_EXIT, f"{why}; {NOTHING_BEFORE}; {proof}")
    says = f"{why}; so {run.version} was taken back: {back.version} is active again, {proof}"
    return _ended(healer, run, "rolled_back", ROLLED_BACK_EXIT, says)


def note(healer: Healer, run: Run, says: str, *, deployment: str | None = None) -> None:
    """Write down what was seen of a roll-out, with the time."""
    healer.registry.note_rollout(
        run.run_id, f"{utc_text(healer.now())} {says}", deployment=deployment
    )


def _overtaken(healer: Healer, run: Run, why: str) -> Run:
    says = f"{why}; the active version was changed meanwhile, and stays as it is"
    return _ended(healer, run, "failed", CHANGED_EXIT, says)


def restore(healer: Healer, entry: HistoryEntry) -> str | None:
    """Make active again what was before a person's change; the version, None for none.

    Raises ChampionChangedError if somebody has changed it since, who then is right.
    """
    return _restoration(healer, entry.previous, entry.serial, None).version


def _restoration(healer: Healer, version: str | None, serial: int, run: Run | None) -> HistoryEntry:
    before = [each for each in healer.registry.history() if each.version == version]
    return healer.registry.promote(
        version=version,
        sha=before[-1].sha if version else "",
        expected_serial=serial,
        action="restore",
        now=healer.now(),
        run=run,
    )


def _restored(healer: Healer, run: Run) -> HistoryEntry | None:
    """The change by which the version before is active again; None if another one came between."""
    assert run.serial is not None, "its promotion's transaction has set it"
    try:
        return _restoration(healer, run.previous, run.serial, run)
    except ChampionChangedError:  # somebody was faster: perhaps with this very step
        return restoration(healer.registry.history(), run)


def restoration(history: Sequence[HistoryEntry], run: Run) -> HistoryEntry | None:
    """The restoration made for this run, if nothing has been changed since."""
    last = history[-1]
    mine = (last.action, last.run_id, last.serial) == ("restore", run.run_id, (run.serial or 0) + 1)
    return last if mine else None


def _brought_back(healer: Healer, run: Run, expected: Expected) -> str:
    """Deploy anew unless the service serves it already; what is proved by that.

    Raises ChampionChangedError when another version was made active meanwhile: it may be a long
    time until the service can be told, and then a deployment would get in the way of the other's.
    """
    service = healer.service
    if service is None:
        raise ServingError("SERVING_URL is none, so nobody was told")
    if _serves(healer, service, expected):
        return "and every task serves it"

    def told() -> Stage:
        if restoration(healer.registry.history(), run) is None:
            raise ChampionChangedError(f"the version before {run.version} must be active still")
        return service.force()

    try:
        stage = until(healer.patience, told)
    except ServingError as error:
        raise _untold(service, expected, error) from error
    note(healer, run, f"{stage.deployment or 'the pointer'} brings the version before back")
    if not stage.desired:
        return "of a service whose desired count is 0"
    # Whichever is the newest: who races with us has perhaps forced another one since.
    until_served(service, None, expected, healer.verify, healer.patience)
    if healer.verify == "model":
        return "and every task serves it"
    return f"and its deployment is complete (verify is {healer.verify}: no task was asked)"


def _untold(service: Service, expected: Expected, error: ServingError) -> ServingError:
    """What it means that the service could not be told: another time, or never."""
    try:
        service.check()
    except NotServedError as gone:
        return gone
    except ServingError as also:
        error = also
    return UntoldError(
        f"{service} must be told that {expected.version or 'no version'} is active again, it could "
        f"not be: {error}; whoever heals next tries again"
    )


def _serves(healer: Healer, service: Service, expected: Expected) -> bool:
    """Whether every task serves it already, so that no deployment is needed."""
    if healer.verify != "model":
        return False
    try:
        stage = service.stage(None)
        check(tasks_of(service, stage), expected, healer.verify)
    except ServingError:
        return False
    return stage.done


def _ended(
    healer: Healer, run: Run, state: Literal["rolled_back", "failed"], code: int, reason: str
) -> Run:
    """The run's record with its end; that of whoever was faster, if somebody was."""
    known = healer.registry.run(run.run_id) or run
    ended = replace(known, state=state, exit=code, reason=reason)
    log.error("%s: %s", run.run_id, reason)
    return healer.registry.heal(ended, now=healer.now()) or healer.registry.run(run.run_id) or ended
