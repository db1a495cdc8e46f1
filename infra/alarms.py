"""The alarms: each names what is wrong, and each tells people.

The figures of the loop come from the functions' own log lines (`retrain_trigger.metrics`); those
of the daily look are one a day.
"""

from collections.abc import Iterator

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.alerts import Alerts
from infra.api_figures import ApiFigures
from infra.figure import DAY, SOON, Figure
from infra.healer import Healer
from infra.stage import Stage
from infra.trigger import Trigger
from infra.watcher import Watcher
from retrain_trigger import metrics

SILENT_DAYS = 8
"""A week and a day: the loop runs weekly."""


class Alarms(Construct):
    """All alarms of a stage."""

    def __init__(
        self,
        scope: Construct,
        stage: Stage,
        trigger: Trigger,
        watcher: Watcher,
        healer: Healer | None,
        api: ApiFigures | None,
        alerts: Alerts,
    ) -> None:
        super().__init__(scope, "Alarms")
        tell = actions.SnsAction(alerts.topic)
        self.all = []
        figures = [
            *_figures(stage, trigger, watcher, alerts),
            *([_healer(healer)] if healer else []),
            *(api.all() if api else []),
        ]
        for figure in figures:
            alarm = cloudwatch.Alarm(
                self,
                "".join(word.title() for word in figure.name.split("-")),
                alarm_name=f"{stage.stack_name}-{figure.name}",
                alarm_description=figure.says,
                metric=figure.metric,
                evaluation_periods=1,
                threshold=figure.limit,
                comparison_operator=figure.comparison,
                treat_missing_data=cloudwatch.TreatMissingData.BREACHING
                if figure.silence_is_wrong
                else cloudwatch.TreatMissingData.NOT_BREACHING,
            )
            alarm.add_alarm_action(tell)
            self.all.append(alarm)


def loop_metric(stage: Stage, name: str, period: Duration, statistic: str) -> cloudwatch.Metric:
    """A figure that one of the functions writes into its log."""
    assert name in metrics.NAMES, f"nobody emits {name}"
    return cloudwatch.Metric(
        namespace=metrics.NAMESPACE,
        metric_name=name,
        dimensions_map={metrics.DIMENSION: stage.name},
        period=period,
        statistic=statistic,
    )


def errors(function: lambda_.IFunction) -> cloudwatch.Metric:
    """Invocations of a function that raised."""
    return function.metric_errors(period=SOON, statistic=cloudwatch.Stats.SUM)


def _figures(stage: Stage, trigger: Trigger, watcher: Watcher, alerts: Alerts) -> Iterator[Figure]:
    def soon(name: str) -> cloudwatch.Metric:
        return loop_metric(stage, name, SOON, cloudwatch.Stats.SUM)

    def daily(name: str) -> cloudwatch.Metric:
        return loop_metric(stage, name, DAY, cloudwatch.Stats.MAXIMUM)

    yield Figure(
        name="trigger-errors",
        metric=errors(trigger.function),
        limit=0,
        says="The trigger raised: the votes could not be counted, or the task not launched",
    )
    yield Figure(
        name="watcher-errors",
        metric=errors(watcher.function),
        limit=0,
        says="The watcher raised: a record may be open, and people may not have been told",
    )
    yield Figure(
        name="launch-failed",
        metric=soon(metrics.LAUNCH_FAILED),
        limit=0,
        says="ECS started no task in any attempt",
    )
    yield Figure(
        name="tasks-failed",
        metric=soon(metrics.TASKS_FAILED),
        limit=0,
        says="A task ended with an exit code other than 0, or with none",
    )
    yield Figure(
        name="silent",
        metric=daily(metrics.DAYS_SINCE_SUCCESS),
        limit=SILENT_DAYS,
        says=f"No successful run for {SILENT_DAYS} days, or nobody looked (a skip is a success)",
        silence_is_wrong=True,
    )
    yield Figure(
        name="rolled-back",
        metric=daily(metrics.ROLLBACKS),
        limit=0,
        says="The champion of before serves again",
    )
    yield Figure(
        name="refusals",
        metric=daily(metrics.REFUSALS_IN_A_ROW),
        limit=stage.refusals_alarm - 1,
        says=f"{stage.refusals_alarm} challengers in a row were rejected",
    )
    yield Figure(
        name="undelivered",
        metric=alerts.undelivered.metric_approximate_number_of_messages_visible(
            period=SOON, statistic=cloudwatch.Stats.MAXIMUM
        ),
        limit=0,
        says="An event could not be delivered or handled; it waits in the queue for 14 days",
    )


def _healer(healer: Healer) -> Figure:
    return Figure(
        name="healer-errors",
        metric=errors(healer.function),
        limit=0,
        says="The healer raised: a roll-out may be open, and another version active than serves",
    )
