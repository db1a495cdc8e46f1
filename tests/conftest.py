"""What tests of several rooms start: a real MariaDB server, one for each worker."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from hypothesis import settings

from local.mariadb import Server, running
from tests.history import History, MysqlHistory, SqliteHistory

_numbers = count(1)

# No test may depend on how fast the machine is.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")


@pytest.fixture(scope="session")
def mariadb() -> Iterator[Server]:
    """A real server with TLS, started when a test first asks for it."""
    with running() as server:
        yield server


@pytest.fixture
def mysql_history(mariadb: Server) -> MysqlHistory:
    """An empty `analysis_history` in a database of its own on the real server."""
    return MysqlHistory(mariadb, f"history_{next(_numbers)}")


@pytest.fixture
def sqlite_history(tmp_path: Path) -> SqliteHistory:
    """An empty `analysis_history` in an SQLite file."""
    return SqliteHistory(tmp_path / "history.sqlite")


@pytest.fixture(params=["sqlite", "mysql"])
def history(request: pytest.FixtureRequest) -> History:
    """An empty `analysis_history` of each kind."""
    found: History = request.getfixturevalue(f"{request.param}_history")
    return found
