"""What ECS knows of a service: as DescribeServices answers it, and as events tell of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from local.cloud.health import HEALTHY
from local.cloud.service_steps import Counted
from local.cloud.task_record import Task

IN_PROGRESS, COMPLETED, FAILED = "IN_PROGRESS", "COMPLETED", "FAILED"
MOST_EVENTS = 100


def now() -> datetime:
    """The time of day, with its zone."""
    return datetime.now(UTC)


@dataclass(kw_only=True)
class Deployment:
    """One deployment of a service, and its tasks."""

    definition: Mapping[str, Any]
    desired: int
    is_rollback: bool = False
    id: str = field(default_factory=lambda: f"ecs-svc/{uuid4().int % 10**19:019}")
    rollout: str = IN_PROGRESS
    reason: str = ""
    failed: int = 0
    """Failed tasks in a row."""
    tasks: list[Task] = field(default_factory=list)
    created_at: datetime = field(default_factory=now)
    updated_at: datetime = field(default_factory=now)

    def __post_init__(self) -> None:
        self.reason = f"ECS deployment {self.id} in progress."
        if self.is_rollback:
            self.reason = f"ECS deployment circuit breaker: rolling back to deploymentId {self.id}."

    def turn(self, rollout: str, reason: str) -> None:
        """It has come to an end."""
        self.rollout, self.reason, self.updated_at = rollout, reason, now()

    @property
    def staying(self) -> list[Task]:
        """Live tasks that nobody has told to stop."""
        return [t for t in self.tasks if not t.stopped_at and t.desired_status == "RUNNING"]

    @property
    def leaving(self) -> list[Task]:
        """Live tasks that have been told to stop."""
        return [t for t in self.tasks if not t.stopped_at and t.desired_status != "RUNNING"]

    def healthy(self) -> list[Task]:
        """Those that serve, oldest first."""
        return [task for task in self.staying if task.health == HEALTHY]

    def counted(self) -> Counted:
        """Its tasks in numbers."""
        healthy = len(self.healthy())
        return Counted(healthy=healthy, pending=len(self.staying) - healthy)

    def as_json(self, *, is_primary: bool, running: int) -> dict[str, Any]:
        """As DescribeServices answers it; times are seconds."""
        counted = self.counted()
        return {
            "id": self.id,
            "status": "PRIMARY" if is_primary else "ACTIVE",
            "taskDefinition": self.definition["taskDefinitionArn"],
            "desiredCount": self.desired,
            "pendingCount": counted.pending,
            "runningCount": running,
            "failedTasks": self.failed,
            "createdAt": self.created_at.timestamp(),
            "updatedAt": self.updated_at.timestamp(),
            "launchType": "FARGATE",
            "rolloutState": self.rollout,
            "rolloutStateReason": self.reason,
        }


@dataclass(frozen=True, kw_only=True)
class Told:
    """One line of a service's events."""

    message: str
    at: datetime = field(default_factory=now)
    id: str = field(default_factory=lambda: str(uuid4()))

    def as_json(self) -> dict[str, Any]:
        """As DescribeServices answers it."""
        return {"id": self.id, "createdAt": self.at.timestamp(), "message": self.message}


def deployment_event(
    service_arn: str, deployment: Deployment, region: str, account: str
) -> dict[str, Any]:
    """As EventBridge tells of a deployment's change of state."""
    text = now().isoformat(timespec="seconds").replace("+00:00", "Z")
    return {
        "version": "0",
        "id": str(uuid4()),
        "detail-type": "ECS Deployment State Change",
        "source": "aws.ecs",
        "account": account,
        "time": text,
        "region": region,
        "resources": [service_arn],
        "detail": {
            "eventType": "ERROR" if deployment.rollout == FAILED else "INFO",
            "eventName": f"SERVICE_DEPLOYMENT_{deployment.rollout}",
            "deploymentId": deployment.id,
            "updatedAt": text,
            "reason": deployment.reason,
        },
    }
