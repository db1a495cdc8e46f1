"""The watcher's whole story: close what a dead task left open, and tell people once.

A message is sent before it is noted as sent: twice is a nuisance, never is a failure. A task that
failed is told of also when its run is on record as a success: whoever died after the pointer
moved has perhaps told nobody of the new version.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from common.errors import LaunchError, UsageError
from common.registry import Registry
from common.registry.records import LIVE_STATES, OPEN_STATES, HistoryEntry, Run, State
from retrain_trigger import alerts, heal, metrics
from retrain_trigger.settings import WatcherSettings
from retrain_trigger.stopped import TaskEnd

if TYPE_CHECKING:
    from types_boto3_ecs import ECSClient
    from types_boto3_sns import SNSClient

log = logging.getLogger(__name__)

SUCCESSES: frozenset[State] = frozenset(
    {"skipped", "rejected", "inconclusive", "approved", "promoted", "served"}
)
"""Ends of a loop that works; a skip is one, since it was alive and saw too few votes."""
NEITHER: frozenset[State] = frozenset({"skipped", "inconclusive", "failed", "data_stopped"})
"""Ends that are neither a refusal nor the end of a row of refusals."""
BY_HAND = "m-"
"""Begins the id of a run that a person started."""
_DAY = timedelta(days=1)
UNHEARD_DAYS = 2
"""The daily look tells of runs that ended within so long and that nobody was told of."""


@dataclass(frozen=True, kw_only=True)
class Watcher:
    """What the story needs; the composition root makes it."""

    own: WatcherSettings
    registry: Registry
    ecs: ECSClient
    sns: SNSClient
    deadline_minutes: int
    now: Callable[[], datetime]
    emit: Callable[[Mapping[str, float]], None]


def ended(watcher: Watcher, end: TaskEnd) -> dict[str, Any]:
    """Close the run of a task that ended, if it is still open, and tell of a failure."""
    if end.cluster != watcher.own.cluster:
        return {"outcome": "ignored", "reason": f"{end.cluster} is not watched"}
    if end.failed:
        watcher.emit({metrics.TASKS_FAILED: 1})
    run = _run_of(watcher, end)
    if run is None:
        return _without_run(watcher, end)
    # Also for a run that has ended: its task may have died before it gave the lease back.
    closed = watcher.registry.close(
        run.run_id,
        task_arn=end.task_arn,
        exit_code=end.record_exit,
        reason=end.sentence(),
        now=watcher.now(),
    )
    run = closed or watcher.registry.run(run.run_id) or run
    if not is_its_task(run, end) or run.state in LIVE_STATES:
        log.warning("a second task of a run ended", extra={"task_arn": end.task_arn})
        return {"outcome": "ignored", "reason": f"{run.run_id} belongs to another task"}
    told = _tell(watcher, run, end)
    return {
        "outcome": "closed" if closed else "noted",
        "run_id": run.run_id,
        "state": run.state,
        "exit": run.exit,
        "reason": run.reason,
        "alerted": told,
    }


def is_its_task(run: Run, end: TaskEnd) -> bool:
    """Whether the task is the one that claimed the run or, if none has, was started for it."""
    if run.owner.startswith(f"{run.run_id}/"):
        return run.owner == f"{run.run_id}/{end.task_id}"
    return not run.task_arn or run.task_arn == end.task_arn


def daily(watcher: Watcher) -> dict[str, Any]:
    """Stop what hangs, close what never began, tell what nobody was told, emit the figures.

    Raises LaunchError for a hung task that cannot be stopped, after everything else is done.
    """
    now, runs = watcher.now(), watcher.registry.runs()
    lease = watcher.registry.lease()
    abandoned = heal.abandoned(runs, lease, now)
    for run in abandoned:
        heal.close_abandoned(watcher.registry, run, now)
    hung = heal.overdue(runs, lease, watcher.deadline_minutes, now)
    refused = [error for run in hung if (error := _stopped(watcher, run, now)) is not None]
    if hung or abandoned:
        runs = watcher.registry.runs()
    stopped = {run.run_id for run in hung}
    missed = [run for run in unheard(runs, now) if run.run_id not in stopped]
    # Nobody hears of a promotion's task that ended long ago; one that is stopped now is told once.
    missed += [run for run in runs if run.run_id in stopped and run.serial is not None]
    for run in missed:
        _tell(watcher, run, None)
    found = health(runs, watcher.registry.history(), now)
    watcher.emit(found)
    if refused:
        raise refused[0]
    return {
        "outcome": "checked",
        "stopped": [run.run_id for run in hung],
        "closed": [run.run_id for run in abandoned],
        "alerted": [run.run_id for run in missed],
        **found,
    }


def _stopped(watcher: Watcher, run: Run, now: datetime) -> LaunchError | None:
    """Stop a hung task; the error if it cannot be stopped."""
    try:
        heal.stop(watcher.ecs, watcher.registry, run, now)
    except LaunchError as error:
        log.error("left open: %s", error)
        return error
    return None


def health(runs: Iterable[Run], history: Iterable[HistoryEntry], now: datetime) -> dict[str, float]:
    """The figures that the alarms watch; `runs` stand newest first.

    Before the first success there is no figure for the days since, which the alarm takes for
    too many: a loop that never worked must not look well.
    """
    newest_first = list(runs)
    # A promotion whose task died before it set the end has none, and is a success all the same.
    ends = (run.ended_at or run.created_at for run in newest_first if run.state in SUCCESSES)
    success = max(ends, default=None)
    undone = (entry for entry in history if entry.action != "promote" and now - entry.at <= _DAY)
    days = {} if success is None else {metrics.DAYS_SINCE_SUCCESS: round((now - success) / _DAY, 2)}
    return {
        **days,
        metrics.REFUSALS_IN_A_ROW: refusals_in_a_row(newest_first),
        metrics.ROLLBACKS: sum(1 for _ in undone),
    }


def refusals_in_a_row(newest_first: Iterable[Run]) -> int:
    """How many verdicts in a row were "rejected", up to the newest."""
    row = 0
    for run in newest_first:
        if run.state == "rejected":
            row += 1
        elif run.state not in NEITHER and run.state not in OPEN_STATES:
            break
    return row


def unheard(runs: Iterable[Run], now: datetime) -> list[Run]:
    """Runs of tasks that failed lately without an alert: its event, or the watcher, was lost.

    Or the task itself never came to be; what people start by hand, they see fail themselves.
    """
    return [
        run
        for run in runs
        if run.exit
        and (run.task_arn or not run.run_id.startswith(BY_HAND))
        and run.alerted_at is None
        and run.ended_at is not None
        and now - run.ended_at <= UNHEARD_DAYS * _DAY
    ]


def _run_of(watcher: Watcher, end: TaskEnd) -> Run | None:
    """The run that the task was started for; people may start tasks for other ends."""
    try:
        return watcher.registry.run(end.started_by)
    except UsageError:  # not the id of a run
        return None


def _without_run(watcher: Watcher, end: TaskEnd) -> dict[str, Any]:
    if end.failed:
        alerts.publish(
            watcher.sns, watcher.own.alert_topic, alerts.of_unknown_task(watcher.own.stage, end)
        )
    return {
        "outcome": "ignored",
        "reason": f"{end.started_by or 'nobody'} is no run on record",
        "alerted": end.failed,
    }


def _tell(watcher: Watcher, run: Run, end: TaskEnd | None) -> bool:
    """Send the run's alert if it or its task failed and nobody was told; whether it was sent."""
    failed = run.exit or end is None or end.failed
    if not failed or run.alerted_at is not None:
        return False
    alert = alerts.of_run(watcher.own.stage, run, end)
    alerts.publish(watcher.sns, watcher.own.alert_topic, alert)
    watcher.registry.mark_alerted(run, watcher.now())
    return True
