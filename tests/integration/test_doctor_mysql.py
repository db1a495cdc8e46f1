"""The doctor in front of a real server: rights, encryption, the clock, the index, no server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from local.mariadb import READER_PASSWORD, Server, running
from tests.history import MysqlHistory, analysis
from tests.unit.place import Place


def examined(folder: Path, url: str, **changes: str) -> tuple[int, dict[str, dict[str, str]]]:
    """The exit status, and each finding by its name; never a password."""
    settings = {"DATABASE_URL": url, "DB_PASSWORD": READER_PASSWORD, "RETRAIN_SEED": "0"}
    answer = Place(folder).task("doctor", "--json", **(settings | changes))
    assert READER_PASSWORD not in answer.out + answer.err
    assert "Traceback" not in answer.err
    found: Any = json.loads(answer.out)
    return answer.exit, {check["name"]: check for check in found["checks"]}


def test_a_reader_of_a_good_table_is_all_that_is_wanted(
    mysql_history: MysqlHistory, tmp_path: Path
) -> None:
    # Given a server with two votes, and a user who may only read them
    mysql_history.store(analysis(1, "like", "bad"))
    server = mysql_history.server

    # When
    code, checks = examined(tmp_path, server.url(mysql_history.database), DB_CA=str(server.ca))

    # Then
    assert (code, {check["answer"] for check in checks.values()}) == (0, {"ok"})
    assert checks["rights"]["says"] == "may read only"
    assert checks["encryption"]["says"] == "TLS, verified by DB_CA"
    assert checks["votes"]["says"].startswith("2 votes, 2 of them new")


def test_without_a_ca_on_this_machine_the_connection_is_said_to_be_unverified(
    mysql_history: MysqlHistory, tmp_path: Path
) -> None:
    _, checks = examined(tmp_path, mysql_history.server.url(mysql_history.database))

    assert checks["encryption"]["answer"] == "ok"
    assert "verified by" not in checks["encryption"]["says"]


def test_a_server_without_tls_is_good_enough_on_this_machine(tmp_path: Path) -> None:
    with running(tls=False) as server:
        server.create("hairme")
        _, checks = examined(tmp_path, server.url("hairme"))

    assert checks["encryption"]["answer"] == "ok"
    assert checks["encryption"]["says"] == "none, and 127.0.0.1 is this machine"


def test_a_user_who_may_do_more_than_read_is_warned_of(
    mysql_history: MysqlHistory, tmp_path: Path
) -> None:
    url = mysql_history.server.url(mysql_history.database, user="root")

    code, checks = examined(tmp_path, url, DB_PASSWORD="")

    assert (code, checks["rights"]["answer"]) == (0, "warn")
    assert "GRANT SELECT ON analysis_history" in checks["rights"]["says"]


def test_the_statement_that_makes_the_missing_index_is_the_remedy(
    mysql_history: MysqlHistory, tmp_path: Path
) -> None:
    # Given a table without an index on feedback_at
    mysql_history.execute("DROP INDEX feedback_at ON analysis_history")
    url = mysql_history.server.url(mysql_history.database)

    # When
    _, before = examined(tmp_path, url)
    mysql_history.execute(before["index"]["says"].partition(": ")[2])
    _, after = examined(tmp_path, url)

    # Then
    assert (before["index"]["answer"], after["index"]["answer"]) == ("warn", "ok")


@contextmanager
def wrong_clock(server: Server) -> Iterator[None]:
    """Every session of a user believes that it is the year 2033."""
    server.execute("SET GLOBAL init_connect = 'SET timestamp = 2000000000'")
    try:
        yield
    finally:
        server.execute("SET GLOBAL init_connect = ''")


def test_a_server_with_another_clock_is_warned_of(
    mysql_history: MysqlHistory, tmp_path: Path
) -> None:
    with wrong_clock(mysql_history.server):
        code, checks = examined(tmp_path, mysql_history.server.url(mysql_history.database))

    assert (code, checks["clock"]["answer"]) == (0, "warn")
    assert "time server" in checks["clock"]["says"]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        pytest.param({"DB_PASSWORD": "guess"}, "wrong user or password", id="wrong password"),
        pytest.param({"DB_CA": "wrong"}, "not what DB_CA vouches for", id="another's CA"),
        pytest.param({"DATABASE_URL": "none"}, "nobody answers there", id="no server"),
    ],
)
def test_a_server_that_cannot_be_read_is_a_fault_and_the_rest_is_looked_at(
    mysql_history: MysqlHistory, tmp_path: Path, changes: dict[str, str], says: str
) -> None:
    # Given
    server = mysql_history.server
    known = {"wrong": str(server.wrong_ca), "none": "mysql://reader@127.0.0.1:9/hairme"}
    changes = {name: known.get(value, value) for name, value in changes.items()}

    # When
    code, checks = examined(tmp_path, server.url(mysql_history.database), **changes)

    # Then
    assert (code, checks["database"]["answer"]) == (1, "fault")
    assert says in checks["database"]["says"]
    assert checks["store"]["answer"] == checks["registry"]["answer"] == "ok"


def test_a_table_that_may_not_be_read_is_a_fault(
    mysql_history: MysqlHistory, tmp_path: Path
) -> None:
    # Given a user without the right
    mysql_history.execute(
        f"REVOKE SELECT ON {mysql_history.database}.analysis_history FROM reader@'%'"
    )

    # When
    code, checks = examined(tmp_path, mysql_history.server.url(mysql_history.database))

    # Then
    assert code == 1
    fault = checks.get("table", checks["database"])
    assert fault["answer"] == "fault"
    assert "SELECT" in fault["says"]
