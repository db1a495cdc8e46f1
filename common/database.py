"""Reads the votes' database: one read-only, consistent snapshot, from opening to closing.

`DATABASE_URL` chooses the kind: a MySQL or MariaDB server, or an SQLite file that is opened
and never created. The two classes speak the drivers' own language rather than an ORM's: there
are seven questions in all, and the driver's cost per row is what limits the reading.
"""

import hashlib
import ipaddress
import re
from pathlib import Path
from typing import Literal
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from common.credentials import Credential, chosen
from common.errors import UsageError
from common.settings import Settings, require
from common.votes_table import Database, Row, ServerAddress, VoteCounts

__all__ = ["Database", "Row", "ServerAddress", "VoteCounts", "connect", "open_votes"]

MYSQL_SCHEMES = ("mysql", "mysql+pymysql", "asyncmy", "mysql+asyncmy")
FORMS = "sqlite:///path, mysql://, mysql+pymysql:// or asyncmy://user@host:port/database"
MYSQL_PORT = 3306
RDS, RDS_AUTHORITIES = "rds", Path(__file__).with_name("rds-ca.pem")
"""The word for DB_CA that means the authorities of Amazon RDS, and their file."""


def open_votes(settings: Settings) -> Database:
    """The votes' database that the settings name, as one consistent snapshot: see `connect`."""
    (url,) = require(settings, "database_url")
    return connect(
        url,
        credential=chosen(settings),
        ca=authority(settings.db_ca),
        statement_timeout_seconds=settings.statement_timeout_seconds,
    )


def authority(db_ca: str | None) -> Path | None:
    """The file of the certificate authority that DB_CA means."""
    if db_ca == RDS:
        return RDS_AUTHORITIES
    return Path(db_ca) if db_ca else None


def connect(
    url: str, *, credential: Credential, ca: Path | None, statement_timeout_seconds: float
) -> Database:
    """Open the database at `url` and begin its snapshot.

    UsageError: an address that cannot be meant. DatabaseError: it cannot be opened.
    """
    if kind(url) == "sqlite":
        from common.sqlite_database import SqliteDatabase

        path = sqlite_path(url)
        return SqliteDatabase(path, identity("sqlite", str(path)), statement_timeout_seconds)
    from common.mysql_database import MysqlDatabase

    address = server_address(url)
    check_verified(address, credential, ca)
    return MysqlDatabase(
        address,
        identity("mysql", address.host, address.port, address.database),
        credential=credential,
        ca=ca,
        statement_timeout_seconds=statement_timeout_seconds,
    )


def check_verified(address: ServerAddress, credential: Credential, ca: Path | None) -> None:
    """Raise UsageError unless the server is verified where it must be."""
    if ca is None and not _is_loopback(address.host):
        raise UsageError(
            f"a server that is not on this machine must be verified, got {address.host} "
            "without a CA: set DB_CA to the file of its certificate authority, or to `rds`"
        )
    if ca is None and credential.needs_tls:
        raise UsageError(
            "DB_IAM_AUTH sends the server a token that only verified TLS may carry, got no CA: "
            "set DB_CA to `rds`"
        )


def kind(url: str) -> Literal["sqlite", "mysql"]:
    """Which kind of database; the rest of the address is not echoed, it may be secret."""
    found = re.match(r"([a-z0-9+]+)://", url)
    scheme = found.group(1) if found else "none"
    if scheme != "sqlite" and scheme not in MYSQL_SCHEMES:
        raise UsageError(f"DATABASE_URL must be one of {FORMS}, got the scheme {scheme}")
    return "sqlite" if scheme == "sqlite" else "mysql"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def identity(*parts: object) -> str:
    """A hex SHA-256 that tells one source from another and names neither user nor password."""
    return hashlib.sha256("|".join(map(str, parts)).encode()).hexdigest()


def sqlite_path(url: str) -> Path:
    """The file of `sqlite:///relative` or `sqlite:////absolute`, resolved."""
    rest = url.removeprefix("sqlite://")
    if not rest.startswith("/") or rest == "/":
        raise UsageError(
            "DATABASE_URL must be sqlite:///relative/path or sqlite:////absolute/path, "
            "got no path after sqlite:///: check the number of slashes"
        )
    return Path(rest[1:]).resolve()


def server_address(url: str) -> ServerAddress:
    """The parts of a server's address; a password or an option in it is refused, not echoed."""
    try:
        parts = urlsplit(url)
        port = parts.port or MYSQL_PORT
        (parts.hostname or "").encode("idna")  # as whoever looks the name up will do
    except ValueError as exc:
        raise UsageError(
            "the host (names of 1 to 63 characters) and the port (1 to 65535) in DATABASE_URL "
            f"cannot be read: {FORMS}"
        ) from exc
    if parts.password is not None:
        raise UsageError(
            "DATABASE_URL must not hold a password (it would stand in logs and process lists): "
            "put it into DB_PASSWORD"
        )
    _refuse_options(parts)
    address = ServerAddress(
        user=unquote(parts.username or ""),
        host=parts.hostname or "",
        port=port,
        database=unquote(parts.path.removeprefix("/")),
    )
    for name in ("user", "host", "database"):
        if not getattr(address, name):
            raise UsageError(f"DATABASE_URL must name a {name}: {FORMS}")
    return address


def _refuse_options(parts: SplitResult) -> None:
    names = {name for name, _ in parse_qsl(parts.query, keep_blank_values=True)} - {"charset"}
    if names:
        raise UsageError(
            f"DATABASE_URL takes no options but charset, got {', '.join(sorted(names))}: "
            "the CA goes into DB_CA, the password into DB_PASSWORD"
        )
