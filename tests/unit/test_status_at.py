"""Which version was live at a time, and why: after promotions, a rollback, a restoration."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from common.registry.records import HistoryEntry, Run, utc_text
from tests.unit.place import Place

MOMENT = timedelta(microseconds=1)


def changes(place: Place) -> list[HistoryEntry]:
    return place.registry.history()


def test_before_the_first_promotion_none_was_live(learned: Place) -> None:
    (first,) = changes(learned)

    found = learned.json("status", "--at", utc_text(first.at - MOMENT))
    shown = learned.task("status", "--at", utc_text(first.at - MOMENT))

    assert found == {
        "at": utc_text(first.at - MOMENT),
        **dict.fromkeys(("version", "since", "change", "run", "made_by")),
        "until": utc_text(first.at),
    }
    assert shown.exit == 0
    assert "none yet" in shown.out


def test_of_a_loop_that_never_ran_none_was_live(unlearned: Place) -> None:
    found = unlearned.json("status", "--at", "2026-01-01")

    assert (found["at"], found["version"], found["until"]) == ("2026-01-01T00:00:00Z", None, None)


def test_a_promoted_version_is_live_from_its_very_moment_and_its_run_says_why(
    learned: Place,
) -> None:
    (first,) = changes(learned)

    found = learned.json("status", "--at", utc_text(first.at))
    shown = learned.task("status", "--at", utc_text(first.at)).out

    assert (found["version"], found["since"], found["until"]) == ("m-a", utc_text(first.at), None)
    assert (found["change"]["action"], found["change"]["serial"]) == ("promote", 1)
    assert (found["run"]["run_id"], found["run"]["state"]) == ("m-a", "promoted")
    assert found["run"]["reason"].startswith("first model")
    assert found["made_by"] == found["run"]
    for words in ("m-a", "promote from none to m-a", "first model", "now"):
        assert words in shown


def test_before_and_after_a_rollback_each_version_was_live_in_its_own_time(tall: Place) -> None:
    # Given m-a to m-d promoted, by hand but for the first, and a rollback to m-c
    tall.json("rollback")
    *_, third, fourth, back = changes(tall)

    before = tall.json("status", "--at", utc_text(back.at - MOMENT))
    after = tall.json("status", "--at", utc_text(back.at))
    earlier = tall.json("status", "--at", utc_text(fourth.at - MOMENT))
    shown = tall.task("status", "--at", utc_text(back.at)).out

    assert (before["version"], before["until"]) == ("m-d", utc_text(back.at))
    assert (earlier["version"], earlier["since"]) == ("m-c", utc_text(third.at))
    assert (after["version"], after["change"]["action"]) == ("m-c", "rollback")
    assert (after["change"]["previous"], after["run"], after["until"]) == ("m-d", None, None)
    assert "a person" in shown
    assert "rollback from m-d to m-c" in shown


def test_after_a_restoration_that_cleared_none_is_live_any_more(unlearned: Place) -> None:
    # Given a first version that could not be brought into service
    registry, now = unlearned.registry, datetime.now(UTC) - timedelta(days=1)
    registry.launch(Run(run_id="m-x", created_at=now), owner="test", lease_seconds=600, now=now)
    lease = registry.claim("m-x", task="t", lease_seconds=600, now=now)
    rolling = Run(run_id="m-x", created_at=now, state="rolling_out", reason="it was better")
    registry.promote(
        version="m-x",
        sha="0",
        expected_serial=0,
        action="promote",
        now=now,
        lease=lease,
        run=rolling,
    )
    cleared = registry.promote(
        version=None,
        sha="",
        expected_serial=1,
        action="restore",
        now=now + timedelta(minutes=5),
        run=rolling,
    )

    live = unlearned.json("status", "--at", utc_text(cleared.at - MOMENT))
    gone = unlearned.json("status", "--at", utc_text(cleared.at))
    shown = unlearned.task("status", "--at", utc_text(cleared.at)).out

    assert (live["version"], live["until"]) == ("m-x", utc_text(cleared.at))
    assert (gone["version"], gone["change"]["action"], gone["made_by"]) == (None, "restore", None)
    assert (gone["run"]["run_id"], gone["run"]["reason"]) == ("m-x", "it was better")
    assert "none any more" in shown
    assert "restore from m-x to none" in shown


@pytest.mark.parametrize(
    "text",
    ["{}", "{}+00:00"],
    ids=["without a zone: UTC", "with UTC's"],
)
def test_a_time_without_a_zone_means_utc(learned: Place, text: str) -> None:
    (first,) = changes(learned)
    plain = first.at.replace(tzinfo=None).isoformat()

    assert learned.json("status", "--at", text.format(plain))["version"] == "m-a"


def test_a_time_of_another_zone_is_the_same_moment(learned: Place) -> None:
    (first,) = changes(learned)
    seoul = (first.at + timedelta(hours=9)).replace(tzinfo=None).isoformat() + "+09:00"

    assert learned.json("status", "--at", seoul)["at"] == utc_text(first.at)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("yesterday", "must be a time in ISO 8601, got 'yesterday': write it as 20"),
        ("", "must be a time in ISO 8601, got ''"),
        ("2026-02-30", "must be a time in ISO 8601, got '2026-02-30'"),
        ("0001-01-01T00:00:00+09:00", "must be a time in ISO 8601"),  # before the first year
        ("2999-01-01", "must not lie in the future, got 2999-01-01T00:00:00Z at 20"),
    ],
)
def test_a_time_that_cannot_be_read_or_is_to_come_is_wrong_usage(
    learned: Place, text: str, says: str
) -> None:
    answer = learned.task("status", "--at", text)

    assert answer.exit == 2
    assert f"--at {says}" in answer.err
    assert learned.task("status", "--at", text, "--json").exit == 2
