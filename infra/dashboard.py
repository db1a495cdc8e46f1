"""One small page: is the loop alive, what did it decide, and what raised."""

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from infra.alarms import Alarms, errors, loop_metric
from infra.stage import Stage
from infra.trigger import Trigger
from infra.watcher import Watcher
from retrain_trigger import metrics

DAY = Duration.days(1)
WIDTH = 8
"""Three beside each other."""


def dashboard(
    scope: Construct, stage: Stage, trigger: Trigger, watcher: Watcher, alarms: Alarms
) -> cloudwatch.Dashboard:
    """The dashboard of a stage, over three months."""

    def graph(title: str, names: list[str], statistic: str) -> cloudwatch.GraphWidget:
        left = [loop_metric(stage, name, DAY, statistic) for name in names]
        return cloudwatch.GraphWidget(title=title, left=left, width=WIDTH)

    most, total = cloudwatch.Stats.MAXIMUM, cloudwatch.Stats.SUM
    raised = cloudwatch.GraphWidget(
        title="Functions that raised",
        left=[errors(trigger.function), errors(watcher.function)],
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
        ],
    )
