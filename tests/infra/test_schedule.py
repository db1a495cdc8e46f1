"""When the loop runs, and which events wake watcher and healer."""

import json
from typing import Any

import pytest

from local.cloud.pattern import matches
from retrain_trigger import events
from retrain_trigger.request import parse
from tests.infra.controls import control
from tests.infra.stacks import Synthesised

AREA = "Schedule and events"
WEEKLY = "cron(0 2 ? * SUN *)"


def rule(stack: Synthesised, name: str) -> dict[str, Any]:
    return stack.one("Events::Rule", Name=f"{stack.stage.stack_name}-{name}")


def target(stack: Synthesised, name: str) -> dict[str, Any]:
    (found,) = rule(stack, name)["Targets"]
    return dict(found)


@control(AREA, "The loop runs on Sunday at two in the morning, UTC, to the letter")
def test_the_rule_wakes_the_trigger_on_sunday_at_two(dev: Synthesised, prod: Synthesised) -> None:
    for stack in (dev, prod):
        assert rule(stack, "schedule")["ScheduleExpression"] == WEEKLY
        assert rule(stack, "schedule")["State"] == "ENABLED"
        assert target(stack, "schedule")["Arn"] == function(stack, "trigger")
        # The event itself, whose time makes the run's id.
        assert "Input" not in target(stack, "schedule")
        assert stack.all("Scheduler::Schedule") == {}


def function(stack: Synthesised, name: str) -> str:
    return stack.arn("Lambda::Function", FunctionName=f"{stack.stage.stack_name}-{name}")


@control(AREA, "By a setting the Scheduler does it, in a time zone and with a window")
def test_the_scheduler_wakes_the_trigger_with_the_time_it_is_for(staging: Synthesised) -> None:
    schedule = staging.one("Scheduler::Schedule")

    assert schedule["ScheduleExpression"] == WEEKLY
    assert schedule["ScheduleExpressionTimezone"] == "Asia/Seoul"
    assert schedule["FlexibleTimeWindow"] == {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 15}
    assert schedule["Target"]["Arn"] == function(staging, "trigger")
    assert not [r for r in staging.all("Events::Rule").values() if r["Name"].endswith("-schedule")]


def test_what_the_scheduler_sends_is_what_the_trigger_reads(staging: Synthesised) -> None:
    sent = staging.one("Scheduler::Schedule")["Target"]["Input"]
    filled = sent.replace("<aws.scheduler.scheduled-time>", "2026-11-22T02:00:00Z")

    request = parse(json.loads(filled), "request")

    assert request.run_id == "s-20261122T020000Z"
    assert filled != sent


@control(AREA, "What cannot be delivered within an hour is put aside into the queue")
def test_every_delivery_is_tried_again_and_then_put_aside(every: Synthesised) -> None:
    queue = every.arn("SQS::Queue")
    targets = [t for r in every.all("Events::Rule").values() for t in r["Targets"]]
    targets += [s["Target"] for s in every.all("Scheduler::Schedule").values()]

    assert len(targets) == 6
    for one in targets:
        assert one["DeadLetterConfig"] == {"Arn": queue}
        assert one["RetryPolicy"] == {
            "MaximumEventAgeInSeconds": 3_600,
            "MaximumRetryAttempts": 10,
        }


@control(AREA, "Only this stack's own rules may invoke the functions", "Lambda.1")
def test_a_function_admits_the_rules_that_are_meant_for_it_alone(every: Synthesised) -> None:
    arn = every.template.attribute
    wanted = {
        (one["Arn"], arn(name, "Arn"))
        for name, properties in every.all("Events::Rule").items()
        for one in properties["Targets"]
    }

    found = every.all("Lambda::Permission").values()

    assert {(one["FunctionName"], one["SourceArn"]) for one in found} == wanted
    for one in found:
        assert one["Principal"] == "events.amazonaws.com"
        assert one["Action"] == "lambda:InvokeFunction"


@control(AREA, "The end of each of the loop's tasks wakes the watcher, and of no other's")
def test_the_watcher_hears_of_its_own_tasks_ends_alone(every: Synthesised) -> None:
    pattern = rule(every, "task-ended")["EventPattern"]
    ended = {
        "source": "aws.ecs",
        "detail-type": "ECS Task State Change",
        "detail": {
            "clusterArn": every.environment("watcher")["WATCH_CLUSTER"],
            "group": f"family:{every.task['Family']}",
            "lastStatus": "STOPPED",
            "stoppedReason": "Essential container in task exited",
        },
    }

    assert matches(pattern, ended)
    assert target(every, "task-ended")["Arn"] == function(every, "watcher")
    for key, other in (
        ("clusterArn", "arn:aws:ecs:us-east-1:123456789012:cluster/other"),
        ("group", "family:api"),
        ("lastStatus", "RUNNING"),
    ):
        assert not matches(pattern, {**ended, "detail": {**ended["detail"], key: other}})  # type: ignore[dict-item]
    assert pattern["detail-type"] == [events.TASK_EVENT]


@control(AREA, "The watcher looks every day at how the loop is doing")
def test_the_watcher_looks_every_day(every: Synthesised) -> None:
    assert rule(every, "daily")["ScheduleExpression"] == "cron(0 6 * * ? *)"
    assert json.loads(target(every, "daily")["Input"]) == events.DAILY
    assert target(every, "daily")["Arn"] == function(every, "watcher")


@pytest.mark.parametrize("name", ["task-ended", "daily"])
def test_the_watchers_rules_are_on(name: str, every: Synthesised) -> None:
    assert rule(every, name)["State"] == "ENABLED"


@control(AREA, "The end of each of the loop's tasks wakes the healer too")
def test_the_healer_hears_of_what_the_watcher_hears(every: Synthesised) -> None:
    pattern = rule(every, "heal-task-ended")["EventPattern"]

    assert pattern == rule(every, "task-ended")["EventPattern"]
    assert target(every, "heal-task-ended")["Arn"] == function(every, "healer")


@control(AREA, "The end of each deployment of the one service wakes the healer, and of no other")
def test_the_healer_hears_of_its_own_services_deployments_alone(every: Synthesised) -> None:
    pattern = rule(every, "heal-deployment")["EventPattern"]
    cluster = every.environment("healer")["HEAL_CLUSTER"]
    service = f"{cluster.replace(':cluster/', ':service/')}/{every.stage.service_name}"
    failed = {
        "source": "aws.ecs",
        "detail-type": "ECS Deployment State Change",
        "resources": [service],
        "detail": {"eventType": "ERROR", "eventName": "SERVICE_DEPLOYMENT_FAILED"},
    }

    def of(name: str) -> dict[str, Any]:
        return {**failed, "detail": {"eventName": f"SERVICE_DEPLOYMENT_{name}"}}

    assert matches(pattern, failed)
    assert matches(pattern, of("COMPLETED"))
    assert not matches(pattern, of("IN_PROGRESS"))
    assert not matches(pattern, {**failed, "resources": [f"{service}-other"]})
    assert target(every, "heal-deployment")["Arn"] == function(every, "healer")


@control(AREA, "The healer looks every day whether a roll-out was left open")
def test_the_healer_looks_every_day(every: Synthesised) -> None:
    assert rule(every, "heal-daily")["ScheduleExpression"] == "cron(0 6 * * ? *)"
    assert json.loads(target(every, "heal-daily")["Input"]) == events.DAILY
    assert target(every, "heal-daily")["Arn"] == function(every, "healer")


@pytest.mark.parametrize("name", ["task-ended", "deployment", "daily"])
def test_the_healers_rules_are_on(name: str, every: Synthesised) -> None:
    assert rule(every, f"heal-{name}")["State"] == "ENABLED"
