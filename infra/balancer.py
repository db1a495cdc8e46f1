"""The load balancer of an API of this stack's own, and the target group that its tasks join.

Apart from the service, since the training task must know its address, and the service needs the
training task's cluster.
"""

from aws_cdk import aws_elasticloadbalancingv2 as elb
from constructs import Construct

from infra.api import PORT, Api
from infra.network import Network
from infra.stage import Existing, Stage

DRAIN_SECONDS = 30
"""So long a task that is taken away may finish what it was asked; an answer takes milliseconds."""
READY = "/ready"
TLS = "ELBSecurityPolicy-TLS13-1-2-2021-06"


class Balancer(Construct):
    """What people and the application call."""

    def __init__(self, scope: Construct, stage: Stage, api: Api, network: Network) -> None:
        super().__init__(scope, "Balancer")
        assert network.balancer_group, "where there is an API there is its group"
        self.balancer = elb.CfnLoadBalancer(
            self,
            "Balancer",
            scheme="internet-facing" if api.public else "internal",
            subnets=network.balancer_subnets(api),
            security_groups=[network.balancer_group.security_group_id],
            load_balancer_attributes=[
                elb.CfnLoadBalancer.LoadBalancerAttributeProperty(key=key, value=value)
                for key, value in _attributes(stage).items()
            ],
        )
        self.targets = self._targets(network)
        self.listener = self._listener(api)
        address = api.host or self.balancer.attr_dns_name
        self.url = f"http{'' if api.certificate_arn is None else 's'}://{address}"

    @property
    def names(self) -> tuple[str, str]:
        """Of balancer and targets, as metrics know them."""
        return (
            self.balancer.attr_load_balancer_full_name,
            self.targets.attr_target_group_full_name,
        )

    def _targets(self, network: Network) -> elb.CfnTargetGroup:
        drain = elb.CfnTargetGroup.TargetGroupAttributeProperty(
            key="deregistration_delay.timeout_seconds", value=str(DRAIN_SECONDS)
        )
        return elb.CfnTargetGroup(
            self,
            "Targets",
            vpc_id=network.vpc.vpc_id,
            target_type="ip",
            protocol="HTTP",
            port=PORT,
            health_check_protocol="HTTP",
            health_check_path=READY,
            health_check_interval_seconds=10,
            health_check_timeout_seconds=5,
            healthy_threshold_count=2,
            unhealthy_threshold_count=3,
            matcher=elb.CfnTargetGroup.MatcherProperty(http_code="200"),
            target_group_attributes=[drain],
        )

    def _listener(self, api: Api) -> elb.CfnListener:
        part = elb.CfnListener
        to_targets = part.ActionProperty(type="forward", target_group_arn=self.targets.ref)
        if api.certificate_arn is None:
            return part(
                self,
                "Listener",
                load_balancer_arn=self.balancer.ref,
                protocol="HTTP",
                port=api.listener_port,
                default_actions=[to_targets],
            )
        return part(
            self,
            "Listener",
            load_balancer_arn=self.balancer.ref,
            protocol="HTTPS",
            port=api.listener_port,
            ssl_policy=TLS,
            certificates=[part.CertificateProperty(certificate_arn=api.certificate_arn)],
            default_actions=[to_targets],
        )


def serving_variables(stage: Stage, balancer: Balancer | None) -> dict[str, str]:
    """Who serves, and the address at which the answers are proved where it can be reached.

    A public load balancer cannot: from private subnets there is no way to its public addresses
    but a NAT gateway. Its tasks can, and are asked themselves.
    """
    variables = {"SERVING_URL": stage.serving_url}
    if isinstance(stage.place, Existing) and stage.place.service_url is not None:
        variables["SERVICE_URL"] = stage.place.service_url
    if balancer is not None and stage.api is not None and not stage.api.public:
        variables["SERVICE_URL"] = balancer.url
    return variables


def _attributes(stage: Stage) -> dict[str, str]:
    return {
        "deletion_protection.enabled": str(stage.protected).lower(),
        "routing.http.drop_invalid_header_fields.enabled": "true",
        "routing.http.desync_mitigation_mode": "defensive",
        "idle_timeout.timeout_seconds": "60",
    }
