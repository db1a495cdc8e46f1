"""When the loop runs: a rule of EventBridge or, by a setting, its newer Scheduler.

Both say for which time they fire, which makes the run's id: the event's own `time`, and what the
Scheduler fills in for `<aws.scheduler.scheduled-time>`.
"""

import json

from aws_cdk import aws_events as events
from aws_cdk import aws_scheduler as scheduler
from constructs import Construct

from infra.alerts import Alerts
from infra.functions import DELIVERY_RETRIES, OLDEST, target
from infra.rights import allow, role, service
from infra.stage import Stage
from infra.trigger import Trigger

INPUT = {"time": "<aws.scheduler.scheduled-time>"}


class Schedule(Construct):
    """What invokes the trigger, with retries and a place for what could not be delivered."""

    def __init__(self, scope: Construct, stage: Stage, trigger: Trigger, alerts: Alerts) -> None:
        super().__init__(scope, "Schedule")
        if stage.scheduler == "rule":
            events.Rule(
                self,
                "Weekly",
                rule_name=f"{stage.stack_name}-schedule",
                description="Time to look for new votes",
                schedule=events.Schedule.expression(stage.loop.schedule),
                targets=[target(trigger.function, alerts)],
            )
        else:
            self._scheduler(stage, trigger, alerts)

    def _scheduler(self, stage: Stage, trigger: Trigger, alerts: Alerts) -> None:
        part = scheduler.CfnSchedule
        group = scheduler.CfnScheduleGroup(self, "Group", name=stage.stack_name)
        may = role(
            self,
            "Role",
            service(self, "scheduler.amazonaws.com", source=group.attr_arn),
            [
                allow("Invoke", ["lambda:InvokeFunction"], [trigger.function.function_arn]),
                alerts.failing(),
            ],
        )
        window = (
            part.FlexibleTimeWindowProperty(
                mode="FLEXIBLE", maximum_window_in_minutes=stage.flexible_minutes
            )
            if stage.flexible_minutes
            else part.FlexibleTimeWindowProperty(mode="OFF")
        )
        scheduler.CfnSchedule(
            self,
            "Weekly",
            name=f"{stage.stack_name}-schedule",
            description="Time to look for new votes",
            group_name=group.ref,
            schedule_expression=stage.loop.schedule,
            schedule_expression_timezone=stage.time_zone,
            flexible_time_window=window,
            target=part.TargetProperty(
                arn=trigger.function.function_arn,
                role_arn=may.role_arn,
                input=json.dumps(INPUT),
                dead_letter_config=part.DeadLetterConfigProperty(arn=alerts.undelivered.queue_arn),
                retry_policy=part.RetryPolicyProperty(
                    maximum_event_age_in_seconds=OLDEST.to_seconds(),
                    maximum_retry_attempts=DELIVERY_RETRIES,
                ),
            ),
        )
