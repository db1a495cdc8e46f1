"""Retention removes old model files and old snapshots, and never what is still needed."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from common.registry import Registry, open_registry
from common.registry.records import Action, Run
from common.store import Store, open_store
from task import publish, versions
from tests.unit.place import CHANGED, Place

START = datetime(2026, 11, 22, 2, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store((tmp_path / "store").as_uri())


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return open_registry(f"sqlite:///{tmp_path}/registry.sqlite")


def published(store: Store, registry: Registry, *versions: str) -> None:
    """A version and its run each week, the first one oldest."""
    for week, version in enumerate(versions):
        at = START + timedelta(weeks=week)
        registry.launch(Run(run_id=version, created_at=at), owner="o", lease_seconds=1, now=at)
        for name in ("model.json", "table.safetensors", "manifest.json"):
            store.put(f"models/{version}/{name}", b"x")


def activated(registry: Registry, *changes: tuple[Action, str]) -> None:
    for serial, (action, version) in enumerate(changes):
        registry.promote(version=version, sha="s", expected_serial=serial, action=action, now=START)


def snapshots(store: Store, *run_ids: str) -> None:
    """A validated snapshot each week, the first one oldest."""
    for week, run_id in enumerate(run_ids):
        cutoff = (START + timedelta(weeks=week)).isoformat()
        record = {"format_version": 1, "run_id": run_id, "cutoff": cutoff}
        store.put(f"runs/{run_id}/run.json", json.dumps(record).encode())
        store.put(f"runs/{run_id}/votes.parquet", b"votes")


def retain(store: Store, registry: Registry, *, versions: int = 100, votes: int = 100) -> list[str]:
    return publish.retain(store, registry, max_backups=versions, keep_snapshots=votes)


@pytest.mark.parametrize(
    ("changes", "keep", "kept"),
    [
        pytest.param([("promote", "m-4")], 2, "45", id="the newest"),
        pytest.param([("promote", "m-1")], 2, "15", id="the active one, however old"),
        pytest.param(
            [("promote", "m-1"), ("promote", "m-2")], 3, "125", id="the active and the previous"
        ),
        pytest.param(
            [("promote", "m-1"), ("promote", "m-2")], 1, "12", id="both, even beyond the number"
        ),
        pytest.param(
            [("promote", "m-1"), ("promote", "m-2"), ("rollback", "m-1")],
            2,
            "12",
            id="what was rolled back from is the previous one",
        ),
        pytest.param([], 1, "5", id="none active"),
        pytest.param([("promote", "m-1")], 9, "12345", id="fewer than the number"),
    ],
)
def test_the_newest_versions_stay_and_always_the_active_and_the_previous_one(
    store: Store,
    registry: Registry,
    changes: list[tuple[Action, str]],
    keep: int,
    kept: str,
) -> None:
    # Given five versions
    published(store, registry, "m-1", "m-2", "m-3", "m-4", "m-5")
    activated(registry, *changes)

    # When
    removed = retain(store, registry, versions=keep)

    # Then the others are gone, every file of them
    assert versions.published(store) == [f"m-{n}" for n in kept]
    assert sorted(removed) == [f"models/m-{n}" for n in "12345" if n not in kept]
    assert len(store.keys("models/")) == 3 * len(kept)


def test_a_version_that_no_run_made_is_the_oldest(store: Store, registry: Registry) -> None:
    published(store, registry, "m-1", "m-2")
    store.put("models/m-9/manifest.json", b"x")

    assert retain(store, registry, versions=2) == ["models/m-9"]


def test_what_a_dead_run_left_without_a_manifest_is_cleared_away(
    store: Store, registry: Registry
) -> None:
    # Given a publication, or a removal, that was killed half way
    published(store, registry, "m-1")
    store.put("models/m-2/table.safetensors", b"x")

    # When
    removed = retain(store, registry)

    # Then
    assert removed == ["models/m-2"]
    assert versions.published(store) == ["m-1"]
    assert retain(store, registry) == []


@pytest.mark.parametrize(("keep", "kept"), [(1, "3"), (2, "23"), (9, "123")])
def test_the_newest_snapshots_stay_and_every_record(
    store: Store, registry: Registry, keep: int, kept: str
) -> None:
    snapshots(store, "m-1", "m-2", "m-3")

    removed = retain(store, registry, votes=keep)

    gone = [n for n in "123" if n not in kept]
    assert sorted(removed) == [f"runs/m-{n}/votes.parquet" for n in gone]
    left = [key for key in store.keys("runs/") if key.endswith("votes.parquet")]
    assert left == [f"runs/m-{n}/votes.parquet" for n in kept]
    assert len([key for key in store.keys("runs/") if key.endswith("run.json")]) == 3


def test_a_run_tidies_up_after_itself(tall: Place) -> None:
    # Given five versions, of which m-d serves and m-c did before
    tall.vote(1_500, world=CHANGED, seed=2)
    settings = {"RETRAIN_MAX_BACKUPS": "2", "RETRAIN_KEEP_SNAPSHOTS": "1"}

    # When a run promotes a sixth
    outcome = tall.json("run", "--run-id", "m-f", **settings)

    # Then it and the one before it are left, and the newest snapshot
    assert outcome["state"] == "promoted"
    assert versions.published(tall.store) == ["m-d", "m-f"]
    votes = [key for key in tall.store.keys("runs/") if key.endswith("votes.parquet")]
    assert votes == ["runs/m-f/votes.parquet"]
    # And the next run reads on from it
    tall.vote(20, world=CHANGED, seed=3)
    assert json.loads((tall.work / "m-f/run.json").read_text("utf-8"))["mode"] == "full"
    tall.json("run", "--run-id", "m-g", **settings)
    again = json.loads((tall.work / "m-g/run.json").read_text("utf-8"))
    assert (again["mode"], again["base_run_id"]) == ("incremental", "m-f")


def test_a_damaged_old_record_blocks_neither_runs_nor_retention(tall: Place) -> None:
    # Given an old run whose record was damaged
    tall.vote(1_500, world=CHANGED, seed=2)
    tall.store.put("runs/m-old/run.json", b"{")
    tall.store.put("runs/m-old/votes.parquet", b"votes")

    # When
    answer = tall.task("run", "--run-id", "m-f", "--json", RETRAIN_KEEP_SNAPSHOTS="1")

    # Then the run goes on without it, its votes stay, and the log says what is to be mended
    assert (answer.exit, answer.result["state"], tall.active) == (0, "promoted", "m-f")
    assert "a snapshot is passed over: run.json of m-old must be" in answer.err
    assert tall.store.exists("runs/m-old/votes.parquet")
    assert not tall.store.exists("runs/m-a/votes.parquet")


def test_the_newest_version_that_waits_for_a_person_stays(tall: Place) -> None:
    # Given promotion by hand, and hardly any backups
    settings = {"RETRAIN_MAX_BACKUPS": "1"}
    tall.vote(1_500, world=CHANGED, seed=2)

    # When a run is approved, and later another one ends without a version
    answer = tall.task("run", "--run-id", "m-f", "--no-auto-deploy", "--json", **settings)
    assert answer.result["state"] == "approved", answer
    tall.task("run", "--skip-data-check", "--real-weight", "0", **settings)

    # Then what was approved can still be promoted
    assert tall.json("promote", "m-f")["version"] == "m-f"


def test_a_version_that_became_active_meanwhile_is_not_removed(
    store: Store, registry: Registry
) -> None:
    # Given a registry in which a person promotes the oldest version while retention is at work
    published(store, registry, "m-1", "m-2", "m-3", "m-4")
    activated(registry, ("promote", "m-4"))
    first = store.delete

    def delete(key: str) -> None:
        if registry.active().version == "m-4":  # type: ignore[union-attr]
            registry.promote(version="m-1", sha="s", expected_serial=1, action="promote", now=START)
        first(key)

    store.delete = delete  # type: ignore[method-assign]

    # When
    publish.retain(store, registry, max_backups=1, keep_snapshots=1)

    # Then
    assert "m-1" in versions.published(store)
