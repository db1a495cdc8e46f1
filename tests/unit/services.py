"""ECS with the service `api` in the cluster `hairme`, which answers as it is told to, in order.

Requests and answers are checked against AWS's own model of them; one that was not announced is
an error.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from botocore.stub import Stubber

if TYPE_CHECKING:
    from types_boto3_ecs import ECSClient

ADDRESS = "ecs://hairme/api"


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
