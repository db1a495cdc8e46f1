"""What a stage may be: the types of `infra/settings.py`, and the rules that every value passes.

Nothing here has a default: what differs between stages stands in the stage itself. A wrong value
raises UsageError before anything is synthesised, since CloudFormation would find it after minutes,
and some (a wrong zone, a cron in the past) not at all.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Literal

from common.errors import UsageError
from common.setting_rules import shown
from common.settings import Settings

Name = Literal["dev", "staging", "prod"]
WHERE = "infra/settings.py"

LONGEST_STATEMENT_SECONDS = 840
"""Lambda ends the trigger after 900 seconds; a statement must end before that."""

# Fargate's sizes: CPU units (1,024 are one processor) → memory in MiB (from, to, step).
SIZES: Mapping[int, tuple[int, int, int]] = {
    512: (1_024, 4_096, 1_024),
    1_024: (2_048, 8_192, 1_024),
    2_048: (4_096, 16_384, 1_024),
    4_096: (8_192, 30_720, 1_024),
    8_192: (16_384, 61_440, 4_096),
    16_384: (32_768, 122_880, 8_192),
}
LOG_DAYS = (1, 7, 14, 30, 90, 180, 365, 731)

_ZONE = r"[a-z]{2}(-[a-z]+)+-\d[a-z]"
_EXAMPLES: Mapping[str, tuple[str, str]] = {
    "account": (r"\d{12}", "123456789012"),
    "region": (r"[a-z]{2}(-[a-z]+)+-\d", "us-east-1"),
    "vpc_id": (r"vpc-[0-9a-f]{8,17}", "vpc-0a1b2c3d4e5f60718"),
    "subnet_id": (r"subnet-[0-9a-f]{8,17}", "subnet-0a1b2c3d4e5f60718"),
    "zone": (_ZONE, "us-east-1a"),
    "route_table_id": (r"rtb-[0-9a-f]{8,17}", "rtb-0a1b2c3d4e5f60718"),
    "cluster_name": (r"[A-Za-z0-9_-]{1,255}", "hairme"),
    "service_name": (r"[A-Za-z0-9_-]{1,255}", "api"),
    "host": (
        r"[a-z0-9.-]+\.rds\.amazonaws\.com",
        "hairme.abcdefghijkl.us-east-1.rds.amazonaws.com",
    ),
    "security_group_id": (r"sg-[0-9a-f]{8,17}", "sg-0a1b2c3d4e5f60718"),
    "schema": (r"[A-Za-z0-9_]{1,64}", "hairme"),
    "user": (r"[A-Za-z0-9_]{1,32}", "retraining"),
    "resource_id": (r"(db|cluster|prx)-[A-Z0-9]{10,40}", "db-ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
    "secret_arn": (
        r"arn:aws:secretsmanager:[a-z0-9-]+:\d{12}:secret:\S+-[A-Za-z0-9]{6}",
        "arn:aws:secretsmanager:us-east-1:123456789012:secret:hairme-AbCdEf",
    ),
    "database_class": (r"db\.[a-z0-9]+\.[a-z0-9]+", "db.t4g.micro"),
    "time_zone": (r"UTC|[A-Za-z_]+/[A-Za-z_/+-]+", "Asia/Seoul"),
    "email": (r"[^@\s]+@[^@\s]+\.[a-z]{2,}", "team@example.com"),
}


def _must(holds: bool, rule: str, value: object, remedy: str) -> None:
    if not holds:
        raise UsageError(f"{rule}, got {shown(value)}: {remedy}")


def _look_like(name: str, value: str, what: str | None = None) -> None:
    form, example = _EXAMPLES[name]
    _must(
        re.fullmatch(form, value) is not None,
        f"{what or name} must look like {example}",
        value,
        f"write yours into {WHERE}",
    )


def _within(name: str, value: int, low: int, high: int, why: str) -> None:
    _must(low <= value <= high, f"{name} must be from {low:,} to {high:,}", value, why)


@dataclass(frozen=True, kw_only=True)
class Subnet:
    """A private subnet that exists."""

    subnet_id: str
    zone: str
    route_table_id: str | None
    """Needed only where this stack adds gateway endpoints to the network."""

    def __post_init__(self) -> None:
        _look_like("subnet_id", self.subnet_id)
        _look_like("zone", self.zone)
        if self.route_table_id is not None:
            _look_like("route_table_id", self.route_table_id)


@dataclass(frozen=True, kw_only=True)
class ExistingDatabase:
    """The RDS MySQL database of the application, and how the loop logs in there."""

    host: str
    port: int
    security_group_id: str
    """Gets two rules: the trigger and the task may connect."""
    schema: str
    user: str
    """A user that may only read (SELECT on analysis_history)."""
    resource_id: str | None
    """For IAM authentication: the instance's resource id, which its console page shows."""
    secret_arn: str | None
    """Instead of IAM authentication: the secret with the user's password."""

    def __post_init__(self) -> None:
        for name in ("host", "security_group_id", "schema", "user"):
            _look_like(name, getattr(self, name))
        _within("port", self.port, 1, 65_535, "3306 is MySQL's own")
        both = (self.resource_id, self.secret_arn)
        _must(
            both.count(None) == 1,
            "either resource_id (IAM authentication, preferred) or secret_arn must be given",
            "neither" if not any(both) else "both",
            f"set the other one to None in {WHERE}",
        )
        for name in ("resource_id", "secret_arn"):
            if (value := getattr(self, name)) is not None:
                _look_like(name, value)


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
    AWS already, by NAT or endpoints. True costs 7.30 USD a month for each endpoint and zone."""
    database: ExistingDatabase
    cluster_name: str
    service_name: str | None
    """The API's ECS service, which is made to load a promoted model; None: nothing is."""

    def __post_init__(self) -> None:
        for name in ("account", "region", "vpc_id", "cluster_name"):
            _look_like(name, getattr(self, name))
        if self.service_name is not None:
            _look_like("service_name", self.service_name)
        zones = {subnet.zone for subnet in self.subnets}
        _must(
            2 <= len(self.subnets) == len(zones) <= 16,
            "subnets must be two or more, each in another zone",
            ", ".join(subnet.zone for subnet in self.subnets) or "none",
            f"list one private subnet of each zone in {WHERE}",
        )
        for subnet in self.subnets:
            _must(
                subnet.zone.startswith(self.region),
                f"every subnet must be in {self.region}",
                subnet.zone,
                f"correct region or subnets in {WHERE}",
            )
            _must(
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
            _must(value in allowed, f"{name} must be {words}", value, f"correct it in {WHERE}")
        _look_like("database_class", self.database_class)
        _within("database_gb", self.database_gb, 20, 65_536, "gp3 volumes of RDS begin at 20 GB")


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Everything that one stage is made of; checked when made."""

    name: Name
    place: Existing | Standalone
    loop: Settings
    """The loop's own settings; the stack fills in its addresses."""
    scheduler: Literal["rule", "scheduler"]
    """EventBridge's rule (UTC), or its newer Scheduler (time zones, flexible window)."""
    time_zone: str
    flexible_minutes: int
    """The Scheduler may start so much later, to spread load; 0 is on time."""
    processor: Literal["ARM64", "X86_64"]
    """Of the task and the functions; ARM64 costs a fifth less."""
    task_cpu: int
    """Units; 1,024 are one processor."""
    task_memory: int
    """MiB."""
    capacity: Literal["FARGATE", "FARGATE_SPOT"]
    """Spot costs a third, and may be taken away with two minutes' notice."""
    cooldown_minutes: int
    max_age_days: int
    reserved_concurrency: int | None
    """1 keeps two triggers from counting at once; None reserves nothing, since an account with
    Lambda's starting quota of 10 refuses reservations. The lease holds either way."""
    refusals_alarm: int
    """So many rejected challengers in a row raise an alarm."""
    alert_emails: tuple[str, ...]
    """Each is asked by mail to confirm; others subscribe to the topic themselves."""
    alert_key: bool
    """Whether alerts lie under a key of our own (1 USD a month) and not only on encrypted disks.
    Amazon's own key for SNS is no choice: alarms may not use it, and would stay silent."""
    log_days: int
    old_version_days: int
    """Overwritten or deleted files of the store can be restored for so long."""
    protected: bool
    """Deletion protection of table and database, termination protection of the stack."""

    def __post_init__(self) -> None:
        for check in _CHECKS:
            check(self)

    @property
    def stack_name(self) -> str:
        """The stack's name, and the beginning of every name in it."""
        return f"HairmeRetraining-{self.name}"

    @property
    def standalone(self) -> bool:
        """Whether network, database and cluster are this stack's own."""
        return isinstance(self.place, Standalone)

    @property
    def endpoints(self) -> tuple[str, ...]:
        """Names of the interface endpoints: what is called from inside beside S3 and DynamoDB."""
        always = ("Ecs", "EcrApi", "EcrDocker", "Logs")
        secret = isinstance(self.place, Existing) and self.place.database.secret_arn is not None
        return (*always, "Secrets") if secret else always

    @property
    def serving_url(self) -> str:
        """SERVING_URL of the task."""
        if isinstance(self.place, Standalone) or self.place.service_name is None:
            return "none"
        return f"ecs://{self.place.cluster_name}/{self.place.service_name}"


def _choices(stage: Stage) -> None:
    allowed: Mapping[str, tuple[str, ...]] = {
        "name": ("dev", "staging", "prod"),
        "scheduler": ("rule", "scheduler"),
        "processor": ("ARM64", "X86_64"),
        "capacity": ("FARGATE", "FARGATE_SPOT"),
    }
    for name, choices in allowed.items():
        value = getattr(stage, name)
        _must(
            value in choices,
            f"{name} must be one of {', '.join(choices)}",
            value,
            f"correct it in {WHERE}",
        )


def _numbers(stage: Stage) -> None:
    _within("cooldown_minutes", stage.cooldown_minutes, 0, 525_600, "0 is off")
    _within("max_age_days", stage.max_age_days, 0, 3_650, "0 is off")
    _within("refusals_alarm", stage.refusals_alarm, 1, 100, "one refusal is a normal answer")
    _within("old_version_days", stage.old_version_days, 1, 3_650, "a mistake is noticed in days")
    _must(
        stage.log_days in LOG_DAYS,
        f"log_days must be one of {', '.join(map(str, LOG_DAYS))}",
        stage.log_days,
        "these are among those that CloudWatch offers",
    )
    _must(
        stage.reserved_concurrency in (None, 1),
        "reserved_concurrency must be 1 or None",
        stage.reserved_concurrency,
        "more than one trigger at once has no use",
    )


def _size(stage: Stage) -> None:
    units = ", ".join(f"{cpu:,}" for cpu in SIZES)
    _must(
        stage.task_cpu in SIZES,
        f"task_cpu must be one of {units}",
        stage.task_cpu,
        "Fargate has no other sizes",
    )
    low, high, step = SIZES[stage.task_cpu]
    _must(
        low <= stage.task_memory <= high and stage.task_memory % step == 0,
        f"task_memory beside {stage.task_cpu:,} CPU units must be from {low:,} to {high:,} MiB "
        f"in steps of {step:,}",
        stage.task_memory,
        "Fargate has no other sizes",
    )


def _schedule(stage: Stage) -> None:
    schedule = stage.loop.schedule
    cron = re.fullmatch(r"cron\((.+)\)", schedule)
    _must(
        bool(re.fullmatch(r"rate\([1-9]\d* (minute|hour|day)s?\)", schedule))
        or (cron is not None and len(cron[1].split()) == 6 and "?" in cron[1].split()),
        "schedule must be cron(minute hour day month weekday year) with a `?` for day or weekday, "
        "or rate(7 days)",
        schedule,
        "the default is cron(0 2 ? * SUN *)",
    )
    _look_like("time_zone", stage.time_zone)
    _within("flexible_minutes", stage.flexible_minutes, 0, 1_440, "0 is on time")
    _must(
        stage.scheduler == "scheduler" or (stage.time_zone, stage.flexible_minutes) == ("UTC", 0),
        "a rule knows UTC and no flexible window",
        f"{stage.time_zone}, {stage.flexible_minutes} minutes",
        "set scheduler to 'scheduler', or time_zone to 'UTC' and flexible_minutes to 0",
    )


def _loop(stage: Stage) -> None:
    _must(
        stage.loop.statement_timeout_seconds <= LONGEST_STATEMENT_SECONDS,
        f"statement_timeout_seconds must be at most {LONGEST_STATEMENT_SECONDS}",
        stage.loop.statement_timeout_seconds,
        "the trigger ends after 900 seconds, and must be able to say that the database is slow",
    )
    given = sorted(_addresses(stage.loop))
    _must(
        not given,
        "the stack fills in the addresses; none may be given",
        ", ".join(given),
        f"remove them from {WHERE}",
    )


def _addresses(loop: Settings) -> Iterator[str]:
    untouched = Settings()
    for field in fields(loop):
        rule = field.metadata["rule"]
        if rule.section == "addresses" and getattr(loop, field.name) != getattr(
            untouched, field.name
        ):
            yield field.name


def _people(stage: Stage) -> None:
    for email in stage.alert_emails:
        _look_like("email", email, "each of alert_emails")


_CHECKS = (_choices, _numbers, _size, _schedule, _loop, _people)
