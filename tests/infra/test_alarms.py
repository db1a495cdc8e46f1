"""Every alarm tells people, watches a figure that somebody emits, and is quiet when all is well."""

import json
from typing import Any

import pytest

from infra.stage import Stage
from retrain_trigger import metrics
from tests.infra.controls import control
from tests.infra.stacks import Synthesised

AREA = "Alarms"
FIVE_MINUTES, DAY = 300, 86_400


def alarm(stack: Synthesised, name: str) -> dict[str, Any]:
    return stack.one("CloudWatch::Alarm", AlarmName=f"{stack.stage.stack_name}-{name}")


def extra(stage: Stage) -> set[str]:
    """The alarms that there are only where something serves, or an API is ours."""
    healer = {"healer-errors"} if stage.service_name else set()
    if stage.api is None:
        return healer
    unloved = {"api-unloved"} if stage.api.click_share_alarm else set()
    return healer | unloved | {"api-errors", "api-slow", "api-down", "api-degraded"}


def names(stack: Synthesised) -> set[str]:
    return {one["AlarmName"] for one in stack.all("CloudWatch::Alarm").values()}


@control(AREA, "Every alarm has an action: the topic", "CloudWatch.15")
def test_every_alarm_tells_people(every: Synthesised) -> None:
    topic = every.environment("watcher")["WATCH_ALERT_TOPIC"]

    found = every.all("CloudWatch::Alarm").values()

    assert len(found) == 8 + len(extra(every.stage))
    assert {name.removeprefix(f"{every.stage.stack_name}-") for name in names(every)} >= (
        extra(every.stage)
    )
    for one in found:
        assert one["AlarmActions"] == [topic]
        assert one.get("ActionsEnabled", True) is True
        assert one["AlarmDescription"]


@control(AREA, "A function raised")
def test_a_function_that_raised_is_told_of(every: Synthesised) -> None:
    for name, function in every.functions.items():
        found = alarm(every, f"{name}-errors")
        assert (found["Namespace"], found["MetricName"]) == ("AWS/Lambda", "Errors")
        assert found["Dimensions"] == [{"Name": "FunctionName", "Value": function["FunctionName"]}]
        assert sums(found) == ("Sum", FIVE_MINUTES, 1, "GreaterThanThreshold", 0, "notBreaching")


def sums(found: dict[str, Any]) -> tuple[Any, ...]:
    """(statistic, period, periods, comparison, threshold, silence) of an alarm."""
    return (
        found["Statistic"],
        found["Period"],
        found["EvaluationPeriods"],
        found["ComparisonOperator"],
        found["Threshold"],
        found["TreatMissingData"],
    )


@control(AREA, "A task ended with an exit code other than 0 or with none; no task was started")
def test_a_task_that_failed_or_never_began_is_told_of(every: Synthesised) -> None:
    for name, metric in (
        ("tasks-failed", metrics.TASKS_FAILED),
        ("launch-failed", metrics.LAUNCH_FAILED),
    ):
        found = alarm(every, name)
        assert found["MetricName"] == metric
        assert sums(found) == ("Sum", FIVE_MINUTES, 1, "GreaterThanThreshold", 0, "notBreaching")


@control(AREA, "No successful run for eight days, or nobody looked")
def test_silence_is_told_of(every: Synthesised) -> None:
    found = alarm(every, "silent")

    assert found["MetricName"] == metrics.DAYS_SINCE_SUCCESS
    assert sums(found) == ("Maximum", DAY, 1, "GreaterThanThreshold", 8, "breaching")


@control(AREA, "A champion was rolled back")
def test_a_roll_back_is_told_of(every: Synthesised) -> None:
    found = alarm(every, "rolled-back")

    assert found["MetricName"] == metrics.ROLLBACKS
    assert sums(found) == ("Maximum", DAY, 1, "GreaterThanThreshold", 0, "notBreaching")


@control(AREA, "So many challengers in a row were rejected as the stage says")
def test_refusals_in_a_row_are_told_of(every: Synthesised) -> None:
    found = alarm(every, "refusals")

    assert found["MetricName"] == metrics.REFUSALS_IN_A_ROW
    least = every.stage.refusals_alarm - 1
    assert sums(found) == ("Maximum", DAY, 1, "GreaterThanThreshold", least, "notBreaching")


@control(AREA, "The dead-letter queue is not empty")
def test_an_event_that_was_put_aside_is_told_of(every: Synthesised) -> None:
    found = alarm(every, "undelivered")

    assert (found["Namespace"], found["MetricName"]) == (
        "AWS/SQS",
        "ApproximateNumberOfMessagesVisible",
    )
    assert found["Dimensions"] == [
        {"Name": "QueueName", "Value": every.one("SQS::Queue")["QueueName"]}
    ]
    assert sums(found) == ("Maximum", FIVE_MINUTES, 1, "GreaterThanThreshold", 0, "notBreaching")


@control(AREA, "Each figure of the loop is one that the functions emit, for this stage")
def test_the_loops_figures_are_those_that_the_functions_emit(every: Synthesised) -> None:
    own = [
        one
        for one in every.all("CloudWatch::Alarm").values()
        if one.get("Namespace") == metrics.NAMESPACE
    ]

    assert len(own) == 5
    for one in own:
        assert one["MetricName"] in metrics.NAMES
        assert one["Dimensions"] == [{"Name": metrics.DIMENSION, "Value": every.stage.name}]


def test_an_alarm_looks_back_seven_days_at_most(every: Synthesised) -> None:
    for one in every.all("CloudWatch::Alarm").values():
        periods = [line["MetricStat"]["Period"] for line in _lines(one)] or [one["Period"]]
        assert max(periods) * one["EvaluationPeriods"] <= 7 * DAY


def _lines(alarm: dict[str, Any]) -> list[dict[str, Any]]:
    """The metrics that an alarm's expression is made of; none where it watches one metric."""
    return [line for line in alarm.get("Metrics", []) if "MetricStat" in line]


@control(AREA, "One small dashboard shows every figure and every alarm")
def test_the_dashboard_shows_every_figure_and_every_alarm(every: Synthesised) -> None:
    body = json.loads(every.one("CloudWatch::Dashboard")["DashboardBody"])

    shown = {
        line[1] for widget in body["widgets"] for line in widget["properties"].get("metrics", [])
    }
    (status,) = (w["properties"]["alarms"] for w in body["widgets"] if w["type"] == "alarm")

    served = {
        *("RequestCount", "HTTPCode_Target_5XX_Count", "TargetResponseTime"),
        *("impressions", "clicks", "degraded"),
    }
    assert shown == {*metrics.NAMES, "Errors"} | (served if every.stage.api else set())
    assert len(status) == len(every.all("CloudWatch::Alarm"))
    assert len(body["widgets"]) <= 10


@pytest.mark.parametrize("name", ["silent", "rolled-back", "refusals"])
def test_figures_of_the_daily_look_are_watched_by_the_day(name: str, dev: Synthesised) -> None:
    assert alarm(dev, name)["Period"] == DAY
