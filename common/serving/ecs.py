"""An ECS service that serves the active version: looked at, told, and asked task by task.

A task of it loads the active version when it starts and keeps it, so a new version comes into
service by a forced deployment, which starts every task anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from common.aws_errors import as_error
from common.errors import NotServedError, ServingError
from common.serving.answers import Api
from common.serving.look import Look, Stage, look, stage

if TYPE_CHECKING:
    from types_boto3_ecs import ECSClient

DESCRIBED = 100
"""Tasks that ECS describes in one call."""


@dataclass(frozen=True, kw_only=True)
class EcsService:
    """The service `name` in `cluster`."""

    cluster: str
    name: str
    address: str | None = None
    """Its load balancer's URL."""
    ecs: ECSClient = field(repr=False, compare=False)

    @property
    def follows(self) -> bool:
        """Its tasks keep what they loaded."""
        return False

    def __str__(self) -> str:
        return f"ecs://{self.cluster}/{self.name}"

    def check(self) -> None:
        """Raise ServingError unless the service can deploy; NotServedError where there is none."""
        found = self._look().status
        if found != "ACTIVE":
            raise NotServedError(
                f"the service must be ACTIVE to be told of a new model, {self} is {found}: make "
                "it, or correct SERVING_URL or AWS_REGION"
            )

    def force(self) -> Stage:
        """Force a new deployment, so that every task starts anew and loads the active version."""
        with as_error(ServingError, "the service must deploy anew", "SERVING_URL"):
            answer = self.ecs.update_service(
                cluster=self.cluster, service=self.name, forceNewDeployment=True
            )
        seen = look(answer)
        primary = next((each.id for each in seen.deployments if each.status == "PRIMARY"), "")
        if not primary:
            raise ServingError(
                f"the service must deploy anew, got no PRIMARY deployment of {self}: look at its "
                "events, then run again"
            )
        return Stage(done=False, deployment=primary, desired=seen.desired, says="begun")

    def stage(self, deployment: str | None) -> Stage:
        """How far a deployment is; None: the newest. Raises ServingError when it failed."""
        return stage(self._look(), deployment)

    def tasks(self, deployment: str) -> list[Api]:
        """Every task that runs; ServingError while one belongs to another deployment."""
        with as_error(ServingError, "the service's tasks must be known", "SERVING_URL"):
            pages = self.ecs.get_paginator("list_tasks").paginate(
                cluster=self.cluster, serviceName=self.name, desiredStatus="RUNNING"
            )
            arns = [arn for page in pages for arn in page["taskArns"]]
            found: list[Mapping[str, Any]] = []
            for start in range(0, len(arns), DESCRIBED):
                some = arns[start : start + DESCRIBED]
                answer = self.ecs.describe_tasks(cluster=self.cluster, tasks=some)
                found += [dict(task) for task in answer["tasks"]]
        others = [task["taskArn"] for task in found if task.get("startedBy") != deployment]
        if others:
            raise ServingError(
                f"every task of {self} must be of {deployment}, {len(others)} of {len(found)} "
                "are not yet"
            )
        ports: dict[str, Mapping[str, int]] = {}
        # One that is starting, as when the service is scaled out, has no address yet.
        running = [task for task in found if task.get("lastStatus") == "RUNNING"]
        return [Api(self._url(task, ports)) for task in running]

    def _look(self) -> Look:
        with as_error(ServingError, "the service must tell how it is", "SERVING_URL"):
            return look(self.ecs.describe_services(cluster=self.cluster, services=[self.name]))

    def _url(self, task: Mapping[str, Any], known: dict[str, Mapping[str, int]]) -> str:
        """Where a task answers: its own address, and the port of its container."""
        details = [one for each in task.get("attachments", []) for one in each.get("details", [])]
        address = next((d["value"] for d in details if d.get("name") == "privateIPv4Address"), None)
        definition = task["taskDefinitionArn"]
        if definition not in known:
            known[definition] = self._ports(definition)
        bound = {
            (container["name"], each["containerPort"]): each["hostPort"]
            for container in task.get("containers", [])
            for each in container.get("networkBindings", [])
            if each.get("hostPort")
        }
        for name, port in known[definition].items():
            if address:
                # Where tasks share an address, each listens on another port than its container.
                return f"http://{address}:{bound.get((name, port), port)}"
        raise ServingError(
            f"a task of {self} must have an address and a port of its own (network mode awsvpc, a "
            "port mapping in its task definition), got one without: set verify to deployment"
        )

    def _ports(self, definition: str) -> Mapping[str, int]:
        """Container → its first port, of those that have one."""
        with as_error(ServingError, "the service's task definition must be known", "SERVING_URL"):
            answer = self.ecs.describe_task_definition(taskDefinition=definition)
        return {
            container["name"]: container["portMappings"][0]["containerPort"]
            for container in answer["taskDefinition"]["containerDefinitions"]
            if container.get("portMappings")
        }
