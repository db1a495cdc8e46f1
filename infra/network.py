"""Where all but the watcher live: private subnets, and groups that open what is called and no more.

A NAT gateway costs more than all the rest together, so the network of an empty account has none
unless it is asked for: S3 and DynamoDB are reached by gateway endpoints, which cost nothing, and
the others by interface endpoints.
"""

from collections.abc import Sequence

from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from infra.api import PORT, Api
from infra.stage import Existing, Stage, Standalone

HTTPS = ec2.Port.tcp(443)
CIDR = "10.90.0.0/16"
"""The address range of a network of this stack's own."""
ANYBODY = "0.0.0.0/0"


class Network(Construct):
    """Network, subnets and a security group for each who lives there.

    Without a service there is no healer, and without an API of the stack's own no group for it.
    """

    def __init__(self, scope: Construct, stage: Stage) -> None:
        super().__init__(scope, "Network")
        self.vpc: ec2.IVpc
        self.subnets: Sequence[ec2.ISubnet]
        place = stage.place
        if isinstance(place, Standalone):
            self.vpc, self.subnets = self._own(place, stage.api)
        else:
            self.vpc, self.subnets = self._imported(place)
        self.trigger_group = self._caller("TriggerGroup", "The trigger: calls out, is never called")
        self.task_group = self._caller("TaskGroup", "The training task: calls out, is never called")
        self.healer_group: ec2.SecurityGroup | None = None
        self.api_group: ec2.SecurityGroup | None = None
        self.balancer_group: ec2.SecurityGroup | None = None
        if stage.service_name is not None:
            self._serves(stage)
        if isinstance(place, Standalone):
            self._gateways()
            if place.outbound == "endpoints":
                self._interfaces(stage, self.subnets[: place.endpoint_zones])
        elif place.adds_endpoints:
            self._gateways()
            self._interfaces(stage, self.subnets)

    @property
    def residents(self) -> dict[str, ec2.SecurityGroup]:
        """The group of each who calls AWS from inside, by who it is."""
        everybody = {
            "trigger": self.trigger_group,
            "task": self.task_group,
            "healer": self.healer_group,
            "API": self.api_group,
        }
        return {who: group for who, group in everybody.items() if group is not None}

    def balancer_subnets(self, api: Api) -> list[str]:
        """The ids of the subnets that the API's load balancer stands in."""
        if not api.public:
            return [subnet.subnet_id for subnet in self.subnets]
        own = [subnet.subnet_id for subnet in self.vpc.public_subnets]
        return list(api.public_subnet_ids) or own

    def connects_to(self, database: ec2.ISecurityGroup, port: int) -> None:
        """Open the way from whoever reads or writes votes to the database, at both ends."""
        for who, group in self.residents.items():
            if who != "healer":
                database.connections.allow_from(
                    group, ec2.Port.tcp(port), f"Votes for the retraining {who}"
                )

    def _serves(self, stage: Stage) -> None:
        """Open the ways to whoever serves: its tasks and, inside, its load balancer."""
        self.healer_group = self._caller("HealerGroup", "The healer: calls out, is never called")
        if stage.api is not None:
            self._own_service(stage, stage.api)
        elif isinstance(stage.place, Existing) and stage.place.service_security_group_id:
            # Mutable, as it is by default: else the rules would silently not be made.
            served = ec2.SecurityGroup.from_security_group_id(
                self, "ServiceGroup", stage.place.service_security_group_id
            )
            self._asked_for_its_model(served, stage.place.service_port)

    def _own_service(self, stage: Stage, api: Api) -> None:
        self.api_group = self._caller("ApiGroup", "The API: called by its load balancer and asked")
        self.balancer_group = self._group("BalancerGroup", "The load balancer of the API")
        port = ec2.Port.tcp(api.listener_port)
        inside = stage.place.vpc_cidr if isinstance(stage.place, Existing) else CIDR
        callers = ANYBODY if api.public else inside
        assert callers, "an API inside knows its network"
        self.balancer_group.add_ingress_rule(ec2.Peer.ipv4(callers), port, "Whoever asks the API")
        self.api_group.connections.allow_from(
            self.balancer_group, ec2.Port.tcp(PORT), "Requests to the API"
        )
        self._asked_for_its_model(self.api_group, PORT)
        if not api.public:
            for who, group in self._provers().items():
                group.add_egress_rule(self.balancer_group, port, f"Proof by the {who}")

    def _asked_for_its_model(self, served: ec2.ISecurityGroup, port: int) -> None:
        for who, group in self._provers().items():
            served.connections.allow_from(
                group, ec2.Port.tcp(port), f"The {who} asks which model answers"
            )

    def _provers(self) -> dict[str, ec2.SecurityGroup]:
        assert self.healer_group, "where something serves there is a healer"
        return {"task": self.task_group, "healer": self.healer_group}

    def _own(self, place: Standalone, api: Api | None) -> tuple[ec2.IVpc, Sequence[ec2.ISubnet]]:
        nat, open_door = place.outbound == "nat", api is not None and api.public
        private = ec2.SubnetConfiguration(
            name="private",
            subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS
            if nat
            else ec2.SubnetType.PRIVATE_ISOLATED,
            cidr_mask=24,
        )
        public = ec2.SubnetConfiguration(
            name="public",
            subnet_type=ec2.SubnetType.PUBLIC,
            # A load balancer takes no smaller one.
            cidr_mask=27,
            map_public_ip_on_launch=False,
        )
        vpc = ec2.Vpc(
            self,
            "Vpc",
            ip_addresses=ec2.IpAddresses.cidr(CIDR),
            max_azs=2,
            nat_gateways=1 if nat else 0,
            subnet_configuration=[private, public] if nat or open_door else [private],
            # Closing the unused default group takes a function with rights of its own.
            restrict_default_security_group=False,
        )
        return vpc, vpc.private_subnets if nat else vpc.isolated_subnets

    def _imported(self, place: Existing) -> tuple[ec2.IVpc, Sequence[ec2.ISubnet]]:
        vpc = ec2.Vpc.from_vpc_attributes(
            self,
            "Vpc",
            vpc_id=place.vpc_id,
            availability_zones=[subnet.zone for subnet in place.subnets],
        )
        subnets = [
            ec2.Subnet.from_subnet_attributes(
                self,
                f"Subnet{number}",
                subnet_id=subnet.subnet_id,
                availability_zone=subnet.zone,
                route_table_id=subnet.route_table_id,
            )
            for number, subnet in enumerate(place.subnets, 1)
        ]
        return vpc, subnets

    def _group(self, name: str, says: str) -> ec2.SecurityGroup:
        return ec2.SecurityGroup(
            self, name, vpc=self.vpc, description=says, allow_all_outbound=False
        )

    def _caller(self, name: str, says: str) -> ec2.SecurityGroup:
        group = self._group(name, says)
        # Gateway endpoints are reached under S3's and DynamoDB's public addresses, and the list
        # of these has another id in each region; without a NAT there is no route to any other.
        group.add_egress_rule(ec2.Peer.any_ipv4(), HTTPS, "AWS over TLS")
        return group

    def _gateways(self) -> None:
        """Free, and worth it beside a NAT gateway too: the image's layers come from S3."""
        routed = [ec2.SubnetSelection(subnets=list(self.subnets))]
        for name, gateway in (
            ("S3", ec2.GatewayVpcEndpointAwsService.S3),
            ("DynamoDb", ec2.GatewayVpcEndpointAwsService.DYNAMODB),
        ):
            ec2.GatewayVpcEndpoint(self, name, vpc=self.vpc, service=gateway, subnets=routed)

    def _interfaces(self, stage: Stage, where: Sequence[ec2.ISubnet]) -> None:
        group = self._group(
            "EndpointGroup", "Endpoints of AWS services: called by all who live here"
        )
        for who, source in self.residents.items():
            group.add_ingress_rule(source, HTTPS, f"AWS over TLS, for the {who}")
        if isinstance(stage.place, Existing) and stage.place.vpc_cidr is not None:
            # Their names lead here for the whole network, so whoever lives there needs them now.
            group.add_ingress_rule(
                ec2.Peer.ipv4(stage.place.vpc_cidr), HTTPS, "AWS over TLS, for the network"
            )
        for name, interface in endpoint_services(stage).items():
            ec2.InterfaceVpcEndpoint(
                self,
                name,
                vpc=self.vpc,
                service=interface,
                subnets=ec2.SubnetSelection(subnets=list(where)),
                security_groups=[group],
                open=False,
            )


def endpoint_services(stage: Stage) -> dict[str, ec2.InterfaceVpcEndpointAwsService]:
    """What is called from inside beside S3 and DynamoDB, by the name of its endpoint."""
    known = {
        "Ecs": ec2.InterfaceVpcEndpointAwsService.ECS,
        "EcrApi": ec2.InterfaceVpcEndpointAwsService.ECR,
        "EcrDocker": ec2.InterfaceVpcEndpointAwsService.ECR_DOCKER,
        "Logs": ec2.InterfaceVpcEndpointAwsService.CLOUDWATCH_LOGS,
        "Secrets": ec2.InterfaceVpcEndpointAwsService.SECRETS_MANAGER,
    }
    return {name: known[name] for name in stage.endpoints}
