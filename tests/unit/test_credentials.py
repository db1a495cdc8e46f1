"""Where the database's password comes from: what is read, and that nothing ever shows it."""

import json
import logging
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import boto3
import pytest
from botocore.stub import Stubber
from moto import mock_aws

from common import aws, logs
from common.credentials import IamToken, Login, Password, Secret, chosen
from common.errors import DatabaseError, UsageError
from common.settings import Settings
from common.votes_table import ServerAddress

VALUE = "gehe1m {wörd}/%"
RDS_HOST = "votes.c9akciq32.eu-west-1.rds.amazonaws.com"
ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:votes-AbCdEf"


@pytest.fixture(autouse=True)
def somewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS's environment as a container has it, and nothing else of this machine's."""
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_DEFAULT_REGION", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "example")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    monkeypatch.setattr(logs, "_learned", set())


@pytest.fixture
def cloud() -> Iterator[None]:
    """Secrets Manager in this process."""
    with mock_aws():
        yield


def stored(text: str) -> str:
    """The ARN of a new secret in eu-west-1."""
    client = boto3.client("secretsmanager", region_name="eu-west-1")
    return client.create_secret(Name="votes", SecretString=text)["ARN"]


def server(host: str = "127.0.0.1", port: int = 3306) -> ServerAddress:
    return ServerAddress(user="of_the_url", host=host, port=port, database="hairme")


def test_a_password_is_taken_as_it_is_and_may_be_missing() -> None:
    assert Password(VALUE).login(server()) == Login(user="of_the_url", password=VALUE)
    assert Password(None).login(server()) == Login(user="of_the_url", password="")


@pytest.mark.parametrize(
    ("text", "user", "password"),
    [
        pytest.param(
            json.dumps({"username": "votes_clone", "password": VALUE, "port": 3306}),
            *("votes_clone", VALUE),
            id="as RDS stores it: its user wins, for a rotation alternates between two",
        ),
        pytest.param(json.dumps({"password": VALUE}), "of_the_url", VALUE, id="no user"),
        pytest.param(VALUE, "of_the_url", VALUE, id="the bare password"),
        pytest.param(f"{VALUE}\n", "of_the_url", VALUE, id="a file's last line break is not its"),
        pytest.param(
            json.dumps({"password": VALUE + "\r\n"}), "of_the_url", VALUE, id="in JSON too"
        ),
        pytest.param("123456", "of_the_url", "123456", id="digits are JSON, but no object"),
        pytest.param('{"a', "of_the_url", '{"a', id="begins like JSON"),
    ],
)
def test_a_secret_is_read_in_its_own_region_in_every_form(
    cloud: None, text: str, user: str, password: str
) -> None:
    # Given a secret in another region than this process
    secret = Secret(stored(text))

    assert secret.login(server()) == Login(user=user, password=password)


def test_a_secret_is_read_anew_each_time(cloud: None) -> None:
    arn = stored("old")
    secret = Secret(arn)
    assert secret.login(server()).password == "old"

    boto3.client("secretsmanager", region_name="eu-west-1").put_secret_value(
        SecretId=arn, SecretString="new"
    )

    assert secret.login(server()).password == "new"


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"username": "a", "passwort": VALUE}),
        json.dumps({"password": ""}),
        json.dumps({"password": 123456}),
        json.dumps({"username": 5, "password": VALUE}),
    ],
)
def test_a_secret_without_a_password_is_refused_and_not_shown(cloud: None, text: str) -> None:
    secret = Secret(stored(text))

    with pytest.raises(DatabaseError, match="must be JSON with texts `password`") as refused:
        secret.login(server())

    assert "wörd" not in str(refused.value)
    assert "123456" not in str(refused.value)


def test_a_binary_secret_is_refused(cloud: None) -> None:
    client = boto3.client("secretsmanager", region_name="eu-west-1")
    arn = client.create_secret(Name="votes", SecretBinary=b"bytes")["ARN"]

    with pytest.raises(DatabaseError, match="must be JSON"):
        Secret(arn).login(server())


def test_a_secret_that_is_not_there_names_the_setting(cloud: None) -> None:
    with pytest.raises(
        DatabaseError, match=r"ResourceNotFoundException to .*correct DB_SECRET_ARN"
    ):
        Secret(ARN).login(server())


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        (
            "AccessDeniedException",
            "allow this process's role the operation, on what DB_SECRET_ARN names",
        ),
        ("DecryptionFailure", "and on its key"),
        ("InvalidRequestException", "not being deleted"),
        ("InternalServiceError", "see that this network reaches AWS"),
    ],
)
def test_a_refusal_of_secrets_manager_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, code: str, remedy: str
) -> None:
    # Given
    client = boto3.client("secretsmanager", region_name="eu-west-1")
    stub = Stubber(client)
    stub.add_client_error("get_secret_value", code)
    monkeypatch.setattr(aws, "client", lambda *_: client)

    with (
        stub,
        pytest.raises(
            DatabaseError, match=f"must be readable, got {code} to GetSecretValue: .*{remedy}"
        ),
    ):
        Secret(ARN).login(server())


def test_a_secret_that_cannot_be_reached_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a network without a way to Secrets Manager
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setattr(aws, "ATTEMPTS", 1)

    with pytest.raises(
        DatabaseError, match="EndpointConnectionError: see that this network reaches AWS"
    ):
        Secret(ARN).login(server())


@pytest.mark.parametrize(
    "text",
    [
        VALUE,
        "votes",
        "arn:aws:s3:::bucket",
        "arn:aws:secretsmanager:eu-west-1:1:secret:votes",
        f"{ARN} {VALUE}",
    ],
)
def test_what_is_no_arn_of_a_secret_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(UsageError, match="DB_SECRET_ARN must be arn:aws:secretsmanager") as refused:
        Secret(text)

    assert text not in str(refused.value)


@pytest.mark.parametrize(
    ("host", "region"),
    [
        (RDS_HOST, "eu-west-1"),
        ("votes.cluster-ro-c9akciq32.ap-northeast-2.rds.amazonaws.com", "ap-northeast-2"),
        # Without a region in the name, the environment's.
        ("votes.example.com", "us-east-1"),
        ("votes.eu-west-1.rds.amazonaws.com.evil.example", "us-east-1"),
    ],
)
def test_a_token_is_for_one_user_of_one_server_and_lasts_for_15_minutes(
    host: str, region: str
) -> None:
    login = IamToken().login(server(host, 3307))

    token = urlsplit(f"//{login.password}")
    query = parse_qs(token.query)
    assert login.user == "of_the_url"
    assert (token.hostname, token.port, token.path) == (host, 3307, "/")
    assert query["Action"] == ["connect"]
    assert query["DBUser"] == ["of_the_url"]
    assert query["X-Amz-Expires"] == ["900"]
    (scope,), (signature,) = query["X-Amz-Credential"], query["X-Amz-Signature"]
    assert re.fullmatch(rf"AKIDEXAMPLE/\d{{8}}/{region}/rds-db/aws4_request", scope)
    assert re.fullmatch("[0-9a-f]{64}", signature)


def test_a_token_of_a_role_carries_its_session(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "of/the=role")

    token = IamToken().login(server(RDS_HOST)).password

    assert parse_qs(urlsplit(token).query)["X-Amz-Security-Token"] == ["of/the=role"]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("AWS_ACCESS_KEY_ID", "NoCredentialsError: give this process a role"),
        ("AWS_SECRET_ACCESS_KEY", "PartialCredentialsError: give this process a role"),
        ("AWS_REGION", "NoRegionError: set AWS_REGION to the region that DATABASE_URL"),
    ],
)
def test_a_token_that_cannot_be_signed_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, name: str, says: str
) -> None:
    monkeypatch.delenv(name)

    with pytest.raises(DatabaseError, match=rf"\(DB_IAM_AUTH\) must be signed, got {says}"):
        IamToken().login(server("votes.example.com"))


def test_what_was_read_is_hidden_from_every_log_from_then_on(cloud: None) -> None:
    # Given a redactor from before it was known
    redact = logs.redactor([])

    login = Secret(stored(VALUE)).login(server(RDS_HOST))

    assert redact(f"it answered {login.password}!") == "it answered ***!"
    assert login.password not in repr(login)


def test_a_token_is_hidden_however_it_is_quoted_and_leaves_nothing_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "of/the=role+and&more")
    before = logs.redactor([])

    login = IamToken().login(server(RDS_HOST))

    token = login.password
    query = parse_qs(urlsplit(token).query)
    secret = (query["X-Amz-Signature"][0], "role")
    quoted = (quote(token), quote(token, safe=""), quote(token, safe="").lower())
    for text in (token, *quoted, repr(token), json.dumps([token])):
        shown = before(f"it answered {text}!")
        assert [part for part in secret if part in shown] == []
        assert shown.count("***") == 2
        assert "of_the_url" in shown, "the rest stays: it is what one looks for"
    assert token not in repr(login)
    assert logs._learned == set(), "a service makes one for each connection"


def test_at_the_lowest_level_aws_logs_no_secret(
    cloud: None, caplog: pytest.LogCaptureFixture
) -> None:
    # Given logs that take everything; botocore's of an answer would hold the secret
    arn = stored("unmistakable")
    logging.getLogger("botocore").setLevel(logging.NOTSET)
    caplog.set_level(logging.DEBUG)
    caplog.clear()

    Secret(arn).login(server())

    assert "unmistakable" not in caplog.text


def test_the_settings_choose_the_source() -> None:
    assert chosen(Settings(db_password=VALUE)) == Password(VALUE)
    assert chosen(Settings()) == Password(None)
    assert chosen(Settings(db_secret_arn=ARN)) == Secret(ARN)
    assert isinstance(chosen(Settings(db_iam_auth=True)), IamToken)
    assert VALUE not in repr(chosen(Settings(db_password=VALUE)))


def test_only_what_can_change_is_read_twice_and_only_a_token_needs_tls() -> None:
    def traits(one: Any) -> tuple[bool, bool]:
        return one.renewable, one.needs_tls

    assert traits(Password) == (False, False)
    assert traits(Secret) == (True, False)
    assert traits(IamToken) == (True, True)
