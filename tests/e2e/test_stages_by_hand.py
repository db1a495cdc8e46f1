"""The stages one by one do what `run` does, and say what is missing when one was left out."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.e2e.home import Home, clear, digest

FAST = ("--candidates", "hierarchical")


@pytest.fixture(scope="module")
def judged_home(ready_home: Home, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """All stages but the last were done by hand; nothing is deployed."""
    home = ready_home.copy(tmp_path_factory.mktemp("judged"))
    shutil.rmtree(home.runs)
    for stage in ("export", "prepare", "train", "evaluate"):
        done = home.task(stage, *FAST)
        assert done.exit == 0, done
    return home


@pytest.fixture
def judged(judged_home: Home, tmp_path: Path) -> Home:
    return judged_home.copy(tmp_path / "judged")


def bytes_of(folder: Path) -> dict[str, str]:
    names = (
        "votes.parquet",
        "cells.safetensors",
        "model/table.safetensors",
        "model/self_test.json",
    )
    return {name: digest(folder / name) for name in names}


def test_the_stages_one_by_one_promote_what_a_run_promotes(judged: Home, ready: Home) -> None:
    before = judged.champion()
    assert before == ready.champion()

    done, whole = judged.task("deploy"), ready.run()

    assert (done.exit, done.state) == (0, "promoted"), done
    assert judged.champion() != before
    here, there = judged.runs / done.result["run_id"], ready.runs / whole.result["run_id"]
    assert bytes_of(here) == bytes_of(there)
    assert done.result["verdict"] == whole.result["verdict"]
    assert judged.free()


def test_a_stage_that_was_left_out_is_named(ready: Home) -> None:
    shutil.rmtree(ready.runs)
    clear(ready.task("deploy"), 2, "export")
    assert ready.task("export").exit == 0
    clear(ready.task("train"), 1, "prepare")
    clear(ready.task("deploy"), 1, "evaluate")


def test_a_failed_deployment_is_not_success_the_second_time_either(judged: Home) -> None:
    # Given a deployment by hand that failed as the store was away
    before = judged.champion()
    away = {"STORE_URL": (judged.folder / "not mounted" / "store").as_uri()}
    clear(judged.task("deploy", **away), 1, "store")

    # Then the same again does not end as if it were done
    clear(judged.task("deploy"), 1, "failed", "starts another run")
    assert judged.champion() == before
    assert judged.free()


def test_a_deployment_by_hand_does_not_cross_a_run(judged: Home) -> None:
    (verdict,) = judged.runs.glob("*/verdict.json")
    run = judged.paused({"path": "model/model.json"})
    run.wait()

    done = judged.task("deploy", "--run", verdict.parent.name)

    assert (done.exit, done.state) == (0, "skipped"), done
    assert "holds the lease" in done.result["reason"]
    assert run.end().state == "promoted"


@pytest.mark.parametrize(
    "words",
    [
        ("run", "--run-id", "m-1'; DROP TABLE analysis_history; --"),
        ("run", "--min-improvement", "'; DROP TABLE analysis_history; --"),
        ("run", "--candidates", "💇"),
        ("run", "--base-csv", "no such 'file'; --"),
        ("prepare", "--run", "m-🙂"),
        ("rollback", "m-1' OR '1'='1"),
    ],
)
def test_quotes_and_sql_in_settings_are_wrong_usage(trained: Home, words: tuple[str, ...]) -> None:
    before = trained.champion()

    done = trained.task(*words, *(("--min-new-feedback", "0") if words[0] == "run" else ()))

    clear(done, 2)
    assert trained.champion() == before
    assert trained.free()
    with trained.table() as table:
        assert table.execute("SELECT COUNT(*) > 0 FROM analysis_history").fetchone() == (1,)


def test_quotes_and_spaces_in_addresses_are_only_names(ready: Home) -> None:
    odd = ready.copy(ready.folder / 'it\'s; DROP TABLE "x" -- 100% 💇')

    done = odd.run()

    assert (done.exit, done.state) == (0, "promoted"), done
