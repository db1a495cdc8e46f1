"""The rules by which ECS refuses a RunTask request, as far as a request of ours could break them.

The emulator behind us accepts nearly anything; a launch that works only here would be a launch
that fails at two o'clock on a Sunday.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from local.cloud.answers import AwsError

Definitions = Callable[[str], Mapping[str, Any] | None]
"""A task definition by its ARN, `family:revision` or family; None if there is none."""

MAX_TOKEN, MAX_STARTED_BY, MAX_OVERRIDES = 64, 128, 8192  # characters
MAX_SUBNETS, MAX_GROUPS, MAX_COUNT = 16, 5, 10
PROPAGATED = ("TASK_DEFINITION", "SERVICE", "NONE")
_SUBNET = re.compile(r"subnet-[0-9a-f]{8,17}")
_GROUP = re.compile(r"sg-[0-9a-f]{8,17}")


def check_run(given: Mapping[str, Any], definitions: Definitions) -> Mapping[str, Any]:
    """The task definition that the request is about; raises AwsError as ECS would."""
    definition = definitions(str(given.get("taskDefinition", "")))
    if definition is None:
        raise AwsError("ClientException", "TaskDefinition not found.")
    if definition["status"] != "ACTIVE":
        raise AwsError("ClientException", "TaskDefinition is inactive")
    _check_texts(given)
    _check_capacity(given, definition)
    if definition.get("networkMode") == "awsvpc":
        _check_network(given.get("networkConfiguration", {}).get("awsvpcConfiguration"))
    _check_overrides(given.get("overrides", {}), definition)
    return definition


def _check_texts(given: Mapping[str, Any]) -> None:
    if len(given.get("clientToken", "")) > MAX_TOKEN:
        raise _invalid("clientToken can be up to 64 characters.")
    if len(given.get("startedBy", "")) > MAX_STARTED_BY:
        raise _invalid("startedBy can be up to 128 characters.")
    if not 1 <= int(given.get("count", 1)) <= MAX_COUNT:
        raise _invalid("Count should be between 1 and 10.")
    if given.get("propagateTags", "NONE") not in PROPAGATED:
        raise _invalid("propagateTags value is not valid.")


def _check_capacity(given: Mapping[str, Any], definition: Mapping[str, Any]) -> None:
    strategy, launch = given.get("capacityProviderStrategy"), given.get("launchType")
    if strategy and launch:
        raise _invalid(
            "Specifying both a launch type and capacity provider strategy is not supported."
        )
    providers = [each["capacityProvider"] for each in strategy or []]
    if unknown := set(providers) - {"FARGATE", "FARGATE_SPOT"}:
        raise _invalid(f"The specified capacity provider '{min(unknown)}' was not found.")
    fargate = launch == "FARGATE" or bool(providers)
    if fargate and "FARGATE" not in (definition.get("requiresCompatibilities") or []):
        raise _invalid("Task definition does not support launch_type FARGATE.")
    if not fargate:
        raise _invalid("No Container Instances were found in your cluster.")


def _check_network(network: Mapping[str, Any] | None) -> None:
    if network is None:
        raise _invalid(
            "Network Configuration must be provided when networkMode 'awsvpc' is specified."
        )
    subnets, groups = network.get("subnets", []), network.get("securityGroups", [])
    if not subnets:
        raise _invalid("subnets can not be empty.")
    if len(subnets) > MAX_SUBNETS or len(set(subnets)) < len(subnets):
        raise _invalid("subnets can have at most 16 items, each of them once.")
    if len(groups) > MAX_GROUPS:
        raise _invalid("securityGroups can have at most 5 items.")
    for pattern, names in ((_SUBNET, subnets), (_GROUP, groups)):
        for name in names:
            if not pattern.fullmatch(name):
                raise _invalid(f"Error retrieving information for '{name}': InvalidID.NotFound")
    if network.get("assignPublicIp", "DISABLED") not in ("ENABLED", "DISABLED"):
        raise _invalid("assignPublicIp should be ENABLED or DISABLED.")


def _check_overrides(overrides: Mapping[str, Any], definition: Mapping[str, Any]) -> None:
    names = {each["name"] for each in definition["containerDefinitions"]}
    for each in overrides.get("containerOverrides", []):
        if each.get("name") not in names:
            raise _invalid(
                f"Override for container named {each.get('name')} is not a container in the "
                "TaskDefinition."
            )
    if len(json.dumps(overrides)) > MAX_OVERRIDES:
        raise _invalid("Container Overrides length must be at most 8192")


def _invalid(message: str) -> AwsError:
    return AwsError("InvalidParameterException", message)
