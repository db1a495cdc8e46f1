"""One stage of the loop as a stack: everything that AWS is asked for, in one screen."""

from aws_cdk import CfnOutput, Environment, Stack, Tags
from constructs import Construct

from infra.alarms import Alarms
from infra.alerts import Alerts
from infra.api_figures import ApiFigures
from infra.balancer import Balancer, serving_variables
from infra.dashboard import dashboard
from infra.database import votes
from infra.healer import Healer
from infra.network import Network
from infra.schedule import Schedule
from infra.serving import Serving
from infra.stage import Existing, Stage
from infra.storage import Storage
from infra.training import Training
from infra.trigger import Trigger
from infra.watcher import Watcher


class RetrainingStack(Stack):
    """Schedule → trigger → task → store and registry → API; watched and healed."""

    def __init__(self, scope: Construct, stage: Stage, revision: str) -> None:
        """revision: of the code, for the image's label."""
        super().__init__(
            scope,
            stage.stack_name,
            description=f"HairMe retraining loop, stage {stage.name}",
            env=_where(stage),
            termination_protection=stage.protected,
        )
        for name, value in {"Project": "hairme-retraining", "Stage": stage.name}.items():
            Tags.of(self).add(name, value)
        alerts = Alerts(self, stage)
        storage = Storage(self, stage)
        network = Network(self, stage)
        found = votes(self, stage, network)
        balancer = Balancer(self, stage, stage.api, network) if stage.api else None
        serving = serving_variables(stage, balancer)
        training = Training(self, stage, storage, found, serving, revision)
        trigger = Trigger(self, stage, network, storage, found, training, alerts)
        watcher = Watcher(self, stage, storage, training, alerts)
        healer = (
            Healer(self, stage, network, storage, training, serving, alerts)
            if stage.service_name
            else None
        )
        figures = None
        if stage.api and balancer:
            served = Serving(
                self, stage, stage.api, network, storage, found, training, balancer, revision
            )
            figures = ApiFigures(stage, stage.api, balancer, served)
        Schedule(self, stage, trigger, alerts)
        alarms = Alarms(self, stage, trigger, watcher, healer, figures, alerts)
        functions = [each.function for each in (trigger, watcher, healer) if each]
        dashboard(self, stage, functions, figures, alarms)
        self._says(
            {
                "Trigger": trigger.function.function_name,
                "Store": storage.store_url,
                "Registry": storage.registry_url,
                "Alerts": alerts.topic.topic_arn,
                "Undelivered": alerts.undelivered.queue_url,
                "Cluster": training.cluster_name,
                "TaskDefinition": training.definition_arn,
                "Subnets": ",".join(subnet.subnet_id for subnet in network.subnets),
                "TaskSecurityGroup": network.task_group.security_group_id,
                **found.says,
                **({"Api": balancer.url} if balancer else {}),
            }
        )

    def _says(self, outputs: dict[str, str]) -> None:
        for name, value in outputs.items():
            CfnOutput(self, f"{name}Is", value=value)


def _where(stage: Stage) -> Environment | None:
    """The account that the ids belong to; an empty account is whichever one deploys."""
    if isinstance(stage.place, Existing):
        return Environment(account=stage.place.account, region=stage.place.region)
    return None
