"""One small page: is the loop alive, what did it decide, and what raised."""

from collections.abc import Sequence

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.alarms import Alarms, errors, loop_metric
from infra.api_figures import CLICKS, DEGRADED, IMPRESSIONS, ApiFigures
from infra.figure import DAY
from infra.stage import Stage
from retrain_trigger import metrics

WIDTH = 8
"""Three beside each other."""


def dashboard(
    scope: Construct,
    stage: Stage,
    functions: Sequence[lambda_.IFunction],
    api: ApiFigures | None,
    alarms: Alarms,
) -> cloudwatch.Dashboard:
    """The dashboard of a stage, over three months."""

    def graph(title: str, names: list[str], statistic: str) -> cloudwatch.GraphWidget:
        left = [loop_metric(stage, name, DAY, statistic) for name in names]
        return cloudwatch.GraphWidget(title=title, left=left, width=WIDTH)

    most, total = cloudwatch.Stats.MAXIMUM, cloudwatch.Stats.SUM
    raised = cloudwatch.GraphWidget(
        title="Functions that raised",
        left=[errors(function) for function in functions],
        width=WIDTH,
    )
    return cloudwatch.Dashboard(
        scope,
        "Dashboard",
        dashboard_name=stage.stack_name,
        default_interval=Duration.days(90),
        widgets=[
            [cloudwatch.AlarmStatusWidget(title="Alarms", alarms=alarms.all, width=3 * WIDTH)],
            [
                graph("Votes", [metrics.NEW_VOTES, metrics.TOTAL_VOTES], most),
                graph("Runs", [metrics.RUNS_LAUNCHED, metrics.RUNS_SKIPPED], total),
                graph("Failures", [metrics.TASKS_FAILED, metrics.LAUNCH_FAILED], total),
            ],
            [
                graph("Days since the last success", [metrics.DAYS_SINCE_SUCCESS], most),
                graph("Verdicts", [metrics.REFUSALS_IN_A_ROW, metrics.ROLLBACKS], most),
                raised,
            ],
            *([_served(api)] if api else []),
        ],
    )


def _served(api: ApiFigures) -> list[cloudwatch.IWidget]:
    stats = cloudwatch.Stats

    def graph(title: str, left: list[cloudwatch.IMetric]) -> cloudwatch.GraphWidget:
        return cloudwatch.GraphWidget(title=title, left=left, width=WIDTH)

    asked = [
        api.of_balancer("RequestCount", stats.SUM, DAY),
        api.of_balancer("HTTPCode_Target_5XX_Count", stats.SUM, DAY),
    ]
    shown = [api.of_log(name, DAY) for name in (IMPRESSIONS, CLICKS, DEGRADED)]
    return [
        graph("Requests to the API", [*asked]),
        graph(
            "Seconds to answer", [api.of_balancer("TargetResponseTime", stats.percentile(95), DAY)]
        ),
        graph("Styles shown and clicked", [*shown]),
    ]
