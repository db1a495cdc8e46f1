"""A MariaDB server of its own with filled tables, for the figures that read one.

The same real server that the integration tests start, on loopback, with a buffer pool that
holds the tables, so that what is measured is reading and not a disk.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pymysql
from pymysql.connections import Connection

from local.mariadb import HOST, Server, running
from local.table import create_mysql
from local.votes import Written, write_votes
from local.world import World, make_world

START, END = datetime(2025, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)
VOTES_PER_ANALYSIS = 1.2575
"""What `local.analyses` draws, rows without a vote included."""
USER = "root"


@contextmanager
def server() -> Iterator[Server]:
    """A running server with room in memory."""
    with running("--innodb-buffer-pool-size=3G", "--innodb-log-file-size=256M") as started:
        yield started


def votes_world() -> World:
    """The tastes behind the votes."""
    return make_world("rules", styles=100, seed=1)


def fill(started: Server, database: str, analyses: int, *, ugly: bool = True) -> Written:
    """Make a database with about so many analyses; ugly ones have every shape of production."""
    with writer(started) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {database} CHARACTER SET utf8mb4")
        cursor.execute(f"USE {database}")
        create_mysql(connection)
        written = write_votes(
            connection,
            votes_world(),
            round(analyses * VOTES_PER_ANALYSIS),
            seed=1,
            ugly=ugly,
            start=START,
            end=END,
            bulk=True,
        )
        cursor.execute("ANALYZE TABLE analysis_history")
    return written


def writer(started: Server, database: str | None = None) -> Connection[Any]:
    """A connection that may change everything and load files."""
    return pymysql.connect(
        host=HOST,
        port=started.port,
        user=USER,
        database=database,
        charset="utf8mb4",
        local_infile=True,
    )
