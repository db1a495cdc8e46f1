"""Logging in where passwords change: rotated secrets, IAM tokens, and never one in clear."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
from moto import mock_aws

from common import logs
from common.credentials import Credential, IamToken, Password, Secret
from common.database import Database, connect
from common.errors import DatabaseError, UsageError
from local.mariadb import HOST, READER, READER_PASSWORD, Server, running
from tests.history import MysqlHistory, analysis
from tests.integration.rds_door import Asked, Door, door
from tests.unit.place import Place

DATABASE = "logins"


@pytest.fixture(autouse=True)
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Secrets Manager in this process, and keys to sign with."""
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    monkeypatch.setattr(logs, "_learned", set())
    with mock_aws():
        yield


@pytest.fixture(scope="module")
def server(mariadb: Server) -> Server:
    """The real server, with one vote."""
    MysqlHistory(mariadb, DATABASE).store(analysis(1, "like"))
    return mariadb


@pytest.fixture
def user(server: Server) -> Iterator[str]:
    """A user of this test's own, with the password `old`, who may read."""
    server.execute("CREATE USER rotated@'%' IDENTIFIED BY 'old'")
    server.execute(f"GRANT SELECT ON {DATABASE}.analysis_history TO rotated@'%'")
    yield "rotated"
    server.execute("DROP USER rotated@'%'")


class Stored:
    """A secret in Secrets Manager, and how often its value was read."""

    def __init__(self, user: str, password: str) -> None:
        boto3.setup_default_session(region_name="us-east-1")
        self._client = boto3.client("secretsmanager")
        self.arn = self._client.create_secret(Name="votes", SecretString=_json(user, password))[
            "ARN"
        ]
        self.reads = 0
        self.after_first: Callable[[], None] = lambda: None
        # Each client that is made from now on tells it.
        event = "after-call.secrets-manager.GetSecretValue"
        boto3.DEFAULT_SESSION.events.register(event, self._read)  # type: ignore[union-attr]

    def put(self, user: str, password: str) -> None:
        self._client.put_secret_value(SecretId=self.arn, SecretString=_json(user, password))

    def _read(self, **_: Any) -> None:
        self.reads += 1
        if self.reads == 1:
            self.after_first()


def _json(user: str, password: str) -> str:
    return json.dumps({"username": user, "password": password, "engine": "mysql"})


def opened(port: int, credential: Credential, ca: Any = None, user: str = READER) -> Database:
    url = f"mysql://{user}@{HOST}:{port}/{DATABASE}"
    return connect(url, credential=credential, ca=ca, statement_timeout_seconds=60)


def refusals(server: Server) -> int:
    """How often the server has refused a log-in so far."""
    with server.admin() as connection, connection.cursor() as cursor:
        cursor.execute("SHOW GLOBAL STATUS LIKE 'Access_denied_errors'")
        ((_, count),) = cursor.fetchall()
    return int(count)


def total(db: Database) -> int:
    with db:
        return db.count_votes(None).total


def test_a_secret_is_read_again_when_it_is_rotated_before_the_log_in(
    server: Server, user: str
) -> None:
    # Given a rotation between reading the secret and logging in
    secret = Stored(user, "old")

    def rotate() -> None:
        server.execute("SET PASSWORD FOR rotated@'%' = PASSWORD('new')")
        secret.put(user, "new")

    secret.after_first = rotate
    before = refusals(server)

    # Then the refused value is read again, once, and the votes are counted
    assert total(opened(server.port, Secret(secret.arn))) == 1
    assert (secret.reads, refusals(server) - before) == (2, 1)


def test_a_rotation_may_alternate_between_two_users(server: Server, user: str) -> None:
    # Given an address with one user, and a secret that now is the other's
    secret = Stored(user, "old")

    assert total(opened(server.port, Secret(secret.arn), user="the_other")) == 1
    assert secret.reads == 1


def test_a_secret_that_is_refused_twice_names_the_setting_and_not_the_password(
    server: Server, user: str
) -> None:
    secret = Stored(user, "unmistakable")
    before = refusals(server)

    with pytest.raises(DatabaseError, match="check that the secret in DB_SECRET_ARN") as refused:
        opened(server.port, Secret(secret.arn))

    assert "1045" in str(refused.value)
    assert "unmistakable" not in str(refused.value)
    assert (secret.reads, refusals(server) - before) == (2, 2)


def test_a_plain_password_is_tried_once(server: Server) -> None:
    # Given that a second try of the same would only bring the user nearer to being locked out
    before = refusals(server)

    with pytest.raises(DatabaseError, match="DB_PASSWORD"):
        opened(server.port, Password("wrong"))

    assert refusals(server) - before == 1


def test_another_error_than_a_refused_password_is_not_tried_again(
    server: Server, user: str
) -> None:
    secret = Stored(user, "old")
    server.execute("REVOKE SELECT ON logins.analysis_history FROM rotated@'%'")

    with pytest.raises(DatabaseError, match="may not use this database"):
        opened(server.port, Secret(secret.arn))

    assert secret.reads == 1


def test_a_secret_leaves_no_trace_in_what_is_logged_printed_or_kept(
    server: Server, user: str, tmp_path: Path
) -> None:
    # Given logs that take everything, of botocore's too
    logging.getLogger("botocore").setLevel(logging.NOTSET)
    secret = Stored(user, "unmistakable")
    server.execute("SET PASSWORD FOR rotated@'%' = PASSWORD('unmistakable')")
    place = {"DATABASE_URL": server.url(DATABASE, user), "DB_SECRET_ARN": secret.arn}
    keys = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "example"}

    done = Place(tmp_path).task("export", "--log-level", "DEBUG", **place, **keys)

    assert (done.exit, secret.reads) == (0, 1)
    assert list(tmp_path.rglob("votes.parquet"))
    kept = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert not any(b"unmistakable" in text for text in [*kept, (done.out + done.err).encode()])


def is_for(made: Door, asked: Asked) -> bool:
    """What RDS checks of a token but for its signature: host, port, user, action, age."""
    token = urlsplit(f"//{asked.password}")
    query = parse_qs(token.query)
    return (
        asked.over_tls
        and (token.hostname, token.port) == (HOST, made.port)
        and query["DBUser"] == [asked.user] == [READER]
        and query["Action"] == ["connect"]
        and query["X-Amz-Expires"] == ["900"]
        and query["X-Amz-Credential"][0].endswith("/us-east-1/rds-db/aws4_request")
    )


def test_a_token_opens_the_database_and_travels_inside_tls_alone(server: Server) -> None:
    with door(server, lambda asked: is_for(made, asked)) as made:
        assert total(opened(made.port, IamToken(), server.ca)) == 1

    # Then the door was given one token, under TLS, and outside of it only the wish for TLS
    (asked,) = made.asked
    assert asked.over_tls
    assert "X-Amz-Signature" in asked.password
    assert len(made.outside_tls) == 32
    assert READER.encode() not in made.outside_tls


def test_a_refused_token_is_made_anew_once(server: Server) -> None:
    # Given a door that lets nobody in at the first knock
    with door(server, lambda asked: made.visits > 1 and is_for(made, asked)) as made:
        assert total(opened(made.port, IamToken(), server.ca)) == 1

    assert [is_for(made, asked) for asked in made.asked] == [True, True]


def test_a_token_that_is_refused_twice_names_what_to_check(server: Server) -> None:
    with (
        door(server, lambda _: False) as made,
        pytest.raises(DatabaseError, match=r"RDS refused two IAM tokens.*DB_IAM_AUTH") as refused,
    ):
        opened(made.port, IamToken(), server.ca)

    assert made.visits == 2
    assert "X-Amz" not in str(refused.value)


def test_a_token_needs_a_ca_even_on_this_machine(server: Server) -> None:
    with (
        door(server, lambda _: True) as made,
        pytest.raises(UsageError, match="only verified TLS may carry"),
    ):
        opened(made.port, IamToken())

    assert made.visits == 0


def test_a_server_that_offers_no_tls_never_gets_the_token(server: Server) -> None:
    with (
        door(server, lambda _: True, tls=False) as made,
        pytest.raises(DatabaseError, match="cannot be encrypted"),
    ):
        opened(made.port, IamToken(), server.ca)

    assert (made.visits, made.outside_tls, made.asked) == (1, b"", [])


@pytest.mark.parametrize("other", ["authority", "host"])
def test_a_server_that_is_not_proved_to_be_the_one_never_gets_the_token(
    server: Server, other: str
) -> None:
    # Given a server of another authority, or one whose certificate is for 127.0.0.1 alone
    ca = server.wrong_ca if other == "authority" else server.ca
    host = HOST if other == "authority" else "localhost"
    with door(server, lambda _: True) as made:
        url = f"mysql://{READER}@{host}:{made.port}/{DATABASE}"
        with pytest.raises(DatabaseError, match="not what DB_CA vouches for"):
            connect(url, credential=IamToken(), ca=ca, statement_timeout_seconds=60)

    assert (made.asked, len(made.outside_tls)) == ([], 32)


@pytest.mark.parametrize("tls", [True, False])
@pytest.mark.parametrize("asks", [b"mysql_clear_password\0", b"dialog\0\x04Password: "])
def test_no_server_gets_a_password_in_clear_over_a_connection_that_is_not_verified(
    server: Server, tls: bool, asks: bytes
) -> None:
    # Given a server on this machine that asks for the password itself, and no CA to know it by
    with (
        door(server, lambda _: True, tls=tls, asks=asks) as made,
        pytest.raises(DatabaseError, match="which only verified TLS may carry: set DB_CA"),
    ):
        opened(made.port, Password(READER_PASSWORD))

    assert made.asked == []
    assert READER_PASSWORD.encode() not in made.outside_tls


def test_a_verified_server_may_ask_for_the_password_itself(server: Server) -> None:
    with door(server, lambda asked: asked.password == READER_PASSWORD) as made:
        assert total(opened(made.port, Password(READER_PASSWORD), server.ca)) == 1


def test_a_locked_table_is_waited_for_no_longer_than_a_statement_may_take(server: Server) -> None:
    # Given another session that keeps the table to itself
    with server.admin(DATABASE) as other, other.cursor() as cursor:
        cursor.execute("LOCK TABLES analysis_history WRITE")
        db = server.open(DATABASE, timeout=1.9)
        with db, pytest.raises(DatabaseError, match=r"a lock was not released .*\(error 1205\)"):
            db.count_votes(None)


def test_a_session_that_was_ended_between_two_statements_is_told(server: Server) -> None:
    with server.open(DATABASE) as db:
        number = vars(db)["_connection"].thread_id()
        server.execute(f"KILL CONNECTION {number}")

        with pytest.raises(DatabaseError, match=r"\(error (2006|2013)\)"):
            db.count_votes(None)
        # And the closed connection says so again, rather than something odd
        with pytest.raises(DatabaseError):
            db.count_votes(None)


def test_a_server_that_is_killed_between_two_statements_is_told() -> None:
    with running() as dying:
        dying.create(DATABASE)
        with dying.open(DATABASE) as db:
            dying.stop()

            with pytest.raises(DatabaseError, match=r"\(error (2006|2013)\)"):
                db.count_votes(None)
