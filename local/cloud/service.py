"""One ECS service: real processes behind a load balancer, and rolling deployments of them.

A thread looks again and again: what has become of the tasks, what follows from it
(`service_steps.py`), and does that. A forced deployment starts as many new processes as are
desired, waits until each is healthy, lets it have requests, and only then drains and stops the
old ones. Failed starts in a row fail the deployment where the service has a circuit breaker. If it
rolls back, a new deployment of what was completed before follows: with new tasks, as on ECS, so
what they load is what the registry names then. While they do not become healthy either, the tasks
of before stay.

A service whose container has no port is somebody else's: it runs nothing, and each of its
deployments is complete at once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from local.cloud import service_steps as steps
from local.cloud.balancer import Balancer
from local.cloud.health import HEALTHY, UNHEALTHY, Pace, watch
from local.cloud.processes import EndedError
from local.cloud.service_record import (
    COMPLETED,
    FAILED,
    IN_PROGRESS,
    MOST_EVENTS,
    Deployment,
    Told,
    now,
)
from local.cloud.task_record import Task

LOOK_SECONDS = 0.02
ACTIVE, DRAINING, INACTIVE = "ACTIVE", "DRAINING", "INACTIVE"
LOST = ("EssentialContainerExited", "TaskFailedToStart")
"""Why a task has stopped that nobody had told to."""


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What a service works with."""

    start: Callable[[str, str, Mapping[str, Any]], Task]
    """Starts a task: (service, deployment id, task definition)."""
    stop: Callable[[Task, str], None]
    """Tells a task to stop, for a reason."""
    tell: Callable[[str, Deployment], None]
    """Tells the event bus of a service's deployment, by the service's ARN."""
    pace: Pace


@dataclass(kw_only=True)
class Service:
    """A service from CreateService to DeleteService. Its methods may be called by any thread."""

    arn: str
    name: str
    request: Mapping[str, Any]
    health_path: str
    balancer: Balancer
    around: Surroundings
    desired: int
    status: str = ACTIVE
    deployments: list[Deployment] = field(default_factory=list)
    """The newest, which is the primary one, first."""
    completed: Mapping[str, Any] | None = None
    """The task definition of the last deployment that was completed."""
    events: list[Told] = field(default_factory=list)
    created_at: datetime = field(default_factory=now)
    _not_before: float = 0.0
    """When the next task may start, after one was lost."""
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _closed: threading.Event = field(default_factory=threading.Event)

    def settle(self, definition: Mapping[str, Any]) -> None:
        """Be as after a deployment that nobody has seen: there is nothing to start."""
        made = Deployment(definition=definition, desired=self.desired)
        made.turn(COMPLETED, f"ECS deployment {made.id} completed.")
        self.deployments, self.completed = [made], definition

    def begin(self) -> None:
        """Look after the tasks from now on."""
        threading.Thread(target=self._run, daemon=True).start()

    def close(self) -> None:
        """Look after nothing any more; the tasks are somebody else's matter."""
        self._closed.set()
        with self._lock:
            self.deployments.clear()

    def deploy(self, definition: Mapping[str, Any], *, is_rollback: bool = False) -> Deployment:
        """Put a new deployment in the primary one's place."""
        with self._lock:
            made = Deployment(definition=definition, desired=self.desired, is_rollback=is_rollback)
            self.deployments.insert(0, made)
            self.around.tell(self.arn, made)
            return made

    def scale(self, desired: int) -> None:
        """Another desired count, for the primary deployment too."""
        with self._lock:
            self.desired = self.deployments[0].desired = desired

    def delete(self) -> None:
        """Stop everything; then the service is inactive."""
        with self._lock:
            self.status = DRAINING
            self.scale(0)

    @property
    def primary(self) -> Deployment:
        """The newest deployment."""
        return self.deployments[0]

    @property
    def runs_processes(self) -> bool:
        """Whether its container listens, so that there is something to serve."""
        (container,) = self.primary.definition["containerDefinitions"]
        return bool(container.get("portMappings"))

    def as_json(self) -> dict[str, Any]:
        """As DescribeServices answers it; times are seconds."""
        with self._lock:
            shown = [
                each.as_json(is_primary=each is self.primary, running=self._running(each))
                for each in self.deployments
            ]
            echoed = ("loadBalancers", "networkConfiguration", "deploymentConfiguration")
            return {name: self.request[name] for name in echoed if name in self.request} | {
                "serviceArn": self.arn,
                "serviceName": self.name,
                "clusterArn": self.arn.replace(":service/", ":cluster/").rpartition("/")[0],
                "status": self.status,
                "desiredCount": self.desired,
                "runningCount": sum(each["runningCount"] for each in shown),
                "pendingCount": sum(each["pendingCount"] for each in shown),
                "launchType": "FARGATE",
                "schedulingStrategy": "REPLICA",
                "taskDefinition": self.primary.definition["taskDefinitionArn"],
                "deployments": shown if self.status == ACTIVE else [],
                "events": [told.as_json() for told in reversed(self.events)],
                "createdAt": self.created_at.timestamp(),
            }

    # ---------------------------------------------------------------------- what happens by itself

    def _run(self) -> None:
        with suppress(EndedError):  # when everything ends, no task need be started any more
            while not self._closed.wait(LOOK_SECONDS):
                self.look()

    def look(self) -> None:
        """Take note of what has become of the tasks, and do what follows."""
        with self._lock:
            if self._closed.is_set() or self.status == INACTIVE:
                return
            for deployment in list(self.deployments):
                for task in list(deployment.tasks):
                    self._note(deployment, task)
                    self._break()  # at the failure that is one too many, not at those beside it
            self._stop_spare()
            self._start_missing()
            self._finish()

    def _note(self, deployment: Deployment, task: Task) -> None:
        """A task that has become healthy gets requests; one that is lost is counted and stopped."""
        port = task.host_port or 0
        exited = bool(task.stopped_at) and task.stop_code in LOST
        if exited or (task.health == UNHEALTHY and task.desired_status == "RUNNING"):
            deployment.failed += deployment.rollout == IN_PROGRESS
            self._not_before = time.monotonic() + self.around.pace.retry_seconds
            self.say(f"(task {task.id}) has {'ended by itself' if exited else 'become unhealthy'}.")
            self._stop(task, "Task failed health checks")
        if task.stopped_at:
            self.balancer.drain(port, 0)
            deployment.tasks.remove(task)
        elif task in deployment.healthy() and port not in self.balancer.ports:
            self.balancer.register(port)
            deployment.failed = 0
            self.say(f"registered 1 targets: (task {task.id}).")

    def _break(self) -> None:
        """The circuit breaker: too many failures in a row, and what was before comes back."""
        primary, breaker = self.primary, self._breaker()
        allowed = steps.failures_allowed(primary.desired, self.around.pace.failures)
        if primary.rollout != IN_PROGRESS or primary.failed < allowed or not breaker.get("enable"):
            return
        primary.turn(FAILED, "ECS deployment circuit breaker: tasks failed to start.")
        self.say(f"(deployment {primary.id}) deployment failed: tasks failed to start.")
        self.around.tell(self.arn, primary)
        again = breaker.get("rollback") and not primary.is_rollback
        if again and self.completed is not None:
            back = self.deploy(self.completed, is_rollback=True)
            self.say(f"rolling back to (deployment {back.id}).")

    def _stop_spare(self) -> None:
        """Stop what the primary deployment has too many of, and what it has replaced."""
        primary, older = self.primary, self._first_to_go()
        replaced = steps.to_stop(
            self.desired, primary.counted(), [each.counted() for each in older]
        )
        for each, spare in zip(older, replaced, strict=True):
            pending = [task for task in each.staying if task.health != HEALTHY]
            for task in [*pending, *each.healthy()[:spare]]:
                self._stop(task, f"Scaling activity initiated by deployment {primary.id}")
        if primary.rollout == FAILED:
            return
        most = sorted(primary.staying, key=lambda task: task.health != HEALTHY)
        for task in most[primary.desired :]:
            self._stop(task, "Scaling activity initiated by the desired count")

    def _start_missing(self) -> None:
        primary, pause = self.primary, self._not_before - time.monotonic()
        if primary.rollout == FAILED or not self.runs_processes or pause > 0:
            return
        older = [each.counted() for each in self.deployments[1:]]
        leaving = sum(len(each.leaving) for each in self.deployments)
        for _ in range(steps.to_start(primary.desired, primary.counted(), older, leaving)):
            task = self.around.start(self.name, primary.id, primary.definition)
            task.drain = lambda port=task.host_port: self._drain(port)
            primary.tasks.append(task)
            watched = task, self.health_path, self.around.pace
            threading.Thread(target=watch, args=watched, daemon=True).start()
            self.say(f"has started 1 tasks: (task {task.id}).")

    def _finish(self) -> None:
        """A deployment that has what it wants is complete; one that has nothing left is gone."""
        primary, older = self.primary, self.deployments[1:]
        alone = not any(each.staying or each.leaving for each in older)
        done = alone and steps.is_enough(primary.desired, primary.counted())
        if (done or not self.runs_processes) and primary.rollout == IN_PROGRESS:
            primary.turn(COMPLETED, f"ECS deployment {primary.id} completed.")
            self.completed = primary.definition
            self.say(f"(deployment {primary.id}) deployment completed.")
            self.say("has reached a steady state.")
            self.around.tell(self.arn, primary)
        if primary.rollout != IN_PROGRESS:
            kept = [each for each in older if each.staying or each.leaving]
            self.deployments = [primary, *kept]
        if self.status == DRAINING and not (primary.staying or primary.leaving):
            self.status = INACTIVE

    def _first_to_go(self) -> list[Deployment]:
        """The older deployments: what failed goes first, and what is oldest before the others."""
        older = reversed(self.deployments[1:])
        return sorted(older, key=lambda each: each.rollout != FAILED)

    def _stop(self, task: Task, reason: str) -> None:
        if task.stopped_at is None:
            self.say(f"has begun draining and stops 1 running tasks: (task {task.id}).")
            self.around.stop(task, f"{reason}.")

    def _drain(self, port: int | None) -> None:
        self.balancer.drain(port or 0, self.around.pace.drain_seconds)

    def _breaker(self) -> Mapping[str, Any]:
        """The circuit breaker as the service is configured; ECS has none by default."""
        configured = self.request.get("deploymentConfiguration", {})
        return dict(configured.get("deploymentCircuitBreaker", {}))

    def _running(self, deployment: Deployment) -> int:
        healthy = len(deployment.healthy())
        return healthy if self.runs_processes else deployment.desired

    def say(self, message: str) -> None:
        """Add a line to the service's events."""
        self.events.append(Told(message=f"(service {self.name}) {message}"))
        del self.events[:-MOST_EVENTS]
