"""A disk that fills up while a stage writes: a clear error, and nothing half done.

A full disk is made with RLIMIT_FSIZE, for which nobody needs to be root: from a given file on,
nothing in the loop's folder can be written (EFBIG instead of ENOSPC), while the registry, which
would lie on another disk, still can. One test fills the registry's disk, too.
"""

from __future__ import annotations

import re
import resource
from collections.abc import Mapping

import pytest

from task.base import generate, write_csv
from tests.e2e.home import Done, Home, clear, finished

FULL_FROM: dict[str, dict[str, str]] = {
    "export": {"path": "votes.parquet.partial"},
    "export, its record": {"path": ".run.json.new"},
    "prepare, a given base": {"path": "/base.csv"},
    "prepare, the cells": {"path": "/base.csv", "function": "read_csv"},
    "train": {"path": "/prepared.json", "function": "train_model"},
    "evaluate, the champion": {"path": "/champion/"},
    "evaluate": {"path": ".evaluation.json.new"},
    "evaluate, the self-test": {"path": "/self_test.json", "function": "write_self_test"},
    "report": {"path": "/report.html", "function": "render"},
    "publish, the run": {"path": "/store/runs/", "function": "put"},
    "publish, the model": {"path": "/store/models/", "function": "put"},
    "publish, the manifest": {"path": "/store/models/", "function": "create"},
}
"""The file from which on the disk is full, by what is being written."""


def on_full_disk(home: Home, point: Mapping[str, str], *options: str) -> Done:
    return home.paused({**point, "fill": str(home.folder)}, *options).end()


@pytest.mark.parametrize("writing", FULL_FROM)
def test_a_full_disk_fails_the_run_and_says_what_to_do(ready: Home, writing: str) -> None:
    # Given a run whose disk fills up
    base = ready.folder / "given.csv"
    write_csv(base, generate(200, 0))
    before = ready.champion()
    done = on_full_disk(ready, FULL_FROM[writing], "--base-csv", str(base))

    # Then it fails and says what to do, and the champion stays
    clear(done, 1)
    assert re.search(r"free some space|with room on its disk", done.result["reason"])
    assert ready.champion() == before
    assert ready.free()
    record = ready.last_run()
    assert (record.state, record.exit, record.reason) == ("failed", 1, done.result["reason"])


def test_with_room_on_the_disk_the_next_run_does_the_work(ready: Home) -> None:
    for writing in ("export", "publish, the manifest"):
        assert on_full_disk(ready, FULL_FROM[writing]).exit == 1

    assert ready.run().state == "promoted"
    assert ready.free()


def test_a_disk_that_fills_up_after_the_promotion_does_not_undo_it(ready: Home) -> None:
    done = on_full_disk(ready, {"path": ".run.json.new", "function": "_after"})

    assert (done.exit, done.state) == (0, "promoted"), done
    assert "could not be completed" in done.err
    active = ready.champion()[0]
    assert active is not None
    assert active.version == done.result["version"] == ready.last_run().version
    assert ready.free()


def test_a_registry_without_room_for_the_promotion_promotes_nothing(ready: Home) -> None:
    before = ready.champion()
    promotion = {"event": "sqlite3.connect", "path": "registry.sqlite", "function": "promote"}

    done = on_full_disk(ready, promotion)

    clear(done, 1, "registry", "disk")
    assert ready.champion() == before
    assert ready.last_run().state == "failed"
    assert ready.free()


def test_a_disk_that_is_full_everywhere_fails_the_run(ready: Home) -> None:
    before = ready.champion()

    unmeasured = {"COVERAGE_PROCESS_CONFIG": ""}  # coverage could not write either

    run = ready.started(lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)), **unmeasured)

    clear(finished(run), 1, "registry", "disk")
    assert ready.champion() == before
