"""What a stage is: the type of the objects in `infra/settings.py`, and the rules they pass.

Nothing here has a default: what differs between stages stands in the stage itself.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Literal

from common.settings import Settings
from infra.place import Existing, ExistingDatabase, Standalone, Subnet
from infra.setting_forms import WHERE, look_like, must, within

__all__ = ["Existing", "ExistingDatabase", "Stage", "Standalone", "Subnet"]

Name = Literal["dev", "staging", "prod"]

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
        must(
            value in choices,
            f"{name} must be one of {', '.join(choices)}",
            value,
            f"correct it in {WHERE}",
        )


def _numbers(stage: Stage) -> None:
    within("cooldown_minutes", stage.cooldown_minutes, 0, 525_600, "0 is off")
    within("max_age_days", stage.max_age_days, 0, 3_650, "0 is off")
    within("refusals_alarm", stage.refusals_alarm, 1, 100, "one refusal is a normal answer")
    within("old_version_days", stage.old_version_days, 1, 3_650, "a mistake is noticed in days")
    must(
        stage.log_days in LOG_DAYS,
        f"log_days must be one of {', '.join(map(str, LOG_DAYS))}",
        stage.log_days,
        "these are among those that CloudWatch offers",
    )
    must(
        stage.reserved_concurrency in (None, 1),
        "reserved_concurrency must be 1 or None",
        stage.reserved_concurrency,
        "more than one trigger at once has no use",
    )


def _size(stage: Stage) -> None:
    units = ", ".join(f"{cpu:,}" for cpu in SIZES)
    must(
        stage.task_cpu in SIZES,
        f"task_cpu must be one of {units}",
        stage.task_cpu,
        "Fargate has no other sizes",
    )
    low, high, step = SIZES[stage.task_cpu]
    must(
        low <= stage.task_memory <= high and stage.task_memory % step == 0,
        f"task_memory beside {stage.task_cpu:,} CPU units must be from {low:,} to {high:,} MiB "
        f"in steps of {step:,}",
        stage.task_memory,
        "Fargate has no other sizes",
    )


def _schedule(stage: Stage) -> None:
    schedule = stage.loop.schedule
    cron = re.fullmatch(r"cron\((.+)\)", schedule)
    must(
        bool(re.fullmatch(r"rate\([1-9]\d* (minute|hour|day)s?\)", schedule))
        or (cron is not None and len(cron[1].split()) == 6 and "?" in cron[1].split()),
        "schedule must be cron(minute hour day month weekday year) with a `?` for day or weekday, "
        "or rate(7 days)",
        schedule,
        "the default is cron(0 2 ? * SUN *)",
    )
    look_like("time_zone", stage.time_zone)
    within("flexible_minutes", stage.flexible_minutes, 0, 1_440, "0 is on time")
    must(
        stage.scheduler == "scheduler" or (stage.time_zone, stage.flexible_minutes) == ("UTC", 0),
        "a rule knows UTC and no flexible window",
        f"{stage.time_zone}, {stage.flexible_minutes} minutes",
        "set scheduler to 'scheduler', or time_zone to 'UTC' and flexible_minutes to 0",
    )


def _loop(stage: Stage) -> None:
    given = sorted(_addresses(stage.loop))
    must(
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
        look_like("email", email, "each of alert_emails")


_CHECKS = (_choices, _numbers, _size, _schedule, _loop, _people)
