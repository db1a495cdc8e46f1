"""The command `run`: its ends, its one JSON object, and what it leaves alone."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta

import pytest

from common.registry import open_registry
from common.registry.records import Run
from task import versions
from tests.unit.place import CHANGED, Place

FIELDS = {
    *("run_id", "state", "version", "previous_version", "reason", "verdict", "metrics"),
    *("counts", "warnings", "data_fingerprint", "seconds_by_stage", "report", "exit"),
}


def test_a_first_run_promotes_and_says_all_of_it_in_one_object(unlearned: Place) -> None:
    # When
    outcome = unlearned.json("run", "--run-id", "m-b")

    # Then
    assert outcome.keys() == FIELDS
    assert (outcome["state"], outcome["version"], outcome["previous_version"]) == (
        "promoted",
        "m-b",
        None,
    )
    assert outcome["verdict"]["decision"] == "promote"
    assert {check["name"] for check in outcome["verdict"]["checks"]} >= {"self_test", "floor_f1"}
    assert outcome["counts"].keys() == {
        *("read", "rejected_by_reason", "votes", "new_votes"),
    }
    assert outcome["metrics"]["champion"] == {}
    assert outcome["seconds_by_stage"].keys() == {
        *("export", "prepare", "train", "evaluate", "publish"),
    }
    assert (unlearned.folder / outcome["report"]).is_file()
    assert unlearned.active == "m-b"


def test_a_person_is_shown_the_checks_and_the_report(unlearned: Place) -> None:
    answer = unlearned.task("run", "--run-id", "m-b")

    assert answer.exit == 0
    assert "promoted  m-b" in answer.out
    assert re.search(r"self_test +pass", answer.out)
    assert "report: work/m-b/report.html" in answer.out


def test_a_run_by_hand_is_named_after_its_time(unlearned: Place) -> None:
    before = datetime.now(UTC)

    named = unlearned.json("run", "--dry-run")["run_id"]

    at = datetime.strptime(named[:-4], "m-%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    assert timedelta(seconds=-1) < at - before < timedelta(seconds=60)
    assert named.endswith("Z")


@pytest.mark.parametrize(
    ("changes", "would", "reason"),
    [
        pytest.param({}, True, None, id="enough votes"),
        pytest.param({"RETRAIN_MIN_FEEDBACK_COUNT": "1000"}, False, "too few votes: ", id="few"),
    ],
)
def test_a_dry_run_says_whether_it_would_and_changes_nothing(
    unlearned: Place, changes: dict[str, str], would: bool, reason: str | None
) -> None:
    before = unlearned.everything()

    said = unlearned.json("run", "--dry-run", **changes)

    assert said["would_run"] is would
    assert reason is None or said["reason"].startswith(reason)
    assert unlearned.everything() == before


def test_too_few_votes_skip_the_run_unless_the_minimum_is_not_asked_for(unlearned: Place) -> None:
    few = unlearned.json("run", "--run-id", "m-few", "--min-feedback", "1000")
    unasked = unlearned.json("run", "--min-feedback", "1000", "--skip-data-check")

    assert few["state"] == "skipped"
    assert few["reason"].startswith("too few votes: ")
    assert re.search(r" of 1,000; \d+ cells are in unknown spellings and count", few["reason"])
    assert few["counts"] is None
    assert unasked["state"] == "promoted"


def test_no_votes_at_all_skip_the_run_even_without_a_minimum(unlearned: Place) -> None:
    unlearned.execute("DELETE FROM analysis_history")

    outcome = unlearned.json("run", "--skip-data-check")

    assert (outcome["state"], outcome["reason"]) == ("skipped", "no votes yet")


def test_votes_that_are_all_rejected_skip_the_run(unlearned: Place) -> None:
    unlearned.execute("DELETE FROM analysis_history WHERE id > 20")
    unlearned.execute("UPDATE analysis_history SET recommended_styles = 'no JSON'")

    outcome = unlearned.json("run", "--skip-data-check")

    assert outcome["state"] == "skipped"
    assert "no usable votes" in outcome["reason"]
    assert "malformed_json" in outcome["reason"]
    assert unlearned.registry.runs()[0].state == "skipped"


def test_nothing_new_skips_the_run_and_leaves_the_last_verdict_where_it_was(
    learned: Place,
) -> None:
    # Given a verdict, and nobody has voted since
    # When two runs come
    first, second = learned.json("run"), learned.json("run")

    # Then
    for outcome in (first, second):
        assert outcome["state"] == "skipped"
        assert outcome["reason"] == "nothing new: 0 of 1 votes since the last verdict"
    assert learned.active == "m-a"


def test_a_held_lease_skips_the_run_and_names_its_owner(unlearned: Place) -> None:
    # Given somebody else at work
    now = datetime.now(UTC)
    other = Run(run_id="m-other", created_at=now)
    unlearned.registry.launch(other, owner="somebody", lease_seconds=60, now=now)

    # When
    outcome = unlearned.json("run")

    # Then
    assert outcome["state"] == "skipped"
    assert "somebody holds the lease until" in outcome["reason"]
    assert [run.run_id for run in unlearned.registry.runs()] == ["m-other"]


def test_the_same_run_twice_is_carried_out_once(learned: Place) -> None:
    before = learned.everything()

    answer = learned.task("run", "--run-id", "m-a", "--json")

    assert (answer.exit, answer.result["state"]) == (0, "skipped")
    assert "a run is carried out once" in answer.result["reason"]
    assert learned.everything() == before


def test_all_votes_alike_stop_the_run_and_leave_the_champion(learned: Place) -> None:
    # Given a bug upstream
    learned.like_everything()

    # When
    answer = learned.task("run", "--run-id", "m-b", "--json")

    # Then
    assert (answer.exit, answer.result["state"], learned.active) == (3, "data_stopped", "m-a")
    assert "class_balance" in answer.result["reason"]
    # And its evidence is kept, without the votes
    assert "runs/m-b/run.json" in learned.store.keys("runs/m-b/")
    assert "runs/m-b/votes.parquet" not in learned.store.keys("runs/m-b/")
    assert learned.registry.runs()[0].exit == 3


def test_a_challenger_that_learned_the_new_tastes_replaces_the_champion(learned: Place) -> None:
    # Given people with other tastes
    learned.vote(1_500, world=CHANGED, seed=2)

    # When
    outcome = learned.json("run", "--run-id", "m-b")

    # Then
    assert (outcome["state"], outcome["version"], outcome["previous_version"]) == (
        "promoted",
        "m-b",
        "m-a",
    )
    assert outcome["metrics"]["challenger"]["f1"] > outcome["metrics"]["champion"]["f1"]
    lines = learned.folder / "history.json"
    learned.json("history", "--export", str(lines))
    last = json.loads(lines.read_text("utf-8"))[-1]
    assert last["current_model_metrics"]["f1"] == outcome["metrics"]["champion"]["f1"]


def test_a_run_that_is_approved_while_on_hold_is_promoted_by_hand_after_resume(
    tall: Place,
) -> None:
    # Given a person who has rolled back, and a better model
    tall.json("rollback")
    tall.vote(1_500, world=CHANGED, seed=2)

    # When
    outcome = tall.json("run", "--run-id", "m-better")
    held = tall.active
    tall.json("resume")
    tall.json("promote", "m-better")

    # Then
    assert (outcome["state"], outcome["version"]) == ("approved", "m-better")
    assert "promotion is on hold" in outcome["reason"]
    assert (held, tall.active) == ("m-c", "m-better")


def test_a_run_that_fails_says_so_in_the_same_shape_and_closes_its_record(
    learned: Place,
) -> None:
    # Given a champion that cannot be scored, and something new
    (learned.folder / "store/models/m-a/table.safetensors").write_bytes(b"damaged")
    learned.vote(60, seed=2)

    # When
    answer = learned.task("run", "--run-id", "m-b", "--json")

    # Then it is an error, never "no champion"
    assert (answer.exit, answer.result["state"]) == (1, "failed")
    assert answer.result.keys() == FIELDS
    assert "table.safetensors must have the sha256" in answer.result["reason"]
    (run, _) = learned.registry.runs()
    assert (run.run_id, run.state, run.exit) == ("m-b", "failed", 1)
    assert (learned.active, learned.registry.lease()) == ("m-a", None)
    # And its evidence is kept
    assert "runs/m-b/run.json" in learned.store.keys("runs/")


@pytest.mark.parametrize(
    ("words", "changes", "says"),
    [
        pytest.param([], {"DATABASE_URL": ""}, "DATABASE_URL must be set", id="no database"),
        pytest.param([], {"SERVING_URL": ""}, "SERVING_URL must be set", id="no service"),
        pytest.param(
            [], {"SERVING_URL": "http://10.0.0.1:1"}, "SERVING_URL must be none", id="a service"
        ),
        pytest.param(
            ["--min-improvement", "3"], {}, "min_improvement must be at most 1", id="range"
        ),
        pytest.param(["--seed", "x"], {}, "seed must be", id="no number"),
        pytest.param(["--run-id", "../../etc"], {}, "a run id must be", id="no run id"),
        pytest.param(["--config", "none.yaml"], {}, "must be readable", id="no such file"),
        pytest.param(
            ["--base-csv", "none.csv"], {}, "base_csv must be a file", id="no such base data"
        ),
        pytest.param(["--no-such-option"], {}, "unrecognized arguments", id="unknown option"),
    ],
)
def test_wrong_usage_ends_with_2_and_promotes_nothing(
    unlearned: Place, words: list[str], changes: dict[str, str], says: str
) -> None:
    answer = unlearned.task("run", *words, **changes)

    assert answer.exit == 2
    assert says in answer.err
    assert "Traceback" not in answer.err
    assert unlearned.active is None


@pytest.mark.parametrize("command", ["run", "rollback", "promote"])
def test_a_store_whose_versions_the_registry_does_not_know_is_refused(
    tall: Place, command: str
) -> None:
    # Given the right store and another registry, as after a typo or a loss
    before = versions.published(tall.store)
    words = {"run": ["run", "--skip-data-check"], "promote": ["promote", "m-b"]}.get(
        command, [command]
    )

    # When
    other = f"sqlite:///{tall.folder / 'other.sqlite'}"
    answer = tall.task(*words, REGISTRY_URL=other, RETRAIN_MAX_BACKUPS="1")

    # Then nothing is promoted as "the first", and nothing is removed
    assert answer.exit == 2
    assert "must belong together" in answer.err
    assert versions.published(tall.store) == before
    assert open_registry(other).active() is None


def test_a_run_without_any_base_learns_from_the_votes_alone(unlearned: Place) -> None:
    # Given the base switched off by a number, and by a file that holds none
    empty = unlearned.folder / "empty.csv"
    empty.write_text("face_shape,skin_tone,hairstyle,score,feedback\n", encoding="utf-8")

    off = unlearned.json("run", "--run-id", "m-b", "--no-auto-deploy", RETRAIN_BASE_ROWS="0")
    none = unlearned.json(
        "run",
        *("--run-id", "m-c", "--no-auto-deploy", "--skip-data-check", "--base-csv", str(empty)),
    )

    # Then both make the same model
    assert (off["state"], none["state"]) == ("approved", "approved")
    tables = [
        (unlearned.work / run / "model" / "model.safetensors").read_bytes()
        for run in ("m-b", "m-c")
    ]
    assert tables[0] == tables[1]


def test_a_former_name_of_a_setting_is_warned_of_in_the_log(learned: Place) -> None:
    answer = learned.task("status", "--json", RETRAIN_MIN_TEST_VOTES="12")

    assert answer.exit == 0
    assert "min_test_votes is called min_test_groups now, got 12" in answer.err
