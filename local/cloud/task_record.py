"""What ECS knows of one task: as DescribeTasks answers it, as an event, and as its metadata."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(kw_only=True)
class Task:
    """One task, from RunTask to its end."""

    arn: str
    cluster_arn: str
    definition: Mapping[str, Any]
    """As DescribeTaskDefinition answers it."""
    request: Mapping[str, Any]
    folder: Path
    process: subprocess.Popen[bytes] | None = None
    created_at: datetime = field(default_factory=_now)
    started_at: datetime | None = None
    stopping_at: datetime | None = None
    stopped_at: datetime | None = None
    last_status: str = "PROVISIONING"
    desired_status: str = "RUNNING"
    stop_code: str = ""
    stopped_reason: str = ""
    container_reason: str = ""
    exit_code: int | None = None
    version: int = 1
    told: bool = False
    """Whether its end has been handed to the event bus."""
    forgotten: bool = False
    """Whether a reset has dropped it: nobody is told about its end."""
    service: str = ""
    """The name of its service, if it is a service's."""
    host_port: int | None = None
    """Where a service's task listens on this machine."""
    health: str = "UNKNOWN"
    drain: Callable[[], object] | None = None
    """Returns when no request is under way to it any more."""

    @property
    def id(self) -> str:
        """The last part of the ARN."""
        return self.arn.rpartition("/")[2]

    @property
    def family(self) -> str:
        return str(self.definition["family"])

    @property
    def role(self) -> str:
        """The ARN of the role that it acts for."""
        return str(self.definition["taskRoleArn"])

    @property
    def container_port(self) -> int | None:
        """The port that its container listens on by its task definition."""
        ports = [each["containerPort"] for each in self.container.get("portMappings", [])]
        return int(ports[0]) if ports else None

    @property
    def started_by(self) -> str | None:
        return self.request.get("startedBy")

    @property
    def container(self) -> Mapping[str, Any]:
        """The definition's one container."""
        (container,) = self.definition["containerDefinitions"]
        return dict(container)

    @property
    def override(self) -> Mapping[str, Any]:
        """What the request overrides in it."""
        overrides = self.request.get("overrides", {}).get("containerOverrides", [])
        return next((dict(one) for one in overrides if one["name"] == self.container["name"]), {})

    @property
    def environment(self) -> dict[str, str]:
        """The definition's variables with the request's on top."""
        given = [*self.container.get("environment", []), *self.override.get("environment", [])]
        return {each["name"]: each["value"] for each in given}

    def running(self) -> None:
        """The container has started."""
        self.last_status, self.started_at = "RUNNING", _now()
        self.version += 1

    def stopping(self, code: str, reason: str) -> None:
        """Somebody wants it to stop."""
        self.desired_status, self.stopping_at = "STOPPED", _now()
        self.stop_code, self.stopped_reason = code, reason
        self.version += 1

    def never_started(self, reason: str) -> None:
        """It stopped before its container began, so there is no exit code."""
        self.stopping("TaskFailedToStart", reason)
        self.last_status, self.stopped_at = "STOPPED", _now()

    def ended(self, exit_code: int) -> None:
        """The container's process is gone."""
        if not self.stop_code:
            self.stopping("EssentialContainerExited", "Essential container in task exited")
        self.exit_code, self.stopped_at, self.last_status = exit_code, _now(), "STOPPED"
        self.version += 1

    def end(self, seconds: float) -> None:
        """SIGTERM once no request is under way; SIGKILL unless it ends within so many seconds."""
        assert self.process is not None, "a task that was started"
        if self.drain is not None:
            self.drain()
        self.process.terminate()
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()

    def as_json(self) -> dict[str, Any]:
        """As DescribeTasks answers it; times are seconds."""
        shown = self._shown()
        shown["containers"] = [self._container()]
        for name, at in self._times().items():
            shown[name] = at.timestamp()
        return shown

    def event(self, region: str, account: str) -> dict[str, Any]:
        """As EventBridge tells of its change of state; times are texts."""
        detail = self._shown() | {name: _text(at) for name, at in self._times().items()}
        image = {"image": self.container["image"], "imageDigest": self.image_digest}
        detail["containers"] = [self._container() | image]
        return {
            "version": "0",
            "id": str(uuid4()),
            "detail-type": "ECS Task State Change",
            "source": "aws.ecs",
            "account": account,
            "time": _text(_now()),
            "region": region,
            "resources": [self.arn],
            "detail": detail,
        }

    def metadata(self) -> dict[str, Any]:
        """What the container's metadata endpoint answers about the container."""
        return {
            "DockerId": f"{self.id}-{self._runtime}",
            "Name": self.container["name"],
            "DockerName": self.container["name"],
            "Image": self.container["image"],
            "ImageID": self.image_digest,
            "Labels": {
                "com.amazonaws.ecs.cluster": self.cluster_arn,
                "com.amazonaws.ecs.container-name": self.container["name"],
                "com.amazonaws.ecs.task-arn": self.arn,
                "com.amazonaws.ecs.task-definition-family": self.family,
                "com.amazonaws.ecs.task-definition-version": str(self.definition["revision"]),
            },
            "DesiredStatus": self.desired_status,
            "KnownStatus": self.last_status,
            "Type": "NORMAL",
        }

    def task_metadata(self) -> dict[str, Any]:
        """What it answers about the whole task."""
        return {
            "Cluster": self.cluster_arn,
            "TaskARN": self.arn,
            "Family": self.family,
            "Revision": str(self.definition["revision"]),
            "DesiredStatus": self.desired_status,
            "KnownStatus": self.last_status,
            "LaunchType": "FARGATE",
            "Containers": [self.metadata()],
        }

    @property
    def image_digest(self) -> str:
        """A digest that follows from the image's name."""
        return "sha256:" + hashlib.sha256(str(self.container["image"]).encode()).hexdigest()

    @property
    def _runtime(self) -> str:
        return str(int(self.id[:8], 16))

    def _shown(self) -> dict[str, Any]:
        """What does not differ between an answer and an event."""
        shown = {
            "taskArn": self.arn,
            "clusterArn": self.cluster_arn,
            "taskDefinitionArn": self.definition["taskDefinitionArn"],
            "group": f"service:{self.service}" if self.service else f"family:{self.family}",
            "startedBy": self.started_by,
            "lastStatus": self.last_status,
            "desiredStatus": self.desired_status,
            "launchType": "FARGATE",
            "platformVersion": "1.4.0",
            "overrides": self.request.get("overrides", {"containerOverrides": []}),
            "stopCode": self.stop_code or None,
            "stoppedReason": self.stopped_reason or None,
            "version": self.version,
            "healthStatus": self.health if self.service else None,
            "attachments": [self._attachment()] if self.service else None,
        }
        return {name: value for name, value in shown.items() if value is not None}

    def _times(self) -> dict[str, datetime]:
        times = {
            "createdAt": self.created_at,
            "startedAt": self.started_at,
            "stoppingAt": self.stopping_at,
            "stoppedAt": self.stopped_at,
        }
        return {name: at for name, at in times.items() if at is not None}

    def _container(self) -> dict[str, Any]:
        shown = {
            "containerArn": self.arn.replace(":task/", ":container/") + f"/{self._runtime}",
            "taskArn": self.arn,
            "name": self.container["name"],
            "lastStatus": self.last_status,
            "runtimeId": f"{self.id}-{self._runtime}",
            "reason": self.container_reason or None,
            "exitCode": self.exit_code,
            "healthStatus": self.health if self.service else None,
            "networkBindings": [self._binding()] if self.service else None,
        }
        return {name: value for name, value in shown.items() if value is not None}

    def _attachment(self) -> dict[str, Any]:
        """Its network interface; here all share one address."""
        return {
            "id": self.id,
            "type": "ElasticNetworkInterface",
            "status": "DELETED" if self.stopped_at else "ATTACHED",
            "details": [{"name": "privateIPv4Address", "value": "127.0.0.1"}],
        }

    def _binding(self) -> dict[str, Any]:
        return {
            "bindIP": "127.0.0.1",
            "containerPort": self.container_port,
            "hostPort": self.host_port,
            "protocol": "tcp",
        }


def _text(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
