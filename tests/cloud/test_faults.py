"""What a fault does to the real request of an unmodified client."""

from __future__ import annotations

from threading import Thread
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

from local.cloud.client import Cloud

BUCKET, TABLE = "small-bucket", "small-table"


def put(cloud: Cloud, key: str, body: bytes) -> None:
    cloud.client("s3").put_object(Bucket=BUCKET, Key=key, Body=body)


def get(cloud: Cloud, key: str) -> bytes:
    body: bytes = cloud.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()
    return body


def keys(cloud: Cloud) -> list[str]:
    listed = cloud.client("s3").list_objects_v2(Bucket=BUCKET).get("Contents", [])
    return [each["Key"] for each in listed]


def transaction(cloud: Cloud, pk: str) -> None:
    item = {"TableName": TABLE, "Item": {"pk": {"S": pk}}}
    cloud.client("dynamodb").transact_write_items(TransactItems=[{"Put": item}])


@pytest.mark.parametrize(
    "service, operation, kind, code",
    [
        ("s3", "PutObject", "throttle", "SlowDown"),
        ("s3", "PutObject", "server_error", "InternalError"),
        ("dynamodb", "PutItem", "throttle", "ProvisionedThroughputExceededException"),
        ("dynamodb", "PutItem", "server_error", "InternalServerError"),
        ("sns", "Publish", "throttle", "Throttling"),
        ("secretsmanager", "GetSecretValue", "server_error", "InternalServiceError"),
    ],
)
def test_an_error_is_the_services_own_and_the_call_is_not_carried_out(
    small_cloud: Cloud, service: str, operation: str, kind: str, code: str
) -> None:
    fault = small_cloud.fault(service, operation, kind, times=0)
    calls: dict[str, dict[str, Any]] = {
        "PutObject": {"Bucket": BUCKET, "Key": "k", "Body": b"text"},
        "PutItem": {"TableName": TABLE, "Item": {"pk": {"S": "k"}}},
        "Publish": {"TopicArn": small_cloud.stack.template.ref("Topic"), "Message": "m"},
        "GetSecretValue": {"SecretId": "s"},
    }
    client = small_cloud.client(service)

    with pytest.raises(ClientError) as refused:
        client._make_api_call(operation, calls[operation])

    assert refused.value.response["Error"]["Code"] == code
    assert fault.met == 2, "the client has tried again"
    assert keys(small_cloud) == []
    recorded = [call for call in small_cloud.calls() if call["operation"] == operation][-1]
    assert (recorded["error"], recorded["fault"]) == (code, kind)


def test_a_fault_meets_the_nth_call_it_fits_and_no_other(small_cloud: Cloud) -> None:
    fault = small_cloud.fault("s3", "PutObject", "cut_before", where="chosen", nth=2, times=2)

    for _ in range(3):
        put(small_cloud, "other", b"1")
    put(small_cloud, "chosen", b"1")
    assert fault.met == 0
    with pytest.raises(HTTPClientError):
        put(small_cloud, "chosen", b"2")  # and again by itself

    assert fault.met == 2
    assert get(small_cloud, "chosen") == b"1"
    put(small_cloud, "chosen", b"3")
    assert get(small_cloud, "chosen") == b"3"


def test_a_connection_that_is_cut_after_the_call_has_carried_it_out(small_cloud: Cloud) -> None:
    small_cloud.fault("dynamodb", "TransactWriteItems", "cut_after", times=0)

    with pytest.raises(HTTPClientError):
        transaction(small_cloud, "written")

    items = small_cloud.client("dynamodb").scan(TableName=TABLE)["Items"]
    assert items == [{"pk": {"S": "written"}}]


@pytest.mark.parametrize(
    "kind, stored",
    [("truncate_request", b"the first "), ("wrong_request", b"the first uhe second")],
)
def test_an_upload_can_arrive_damaged(small_cloud: Cloud, kind: str, stored: bytes) -> None:
    small_cloud.fault("s3", "PutObject", kind)

    put(small_cloud, "k", b"the first the second")

    assert get(small_cloud, "k") == stored


def test_a_download_can_end_early_or_be_wrong(small_cloud: Cloud) -> None:
    put(small_cloud, "k", b"0123456789")
    small_cloud.fault("s3", "GetObject", "truncate_answer")
    with pytest.raises(BotoCoreError):
        get(small_cloud, "k")

    small_cloud.order("clear")
    small_cloud.fault("s3", "GetObject", "wrong_answer")

    assert get(small_cloud, "k") == b"0123446789"
    assert get(small_cloud, "k") == b"0123456789"


def test_a_call_that_is_held_is_carried_out_when_it_is_released(small_cloud: Cloud) -> None:
    held = small_cloud.fault("s3", "PutObject", "hold")
    caller = Thread(target=put, args=(small_cloud, "k", b"1"))
    caller.start()

    held.reached()
    assert keys(small_cloud) == []
    held.release()
    caller.join()

    assert keys(small_cloud) == ["k"]


def test_a_transaction_is_refused_for_the_reasons_that_are_given(small_cloud: Cloud) -> None:
    small_cloud.fault("dynamodb", "TransactWriteItems", "cancel", reasons=["TransactionConflict"])

    with pytest.raises(ClientError) as refused:
        transaction(small_cloud, "k")

    reasons = refused.value.response["CancellationReasons"]
    assert [reason["Code"] for reason in reasons] == ["TransactionConflict"]


@pytest.mark.parametrize("kind, calls", [("die_before", 0), ("die_after", 1)])
def test_a_function_can_die_right_before_or_after_a_call(
    small_cloud: Cloud, kind: str, calls: int
) -> None:
    small_cloud.fault("s3", "ListObjectsV2", kind)

    failed = small_cloud.invoke("small", {"call": True})

    assert failed["errorType"] == "Runtime.ExitError"
    assert "event" in small_cloud.invoke("small", {"call": True}), "it is well again"


@pytest.mark.parametrize(
    "wrong, says",
    [
        ({"kind": "melt"}, "kind must be one of"),
        ({"kind": "hold", "colour": "red"}, "got colour"),
    ],
)
def test_a_fault_that_cannot_be_meant_is_refused(
    small_cloud: Cloud, wrong: dict[str, str], says: str
) -> None:
    with pytest.raises(AssertionError, match=says):
        small_cloud.fault("s3", "PutObject", **wrong)


def test_every_call_is_on_record_with_who_made_it(small_cloud: Cloud) -> None:
    before = len(small_cloud.calls())

    put(small_cloud, "a key/with ü", b"1")
    transaction(small_cloud, "k")
    small_cloud.invoke("small", {"call": True})

    found = [
        (call["principal"], call["service"], call["operation"], call["status"])
        for call in small_cloud.calls()[before:]
    ]
    assert found == [
        ("operator", "s3", "PutObject", 200),
        ("operator", "dynamodb", "TransactWriteItems", 200),
        ("FunctionRole", "s3", "ListObjectsV2", 200),
        ("operator", "lambda", "Invoke", 200),
    ]
    parameters = small_cloud.calls()[before]["parameters"]
    assert parameters == {"Bucket": BUCKET, "Key": "a key/with ü"}
