"""Which schedules and time zones EventBridge takes, and ever fires.

CloudFormation finds a wrong one after minutes; one that never comes, as 31 February, nobody finds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from zoneinfo import available_timezones

from infra.setting_forms import look_like, must

REMEDY = "the default is cron(0 2 ? * SUN *)"
LONGEST_DAYS = 366
"""A loop that runs less than once a year is off."""
_MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
_DAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]
_MONTH_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_FIELDS: Mapping[str, tuple[int, int, list[str]]] = {
    "hour": (0, 23, []),
    "day": (1, 31, []),
    "month": (1, 12, _MONTHS),
    "weekday": (1, 7, _DAYS),
    "year": (1970, 2199, []),
}
_UNIT_DAYS = {"minute": 1 / 1_440, "hour": 1 / 24, "day": 1.0}


def check_schedule(schedule: str) -> None:
    """Raise UsageError unless EventBridge takes the schedule and it will come round."""
    if rate := re.fullmatch(r"rate\(([1-9]\d*) (minute|hour|day)(s?)\)", schedule):
        _check_rate(schedule, int(rate[1]), rate[2], bool(rate[3]))
        return
    cron = re.fullmatch(r"cron\((.+)\)", schedule)
    fields = cron[1].split(" ") if cron else []
    must(
        len(fields) == 6 and "?" in (fields[2], fields[4]),
        "schedule must be cron(minute hour day month weekday year) with a `?` for day or weekday, "
        "or rate(7 days)",
        schedule,
        REMEDY,
    )
    minute, *rest = fields
    must(
        bool(re.fullmatch(r"[1-5]?\d", minute)),
        "the schedule's minute must be one number from 0 to 59, as a run takes minutes itself",
        schedule,
        REMEDY,
    )
    found = {name: _values(name, text, schedule) for name, text in zip(_FIELDS, rest, strict=True)}
    _check_comes(schedule, found)


def check_time_zone(name: str) -> None:
    """Raise UsageError unless there is such a zone, where this machine knows any."""
    look_like("time_zone", name)
    known = available_timezones()
    must(
        not known or name in known,
        "time_zone must be one of the IANA time zones",
        name,
        "write it as in Asia/Seoul",
    )


def _check_rate(schedule: str, count: int, unit: str, plural: bool) -> None:
    must(
        plural == (count > 1),
        "EventBridge wants rate(1 day), but rate(2 days)",
        schedule,
        f"write rate({count} {unit}{'s' if count > 1 else ''})",
    )
    must(
        count * _UNIT_DAYS[unit] <= LONGEST_DAYS,
        f"schedule must come within {LONGEST_DAYS} days",
        schedule,
        REMEDY,
    )


def _values(name: str, text: str, schedule: str) -> set[int] | None:
    """What a field names; None for those whose days differ from month to month, and for `?`."""
    low, high, names = _FIELDS[name]
    if text == "?" and name in ("day", "weekday"):
        return None
    if (name == "day" and re.fullmatch(r"L|LW|([1-9]|[12]\d|3[01])W", text)) or (
        name == "weekday" and re.fullmatch(rf"([1-7]|{'|'.join(_DAYS)})(L|#[1-5])", text)
    ):
        return None
    found: set[int] = set()
    for part in text.split(","):
        found |= _part(part, low, high, names)
        must(
            bool(_part(part, low, high, names)),
            f"the schedule's {name} must be from {low} to {high}"
            + (f" or {names[0]} to {names[-1]}" if names else ""),
            schedule,
            REMEDY,
        )
    return found


def _part(text: str, low: int, high: int, names: list[str]) -> set[int]:
    """`*`, `3`, `3-5`, `MON-FRI`, `0/6`: the numbers; none for what is not one of these."""
    form = re.fullmatch(r"(\*|\w+)(?:-(\w+))?(?:/([1-9]\d{0,3}))?", text, re.ASCII)
    if form is None:
        return set()
    first, last = (low, high) if form[1] == "*" else (_number(form[1], low, names),) * 2
    if form[2] is not None:
        last = None if form[1] == "*" else _number(form[2], low, names)
    elif form[3] is not None:
        last = high
    if first is None or last is None or not low <= first <= last <= high:
        return set()
    return set(range(first, last + 1, int(form[3] or 1)))


def _number(text: str, low: int, names: list[str]) -> int | None:
    if text in names:
        return names.index(text) + low
    return int(text) if text.isdigit() and len(text) <= 4 else None


def _check_comes(schedule: str, found: Mapping[str, set[int] | None]) -> None:
    """Refuse a day that no month has, years that are over, and a `?` for both days."""
    days, months, years = found["day"], found["month"] or set(), found["year"] or set()
    both = schedule.removeprefix("cron(").split(" ")
    must(
        [both[2], both[4]].count("?") == 1,
        "one of the schedule's day and weekday must be `?`, and the other not",
        schedule,
        REMEDY,
    )
    must(
        max(years) >= datetime.now(UTC).year,
        "the schedule's years must not all be over",
        schedule,
        "write * for every year",
    )
    leap = any(year % 4 == 0 and (year % 100 or year % 400 == 0) for year in years)
    longest = max(_MONTH_DAYS[month - 1] - (month == 2 and not leap) for month in months)
    must(
        days is None or min(days) <= longest,
        f"the schedule's day must be in one of its months, whose longest has {longest} days",
        schedule,
        "write L for a month's last day",
    )
