"""What a stage costs, from its settings: `make cost STAGE=prod`, or `python -m infra.cost prod`.

Prices are on-demand in us-east-1, in USD, without tax and free tiers, as of November 2026; other
regions differ by up to a third. An estimate from settings, and not a pricing service's answer:
it needs no account, and the lines that matter (network, database) are prices by the hour.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from common.console import steady
from common.errors import UsageError
from infra.settings import DEFAULT, stage
from infra.stage import Existing, Stage, Standalone

HOURS = 730
"""hours in a month"""
RUNS = 52 / 12
"""runs a month, one each week"""
RUN_HOURS = 0.5
"""how long a run may well take with 10^5 votes, the start of its container included"""

NAT_MONTH, NAT_GB = 32.85, 0.045
ADDRESS_MONTH = 3.65
ENDPOINT_MONTH = 7.30
CPU_HOUR = {"ARM64": 0.03238, "X86_64": 0.04048}
MEMORY_GB_HOUR = {"ARM64": 0.00356, "X86_64": 0.004445}
SPOT_SHARE = {"FARGATE": 1.0, "FARGATE_SPOT": 0.4}
"""Spot's price changes; this is its dear end."""
TRIGGER_RUN = 0.0003
ALARM_MONTH = 0.10
BALANCER_MONTH = 16.43
"""by the hour; 5.84 more for each unit of capacity that is used all day, of which a small API uses
a fraction"""
DASHBOARD_MONTH = 3.00
"""beyond the first three of an account"""
SECRET_MONTH, KEY_MONTH = 0.40, 1.00
METRICS_MONTH = 0.30
"""all metrics together: each counts only in the hours in which it is sent"""
METRIC_MONTH, API_METRICS = 0.30, 27
"""sent all month: three of the API's log, and some two dozen of Container Insights on its tasks"""
DATABASE_HOUR = {"db.t4g.micro": 0.016, "db.t4g.small": 0.032, "db.t4g.medium": 0.065}
DISK_GB_MONTH = 0.115
KEPT_MONTH = 0.10
"""model versions, snapshots, logs, the image and the registry: some gigabytes at most"""


@dataclass(frozen=True)
class Line:
    """One thing that is paid for."""

    what: str
    usd_month: float
    usd_run: float = 0.0


def estimate(stage: Stage) -> list[Line]:
    """All that the stage adds to the bill; what exists already is not counted."""
    return [*_network(stage), *_database(stage), *_api(stage), *_runs(stage), *_watching(stage)]


def total(lines: Sequence[Line]) -> float:
    """USD a month, runs included."""
    return sum(line.usd_month + line.usd_run * RUNS for line in lines)


def _network(stage: Stage) -> Iterator[Line]:
    place = stage.place
    if isinstance(place, Standalone) and place.outbound == "nat":
        yield Line(f"NAT gateway, and {NAT_GB} for each GB", NAT_MONTH)
        yield Line("its public address", ADDRESS_MONTH)
        return
    zones = place.endpoint_zones if isinstance(place, Standalone) else len(place.subnets)
    if isinstance(place, Existing) and not place.adds_endpoints:
        yield Line("network: what exists is used", 0.0)
        return
    count = len(stage.endpoints)
    yield Line(f"{count} interface endpoints in {zones} zone(s)", count * zones * ENDPOINT_MONTH)
    yield Line("gateway endpoints for S3 and DynamoDB", 0.0)


def _database(stage: Stage) -> Iterator[Line]:
    place = stage.place
    if isinstance(place, Existing):
        return
    if place.database_class not in DATABASE_HOUR:
        known = ", ".join(DATABASE_HOUR)
        raise UsageError(
            f"the price of a database_class must be known, got {place.database_class!r}: take one "
            f"of {known}, or add its price by the hour to infra/cost.py"
        )
    hours = DATABASE_HOUR[place.database_class] * HOURS
    yield Line(f"database {place.database_class}", hours)
    yield Line(f"{place.database_gb:,} GB of disk for it", place.database_gb * DISK_GB_MONTH)
    yield Line("the secret of its administrator", SECRET_MONTH)


def _api(stage: Stage) -> Iterator[Line]:
    api = stage.api
    if api is None:
        return
    yield Line("load balancer", BALANCER_MONTH)
    if api.public:
        zones = len(api.public_subnet_ids) or 2
        yield Line("its public addresses, one a zone", zones * ADDRESS_MONTH)
    month = _hour(stage, api.cpu, api.memory) * HOURS
    what = f"{api.min_tasks} tasks of the API, {api.max_tasks} at most"
    yield Line(what, api.min_tasks * month)
    if isinstance(stage.place, Standalone):
        yield Line("metrics of the API and its tasks", API_METRICS * METRIC_MONTH)
    else:  # whether the cluster has Container Insights is not ours to say
        yield Line("metrics of the API", 3 * METRIC_MONTH)


def _hour(stage: Stage, cpu: int, memory: int) -> float:
    """USD for an hour of a task of this size."""
    cpus, memory_gb = cpu / 1_024, memory / 1_024
    return cpus * CPU_HOUR[stage.processor] + memory_gb * MEMORY_GB_HOUR[stage.processor]


def _runs(stage: Stage) -> Iterator[Line]:
    cpus, memory_gb = stage.task_cpu / 1_024, stage.task_memory / 1_024
    hour = _hour(stage, stage.task_cpu, stage.task_memory)
    task = hour * RUN_HOURS * SPOT_SHARE[stage.capacity]
    spot = " on Spot" if stage.capacity == "FARGATE_SPOT" else ""
    what = f"task: {cpus:g} processor(s), {memory_gb:g} GB, {RUN_HOURS * 60:.0f} minutes{spot}"
    yield Line(what, 0.0, task)
    yield Line("trigger, watcher and healer", 0.0, TRIGGER_RUN)


def alarms(stage: Stage) -> int:
    """How many alarms the stage has; a test counts them."""
    api = stage.api
    of_api = 0 if api is None else 4 + bool(api.click_share_alarm)
    return 8 + (stage.service_name is not None) + of_api


def _watching(stage: Stage) -> Iterator[Line]:
    yield Line(f"{alarms(stage)} alarms", alarms(stage) * ALARM_MONTH)
    yield Line("a dashboard", DASHBOARD_MONTH)
    yield Line("metrics", METRICS_MONTH)
    yield Line("model versions, snapshots, logs, image", KEPT_MONTH)
    if stage.alert_key:
        yield Line("a key for the alerts", KEY_MONTH)


def show(name: str, lines: Sequence[Line]) -> str:
    """The estimate as a table for a terminal."""
    head = f"{'stage ' + name:<58}{'USD a month':>12}{'a run':>9}"
    rows = [f"{line.what:<58}{line.usd_month:>12.2f}{_run(line):>9}" for line in lines]
    runs = sum(line.usd_run for line in lines)
    foot = f"{f'in all, with {RUNS:.1f} runs a month':<58}{total(lines):>12.2f}{runs:>9.3f}"
    return "\n".join([head, *rows, foot])


def _run(line: Line) -> str:
    return f"{line.usd_run:.4f}" if line.usd_run else ""


def main(argv: Sequence[str]) -> int:
    """Print the estimate of the named stage; wrong settings end with status 2."""
    name = argv[0] if argv else DEFAULT
    try:
        sys.stdout.write(show(name, estimate(stage(name, as_it_is=True))) + "\n")
    except UsageError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    steady()
    sys.exit(main(sys.argv[1:]))
