"""The API as a service of our own: how it is reached, replaced, grown and watched."""

import re
from typing import Any

import pytest

from infra.balancer import READY
from tests.architecture.code import ROOT
from tests.image.dockerfile import Instruction, named, texts
from tests.infra.controls import control
from tests.infra.examples import CERTIFICATE, PUBLIC_SUBNETS
from tests.infra.stacks import Synthesised
from tests.infra.test_alarms import alarm, sums

AREA = "Serving"


@pytest.fixture(params=["dev", "staging"])
def served(request: pytest.FixtureRequest) -> Synthesised:
    """Each stage with an API of its own."""
    found: Synthesised = request.getfixturevalue(request.param)
    return found


def attributes(stack: Synthesised) -> dict[str, str]:
    """Those of the load balancer."""
    listed = stack.one("ElasticLoadBalancingV2::LoadBalancer")["LoadBalancerAttributes"]
    return {one["Key"]: one["Value"] for one in listed}


@control(AREA, "Its tasks get no public address, and stand in the private subnets", "ECS.2")
def test_the_api_has_no_public_address(served: Synthesised) -> None:
    placed = served.one("ECS::Service")["NetworkConfiguration"]["AwsvpcConfiguration"]

    assert placed == {
        "AssignPublicIp": "DISABLED",
        "Subnets": served.trigger["VpcConfig"]["SubnetIds"],
        "SecurityGroups": [served.group("The API")],
    }


@control(AREA, "A deployment takes nobody away before its successor is there")
def test_a_deployment_keeps_every_task_until_another_is_healthy(served: Synthesised) -> None:
    found = served.one("ECS::Service")["DeploymentConfiguration"]

    assert (found["MinimumHealthyPercent"], found["MaximumPercent"]) == (100, 200)


@control(AREA, "A deployment whose tasks do not start is taken back by ECS itself")
def test_the_circuit_breaker_takes_back_what_does_not_start(served: Synthesised) -> None:
    found = served.one("ECS::Service")["DeploymentConfiguration"]

    assert found["DeploymentCircuitBreaker"] == {"Enable": True, "Rollback": True}


@control(AREA, "Nobody enters a task")
def test_no_shell_leads_into_a_task(served: Synthesised) -> None:
    assert served.one("ECS::Service")["EnableExecuteCommand"] is False


@control(AREA, "A deployment keeps the number of tasks that the scaling has decided")
def test_a_deployment_does_not_set_back_what_the_scaling_decided(served: Synthesised) -> None:
    assert "DesiredCount" not in served.one("ECS::Service")


@control(AREA, "ECS asks each container whether it lives, as the image itself would")
def test_the_container_is_asked_whether_it_lives(served: Synthesised) -> None:
    check = served.container_of("api")["HealthCheck"]
    (shipped,) = texts(named()["api"], "HEALTHCHECK")

    words = Instruction("CMD", shipped.partition(" CMD ")[2]).words()

    assert check["Command"] == ["CMD", *words]
    assert "127.0.0.1:8080/health" in words[-1]
    assert (check["Interval"], check["Timeout"], check["Retries"]) == (15, 5, 3)


@control(AREA, "The load balancer asks whether a model is loaded, and drains within half a minute")
def test_the_load_balancer_asks_for_readiness(served: Synthesised) -> None:
    targets = served.one("ElasticLoadBalancingV2::TargetGroup")

    assert (targets["HealthCheckPath"], targets["Matcher"]) == (READY, {"HttpCode": "200"})
    assert (targets["TargetType"], targets["Port"], targets["Protocol"]) == ("ip", 8080, "HTTP")
    assert targets["TargetGroupAttributes"] == [
        {"Key": "deregistration_delay.timeout_seconds", "Value": "30"}
    ]


def test_the_service_is_behind_the_load_balancer(served: Synthesised) -> None:
    (targets,) = served.all("ElasticLoadBalancingV2::TargetGroup")
    arn = served.template.ref(targets)
    (raw,) = served.raw("ECS::Service")

    assert served.one("ECS::Service")["LoadBalancers"] == [
        {"ContainerName": "api", "ContainerPort": 8080, "TargetGroupArn": arn}
    ]
    assert served.container_of("api")["PortMappings"] == [
        {"ContainerPort": 8080, "Protocol": "tcp"}
    ]
    # ECS refuses a target group without a load balancer.
    (listener,) = served.all("ElasticLoadBalancingV2::Listener")
    assert listener in raw["DependsOn"]
    (action,) = served.one("ElasticLoadBalancingV2::Listener")["DefaultActions"]
    assert action == {"Type": "forward", "TargetGroupArn": arn}


@control(AREA, "Inside by default: the load balancer has private addresses alone")
def test_the_load_balancer_is_inside_unless_it_is_asked_to_be_public(
    dev: Synthesised, staging: Synthesised
) -> None:
    inside = dev.one("ElasticLoadBalancingV2::LoadBalancer")
    public = staging.one("ElasticLoadBalancingV2::LoadBalancer")

    assert (inside["Scheme"], public["Scheme"]) == ("internal", "internet-facing")
    assert inside["Subnets"] == dev.trigger["VpcConfig"]["SubnetIds"]
    assert public["Subnets"] == list(PUBLIC_SUBNETS)


@control(AREA, "In public it speaks HTTPS alone, by TLS 1.2 or newer", "ELB.1, ELB.17")
def test_a_public_api_speaks_https_alone(staging: Synthesised) -> None:
    listener = staging.one("ElasticLoadBalancingV2::Listener")

    assert (listener["Protocol"], listener["Port"]) == ("HTTPS", 443)
    assert listener["Certificates"] == [{"CertificateArn": CERTIFICATE}]
    assert listener["SslPolicy"] == "ELBSecurityPolicy-TLS13-1-2-2021-06"


@control(
    AREA, "The load balancer drops malformed headers, and guards against desync", "ELB.4, ELB.12"
)
def test_the_load_balancer_drops_what_is_malformed(served: Synthesised) -> None:
    assert attributes(served)["routing.http.drop_invalid_header_fields.enabled"] == "true"
    assert attributes(served)["routing.http.desync_mitigation_mode"] == "defensive"


@control(AREA, "Its deletion is protected as the stage says", "ELB.6")
def test_the_load_balancer_is_protected_as_the_stage_says(served: Synthesised) -> None:
    protected = str(served.stage.protected).lower()

    assert attributes(served)["deletion_protection.enabled"] == protected


@control(AREA, "It grows from two tasks to ten, when processors are busy or requests many")
def test_the_service_grows_and_shrinks(served: Synthesised) -> None:
    target = served.one("ApplicationAutoScaling::ScalableTarget")
    (balancer,) = served.all("ElasticLoadBalancingV2::LoadBalancer")
    (targets,) = served.all("ElasticLoadBalancingV2::TargetGroup")
    full = served.template.attribute

    policies = {
        one["TargetTrackingScalingPolicyConfiguration"]["PredefinedMetricSpecification"][
            "PredefinedMetricType"
        ]: one["TargetTrackingScalingPolicyConfiguration"]
        for one in served.all("ApplicationAutoScaling::ScalingPolicy").values()
    }

    cluster, service = served.stage.cluster_name, served.stage.service_name
    assert (target["MinCapacity"], target["MaxCapacity"]) == (2, 10)
    assert target["ResourceId"] == f"service/{cluster}/{service}"
    assert policies["ECSServiceAverageCPUUtilization"]["TargetValue"] == 70
    asked = policies["ALBRequestCountPerTarget"]
    assert asked["TargetValue"] == 6_000
    assert asked["PredefinedMetricSpecification"]["ResourceLabel"] == "/".join(
        [full(balancer, "LoadBalancerFullName"), full(targets, "TargetGroupFullName")]
    )


@control(AREA, "Errors, slow answers and a service without a ready task are told of")
def test_errors_slowness_and_silence_of_the_api_are_told_of(served: Synthesised) -> None:
    found = {name: alarm(served, f"api-{name}") for name in ("errors", "slow", "down")}

    assert sums(found["errors"]) == ("Sum", 300, 1, "GreaterThanThreshold", 4, "notBreaching")
    assert found["errors"]["MetricName"] == "HTTPCode_Target_5XX_Count"
    slow = found["slow"]
    assert (slow["ExtendedStatistic"], slow["Threshold"]) == ("p95", 0.2)
    assert slow["MetricName"] == "TargetResponseTime"
    assert sums(found["down"]) == ("Maximum", 60, 1, "LessThanThreshold", 1, "breaching")
    assert found["down"]["MetricName"] == "HealthyHostCount"
    for one in found.values():
        assert one["Namespace"] == "AWS/ApplicationELB"
        assert {dimension["Name"] for dimension in one["Dimensions"]} == {
            *("LoadBalancer", "TargetGroup")
        }


def filters(stack: Synthesised) -> dict[str, dict[str, Any]]:
    """Name of the metric → the filter of the API's log that makes it."""
    group = stack.container_of("api")["LogConfiguration"]["Options"]["awslogs-group"]
    found = {}
    for one in stack.all("Logs::MetricFilter").values():
        assert one["LogGroupName"] == group
        (made,) = one["MetricTransformations"]
        assert made["MetricNamespace"] == f"HairMe/Api/{stack.stage.name}"
        found[made["MetricName"]] = {"pattern": one["FilterPattern"], "value": made["MetricValue"]}
    return found


@control(AREA, "An API that does not answer with the active version is told of")
def test_a_degraded_api_is_told_of(served: Synthesised) -> None:
    found = alarm(served, "api-degraded")

    assert filters(served)["degraded"] == {"pattern": '{ $.alert = "degraded" }', "value": "1"}
    assert found["Namespace"] == f"HairMe/Api/{served.stage.name}"
    assert sums(found) == ("Sum", 300, 1, "GreaterThanThreshold", 0, "notBreaching")


@control(AREA, "Styles that nobody clicks any more are told of, once enough were shown")
def test_a_falling_share_of_clicks_is_told_of(dev: Synthesised, staging: Synthesised) -> None:
    found = alarm(dev, "api-unloved")
    metrics = {one["Id"]: one for one in found["Metrics"]}
    expressions = [one["Expression"] for one in metrics.values() if "Expression" in one]

    for name in ("impressions", "clicks"):
        assert filters(dev)[name] == {"pattern": '{ $.message = "served" }', "value": f"$.{name}"}
    assert expressions == ["IF(shown >= 1000, clicks / shown, 1)"]
    assert {metrics[name]["MetricStat"]["Period"] for name in ("shown", "clicks")} == {86_400}
    assert (found["ComparisonOperator"], found["Threshold"]) == ("LessThanThreshold", 0.01)
    # Its stage asked for none.
    names = {one["AlarmName"] for one in staging.all("CloudWatch::Alarm").values()}
    assert "HairmeRetraining-staging-api-unloved" not in names


def test_the_log_says_an_alert_as_the_filter_reads_it(dev: Synthesised) -> None:
    code = "".join(path.read_text() for path in (ROOT / "api").glob("*.py"))

    (word,) = set(re.findall(r'"alert": "(\w+)"', code))

    assert f'"{word}"' in filters(dev)["degraded"]["pattern"]


def test_beside_a_service_that_exists_none_is_made(prod: Synthesised) -> None:
    for kind in ("ECS::Service", "ElasticLoadBalancingV2::LoadBalancer", "Logs::MetricFilter"):
        assert prod.all(kind) == {}
