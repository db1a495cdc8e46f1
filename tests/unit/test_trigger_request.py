"""An event becomes the run that it asks for, or is refused with what may be asked."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from common.errors import UsageError
from common.registry.records import check_run_id
from common.settings import load
from retrain_trigger.request import EXAMPLE, KEYS, Request, parse
from tests.unit.trigger_samples import REQUEST_ID, RUN, SLOT

AD_HOC = f"a-{REQUEST_ID}"
RULE_EVENT = {
    "version": "0",
    "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
    "detail-type": "Scheduled Event",
    "source": "aws.events",
    "account": "123456789012",
    "time": "2026-11-22T02:00:00Z",
    "region": "us-east-1",
    "resources": ["arn:aws:events:us-east-1:123456789012:rule/retraining"],
    "detail": {},
}


@pytest.mark.parametrize(
    ("event", "run_id"),
    [
        (RULE_EVENT, RUN),  # a rule of EventBridge
        (SLOT, RUN),  # EventBridge Scheduler
        ({"time": "2026-11-22T11:00:00+09:00"}, RUN),  # the same moment elsewhere
        ({}, AD_HOC),
    ],
)
def test_the_runs_id_comes_from_the_slot_or_else_from_the_request(
    event: object, run_id: str
) -> None:
    assert parse(event, REQUEST_ID) == Request(run_id=run_id)
    assert check_run_id(run_id)


def test_a_slot_is_the_schedules_time_and_a_request_has_none() -> None:
    slot = parse({"time": "2026-11-22T11:00:00.9+09:00"}, REQUEST_ID).slot

    assert slot == datetime(2026, 11, 22, 2, tzinfo=UTC)
    assert parse({}, REQUEST_ID).slot is None


def test_the_same_event_is_the_same_run_whoever_delivers_it() -> None:
    assert parse(RULE_EVENT, "first") == parse(RULE_EVENT, "second")
    assert parse({}, "first") != parse({}, "second")


def test_an_ad_hoc_event_sets_settings_for_this_one_run() -> None:
    event = {
        "force": True,
        "dry_run": True,
        "min_feedback": 10,
        "real_weight": 3,
        "min_improvement": -0.01,
        "auto_deploy": False,
        "skip_data_check": True,
    }

    request = parse(event, REQUEST_ID)

    assert request == Request(
        run_id=AD_HOC,
        force=True,
        dry_run=True,
        settings={
            "min_feedback_count": 10,
            "real_data_weight": 3.0,
            "min_improvement": -0.01,
            "auto_deploy": False,
            "skip_data_check": True,
        },
    )
    assert event.keys() == set(KEYS)


def test_the_task_reads_from_its_environment_just_what_was_asked_for() -> None:
    request = parse(
        {"min_feedback": 10, "real_weight": 0.1, "auto_deploy": False, "skip_data_check": True}, "r"
    )

    read = load(yaml_path=None, env_file=None, environ=request.environment(), flags={})

    assert {name: getattr(read, name) for name in request.settings} == request.settings
    assert request.environment() == {
        "RETRAIN_MIN_FEEDBACK_COUNT": "10",
        "RETRAIN_REAL_DATA_WEIGHT": "0.1",
        "RETRAIN_AUTO_DEPLOY": "false",
        "RETRAIN_SKIP_DATA_CHECK": "true",
    }


@pytest.mark.parametrize(
    ("event", "says"),
    [
        ({"forced": True}, "no key 'forced'; did you mean force?"),
        ({"min_feedback_count": 10}, "did you mean min_feedback?"),  # the setting's own name
        ({"time": "2026-11-22T02:00:00Z", "force": True}, "no key 'time'"),  # a slot is a slot
        ({"Records": []}, "no key 'Records'; remove it"),  # another service's event
        ({"force": "true"}, "force must be true or false, got 'true'"),
        ({"dry_run": 1}, "dry_run must be true or false, got 1"),
        ({"dry_run": None}, "dry_run must be true or false, got nothing"),
        ({"min_feedback": "10"}, "min_feedback must be a whole number, got '10'"),
        ({"min_feedback": 10.0}, "min_feedback must be a whole number, got 10.0"),
        ({"min_feedback": True}, "min_feedback must be a whole number, got True"),
        ({"real_weight": [3]}, "real_weight must be a number, got a list"),
        ({"skip_data_check": 0}, "skip_data_check must be true or false"),
        ("now", "must be a JSON object, got 'now'"),
        ([], "must be a JSON object, got a list"),
        (None, "must be a JSON object, got nothing"),
    ],
)
def test_an_unknown_or_ill_typed_key_is_refused_with_the_allowed_ones_and_an_example(
    event: object, says: str
) -> None:
    with pytest.raises(UsageError) as refused:
        parse(event, REQUEST_ID)

    assert says in str(refused.value)
    assert ", ".join(KEYS) in str(refused.value)
    assert json.dumps(EXAMPLE) in str(refused.value)


def test_the_example_of_the_error_text_is_a_valid_event() -> None:
    assert parse(EXAMPLE, REQUEST_ID).force


@pytest.mark.parametrize(
    ("event", "says"),
    [
        ({"min_feedback": -1}, "min_feedback must be at least 0, got -1"),
        ({"real_weight": -0.5}, "real_weight must be at least 0.0, got -0.5"),
        ({"real_weight": float("inf")}, "real_weight must be a finite number"),
        ({"real_weight": 10**400}, "real_weight must be a finite number"),
        ({"min_improvement": 3}, "at most 1.0, got 3: F1 is between 0 and 1"),
        ({"min_improvement": float("nan")}, "min_improvement must be a finite number"),
    ],
)
def test_a_value_outside_the_settings_own_bounds_is_refused(
    event: dict[str, Any], says: str
) -> None:
    with pytest.raises(UsageError) as refused:
        parse(event, REQUEST_ID)

    assert says in str(refused.value)


NO_TIME: list[object] = [
    "2026-11-22T02:00:00",
    "tomorrow",
    "",
    None,
    1795312800,
    {},
    "0001-01-01T00:00+09:00",
]


@pytest.mark.parametrize("time", NO_TIME)
def test_a_slot_without_a_time_that_all_understand_alike_is_refused(time: object) -> None:
    with pytest.raises(UsageError, match="an event's time must be an ISO time with a zone"):
        parse({"time": time}, REQUEST_ID)


def test_a_slot_of_another_millennium_is_no_run_id() -> None:
    with pytest.raises(UsageError, match="a run id must be"):
        parse({"time": "0001-01-02T00:00:00Z"}, REQUEST_ID)


def test_a_request_id_that_cannot_stand_in_a_run_id_is_refused() -> None:
    with pytest.raises(UsageError, match="a run id must be"):
        parse({}, "../../other")
