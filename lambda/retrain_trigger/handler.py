"""The trigger: a schedule or a person asks, and a run is launched or skipped.

    retrain_trigger.handler.handle({}, context)  →  {"decision": "launched", "run_id": …}

Nothing is caught here: an error that leaves the function is counted, retried and kept by Lambda,
and an outage that was turned into an answer would be none of these.
"""

import logging
import os
import sys
import time
from datetime import UTC, datetime
from typing import Any

from common.aws import client
from common.database import VoteCounts, open_votes
from common.registry import open_registry
from common.settings import Settings, load, require
from retrain_trigger import metrics
from retrain_trigger.boundary import Context, set_up_logs
from retrain_trigger.request import parse
from retrain_trigger.settings import TriggerSettings, read
from retrain_trigger.trigger import Trigger, answer

log = logging.getLogger(__name__)


def handle(event: object, context: Context) -> dict[str, Any]:
    """Answer one event; raises RetrainError for wrong events, wrong settings and outages."""
    set_up_logs(None)
    request = parse(event, context.aws_request_id)
    settings = load(yaml_path=None, env_file=None, environ=os.environ, flags=request.settings)
    set_up_logs(request.run_id, secrets=[settings.db_password or ""])
    own = read(TriggerSettings, os.environ)
    (registry_url,) = require(settings, "registry_url")
    trigger = Trigger(
        settings=settings,
        own=own,
        registry=open_registry(registry_url),
        ecs=client("ecs"),
        count=lambda since: _count(settings, since),
        now=_now,
        emit=lambda values: metrics.emit(own.stage, values, _now(), sys.stdout),
        sleep=time.sleep,
        owner=f"trigger/{context.aws_request_id}",
    )
    found = answer(trigger, request).as_json()
    log.info("answered", extra={"request_id": context.aws_request_id, "answer": found})
    return found


def _count(settings: Settings, since: datetime | None) -> VoteCounts:
    with open_votes(settings) as database:
        return database.count_votes(since)


def _now() -> datetime:
    return datetime.now(UTC)
