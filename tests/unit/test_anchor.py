"""The anchor, which later versions must not fall behind: who it is, and how long it stays."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from common.registry import Registry, open_registry
from common.registry.records import ANCHOR_LASTS, Run, anchor_name
from common.store import Store, open_store
from task import publish, versions
from task.folder import RunFolder
from task.opponents import anchor_of
from tests.unit.judged import Clock, loop_of
from tests.unit.place import Place

NOW = datetime.now(UTC)
LATEST = NOW - timedelta(days=1)


def run(name: str, at: datetime = LATEST, anchor: Any = None) -> Run:
    return Run(run_id=name, created_at=at, state="served", cutoff=at, evidence={"anchor": anchor})


@pytest.mark.parametrize(
    "runs, active, expected",
    [
        ([run("m-0"), run("m-1", anchor="m-0")], "m-1", "m-0"),
        # What another run noted is of another version
        ([run("m-0"), run("m-1", anchor="m-0"), run("m-2")], "m-2", None),
        ([run("m-0"), run("m-1", anchor="m-0"), run("m-2", anchor="m-1")], "m-1", "m-0"),
        ([run("m-1", anchor="m-1")], "m-1", None),  # itself
        ([run("m-1", anchor="m-gone")], "m-1", None),
        ([run("m-0"), run("m-1", anchor=7)], "m-1", None),
        ([run("m-0"), Run(run_id="m-1", created_at=LATEST)], "m-1", None),  # an older release's
        ([run("m-0"), run("m-1", anchor="m-0")], None, None),
        ([], "m-1", None),
    ],
)
def test_the_anchor_is_what_the_active_versions_run_noted(
    runs: list[Run], active: str | None, expected: str | None
) -> None:
    assert anchor_name(runs, active, NOW) == expected
    assert anchor_name(reversed(runs), active, NOW) == expected


@pytest.mark.parametrize(
    "age, expected", [(ANCHOR_LASTS, "m-0"), (ANCHOR_LASTS + timedelta(seconds=1), None)]
)
def test_it_is_forgotten_a_year_after_its_own_run(age: timedelta, expected: str | None) -> None:
    runs = [run("m-0", NOW - age), run("m-1", anchor="m-0")]

    assert anchor_name(runs, "m-1", NOW) == expected


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store((tmp_path / "store").as_uri())


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return open_registry(f"sqlite:///{tmp_path}/registry.sqlite")


def published(store: Store, registry: Registry, *runs: Run) -> None:
    """A version of each run, the first one oldest; the last one is active, the one before was."""
    for each in runs:
        at = each.created_at
        registry.launch(Run(run_id=each.run_id, created_at=at), owner="o", lease_seconds=60, now=at)
        lease = registry.claim(each.run_id, task="t", lease_seconds=60, now=at)
        registry.finish(each, lease, now=at)
        store.put(f"models/{each.run_id}/manifest.json", b"x")
    for serial, each in enumerate(runs):
        registry.promote(
            version=each.run_id, sha="s", expected_serial=serial, action="promote", now=NOW
        )


@pytest.mark.parametrize(
    "age, kept",
    [(timedelta(days=300), ["m-0", "m-3", "m-4"]), (timedelta(days=400), ["m-3", "m-4"])],
)
def test_retention_keeps_it_as_long_as_it_is_remembered(
    store: Store, registry: Registry, age: timedelta, kept: list[str]
) -> None:
    # Given five versions, the oldest of which is the anchor of the active one
    names = ["m-0", "m-1", "m-2", "m-3", "m-4"]
    runs = [
        run(name, NOW - age + timedelta(days=week), anchor="m-0" if name == "m-4" else None)
        for week, name in enumerate(names)
    ]
    published(store, registry, *runs)

    # When one version is to be kept
    publish.retain(store, registry, max_backups=1, keep_snapshots=1)

    assert versions.published(store) == kept


def test_an_anchor_whose_files_are_gone_binds_nobody(learned: Place) -> None:
    # Given a place whose version m-a is published, and m-z is not
    loop = loop_of(learned, Clock())
    runs = [run("m-a"), run("m-z"), run("m-b", anchor="m-a"), run("m-c", anchor="m-z")]

    assert anchor_of(loop.store, "m-b", runs, loop.now()) == "m-a"
    assert anchor_of(loop.store, "m-c", runs, loop.now()) is None
    assert anchor_of(loop.store, "m-a", runs, loop.now()) is None


def test_a_promotions_run_notes_what_it_spent_and_its_anchor(judged: Place) -> None:
    # Given m-b, which is shown to be better than m-a
    done = judged.json("deploy", "--run", "m-b")

    found = judged.registry.run("m-b")
    assert found is not None
    assert found.evidence["anchor"] is None
    assert found.evidence["risk"] == done["verdict"]["risk"]
    assert 0.0 < found.evidence["risk"] < 0.05


def test_a_run_is_judged_against_the_anchor_too(judged: Place) -> None:
    # Given an anchor m-z beside the active m-a
    judged.publish_copy("m-z")

    with mock.patch("task.opponents.anchor_name", return_value="m-z"):
        judged.json("evaluate", "--run", "m-b")

    folder = RunFolder(judged.work / "m-b")
    assert folder.read("evaluation.json")["anchor"]["name"] == "m-z"
    checks = {check["name"]: check for check in folder.read("verdict.json")["checks"]}
    assert "m-z" in checks["no_harm_since"]["says"]
