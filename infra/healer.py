"""The healer: ends a roll-out that was left open, without anybody awake.

A function of its own, since it needs what the watcher does not: the network, to ask the tasks which
model they answer with, and the rights of a roll-out. It is there where something serves.
"""

from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_events as events
from constructs import Construct

from infra.alerts import Alerts
from infra.environment import loop_variables, own_variables
from infra.functions import Plan, function, placing, target
from infra.network import Network
from infra.stage import Stage
from infra.storage import Storage
from infra.training import Training
from infra.watcher import DAILY, LOOK, task_ended
from retrain_trigger.settings import HealerSettings

SECONDS = 900
"""Lambda's longest: it waits until the service is stable again."""
DEPLOYMENT_EVENT = "ECS Deployment State Change"
ENDED = ["SERVICE_DEPLOYMENT_COMPLETED", "SERVICE_DEPLOYMENT_FAILED"]


class Healer(Construct):
    """The function and its three rules."""

    def __init__(
        self,
        scope: Construct,
        stage: Stage,
        network: Network,
        storage: Storage,
        training: Training,
        serving: dict[str, str],
        alerts: Alerts,
    ) -> None:
        """serving: the variables that say who serves."""
        super().__init__(scope, "Healer")
        assert network.healer_group, "where something serves there is a healer"
        addresses = {"REGISTRY_URL": storage.registry_url, **serving}
        plan = Plan(
            name="healer",
            handler="retrain_trigger.healing.handle",
            says="Ends a roll-out that was left open: the version of before serves again",
            seconds=SECONDS,
            variables={
                **loop_variables(stage, addresses),
                **own_variables(
                    HealerSettings, {"cluster": training.cluster_arn, "stage": stage.name}
                ),
            },
            rights=[
                *storage.registry_rights(),
                *training.proving(),
                *placing(self, stage, "healer"),
            ],
        )
        self.function = function(
            self,
            stage,
            plan,
            alerts,
            vpc=network.vpc,
            vpc_subnets=ec2.SubnetSelection(subnets=list(network.subnets)),
            security_groups=[network.healer_group],
        )
        self._rules(stage, training, alerts)

    def _rules(self, stage: Stage, training: Training, alerts: Alerts) -> None:
        events.Rule(
            self,
            "TaskEnded",
            rule_name=f"{stage.stack_name}-heal-task-ended",
            description="A task of the loop ended, and may have left a roll-out open",
            event_pattern=task_ended(training),
            targets=[target(self.function, alerts)],
        )
        events.Rule(
            self,
            "Deployment",
            rule_name=f"{stage.stack_name}-heal-deployment",
            description="A deployment of the service ended, well or not",
            event_pattern=events.EventPattern(
                source=["aws.ecs"],
                detail_type=[DEPLOYMENT_EVENT],
                resources=[training.service_arn],
                detail={"eventName": ENDED},
            ),
            targets=[target(self.function, alerts)],
        )
        events.Rule(
            self,
            "Daily",
            rule_name=f"{stage.stack_name}-heal-daily",
            description="Whether a roll-out was left open of which no event came",
            schedule=events.Schedule.expression(LOOK),
            targets=[target(self.function, alerts, events.RuleTargetInput.from_object(DAILY))],
        )
