"""The votes' database fails: an error that says what to do, and never "nothing to do"."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from threading import Thread

import pytest

from local.cloud.client import Database
from local.mariadb import READER, READER_PASSWORD, Server
from local.minds import CHANGED, MONTH, WORLD
from local.table import create_mysql
from local.votes import write_votes
from tests.cloud.loop import Loop
from tests.cloud.way import Way, way_to

_numbers = count(1)
VOTES = 600
PATIENCE = 30  # seconds


@dataclass(frozen=True, kw_only=True)
class OnMariaDB:
    """The loop with its votes on a real server."""

    loop: Loop
    server: Server
    name: str

    def use(self, **changes: str | None) -> None:
        """The server as the loop's database, with some things otherwise."""
        good = {"url": self.server.url(self.name), "ca": str(self.server.ca)}
        self.loop.cloud.use(Database(**(good | changes), password=READER_PASSWORD))  # type: ignore[arg-type]

    def url(self, way: Way) -> str:
        """The database's address by a way of its own."""
        return f"mysql://{READER}@127.0.0.1:{way.port}/{self.name}"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else can read the table in here."""
        with self.server.admin(self.name) as connection, connection.cursor() as cursor:
            cursor.execute("LOCK TABLES analysis_history WRITE")
            yield

    def cut_when_it_waits(self, way: Way) -> None:
        """Break the way as soon as somebody waits for the locked table."""
        question = (
            "SELECT COUNT(*) FROM information_schema.processlist "
            "WHERE state LIKE 'Waiting for table%%' AND db = %s"
        )
        with self.server.admin() as connection, connection.cursor() as cursor:
            for _ in range(PATIENCE * 100):
                cursor.execute(question, [self.name])
                if cursor.fetchone() == (1,):
                    break
                time.sleep(0.01)
        way.cut()

    def invoke(self) -> dict[str, str]:
        """What the trigger answers to somebody who asks for a run."""
        answer = self.loop.cloud.invoke("trigger", {"force": True})
        return {name: str(value) for name, value in answer.items()}

    def refuses(self, *words: str, instead: str = "no other words") -> None:
        """The trigger raises, with these words, and has launched and changed nothing."""
        runs = self.loop.registry.runs()
        answer = self.invoke()
        assert answer.get("errorType") == "DatabaseError", answer
        said = answer["errorMessage"]
        assert instead in said or [w for w in words if w not in said] == [], said
        assert READER_PASSWORD not in said
        assert self.loop.registry.runs() == runs
        assert self.loop.tasks() == []
        self.loop.unchanged()


@pytest.fixture
def mysql(ready: Loop, mariadb: Server) -> OnMariaDB:
    """A better model can be learned from the votes on the server."""
    name = f"cloud_{next(_numbers)}"
    mariadb.create(name)
    mariadb.execute("DROP TABLE analysis_history", database=name)
    with mariadb.admin(name) as connection:
        create_mysql(connection)
        now = datetime.now(UTC).replace(microsecond=0)
        for world, seed in ((WORLD, 1), (CHANGED, 2), (CHANGED, 3)):
            write_votes(connection, world, VOTES, seed=seed, ugly=True, start=now - MONTH, end=now)
    made = OnMariaDB(loop=ready, server=mariadb, name=name)
    made.use()
    return made


def test_a_run_reads_a_real_server_with_a_password_from_the_secret(mysql: OnMariaDB) -> None:
    before = len(mysql.loop.cloud.calls())

    answer = mysql.invoke()
    mysql.loop.cloud.wait()

    assert answer["decision"] == "launched", answer
    run = mysql.loop.record(answer["run_id"])
    assert run.state in ("promoted", "rejected", "inconclusive"), run
    calls = mysql.loop.cloud.calls()[before:]
    read = {call["principal"] for call in calls if call["operation"] == "GetSecretValue"}
    stack = mysql.loop.cloud.stack
    trigger = next(s for s in stack.functions.values() if "trigger" in s.name).principal
    assert read == {trigger, mysql.loop.task_role}
    mysql.loop.sound()


def test_a_password_that_is_wrong_is_read_again_and_then_named(mysql: OnMariaDB) -> None:
    mysql.loop.cloud.password("of yesterday")
    before = len(mysql.loop.cloud.calls())

    mysql.refuses("1045", "DB_SECRET_ARN")

    read = [c["operation"] for c in mysql.loop.cloud.calls()[before:]].count("GetSecretValue")
    assert read == 2


def test_a_password_that_changes_between_two_events_is_no_matter(mysql: OnMariaDB) -> None:
    assert "decision" in mysql.loop.cloud.invoke("trigger", {"dry_run": True})
    mysql.server.execute(f"ALTER USER {READER}@'%%' IDENTIFIED BY %s", ["another one"])
    try:
        mysql.loop.cloud.password("another one")
        assert "decision" in mysql.loop.cloud.invoke("trigger", {"dry_run": True})
    finally:
        mysql.server.execute(f"ALTER USER {READER}@'%%' IDENTIFIED BY %s", [READER_PASSWORD])


def test_a_locked_table_is_an_error_when_the_time_is_up(mysql: OnMariaDB) -> None:
    mysql.loop.cloud.use(None, RETRAIN_STATEMENT_TIMEOUT_SECONDS="1")
    with mysql.locked():
        # Waiting for the lock and the statement itself have the same limit: either may be first.
        mysql.refuses("error 1205", instead="error 1969")


def test_a_lock_that_is_not_released_in_time_is_an_error(mysql: OnMariaDB) -> None:
    # Given a server that answers each reading with error 1205 of its own
    with mysql.server.admin(mysql.name) as connection, connection.cursor() as cursor:
        cursor.execute("RENAME TABLE analysis_history TO votes")
        cursor.execute(
            "CREATE FUNCTION busy() RETURNS INT BEGIN SIGNAL SQLSTATE 'HY000' "
            "SET MYSQL_ERRNO = 1205, MESSAGE_TEXT = 'Lock wait timeout exceeded'; RETURN 1; END"
        )
        cursor.execute(
            "CREATE SQL SECURITY INVOKER VIEW analysis_history AS "
            "SELECT * FROM votes WHERE busy() = 1"
        )
        for what in ("SELECT ON votes", "SELECT ON analysis_history", "EXECUTE ON FUNCTION busy"):
            cursor.execute(f"GRANT {what} TO {READER}@'%'")

    try:
        mysql.refuses("1205", "later")
    finally:  # with the function goes the right to it: elsewhere this user may only read
        mysql.server.execute("DROP FUNCTION busy", database=mysql.name)


def test_a_server_without_the_right_certificate_is_refused(mysql: OnMariaDB) -> None:
    mysql.use(ca=str(mysql.server.wrong_ca))

    mysql.refuses("certificate", "DB_CA")


def test_a_server_under_another_name_is_refused(mysql: OnMariaDB) -> None:
    mysql.use(url=mysql.server.url(mysql.name, host="localhost"))  # its certificate is for an IP

    mysql.refuses("certificate", "host")


def test_nobody_at_the_address_is_an_error(mysql: OnMariaDB) -> None:
    mysql.use(url=f"mysql://{READER}@127.0.0.1:1/{mysql.name}")

    mysql.refuses("2003")


def test_a_server_that_does_not_let_anyone_in_is_an_error(mysql: OnMariaDB) -> None:
    with way_to(mysql.server.port) as way:
        way.cut()
        mysql.use(url=mysql.url(way))

        mysql.refuses("2013")


def test_a_server_that_goes_away_while_the_trigger_counts_is_an_error(mysql: OnMariaDB) -> None:
    with way_to(mysql.server.port) as way, mysql.locked():
        mysql.use(url=mysql.url(way))
        breaks = Thread(target=mysql.cut_when_it_waits, args=(way,))
        breaks.start()

        mysql.refuses("2013")
        breaks.join()


def test_a_server_that_goes_away_while_the_task_reads_fails_the_run(mysql: OnMariaDB) -> None:
    # Given a task that is about to begin, and a table that keeps it waiting in mid-read
    with way_to(mysql.server.port) as way:
        mysql.use(url=mysql.url(way))
        held = mysql.loop.hold("GetItem")
        run_id = mysql.invoke()["run_id"]
        held.reached()
        with mysql.locked():
            held.release()
            mysql.cut_when_it_waits(way)
            mysql.loop.cloud.wait()

    # Then the run has failed, says why, and people are told
    run = mysql.loop.record(run_id)
    assert (run.state, run.exit, mysql.loop.exit_codes()) == ("failed", 1, [1])
    assert "2013" in run.reason
    (alert,) = mysql.loop.cloud.alerts()
    assert "2013" in alert["Message"]
    mysql.loop.unchanged()
