"""Who may act: the conditions of every write to the registry, as functions of its records.

They stand apart from the transaction that asks them, so that every registry refuses alike and
with the same words. Each returns what is to be written, or raises and nothing is.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from common.errors import (
    AlreadyClaimedError,
    ChampionChangedError,
    LeaseHeldError,
    LeaseLostError,
    NotDoneError,
    RegistryError,
)
from common.registry.records import LIVE_STATES, OPEN_STATES, Active, Hold, Lease, Run, utc_text


def next_lease(
    before: Lease | None, *, run_id: str, owner: str, lease_seconds: float, now: datetime
) -> Lease:
    """The lease for its next owner, with the next fencing number."""
    return Lease(
        run_id=run_id,
        owner=owner,
        expires_at=now + timedelta(seconds=lease_seconds),
        fencing=(before.fencing if before else 0) + 1,
    )


def refuse_if_claimed(run: Run | None) -> None:
    """Raise `AlreadyClaimedError` if somebody has begun the run, or it has ended."""
    if run is not None and run.state != "launched":
        raise AlreadyClaimedError(
            f"a run is carried out once, but {run.run_id} is {run.state} (owner {run.owner}): "
            "nothing to do"
        )


def launched_run(run: Run | None, run_id: str) -> Run:
    """The run that may be claimed, else `AlreadyClaimedError`, or `RegistryError` if unknown."""
    if run is None:
        raise RegistryError(
            f"a run must be launched before it is claimed, got {run_id[:80]!r}, which the "
            "registry does not know: launch it, or check REGISTRY_URL"
        )
    refuse_if_claimed(run)
    return run


def known_run(run: Run | None, run_id: str) -> Run:
    """The run's record, else `RegistryError`."""
    if run is None:
        raise RegistryError(
            f"a run must be on record before anything is noted on it, got {run_id[:80]!r}, which "
            "the registry does not know: check REGISTRY_URL"
        )
    return run


def refuse_if_ended(run: Run | None) -> None:
    """Raise `ChampionChangedError` unless the roll-out that is to be undone is still open."""
    if run is not None and run.state != "rolling_out":
        raise ChampionChangedError(
            f"a roll-out is undone while it is open, but {run.run_id} has ended {run.state}: "
            "its end stands"
        )


def refuse_if_known(run: Run | None) -> None:
    """Raise `AlreadyClaimedError` if the run is on record, whatever became of it."""
    if run is not None:
        raise AlreadyClaimedError(
            f"a run is recorded as skipped before any other record of it, but {run.run_id} is "
            f"{run.state} (owner {run.owner or 'none'}): nothing to do"
        )


def with_task(run: Run, task_arn: str) -> Run:
    """The run with the task that was started for it, unless it has ended.

    The first one noted stays, but for the task that owns the run: where ECS started two, the
    one that was noted may be the other.
    """
    if run.state not in OPEN_STATES:
        return run
    if run.task_arn is not None and not _owns(run, task_arn):
        return run
    return replace(run, task_arn=task_arn)


def _owns(run: Run, task_arn: str) -> bool:
    return run.owner == f"{run.run_id}/{task_arn.rpartition('/')[2]}"


def with_notes(run: Run, known: Run | None) -> Run:
    """The run's new record with what was noted on the known one meanwhile."""
    if known is None:
        return run
    return replace(
        run,
        task_arn=run.task_arn or known.task_arn,
        alerted_at=run.alerted_at or known.alerted_at,
        deployment=run.deployment or known.deployment,
        rollout=run.rollout or known.rollout,
        evidence=run.evidence or known.evidence,
    )


def is_task_of(run: Run, task_arn: str | None) -> bool:
    """Whether the task is the one that the run depends on; None stands for whichever that is."""
    if task_arn is None:
        return True
    if run.state == "launched":
        return run.task_arn in (None, task_arn)
    return _owns(run, task_arn)


def is_lease_of(run: Run, lease: Lease) -> bool:
    """Whether the run still has the lease."""
    return lease.run_id == run.run_id and lease.owner != ""


def ended_run(run: Run, known: Run | None, now: datetime) -> Run:
    """The run's last record, with what is on record already and must stay.

    A promotion whose answer was lost looks like a failure to the run that made it; what the
    promotion itself wrote then stands, and stays open where the version was to be rolled out.
    What a healer has ended stands, too.
    """
    if known is not None and known.ended_at is not None:
        return known
    if known is not None and known.serial is not None and run.serial is None:
        return known if known.state in OPEN_STATES else replace(known, ended_at=now)
    return replace(with_notes(run, known), ended_at=now)


def refuse_if_overtaken(run: Run, known: Run | None, active: Active | None) -> None:
    """Raise `ChampionChangedError` for a roll-out that would end well, but is not active any more.

    Whoever has changed that may be in the midst of healing it, and is the one to end it.
    """
    if run.exit == 0 and known is not None and known.state == "rolling_out":
        serial = active.serial if active else 0
        if serial != run.serial:
            raise ChampionChangedError(
                f"a version must still be active when its roll-out ends well, but {run.version} "
                f"was made active by change {run.serial}, and there is number {serial}: it is "
                "left to whoever heals"
            )


def closed_run(
    run: Run, *, task_arn: str | None, exit_code: int, reason: str, now: datetime
) -> Run | None:
    """The run of a task that is gone, closed as failed; None if it had ended."""
    if run.state not in LIVE_STATES:
        return None
    return replace(
        run,
        state="failed",
        exit=exit_code,
        reason=reason,
        ended_at=now,
        task_arn=run.task_arn or task_arn,
    )


def healed_run(run: Run, known: Run | None, now: datetime) -> Run | None:
    """The end that a healer gives to a roll-out; None if somebody else has ended it.

    That it failed may have been told already; how it ended has not.
    """
    if known is None or known.state != "rolling_out":
        return None
    return replace(with_notes(run, known), ended_at=now, alerted_at=None)


def given_back(lease: Lease, now: datetime) -> Lease:
    """The lease without an owner; it stays on record, because the next one counts on from it."""
    return replace(lease, owner="", expires_at=now)


def refuse_if_held(lease: Lease, now: datetime) -> None:
    """Raise `LeaseHeldError` while somebody owns the lease."""
    if lease.held(now):
        until = utc_text(lease.expires_at)
        raise LeaseHeldError(
            f"one run at a time, but {lease.owner} holds the lease until {until}: wait for it",
            owner=lease.owner,
            expires_at=until,
        )


def dead_run(run: Run | None, lease: Lease, *, taker: str, now: datetime) -> Run | None:
    """The run of a lease that expired, closed as failed; None if it had ended."""
    if run is None or run.state not in LIVE_STATES:
        return None
    reason = (
        f"its owner {lease.owner} did not renew the lease, which expired at "
        f"{utc_text(lease.expires_at)}; {taker} took it over"
    )
    return replace(run, state="failed", exit=1, reason=reason, ended_at=now)


def own_lease(current: Lease | None, lease: Lease) -> Lease:
    """The lease as it stands now, if it is still this owner's, else `LeaseLostError`."""
    if current and (current.owner, current.fencing) == (lease.owner, lease.fencing):
        return current
    whose = "it was given back"
    if current and current.owner:
        whose = f"{current.owner} (number {current.fencing}) has it"
    raise LeaseLostError(
        f"a run may only change anything while it holds the lease, but {lease.owner} (number "
        f"{lease.fencing}) lost it: {whose}; run again"
    )


def refuse_if_expired(lease: Lease, now: datetime) -> None:
    """Raise `LeaseLostError` once the lease has expired, even if nobody took it over."""
    if not lease.held(now):
        raise LeaseLostError(
            "a promotion needs a lease that has not expired, but that of "
            f"{lease.owner} ended at {utc_text(lease.expires_at)}: run again"
        )


def refuse_if_changed(active: Active | None, expected_serial: int) -> None:
    """Raise `ChampionChangedError` unless the active version has the expected serial."""
    serial = active.serial if active else 0
    if serial != expected_serial:
        raise ChampionChangedError(
            f"the active version must still be number {expected_serial}, which the decision was "
            f"made against, got number {serial}: run again, against the new one"
        )


def refuse_if_on_hold(hold: Hold | None) -> None:
    """Raise `NotDoneError` while promotion is on hold."""
    if hold is not None:
        raise NotDoneError(
            "nothing is promoted while promotion is on hold, since "
            f"{utc_text(hold.since)} ({hold.reason}): `resume` ends the hold"
        )
