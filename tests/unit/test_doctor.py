"""The doctor finds each fault there can be, tells its remedy, and touches nothing."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from common.errors import StoreError
from common.registry.records import Run
from common.store.directory import DirectoryStore
from task.doctor import check_store, versions_kept
from tests.architecture.code import ROOT
from tests.unit.place import Place

if TYPE_CHECKING:
    from common.store.s3 import S3Store

CHECKS = [
    *("password", "database", "rights", "encryption", "clock", "table", "index", "times", "votes"),
    *("store", "registry", "active version", "hold", "lease", "serving"),
    *("work folder", "log folder", "torch"),
]


def examined(place: Place, **changes: str) -> tuple[int, dict[str, dict[str, str]]]:
    """The exit status, and each finding by its name."""
    answer = place.task("doctor", "--json", **changes)
    assert "Traceback" not in answer.err
    found: dict[str, Any] = answer.result
    faults = sum(check["answer"] == "fault" for check in found["checks"])
    assert (found["faults"], answer.exit) == (faults, 1 if faults else 0)
    return answer.exit, {check["name"]: check for check in found["checks"]}


def test_a_healthy_loop_has_no_fault_and_one_table_tells_it(learned: Place) -> None:
    # When
    code, checks = examined(learned)
    shown = learned.task("doctor")

    # Then
    assert code == 0
    assert list(checks) == CHECKS
    # A file that this user may write is all there is to say.
    assert [name for name, check in checks.items() if check["answer"] != "ok"] == ["rights"]
    assert "m-a is whole and passes its self-test" in shown.out
    assert "0 faults, 1 warnings" in shown.out


def test_before_the_first_run_nothing_is_missed(unlearned: Place) -> None:
    code, checks = examined(unlearned)

    assert code == 0
    assert checks["active version"]["says"] == "none yet: the first run makes it"
    total, new = re.findall(r"\d+", checks["votes"]["says"])
    assert total == new != "0"


def test_it_leaves_a_loop_as_it_was(learned: Place) -> None:
    before = learned.everything()

    examined(learned)

    assert learned.everything() == before


def test_without_addresses_every_check_still_runs(unlearned: Place) -> None:
    nothing = dict.fromkeys(unlearned.addresses, "")

    code, checks = examined(unlearned, **nothing)

    assert code == 1
    faults = {name: check["says"] for name, check in checks.items() if check["answer"] == "fault"}
    assert "DATABASE_URL must be set" in faults["database"]
    assert "STORE_URL must be set" in faults["store"]
    assert "REGISTRY_URL must be set" in faults["registry"]
    assert "SERVING_URL must be set" in faults["serving"]
    assert checks["work folder"]["answer"] == checks["log folder"]["answer"] == "ok"


class Forgetful(DirectoryStore):
    """A store that keeps nothing of what it is given."""

    def read(self, key: str) -> bytes:
        return b""


class Lax(DirectoryStore):
    """A store in which an object can be created twice."""

    def create(self, key: str, data: bytes) -> None:
        self.put(key, data)


class Hoarding(DirectoryStore):
    """A store from which nothing goes away."""

    def delete(self, key: str) -> None:
        pass


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        (Forgetful, "must read back as written"),
        (Lax, "must not be created twice"),
        (Hoarding, "must be gone once deleted"),
    ],
)
def test_a_store_that_does_not_keep_its_promises_is_a_fault(
    tmp_path: Path, kind: type[DirectoryStore], says: str
) -> None:
    answer, told = check_store(kind(tmp_path / "store"), "doctor/probe")

    assert answer == "fault"
    assert says in told


class Silent:
    """A bucket whose settings this process may not read."""

    def is_versioned(self) -> bool:
        raise StoreError("got AccessDenied: allow it")


def test_a_bucket_that_does_not_tell_whether_it_is_versioned_is_only_warned_of() -> None:
    found = versions_kept(cast("S3Store", Silent()))

    assert (found.answer, found.says) == ("warn", "got AccessDenied: allow it")


def drop_table(place: Place) -> None:
    place.execute("DROP TABLE analysis_history")


def drop_column(place: Place) -> None:
    place.execute("ALTER TABLE analysis_history DROP COLUMN face_shape")


def no_database(place: Place) -> None:
    place.votes.unlink()


def no_sqlite(place: Place) -> None:
    place.votes.write_bytes(b"no database at all " * 100)


def store_is_a_file(place: Place) -> None:
    (place.folder / "store").rename(place.folder / "moved")
    (place.folder / "store").write_text("no folder")


def damaged_registry(place: Place) -> None:
    (place.folder / "registry.sqlite").write_bytes(b"no registry at all " * 100)


def newer_registry(place: Place) -> None:
    with sqlite3.connect(place.folder / "registry.sqlite") as db:
        db.execute("""UPDATE items SET item = '{"format_version": 99}' WHERE key = 'META'""")
    db.close()


def damaged_version(place: Place) -> None:
    (place.folder / "store/models/m-a/table.safetensors").write_bytes(b"cut")


def lost_version(place: Place) -> None:
    (place.folder / "store/models/m-a/manifest.json").unlink()


def newer_version(place: Place) -> None:
    path = place.folder / "store/models/m-a/manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format_version": 99}))


def lost_registry(place: Place) -> None:
    (place.folder / "registry.sqlite").unlink()


def work_is_a_file(place: Place) -> None:
    (place.folder / "work").rename(place.folder / "moved")
    (place.folder / "work").write_text("no folder")


@pytest.mark.parametrize(
    ("spoil", "check", "says"),
    [
        (no_database, "database", "there is no file"),
        (no_sqlite, "database", "cannot be read as an SQLite database"),
        (drop_table, "table", "must have a table analysis_history, found none"),
        (drop_column, "table", "got no face_shape"),
        (store_is_a_file, "store", "must be readable and writable"),
        (damaged_registry, "registry", "must be a SQLite file"),
        (newer_registry, "registry", "a newer release wrote it"),
        (damaged_version, "active version", "table.safetensors must have the sha256"),
        (lost_version, "active version", "must be a published version"),
        (newer_version, "active version", "a newer release wrote it"),
        (lost_registry, "active version", "STORE_URL and REGISTRY_URL must belong together"),
        (work_is_a_file, "work folder", "WORK_DIR must be a folder that can be written"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_each_fault_is_found_and_told(
    learned: Place, spoil: Callable[[Place], None], check: str, says: str
) -> None:
    spoil(learned)

    code, checks = examined(learned)

    assert (code, checks[check]["answer"]) == (1, "fault")
    assert says in checks[check]["says"]
    # And the last check was made as well
    assert checks["torch"]["answer"] == "ok"


@pytest.mark.parametrize(
    ("name", "value", "check", "says"),
    [
        ("DATABASE_URL", "postgres://x/y", "database", "DATABASE_URL must be one of"),
        ("DATABASE_URL", "mysql://u@example.com/d", "database", "set DB_CA"),
        ("STORE_URL", "s4://bucket", "store", "STORE_URL must be"),
        ("REGISTRY_URL", "redis://x", "registry", "REGISTRY_URL must be"),
        ("SERVING_URL", "ftp://x", "serving", "SERVING_URL must be none"),
        ("LOG_DIR", "votes.sqlite", "log folder", "LOG_DIR must be a folder"),
    ],
)
def test_an_address_that_cannot_be_meant_is_a_fault(
    learned: Place, name: str, value: str, check: str, says: str
) -> None:
    code, checks = examined(learned, **{name: value})

    assert (code, checks[check]["answer"]) == (1, "fault")
    assert says in checks[check]["says"]


def test_a_missing_index_is_warned_of_with_the_statement_that_makes_it(learned: Place) -> None:
    # Given a table without the index
    learned.execute("DROP INDEX ix_feedback_at")

    # When
    code, before = examined(learned)
    learned.execute(before["index"]["says"].partition(": ")[2])
    _, after = examined(learned)

    # Then the statement it gives is the remedy
    assert code == 0
    assert (before["index"]["answer"], after["index"]["answer"]) == ("warn", "ok")


def test_a_run_that_would_be_skipped_is_told_and_is_no_fault(learned: Place) -> None:
    code, checks = examined(learned)

    assert (code, checks["votes"]["answer"]) == (0, "ok")
    assert "a run now would be skipped (nothing new" in checks["votes"]["says"]


def test_a_hold_is_warned_of(tall: Place) -> None:
    tall.json("rollback")

    code, checks = examined(tall)

    assert (code, checks["hold"]["answer"]) == (0, "warn")
    assert "until `resume`" in checks["hold"]["says"]


@pytest.mark.parametrize(
    ("age", "answer", "says"),
    [
        pytest.param(0, "ok", "somebody holds it until", id="held"),
        pytest.param(120, "warn", "somebody died with it", id="expired"),
    ],
)
def test_a_lease_is_told_and_one_of_the_dead_is_warned_of(
    learned: Place, age: float, answer: str, says: str
) -> None:
    then = datetime.now(UTC) - timedelta(seconds=age)
    run = Run(run_id="m-other", created_at=then)
    learned.registry.launch(run, owner="somebody", lease_seconds=60, now=then)

    _, checks = examined(learned)

    assert checks["lease"]["answer"] == answer
    assert says in checks["lease"]["says"]


def test_what_may_not_be_written_is_a_fault(learned: Place) -> None:
    # Given a registry and a folder that only may be read
    (learned.folder / "registry.sqlite").chmod(0o400)
    (learned.folder / "work").chmod(0o500)
    if os.access(learned.folder / "work", os.W_OK):
        pytest.skip("nothing is forbidden to root")

    # When
    try:
        code, checks = examined(learned)
    finally:
        (learned.folder / "work").chmod(0o700)

    # Then
    assert code == 1
    assert checks["registry"]["answer"] == checks["work folder"]["answer"] == "fault"


def test_torch_is_asked_for_only_when_a_candidate_needs_it(learned: Place) -> None:
    _, without = examined(learned)
    _, needed = examined(learned, RETRAIN_CANDIDATES="auto")

    assert without["torch"]["says"] == "not needed: candidates is hierarchical"
    assert needed["torch"]["says"].startswith("version ")


def test_a_missing_torch_is_a_fault_when_a_candidate_needs_it(learned: Place) -> None:
    # Given an installation whose torch cannot be loaded
    (learned.folder / "torch.py").write_text("raise ImportError('libgomp.so.1 is missing')")
    environment = os.environ | learned.addresses | {"PYTHONPATH": str(ROOT)}

    # When
    done = subprocess.run(
        [sys.executable, "-m", "task", "doctor", "--json"],
        cwd=learned.folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    # Then
    (torch,) = (check for check in json.loads(done.stdout)["checks"] if check["name"] == "torch")
    assert (done.returncode, torch["answer"]) == (1, "fault")
    assert "libgomp.so.1 is missing" in torch["says"]
    assert "set candidates to hierarchical" in torch["says"]
