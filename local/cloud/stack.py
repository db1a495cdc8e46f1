"""What the template says about functions, tasks and rules, with one thing replaced: the database.

Environments, commands and names are exactly those of the deployed stack. Only the database server
is another one than RDS, so `Rehearsal` replaces what addresses it, in this one place; it may also
shorten a setting of the loop for a test.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from common.errors import UsageError
from local.cloud.template import Template

CONTAINER = "task"
"""The training task's container; the trigger starts no other."""
DATABASE = ("DATABASE_URL", "DB_CA", "DB_SECRET_ARN", "DB_IAM_AUTH", "DB_PASSWORD")
SERVICE_URL = "SERVICE_URL"
ROOT = Path(__file__).resolve().parents[2]
HEALTH_PATH = "/ready"
_TASK = "AWS::ECS::TaskDefinition"
_TARGETS = "AWS::ElasticLoadBalancingV2::TargetGroup"
_DOCKERFILE_ENTRY = re.compile(
    r"^FROM\s+\S+(?:\s+AS\s+(?P<stage>\S+))?|^ENTRYPOINT\s+(?P<entry>\[.*\])\s*$",
    re.MULTILINE | re.IGNORECASE,
)
_AS_IT_IS = {"dockerLabels", "options", "driverOpts", "labels"}
"""Maps whose keys are the user's own words."""


@dataclass
class Rehearsal:
    """What the rehearsal puts in place of the template's own values; None takes a variable away.

    It concerns whatever reads the database: the trigger, the task and the service.
    """

    variables: dict[str, str | None] = field(default_factory=dict)
    service_url: str = ""
    """Where the service answers here; for whoever the template tells where it does."""

    def applied(self, environment: Mapping[str, str]) -> dict[str, str]:
        """The environment as the process gets it."""
        replaced = dict(environment)
        if self.service_url and SERVICE_URL in environment:
            replaced[SERVICE_URL] = self.service_url
        if "DATABASE_URL" not in environment:
            return replaced
        if "DATABASE_URL" in self.variables:
            replaced = {k: v for k, v in replaced.items() if k not in DATABASE}
        chosen = replaced | self.variables
        return {name: value for name, value in chosen.items() if value is not None}


@dataclass(frozen=True, kw_only=True)
class FunctionSpec:
    """One Lambda function."""

    name: str
    arn: str
    handler: str
    principal: str
    timeout_seconds: float
    memory_mb: int
    reserved: int | None
    """Reserved concurrency; none is the account's."""
    environment: Mapping[str, str]
    retries: int
    on_failure: str | None
    """ARN of the queue or topic that is told about an event nobody could handle."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A schedule or an event pattern, and the functions it leads to."""

    name: str
    arn: str
    schedule: str | None
    pattern: Mapping[str, Any] | None
    targets: tuple[tuple[str, str | None], ...]
    """(ARN, constant input or None)."""
    by_scheduler: bool = False

    @property
    def leads_to(self) -> str:
        """The names of its targets."""
        return " ".join(arn.rpartition(":")[2] for arn, _ in self.targets)


@dataclass(frozen=True, kw_only=True)
class Stack:
    """The stack as the emulation carries it out."""

    template: Template

    @cached_property
    def functions(self) -> dict[str, FunctionSpec]:
        """Every Lambda function of ours by its name."""
        asynchronous = self.template.of_type("AWS::Lambda::EventInvokeConfig").values()
        invoked = {each["FunctionName"]: each for each in asynchronous}
        made = {}
        for logical, given in self.template.of_type("AWS::Lambda::Function").items():
            name = self.template.physical(logical)
            config = invoked.get(name, {})
            failed = config.get("DestinationConfig", {}).get("OnFailure", {})
            made[name] = FunctionSpec(
                name=name,
                arn=self.template.attribute(logical, "Arn"),
                handler=str(given["Handler"]),
                principal=self.principal(given["Role"]),
                timeout_seconds=float(given.get("Timeout", 3)),
                memory_mb=int(given.get("MemorySize", 128)),
                reserved=given.get("ReservedConcurrentExecutions"),
                environment=given.get("Environment", {}).get("Variables", {}),
                retries=int(config.get("MaximumRetryAttempts", 2)),
                on_failure=failed.get("Destination"),
            )
        return made

    @cached_property
    def task_definitions(self) -> list[dict[str, Any]]:
        """Every task definition, in the words of ECS's own API."""
        return [_in_api(given) for given in self.template.of_type(_TASK).values()]

    @property
    def task_definition(self) -> dict[str, Any]:
        """The one whose container is the training task."""
        found = [
            definition
            for definition in self.task_definitions
            if [each["name"] for each in definition["containerDefinitions"]] == [CONTAINER]
        ]
        if len(found) != 1:
            raise UsageError(
                f"the stack must have one task definition with the one container {CONTAINER!r}, "
                f"got {len(found)}: correct the template"
            )
        return found[0]

    @cached_property
    def services(self) -> list[dict[str, Any]]:
        """What CreateService is given for each service that the stack has or names."""
        kind = "AWS::ECS::Service"
        found = [
            _in_api(given) | {"serviceName": self.template.physical(logical)}
            for logical, given in self.template.of_type(kind).items()
        ]
        serving = urlsplit(self.task_environment.get("SERVING_URL", "none"))
        named = serving.path.strip("/")
        if serving.scheme == "ecs" and named not in [each["serviceName"] for each in found]:
            # Somebody else's service: what it runs is unknown, so here it runs nothing.
            family = self.task_definition["family"]
            other = {"cluster": serving.netloc, "serviceName": named, "desiredCount": 1}
            found.append(other | {"taskDefinition": family})
        return found

    def health_path(self, target_group: str) -> str:
        """The path by which a target group asks whether a target is well."""
        for logical, given in self.template.of_type(_TARGETS).items():
            if self.template.ref(logical) == target_group:
                return str(given.get("HealthCheckPath", HEALTH_PATH))
        return HEALTH_PATH

    @cached_property
    def container(self) -> dict[str, Any]:
        """The task's one container."""
        (container,) = self.task_definition["containerDefinitions"]
        return dict(container)

    @property
    def task_environment(self) -> dict[str, str]:
        """The variables that the template gives the task."""
        return {each["name"]: each["value"] for each in self.container.get("environment", [])}

    @cached_property
    def clusters(self) -> dict[str, str]:
        """Name → ARN of every cluster that the stack has or uses."""
        used = {spec.environment.get("TRIGGER_CLUSTER") for spec in self.functions.values()}
        named = self.template.of_type("AWS::ECS::Cluster")
        arns = {arn for arn in used if arn} | {self.template.attribute(n, "Arn") for n in named}
        where = f"arn:aws:ecs:{self.template.region}:{self.template.account}:cluster/"
        arns |= {
            where + str(each.get("cluster", "default")).rpartition("/")[2] for each in self.services
        }
        return {arn.rpartition("/")[2]: arn for arn in sorted(arns)}

    @cached_property
    def rules(self) -> list[Rule]:
        """All rules of EventBridge, and the schedules of its Scheduler."""
        rules = [
            Rule(
                name=logical,
                arn=self.template.attribute(logical, "Arn"),
                schedule=given.get("ScheduleExpression"),
                pattern=_document(given.get("EventPattern")),
                targets=tuple((to["Arn"], to.get("Input")) for to in given.get("Targets", [])),
            )
            for logical, given in self.template.of_type("AWS::Events::Rule").items()
        ]
        schedules = [
            Rule(
                name=logical,
                arn=self.template.attribute(logical, "Arn"),
                schedule=given["ScheduleExpression"],
                pattern=None,
                targets=((given["Target"]["Arn"], given["Target"].get("Input")),),
                by_scheduler=True,
            )
            for logical, given in self.template.of_type("AWS::Scheduler::Schedule").items()
        ]
        return rules + schedules

    def principal(self, role_arn: str) -> str:
        """The access key that stands for a role: its logical id."""
        for logical in self.template.of_type("AWS::IAM::Role"):
            if self.template.attribute(logical, "Arn") == role_arn:
                return logical
        raise UsageError(
            f"a role must be one of the template's own, got {role_arn}: its rights are unknown"
        )

    def schedule(self, name: str) -> Rule:
        """The one schedule whose logical id, or whose function, has `name` in its name."""
        schedules = [rule for rule in self.rules if rule.schedule]
        found = [rule for rule in schedules if name in f"{rule.name} {rule.leads_to}".lower()]
        if len(found) != 1:
            names = ", ".join(f"{rule.name} (for {rule.leads_to})" for rule in schedules)
            raise UsageError(f"a schedule must be one of {names or 'none'}, got {name!r}: name it")
        return found[0]


def image_entry(container: str) -> list[str]:
    """The entry point that a container's image has when the task definition names none.

    It is that of the Dockerfile's stage with the container's name, or else the training task's.
    """
    text, stage = (ROOT / "Dockerfile").read_text(encoding="utf-8"), ""
    entries: dict[str, str] = {}
    for found in _DOCKERFILE_ENTRY.finditer(text):
        if found["entry"] is None:
            stage = found["stage"] or CONTAINER
        else:
            entries[stage] = found["entry"]
    entry = entries.get(container) or entries.get(CONTAINER)
    if entry is None:
        raise UsageError(
            "the Dockerfile must have an ENTRYPOINT in exec form, got none: signals would not "
            "reach the task; add it"
        )
    return list(json.loads(entry))


def _in_api(given: Mapping[str, Any]) -> dict[str, Any]:
    """A resource's properties as ECS's API names them."""
    properties = dict(given)
    tags = [{"key": tag["Key"], "value": tag["Value"]} for tag in properties.pop("Tags", [])]
    return {**_lower(properties), "tags": tags}


def _lower(value: Any) -> Any:
    """CloudFormation's names as the API writes them: the first letter small."""
    if isinstance(value, list):
        return [_lower(each) for each in value]
    if not isinstance(value, Mapping):
        return value
    named = {name[0].lower() + name[1:]: each for name, each in value.items()}
    return {n: each if n in _AS_IT_IS else _lower(each) for n, each in named.items()}


def _document(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value
