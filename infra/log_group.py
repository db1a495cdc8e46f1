"""A group of logs that the stack owns: it has an end, and goes with the stack."""

from aws_cdk import RemovalPolicy
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.stage import Stage

_DAYS = {
    1: logs.RetentionDays.ONE_DAY,
    7: logs.RetentionDays.ONE_WEEK,
    14: logs.RetentionDays.TWO_WEEKS,
    30: logs.RetentionDays.ONE_MONTH,
    90: logs.RetentionDays.THREE_MONTHS,
    180: logs.RetentionDays.SIX_MONTHS,
    365: logs.RetentionDays.ONE_YEAR,
    731: logs.RetentionDays.TWO_YEARS,
}


def log_group(scope: Construct, stage: Stage, of: str) -> logs.LogGroup:
    """The log group of `task`, `trigger` or `watcher`."""
    return logs.LogGroup(
        scope,
        "Logs",
        log_group_name=f"/hairme/{stage.stack_name}/{of}",
        retention=_DAYS[stage.log_days],
        removal_policy=RemovalPolicy.DESTROY,
    )
