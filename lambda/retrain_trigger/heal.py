"""Ends what hangs: a task still at work long after its deadline, and a run that never began.

The task stops itself at its deadline; one that could not (stuck in a driver, starved, a container
that does not stop) is found by the next run or the watcher's daily look, since a standalone task
on ECS has no maximum run time. A run whose task was never noted has nobody whose end would be
heard of: once its lease has lapsed, nobody will carry it out.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from common.aws_errors import as_error
from common.errors import LaunchError
from common.registry import Registry
from common.registry.records import LIVE_STATES, Lease, Run
from retrain_trigger.launch import NO_TASK, is_open

if TYPE_CHECKING:
    from types_boto3_ecs import ECSClient

log = logging.getLogger(__name__)

GRACE_MINUTES = 15
"""After the deadline: time to start the task, and for it to stop by itself."""
HUNG_EXIT = 1
ABANDONED_EXIT = 1
_GONE = "task was not found"


def overdue(
    runs: Iterable[Run], lease: Lease | None, deadline_minutes: int, now: datetime
) -> list[Run]:
    """The runs whose task should long have ended; one may hang after its promotion, too.

    Not a roll-out whose lease was given back or taken over: it has no task, and is healed.
    """
    allowed = timedelta(minutes=deadline_minutes + GRACE_MINUTES)
    return [
        run
        for run in runs
        if run.ended_at is None and run.task_arn and now - _begun(run) > allowed
        if run.state != "rolling_out" or (lease is not None and lease.run_id == run.run_id)
    ]


def abandoned(runs: Iterable[Run], lease: Lease | None, now: datetime) -> list[Run]:
    """The open runs without a task on record whose lease nobody holds any more."""
    return [
        run
        for run in runs
        if run.state in LIVE_STATES and not run.task_arn and not holds(lease, run, now)
    ]


def holds(lease: Lease | None, run: Run, now: datetime) -> bool:
    """Whether the run has the lease, so that no other may begin."""
    return lease is not None and lease.run_id == run.run_id and lease.held(now)


def end_all(
    ecs: ECSClient, registry: Registry, runs: list[Run], hung: Iterable[Run], now: datetime
) -> list[Run]:
    """End those that hang and what nobody carries out, before a launch; the runs as they are then.

    A hung task that cannot be stopped raises only if it holds the lease, so that nothing can
    begin. Otherwise it is the daily look's to tell, and no reason to lose another slot too.
    """
    lease = registry.lease()
    for run in abandoned(runs, lease, now):
        close_abandoned(registry, run, now)
    for run in hung:
        try:
            stop(ecs, registry, run, now)
        except LaunchError as error:
            if holds(lease, run, now):
                raise
            log.error("left open: %s", error)
    return registry.runs()


def stop(ecs: ECSClient, registry: Registry, run: Run, now: datetime) -> None:
    """Stop the run's task, close its record as failed and free its lease.

    Stopped first: a record that says failed while its task goes on would be forgotten. Raises
    LaunchError when the task cannot be stopped, and then nothing is written.

    One task is left alone, loudly: that which ECS refuses for good to stop (it runs in a former
    cluster, say, for which the role has no right) and which lost its lease. It can change nothing
    any more, and its record would otherwise stay open for ever.
    """
    assert run.task_arn, "only a task can be stopped"
    minutes = int((now - _begun(run)).total_seconds() // 60)
    late = "it did not end within its deadline and"
    reason = f"{late} was stopped after {minutes:,} minutes"
    try:
        _stop_task(ecs, run, reason)
    except LaunchError as error:
        if is_open(error) or holds(registry.lease(), run, now):
            raise
        log.error("a hung task cannot be stopped: %s", error)
        reason = f"{late} could not be stopped: {error}; stop {run.task_arn} by hand"
    registry.close(run.run_id, task_arn=None, exit_code=HUNG_EXIT, reason=reason, now=now)
    log.error("a hung run was closed", extra={"hung_run": run.run_id, "task_arn": run.task_arn})


def close_abandoned(registry: Registry, run: Run, now: datetime) -> Run | None:
    """Close a run that nobody carries out; None if somebody has begun or closed it meanwhile."""
    launched = run.state == "launched"
    closed = registry.close(
        run.run_id,
        task_arn=NO_TASK if launched else None,
        exit_code=ABANDONED_EXIT,
        reason=(
            "its task never began: no task was noted, and its lease has lapsed"
            if launched
            else f"its owner {run.owner} fell silent: its lease has lapsed"
        ),
        now=now,
    )
    if closed is not None:
        log.error("an abandoned run was closed", extra={"abandoned_run": run.run_id})
    return closed


def _begun(run: Run) -> datetime:
    """When the task claimed the run or, if none has, when it was last launched."""
    return run.started_at or run.created_at


def _stop_task(ecs: ECSClient, run: Run, reason: str) -> None:
    """Stop the run's task in the cluster that it runs in, which need not be today's."""
    task_arn = str(run.task_arn)
    with as_error(LaunchError, f"the hung task of {run.run_id} must be stopped", task_arn):
        try:
            ecs.stop_task(
                cluster=_cluster(task_arn), task=task_arn, reason=f"{run.run_id}: {reason}"
            )
        except ClientError as exc:
            # ECS forgets a stopped task after an hour, and no cluster is deleted with tasks in it.
            error = exc.response["Error"]
            gone = error.get("Code") == "ClusterNotFoundException"
            if not gone and _GONE not in str(error.get("Message", "")):
                raise


def _cluster(task_arn: str) -> str:
    """The cluster in a task's ARN, as in arn:aws:ecs:us-east-1:123456789012:task/CLUSTER/ID."""
    place, _, name = task_arn.partition(":task/")
    return f"{place}:cluster/{name.partition('/')[0]}"
