"""What the registry holds, as values, and the rules that are true of them without any database.

The records are plain frozen dataclasses that become JSON and back. The rules that need no
transaction (which runs reached a verdict, where a rollback leads) stand here and not in a
registry's queries, so that every registry answers alike.

Every time is an aware `datetime`; in JSON it is ISO 8601 in UTC with a `Z`.
"""

import re
from collections.abc import Iterable
from dataclasses import MISSING, asdict, dataclass, field, fields
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, TypeVar, get_args

from common.errors import RegistryError, UsageError

FORMAT_VERSION = 4
"""Grows when an older release could misread what this one writes."""

State = Literal[
    "launched",
    "running",
    "rolling_out",
    "skipped",
    "rejected",
    "inconclusive",
    "approved",
    "promoted",
    "served",
    "data_stopped",
    "rolled_back",
    "failed",
]
Action = Literal["promote", "rollback", "restore"]

LIVE_STATES: frozenset[State] = frozenset({"launched", "running"})
OPEN_STATES: frozenset[State] = LIVE_STATES | {"rolling_out"}
"""States of a run that has not ended. One whose pointer has moved is not simply closed when its
owner dies: it is healed."""
TERMINAL_STATES: frozenset[State] = frozenset(get_args(State)) - OPEN_STATES
VERDICT_STATES: frozenset[State] = frozenset(
    {"rejected", "inconclusive", "approved", "promoted", "served", "rolled_back"}
)
"""States in which a run has judged its votes, so that these are no longer new."""

_RUN_ID = re.compile(r"s-[0-9]{8}T[0-9]{6}Z|[am]-[A-Za-z0-9][A-Za-z0-9-]{0,61}")
_TIMES = frozenset(
    {
        "created_at",
        "started_at",
        "ended_at",
        "alerted_at",
        "cutoff",
        "expires_at",
        "since",
        "at",
    }
)
_CHOICES: dict[str, tuple[str, ...]] = {"state": get_args(State), "action": get_args(Action)}


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run, from its launch to its end."""

    run_id: str
    created_at: datetime
    state: State = "launched"
    owner: str = ""
    """Who launched it or, once claimed, `run_id/task`."""
    fencing: int = 0
    """The lease's number when the run was last launched or claimed."""
    exit: int | None = None
    reason: str = ""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    cutoff: datetime | None = None
    """The database's clock when the votes were read: votes up to here are known to this run."""
    counts: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    champion_metrics: dict[str, Any] = field(default_factory=dict)
    evidence: dict[str, Any] = field(default_factory=dict)
    """What its gate spent and carries on: `risk` (the share of the yearly risk this look spent),
    `anchor` (the version that later challengers must not fall behind either), `bets` (state of
    the sequential comparison)."""
    version: str | None = None
    previous: str | None = None
    serial: int | None = None
    """The serial of the promotion this run made, if it made one."""
    task_arn: str | None = None
    """The ECS task that was started for it; none for a run of this machine's own."""
    deployment: str | None = None
    """The ECS deployment that was forced for its version."""
    rollout: list[str] = field(default_factory=list)
    """What was seen while its version came into service, and if so was taken back; in order."""
    alerted_at: datetime | None = None
    """When people were told that it failed."""


@dataclass(frozen=True, kw_only=True)
class Lease:
    """The right to run, until `expires_at`. An empty owner means that it has been given back."""

    run_id: str
    owner: str
    expires_at: datetime
    fencing: int
    """Grows with every launch and claim, and never shrinks: an old owner is known by it."""

    def held(self, now: datetime) -> bool:
        """Whether somebody owns it and it has not expired."""
        return self.owner != "" and now < self.expires_at


@dataclass(frozen=True, kw_only=True)
class Active:
    """The version that serves, and how many changes of it there have been."""

    version: str | None
    """None after a restoration to the time before the first version."""
    serial: int
    run_id: str | None
    """The run that made it active; none if a person did."""
    since: datetime


@dataclass(frozen=True, kw_only=True)
class HistoryEntry:
    """One change of the active version."""

    serial: int
    version: str | None
    """None if the change left no version active."""
    previous: str | None
    run_id: str | None
    """The run that made the change; none if a person did."""
    action: Action
    at: datetime
    sha: str
    metrics: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Hold:
    """Promotion is on hold since a person rolled back to `version`."""

    since: datetime
    reason: str
    version: str


Record = TypeVar("Record", Run, Lease, Active, HistoryEntry, Hold)


def check_run_id(text: str) -> str:
    """The text itself if it is a run id (and so a version's name), else `UsageError`.

    `s-` and the slot of a schedule, or `a-` (by request) or `m-` (by hand) and up to 62 letters,
    digits and `-`: safe as a folder's name and as part of a key.
    """
    if _RUN_ID.fullmatch(text):
        return text
    raise UsageError(
        "a run id must be s-YYYYMMDDTHHMMSSZ, or a- or m- and up to 62 letters, digits and '-', "
        f"got {text[:80]!r}: `history` lists the known ones"
    )


def utc_text(at: datetime) -> str:
    """ISO 8601 in UTC, as in `2026-11-22T02:00:00Z`."""
    assert at.tzinfo is not None, "a time without a zone says nothing"
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def to_json(record: Run | Lease | Active | HistoryEntry | Hold) -> dict[str, Any]:
    """The record as JSON values, with the format they are written in."""
    values = asdict(record)
    times = {name: utc_text(values[name]) for name in _TIMES & values.keys() if values[name]}
    return values | times | {"format_version": FORMAT_VERSION}


def from_json(kind: type[Record], data: Any) -> Record:
    """The record that `to_json` wrote.

    Raises `RegistryError` for a newer format and for anything that is not such a record.
    """
    check_format(data)
    values = {name: value for name, value in data.items() if name != "format_version"}
    known = {each.name: each for each in fields(kind)}
    needed = {
        name
        for name, each in known.items()
        if each.default is MISSING and each.default_factory is MISSING
    }
    wrong = (values.keys() - known.keys()) | (needed - values.keys())
    wrong |= {name for name in _CHOICES.keys() & values.keys() if not _is_choice(name, values)}
    wrong |= {name for name in _TIMES & values.keys() if not _is_time(values[name])}
    if wrong:
        raise RegistryError(
            f"a record of kind {kind.__name__} must hold its own fields with values this release "
            f"knows, got {', '.join(sorted(wrong))} missing, unknown or wrong: the registry is "
            "damaged; restore it from a backup"
        )
    times = {
        name: datetime.fromisoformat(values[name])
        for name in _TIMES & values.keys()
        if values[name] is not None
    }
    return kind(**(values | times))


def check_format(data: Any) -> None:
    """Raise `RegistryError` unless `data` names a format that this release can read."""
    version = data.get("format_version") if isinstance(data, dict) else None
    if type(version) is not int or version < 1:
        raise RegistryError(
            f"a registry's record must name its format_version, got {str(version)[:20]}: the "
            "registry is damaged; restore it from a backup"
        )
    if version > FORMAT_VERSION:
        raise RegistryError(
            f"the registry's format_version must be at most {FORMAT_VERSION}, got {version}: a "
            "newer release wrote it; upgrade this one"
        )


def _is_choice(name: str, values: dict[str, Any]) -> bool:
    return values[name] in _CHOICES[name]


def _is_time(value: Any) -> bool:
    """Whether it is absent or an ISO time with a zone."""
    if value is None:
        return True
    try:
        return datetime.fromisoformat(value).tzinfo is not None
    except (TypeError, ValueError):
        return False


def last_verdict(runs: Iterable[Run]) -> datetime | None:
    """The cutoff of the newest run that reached a verdict; votes after it are new.

    Skipped, failed and data-stopped runs judged nothing, so they do not move it.
    """
    run = _judged(runs)
    return run.cutoff if run else None


def judged_total(runs: Iterable[Run]) -> int | None:
    """How many votes the database held at the last verdict; None before any, or if not noted."""
    run = _judged(runs)
    total = run.counts.get("counted") if run else None
    return total if isinstance(total, int) else None


def _judged(runs: Iterable[Run]) -> Run | None:
    """The newest run that reached a verdict.

    By its lease's number, which only grows: by its time, a run made with a clock that was ahead
    would be the newest until that time has come.
    """
    judged = ((r.fencing, r.cutoff, r) for r in runs if r.state in VERDICT_STATES and r.cutoff)
    return max(judged, key=lambda each: each[:2], default=(0, None, None))[2]


ANCHOR_LASTS = timedelta(days=365)


def anchor_name(runs: Iterable[Run], active: str | None, now: datetime) -> str | None:
    """The version that challengers of `active` must not fall behind either; None if itself.

    The run that made the active version noted it: the version before, as long as none since was
    shown to be better. It is forgotten a year after its own run.
    """
    by_id = {run.run_id: run for run in runs}
    run = by_id.get(active or "")
    name = run.evidence.get("anchor") if run else None
    anchor = by_id.get(name) if isinstance(name, str) else None
    if anchor is None or anchor.run_id == active or now - anchor.created_at > ANCHOR_LASTS:
        return None
    return anchor.run_id


def rollback_target(history: Iterable[HistoryEntry]) -> str | None:
    """Where a rollback without a version leads, or None; `history` stands oldest first.

    The history is replayed as a stack: a promotion lays a version on top, a rollback or a
    restoration takes off what it left. The answer is the nearest version below the active one
    that was never rolled back from, not even if it was promoted again since: a person who wants
    that one back names it.
    """
    stack: list[str | None] = []
    left: set[str | None] = {None}  # no version is none to go back to
    for entry in history:
        if entry.action == "promote":
            stack.append(entry.version)
        else:
            left |= set(stack[-1:]) - {entry.version}
            stack = _back_to(stack, entry.version)
    below = (version for version in reversed(stack[:-1]) if version != stack[-1])
    return next((version for version in below if version not in left), None)


def _back_to(stack: list[str | None], version: str | None) -> list[str | None]:
    """The stack with `version` on top: where it last lay under the top, else in the top's place."""
    below = stack[:-1]
    while version in below and below[-1] != version:
        below.pop()
    return below if version in below else [*below, version]
