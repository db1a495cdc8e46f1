"""What is asked of the SQLite registry alone: its address, its file, and what can befall it."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from common.errors import RegistryError, UsageError
from common.registry import Registry, open_registry
from common.registry.records import FORMAT_VERSION, Hold
from common.registry.sqlite import SqliteTable

NOW = datetime(2026, 11, 22, 2, tzinfo=UTC)
HOLD = Hold(since=NOW, reason="a person's", version="m-1")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "registry.sqlite"


@pytest.fixture
def registry(path: Path) -> Registry:
    return Registry(SqliteTable(path, busy_seconds=0.1))


def promote(registry: Registry, version: str, serial: int) -> None:
    registry.promote(
        version=version, sha=version, expected_serial=serial, action="promote", now=NOW
    )


def write_item(path: Path, key: str, item: str) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("INSERT OR REPLACE INTO items VALUES (?, ?)", (key, item))


# --- the address


def test_three_slashes_name_a_file_beside_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    registry = open_registry("sqlite:///registry.sqlite")
    # Going elsewhere later does not lead to another registry.
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")

    registry.set_hold(HOLD)

    assert (tmp_path / "registry.sqlite").is_file()


def test_four_slashes_name_an_absolute_path_whatever_characters_it_has(tmp_path: Path) -> None:
    path = tmp_path / "가일 #1 100%.sqlite"

    open_registry(f"sqlite:///{path}").set_hold(HOLD)

    assert path.is_file()


@pytest.mark.parametrize(
    "url",
    [
        "mysql://retrain:hunter2@db/registry",
        "registry.sqlite",
        "/var/registry.sqlite",
        "sqlite://registry.sqlite",
        "sqlite:///",
        "sqlite:///registry.sqlite?mode=ro",
        "",
    ],
)
def test_an_address_of_another_kind_is_refused_without_repeating_its_secrets(url: str) -> None:
    with pytest.raises(UsageError, match="REGISTRY_URL must be sqlite:///FILE") as refused:
        open_registry(url)

    assert "hunter2" not in str(refused.value)


# --- the file


def test_neither_opening_nor_reading_makes_the_file(registry: Registry, path: Path) -> None:
    assert registry.active() is None
    assert registry.runs() == []
    assert registry.history() == []

    assert list(path.parent.iterdir()) == []


def test_an_empty_file_is_read_as_it_is_and_becomes_a_registry_on_writing(
    registry: Registry, path: Path
) -> None:
    path.touch()

    assert registry.active() is None
    assert path.read_bytes() == b""
    registry.set_hold(HOLD)
    assert registry.hold() == HOLD


def test_the_table_has_one_keyed_item_per_record(registry: Registry, path: Path) -> None:
    promote(registry, "m-1", 0)
    registry.set_hold(HOLD)

    with closing(sqlite3.connect(path)) as db:
        items = dict(db.execute("SELECT key, item FROM items"))

    assert sorted(items) == ["ACTIVE", "HISTORY#0000000001", "HOLD", "META"]
    assert json.loads(items["META"]) == {"format_version": FORMAT_VERSION}
    assert json.loads(items["ACTIVE"])["version"] == "m-1"


@pytest.mark.parametrize("write", [False, True], ids=["reading", "writing"])
def test_a_folder_that_is_not_there_is_an_error_and_not_an_empty_registry(
    tmp_path: Path, write: bool
) -> None:
    registry = Registry(SqliteTable(tmp_path / "absent" / "registry.sqlite"))

    with pytest.raises(RegistryError, match="absent: make it, or correct REGISTRY_URL"):
        registry.set_hold(HOLD) if write else registry.active()

    assert not (tmp_path / "absent").exists()


def test_a_folder_in_the_place_of_the_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="must be a SQLite file"):
        Registry(SqliteTable(tmp_path)).active()


@pytest.mark.parametrize("write", [False, True], ids=["reading", "writing"])
def test_a_file_that_is_no_database_is_an_error_and_stays_as_it_is(
    registry: Registry, path: Path, write: bool
) -> None:
    path.write_bytes(b"face_shape,skin_tone,hairstyle\n" * 100)

    with pytest.raises(RegistryError, match="not a database"):
        registry.set_hold(HOLD) if write else registry.active()

    assert path.read_bytes() == b"face_shape,skin_tone,hairstyle\n" * 100


def test_a_truncated_file_is_an_error(registry: Registry, path: Path) -> None:
    for serial in range(40):
        promote(registry, f"m-{serial}", serial)
    os.truncate(path, path.stat().st_size // 2)

    with pytest.raises(RegistryError):
        registry.history()


def test_a_database_with_other_tables_is_refused_and_gets_no_table_of_ours(
    registry: Registry, path: Path
) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE analysis_history (id INTEGER)")

    with pytest.raises(RegistryError, match="a file of its own"):
        registry.set_hold(HOLD)
    with pytest.raises(RegistryError, match="a file of its own"):
        registry.active()

    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT name FROM sqlite_master").fetchall() == [("analysis_history",)]


def test_a_registry_of_a_newer_format_is_neither_read_nor_written(
    registry: Registry, path: Path
) -> None:
    promote(registry, "m-1", 0)
    write_item(path, "META", json.dumps({"format_version": FORMAT_VERSION + 1}))

    with pytest.raises(RegistryError, match=r"at most \d+, got \d+.*upgrade"):
        registry.active()
    with pytest.raises(RegistryError, match=r"at most \d+, got \d+.*upgrade"):
        promote(registry, "m-2", 1)

    write_item(path, "META", json.dumps({"format_version": FORMAT_VERSION}))
    assert len(registry.history()) == 1


@pytest.mark.parametrize("item", ["{", "[]", "{}", '{"format_version": 1}', "null"])
def test_a_damaged_item_is_an_error_and_never_no_champion(
    registry: Registry, path: Path, item: str
) -> None:
    promote(registry, "m-1", 0)
    write_item(path, "ACTIVE", item)

    with pytest.raises(RegistryError, match="restore it from a backup"):
        registry.active()
    with pytest.raises(RegistryError, match="restore it from a backup"):
        promote(registry, "m-2", 0)


# --- other processes and the disk


def test_a_registry_that_stays_locked_is_an_error(registry: Registry, path: Path) -> None:
    registry.set_hold(HOLD)

    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(RegistryError, match="locked"):
            registry.clear_hold()
        with pytest.raises(RegistryError, match="locked"):
            registry.hold()

    assert registry.hold() == HOLD


def test_a_promotion_that_meets_a_full_disk_changes_neither_active_nor_history(
    registry: Registry, path: Path, race: Callable[[str, list[dict[str, Any]]], list[str]]
) -> None:
    promote(registry, "m-1", 0)
    url = f"sqlite:///{path}"

    full = {"url": url, "version": "m-2", "serial": 1, "file_bytes": 4096}
    assert race("promote", [full]) == ["RegistryError"]

    active = registry.active()
    assert active is not None
    assert (active.version, len(registry.history())) == ("m-1", 1)
    assert race("promote", [full | {"file_bytes": None}]) == ["done"], "once there is room again"


# Changes the active version and much else, so that part of it is on disk before any commit.
KILLED_IN_MID_WRITE = """
import os, signal, sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("PRAGMA cache_size = 1")
db.execute("BEGIN IMMEDIATE")
db.execute("DELETE FROM items WHERE key IN ('ACTIVE', 'META')")
for number in range(200):
    db.execute("INSERT INTO items VALUES (?, ?)", (f"HISTORY#{number}", "half " * 400))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_writer_killed_in_mid_transaction_leaves_what_was_there_even_to_a_reader(
    registry: Registry, path: Path
) -> None:
    # Given a transaction that was half on disk when its process died
    promote(registry, "m-1", 0)
    size = path.stat().st_size
    killed = subprocess.run([sys.executable, "-c", KILLED_IN_MID_WRITE, str(path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert path.stat().st_size > size
    # When the next to come only reads
    active = registry.active()
    # Then nothing of it is to be seen
    assert active is not None
    assert active.version == "m-1"
    assert [entry.version for entry in registry.history()] == ["m-1"]
