"""`run --launched`: what a trigger has launched is claimed, and not judged by its minimum again."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from common.registry.records import Run
from tests.unit.place import Place

RUN_ID = "s-20261122T020000Z"
WORDS = ("run", "--run-id", RUN_ID, "--launched")


def launch(place: Place) -> None:
    """As the trigger does, before it starts the task."""
    now = datetime.now(UTC)
    run = Run(run_id=RUN_ID, created_at=now)
    place.registry.launch(run, owner="trigger/request", lease_seconds=600, now=now)


def test_a_launched_run_is_carried_out_whatever_the_minimums_say(unlearned: Place) -> None:
    # Given a trigger that launched with other minimums than the task's
    launch(unlearned)

    # When
    many = {"RETRAIN_MIN_FEEDBACK_COUNT": "1000", "RETRAIN_MIN_NEW_FEEDBACK": "1000"}
    outcome = unlearned.json(*WORDS, **many)

    # Then it runs, and its record says what the settings were
    assert (outcome["state"], outcome["version"], unlearned.active) == ("promoted", RUN_ID, RUN_ID)
    record = json.loads((unlearned.work / RUN_ID / "run.json").read_text("utf-8"))
    assert record["settings"]["min_feedback_count"] == 1000
    assert record["settings"]["skip_data_check"] is False
    # And a run by hand still counts
    assert unlearned.json("run", **many)["state"] == "skipped"


def test_without_any_vote_a_launched_run_is_skipped(unlearned: Place) -> None:
    launch(unlearned)
    unlearned.execute("DELETE FROM analysis_history")

    outcome = unlearned.json(*WORDS)

    assert (outcome["state"], outcome["reason"]) == ("skipped", "no votes yet")
    assert unlearned.registry.lease() is None


def test_a_second_task_ends_quietly_and_leaves_no_trace(unlearned: Place) -> None:
    # Given a task that has claimed the run
    launch(unlearned)
    unlearned.registry.claim(RUN_ID, task="first", lease_seconds=600, now=datetime.now(UTC))
    before = unlearned.everything()

    # When another one comes
    answer = unlearned.task(*WORDS, "--json")

    # Then
    assert (answer.exit, answer.result["state"]) == (0, "skipped")
    assert "a run is carried out once" in answer.result["reason"]
    assert unlearned.everything() == before
    assert not unlearned.work.exists()


def test_a_run_that_nobody_launched_is_an_error(unlearned: Place) -> None:
    before = unlearned.everything()

    answer = unlearned.task(*WORDS)

    assert answer.exit == 1
    assert "must be launched before it is claimed" in answer.err
    changed = unlearned.everything().items() - before.items()
    assert {name for name, _ in changed} <= {"registry.sqlite"}
    assert unlearned.registry.runs() == []


def test_launched_needs_the_run_that_it_is_about(unlearned: Place) -> None:
    answer = unlearned.task("run", "--launched")

    assert answer.exit == 2
    assert "--launched must come with --run-id" in answer.err


def test_a_dry_run_of_a_launched_run_does_not_count_either(unlearned: Place) -> None:
    said = unlearned.json(*WORDS, "--dry-run", RETRAIN_MIN_FEEDBACK_COUNT="1000")

    assert said["would_run"] is True


def test_the_evidence_names_the_revision_that_the_image_was_made_of(unlearned: Place) -> None:
    unlearned.json("run", "--run-id", "m-b", CODE_REVISION="0123abc")

    record = json.loads((unlearned.work / "m-b" / "run.json").read_text("utf-8"))
    assert record["code_revision"] == "0123abc"
    assert (record["image_digest"], record["task_arn"]) == (None, None)
