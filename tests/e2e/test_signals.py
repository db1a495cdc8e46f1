"""A signal is a request to stop wherever it comes, even where a driver hides the exception."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from common.errors import DatabaseError, InterruptedRunError
from task.attempt import Attempt
from task.host import here
from task.interrupt import Interrupt
from tests.e2e.home import Home
from tests.unit.signals import signals_taken


@pytest.fixture
def interrupt() -> Iterator[Interrupt]:
    """Signals end in it for the length of a test."""
    with signals_taken() as made:
        yield made


def statement_that_is_told_to_stop() -> None:
    with closing(sqlite3.connect(":memory:")) as db:
        db.create_function("stop", 0, lambda: os.kill(os.getpid(), signal.SIGTERM))
        try:
            db.execute("SELECT stop()").fetchall()
        except sqlite3.Error as error:
            raise DatabaseError("the statement failed") from error


def test_a_signal_within_a_databases_callback_is_still_a_request_to_stop(
    trained: Home, interrupt: Interrupt
) -> None:
    """SQLite turns whatever a callback raises into an error of its own."""
    attempt = Attempt(
        trained.registry,
        "m-signal",
        lease_seconds=600,
        deadline=timedelta(hours=2),
        now=lambda: datetime.now(UTC),
        interrupt=interrupt,
        host=here(),
    )

    with pytest.raises(InterruptedRunError), attempt:
        statement_that_is_told_to_stop()

    record = trained.registry.run("m-signal")
    assert record is not None
    assert (record.state, record.exit) == ("failed", 143)
    assert trained.free()
