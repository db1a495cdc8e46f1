"""From the verdict to the pointer: who wins a race, and what is left of whoever loses."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from safetensors.numpy import load_file, save_file

from common.errors import ChampionChangedError, LeaseLostError
from common.registry.records import Hold
from task import artifact, deploy
from tests.unit.judged import Clock, concluded, evidence
from tests.unit.place import Place

HOLD = Hold(since=datetime(2026, 11, 22, tzinfo=UTC), reason="rolled back", version="m-a")


@pytest.mark.parametrize(
    ("decision", "auto_deploy", "hold", "missing", "state", "says"),
    [
        ("promote", True, None, None, "served", "why"),
        ("promote", True, None, "not proved in service", "promoted", "why"),
        ("promote", False, None, None, "approved", "auto_deploy is off"),
        ("promote", True, HOLD, None, "approved", "on hold since 2026-11-22T00:00:00+00:00"),
        ("promote", False, HOLD, "not proved in service", "approved", "on hold since"),
        ("reject", True, None, None, "rejected", "why"),
        ("reject", True, HOLD, None, "rejected", "why"),
        ("inconclusive", True, None, None, "inconclusive", "why"),
        ("inconclusive", False, HOLD, None, "inconclusive", "why"),
    ],
)
def test_a_verdict_leads_to_one_state_and_a_person_outranks_it(
    decision: str,
    auto_deploy: bool,
    hold: Hold | None,
    missing: str | None,
    state: str,
    says: str,
) -> None:
    verdict = {"decision": decision, "reason": "why"}

    planned, reason = deploy.plan(verdict, auto_deploy=auto_deploy, hold=hold, missing=missing)

    assert planned == state
    assert says in reason
    assert "why" in reason


def test_the_better_model_is_published_and_promoted_with_its_history(judged: Place) -> None:
    # When
    run = concluded(judged, Clock())

    # Then registry, history and evidence say the same
    assert (run.state, run.version, run.previous, run.serial, run.exit) == (
        "promoted",
        "m-b",
        "m-a",
        2,
        0,
    )
    entry = judged.registry.history()[-1]
    assert (entry.version, entry.run_id, entry.metrics) == ("m-b", "m-b", run.metrics)
    assert run.champion_metrics["f1"] < run.metrics["f1"]
    assert (evidence(judged)["state"], evidence(judged)["reason"]) == ("promoted", run.reason)
    assert "runs/m-b/votes.parquet" in judged.store.keys("runs/m-b/")


def test_a_person_who_promotes_first_wins_and_the_loser_changes_nothing(judged: Place) -> None:
    # Given a person who promoted another version after the verdict
    judged.publish_copy("m-c")
    judged.json("promote", "m-c")
    history = judged.registry.history()

    # When
    answer = judged.task("deploy", "--run", "m-b", "--json")

    # Then
    assert (answer.exit, answer.result["state"]) == (ChampionChangedError.exit_code, "failed")
    assert "run again, against the new one" in answer.result["reason"]
    assert (judged.active, judged.registry.history()) == ("m-c", history)
    run = judged.registry.run("m-b")
    assert run is not None
    assert (run.state, run.exit) == ("failed", 5)
    assert (evidence(judged)["state"], evidence(judged)["exit"]) == ("failed", 5)
    assert judged.registry.lease() is None


def test_a_hold_leaves_the_version_published_and_approved(judged: Place) -> None:
    judged.registry.set_hold(HOLD)

    run = concluded(judged, Clock())

    assert (run.state, run.version, run.serial) == ("approved", "m-b", None)
    assert "promotion is on hold" in run.reason
    assert judged.active == "m-a"
    assert "models/m-b/manifest.json" in judged.store.keys("models/m-b/")


def test_a_hold_in_the_last_moment_still_wins(judged: Place) -> None:
    # Given a person who rolls back between the publication and the promotion
    clock = Clock()

    def hold_later() -> None:
        clock.happen = lambda: judged.registry.set_hold(HOLD)

    # When
    run = concluded(judged, clock, before=hold_later)

    # Then registry and evidence agree that nothing was promoted
    assert (run.state, run.exit, judged.active) == ("approved", 0, "m-a")
    assert "nothing is promoted while promotion is on hold" in run.reason
    assert (evidence(judged)["state"], evidence(judged)["reason"]) == ("approved", run.reason)


def test_an_expired_lease_promotes_nothing(judged: Place) -> None:
    # Given a run that slept longer than its lease
    clock = Clock()

    def oversleep() -> None:
        clock.ahead = timedelta(hours=1)

    # When
    with pytest.raises(LeaseLostError):
        concluded(judged, clock, before=oversleep)

    # Then
    run = judged.registry.run("m-b")
    assert run is not None
    assert (run.state, run.exit, judged.active) == ("failed", 5, "m-a")
    assert len(judged.registry.history()) == 1


def test_a_rejected_model_is_never_published(judged: Place) -> None:
    # Given a verdict against it
    path = judged.work / "m-b" / "verdict.json"
    verdict = json.loads(path.read_text("utf-8")) | {"decision": "reject", "reason": "worse"}
    path.write_text(json.dumps(verdict), "utf-8")

    # When
    run = concluded(judged, Clock())

    # Then its evidence is kept, and no version
    assert (run.state, run.reason, run.version) == ("rejected", "worse", None)
    said = evidence(judged)
    assert (said["state"], said["exit"], said["version"]) == ("rejected", 0, None)
    assert judged.store.keys("models/m-b/") == []
    assert {key.split("/")[2] for key in judged.store.keys("runs/m-b/")} == {
        *("run.json", "verdict.json", "training.json", "evaluation.json"),
        *("report.html", "votes.parquet"),
    }


def _turned_round(model: Path) -> None:
    """Every like becomes a dislike."""
    path = model / artifact.TABLE
    save_file({name: 1 - values for name, values in load_file(path).items()}, path)


def _with_its_self_test(model: Path) -> None:
    """The self-test is written again, so that it passes."""
    cells = artifact.read_self_test(model)["cells"]
    _turned_round(model)
    artifact.write_self_test(model, cells)


def _with_its_cells(model: Path) -> None:
    """The votes of the self-test are turned round too, so that the log-loss is the same."""
    cells = artifact.read_self_test(model)["cells"]
    _turned_round(model)
    artifact.write_self_test(model, [[*cell[:3], cell[4], cell[3]] for cell in cells])


def _with_other_folds(model: Path) -> None:
    """What would judge it from now on is another model's."""
    path = model / artifact.FOLD_TABLES
    tensors = load_file(path)
    save_file(tensors | {"like": 1 - tensors["like"]}, path)


def _without_weights(model: Path) -> None:
    """What is not needed to serve is gone."""
    (model / artifact.MODEL).unlink()


def _without_folds(model: Path) -> None:
    (model / artifact.FOLD_TABLES).unlink()


@pytest.mark.parametrize(
    ("alter", "says"),
    [
        (_turned_round, "must be the one that was evaluated"),
        (_with_its_self_test, "must be the one that was evaluated"),
        (_with_its_cells, "must be the one that was evaluated"),
        (_with_other_folds, "must be the one that was evaluated"),
        (_without_weights, "model.safetensors"),
        (_without_folds, "folds.safetensors"),
    ],
)
def test_a_model_that_was_altered_after_its_verdict_is_not_even_published(
    judged: Place, alter: Callable[[Path], None], says: str
) -> None:
    # Given files that are not those that were judged
    alter(judged.work / "m-b" / "model")

    # When
    answer = judged.task("deploy", "--run", "m-b", "--json")

    # Then
    assert (answer.exit, judged.active) == (1, "m-a")
    assert says in answer.out + answer.err
    assert judged.store.keys("models/m-b/") == []
    run = judged.registry.run("m-b")
    assert run is not None
    assert (run.state, run.serial) == ("failed", None)


def test_an_earlier_verdict_is_not_counted_as_new_again(judged: Place) -> None:
    # Given the deployment of the newest votes
    run = concluded(judged, Clock())
    assert run.cutoff == datetime.fromisoformat(evidence(judged)["cutoff"])

    # Then the next run has nothing to learn from
    assert judged.json("run")["reason"].startswith("nothing new")


def test_a_failed_run_does_not_make_its_votes_old(judged: Place) -> None:
    # Given a deployment that failed
    judged.publish_copy("m-c")
    judged.json("promote", "m-c")
    assert judged.task("deploy", "--run", "m-b").exit == 5

    # Then the votes are new to the next run
    outcome = judged.json("run", "--run-id", "m-d")
    assert outcome["counts"]["new_votes"] > 1_000
    assert outcome["previous_version"] == "m-c"
