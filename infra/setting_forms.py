"""How a stage's values are checked: the form of each id, and the words of a refusal.

A wrong value raises UsageError before anything is synthesised, since CloudFormation would find it
after minutes, and some (a wrong zone, a cron without its `?`) not at all.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

from common.errors import UsageError
from common.setting_rules import shown

WHERE = "infra/settings.py"
FILL_IN = "FILL-IN"
"""Stands where only you know the value."""
_unfilled: ContextVar[list[str] | None] = ContextVar("_unfilled", default=None)

_ZONE = r"[a-z]{2}(-[a-z]+)+-\d[a-z]"
EXAMPLES: Mapping[str, tuple[str, str]] = {
    "account": (r"\d{12}", "123456789012"),
    "region": (r"[a-z]{2}(-[a-z]+)+-\d", "us-east-1"),
    "vpc_cidr": (r"\d{1,3}(\.\d{1,3}){3}/\d{1,2}", "10.0.0.0/16"),
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
    "service_url": (r"https://[a-z0-9.-]+(:443)?", "https://api.example.com"),
    "api_host": (r"[a-z0-9-]+(\.[a-z0-9-]+)+", "api.example.com"),
    "certificate_arn": (
        r"arn:aws:acm:[a-z0-9-]+:\d{12}:certificate/[0-9a-f-]{36}",
        "arn:aws:acm:us-east-1:123456789012:certificate/12345678-1234-1234-1234-123456789012",
    ),
    "database_class": (r"db\.[a-z0-9]+\.[a-z0-9]+", "db.t4g.micro"),
    "time_zone": (r"UTC|[A-Za-z_]+/[A-Za-z_/+-]+", "Asia/Seoul"),
    "email": (r"[^@\s]+@[^@\s]+\.[a-z]{2,}", "team@example.com"),
}


def must(holds: bool, rule: str, value: object, remedy: str) -> None:
    """Raise UsageError with rule, value and remedy unless it holds."""
    if not holds:
        raise UsageError(f"{rule}, got {shown(value)}: {remedy}")


@contextmanager
def unfilled() -> Iterator[list[str]]:
    """The names whose values are not filled in: collected in here, and not refused one by one."""
    found: list[str] = []
    token = _unfilled.set(found)
    try:
        yield found
    finally:
        _unfilled.reset(token)


def look_like(name: str, value: str, what: str | None = None) -> None:
    """Raise UsageError unless the value has the form of what is so named."""
    form, example = EXAMPLES[name]
    if value == FILL_IN and (missing := _unfilled.get()) is not None:
        missing.append(f"{what or name} (like {example})")
        return
    must(
        re.fullmatch(form, value) is not None,
        f"{what or name} must look like {example}",
        value,
        f"write yours into {WHERE}",
    )


def within(name: str, value: int, low: int, high: int, why: str) -> None:
    """Raise UsageError unless the number is between the bounds, which are included."""
    must(low <= value <= high, f"{name} must be from {low:,} to {high:,}", value, why)
