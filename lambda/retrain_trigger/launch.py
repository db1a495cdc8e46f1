"""Starts the task of a run: the request is a plain value, and sending it is another matter.

RunTask answers 200 also when it starts nothing, with the reason in `failures`: capacity runs out
in one zone at a time, so the next attempt begins with another subnet. Each attempt of each run
has a token of its own, made from the run's id: whoever asks again, after a crash or a lost
answer, is given the task that is there already. Throttling and server errors are tried again by
the client itself.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from common.errors import LaunchError
from retrain_trigger.settings import TriggerSettings, listed

if TYPE_CHECKING:
    from types_boto3_ecs import ECSClient

log = logging.getLogger(__name__)

ATTEMPTS = 3
REMEDIES = {
    "AccessDeniedException": (
        "let the trigger's role run this very revision on this cluster and pass both its roles"
    ),
    "ClusterNotFoundException": "correct TRIGGER_CLUSTER, or deploy the stack again",
    "InvalidParameterException": (
        "correct the TRIGGER_ variable it names; a revision that is gone needs the stack deployed"
    ),
    "ThrottlingException": "send the event again in some minutes",
    "ServerException": "send the event again when AWS says that ECS is well",
}


def token(run_id: str, attempt: int) -> str:
    """What makes a repeated request of the same attempt harmless: 64 characters, ECS's limit."""
    return hashlib.sha256(f"{run_id}|{attempt}".encode()).hexdigest()


def task_request(
    settings: TriggerSettings, run_id: str, environment: Mapping[str, str], attempt: int
) -> dict[str, Any]:
    """The parameters of RunTask for one attempt, counted from 1.

    environment: the settings that this run overrides, as variables of the task.
    """
    subnets = listed(settings.subnets)
    first = (attempt - 1) % len(subnets)
    capacity: dict[str, Any] = {"launchType": "FARGATE"}
    if settings.capacity != "FARGATE":
        provider = {"capacityProvider": settings.capacity, "weight": 1}
        capacity = {"capacityProviderStrategy": [provider]}
    container = {
        "name": settings.container,
        "command": ["run", "--run-id", run_id, "--launched"],
        "environment": [{"name": name, "value": environment[name]} for name in sorted(environment)],
    }
    return capacity | {
        "cluster": settings.cluster,
        "taskDefinition": settings.task_definition,
        "count": 1,
        "clientToken": token(run_id, attempt),
        "startedBy": run_id,
        "networkConfiguration": {
            "awsvpcConfiguration": {
                "subnets": subnets[first:] + subnets[:first],
                "securityGroups": listed(settings.security_groups),
                "assignPublicIp": "DISABLED",
            }
        },
        "overrides": {"containerOverrides": [container]},
        "propagateTags": "TASK_DEFINITION",
        "enableExecuteCommand": False,
    }


def start(
    ecs: ECSClient, settings: TriggerSettings, run_id: str, environment: Mapping[str, str]
) -> str:
    """The ARN of the run's task, which was started or runs already.

    Raises LaunchError when ECS refuses, or finds no place for it in any attempt.
    """
    refusals = []
    for attempt in range(1, ATTEMPTS + 1):
        answer = _run_task(ecs, task_request(settings, run_id, environment, attempt))
        if answer["tasks"]:
            return str(answer["tasks"][0]["taskArn"])
        refusals.append(_refusal(answer.get("failures", [])))
        log.warning("no task was started", extra={"attempt": attempt, "refusal": refusals[-1]})
    raise LaunchError(
        f"ECS must start the task of {run_id}, but refused {ATTEMPTS} times: "
        f"{'; '.join(dict.fromkeys(refusals))}: send {{}} later, or name subnets of more zones"
    )


def _run_task(ecs: ECSClient, request: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        return ecs.run_task(**request)
    except ClientError as exc:
        # The same token with other parameters: the stack was deployed since the first call.
        running: Any = exc.response.get("resourceIds")
        if running:
            return {"tasks": [{"taskArn": running[0]}]}
        raise LaunchError(refused("RunTask", exc)) from exc
    except BotoCoreError as exc:
        raise LaunchError(unreachable("RunTask", exc)) from exc


def _refusal(failures: list[Mapping[str, str]]) -> str:
    """Why nothing was started, in ECS's own words."""
    words = (failure.get("reason", "no reason given") for failure in failures)
    return ", ".join(words) or "no task and no reason"


def refused(operation: str, exc: ClientError) -> str:
    """The text of an error that AWS answered."""
    code = str(exc.response["Error"].get("Code", "no code"))
    message = exc.response["Error"].get("Message", "no message")
    remedy = REMEDIES.get(code, "see what it says, and send the event again")
    return f"{operation} must succeed, got {code}: {message}; {remedy}"


def unreachable(operation: str, exc: BotoCoreError) -> str:
    """The text of an error without an answer from AWS."""
    return (
        f"{operation} must be answered, got {exc}: check the function's route to AWS "
        "(endpoint, security group), and send the event again"
    )
