"""The watcher: hears that a task ended, looks daily at how the loop is doing, tells people."""

from aws_cdk import aws_events as events
from constructs import Construct

from infra.alerts import Alerts
from infra.environment import loop_variables, own_variables
from infra.functions import Plan, function, target
from infra.stage import Stage
from infra.storage import Storage
from infra.training import Training
from retrain_trigger.settings import WatcherSettings

SECONDS = 120
"""Some calls of half a second; the registry's back-off may take 30."""
TASK_EVENT = "ECS Task State Change"
DAILY = {"check": "daily"}
LOOK = "cron(0 6 * * ? *)"
"""The daily look, in UTC; four hours after the run."""


def task_ended(training: Training) -> events.EventPattern:
    """The end of a task of the loop, and of no other."""
    return events.EventPattern(
        source=["aws.ecs"],
        detail_type=[TASK_EVENT],
        detail={
            "lastStatus": ["STOPPED"],
            "clusterArn": [training.cluster_arn],
            "group": [f"family:{training.family}"],
        },
    )


class Watcher(Construct):
    """The function and its two rules."""

    def __init__(
        self,
        scope: Construct,
        stage: Stage,
        storage: Storage,
        training: Training,
        alerts: Alerts,
    ) -> None:
        super().__init__(scope, "Watcher")
        values = {
            "cluster": training.cluster_arn,
            "alert_topic": alerts.topic.topic_arn,
            "stage": stage.name,
        }
        plan = Plan(
            name="watcher",
            handler="retrain_trigger.events.handle",
            says="Closes the record of a task that ended, and tells people of failures",
            seconds=SECONDS,
            variables={
                **loop_variables(stage, {"REGISTRY_URL": storage.registry_url}),
                **own_variables(WatcherSettings, values),
            },
            rights=[
                *storage.registry_rights(),
                training.stopping(),
                *alerts.publishing(),
            ],
        )
        self.function = function(self, stage, plan, alerts)
        events.Rule(
            self,
            "TaskEnded",
            rule_name=f"{stage.stack_name}-task-ended",
            description="A task of the loop ended",
            event_pattern=task_ended(training),
            targets=[target(self.function, alerts)],
        )
        events.Rule(
            self,
            "Daily",
            rule_name=f"{stage.stack_name}-daily",
            description="How the loop is doing, and whether a task hangs",
            schedule=events.Schedule.expression(LOOK),
            targets=[target(self.function, alerts, events.RuleTargetInput.from_object(DAILY))],
        )
