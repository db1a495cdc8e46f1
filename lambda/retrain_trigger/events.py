"""The watcher: ECS says that a task ended, or it is time for the daily look.

    retrain_trigger.events.handle({"check": "daily"}, context)  →  {"outcome": "checked", …}

A function of its own, since it needs neither the database nor the trigger's network and rights,
and the end of a task must not wait for a count. Nothing is caught here: see `handler`.
"""

import logging
import os
import sys
from datetime import UTC, datetime
from typing import Any

from common.aws import client
from common.errors import UsageError
from common.registry import open_registry
from common.setting_rules import shown
from common.settings import load, require
from retrain_trigger import metrics
from retrain_trigger.boundary import Context, set_up_logs
from retrain_trigger.settings import CONTAINER, WatcherSettings, read
from retrain_trigger.stopped import task_end
from retrain_trigger.watch import Watcher, daily, ended

log = logging.getLogger(__name__)

DAILY = {"check": "daily"}
TASK_EVENT = "ECS Task State Change"


def handle(event: object, context: Context) -> dict[str, Any]:
    """Act on one event; raises RetrainError for wrong events, wrong settings and outages."""
    set_up_logs(None)
    watcher = _watcher()
    found = _act(watcher, event)
    log.info("watched", extra={"request_id": context.aws_request_id, "answer": found})
    return found


def _watcher() -> Watcher:
    settings = load(yaml_path=None, env_file=None, environ=os.environ, flags={})
    own = read(WatcherSettings, os.environ)
    (registry_url,) = require(settings, "registry_url")
    return Watcher(
        own=own,
        registry=open_registry(registry_url),
        ecs=client("ecs"),
        sns=client("sns"),
        deadline_minutes=settings.deadline_minutes,
        now=_now,
        emit=lambda values: metrics.emit(own.stage, values, _now(), sys.stdout),
    )


def _act(watcher: Watcher, event: object) -> dict[str, Any]:
    if event == DAILY:
        return daily(watcher)
    if not isinstance(event, dict) or event.get("detail-type") != TASK_EVENT:
        raise UsageError(
            f'the watcher takes {{"check": "daily"}} or an event "{TASK_EVENT}", got '
            f"{shown(event)}: a run is asked for at the trigger"
        )
    end = task_end(event, CONTAINER)
    if end is None:
        return {"outcome": "ignored", "reason": "the task has not ended"}
    set_up_logs(end.started_by or None)
    return ended(watcher, end)


def _now() -> datetime:
    return datetime.now(UTC)
