"""What the template gives: who bears which role, and every right of it, one by one.

A right is one action on one resource of one allowing statement: the smallest thing that can be
taken away. A policy's rights with its denials decide alike to the policy as written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from typing import Any

from local.cloud.template import Template
from tests.permissions.calls import Names
from tests.permissions.guards import guards
from tests.permissions.iam import PolicyError, Statement, parse

HANDLERS = {
    "retrain_trigger.handler.handle": "trigger",
    "retrain_trigger.events.handle": "watcher",
    "retrain_trigger.healing.handle": "healer",
}
"""The functions of ours, by what they run."""


def execution_of(container: str) -> str:
    """Our name of the role with which ECS starts a container."""
    return "execution" if container == "task" else f"{container} execution"


@dataclass(frozen=True, kw_only=True)
class Right:
    """One action on one resource that a policy allows, with the statement's conditions."""

    holder: str
    """Our name of a role, or the ARN of the resource whose own policy it is."""
    statement: Statement
    """The statement with this one action and this one resource."""

    @property
    def action(self) -> str:
        return self.statement.actions[0]

    @property
    def resource(self) -> str:
        return self.statement.resources[0]

    def __str__(self) -> str:
        return f"{self.holder}: {self.action} on {self.resource}"


class Stack:
    """The roles and the resources' policies of one synthesised template."""

    def __init__(self, template: Template, database_id: str | None = None) -> None:
        self.template, self._database_id = template, database_id

    @cached_property
    def roles(self) -> Mapping[str, str]:
        """Our name of each role (`trigger`, `watcher`, `healer`, `task`, `execution`, `api`, `api
        execution`, or its logical id) → its ARN."""
        arns = {}
        for name, definition in self.definitions.items():
            arns[name] = definition["TaskRoleArn"]
            arns[execution_of(name)] = definition["ExecutionRoleArn"]
        arns |= {name: function["Role"] for name, function in self.functions.items()}
        for logical_id in self.template.of_type("AWS::IAM::Role"):
            arn = self.template.attribute(logical_id, "Arn")
            if arn not in arns.values():
                arns[logical_id] = arn
        return arns

    def role_of(self, arn: str) -> str:
        """Our name of the role with this ARN."""
        (name,) = [name for name, held in self.roles.items() if held == arn]
        return name

    @cached_property
    def functions(self) -> Mapping[str, dict[str, Any]]:
        """The properties of our functions."""
        return {
            HANDLERS[function["Handler"]]: function
            for function in self.template.of_type("AWS::Lambda::Function").values()
            if function.get("Handler") in HANDLERS
        }

    @cached_property
    def definitions(self) -> Mapping[str, dict[str, Any]]:
        """The properties of each task definition by the name of its container: `task`, and `api`
        where the stack has one of its own."""
        found = self.template.of_type("AWS::ECS::TaskDefinition").values()
        return {one["ContainerDefinitions"][0]["Name"]: one for one in found}

    @property
    def task(self) -> dict[str, Any]:
        """The properties of the training task's definition."""
        return self.definitions["task"]

    @cached_property
    def names(self) -> Names:
        """What turns a call's parameters into ARNs."""
        topics = self.template.of_type("AWS::SNS::Topic")
        return Names(
            region=self.template.region,
            account=self.template.account,
            passed=(self.task["ExecutionRoleArn"], self.task["TaskRoleArn"]),
            keys={
                self.template.ref(logical_id): topic["KmsMasterKeyId"]
                for logical_id, topic in topics.items()
                if "KmsMasterKeyId" in topic
            },
        )

    @cached_property
    def database_id(self) -> str:
        """The resource id of the database, the template's own or the one that was given."""
        if self._database_id:
            return self._database_id
        (own,) = self.template.of_type("AWS::RDS::DBInstance")
        return self.template.attribute(own, "DbiResourceId")

    @cached_property
    def policies(self) -> Mapping[str, tuple[Statement, ...]]:
        """All statements of each role, and of each resource's own policy."""
        own = {role: tuple(self._statements(arn)) for role, arn in self.roles.items()}
        return own | guards(self.template)

    def guard_of(self, resource: str) -> str | None:
        """Whose policy is about this resource, by ARN; an object is guarded by its bucket."""
        bucket = resource.partition("/")[0]
        return next((arn for arn in (resource, bucket) if arn in self.policies), None)

    def _statements(self, arn: str) -> Iterator[Statement]:
        (logical_id,) = [
            logical_id
            for logical_id in self.template.of_type("AWS::IAM::Role")
            if self.template.attribute(logical_id, "Arn") == arn
        ]
        role, name = self.template.resource(logical_id), self.template.physical(logical_id)
        if managed := role.get("ManagedPolicyArns"):
            raise PolicyError(f"{logical_id} has policies that nobody here reads: {managed}")
        for inline in role.get("Policies", []):
            yield from parse(inline["PolicyDocument"])
        for kind in ("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"):
            for policy in self.template.of_type(kind).values():
                if name in policy.get("Roles", []):
                    yield from parse(policy["PolicyDocument"])

    @cached_property
    def rights(self) -> tuple[Right, ...]:
        """Every action–resource pair that any policy allows."""
        return tuple(right for holder in self.policies for right in self._rights(holder))

    def _rights(self, holder: str) -> Iterator[Right]:
        for one in self.policies[holder]:
            if one.allow and (one.not_actions or one.not_resources):
                raise PolicyError(f"{holder} may do all but something, which has no end: {one}")
            for action, resource in product(one.actions, one.resources):
                if one.allow:
                    alone = replace(one, actions=(action,), resources=(resource,))
                    yield Right(holder=holder, statement=alone)

    def without(self, right: Right) -> tuple[Statement, ...]:
        """The holder's statements with this one right taken away."""
        kept = [
            each.statement
            for each in self.rights
            if each.holder == right.holder and each is not right
        ]
        return (*(one for one in self.policies[right.holder] if not one.allow), *kept)

    def environment(self, name: str) -> dict[str, str]:
        """The environment variables of a function, of `task` or of `api`."""
        if name in self.definitions:
            listed = self.definitions[name]["ContainerDefinitions"][0]["Environment"]
            return {one["Name"]: str(one["Value"]) for one in listed}
        variables = self.functions[name]["Environment"]["Variables"]
        return {key: str(value) for key, value in variables.items()}
