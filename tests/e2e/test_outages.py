"""What cannot be reached is a failure with an exit status, never "nothing to do"."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest

from tests.e2e.home import Done, Home, clear


def database_gone(home: Home) -> dict[str, str]:
    home.votes.unlink()
    return {}


def database_is_garbage(home: Home) -> dict[str, str]:
    home.votes.write_bytes(b"garbage" * 1_000)
    return {}


def database_is_a_folder(home: Home) -> dict[str, str]:
    home.votes.unlink()
    home.votes.mkdir()
    return {}


def database_is_cut_off(home: Home) -> dict[str, str]:
    data = home.votes.read_bytes()
    home.votes.write_bytes(data[: len(data) // 2])
    return {}


def nobody_listens(home: Home) -> dict[str, str]:
    return {"DATABASE_URL": "mysql://reader@127.0.0.1:1/hairme", "DB_PASSWORD": "a secret word"}


def store_unmounted(home: Home) -> dict[str, str]:
    return {"STORE_URL": (home.folder / "not mounted" / "store").as_uri()}


def store_is_a_file(home: Home) -> dict[str, str]:
    shutil.rmtree(home.store)
    home.store.write_text("a file")
    return {}


def registry_unmounted(home: Home) -> dict[str, str]:
    return {"REGISTRY_URL": f"sqlite:///{home.folder}/not mounted/registry.sqlite"}


def registry_is_a_folder(home: Home) -> dict[str, str]:
    (home.folder / "registry.sqlite").unlink()
    (home.folder / "registry.sqlite").mkdir()
    return {}


Outage = Callable[[Home], dict[str, str]]
DATABASE: list[Outage] = [
    database_gone,
    database_is_garbage,
    database_is_a_folder,
    database_is_cut_off,
    nobody_listens,
]
STORE: list[Outage] = [store_unmounted, store_is_a_file]
REGISTRY: list[Outage] = [registry_unmounted, registry_is_a_folder]


@pytest.mark.parametrize("outage", [*DATABASE, *STORE])
def test_an_outage_fails_the_run_and_its_record_says_so(trained: Home, outage: Outage) -> None:
    before = trained.registry.active(), trained.registry.history()

    done = trained.run("--min-new-feedback", "0", **outage(trained))

    clear(done, 1)
    assert (trained.registry.active(), trained.registry.history()) == before
    record = trained.last_run()
    assert (record.state, record.exit, record.reason) == ("failed", 1, done.result["reason"])
    assert trained.free()


@pytest.mark.parametrize("outage", REGISTRY)
def test_a_registry_that_cannot_be_reached_fails_the_run(trained: Home, outage: Outage) -> None:
    versions = trained.published()

    clear(trained.run(**outage(trained)), 1, "registry")

    assert trained.published() == versions


def test_an_outage_fails_an_export_by_hand(trained: Home) -> None:
    clear(trained.task("export", **database_gone(trained)), 1, "votes.sqlite")


def test_an_outage_fails_a_dry_run(trained: Home) -> None:
    clear(trained.task("run", "--dry-run", **database_gone(trained)), 1, "votes.sqlite")


@pytest.mark.parametrize("name", ["DATABASE_URL", "SERVING_URL"])
def test_an_address_that_is_not_set_is_wrong_usage(trained: Home, name: str) -> None:
    clear(trained.run(**{name: ""}), 2, name)


def test_a_work_folder_that_cannot_be_made_fails_the_run(ready: Home) -> None:
    before = ready.champion()
    (ready.folder / "occupied").write_text("a file")

    done: Done = ready.run(WORK_DIR=str(ready.folder / "occupied" / "work"))

    clear(done, 1, "WORK_DIR")
    assert ready.champion() == before
    assert ready.free()
