"""A registry that the release before wrote, read and written on by this one."""

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from common.registry import Registry, open_registry
from common.registry.records import FORMAT_VERSION, LIVE_STATES, Run
from common.registry.table import META

DUMP = Path(__file__).parents[1] / "unit" / "fixtures" / "version_1" / "registry.sql"
NOW = datetime(2026, 12, 6, 2, tzinfo=UTC)
EVIDENCE = {"risk": 0.0008, "anchor": "m-first", "bets": {"wealth": 1.25}}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "registry.sqlite"
    with closing(sqlite3.connect(made)) as db:
        db.executescript(DUMP.read_text("utf-8"))
    return made


@pytest.fixture
def older(path: Path) -> Registry:
    return open_registry(f"sqlite:///{path}")


def formats(path: Path) -> dict[str, int]:
    with closing(sqlite3.connect(path)) as db:
        items = db.execute("SELECT key, item FROM items").fetchall()
    return {key: json.loads(item)["format_version"] for key, item in items}


def test_an_older_registry_is_read_whole(older: Registry, path: Path) -> None:
    runs = {run.run_id: run for run in older.runs()}
    active, hold = older.active(), older.hold()

    assert {name: run.state for name, run in runs.items()} == {
        "m-first": "promoted",
        "m-skipped": "skipped",
        "m-undecided": "inconclusive",
        "m-second": "promoted",
    }
    assert all(run.evidence == {} for run in runs.values())
    assert [(e.action, e.version) for e in older.history()] == [
        ("promote", "m-first"),
        ("promote", "m-second"),
        ("rollback", "m-first"),
    ]
    assert active is not None
    assert (active.version, active.serial) == ("m-first", 3)
    assert hold is not None
    assert hold.version == "m-first"
    assert older.lease() is None
    # Reading leaves it as it is: the older release may still be at work.
    assert set(formats(path).values()) == {3}


def test_the_first_write_moves_an_older_registry_up_and_keeps_its_records(
    older: Registry, path: Path
) -> None:
    before = older.runs(), older.history(), older.active()

    assert older.clear_hold()

    assert formats(path)[META] == FORMAT_VERSION == 4
    assert (older.runs(), older.history(), older.active()) == before


def test_a_write_that_is_refused_leaves_an_older_registry_as_it_is(
    older: Registry, path: Path
) -> None:
    with pytest.raises(Exception, match="on hold"):
        older.promote(version="m-x", sha="0", expected_serial=3, action="promote", now=NOW)

    assert set(formats(path).values()) == {3}


def test_an_older_run_that_is_noted_on_is_written_in_the_new_format(
    older: Registry, path: Path
) -> None:
    run = next(run for run in older.runs() if run.run_id == "m-undecided")

    assert older.mark_alerted(run, NOW)

    assert formats(path)["RUN#m-undecided"] == 4
    assert older.run("m-undecided") == replace(run, alerted_at=NOW)


def test_a_runs_evidence_outlives_its_promotion_and_its_end(registry: Registry) -> None:
    run = Run(run_id="m-1", created_at=NOW)
    registry.launch(run, owner="test", lease_seconds=600, now=NOW)
    lease = registry.claim("m-1", task="t", lease_seconds=600, now=NOW)
    running = registry.run("m-1")
    assert running is not None
    assert running.state in LIVE_STATES
    rolling = replace(running, state="rolling_out", evidence=EVIDENCE)
    registry.promote(
        version="m-1",
        sha="0",
        expected_serial=0,
        action="promote",
        now=NOW,
        lease=lease,
        run=rolling,
    )
    promoted = registry.run("m-1")
    assert promoted is not None
    assert promoted.evidence == EVIDENCE

    # Whoever ends the run knows nothing of its evidence.
    ended = registry.finish(
        replace(promoted, state="served", exit=0, evidence={}), lease, now=NOW + timedelta(hours=1)
    )

    assert ended.evidence == EVIDENCE
    assert registry.run("m-1") == ended
