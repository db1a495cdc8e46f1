"""A schedule that EventBridge refuses, or that never comes, is refused before synthesis."""

from __future__ import annotations

import pytest

from common.errors import UsageError
from infra.schedule_forms import check_schedule, check_time_zone


@pytest.mark.parametrize(
    "schedule",
    [
        *("cron(0 2 ? * SUN *)", "cron(30 4 1 * ? *)", "cron(59 0-23/6 L * ? *)"),
        *("cron(0 2,14 ? JAN-MAR,OCT MON-FRI *)", "cron(0 2 ? * 6L *)", "cron(0 2 ? * SUN#1 *)"),
        *("cron(0 2 15W * ? *)", "cron(0 2 29 2 ? *)", "cron(0 2 31 1,2 ? 2190-2199)"),
        *("cron(0 * ? * 1 *)", "rate(1 day)", "rate(7 days)", "rate(1 hour)", "rate(366 days)"),
    ],
)
def test_what_eventbridge_takes_is_taken(schedule: str) -> None:
    check_schedule(schedule)


@pytest.mark.parametrize(
    ("schedule", "says"),
    [
        ("rate(1 days)", "write rate(1 day)"),
        ("rate(7 day)", "write rate(7 days)"),
        ("rate(1.5 days)", "or rate(7 days)"),
        ("rate(367 days)", "within 366 days"),
        ("rate(99999999999 days)", "within 366 days"),
        ("cron(0 2 ? * 0 *)", "weekday must be from 1 to 7 or SUN to SAT"),
        ("cron(0 2 ? * 8 *)", "weekday must be"),
        ("cron(0 2 ? * SUNDAY *)", "weekday must be"),
        ("cron(0 2 ? * SUN#6 *)", "weekday must be"),
        ("cron(0 2 ? * SAT-SUN *)", "weekday must be"),
        ("cron(0 2 ? * MON,, *)", "weekday must be"),
        ("cron(0 2 ? * ? *)", "one of the schedule's day and weekday"),
        ("cron(0 2 1 * SUN *)", "with a `?`"),
        ("cron(60 2 ? * SUN *)", "minute must be one number from 0 to 59"),
        ("cron(* * * * ? *)", "minute must be one number"),
        ("cron(*/5 * ? * SUN *)", "minute must be one number"),
        ("cron(0/0 2 ? * SUN *)", "minute must be one number"),
        ("cron(0 24 ? * SUN *)", "hour must be from 0 to 23"),
        ("cron(0 0/0 ? * SUN *)", "hour must be"),
        ("cron(0 ? ? * SUN *)", "hour must be"),
        ("cron(0 2 32 * ? *)", "day must be from 1 to 31"),
        ("cron(0 2 L-3 * ? *)", "day must be"),
        ("cron(0 2 31 2 ? *)", "whose longest has 29 days"),
        ("cron(0 2 31 APR,JUN ? *)", "whose longest has 30 days"),
        ("cron(0 2 29 2 ? 2101-2103)", "whose longest has 28 days"),
        ("cron(0 2 ? FEBRUARY SUN *)", "month must be from 1 to 12 or JAN to DEC"),
        ("cron(0 2 ? 13 SUN *)", "month must be"),
        ("cron(0 2 ? * SUN 2020)", "must not all be over"),
        ("cron(0 2 ? * SUN 2200)", "year must be"),
        *(
            (text, "schedule must be cron(")
            for text in (
                *("cron(0 2 ? * SUN *) ", "CRON(0 2 ? * SUN *)", "cron(0  2 ? * SUN *)"),
                *("cron(0 2 ? * SUN)", "at(2026-12-01T00:00:00)", "cron()"),
            )
        ),
    ],
)
def test_what_it_refuses_or_never_fires_is_refused_with_its_remedy(
    schedule: str, says: str
) -> None:
    with pytest.raises(UsageError) as caught:
        check_schedule(schedule)

    assert says in str(caught.value)


@pytest.mark.parametrize("name", ["UTC", "Asia/Seoul", "America/Argentina/Buenos_Aires"])
def test_a_time_zone_that_there_is_is_taken(name: str) -> None:
    check_time_zone(name)


@pytest.mark.parametrize("name", ["Asia/Seul", "Europe/Kiew", "Asia/Seoul ", "KST", ""])
def test_a_time_zone_that_there_is_not_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="time_zone must"):
        check_time_zone(name)
