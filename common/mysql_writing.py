"""A MySQL or MariaDB server as `common.votes_writer` needs it.

The log-in is the reader's own, so a server is verified alike and a rotated secret is read again.
"""

from pathlib import Path
from typing import Any

import pymysql

from common import queries
from common.credentials import Credential
from common.mysql_database import REASONS, explain
from common.mysql_login import log_in, verifying
from common.votes_table import ServerAddress, check_columns
from common.votes_writer import Table

GRACE_SECONDS = 1.0  # the client waits so much longer than the server may take
MICROSECONDS = 6  # digits of a second's fraction
GRANT = "grant SELECT, INSERT and UPDATE on analysis_history"
NO_ROOM = (
    "a column has no room for what was to be written: votes are the words like and dislike, "
    "recommended_styles is JSON or a long text in utf8mb4: widen the column"
)
WRITING = REASONS | {
    1044: f"its user may not use this database: {GRANT}",
    1142: f"its user may not do this to the table: {GRANT}",
    1143: f"its user may not do this to a column: {GRANT}",
    1290: "it takes no writes now: DATABASE_URL must lead to the writing instance",
    1836: "it takes no writes now: DATABASE_URL must lead to the writing instance",
    1364: "a column that the service does not know must have a default value: give it one",
    1265: NO_ROOM,
    1366: NO_ROOM,
    1406: NO_ROOM,
    1969: "a statement took longer than a person can wait: look at what keeps the server busy",
    3024: "a statement took longer than a person can wait: look at what keeps the server busy",
}


class MysqlPlace:
    """See `common.votes_writer.Place`."""

    mark = "%s"
    differs = "NOT ({} <=> %s)"
    keeps = True
    errors = pymysql.MySQLError

    def __init__(
        self, address: ServerAddress, credential: Credential, ca: Path | None, *, seconds: float
    ) -> None:
        self._address = address
        self._credential = credential
        self._tls = verifying(ca) if ca else None
        self._seconds = seconds

    def connect(self) -> "pymysql.Connection[Any]":
        """A new connection whose statements are short and strict, and whose times are UTC."""
        connection = log_in(
            self._address,
            self._credential,
            self._tls,
            read_seconds=self._seconds + GRACE_SECONDS,
            connect_seconds=self._seconds,
        )
        maria = "MariaDB" in str(connection.get_server_info())  # type: ignore[no-untyped-call]
        # MySQL limits reading alone; there the limits of locks and of the client have to do.
        limit = ("max_statement_time", 1) if maria else ("max_execution_time", 1000)
        try:
            with connection.cursor() as cursor:
                cursor.execute(
                    # Strict: else what does not fit a column would be cut, and the vote lost.
                    "SET SESSION sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES'), "
                    "time_zone = '+00:00', lock_wait_timeout = %s, "
                    f"innodb_lock_wait_timeout = %s, {limit[0]} = %s",
                    [int(self._seconds), int(self._seconds), int(self._seconds * limit[1])],
                )
        except pymysql.MySQLError:
            connection.close()
            raise
        return connection

    def alive(self, connection: "pymysql.Connection[Any]") -> bool:
        """Whether it still answers."""
        try:
            connection.ping(reconnect=False)
        except pymysql.MySQLError:
            return False
        return True

    def table(self, connection: "pymysql.Connection[Any]") -> Table:
        """What the table is like."""
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT column_name, datetime_precision FROM information_schema.columns "
                "WHERE table_schema = DATABASE() AND table_name = %s",
                [queries.TABLE],
            )
            found = {name.decode().lower(): digits for name, digits in cursor.fetchall()}
        check_columns(frozenset(found), f"the database {self._address.database}")
        digits = found["feedback_at"]
        return Table(
            votable=len(queries.vote_columns(found)),
            now=f"UTC_TIMESTAMP({MICROSECONDS if digits is None else int(digits)})",
        )

    def explain(self, error: Exception) -> str:
        """What an error of the driver means, and what to do."""
        assert isinstance(error, pymysql.MySQLError)
        says = explain(error, self._credential.refused, WRITING)
        return f"the database {self._address.database} on {self._address.host}: {says}"
