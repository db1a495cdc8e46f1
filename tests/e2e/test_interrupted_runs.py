"""A run that is stopped, anywhere, leaves the champion alone; the next run does its work.

SIGTERM is a request, so the run closes its record and gives its lease back. After SIGKILL the
next run does that, once the lease has expired. Only the promotion itself cannot be stopped
half way: it is one transaction, and happens whole or not at all.
"""

from __future__ import annotations

import json
from signal import SIGKILL, SIGTERM

import pytest

from tests.e2e.home import Done, Home, clear, until

POINTS = {
    "count": {"event": "sqlite3.connect", "path": "votes.sqlite", "function": "count"},
    "export": {"path": "votes.parquet.partial"},
    "prepare": {"path": "prepared.json"},
    "train": {"path": "model/model.json"},
    "evaluate": {"path": ".evaluation.json.new"},
    "publish": {"path": "/store/models/", "function": "put"},
    "manifest": {"path": "/store/models/", "function": "create"},
}
"""Where in a run: the file that it is about to write."""
IN_PROMOTION = {"path": "", "statement": "HISTORY#0000000002"}
"""Within the transaction: ACTIVE is written, HISTORY is about to be, nothing is committed."""
AFTER_PROMOTION = {"event": "sqlite3.connect", "path": "registry.sqlite", "function": "retain"}
"""The pointer has moved, the record is not closed yet."""


def second_run_promotes(home: Home) -> Done:
    done = home.run()
    assert (done.exit, done.state) == (0, "promoted"), done
    assert home.free()
    return done


@pytest.mark.parametrize("stage", POINTS)
def test_a_run_stopped_in_any_stage_leaves_the_champion_and_the_next_one_promotes(
    ready: Home, stage: str
) -> None:
    before = ready.champion()
    told_to_stop(ready, stage)
    assert ready.champion() == before
    killed = killed_in(ready, stage)
    assert ready.champion() == before

    # Once the lease of the killed one has expired, the next run closes it and does the work
    until(ready.lease_is_free)
    second_run_promotes(ready)
    closed = ready.registry.run(killed)
    assert closed is not None
    assert (closed.state, closed.exit) == ("failed", 1)


def told_to_stop(home: Home, stage: str) -> None:
    """A run that gets SIGTERM in a stage says so, closes its record and frees the lease."""
    run = home.paused(POINTS[stage])
    run.wait()
    run.signal(SIGTERM)
    done = run.end()
    clear(done, 143, "signal")
    assert done.state == "failed"
    assert home.free()
    record = home.last_run()
    assert (record.state, record.exit) == ("failed", 143)


def killed_in(home: Home, stage: str) -> str:
    """A run that gets SIGKILL in a stage leaves its record open, and no version; its id."""
    run = home.paused(POINTS[stage], RETRAIN_LEASE_SECONDS="1")
    run.wait()
    run.signal(SIGKILL)
    run.end()
    record = home.last_run()
    assert record.state == "running"
    assert record.run_id not in home.published()
    return record.run_id


def test_a_promotion_that_is_told_to_stop_is_carried_out_whole(ready: Home) -> None:
    # Given a run within the transaction that moves the pointer
    run = ready.paused(IN_PROMOTION)
    run.wait()

    # When it is told to stop, and goes on
    run.signal(SIGTERM)
    done = run.end()

    # Then pointer, history, record and answer say the same
    assert (done.exit, done.state) == (0, "promoted"), done
    promoted_whole(ready, done)
    assert ready.free()
    assert ready.run().state == "skipped"


def test_a_promotion_that_is_killed_never_happened(ready: Home) -> None:
    before = ready.champion()
    run = ready.paused(IN_PROMOTION, RETRAIN_LEASE_SECONDS="3")
    run.wait()
    run.signal(SIGKILL)
    run.end()

    assert ready.champion() == before
    killed = ready.last_run()
    assert (killed.state, killed.version) == ("running", None)
    assert said_of(ready, killed.run_id) != "promoted"
    until(ready.lease_is_free)
    second_run_promotes(ready)


def said_of(home: Home, run_id: str) -> object:
    """The state in the run's record in the store."""
    record = json.loads((home.store / "runs" / run_id / "run.json").read_text("utf-8"))
    return record["state"]


def promoted_whole(home: Home, done: Done) -> None:
    """The second version serves, by one entry of the history and by its run's record."""
    active, history, _ = home.champion()
    version = done.result["version"]
    assert active is not None
    assert (active.version, active.serial) == (version, 2)
    assert [entry.version for entry in history] == [done.result["previous_version"], version]
    record = home.registry.run(done.result["run_id"])
    assert record is not None
    assert (record.state, record.exit, record.serial) == ("promoted", 0, 2)
    assert said_of(home, record.run_id) == "promoted"


def test_a_run_told_to_stop_after_its_promotion_has_promoted(ready: Home) -> None:
    run = ready.paused(AFTER_PROMOTION)
    run.wait()
    run.signal(SIGTERM)
    done = run.end()

    assert (done.exit, done.state) == (0, "promoted"), done
    promoted_whole(ready, done)
    assert ready.free()


def test_a_signal_while_the_process_shuts_down_does_not_change_its_status(ready: Home) -> None:
    run = ready.paused({"event": "end", "path": ""})
    run.wait()
    assert ready.free()
    run.signal(SIGTERM)
    done = run.end()

    assert (done.exit, done.state) == (0, "promoted"), done
    promoted_whole(ready, done)


def test_a_run_killed_after_its_promotion_has_promoted(ready: Home) -> None:
    run = ready.paused(AFTER_PROMOTION, RETRAIN_LEASE_SECONDS="3")
    run.wait()
    run.signal(SIGKILL)
    run.end()

    # Then the record is whole although nobody closed it
    promoted = ready.champion()
    killed = ready.last_run()
    assert promoted[0] is not None
    assert (promoted[0].version, killed.state) == (killed.run_id, "promoted")

    # And the next run finds the lease expired and nothing new
    until(ready.lease_is_free)
    assert ready.run().state == "skipped"
    assert ready.champion() == promoted
    assert ready.registry.run(killed.run_id) == killed
    assert ready.free()
