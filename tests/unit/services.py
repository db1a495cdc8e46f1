"""ECS with the service `api` in the cluster `hairme`, which answers as it is told to, in order.

Requests and answers are checked against AWS's own model of them; one that was not announced is
an error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from botocore.stub import Stubber

if TYPE_CHECKING:
    from types_boto3_ecs import ECSClient

ADDRESS = "ecs://hairme/api"
_ARN = "arn:aws:ecs:us-east-1:123456789012"
_REVISION = f"{_ARN}:task-definition/api:7"


@cache
def _session() -> boto3.session.Session:
    """One for all clients: it keeps AWS's model, which takes half a second to read."""
    return boto3.session.Session(
        aws_access_key_id="x", aws_secret_access_key="x", region_name="us-east-1"
    )


class Ecs:
    """`client` answers what was announced; `asked` are the operations so far."""

    def __init__(self) -> None:
        self.client: ECSClient = _session().client("ecs")
        self.asked: list[str] = []
        self.client.meta.events.register("provide-client-params.ecs", self._note)
        self._happens: dict[str, Callable[[], object]] = {}
        self._stub = Stubber(self.client)
        self._stub.activate()

    def __call__(self) -> ECSClient:
        """The client, as whoever is to make it."""
        return self.client

    def is_(self, status: str | None = "ACTIVE") -> Ecs:
        """The next look at the service finds this status; None: there is no such service."""
        services = [{"serviceName": "api", "status": status}] if status else []
        failures = [] if status else [{"arn": "api", "reason": "MISSING"}]
        self._stub.add_response(
            "describe_services",
            {"services": services, "failures": failures},
            {"cluster": "hairme", "services": ["api"]},
        )
        return self

    def deploys(self, *deployments: tuple[str, str], desired: int = 2) -> Ecs:
        """It deploys anew, and then has these deployments: id and status."""
        listed = [{"id": number, "status": status} for number, status in deployments]
        answer: dict[str, Any] = {"service": {"desiredCount": desired, "deployments": listed}}
        self._stub.add_response(
            "update_service",
            answer,
            {"cluster": "hairme", "service": "api", "forceNewDeployment": True},
        )
        return self

    def has(self, *deployments: tuple[str, str], desired: int = 1) -> Ecs:
        """The next look finds these deployments, complete and with a task each."""
        listed = [
            {"id": number, "status": status, "rolloutState": "COMPLETED"}
            | {"desiredCount": 1, "runningCount": 1, "pendingCount": 0}
            for number, status in deployments
        ]
        service = {"status": "ACTIVE", "desiredCount": desired, "deployments": listed}
        self._stub.add_response("describe_services", {"services": [service]})
        return self

    def runs(self, tasks: Sequence[Mapping[str, Any]], *, pages: int = 1) -> Ecs:
        """The next question for the tasks: each has an `address`, maybe a `port` of its own."""
        arns = [f"{_ARN}:task/hairme/{i}" for i in range(len(tasks))]
        for page in range(pages):
            more = {"nextToken": f"page {page + 1}"} if page + 1 < pages else {}
            token = {"nextToken": f"page {page}"} if page else {}
            self._stub.add_response(
                "list_tasks",
                {"taskArns": arns[page::pages], **more},
                {"cluster": "hairme", "serviceName": "api", "desiredStatus": "RUNNING", **token},
            )
        listed = [i for page in range(pages) for i in range(page, len(tasks), pages)]
        for start in range(0, len(tasks), 100):
            some = listed[start : start + 100]
            self._stub.add_response(
                "describe_tasks",
                {"tasks": [_task(arns[i], tasks[i]) for i in some]},
                {"cluster": "hairme", "tasks": [arns[i] for i in some]},
            )
        return self

    def defines(self, port: int | None) -> Ecs:
        """The next question for the task definition: a sidecar, and the API with this port."""
        ports = [{"containerPort": port, "hostPort": port}] if port else []
        containers = [{"name": "sidecar"}, {"name": "api", "portMappings": ports}]
        self._stub.add_response(
            "describe_task_definition",
            {"taskDefinition": {"containerDefinitions": containers}},
            {"taskDefinition": _REVISION},
        )
        return self

    def refuses(self, operation: str, code: str) -> Ecs:
        """The next such operation is refused."""
        self._stub.add_client_error(operation, code, service_message="account 123456789012")
        return self

    def when(self, operation: str, happens: Callable[[], object]) -> Ecs:
        """Something happens elsewhere while the operation, as AWS spells it, is under way."""
        self._happens[operation] = happens
        return self

    def done(self) -> None:
        """Everything that was announced has been asked for."""
        self._stub.assert_no_pending_responses()

    def _note(self, model: Any, **_: object) -> None:
        self.asked.append(model.name)
        self._happens.pop(model.name, lambda: None)()


def _task(arn: str, task: Mapping[str, Any]) -> dict[str, Any]:
    address, port = task["address"], task.get("port")
    network = [{"name": "subnetId", "value": "subnet-a"}]
    network += [{"name": "privateIPv4Address", "value": address}] if address else []
    bindings = [{"containerPort": 8080, "hostPort": port}] if port else []
    return {
        "taskArn": arn,
        "taskDefinitionArn": _REVISION,
        "startedBy": task.get("deployment", "ecs-svc/1"),
        "lastStatus": task.get("status", "RUNNING"),
        "attachments": [{"type": "ElasticNetworkInterface", "details": network}],
        "containers": [{"name": "sidecar"}, {"name": "api", "networkBindings": bindings}],
    }
