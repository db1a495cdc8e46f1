"""What AWS refuses is said with its code and its remedy, and nothing of AWS's own sentence."""

from typing import Any

import pytest
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
    ReadTimeoutError,
)

from common.aws_errors import as_error, code, told
from common.errors import RetrainError, StoreError

URL = "https://user:hunter2@s3.amazonaws.com"


def refusal(named: str, status: int = 400) -> ClientError:
    answer: Any = {
        "Error": {"Code": named, "Message": "User: arn:aws:sts::1:assumed-role/x hunter2"},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(answer, "GetObject")


@pytest.mark.parametrize(
    ("error", "value", "remedy"),
    [
        (refusal("AccessDenied", 403), "AccessDenied to GetObject", "allow this process's role"),
        (refusal("AccessDeniedException"), "AccessDeniedException", "on what STORE_URL names"),
        (refusal("ExpiredToken"), "ExpiredToken", "valid credentials"),
        (refusal("SignatureDoesNotMatch", 403), "SignatureDoesNotMatch", "valid credentials"),
        (refusal("NoSuchBucket", 404), "NoSuchBucket", "make what STORE_URL names, or correct"),
        (refusal("ResourceNotFoundException"), "ResourceNotFoundException", "make what STORE_URL"),
        (refusal("PermanentRedirect", 301), "PermanentRedirect", "set AWS_REGION"),
        (refusal("AuthorizationHeaderMalformed"), "AuthorizationHeaderMalformed", "set AWS_REGION"),
        (refusal("SlowDown", 503), "SlowDown", "too busy: wait"),
        (refusal("ThrottlingException"), "ThrottlingException", "too busy: wait"),
        (refusal("RequestTimeTooSkewed", 403), "RequestTimeTooSkewed", "set the clock"),
        (refusal("InternalError", 500), "InternalError", "AWS is up, then run again"),
        (refusal("SomethingNew", 403), "SomethingNew", "allow this process's role"),
        (refusal("", 403), "403 to GetObject", "allow this process's role"),
        (NoCredentialsError(), "NoCredentialsError", "give this process a role"),
        (NoRegionError(), "NoRegionError", "set AWS_REGION"),
        (EndpointConnectionError(endpoint_url=URL), "EndpointConnectionError", "reaches AWS"),
        (ConnectTimeoutError(endpoint_url=URL), "ConnectTimeoutError", "reaches AWS"),
        (ReadTimeoutError(endpoint_url=URL), "ReadTimeoutError", "reaches AWS"),
    ],
    ids=lambda value: code(value) if isinstance(value, ClientError | BotoCoreError) else None,
)
def test_an_error_names_what_was_refused_and_what_to_do(
    error: ClientError | BotoCoreError, value: str, remedy: str
) -> None:
    text = told(error, "STORE_URL")

    assert value in text
    assert remedy in text
    assert "hunter2" not in text
    assert "arn:" not in text


def test_what_aws_refuses_becomes_an_error_of_ours_and_all_else_passes() -> None:
    with (
        pytest.raises(StoreError, match="the bucket must be there, got NoSuchBucket") as refused,
        as_error(StoreError, "the bucket must be there", "STORE_URL"),
    ):
        raise refusal("NoSuchBucket", 404)
    assert isinstance(refused.value.__cause__, ClientError)

    for other in (RetrainError("ours"), OSError("a disk"), AssertionError("a bug")):
        with pytest.raises(type(other)) as passed, as_error(StoreError, "rule", "STORE_URL"):
            raise other
        assert passed.value is other
