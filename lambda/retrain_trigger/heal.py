"""Ends what hangs: a task that is still at work long after its deadline.

The task stops itself at its deadline; one that could not (stuck in a driver, starved, a container
that does not stop) is found by the next run or the watcher's daily look, since a standalone task
on ECS has no maximum run time.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from common.errors import LaunchError
from common.registry import Registry
from common.registry.records import LIVE_STATES, Run
from retrain_trigger.launch import refused, unreachable

if TYPE_CHECKING:
    from types_boto3_ecs import ECSClient

log = logging.getLogger(__name__)

GRACE_MINUTES = 15
"""After the deadline: time to start the task, and for it to stop by itself."""
HUNG_EXIT = 1
_GONE = "task was not found"


def overdue(runs: Iterable[Run], deadline_minutes: int, now: datetime) -> list[Run]:
    """The runs whose task should long have ended."""
    allowed = timedelta(minutes=deadline_minutes + GRACE_MINUTES)
    return [
        run
        for run in runs
        if run.state in LIVE_STATES and run.task_arn and now - run.created_at > allowed
    ]


def stop(ecs: ECSClient, registry: Registry, cluster: str, run: Run, now: datetime) -> None:
    """Stop the run's task, close its record as failed and free its lease.

    Stopped first: a record that says failed while its task goes on would be forgotten. Raises
    LaunchError when the task cannot be stopped, and then nothing is written.
    """
    assert run.task_arn, "only a task can be stopped"
    minutes = int((now - run.created_at).total_seconds() // 60)
    reason = f"it did not end within its deadline and was stopped after {minutes:,} minutes"
    try:
        ecs.stop_task(cluster=cluster, task=run.task_arn, reason=f"{run.run_id}: {reason}")
    except ClientError as exc:
        # ECS forgets a stopped task after an hour.
        if _GONE not in str(exc.response["Error"].get("Message", "")):
            raise LaunchError(refused("StopTask", exc)) from exc
    except BotoCoreError as exc:
        raise LaunchError(unreachable("StopTask", exc)) from exc
    registry.close(run.run_id, task_arn=None, exit_code=HUNG_EXIT, reason=reason, now=now)
    log.error("a hung task was stopped", extra={"hung_run": run.run_id, "task_arn": run.task_arn})
