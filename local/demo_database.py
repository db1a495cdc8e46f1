"""The votes of the demo: in a MariaDB server of its own where one is installed, else in SQLite."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from local.cloud.client import Database
from local.mariadb import READER, READER_PASSWORD, Server, running
from local.table import create_mysql, create_sqlite

if TYPE_CHECKING:
    from local.table import Connection

NAME = "votes"
NEEDED = ("mariadbd", "mariadb-install-db")
MORE_PATHS = ("/usr/sbin", "/usr/local/sbin")
"""Where a server is that an ordinary user's PATH does not name."""


@dataclass(frozen=True, kw_only=True)
class Votes:
    """A database with an empty table of votes."""

    kind: str
    address: Database
    """For the loop and the service."""
    table: Callable[[], AbstractContextManager[Connection]]
    """For the application, which writes."""


@contextmanager
def votes_database(folder: Path, *, sqlite_only: bool) -> Iterator[Votes]:
    """The best database that this machine offers; it is gone at the end."""
    with ExitStack() as stack:
        server = None if sqlite_only else _server(stack)
        yield _in_sqlite(folder) if server is None else _in_mariadb(server)


def _server(stack: ExitStack) -> Server | None:
    os.environ["PATH"] = os.pathsep.join([os.environ.get("PATH", ""), *MORE_PATHS])
    if not all(map(shutil.which, NEEDED)):
        return None
    try:
        return stack.enter_context(running())
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:
        print(f"MariaDB is installed but does not start, so SQLite it is: {error}", file=sys.stderr)
        return None


def _in_mariadb(server: Server) -> Votes:
    server.create(NAME)
    server.execute("DROP TABLE analysis_history", database=NAME)
    with server.admin(NAME) as connection:
        create_mysql(connection, whole_seconds=False)  # the same story as in SQLite
    # Here one user does for both: the loop reads, and the service writes as the application does.
    server.execute(f"GRANT INSERT, UPDATE ON {NAME}.analysis_history TO {READER}@'%'")
    address = Database(url=server.url(NAME), ca=str(server.ca), password=READER_PASSWORD)
    return Votes(kind="MariaDB", address=address, table=lambda: server.admin(NAME))


def _in_sqlite(folder: Path) -> Votes:
    file = folder / "votes.sqlite"
    create_sqlite(file).close()

    @contextmanager
    def opened() -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(file)) as connection, connection:
            yield connection

    return Votes(kind="SQLite", address=Database(url=f"sqlite:///{file}"), table=opened)
