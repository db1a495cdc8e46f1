"""Whether a service's process is well: a target group's checks, on a thread for each task."""

from __future__ import annotations

import http.client
import time
from dataclasses import dataclass

from local.cloud.task_record import Task

HOST = "127.0.0.1"
UNKNOWN, HEALTHY, UNHEALTHY = "UNKNOWN", "HEALTHY", "UNHEALTHY"


@dataclass(kw_only=True)
class Pace:
    """How fast a service's life goes here; seconds where ECS and ALB have tens of them."""

    check_seconds: float = 0.1
    """Between two health checks."""
    check_timeout: float = 2.0
    """A check without an answer for so long has failed."""
    unhealthy_checks: int = 3
    """So many failed checks in a row make a task that was healthy unhealthy."""
    start_seconds: float = 30.0
    """A task that has not become healthy in this time has failed to start."""
    retry_seconds: float = 0.1
    """Pause before the next task is started in place of one that failed."""
    drain_seconds: float = 10.0
    """At most so long for requests under way before a task is told to stop."""
    failures: int = 3
    """So many failed tasks in a row fail a deployment, if half of the desired count is less."""


def watch(task: Task, path: str, pace: Pace) -> None:
    """Keep `task.health` up to date until the task ends or is told to stop."""
    begun, failed = time.monotonic(), 0
    while not (task.stopped_at or task.desired_status == "STOPPED" or task.forgotten):
        failed = 0 if _is_well(task.host_port, path, pace.check_timeout) else failed + 1
        late = task.health == UNKNOWN and time.monotonic() - begun > pace.start_seconds
        if not failed:
            task.health = HEALTHY
        elif late or (task.health == HEALTHY and failed >= pace.unhealthy_checks):
            task.health = UNHEALTHY
            return
        time.sleep(pace.check_seconds)


def _is_well(port: int | None, path: str, seconds: float) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=seconds)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
