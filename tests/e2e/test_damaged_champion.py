"""A champion that cannot be scored fails the run; it is never taken for "no champion yet".

Whatever happened to the files of the active version or to the registry, nothing is promoted over
it. What a newer release wrote is refused, not guessed at.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file, save_file

from common.registry.records import FORMAT_VERSION
from task import artifact
from tests.e2e.home import Home, clear

FILES = (
    "manifest.json",
    "model.json",
    "model.safetensors",
    "self_test.json",
    "table.safetensors",
    "report.html",
)


def files(home: Home) -> Path:
    """The folder of the active version."""
    active = home.registry.active()
    assert active is not None
    assert active.version is not None
    return home.store / "models" / active.version


def refused(home: Home, *words: str) -> None:
    """The next run fails and says so, and what served before serves still."""
    before = home.champion()
    versions = home.published()

    clear(home.run(), 1, *words)

    assert home.champion() == before
    assert home.published() == versions
    assert home.free()
    assert (home.last_run().state, home.last_run().exit) == ("failed", 1)


@pytest.mark.parametrize("name", FILES)
def test_a_truncated_champion_fails_the_run(ready: Home, name: str) -> None:
    whole = (files(ready) / name).read_bytes()
    (files(ready) / name).write_bytes(whole[: len(whole) // 2])

    refused(ready, name)


def test_an_altered_champion_fails_the_run_and_mended_the_next_one_promotes(ready: Home) -> None:
    table = files(ready) / "table.safetensors"
    whole = table.read_bytes()
    table.write_bytes(whole[:-3] + bytes([whole[-3] ^ 1]) + whole[-2:])

    refused(ready, "table.safetensors", "altered")

    table.write_bytes(whole)
    assert ready.run().state == "promoted"


@pytest.mark.parametrize("name", ["manifest.json", "table.safetensors"])
def test_a_champion_without_one_of_its_files_fails_the_run(ready: Home, name: str) -> None:
    (files(ready) / name).unlink()

    refused(ready)


def test_a_champion_that_is_gone_altogether_fails_the_run(ready: Home) -> None:
    shutil.rmtree(ready.store / "models")

    refused(ready, "must be a published version")


def rewritten(home: Home, name: str, change: Callable[[dict[str, Any]], None]) -> None:
    """Change a JSON file of the champion, and its manifest with it, as a release would."""
    path = files(home) / name
    content = json.loads(path.read_text("utf-8"))
    change(content)
    path.write_text(json.dumps(content), "utf-8")
    if name != artifact.MANIFEST:
        (files(home) / artifact.MANIFEST).write_bytes(artifact.manifest(files(home)))


@pytest.mark.parametrize("name", ["model.json", "manifest.json"])
def test_a_champion_of_a_newer_format_is_refused(ready: Home, name: str) -> None:
    rewritten(ready, name, lambda content: content.update(format_version=3))

    refused(ready, name, "format_version", "3", "newer release", "upgrade")


def test_a_champion_of_another_split_is_judged_on_what_came_after_it_alone(ready: Home) -> None:
    rewritten(ready, "model.json", lambda content: content.update(split_version="2"))
    done = ready.run()

    evaluation = json.loads(
        (ready.runs / str(done.result["run_id"]) / "evaluation.json").read_text("utf-8")
    )
    judged = evaluation["judged"]
    assert judged["votes"] == judged["after_cutoff"] > 0
    assert (judged["out_of_fold"], judged["fixed_split"]) == (0, 0)


def test_a_champion_that_answers_otherwise_than_it_was_tested_is_refused(ready: Home) -> None:
    # Given a table and a manifest that agree with each other, but not with the self-test
    table = load_file(files(ready) / "table.safetensors")
    save_file(
        {name: 1 - values for name, values in table.items()}, files(ready) / "table.safetensors"
    )
    (files(ready) / artifact.MANIFEST).write_bytes(artifact.manifest(files(ready)))

    refused(ready, "self-test")


def newer(home: Home, key: str) -> None:
    """Let an item of the registry be of a format that comes later."""
    with closing(sqlite3.connect(home.folder / "registry.sqlite")) as registry, registry:
        (text,) = registry.execute("SELECT item FROM items WHERE key = ?", (key,)).fetchone()
        item = json.dumps(json.loads(text) | {"format_version": FORMAT_VERSION + 1})
        registry.execute("UPDATE items SET item = ? WHERE key = ?", (item, key))


@pytest.mark.parametrize("key", ["META", "ACTIVE"])
def test_a_registry_of_a_newer_format_is_refused(ready: Home, key: str) -> None:
    newer(ready, key)
    before = sorted(ready.store.glob("models/*/*"))

    later = str(FORMAT_VERSION + 1)
    clear(ready.run(), 1, "format_version", later, "newer release", "upgrade")

    assert sorted(ready.store.glob("models/*/*")) == before


def test_a_registry_that_is_garbage_is_refused_and_left_as_it_is(ready: Home) -> None:
    registry = ready.folder / "registry.sqlite"
    registry.write_bytes(b"not a database" * 1_000)

    clear(ready.run(), 1, "registry", "SQLite")

    assert registry.read_bytes() == b"not a database" * 1_000


def test_a_registry_that_is_lost_is_not_taken_for_a_new_one(ready: Home) -> None:
    versions = ready.published()
    (ready.folder / "registry.sqlite").unlink()

    clear(ready.run(), 2, "REGISTRY_URL", "belong together")

    assert ready.registry.active() is None
    assert ready.published() == versions


def test_a_snapshot_that_was_altered_fails_the_run_and_reading_anew_mends_it(ready: Home) -> None:
    (snapshot,) = ready.store.glob("runs/*/votes.parquet")
    snapshot.write_bytes(snapshot.read_bytes()[:-100])

    refused(ready, "snapshot", "--full")

    assert ready.run("--full").state == "promoted"


def test_a_snapshot_of_a_newer_format_is_passed_over_and_all_is_read_anew(ready: Home) -> None:
    (record,) = ready.store.glob("runs/*/run.json")
    content = json.loads(record.read_text("utf-8")) | {"format_version": 2}
    record.write_text(json.dumps(content), "utf-8")

    done = ready.run()

    assert (done.exit, done.state) == (0, "promoted"), done
    assert "passed over" in done.err
    assert "format_version" in done.err
