"""A small service with a version, for tests of the supervisor."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from local.cloud.calls import SETTING_UP
from local.cloud.client import Cloud
from local.load import Seen, load

CLUSTER, API = "small", "api"


@dataclass(frozen=True, kw_only=True)
class Served:
    """The small cloud's service; its program says what `file` held when it was started."""

    cloud: Cloud
    file: Path

    def says(self, version: str) -> None:
        """From now on a process that starts has this version."""
        self.file.write_text(version, "utf-8")

    def program(self, fault: str = "") -> None:
        """From now on a process that starts has this fault."""
        self.cloud.program(service=API, STUB=fault, STUB_FILE=self.file.as_uri())

    def force(self, **changes: Any) -> str:
        """Force a deployment, and do not wait; its id."""
        changes = {"forceNewDeployment": True} | changes
        updated = self.ecs.update_service(cluster=CLUSTER, service=API, **changes)
        return str(updated["service"]["deployments"][0]["id"])

    @property
    def ecs(self) -> Any:
        return self.cloud.client("ecs", SETTING_UP)

    def tasks(self) -> list[dict[str, Any]]:
        """The service's running tasks as ECS describes them."""
        arns = self.ecs.list_tasks(cluster=CLUSTER, serviceName=API)["taskArns"]
        if not arns:
            return []
        found: list[dict[str, Any]] = self.ecs.describe_tasks(cluster=CLUSTER, tasks=arns)["tasks"]
        return found

    def tmp(self, task: Mapping[str, Any]) -> Path:
        """A task's own `/tmp`."""
        identity = str(task["taskArn"]).rpartition("/")[2]
        return self.cloud.folder / "tasks" / identity / "tmp"

    def answer(self, path: str = "/") -> str:
        """What the service answers."""
        with urlopen(self.cloud.service_url + path, timeout=10) as answer:
            return str(answer.read().decode())

    def others(self, task: Mapping[str, Any]) -> bool:
        """Whether a task is none of the service's any more."""
        return task["taskArn"] not in [each["taskArn"] for each in self.tasks()]

    def is_whole(self) -> bool:
        """Whether as many tasks serve as are desired."""
        service = self.cloud.service()
        return bool(service["runningCount"] == service["desiredCount"])

    def failure(self, deployment: str) -> dict[str, Any]:
        """What the bus was told of a deployment's failure."""
        events = [event["payload"]["detail"] for event in self.cloud.state()["events"]]
        name = "SERVICE_DEPLOYMENT_FAILED"
        of_it = [each for each in events if each.get("deploymentId") == deployment]
        (found,) = [each for each in of_it if each["eventName"] == name]
        return dict(found)

    def own_answer(self, task: Mapping[str, Any], path: str = "/") -> Any:
        """What one of its tasks answers, asked itself."""
        (binding,) = task["containers"][0]["networkBindings"]
        (detail,) = task["attachments"][0]["details"]
        with urlopen(f"http://{detail['value']}:{binding['hostPort']}{path}", timeout=10) as answer:
            text = answer.read().decode()
        return json.loads(text) if path == "/environment" else text

    @contextmanager
    def under_load(self) -> Iterator[Seen]:
        """Clients ask all the time; there are some before the block begins, and after it ends."""
        with load(self.cloud.service_url, "/") as seen:
            self._wait_for(seen, 10)
            yield seen
            self._wait_for(seen, seen.requests + 10)

    def _wait_for(self, seen: Seen, requests: int) -> None:
        self.cloud.until(lambda _: seen.requests >= requests)

    def names(self, deployment: str) -> list[str]:
        """What the bus was told of a deployment, in order."""
        events = [event["payload"] for event in self.cloud.state()["events"]]
        return [
            event["detail"]["eventName"]
            for event in events
            if event["detail"].get("deploymentId") == deployment
        ]
