"""Where a stage lives: beside what exists, or in a network and with a database of its own."""

from dataclasses import dataclass
from typing import Literal

from infra.setting_forms import FILL_IN, WHERE, look_like, must, within


@dataclass(frozen=True, kw_only=True)
class Subnet:
    """A private subnet that exists."""

    subnet_id: str
    zone: str
    route_table_id: str | None
    """Needed only where this stack adds gateway endpoints to the network."""

    def __post_init__(self) -> None:
        look_like("subnet_id", self.subnet_id)
        look_like("zone", self.zone)
        if self.route_table_id is not None:
            look_like("route_table_id", self.route_table_id)


@dataclass(frozen=True, kw_only=True)
class ExistingDatabase:
    """The RDS MySQL database of the application, and how the loop logs in there."""

    host: str
    port: int
    security_group_id: str
    """Gets a rule for each who may connect: the trigger, the task and an API of this stack's."""
    schema: str
    user: str
    """A user that may only read (SELECT on analysis_history)."""
    resource_id: str | None
    """For IAM authentication: the instance's resource id, which its console page shows."""
    secret_arn: str | None
    """Instead of IAM authentication: the secret with the user's password."""

    def __post_init__(self) -> None:
        for name in ("host", "security_group_id", "schema", "user"):
            look_like(name, getattr(self, name))
        within("port", self.port, 1, 65_535, "3306 is MySQL's own")
        both = (self.resource_id, self.secret_arn)
        must(
            both.count(None) == 1,
            "either resource_id (IAM authentication, preferred) or secret_arn must be given",
            "neither" if not any(both) else "both",
            f"set the other one to None in {WHERE}",
        )
        for name in ("resource_id", "secret_arn"):
            if (value := getattr(self, name)) is not None:
                look_like(name, value)


@dataclass(frozen=True, kw_only=True)
class Existing:
    """A network, database, cluster and service that exist; imported by their ids."""

    account: str
    region: str
    vpc_id: str
    subnets: tuple[Subnet, ...]
    """At least two, in different zones: where one lacks capacity, the other is tried."""
    adds_endpoints: bool
    """Whether this stack adds the endpoints that it needs. False: the subnets have a route to
    AWS already, by NAT or endpoints. True costs 7.30 USD a month for each endpoint and zone, and
    needs a network with both DNS attributes on and none of these endpoints yet: so at most one
    stage of a network adds them."""
    vpc_cidr: str | None
    """The network's address range, needed with `adds_endpoints` only: an endpoint answers for its
    service in the whole network, so everything in there must be able to call it."""
    database: ExistingDatabase
    cluster_name: str
    service_name: str | None
    """The API's ECS service, which is made to load a promoted model; None: this stage has one of
    its own, or nobody serves."""
    service_security_group_id: str | None
    """The group of that service's tasks, which then gets two rules, so that the task and the
    healer may ask each of them for its model. None changes nothing of it, and proves less."""
    service_port: int
    """Of that service's container."""
    service_url: str | None
    """The address of that service's load balancer, over HTTPS: there its answers are proved too."""

    def __post_init__(self) -> None:
        for name in ("account", "region", "vpc_id", "cluster_name"):
            look_like(name, getattr(self, name))
        for name in ("service_name", "service_url", "vpc_cidr"):
            if (value := getattr(self, name)) is not None:
                look_like(name, value)
        self._check_service()
        self._check_endpoints()
        self._check_subnets()

    def _check_service(self) -> None:
        group = self.service_security_group_id
        if group is not None:
            look_like("security_group_id", group, "service_security_group_id")
        within("service_port", self.service_port, 1, 65_535, "8080 is that of our own image")
        for name in ("service_security_group_id", "service_url"):
            value = getattr(self, name)
            must(
                value is None or self.service_name is not None,
                f"{name} is of the service that service_name names",
                value,
                f"write service_name into {WHERE}, or set {name} to None",
            )

    def _check_endpoints(self) -> None:
        must(
            not self.adds_endpoints or self.vpc_cidr is not None,
            "adds_endpoints needs the network's address range",
            self.vpc_cidr,
            f"write vpc_cidr into {WHERE}, or set adds_endpoints to False",
        )

    def _check_subnets(self) -> None:
        if FILL_IN in (self.region, *(subnet.zone for subnet in self.subnets)):
            return  # told of already
        zones = {subnet.zone for subnet in self.subnets}
        must(
            2 <= len(self.subnets) == len(zones) <= 16,
            "subnets must be two or more, each in another zone",
            ", ".join(subnet.zone for subnet in self.subnets) or "none",
            f"list one private subnet of each zone in {WHERE}",
        )
        for subnet in self.subnets:
            must(
                subnet.zone.startswith(self.region),
                f"every subnet must be in {self.region}",
                subnet.zone,
                f"correct region or subnets in {WHERE}",
            )
            must(
                not self.adds_endpoints or subnet.route_table_id is not None,
                "adds_endpoints needs the route table of every subnet",
                subnet.subnet_id,
                f"write its route_table_id into {WHERE}, or set adds_endpoints to False",
            )


@dataclass(frozen=True, kw_only=True)
class Standalone:
    """A small network, database and cluster of this stack's own, for an empty account."""

    outbound: Literal["endpoints", "nat"]
    """How to reach AWS: interface endpoints, or a NAT gateway (32.85 USD a month, and 0.045 a GB),
    which also reaches the rest of the internet."""
    endpoint_zones: Literal[1, 2]
    """Zones with interface endpoints, at 7.30 USD a month each; one serves both zones."""
    database_class: str
    database_gb: int

    def __post_init__(self) -> None:
        choices = (("outbound", ("endpoints", "nat")), ("endpoint_zones", (1, 2)))
        for name, allowed in choices:
            value = getattr(self, name)
            words = " or ".join(map(str, allowed))
            must(value in allowed, f"{name} must be {words}", value, f"correct it in {WHERE}")
        look_like("database_class", self.database_class)
        within("database_gb", self.database_gb, 20, 65_536, "gp3 volumes of RDS begin at 20 GB")
