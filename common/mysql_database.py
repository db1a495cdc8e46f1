"""The votes on a MySQL or MariaDB server, through PyMySQL.

The session cannot write, sees one consistent snapshot and limits each statement's time; how it
comes about stands in `common.mysql_login`. PyMySQL is pure Python: it needs no compiler
on a laptop and fits into a small function's bundle; a statement that joins each row into one
column makes up for its cost per column.
"""

import re
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pymysql
from pymysql.cursors import SSCursor

from common import queries
from common.column_types import check_types
from common.credentials import Credential
from common.errors import DatabaseError
from common.mysql_login import (
    ACCESS_DENIED,
    ACCESS_DENIED_WITHOUT_PASSWORD,
    log_in,
    verifying,
)
from common.votes_table import Database, Row, ServerAddress, check_columns

FIELDS = len(queries.ROW) + 1
GRACE_SECONDS = 30  # the client waits so much longer than the server may take
READING_RIGHTS = {"SELECT", "USAGE", "SHOW VIEW", "SHOW DATABASES"}

# What the commonest errors mean to a person, by the number the server or driver gives.
REASONS = {
    1044: "its user may not use this database: grant SELECT on analysis_history",
    1049: "there is no such database: check DATABASE_URL",
    1142: "its user may not read this table: grant SELECT on analysis_history",
    1143: "its user may not read a column: grant SELECT on analysis_history",
    1146: "there is no table analysis_history: check the database in DATABASE_URL",
    1205: "a lock was not released in time: try again later",
    1969: "a statement took longer than allowed: make the index on feedback_at, or raise "
    "statement_timeout_seconds",
    2003: "nobody answers there: check host and port, and that the server runs",
    2006: "the server went away: try again when it is back",
    2013: "the connection was lost: try again when the server is back",
    2026: "the connection cannot be encrypted: check that the server offers TLS",
    2061: "it asked for the password itself, which only verified TLS may carry: set DB_CA",
    3024: "a statement took longer than allowed: make the index on feedback_at, or raise "
    "statement_timeout_seconds",
}


class _StreamCursor(SSCursor):
    """A server-side cursor that can be dropped in mid-read.

    PyMySQL's own reads the rest first, which takes minutes, or for ever if the server is gone.
    """

    def abandon(self) -> None:
        """Forget what was not read; the connection can only be closed afterwards."""
        result = vars(self)["_result"]
        if result is not None:
            result.unbuffered_active = False


class MysqlDatabase(Database):
    """See `common.votes_table.Database`."""

    kind = "mysql"
    dialect = queries.MYSQL

    def __init__(
        self,
        address: ServerAddress,
        identity: str,
        *,
        credential: Credential,
        ca: Path | None,
        statement_timeout_seconds: float,
    ) -> None:
        self.identity = identity
        self._address = address
        self._refused = credential.refused
        tls = verifying(ca) if ca else None
        with self._reasons():
            self._connection = log_in(
                address, credential, tls, read_seconds=statement_timeout_seconds + GRACE_SECONDS
            )
        try:
            self._clock = self._begin(statement_timeout_seconds)
        except DatabaseError:
            self.close()
            raise

    def clock(self) -> datetime:
        """The server's clock when the snapshot began, in UTC."""
        return self._clock

    def columns(self) -> Mapping[str, str]:
        """See `Database.columns`."""
        named = self._all(
            "SELECT column_name, data_type FROM information_schema.columns "
            "WHERE table_schema = DATABASE() AND table_name = %s",
            [queries.TABLE],
        )
        found = {name.decode().lower(): of.decode().lower() for name, of in named}
        where = f"the database {self._address.database}"
        check_types(check_columns(found, where), self.kind, where)
        return found

    def has_feedback_index(self) -> bool:
        """Whether an index begins with feedback_at."""
        found = self._all(
            "SELECT 1 FROM information_schema.statistics WHERE table_schema = DATABASE() "
            "AND table_name = %s AND seq_in_index = 1 AND column_name = 'feedback_at'",
            [queries.TABLE],
        )
        return bool(found)

    def tls_in_use(self) -> bool:
        """Whether the connection is encrypted."""
        found = self._all("SHOW SESSION STATUS LIKE 'Ssl_cipher'", [])
        return bool(found and found[0][1])

    def can_write(self) -> bool:
        """Whether the user has a right beyond SELECT anywhere, or a role (which may have)."""
        return any(_beyond_reading(grant.decode()) for (grant,) in self._all("SHOW GRANTS", []))

    def close(self) -> None:
        """End the snapshot."""
        if self._connection.open:
            self._connection.close()

    def _begin(self, seconds: float) -> datetime:
        """Begin the read-only snapshot; the clock is read first, so that nothing is missed.

        A vote that is stored between the two statements is later than the cutoff: it is new
        again next time. The other way round it would be in no window at all.
        """
        # The statements' own mode: under others '' is NULL, || adds up, texts come padded.
        self._execute("SET SESSION sql_mode = 'NO_ENGINE_SUBSTITUTION'", [])
        version = self._all("SELECT VERSION()", [])[0][0].decode()
        if "MariaDB" in version:
            self._execute("SET SESSION max_statement_time = %s", [seconds])
        else:
            self._execute("SET SESSION max_execution_time = %s", [int(seconds * 1000)])
        self._execute("SET SESSION lock_wait_timeout = %s", [max(1, int(seconds))])
        self._execute("SET SESSION time_zone = '+00:00'", [])
        # Under any other level the server ignores the wish for a snapshot.
        self._execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY", [])
        clock = self._all("SELECT UTC_TIMESTAMP(6)", [])[0][0].decode()
        self._execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY", [])
        return datetime.fromisoformat(clock).replace(tzinfo=UTC)

    def _bound(self, time: datetime) -> object:
        return _naive_utc(time)

    def _stream(self, statement: str, values: Sequence[object]) -> Iterator[Row]:
        with self._reasons():
            cursor = self._connection.cursor(_StreamCursor)
            try:
                cursor.execute(statement, values)
                for (joined,) in cursor:
                    if joined is None:
                        raise DatabaseError(
                            "a row must fit into one packet, and one is larger: "
                            "raise the server's max_allowed_packet"
                        )
                    yield _fields(joined)
            except BaseException:
                cursor.abandon()
                self.close()
                raise

    def _execute(self, statement: str, values: Sequence[object]) -> None:
        with self._reasons(), self._connection.cursor() as cursor:
            cursor.execute(statement, values)

    def _all(self, statement: str, values: Sequence[object]) -> list[tuple[bytes, ...]]:
        with self._reasons(), self._connection.cursor() as cursor:
            cursor.execute(statement, values)
            return list(cursor.fetchall())

    @contextmanager
    def _reasons(self) -> Iterator[None]:
        """Every error of the driver becomes a DatabaseError that says what to do."""
        try:
            yield
        except pymysql.MySQLError as exc:
            raise DatabaseError(f"{self._where()}: {explain(exc, self._refused)}") from exc

    def _where(self) -> str:
        return f"the database {self._address.database} on {self._address.host}"


def explain(exc: pymysql.MySQLError, refused: str, reasons: Mapping[int, str] = REASONS) -> str:
    """What an error of the driver means, and what to do; `refused`: where the log-in failed."""
    cause = getattr(exc, "original_exception", None)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return (
            f"its certificate is not what DB_CA vouches for ({cause.verify_message}): "
            "check DB_CA and the host's name"
        )
    number: int | None = exc.args[0] if exc.args else None
    if number in (ACCESS_DENIED, ACCESS_DENIED_WITHOUT_PASSWORD):
        return f"{refused} (error {number})"
    if number is not None and number in reasons:
        return f"{reasons[number]} (error {number})"
    return f"it answered {exc}: see the server's documentation"


def _fields(joined: bytes) -> Row:
    """The fields of a row. DatabaseError if a byte in one of them is taken for a separator."""
    fields = joined.split(queries.SEPARATOR)
    if len(fields) != FIELDS:
        raise DatabaseError(
            f"the texts of {queries.TABLE} must be readable as UTF-8, and one of "
            f"{', '.join(queries.ROW)} is not, in the row that begins with {fields[0][:20]!r}: "
            "give its column the character set that its bytes are in"
        )
    return fields


def _beyond_reading(grant: str) -> bool:
    """Whether a line of SHOW GRANTS gives more than reading; a role counts, it may give all."""
    rights = re.match(r"GRANT (.+?) ON ", grant)
    if rights is None:
        return not grant.startswith("SET DEFAULT ROLE")
    without_columns = re.sub(r"\([^)]*\)", "", rights.group(1))
    return any(right.strip() not in READING_RIGHTS for right in without_columns.split(","))


def _naive_utc(time: datetime) -> datetime:
    return time.astimezone(UTC).replace(tzinfo=None)
