"""EventBridge on this machine: a clock that strikes when told, and rules that match events.

The template's own rules decide what leads where. Delivery is at-least-once, so on request an
event comes twice. Nothing here waits for a function: its events are worked off one by one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from local.cloud.pattern import matches
from local.cloud.service_record import Deployment, deployment_event
from local.cloud.stack import Rule
from local.cloud.task_record import Task

SLOT = "<aws.scheduler.scheduled-time>"


@dataclass(frozen=True, kw_only=True)
class Bus:
    """The event bus with the template's rules; `deliver(ARN, payload)` reaches a target."""

    rules: Sequence[Rule]
    account: str
    region: str
    deliver: Callable[[str, Any], str]

    def strike(self, rule: Rule, at: datetime, *, times: int) -> list[str]:
        """The hour of a schedule has come; the request ids of what it set off."""
        return self._send(rule, self._scheduled(rule, at), times)

    def put(self, event: Mapping[str, Any], *, times: int = 1) -> list[str]:
        """An event goes to the targets of every rule whose pattern it matches."""
        sent: list[str] = []
        for rule in self.rules:
            if rule.pattern is not None and matches(rule.pattern, event):
                sent += self._send(rule, event, times)
        return sent

    def task_changed(self, task: Task) -> None:
        """ECS tells of each change of a task's state."""
        self.put(task.event(self.region, self.account))

    def deployment_changed(self, service_arn: str, deployment: Deployment) -> None:
        """ECS tells of each change of a deployment's state."""
        self.put(deployment_event(service_arn, deployment, self.region, self.account))

    def _scheduled(self, rule: Rule, at: datetime) -> dict[str, Any]:
        """The event of a schedule; that of the Scheduler has only what its input says."""
        time = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        if rule.by_scheduler:
            (_, given) = rule.targets[0]
            return dict(json.loads((given or "{}").replace(SLOT, time)))
        return {
            "version": "0",
            "id": str(uuid4()),
            "detail-type": "Scheduled Event",
            "source": "aws.events",
            "account": self.account,
            "time": time,
            "region": self.region,
            "resources": [rule.arn],
            "detail": {},
        }

    def _send(self, rule: Rule, event: Mapping[str, Any], times: int) -> list[str]:
        sent = []
        for arn, given in rule.targets:
            constant = given is not None and not rule.by_scheduler
            payload = json.loads(str(given)) if constant else event
            sent += [self.deliver(arn, payload) for _ in range(times)]
        return sent
