"""The API as a service on Fargate: image, task definition, roles, service, and how it grows.

It is ready without any promoted model, so that the stack becomes stable before the first run. Its
database user writes what was shown and voted; of the store and the registry it only reads.
"""

from collections.abc import Mapping

from aws_cdk import Fn
from aws_cdk import aws_applicationautoscaling as scaling
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from constructs import Construct

from infra.api import PORT, Api
from infra.balancer import Balancer
from infra.containers import FOLDERS, Program, definition, execution_role, image, task_role
from infra.database import Votes
from infra.environment import loop_variables
from infra.log_group import log_group
from infra.network import Network
from infra.rights import allow
from infra.stage import Stage
from infra.storage import Storage
from infra.training import Training

CONTAINER = "api"
OF_TASK = ("__init__", "artifact", "features", "metrics", "versions")
"""The modules of `task` that a version is read with; the Dockerfile copies these and no others."""
OF_THE_TASK = (
    "requirements.txt",
    "task/*",
    *(f"!task/{module}.py" for module in OF_TASK),
)
"""What the builder is sent for the other image alone."""
STOP_SECONDS = 30
"""Longer than any answer; the load balancer has stopped asking before."""
GRACE_SECONDS = 60
"""A new task may take so long to start before its health counts."""
BUSY_PERCENT = 70.0
ALIVE = (
    "from urllib.request import urlopen; "
    f"urlopen('http://127.0.0.1:{PORT}/health', timeout=4).close()"
)
"""As the Dockerfile's HEALTHCHECK. That a model is loaded is the load balancer's question."""


class Serving(Construct):
    """The service, behind its load balancer."""

    def __init__(
        self,
        scope: Construct,
        stage: Stage,
        api: Api,
        network: Network,
        storage: Storage,
        votes: Votes,
        training: Training,
        balancer: Balancer,
        revision: str,
    ) -> None:
        super().__init__(scope, "Serving")
        assert votes.writer, "where there is an API there is its database user"
        self.log_group = log_group(self, stage, "api")
        made = image(self, stage, revision, "api", OF_THE_TASK)
        self.task_role = task_role(
            self, [*storage.reading_rights(), *votes.writer.rights, *_key(api)]
        )
        self.execution_role = execution_role(self, made, self.log_group)
        addresses = {
            **votes.writer.variables,
            "STORE_URL": storage.store_url,
            "REGISTRY_URL": storage.registry_url,
            "SERVING_URL": stage.serving_url,
            **({"API_KEY_SECRET_ARN": api.key_secret_arn} if api.key_secret_arn else {}),
            **FOLDERS,
        }
        program = _program(stage, api, loop_variables(stage, addresses))
        roles = (self.task_role, self.execution_role)
        self.definition = definition(self, stage, program, made, self.log_group, roles)
        self.service = self._service(stage, network, training, balancer)
        self._grows(api, training, balancer)

    def _service(
        self, stage: Stage, network: Network, training: Training, balancer: Balancer
    ) -> ecs.CfnService:
        part = ecs.CfnService
        assert network.api_group, "where there is an API there is its group"
        service = part(
            self,
            "Service",
            cluster=training.cluster_name,
            service_name=stage.service_name,
            task_definition=self.definition.ref,
            launch_type="FARGATE",
            # No desired count: each deployment would set back what the scaling has decided.
            deployment_configuration=part.DeploymentConfigurationProperty(
                minimum_healthy_percent=100,
                maximum_percent=200,
                deployment_circuit_breaker=part.DeploymentCircuitBreakerProperty(
                    enable=True, rollback=True
                ),
            ),
            health_check_grace_period_seconds=GRACE_SECONDS,
            network_configuration=part.NetworkConfigurationProperty(
                awsvpc_configuration=part.AwsVpcConfigurationProperty(
                    assign_public_ip="DISABLED",
                    subnets=[subnet.subnet_id for subnet in network.subnets],
                    security_groups=[network.api_group.security_group_id],
                )
            ),
            load_balancers=[
                part.LoadBalancerProperty(
                    container_name=CONTAINER,
                    container_port=PORT,
                    target_group_arn=balancer.targets.ref,
                )
            ],
            enable_execute_command=False,
            enable_ecs_managed_tags=True,
            propagate_tags="SERVICE",
        )
        # ECS refuses a target group that no load balancer has yet.
        service.add_resource_dependency(balancer.listener)
        return service

    def _grows(self, api: Api, training: Training, balancer: Balancer) -> None:
        # It takes the role that belongs to the service of AWS: one of ours would be no less.
        target = scaling.CfnScalableTarget(
            self,
            "Tasks",
            service_namespace="ecs",
            scalable_dimension="ecs:service:DesiredCount",
            resource_id=f"service/{training.cluster_name}/{self.service.attr_name}",
            min_capacity=api.min_tasks,
            max_capacity=api.max_tasks,
        )
        part = scaling.CfnScalingPolicy
        kinds = {
            "Busy": ("ECSServiceAverageCPUUtilization", None, BUSY_PERCENT),
            "Asked": (
                "ALBRequestCountPerTarget",
                Fn.join("/", list(balancer.names)),
                float(api.requests_per_task),
            ),
        }
        for name, (metric, label, value) in kinds.items():
            part(
                self,
                name,
                policy_name=f"{training.stage.service_name}-{name.lower()}",
                policy_type="TargetTrackingScaling",
                scaling_target_id=target.ref,
                target_tracking_scaling_policy_configuration=(
                    part.TargetTrackingScalingPolicyConfigurationProperty(
                        target_value=value,
                        predefined_metric_specification=part.PredefinedMetricSpecificationProperty(
                            predefined_metric_type=metric, resource_label=label
                        ),
                    )
                ),
            )


def _program(stage: Stage, api: Api, variables: Mapping[str, str]) -> Program:
    return Program(
        name=CONTAINER,
        family=f"{stage.stack_name}-api",
        cpu=api.cpu,
        memory=api.memory,
        stop_seconds=STOP_SECONDS,
        log_prefix="api",
        variables=variables,
        # As the image has it: the health check and the load balancer rely on this very port.
        words=("--host", "0.0.0.0", "--port", str(PORT)),
        port=PORT,
        alive=ALIVE,
    )


def _key(api: Api) -> list[iam.PolicyStatement]:
    if api.key_secret_arn is None:
        return []
    return [allow("Key", ["secretsmanager:GetSecretValue"], [api.key_secret_arn])]
