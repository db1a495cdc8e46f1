"""Logs in to a MySQL or MariaDB server: proved by its certificate, with a password of today.

    connection = log_in(address, credential, verifying(Path("ca.pem")), read_seconds=60)

The driver alone would verify nothing, and would send the password itself to any server that asks
for it. RDS asks for it where a user logs in by an IAM token, so it is sent, but only to a server
that was proved to be the one that is meant.
"""

import ssl
from pathlib import Path
from typing import Any

import pymysql
from pymysql.converters import encoders

from common.credentials import Credential, Login
from common.errors import UsageError
from common.votes_table import ServerAddress

CONNECT_SECONDS = 10
ACCESS_DENIED, ACCESS_DENIED_WITHOUT_PASSWORD, AUTH_PLUGIN_ERROR = 1045, 1698, 2061
CLEAR_PLUGINS = ("mysql_clear_password", "dialog")
"""The ways in which a server asks for the password itself."""


class _NeverInClear:
    """Stands in for the driver's own answer to a server that asks for the password itself."""

    def __init__(self, connection: object) -> None:
        pass

    def authenticate(self, _asked: object) -> None:
        """Refuse, whatever is asked."""
        raise pymysql.OperationalError(AUTH_PLUGIN_ERROR, "no password in clear text")


def verifying(ca: Path) -> ssl.SSLContext:
    """A context that checks the server's certificate and its host name against `ca`.

    PyMySQL's `ssl_ca` alone would check neither. UsageError: the file holds no certificates.
    """
    try:
        context = ssl.create_default_context(cafile=str(ca))
    except (OSError, ssl.SSLError) as exc:
        raise UsageError(
            f"DB_CA must be the file of a certificate authority in PEM form, got {ca}: {exc}"
        ) from exc
    # Newer Pythons also demand extensions that cloud providers' own authorities lack.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def log_in(
    address: ServerAddress,
    credential: Credential,
    tls: ssl.SSLContext | None,
    *,
    read_seconds: float,
    connect_seconds: float = CONNECT_SECONDS,
) -> "pymysql.Connection[Any]":
    """A connection; a password that was replaced since it was read is read again, once.

    read_seconds: how long an answer may take; connect_seconds: how long a server may take to take
    the call, and each packet. Raises pymysql.MySQLError and what the credential
    raises.
    """
    try:
        return _dial(address, credential.login(address), tls, read_seconds, connect_seconds)
    except pymysql.OperationalError as exc:
        if exc.args[0] != ACCESS_DENIED or not credential.renewable:
            raise
    return _dial(address, credential.login(address), tls, read_seconds, connect_seconds)


def _dial(
    address: ServerAddress,
    login: Login,
    tls: ssl.SSLContext | None,
    read_seconds: float,
    connect_seconds: float,
) -> "pymysql.Connection[Any]":
    return pymysql.connect(
        host=address.host,
        port=address.port,
        user=login.user,
        password=login.password.encode(),
        database=address.database,
        charset="utf8mb4",
        use_unicode=False,  # bytes as they come; few of them need decoding
        conv=encoders,  # type: ignore[arg-type]  # the stubs are too narrow
        connect_timeout=connect_seconds,
        read_timeout=read_seconds,
        write_timeout=connect_seconds,
        ssl=tls,
        auth_plugin_map={} if tls else dict.fromkeys(CLEAR_PLUGINS, _NeverInClear),
        autocommit=True,
    )
