"""Where the database's password comes from: a setting, a secret, or a token of RDS.

    credential = chosen(settings)
    login = credential.login(address)   # read now, never kept

Nothing is cached: a run opens the database a few times, and a value that was kept would be the
one that a rotation has just replaced. A password that was read is hidden from all logs from then
on; a token is hidden by what it looks like.
"""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar

from common import aws, logs
from common.errors import DatabaseError, RetrainError, UsageError
from common.setting_rules import trimmed
from common.settings import Settings
from common.votes_table import ServerAddress

_SECRET_ARN = re.compile(r"arn:[a-z-]+:secretsmanager:(?P<region>[a-z0-9-]+):\d{12}:secret:\S+")
_RDS_HOST = re.compile(r".+\.(?P<region>[a-z0-9-]+)\.rds\.amazonaws\.com")


@dataclass(frozen=True, kw_only=True)
class Login:
    """Who logs in, and with what."""

    user: str
    password: str = field(repr=False)


class Credential(ABC):
    """A source of the password; every failure is a DatabaseError that does not tell it."""

    renewable: ClassVar[bool]
    """Whether reading it again may give another value."""
    needs_tls: ClassVar[bool]
    """Whether the server is sent the password itself, which only TLS may carry."""
    refused: ClassVar[str]
    """What is wrong, and what to do, when the server does not accept it."""
    seen: ClassVar[str]
    """What can be said once it was read."""

    @abstractmethod
    def login(self, address: ServerAddress) -> Login:
        """Who logs in at this server, with a value that is read now."""


@dataclass(frozen=True)
class Password(Credential):
    """DB_PASSWORD; without one, an empty password."""

    value: str | None = field(repr=False)
    renewable = False
    needs_tls = False
    refused = "wrong user or password: check DATABASE_URL's user and DB_PASSWORD"
    seen = "as in DB_PASSWORD"

    def login(self, address: ServerAddress) -> Login:
        """The address's user with this password."""
        return Login(user=address.user, password=self.value or "")


@dataclass(frozen=True)
class Secret(Credential):
    """A Secrets Manager secret: JSON with `password` and maybe `username`, or the bare password.

    Its user wins over the address's: a rotation may alternate between two.
    """

    arn: str
    renewable = True
    needs_tls = False
    refused = (
        "wrong user or password, also when the secret was read again: check that the secret in "
        "DB_SECRET_ARN holds this server's user and password, and its last rotation"
    )
    seen = "the secret in DB_SECRET_ARN can be read"

    def __post_init__(self) -> None:
        _region_of(self.arn, "DB_SECRET_ARN")

    def login(self, address: ServerAddress) -> Login:
        """The secret's current user and password."""
        text = secret_text(self.arn, "DB_SECRET_ARN", "the database's password", DatabaseError)
        login = _parsed(text, address.user)
        logs.hide(login.password)
        return login


def secret_text(arn: str, setting: str, holds: str, kind: type[RetrainError]) -> str:
    """The current text of a secret. What AWS refuses is a `kind`.

    holds: what the secret holds, for the error's text; setting: what names it.
    """
    from common.aws_errors import as_error  # only where AWS's library is needed

    region = _region_of(arn, setting)
    with as_error(kind, f"the secret that holds {holds} must be readable", setting):
        answer = aws.client("secretsmanager", region).get_secret_value(SecretId=arn)
    return answer.get("SecretString", "")


def _region_of(arn: str, setting: str) -> str:
    found = _SECRET_ARN.fullmatch(arn)
    if found is None:  # not shown: it may be the secret itself
        raise UsageError(
            f"{setting} must be arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME, got "
            "another text: copy the secret's ARN from Secrets Manager"
        )
    return found["region"]


def _parsed(text: str, user: str) -> Login:
    """The user and password in a secret's text."""
    try:
        content = json.loads(text)
    except ValueError:  # neither chained nor shown: its text quotes the secret
        content = None
    found = content if isinstance(content, dict) else {"password": text}
    user, password = found.get("username") or user, found.get("password")
    if not (isinstance(password, str) and trimmed(password) and isinstance(user, str)):
        raise DatabaseError(
            "the secret in DB_SECRET_ARN must be JSON with texts `password` and, if it is not "
            "DATABASE_URL's, `username`, or the password alone; got something else: store it so"
        )
    return Login(user=user, password=trimmed(password))


class IamToken(Credential):
    """A token of RDS's IAM authentication: signed here with the role's keys, good for 15 minutes.

    The server is sent the token itself, so it needs TLS.
    """

    renewable = True
    needs_tls = True
    refused = (
        "RDS refused two IAM tokens: check that IAM authentication is on, that the user was made "
        "with AWSAuthenticationPlugin, that this role may rds-db:connect as that user, that "
        "DATABASE_URL's host is the instance's own endpoint, and this machine's clock; "
        "without IAM unset DB_IAM_AUTH"
    )
    seen = "an IAM token can be signed"

    def login(self, address: ServerAddress) -> Login:
        """The address's user with a fresh token for this very host and port."""
        from common.aws_errors import as_error

        host = _RDS_HOST.fullmatch(address.host)
        rule = "an IAM token for the database (DB_IAM_AUTH) must be signed"
        with as_error(DatabaseError, rule, "DATABASE_URL"):
            token = aws.client("rds", host["region"] if host else None).generate_db_auth_token(
                DBHostname=address.host, Port=address.port, DBUsername=address.user
            )
        return Login(user=address.user, password=token)


def chosen(settings: Settings) -> Credential:
    """The source that the settings name; they name one at most."""
    if settings.db_secret_arn:
        return Secret(settings.db_secret_arn)
    return IamToken() if settings.db_iam_auth else Password(settings.db_password)
