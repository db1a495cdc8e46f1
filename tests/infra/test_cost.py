"""The estimate of what a stage costs: the lines that matter, and what moves them."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from common.errors import UsageError
from infra.cost import Line, alarms, estimate, total
from infra.settings import dev
from infra.stage import Stage, Standalone
from tests.architecture.code import ROOT
from tests.infra.examples import prod, staging


def own() -> Standalone:
    """What dev makes for itself."""
    place = dev().place
    assert isinstance(place, Standalone)
    return place


def line(stage: Stage, words: str) -> Line:
    """The one line with these words."""
    (found,) = (each for each in estimate(stage) if words in each.what)
    return found


def test_network_and_api_are_most_of_what_an_empty_account_pays() -> None:
    assert line(dev(), "interface endpoints").usd_month == pytest.approx(4 * 7.30)
    assert line(dev(), "load balancer").usd_month == pytest.approx(16.43, abs=0.01)
    assert line(dev(), "tasks of the API").usd_month == pytest.approx(17.01, abs=0.01)
    assert total(estimate(dev())) < 95
    assert total(estimate(replace(dev(), api=None))) < 50


def test_a_public_load_balancer_pays_for_its_addresses() -> None:
    assert line(staging(), "its public addresses").usd_month == pytest.approx(2 * 3.65)
    assert not [each for each in estimate(dev()) if "public addresses" in each.what]


def test_a_nat_gateway_is_paid_only_by_those_who_asked_for_one() -> None:
    with_nat = replace(dev(), place=replace(own(), outbound="nat"))

    assert not [each for each in estimate(dev()) if "NAT" in each.what]
    assert line(with_nat, "NAT").usd_month == 32.85


def test_prod_the_loop_costs_a_few_dollars() -> None:
    assert total(estimate(prod())) < 6


def test_endpoints_that_are_added_are_paid_in_every_zone() -> None:
    # Five endpoints, since it reads a secret, in two zones.
    assert line(staging(), "interface endpoints").usd_month == pytest.approx(5 * 2 * 7.30)


@pytest.mark.parametrize(
    "changed, usd",
    [
        ({}, 0.0233),
        ({"processor": "X86_64"}, 0.0291),
        ({"capacity": "FARGATE_SPOT"}, 0.0093),
        ({"task_cpu": 2048, "task_memory": 8192}, 0.0466),
    ],
)
def test_a_run_costs_what_fargate_asks_for_half_an_hour(
    changed: dict[str, object], usd: float
) -> None:
    stage = replace(dev(), **changed)  # type: ignore[arg-type]

    assert line(stage, "task:").usd_run == pytest.approx(usd, abs=0.0001)


def test_as_many_alarms_and_endpoints_are_counted_as_the_template_has() -> None:
    template = json.loads((ROOT / "infra/template.json").read_text("utf-8"))
    kinds = [each["Type"] for each in template["Resources"].values()]

    assert kinds.count("AWS::CloudWatch::Alarm") == alarms(dev())
    assert alarms(prod()) == alarms(replace(dev(), api=None)) + 1
    gateways = 2
    assert kinds.count("AWS::EC2::VPCEndpoint") - gateways == len(dev().endpoints)


def test_a_price_that_is_not_known_is_asked_for() -> None:
    large = replace(dev(), place=replace(own(), database_class="db.r8g.large"))

    with pytest.raises(UsageError, match=r"got 'db.r8g.large': take one of .* or add its price"):
        estimate(large)


def test_what_a_stage_costs_is_known_before_its_ids_are_filled_in() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "infra.cost", "prod"],
        cwd=ROOT,
        env={"PYTHONPATH": ".:lambda", "PATH": "/usr/bin:/bin:/usr/local/bin"},
        capture_output=True,
        text=True,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("stage prod ")
