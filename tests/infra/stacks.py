"""A synthesised stage as the tests read it: every reference resolved, every part by its use."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from infra.stage import Stage
from local.cloud.template import Template
from tests.architecture.code import ROOT
from tests.infra.examples import VARIANTS

TRIGGER, WATCHER = "retrain_trigger.handler.handle", "retrain_trigger.events.handle"
HEALER = "retrain_trigger.healing.handle"


def run(out: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Synthesise variants into the folder, in a process of its own."""
    environment = {
        **os.environ,
        "PYTHONPATH": f"{ROOT}:{ROOT / 'lambda'}",
        "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "1",
    }
    command = [sys.executable, "-m", "tests.infra.synthesise", str(out), *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


@dataclass(frozen=True, kw_only=True)
class Synthesised:
    """One stage's template."""

    stage: Stage
    template: Template
    folder: Path

    @classmethod
    def read(cls, folder: Path, variant: str) -> "Synthesised":
        """The variant's template in a folder of the CDK."""
        stage = VARIANTS[variant]()
        path = folder / f"{stage.stack_name}.template.json"
        template = Template.load(path, stack=stage.stack_name)
        return cls(stage=stage, template=template, folder=folder)

    def all(self, kind: str) -> dict[str, dict[str, Any]]:
        """Logical id → properties of every resource of a type, `AWS::` left out."""
        return self.template.of_type(f"AWS::{kind}")

    def one(self, kind: str, **wanted: object) -> dict[str, Any]:
        """The only resource of a type with these properties."""
        found = [
            properties
            for properties in self.all(kind).values()
            if all(properties.get(name) == value for name, value in wanted.items())
        ]
        assert len(found) == 1, f"{len(found)} of {kind} with {wanted}"
        return found[0]

    def raw(self, kind: str) -> list[Mapping[str, Any]]:
        """Every resource of a type as it stands in the template."""
        resources = self.template.document["Resources"].values()
        return [resource for resource in resources if resource["Type"] == f"AWS::{kind}"]

    @cached_property
    def trigger(self) -> dict[str, Any]:
        """The trigger's properties."""
        return self.one("Lambda::Function", Handler=TRIGGER)

    @cached_property
    def watcher(self) -> dict[str, Any]:
        """The watcher's properties."""
        return self.one("Lambda::Function", Handler=WATCHER)

    @cached_property
    def functions(self) -> dict[str, dict[str, Any]]:
        """The properties of each function by our name; there is a healer where something serves."""
        found = {"trigger": self.trigger, "watcher": self.watcher}
        if self.stage.service_name is not None:
            found["healer"] = self.one("Lambda::Function", Handler=HEALER)
        return found

    @cached_property
    def definitions(self) -> dict[str, dict[str, Any]]:
        """The properties of the task definitions of `task` and, where it is ours, `api`."""
        found = {one["ContainerDefinitions"][0]["Name"]: one for one in self._definitions()}
        assert found.keys() == ({"task", "api"} if self.stage.api else {"task"})
        return found

    def _definitions(self) -> Iterator[dict[str, Any]]:
        for one in self.all("ECS::TaskDefinition").values():
            assert len(one["ContainerDefinitions"]) == 1
            yield one

    @property
    def task(self) -> dict[str, Any]:
        """The training task's definition."""
        return self.definitions["task"]

    def container_of(self, name: str) -> dict[str, Any]:
        """The one container of `task` or `api`."""
        found: dict[str, Any] = self.definitions[name]["ContainerDefinitions"][0]
        return found

    @property
    def container(self) -> dict[str, Any]:
        """The training task's one container."""
        return self.container_of("task")

    @cached_property
    def programs(self) -> tuple[str, ...]:
        """Our names of all that has an environment."""
        return (*self.definitions, *self.functions)

    def environment(self, of: str) -> dict[str, str]:
        """The environment variables of a function, of `task` or of `api`."""
        if of in self.definitions:
            return {one["Name"]: one["Value"] for one in self.container_of(of)["Environment"]}
        found: dict[str, str] = self.functions[of]["Environment"]["Variables"]
        return found

    def arn(self, kind: str, **wanted: object) -> str:
        """The ARN of the only resource of a type with these properties."""
        (logical_id,) = (
            name
            for name, properties in self.all(kind).items()
            if all(properties.get(key) == value for key, value in wanted.items())
        )
        return self.template.attribute(logical_id, "Arn")

    def group(self, description: str) -> str:
        """The id of the security group whose description begins so."""
        (logical_id,) = (
            name
            for name, properties in self.all("EC2::SecurityGroup").items()
            if properties["GroupDescription"].startswith(description)
        )
        return self.template.attribute(logical_id, "GroupId")

    def roles(self) -> dict[str, dict[str, Any]]:
        """Our name of each role → its properties."""
        by_arn = {
            self.template.attribute(name, "Arn"): properties
            for name, properties in self.all("IAM::Role").items()
        }
        found = {name: by_arn.pop(one["Role"]) for name, one in self.functions.items()}
        for name, one in self.definitions.items():
            found[name] = by_arn.pop(one["TaskRoleArn"])
            execution = "execution" if name == "task" else f"{name} execution"
            found[execution] = by_arn.pop(one["ExecutionRoleArn"])
        if by_arn:
            (found["scheduler"],) = by_arn.values()
        return found

    def statements(self, role: str) -> Iterator[dict[str, Any]]:
        """The statements of a role, with actions and resources as lists."""
        for policy in self.roles()[role].get("Policies", []):
            for statement in policy["PolicyDocument"]["Statement"]:
                yield {
                    **statement,
                    "Action": _listed(statement["Action"]),
                    "Resource": _listed(statement["Resource"]),
                }

    def statement(self, role: str, sid: str) -> dict[str, Any]:
        """One statement of a role."""
        (found,) = (one for one in self.statements(role) if one.get("Sid") == sid)
        return found

    @cached_property
    def report(self) -> dict[str, Any]:
        """What the rules found, over all stages of the folder."""
        text = (self.folder / "validation-report.json").read_text()
        found: dict[str, Any] = json.loads(text)
        return found


def _listed(value: str | list[str]) -> list[str]:
    return value if isinstance(value, list) else [value]
