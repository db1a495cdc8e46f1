"""Promise 1: one run at a time, and whoever lost its lease changes nothing any more."""

from __future__ import annotations

import time
from pathlib import Path
from signal import SIGCONT, SIGSTOP

import pytest

from common.errors import RegistryError
from common.registry import Registry
from common.registry.sqlite import SqliteTable
from tests.e2e.home import Home, Paused, clear, digest, finished, until

TRAINING = {"path": "model/model.json"}
EVALUATING = {"path": ".evaluation.json.new"}
PROMOTING = {"event": "sqlite3.connect", "path": "registry.sqlite", "function": "promote"}


def put_to_sleep(sleeper: Paused, home: Home) -> None:
    """Suspend a process, but not while its heartbeat holds the registry: all would wait for it."""
    registry = Registry(SqliteTable(home.folder / "registry.sqlite", busy_seconds=0.2))
    while True:
        sleeper.signal(SIGSTOP)
        until(sleeper.asleep)  # until then one of its threads may yet begin a transaction
        try:
            return registry.check_writable()
        except RegistryError:
            sleeper.signal(SIGCONT)
            time.sleep(0.05)


def everything(folder: Path) -> dict[str, str]:
    """Every file below the folder, by its digest."""
    return {str(path): digest(path) for path in folder.rglob("*") if path.is_file()}


def test_a_second_run_is_skipped_and_names_who_runs(ready: Home) -> None:
    # Given a run in the midst of its training
    first = ready.paused(TRAINING)
    first.wait()
    lease = ready.registry.lease()
    assert lease is not None
    before = ready.registry.runs(), everything(ready.store)

    # When another one is started
    second = ready.run()

    # Then it is skipped, says why, and has written nothing
    assert (second.exit, second.state) == (0, "skipped")
    assert lease.owner in second.result["reason"]
    assert f"{lease.expires_at:%Y-%m-%dT%H:}" in second.result["reason"]
    assert (ready.registry.runs(), everything(ready.store)) == before

    # And the first one is not disturbed
    assert first.end().state == "promoted"
    assert ready.free()


def test_a_duplicate_of_a_run_ends_quietly_and_writes_nothing(ready: Home) -> None:
    first = ready.paused(TRAINING, "--run-id", "s-20261122T020000Z")
    first.wait()
    before = ready.registry.runs(), everything(ready.store), everything(ready.runs)

    second = ready.run("--run-id", "s-20261122T020000Z")

    assert (second.exit, second.state) == (0, "skipped"), second
    assert "s-20261122T020000Z" in second.result["reason"]
    assert (ready.registry.runs(), everything(ready.store), everything(ready.runs)) == before
    done = first.end()
    assert (done.state, done.result["version"]) == ("promoted", "s-20261122T020000Z")

    # And so does one that comes after the end
    ended = ready.champion(), everything(ready.store), everything(ready.runs)
    third = ready.run("--run-id", "s-20261122T020000Z")
    assert (third.exit, third.state) == (0, "skipped"), third
    assert (ready.champion(), everything(ready.store), everything(ready.runs)) == ended


def test_of_four_runs_at_once_exactly_one_promotes(ready: Home) -> None:
    started = [ready.started() for _ in range(4)]

    states = sorted(finished(process).state for process in started)

    # A late one finds the lease free again, and nothing new: skipped, too.
    assert states == ["promoted", "skipped", "skipped", "skipped"]
    active, history, _ = ready.champion()
    assert active is not None
    assert [entry.serial for entry in history] == [1, 2]
    assert ready.free()


@pytest.mark.parametrize("point", [EVALUATING, PROMOTING], ids=["evaluate", "promotion"])
def test_whoever_sleeps_through_its_lease_promotes_nothing(
    ready: Home, point: dict[str, str]
) -> None:
    # Given a run that stands still until its lease has expired
    sleeper = ready.paused(point, RETRAIN_LEASE_SECONDS="1")
    sleeper.wait()
    asleep = ready.last_run()
    put_to_sleep(sleeper, ready)
    until(ready.lease_is_free)

    # When another run takes over and promotes, and the first one wakes
    other = ready.run()
    assert other.state == "promoted", other
    before = ready.champion(), ready.registry.runs(), everything(ready.store)
    sleeper.signal(SIGCONT)
    done = sleeper.end()

    # Then the first one says that it lost its lease, and has changed nothing
    clear(done, 5, "lease", "run again")
    assert (ready.champion(), ready.registry.runs(), everything(ready.store)) == before
    closed = ready.registry.run(asleep.run_id)
    assert closed is not None
    assert (closed.state, closed.exit) == ("failed", 1)
    assert other.result["run_id"] in closed.reason


def test_whoever_lost_its_lease_does_not_disturb_the_run_that_has_it(ready: Home) -> None:
    sleeper = ready.paused(EVALUATING, RETRAIN_LEASE_SECONDS="1")
    sleeper.wait()
    put_to_sleep(sleeper, ready)
    until(ready.lease_is_free)
    other = ready.paused(PROMOTING)
    other.wait()

    sleeper.signal(SIGCONT)
    assert sleeper.end().exit == 5

    assert other.end().state == "promoted"
    assert ready.free()
