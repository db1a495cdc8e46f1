"""The emulated Lambda runs real code in AWS's own runtime, and fails as the real one does."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread

import pytest
from botocore.exceptions import ClientError

from local.cloud.client import Cloud
from local.cloud.stack import ROOT

SUNDAY = datetime(2026, 11, 22, 2, tzinfo=UTC)


def test_a_function_sees_the_bundle_and_its_own_variables_alone(small_cloud: Cloud) -> None:
    answer = small_cloud.invoke("small", {"hello": "world"})

    assert answer["event"] == {"hello": "world"}
    environment = answer["environment"]
    assert environment["GREETING"] == "hello"
    assert environment["AWS_ACCESS_KEY_ID"] == "FunctionRole"
    assert environment["AWS_LAMBDA_FUNCTION_NAME"] == "small-function"
    assert "PYTHONPATH" not in environment
    assert str(ROOT) not in answer["path"], "only the bundle and installed packages"
    assert Path(answer["path"][0]).name == "bundle"
    assert answer["arn"] == small_cloud.stack.functions["small-function"].arn
    assert 0 < answer["left"] <= 2_000, "milliseconds of its time-out"


def test_a_function_stays_warm_until_its_variables_change(small_cloud: Cloud) -> None:
    first = small_cloud.invoke("small", {})["invocations"]
    assert small_cloud.invoke("small", {})["invocations"] == first + 1

    small_cloud.use(None)

    assert small_cloud.invoke("small", {})["invocations"] == 1


def test_an_error_is_answered_with_its_type_and_the_function_lives_on(
    small_cloud: Cloud, tmp_path: Path
) -> None:
    before = small_cloud.invoke("small", {})["invocations"]

    failed = small_cloud.invoke("small", {"fail": str(tmp_path / "attempts")})

    assert (failed["errorType"], failed["errorMessage"]) == ("ValueError", "as told")
    assert small_cloud.invoke("small", {})["invocations"] == before + 2
    assert "ValueError: as told" in small_cloud.function_log("small")


def test_a_function_that_exits_is_an_error_and_begins_anew(small_cloud: Cloud) -> None:
    failed = small_cloud.invoke("small", {"exit": True})

    assert failed["errorType"] == "Runtime.ExitError"
    assert small_cloud.invoke("small", {})["invocations"] == 1


def test_a_function_that_takes_too_long_is_killed(small_cloud: Cloud) -> None:
    failed = small_cloud.invoke("small", {"sleep": 60})

    assert failed["errorType"] == "Sandbox.Timedout"
    assert "2.00 seconds" in failed["errorMessage"]
    assert small_cloud.invoke("small", {})["invocations"] == 1


def test_beyond_its_reserved_concurrency_a_call_is_refused_and_an_event_waits(
    small_cloud: Cloud,
) -> None:
    # Given a function that is at work, and may be once at a time
    held = small_cloud.fault("s3", "ListObjectsV2", "hold")
    busy = Thread(target=small_cloud.invoke, args=("small", {"call": True}))
    busy.start()
    held.reached()

    # Then a call is refused, and an event waits its turn
    with pytest.raises(ClientError, match="TooManyRequestsException"):
        small_cloud.invoke("small", {})
    (waiting,) = small_cloud.fire("daily", SUNDAY)
    held.release()
    busy.join()
    events = {event["request_id"]: event for event in small_cloud.wait()["events"]}
    assert [attempt["error"] for attempt in events[waiting]["attempts"]] == [""]


def test_an_event_that_fails_comes_twice_again_and_then_to_the_failure_queue(
    small_cloud: Cloud, tmp_path: Path
) -> None:
    attempts = tmp_path / "attempts"

    small_cloud.client("lambda").invoke(
        FunctionName="small-function",
        InvocationType="Event",
        Payload=json.dumps({"fail": str(attempts)}),
    )
    small_cloud.wait()

    # Each attempt bears the same request id
    tried = attempts.read_text("utf-8").split()
    assert len(tried) == 3
    assert len(set(tried)) == 1
    queue = {"QueueUrl": f"{small_cloud.url}/queue/small-dead"}
    (message,) = small_cloud.client("sqs").receive_message(**queue)["Messages"]
    record = json.loads(message["Body"])
    assert record["requestContext"]["requestId"] == tried[0]
    assert record["responsePayload"]["errorType"] == "ValueError"
    # It was the function's own role that told the queue
    told = [c["principal"] for c in small_cloud.calls() if c["operation"] == "SendMessage"]
    assert told[-1] == "FunctionRole"


def test_a_schedule_strikes_with_the_time_it_is_told(small_cloud: Cloud) -> None:
    small_cloud.fire("weekly", SUNDAY)
    small_cloud.fire("daily", SUNDAY)
    small_cloud.fire("nightly", SUNDAY)

    weekly, daily, nightly = (event["payload"] for event in small_cloud.wait()["events"])
    assert weekly["time"] == "2026-11-22T02:00:00Z"
    assert (weekly["source"], weekly["detail-type"]) == ("aws.events", "Scheduled Event")
    assert weekly["resources"][0].endswith(":rule/" + small_cloud.stack.template.physical("Weekly"))
    assert daily == {"check": "daily"}, "a constant input stands in the event's place"
    assert nightly == {"time": "2026-11-22T02:00:00Z"}, "the Scheduler fills in the time alone"


def test_an_event_may_come_twice(small_cloud: Cloud) -> None:
    requests = small_cloud.fire("weekly", SUNDAY, times=2)

    first, second = small_cloud.wait()["events"]
    assert first["payload"] == second["payload"]
    assert [first["request_id"], second["request_id"]] == requests
    assert requests[0] != requests[1]
