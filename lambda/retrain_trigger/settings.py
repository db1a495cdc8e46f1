"""What the functions must be told beyond the loop's own settings (`common.settings`).

    settings = read(TriggerSettings, os.environ)

The variables begin with TRIGGER_, WATCH_ and HEAL_. Nothing that differs between stages has a
default, and a misspelt name is an error: it would otherwise be a setting that nobody reads.
"""

import dataclasses
import re
from collections.abc import Mapping
from typing import Any, ClassVar, TypeAlias, TypeVar

from common.errors import UsageError
from common.setting_rules import Rule, checked, shown, suggestion

CONTAINER = "task"
"""The name of the one container in the task definition."""

_CLUSTER = r"arn:[^:]+:ecs:[^:]+:\d{12}:cluster/\S+"
_REVISION = r"arn:[^:]+:ecs:[^:]+:\d{12}:task-definition/[^:\s]+:\d+"
_TOPIC = r"arn:[^:]+:sns:[^:]+:\d{12}:\S+"


def _text(says: str, form: str, example: str) -> Any:
    """A text that must be given; `form` is a regular expression for all of it."""
    rule = Rule(section="functions", kind=str, optional=False, says=says)
    return dataclasses.field(metadata={"rule": rule, "form": form, "example": example})


def _choice(default: str, says: str, choices: tuple[str, ...]) -> Any:
    rule = Rule(section="functions", kind=str, optional=False, says=says, choices=choices)
    return dataclasses.field(default=default, metadata={"rule": rule})


def _count(says: str, unit: str, at_most: int) -> Any:
    rule = Rule(
        section="functions",
        kind=int,
        optional=False,
        says=says,
        unit=unit,
        at_least=0,
        at_most=at_most,
    )
    return dataclasses.field(default=0, metadata={"rule": rule})


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Checked:
    """Settings whose values are checked when made; a wrong one raises UsageError."""

    prefix: ClassVar[str]

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            variable = self.prefix + field.name.upper()
            value = checked(variable, field.metadata["rule"], getattr(self, field.name))
            form = field.metadata.get("form")
            if form and not re.fullmatch(form, str(value)):
                raise UsageError(
                    f"{variable} must look like {field.metadata['example']}, got {shown(value)}: "
                    "the stack sets it; correct it there"
                )
            object.__setattr__(self, field.name, value)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TriggerSettings(_Checked):
    """Where and how the trigger starts the task."""

    prefix: ClassVar[str] = "TRIGGER_"

    cluster: str = _text(
        "ECS cluster that the task runs in (ARN)",
        _CLUSTER,
        "arn:aws:ecs:us-east-1:123456789012:cluster/name",
    )
    task_definition: str = _text(
        "what to run: the ARN with its revision, since rights are checked against a revision",
        _REVISION,
        "arn:aws:ecs:us-east-1:123456789012:task-definition/name:7",
    )
    subnets: str = _text(
        "subnets to try in turn, with commas between (1 to 16)",
        r"subnet-\w+(,subnet-\w+){0,15}",
        "subnet-0a1b,subnet-2c3d",
    )
    security_groups: str = _text(
        "security groups of the task, with commas between (1 to 5)",
        r"sg-\w+(,sg-\w+){0,4}",
        "sg-0a1b",
    )
    stage: str = _text("stage, the dimension of every metric", r"[a-z][a-z0-9-]{0,31}", "prod")
    container: str = _choice(CONTAINER, "container that gets command and settings", (CONTAINER,))
    capacity: str = _choice(
        "FARGATE", "capacity that the task is started on", ("FARGATE", "FARGATE_SPOT")
    )
    cooldown_minutes: int = _count(
        "a launch within so long of the last one is skipped, unless forced; 0 is off",
        "minutes",
        525_600,
    )
    max_age_days: int = _count(
        "an older last verdict lets one new vote suffice, whatever the minimum of new votes; "
        "0 is off",
        "days",
        3_650,
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class WatcherSettings(_Checked):
    """What the watcher watches, and whom it tells."""

    prefix: ClassVar[str] = "WATCH_"

    cluster: str = _text(
        "ECS cluster whose tasks are watched (ARN)",
        _CLUSTER,
        "arn:aws:ecs:us-east-1:123456789012:cluster/name",
    )
    alert_topic: str = _text(
        "SNS topic that is told about failed runs (ARN)",
        _TOPIC,
        "arn:aws:sns:us-east-1:123456789012:name",
    )
    stage: str = _text("stage, the dimension of every metric", r"[a-z][a-z0-9-]{0,31}", "prod")


@dataclasses.dataclass(frozen=True, kw_only=True)
class HealerSettings(_Checked):
    """Whose roll-outs the healer heals; which service it is says SERVING_URL."""

    prefix: ClassVar[str] = "HEAL_"

    cluster: str = _text(
        "ECS cluster whose tasks are watched (ARN)",
        _CLUSTER,
        "arn:aws:ecs:us-east-1:123456789012:cluster/name",
    )
    stage: str = _text("stage, the dimension of every metric", r"[a-z][a-z0-9-]{0,31}", "prod")


Own: TypeAlias = type[TriggerSettings] | type[WatcherSettings] | type[HealerSettings]
Kind = TypeVar("Kind", TriggerSettings, WatcherSettings, HealerSettings)


def variables(kind: Own) -> dict[str, str]:
    """{environment variable: name of the field} of a kind of settings."""
    return {kind.prefix + field.name.upper(): field.name for field in dataclasses.fields(kind)}


def read(kind: type[Kind], environ: Mapping[str, str]) -> Kind:
    """The settings of this kind among environment variables; an empty one counts as not set.

    Raises UsageError: unknown name, missing or wrong value.
    """
    names = variables(kind)
    for variable in environ:
        if variable.startswith(kind.prefix) and variable not in names:
            raise UsageError(
                f"{variable} in the environment is not a setting; {suggestion(variable, names)} "
                f"(all names: {', '.join(names)})"
            )
    values: dict[str, Any] = {
        name: environ[variable] for variable, name in names.items() if environ.get(variable)
    }
    needed = {f.name for f in dataclasses.fields(kind) if f.default is dataclasses.MISSING}
    missing = [variable for variable, name in names.items() if name in needed - values.keys()]
    if missing:
        raise UsageError(
            f"{', '.join(missing)} must be set: they differ between stages, so none has a "
            "default; the stack sets them as the function's environment"
        )
    return kind(**values)


def listed(text: str) -> list[str]:
    """The items of a list with commas."""
    return text.split(",")
