"""What a stage is: the type of the objects in `infra/settings.py`, and the rules they pass.

Nothing here has a default: what differs between stages stands in the stage itself.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Literal

from common.settings import Settings
from infra.api import Api, check_beside, check_told
from infra.place import Existing, ExistingDatabase, Standalone, Subnet
from infra.schedule_forms import check_schedule, check_time_zone
from infra.setting_forms import WHERE, look_like, must, within

__all__ = ["Api", "Existing", "ExistingDatabase", "Stage", "Standalone", "Subnet"]

Name = Literal["dev", "staging", "prod"]

# Fargate's sizes: CPU units (1,024 are one processor) → memory in MiB (from, to, step).
SIZES: Mapping[int, tuple[int, int, int]] = {
    256: (512, 1_024, 512),
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
    api: Api | None
    """An API of this stage's own; None where it tells one that exists, or where nobody serves."""
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
        return (*always, "Secrets") if any(self._secrets) else always

    @property
    def _secrets(self) -> Iterator[str | None]:
        if isinstance(self.place, Existing):
            yield self.place.database.secret_arn
        if self.api is not None:
            yield self.api.key_secret_arn

    @property
    def cluster_name(self) -> str:
        """The cluster that the task, and an API of this stack's own, run in."""
        place = self.place
        return self.stack_name if isinstance(place, Standalone) else place.cluster_name

    @property
    def service_name(self) -> str | None:
        """The ECS service that serves the models, this stack's own or one that exists."""
        if self.api is not None:
            return f"{self.stack_name}-api"
        return None if isinstance(self.place, Standalone) else self.place.service_name

    @property
    def serving_url(self) -> str:
        """SERVING_URL of the task."""
        name = self.service_name
        return "none" if name is None else f"ecs://{self.cluster_name}/{name}"


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


def _sizes(stage: Stage) -> None:
    _size("task_cpu", stage.task_cpu, "task_memory", stage.task_memory)
    if stage.api is not None:
        _size("cpu of the API", stage.api.cpu, "memory of the API", stage.api.memory)


def _size(of_cpu: str, cpu: int, of_memory: str, memory: int) -> None:
    units = ", ".join(f"{size:,}" for size in SIZES)
    must(cpu in SIZES, f"{of_cpu} must be one of {units}", cpu, "Fargate has no other sizes")
    low, high, step = SIZES[cpu]
    must(
        low <= memory <= high and memory % step == 0,
        f"{of_memory} beside {cpu:,} CPU units must be from {low:,} to {high:,} MiB "
        f"in steps of {step:,}",
        memory,
        "Fargate has no other sizes",
    )


def _schedule(stage: Stage) -> None:
    check_schedule(stage.loop.schedule)
    check_time_zone(stage.time_zone)
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


def _service(stage: Stage) -> None:
    if isinstance(stage.place, Existing):
        check_told(stage.place, stage.api, stage.loop.verify)
    if stage.api is not None:
        check_beside(stage.place, stage.api)


def _people(stage: Stage) -> None:
    for email in stage.alert_emails:
        look_like("email", email, "each of alert_emails")


_CHECKS = (_choices, _numbers, _sizes, _schedule, _loop, _service, _people)
