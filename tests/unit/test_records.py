"""Records become JSON and back, and what is none of ours is refused."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from common.errors import RegistryError, UsageError
from common.registry.records import (
    FORMAT_VERSION,
    LIVE_STATES,
    TERMINAL_STATES,
    VERDICT_STATES,
    Active,
    HistoryEntry,
    Hold,
    Lease,
    Run,
    State,
    check_run_id,
    from_json,
    last_verdict,
    to_json,
    utc_text,
)

AT = datetime(2026, 11, 22, 2, tzinfo=UTC)

NEW_RUN = Run(run_id="m-1", created_at=AT)
ENTRY = HistoryEntry(
    serial=1,
    version="m-1",
    previous=None,
    run_id="m-1",
    action="rollback",
    at=AT,
    sha="0",
    metrics={"f1": 0.8},
)
RECORDS = [
    NEW_RUN,
    Run(
        run_id="s-20261122T020000Z",
        created_at=AT,
        state="promoted",
        owner="s-20261122T020000Z/t1",
        fencing=2,
        exit=0,
        reason="가일 컷",
        started_at=AT + timedelta(seconds=1),
        ended_at=AT + timedelta(seconds=2, microseconds=3),
        cutoff=AT,
        counts={"votes": 60, "rejected_by_reason": {"unknown vote": 2}},
        metrics={"f1": {"value": 0.8, "low": None}},
        champion_metrics={"f1": {"value": 0.7}},
        evidence={"risk": 0.0008, "anchor": "m-1", "bets": {"wealth": 1.5, "seen": [0, 2]}},
        version="s-20261122T020000Z",
        previous="m-1",
        serial=3,
        task_arn="arn:aws:ecs:us-east-1:123456789012:task/hairme/0123",
        deployment="ecs-svc/1",
        alerted_at=AT,
    ),
    Lease(run_id="m-1", owner="m-1/t1", expires_at=AT, fencing=4),
    Active(version="m-1", serial=1, run_id=None, since=AT),
    Active(version=None, serial=2, run_id="m-1", since=AT),
    ENTRY,
    Hold(since=AT, reason="", version="m-1"),
]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_a_record_is_the_same_after_json(record: Any) -> None:
    text = json.dumps(to_json(record))

    assert from_json(type(record), json.loads(text)) == record


def test_times_are_written_in_utc_whatever_zone_they_came_in() -> None:
    seoul = datetime(2026, 11, 22, 11, tzinfo=timezone(timedelta(hours=9)))

    assert utc_text(seoul) == "2026-11-22T02:00:00Z"
    assert to_json(Hold(since=seoul, reason="", version="m-1"))["since"] == "2026-11-22T02:00:00Z"


def test_a_time_without_a_zone_is_our_own_bug() -> None:
    with pytest.raises(AssertionError):
        to_json(Hold(since=datetime(2026, 11, 22), reason="", version="m-1"))


def test_a_newer_format_is_refused_with_rule_value_and_remedy() -> None:
    data = to_json(NEW_RUN) | {"format_version": FORMAT_VERSION + 1, "later": 1}

    with pytest.raises(RegistryError, match=r"must be at most \d+, got \d+: .* upgrade"):
        from_json(Run, data)


def changed(**values: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda data: data | values


def without(name: str) -> Callable[[dict[str, Any]], Any]:
    return lambda data: {key: value for key, value in data.items() if key != name}


DAMAGES = {
    "no format": without("format_version"),
    "a format that is no number": changed(format_version="1"),
    "a format that is true": changed(format_version=True),
    "a format below the first": changed(format_version=0),
    "a missing field": without("serial"),
    "an unknown field": changed(extra=1),
    "an unknown action": changed(action="destroy"),
    "an action that is a list": changed(action=[]),
    "a time that is none": changed(at="yesterday"),
    "a time that is a number": changed(at=1),
    "a time without a zone": changed(at="2026-11-22T02:00:00"),
    "a list": lambda data: [data],
    "an empty object": lambda _: {},
    "nothing": lambda _: None,
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_what_is_not_such_a_record_is_refused(damage: Callable[[dict[str, Any]], Any]) -> None:
    data = to_json(ENTRY)

    with pytest.raises(RegistryError, match="damaged; restore it from a backup"):
        from_json(HistoryEntry, damage(data))


def test_a_state_this_release_does_not_know_is_refused() -> None:
    with pytest.raises(RegistryError, match="state"):
        from_json(Run, to_json(NEW_RUN) | {"state": "teleported"})


@pytest.mark.parametrize(
    ("owner", "seconds", "held"),
    [
        ("m-1/t1", -1, True),
        ("m-1/t1", 0, False),  # the moment of the expiry is free
        ("m-1/t1", 1, False),
        ("", -1, False),  # given back before it expired
    ],
)
def test_a_lease_is_held_by_an_owner_until_it_expires(owner: str, seconds: int, held: bool) -> None:
    lease = Lease(run_id="m-1", owner=owner, expires_at=AT, fencing=1)

    assert lease.held(AT + timedelta(seconds=seconds)) is held


def test_a_state_is_either_live_or_an_end_and_verdicts_are_ends() -> None:
    assert {"launched", "running"} == LIVE_STATES
    assert VERDICT_STATES | {"skipped", "data_stopped", "failed"} == TERMINAL_STATES
    assert not LIVE_STATES & TERMINAL_STATES


# --- run ids


@pytest.mark.parametrize(
    "text",
    ["s-20261122T020000Z", "a-6f1e2c1a-5a1e-4f6e-9d3b-0c9f2f6d7a11", "m-20261122T020000Z-1", "m-x"],
)
def test_a_run_id_of_each_kind_is_taken(text: str) -> None:
    assert check_run_id(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "m",
        "m-",
        "x-1",
        "s-1",  # a slot is a time
        "s-20261122T020000Z-1",
        "m--1",
        "m-1/2",
        "m-..",
        "m-1#2",
        "m-1\n",
        "m-가일",
        "m-٣",  # a digit, but not one of ASCII
        "m-1'; DROP TABLE items; --",
        "m-" + "x" * 63,
        " m-1",
    ],
)
def test_what_is_no_run_id_is_wrong_usage(text: str) -> None:
    with pytest.raises(UsageError, match=r"a run id must be .*: `history` lists"):
        check_run_id(text)


def test_an_overlong_run_id_is_not_repeated_in_full() -> None:
    with pytest.raises(UsageError) as refused:
        check_run_id("m-" + "x" * 10_000)

    assert len(str(refused.value)) < 300


# --- the last verdict


def run(state: State, cutoff_days: int | None) -> Run:
    cutoff = None if cutoff_days is None else AT + timedelta(days=cutoff_days)
    return Run(run_id="m-1", created_at=AT, state=state, cutoff=cutoff)


def test_before_any_run_there_is_no_verdict() -> None:
    assert last_verdict([]) is None


@pytest.mark.parametrize("state", sorted(VERDICT_STATES))
def test_a_run_that_judged_its_votes_moves_the_last_verdict(state: State) -> None:
    assert last_verdict([run(state, 3)]) == AT + timedelta(days=3)


@pytest.mark.parametrize("state", sorted((LIVE_STATES | TERMINAL_STATES) - VERDICT_STATES))
def test_a_run_that_judged_nothing_does_not_move_the_last_verdict(state: State) -> None:
    assert last_verdict([run(state, 9)]) is None
    assert last_verdict([run(state, 9), run("rejected", 3)]) == AT + timedelta(days=3)


def test_the_newest_cutoff_counts_in_whatever_order_the_runs_stand() -> None:
    runs = [run("rejected", 1), run("served", 5), run("approved", None), run("promoted", 3)]

    assert last_verdict(runs) == AT + timedelta(days=5)
    assert last_verdict(reversed(runs)) == AT + timedelta(days=5)
