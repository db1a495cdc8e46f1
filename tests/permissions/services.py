"""What services of AWS ask in their own name: rows about resources that bear a policy.

EventBridge delivers and puts aside, CloudWatch tells the topic, and each service that acts with a
role of ours takes that role first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tests.permissions.iam import Request
from tests.permissions.stack import Stack

ALARMS = 'Amazon CloudWatch user guide, "Notifying users on alarm changes"'
EVENTS_FUNCTION = 'Amazon EventBridge user guide, "Using resource-based policies": AWS Lambda'
EVENTS_QUEUE = 'Amazon EventBridge user guide, "Using dead-letter queues": granting permissions'
TOPIC_KEY = 'Amazon SNS developer guide, "Key management": event sources and encrypted topics'
TRUST_ECS = 'Amazon ECS developer guide, "Amazon ECS task IAM role": trust policy'
TRUST_LAMBDA = 'AWS Lambda developer guide, "Defining permissions with an execution role"'
TRUST_SCHEDULER = 'EventBridge Scheduler user guide, "Confused deputy prevention"'


@dataclass(frozen=True, kw_only=True)
class Row:
    """One thing that AWS does: with a role of ours, or to a resource of ours in its own name."""

    request: Request
    why: str
    source: str
    role: str = ""
    """Our name of the role; empty where a service asks in its own name."""


def rows(stack: Stack) -> Iterator[Row]:
    """Every call of a service that this template's resources lead to."""
    yield from _rules(stack)
    yield from _alarms(stack)
    yield from _roles(stack)


def _asks(
    stack: Stack, service: str, action: str, resource: str, *, source_arn: str | None
) -> Request:
    context = {
        "aws:SecureTransport": ("true",),
        "aws:SourceAccount": (stack.template.account,),
        **({"aws:SourceArn": (source_arn,)} if source_arn else {}),
    }
    principal = f"{service}.amazonaws.com"
    return Request(action=action, resource=resource, context=context, principal=principal)


def _rules(stack: Stack) -> Iterator[Row]:
    for logical_id, rule in stack.template.of_type("AWS::Events::Rule").items():
        source = stack.template.attribute(logical_id, "Arn")
        for target in rule["Targets"]:
            asked = _asks(
                stack, "events", "lambda:InvokeFunction", target["Arn"], source_arn=source
            )
            yield Row(request=asked, why="the rule invokes the function", source=EVENTS_FUNCTION)
            if queue := target.get("DeadLetterConfig", {}).get("Arn"):
                asked = _asks(stack, "events", "sqs:SendMessage", queue, source_arn=source)
                why = "the rule puts aside an event that it could not deliver"
                yield Row(request=asked, why=why, source=EVENTS_QUEUE)


def _alarms(stack: Stack) -> Iterator[Row]:
    for logical_id, alarm in stack.template.of_type("AWS::CloudWatch::Alarm").items():
        source = stack.template.attribute(logical_id, "Arn")
        told = {*alarm.get("AlarmActions", []), *alarm.get("OKActions", [])}
        for topic in sorted(told):
            asked = _asks(stack, "cloudwatch", "sns:Publish", topic, source_arn=source)
            yield Row(request=asked, why="the alarm tells people", source=ALARMS)
            if key := stack.names.keys.get(topic):
                for action in ("kms:Decrypt", "kms:GenerateDataKey"):
                    asked = _asks(stack, "cloudwatch", action, key, source_arn=source)
                    yield Row(request=asked, why="the alarm tells people", source=TOPIC_KEY)


def _roles(stack: Stack) -> Iterator[Row]:
    """Lambda does not say for whom it takes a role; ECS and the Scheduler do."""
    here = f"{stack.template.region}:{stack.template.account}"
    for role, arn in stack.roles.items():
        service, source, source_arn = "lambda", TRUST_LAMBDA, None
        if role in stack.definitions or role.endswith("execution"):
            service, source, source_arn = "ecs-tasks", TRUST_ECS, f"arn:aws:ecs:{here}:*"
        elif role not in stack.functions:
            service, source = "scheduler", TRUST_SCHEDULER
            (group,) = stack.template.of_type("AWS::Scheduler::ScheduleGroup")
            source_arn = stack.template.attribute(group, "Arn")
        asked = _asks(stack, service, "sts:AssumeRole", arn, source_arn=source_arn)
        yield Row(request=asked, why=f"{service} works with the role", source=source)
