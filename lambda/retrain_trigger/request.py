"""What an event asks for: a scheduled slot, or a run by request with settings of its own.

    parse({"time": "2026-11-22T02:00:00Z"}, "…")  →  run s-20261122T020000Z
    parse({"force": True}, "6f1c…")               →  run a-6f1c…, forced

The run's id comes from the event alone, never from a clock or a random number: delivery is
at-least-once, and the same event must be the same run.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from common.errors import UsageError
from common.registry.records import check_run_id
from common.setting_rules import checked, shown, suggestion
from common.setting_sources import environment_name
from common.settings import RULES

SETTINGS: Mapping[str, str] = {
    "min_feedback": "min_feedback_count",
    "real_weight": "real_data_weight",
    "min_improvement": "min_improvement",
    "auto_deploy": "auto_deploy",
    "skip_data_check": "skip_data_check",
}
"""Keys of an ad-hoc event → the settings they set for this one run."""

FLAGS = ("force", "dry_run")
KEYS = (*FLAGS, *SETTINGS)
EXAMPLE = {"force": True, "dry_run": True, "min_feedback": 10, "real_weight": 3.0}
_SLOT = "%Y%m%dT%H%M%SZ"
_SAYS = {bool: "true or false", int: "a whole number", float: "a number"}


@dataclass(frozen=True, kw_only=True)
class Request:
    """One run that somebody asks for."""

    run_id: str
    force: bool = False
    """Run whatever the counts, the cooldown and the age say; never over a lease."""
    dry_run: bool = False
    """Only say what would happen; nothing is written."""
    settings: Mapping[str, object] = field(default_factory=dict)
    """Settings of `common.settings` that this run overrides."""

    @property
    def slot(self) -> datetime | None:
        """The schedule's time that the run is for; None for a run by request."""
        if not self.run_id.startswith("s-"):
            return None
        return datetime.strptime(self.run_id, f"s-{_SLOT}").replace(tzinfo=UTC)

    def environment(self) -> dict[str, str]:
        """The overridden settings as the task reads them from its environment."""
        return {
            environment_name(name, RULES[name]): str(value).lower()
            for name, value in self.settings.items()
        }


def parse(event: object, request_id: str) -> Request:
    """The request in an event of EventBridge, of its Scheduler, or of a person.

    Raises UsageError for anything else, with the keys that are allowed.
    """
    if not isinstance(event, dict):
        raise UsageError(f"an event must be a JSON object, got {shown(event)}: {_allowed()}")
    if event.keys() == {"time"} or _is_scheduled(event):
        return Request(run_id=check_run_id(f"s-{_slot(event['time'])}"))
    values = {key: _value(key, value) for key, value in event.items()}
    return Request(
        run_id=check_run_id(f"a-{request_id}"),
        force=bool(values.get("force", False)),
        dry_run=bool(values.get("dry_run", False)),
        settings={SETTINGS[key]: value for key, value in values.items() if key in SETTINGS},
    )


def _is_scheduled(event: Mapping[str, object]) -> bool:
    """Whether a rule of EventBridge sent it on schedule."""
    return event.get("source") == "aws.events" and "time" in event


def _slot(time: object) -> str:
    """The slot's time in a run's id, as in 20261122T020000Z."""
    try:
        slot = datetime.fromisoformat(time) if isinstance(time, str) else None
        found = None if slot is None or slot.tzinfo is None else slot.astimezone(UTC)
    except (ValueError, OverflowError):  # no time, or none that any calendar has in UTC
        found = None
    if found is None:
        raise UsageError(
            "an event's time must be an ISO time with a zone, as in 2026-11-22T02:00:00Z, got "
            f"{shown(time)}: a schedule fills it in; for a run now, send {{}}"
        )
    return f"{found:{_SLOT}}"


def _value(key: object, value: object) -> object:
    """The checked value of a key: JSON's own type, and within the setting's bounds."""
    if key not in KEYS:
        raise UsageError(f"an event has no key {shown(key)}; {suggestion(key, KEYS)}: {_allowed()}")
    name = str(key)
    kind = bool if name in FLAGS else RULES[SETTINGS[name]].kind
    if not _is_a(kind, value):
        raise UsageError(f"{name} must be {_SAYS[kind]}, got {shown(value)}: {_allowed()}")
    return value if name in FLAGS else checked(name, RULES[SETTINGS[name]], value)


def _is_a(kind: type, value: object) -> bool:
    """Whether JSON's value is of the kind; a number in quotes is text, and true no number."""
    if kind is bool or isinstance(value, bool):
        return kind is bool and isinstance(value, bool)
    if kind is float:
        return isinstance(value, int | float)
    return isinstance(value, kind)


def _allowed() -> str:
    return (
        f"allowed are {', '.join(KEYS)}, or time alone; {{}} asks for a run with the settings "
        f"as they are, and an example is {json.dumps(EXAMPLE)}"
    )
