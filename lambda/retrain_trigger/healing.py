"""The healer: a task or a deployment ended, or a day has passed, and a roll-out may be left open.

    retrain_trigger.healing.handle({"check": "daily"}, context)  →  {"healed": [], …}

A function of its own, inside the network: it asks the service's tasks what they serve, and it may
wait for minutes. Nothing is caught here: Lambda tries again what raised, and every step asks
first whether it is done.
"""

import logging
import os
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

from common.aws import client
from common.errors import UsageError
from common.healing import Healer, heal, left_open
from common.registry import Registry, open_registry
from common.registry.records import Run
from common.serving import service_at
from common.serving.watch import Patience, verify_of
from common.setting_rules import shown
from common.settings import load, require
from retrain_trigger import metrics
from retrain_trigger.boundary import Context, set_up_logs
from retrain_trigger.events import DAILY, TASK_EVENT
from retrain_trigger.settings import CONTAINER, HealerSettings, read
from retrain_trigger.stopped import task_end

log = logging.getLogger(__name__)

DEPLOYMENT_EVENT = "ECS Deployment State Change"
SPARE_SECONDS = 30.0
"""What is left of the function's time when it stops waiting: it must still write the end."""


class Timed(Context, Protocol):
    """What is read of Lambda's context here."""

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until Lambda ends the function."""
        ...


def handle(event: object, context: Timed) -> dict[str, Any]:
    """Heal what is left open; raises RetrainError for wrong events, wrong settings and outages."""
    set_up_logs(None)
    settings = load(yaml_path=None, env_file=None, environ=os.environ, flags={})
    own = read(HealerSettings, os.environ)
    registry_url, serving_url = require(settings, "registry_url", "serving_url")
    left = context.get_remaining_time_in_millis() / 1_000 - SPARE_SECONDS
    healer = Healer(
        registry=open_registry(registry_url),
        service=service_at(serving_url, lambda: client("ecs"), balancer=settings.service_url),
        verify=verify_of(settings),
        patience=Patience(
            seconds=settings.rollout_seconds,
            clock=time.monotonic,
            sleep=time.sleep,
            latest=time.monotonic() + left,
        ),
        now=_now,
    )
    _let_go(healer.registry, own, event, healer.now())
    healed = [heal(healer, run) for run in _open(healer)]
    if healed:
        metrics.emit(own.stage, {metrics.ROLLBACKS: len(healed)}, _now(), sys.stdout)
    found = {"healed": [{"run_id": r.run_id, "state": r.state, "reason": r.reason} for r in healed]}
    log.info("looked", extra={"request_id": context.aws_request_id, "answer": found})
    return found


def _open(healer: Healer) -> list[Run]:
    registry = healer.registry
    return left_open(registry.runs(), registry.lease(), healer.now())


def _let_go(registry: Registry, own: HealerSettings, event: object, now: datetime) -> None:
    """Take the lease from a roll-out whose own task has stopped, as its event says.

    Raises UsageError for an event that is none of ours.
    """
    if event == DAILY:
        return
    kind = event.get("detail-type") if isinstance(event, Mapping) else None
    if not isinstance(event, Mapping) or kind not in (TASK_EVENT, DEPLOYMENT_EVENT):
        raise UsageError(
            f'the healer takes {{"check": "daily"}} or an event "{TASK_EVENT}" or '
            f'"{DEPLOYMENT_EVENT}", got {shown(event)}: a run is asked for at the trigger'
        )
    end = task_end(event, CONTAINER) if kind == TASK_EVENT else None
    if end is None or end.cluster != own.cluster:
        return
    open_runs = (run for run in registry.runs() if run.state == "rolling_out")
    for run in open_runs:
        if run.run_id == end.started_by:
            registry.close(
                run.run_id,
                task_arn=end.task_arn,
                exit_code=end.record_exit,
                reason=end.sentence(),
                now=now,
            )


def _now() -> datetime:
    return datetime.now(UTC)
