"""What the template gives: who bears which role, and every right of it, one by one.

A right is one action on one resource of one allowing statement: the smallest thing that can be
taken away. A role's rights with its denials decide alike to its policies as written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from typing import Any

from local.cloud.template import Template
from tests.permissions.calls import Names
from tests.permissions.iam import PolicyError, Statement, parse

HANDLERS = {
    "retrain_trigger.handler.handle": "trigger",
    "retrain_trigger.events.handle": "watcher",
}
"""The two functions of ours, by what they run."""


@dataclass(frozen=True, kw_only=True)
class Right:
    """One action on one resource that a role may do, with the statement's conditions."""

    role: str
    statement: Statement
    """The statement with this one action and this one resource."""

    @property
    def action(self) -> str:
        return self.statement.actions[0]

    @property
    def resource(self) -> str:
        return self.statement.resources[0]

    def __str__(self) -> str:
        return f"{self.role}: {self.action} on {self.resource}"


class Stack:
    """The roles of one synthesised template."""

    def __init__(self, template: Template, database_id: str | None = None) -> None:
        self.template, self.given_database_id = template, database_id

    @cached_property
    def roles(self) -> Mapping[str, str]:
        """Our name of each role (`trigger`, `watcher`, `task`, `execution`, or its logical id)
        → the role's logical id."""
        (task,) = self.tasks
        arns = {"task": task["TaskRoleArn"], "execution": task["ExecutionRoleArn"]}
        for function in self.template.of_type("AWS::Lambda::Function").values():
            if name := HANDLERS.get(function.get("Handler", "")):
                arns[name] = function["Role"]
        named = {name: self._by_arn[arn] for name, arn in arns.items()}
        others = set(self._by_arn.values()) - set(named.values())
        return {**named, **{logical_id: logical_id for logical_id in sorted(others)}}

    @cached_property
    def _by_arn(self) -> Mapping[str, str]:
        roles = self.template.of_type("AWS::IAM::Role")
        return {self.template.attribute(logical_id, "Arn"): logical_id for logical_id in roles}

    def role_of(self, arn: str) -> str:
        """Our name of the role with this ARN."""
        (name,) = [name for name, held in self.roles.items() if held == self._by_arn[arn]]
        return name

    @cached_property
    def database_id(self) -> str:
        """The resource id of the database, the template's own or the one that was given."""
        own = list(self.template.of_type("AWS::RDS::DBInstance"))
        if self.given_database_id:
            return self.given_database_id
        return self.template.attribute(own[0], "DbiResourceId")

    @cached_property
    def names(self) -> Names:
        """What turns a call's parameters into ARNs."""
        (task,) = self.tasks
        return Names(
            region=self.template.region,
            account=self.template.account,
            passed=(task["ExecutionRoleArn"], task["TaskRoleArn"]),
        )

    @cached_property
    def tasks(self) -> tuple[dict[str, Any], ...]:
        """The task definitions' properties."""
        return tuple(self.template.of_type("AWS::ECS::TaskDefinition").values())

    def policy(self, role: str) -> tuple[Statement, ...]:
        """All statements of a role, by our name of it."""
        return tuple(self._statements(self.roles[role]))

    def _statements(self, logical_id: str) -> Iterator[Statement]:
        properties = self.template.resource(logical_id)
        if managed := properties.get("ManagedPolicyArns"):
            raise PolicyError(
                f"{logical_id} has managed policies, which nobody here reads: {managed}"
            )
        for inline in properties.get("Policies", []):
            yield from parse(inline["PolicyDocument"])
        name = self.template.physical(logical_id)
        for kind in ("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"):
            for policy in self.template.of_type(kind).values():
                if name in policy.get("Roles", []):
                    yield from parse(policy["PolicyDocument"])

    @cached_property
    def rights(self) -> Mapping[str, tuple[Right, ...]]:
        """Every action–resource pair that each role is allowed."""
        return {role: tuple(self._rights(role)) for role in self.roles}

    def _rights(self, role: str) -> Iterator[Right]:
        for one in self.policy(role):
            if one.allow and (one.not_actions or one.not_resources):
                raise PolicyError(f"{role} may do all but something, which has no end: {one}")
            for action, resource in product(one.actions, one.resources):
                if one.allow:
                    alone = replace(one, actions=(action,), resources=(resource,))
                    yield Right(role=role, statement=alone)

    def without(self, right: Right) -> list[Statement]:
        """The role's statements with this one right taken away."""
        denials = [one for one in self.policy(right.role) if not one.allow]
        kept = [one.statement for one in self.rights[right.role] if one is not right]
        return denials + kept

    def environment(self, name: str) -> dict[str, str]:
        """The environment variables of `trigger`, `watcher` or `task`."""
        if name == "task":
            listed = self.tasks[0]["ContainerDefinitions"][0]["Environment"]
            return {one["Name"]: str(one["Value"]) for one in listed}
        for function in self.template.of_type("AWS::Lambda::Function").values():
            if HANDLERS.get(function.get("Handler", "")) == name:
                return {
                    key: str(value) for key, value in function["Environment"]["Variables"].items()
                }
        raise KeyError(name)
