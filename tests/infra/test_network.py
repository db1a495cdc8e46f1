"""Where everything lives: what can reach it (mostly nothing), and what it can reach."""

import ast
import re
import subprocess
from pathlib import Path
from typing import Any

from retrain_trigger.launch import task_request
from retrain_trigger.settings import TriggerSettings, read
from tests.architecture.code import modules
from tests.infra.controls import control
from tests.infra.examples import DATABASE, EXISTING, SUBNETS
from tests.infra.stacks import Synthesised

AREA = "Network"
INSIDE = {
    "s3": "the task and the API, and the images' layers",
    "dynamodb": "trigger, healer, task and API",
    "ecs": "the trigger, and task and healer where they make a service load a model",
    "ecr.api": "ECS, to find the image",
    "ecr.dkr": "ECS, to pull it",
    "logs": "ECS, to write the task's log",
}
"""What is called from inside the network, and by whom. The trigger's log is written by Lambda."""
FROM_OUTSIDE = {
    "sns": "the watcher, which is in no network",
    "rds": "nobody: a token is signed where it is used",
}
GATEWAYS = {"s3", "dynamodb"}


def rules(stack: Synthesised, direction: str, group: str) -> set[tuple[Any, ...]]:
    """(port, to or from whom) of every rule of a group, inline and apart."""
    other = "DestinationSecurityGroupId" if direction == "Egress" else "SourceSecurityGroupId"
    found = list(stack.all(f"EC2::SecurityGroup{direction}").values())
    apart = [rule for rule in found if rule["GroupId"] == group]
    inline = [
        rule
        for name, properties in stack.all("EC2::SecurityGroup").items()
        if stack.template.attribute(name, "GroupId") == group
        for rule in properties.get(f"SecurityGroup{direction}", [])
    ]
    assert all(rule["Description"] for rule in apart + inline)
    return {
        (rule["FromPort"], rule["ToPort"], rule.get("CidrIp") or rule[other])
        for rule in apart + inline
        # How the CDK writes "none": CloudFormation's own default would be "all".
        if rule.get("CidrIp") != "255.255.255.255/32"
    }


def database_group(stack: Synthesised) -> str:
    return stack.group("The database") if stack.stage.standalone else DATABASE.security_group_id


def endpoints(stack: Synthesised) -> dict[str, dict[str, Any]]:
    """Service → its endpoint."""
    return {
        _text(endpoint["ServiceName"]).removeprefix("com.amazonaws.us-east-1."): endpoint
        for endpoint in stack.all("EC2::VPCEndpoint").values()
    }


def _text(name: str) -> str:
    return re.sub(r"^aws\.", "com.amazonaws.", name)


@control(AREA, "The task gets no public address", "ECS.2")
def test_the_trigger_starts_the_task_without_a_public_address_in_the_stacks_subnets(
    every: Synthesised,
) -> None:
    settings = read(TriggerSettings, every.environment("trigger"))

    placed = task_request(settings, "a-1", {}, 1)["networkConfiguration"]["awsvpcConfiguration"]

    assert placed == {
        "assignPublicIp": "DISABLED",
        "subnets": every.trigger["VpcConfig"]["SubnetIds"],
        "securityGroups": [every.group("The training task")],
    }


@control(AREA, "Trigger and task each have a group of their own")
def test_trigger_and_task_are_each_in_one_group_and_it_is_not_the_same(every: Synthesised) -> None:
    trigger = every.trigger["VpcConfig"]["SecurityGroupIds"]
    task = every.environment("trigger")["TRIGGER_SECURITY_GROUPS"].split(",")

    assert trigger == [every.group("The trigger")]
    assert task == [every.group("The training task")]
    assert trigger != task


@control(AREA, "Nothing reaches trigger, task or healer", "EC2.18, EC2.19")
def test_no_rule_lets_anything_in_to_whoever_only_calls(every: Synthesised) -> None:
    for who in ("The trigger", "The training task", "The healer"):
        assert rules(every, "Ingress", every.group(who)) == set()


@control(AREA, "The trigger reaches AWS over TLS and the database, and no other port")
def test_the_trigger_may_call_the_database_and_port_443_alone(every: Synthesised) -> None:
    assert rules(every, "Egress", every.group("The trigger")) == {AWS, votes(every)}


AWS = (443, 443, "0.0.0.0/0")


def votes(stack: Synthesised) -> tuple[int, int, str]:
    """The way to the database."""
    port = DATABASE.port if stack.stage.name != "staging" else 3307
    return port, port, database_group(stack)


@control(
    AREA, "Beyond that, task and healer reach who serves: each task of it, and inside its door"
)
def test_task_and_healer_may_also_ask_who_serves(every: Synthesised) -> None:
    asked = {
        "dev": {
            (8080, 8080, served(every)),
            (80, 80, every.group("The load balancer") if every.stage.standalone else ""),
        },
        "prod": {(8000, 8000, served(every))},
        # Public: its tasks alone are asked.
        "staging": {(8080, 8080, served(every))},
    }[every.stage.name]

    assert rules(every, "Egress", every.group("The training task")) == {AWS, votes(every)} | asked
    assert rules(every, "Egress", every.group("The healer")) == {AWS} | asked


def served(stack: Synthesised) -> str:
    """The group of the tasks that serve."""
    if stack.stage.api is None:
        return str(EXISTING.service_security_group_id)
    return stack.group("The API")


@control(AREA, "Who serves lets in task, healer and, where it is ours, its load balancer alone")
def test_who_serves_admits_its_door_and_those_who_prove_it(every: Synthesised) -> None:
    port = 8080 if every.stage.api else EXISTING.service_port
    provers = {every.group("The training task"), every.group("The healer")}
    door = {every.group("The load balancer")} if every.stage.api else set()

    assert rules(every, "Ingress", served(every)) == {(port, port, who) for who in provers | door}


@control(AREA, "The API reaches AWS over TLS and the database, and no other port")
def test_the_api_may_call_the_database_and_port_443_alone(
    dev: Synthesised, staging: Synthesised
) -> None:
    for stack in (dev, staging):
        assert rules(stack, "Egress", stack.group("The API")) == {AWS, votes(stack)}


@control(AREA, "The load balancer answers its network, or HTTPS alone, and asks the API alone")
def test_the_load_balancer_answers_whom_the_stage_says(
    dev: Synthesised, staging: Synthesised
) -> None:
    for stack, door in ((dev, (80, 80, "10.90.0.0/16")), (staging, (443, 443, "0.0.0.0/0"))):
        group = stack.group("The load balancer")
        assert rules(stack, "Ingress", group) == {door}
        assert rules(stack, "Egress", group) == {(8080, 8080, stack.group("The API"))}


@control(AREA, "The database lets in trigger, task and our API, and of this stack nobody else")
def test_the_database_admits_whoever_reads_or_writes_votes_alone(every: Synthesised) -> None:
    port, _, group = votes(every)
    readers = {every.group("The trigger"), every.group("The training task")}
    writer = {every.group("The API")} if every.stage.api else set()

    assert rules(every, "Ingress", group) == {(port, port, who) for who in readers | writer}
    assert rules(every, "Egress", group) == set()


@control(
    AREA, "Endpoints let in who lives there, in an existing network all of it, and call nobody"
)
def test_endpoints_admit_who_lives_there_alone(dev: Synthesised, staging: Synthesised) -> None:
    for stack in (dev, staging):
        group = stack.group("Endpoints")
        assert rules(stack, "Ingress", group) == {
            (443, 443, stack.group("The trigger")),
            (443, 443, stack.group("The training task")),
            (443, 443, stack.group("The healer")),
            (443, 443, stack.group("The API")),
            # Added to a network that exists, they answer for all who live there.
            *([(443, 443, "10.0.0.0/16")] if stack is staging else []),
        }
        assert rules(stack, "Egress", group) == set()


def test_there_are_no_groups_but_those_that_are_looked_at(every: Synthesised) -> None:
    made = len(every.all("EC2::SecurityGroup"))

    assert made == {"dev": 7, "prod": 3, "staging": 6}[every.stage.name]


@control(AREA, "Every service that the code calls is reachable from where it calls")
def test_every_service_that_the_code_calls_has_an_endpoint_where_there_is_no_other_route(
    dev: Synthesised, staging: Synthesised
) -> None:
    secret = {"secretsmanager": "trigger and task, where a secret holds the password"}
    assert called() <= INSIDE.keys() | FROM_OUTSIDE.keys() | secret.keys()

    for stack, needed in ((dev, set(INSIDE)), (staging, set(INSIDE) | set(secret))):
        found = endpoints(stack)
        assert found.keys() == needed
        for service, endpoint in found.items():
            if service in GATEWAYS:
                assert endpoint["VpcEndpointType"] == "Gateway"
                assert set(endpoint["RouteTableIds"]) == routes(stack)
            else:
                assert endpoint["VpcEndpointType"] == "Interface"
                assert endpoint["PrivateDnsEnabled"] is True
                assert endpoint["SecurityGroupIds"] == [stack.group("Endpoints")]


def called() -> set[str]:
    """The services that `common.aws.client` is asked for, anywhere in the code that runs."""
    return {
        str(call.args[0].value)
        for module in modules("common", "lambda", "task")
        for call in ast.walk(module.tree)
        if isinstance(call, ast.Call)
        and ast.unparse(call.func).rpartition(".")[2] == "client"
        and call.args
        and isinstance(call.args[0], ast.Constant)
    }


def routes(stack: Synthesised) -> set[str]:
    """The route tables of the subnets that trigger and task live in."""
    if not stack.stage.standalone:
        assert stack.stage.name == "staging"
        return {"rtb-0a1b2c3d4e5f60718", "rtb-1a1b2c3d4e5f60718"}
    inside = set(stack.trigger["VpcConfig"]["SubnetIds"])
    return {
        pair["RouteTableId"]
        for pair in stack.all("EC2::SubnetRouteTableAssociation").values()
        if pair["SubnetId"] in inside
    }


def test_all_the_services_that_the_code_calls_are_found() -> None:
    assert called() == {"s3", "dynamodb", "ecs", "sns", "rds", "secretsmanager"}


@control(AREA, "No NAT gateway, no internet gateway and no public subnet unless asked for")
def test_nothing_leads_to_or_from_the_internet(every: Synthesised) -> None:
    for kind in ("NatGateway", "InternetGateway", "EIP", "Route"):
        assert every.all(f"EC2::{kind}") == {}
    for subnet in every.all("EC2::Subnet").values():
        assert subnet["MapPublicIpOnLaunch"] is False


def test_a_nat_gateway_that_is_asked_for_is_one_and_the_only_way_out(
    refused: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    stack = Synthesised.read(refused[0], "nat")
    inside = routes(stack)

    ways = [r for r in stack.all("EC2::Route").values() if r["RouteTableId"] in inside]

    assert len(stack.all("EC2::NatGateway")) == 1
    assert {(way["DestinationCidrBlock"], "NatGatewayId" in way) for way in ways} == {
        ("0.0.0.0/0", True)
    }
    assert len(ways) == len(inside) == 2
    assert endpoints(stack).keys() == GATEWAYS
    assert all(s["MapPublicIpOnLaunch"] is False for s in stack.all("EC2::Subnet").values())


@control(AREA, "Two subnets in different zones")
def test_trigger_and_task_may_live_in_two_zones(every: Synthesised) -> None:
    subnets = every.trigger["VpcConfig"]["SubnetIds"]

    assert subnets == every.environment("trigger")["TRIGGER_SUBNETS"].split(",")
    if every.stage.standalone:
        zones = [every.all("EC2::Subnet")[name]["AvailabilityZone"] for name in _own(every)]
        assert len(set(zones)) == 2
    else:
        assert subnets == [subnet.subnet_id for subnet in SUBNETS]


def _own(stack: Synthesised) -> list[str]:
    return [name for name in stack.all("EC2::Subnet") if "private" in name]


@control(AREA, "Beside what exists, nothing of it is changed but who may call database and service")
def test_an_existing_network_gets_groups_and_rules_and_nothing_else(
    prod: Synthesised,
) -> None:
    made = {r["Type"] for r in prod.template.document["Resources"].values()}

    network = {kind for kind in made if kind.startswith(("AWS::EC2", "AWS::RDS", "AWS::ECS"))}
    assert network == {
        "AWS::EC2::SecurityGroup",
        "AWS::EC2::SecurityGroupEgress",
        "AWS::EC2::SecurityGroupIngress",
        "AWS::ECS::TaskDefinition",
    }
