"""Where the key for writers comes from, and that nothing tells it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager
from unittest import mock

import pytest
from botocore.exceptions import ClientError

from api import keys
from common import aws, logs
from common.errors import UsageError
from common.settings import load

ARN = "arn:aws:secretsmanager:us-east-1:123456789012:secret:api-key"
KEY = "unmistakable-key"


class Secrets:
    """Secrets Manager with one secret, or with none that this role may read."""

    def __init__(self, text: str | None) -> None:
        self._text = text

    def get_secret_value(self, **asked: str) -> dict[str, str]:
        assert asked == {"SecretId": ARN}
        if self._text is None:
            raise ClientError({"Error": {"Code": "AccessDeniedException"}}, "GetSecretValue")
        return {"SecretString": self._text}


def read(**environ: str) -> bytes | None:
    return keys.read(load(yaml_path=None, env_file=None, environ=environ, flags={}))


def stored(text: str | None) -> AbstractContextManager[object]:
    return mock.patch.object(aws, "client", return_value=Secrets(text))


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """Other tests' logs are not searched for these secrets."""
    with mock.patch.object(logs, "_learned", set()):
        yield


def test_without_a_key_anybody_may_write() -> None:
    assert read() is None


def test_a_key_is_read_from_the_setting_or_from_its_secret() -> None:
    assert read(API_KEY=KEY) == KEY.encode()
    with stored(f"{KEY}\n"):
        assert read(API_KEY_SECRET_ARN=ARN) == KEY.encode()


def test_a_key_is_hidden_from_all_logs() -> None:
    with stored(KEY):
        read(API_KEY_SECRET_ARN=ARN)

    record = logging.LogRecord("x", logging.INFO, "x", 1, f"the key is {KEY}", None, None)
    assert KEY not in logs.JsonFormatter(logs.redactor([]), None).format(record)


@pytest.mark.parametrize("text, says", [("", "must be the key itself"), (" \n", "got none")])
def test_an_empty_secret_is_an_error_and_not_an_open_door(text: str, says: str) -> None:
    with stored(text), pytest.raises(UsageError, match=says):
        read(API_KEY_SECRET_ARN=ARN)


@pytest.mark.parametrize(
    "key",
    ["e", "fifteen-letters", f" {KEY}", f"{KEY}\n ", "unmistakable-열쇠", "unmistakable\tkey-1"],
)
def test_a_key_that_can_be_guessed_or_cannot_be_shown_is_refused(key: str) -> None:
    with pytest.raises(UsageError, match="at least 16 printable characters") as caught:
        read(API_KEY=key)
    assert key not in str(caught.value) or key == "e"


def test_a_secret_that_cannot_be_read_is_told_by_its_setting() -> None:
    with (
        stored(None),
        pytest.raises(UsageError, match=r"AccessDenied.* to GetSecretValue: .*API_KEY_SECRET_ARN"),
    ):
        read(API_KEY_SECRET_ARN=ARN)
