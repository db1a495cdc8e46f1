"""What a run says of itself, however far it came."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from common.registry.records import Run
from task.folder import RunFolder, of
from task.outcome import Outcome, metric_values, outcome_of, skipped

CHECK: dict[str, Any] = {
    "name": "f1_improvement",
    "answer": "pass",
    "value": 0.03,
    "bound": 0.0,
    "low": 0.01,
    "high": 0.05,
}
VERDICT = {
    "decision": "promote",
    "reason": "better",
    "checks": [CHECK | {"says": "a sentence for the report"}],
    "risk": 0.0008,
    "budget": "this year 1.3 % of 5 % risked",
    "expected_gain": 0.004,
    "anchor": "m-zero",
}
EVALUATION = {
    "challenger": {"f1": {"value": 0.8, "low": 0.7, "high": 0.9, "n": 100}},
    "champion": None,
}
COUNTS = {
    "read": 9,
    "rejected_by_reason": {"unknown_vote": 1},
    "votes": 8,
    "new_votes": 8,
}


@pytest.fixture
def here(tmp_path: Path) -> RunFolder:
    return of(str(tmp_path), "m-one").make()


def test_a_skipped_run_has_a_reason_and_nothing_else() -> None:
    assert skipped("m-one", "too few") == Outcome(run_id="m-one", state="skipped", reason="too few")


def test_of_the_findings_only_warnings_are_told_beside_the_reason(here: RunFolder) -> None:
    answers = ("ok", "warn", "stop")
    here.update(findings=[{"name": a, "answer": a, "says": f"it is {a}"} for a in answers])

    assert outcome_of(here).warnings == ["warn: it is warn"]


def test_a_run_that_only_read_votes_has_counts_and_no_verdict(here: RunFolder) -> None:
    here.update(
        counts=COUNTS | {"noted": {}, "late": 0, "train": 6, "test": 1}, data_fingerprint="f"
    )

    found = outcome_of(here)

    assert (found.state, found.counts, found.data_fingerprint) == ("running", COUNTS, "f")
    assert (found.verdict, found.metrics, found.report) == (None, None, None)


def test_a_judged_run_tells_its_checks_without_the_sentences(here: RunFolder) -> None:
    # Given
    here.update(state="promoted", reason="better", exit=0, version="m-one", counts=COUNTS)
    here.write("verdict.json", VERDICT)
    here.write("evaluation.json", EVALUATION)
    here.file("report.html").write_text("<p>")

    # When
    found = outcome_of(here)

    # Then
    spent = {"risk": 0.0008, "budget": VERDICT["budget"]}
    gained = {"expected_gain": 0.004, "anchor": "m-zero"}
    assert found.verdict == {"decision": "promote", "checks": [CHECK]} | spent | gained
    assert found.metrics == {"challenger": {"f1": 0.8}, "champion": {}}
    assert (found.version, found.exit, found.report) == (
        "m-one",
        0,
        str(here.file("report.html")),
    )


def test_the_registry_knows_best_how_a_run_ended(here: RunFolder) -> None:
    # Given a folder that could not be completed
    here.update(state="running", reason="", exit=None, counts=COUNTS)
    ended = Run(run_id="m-one", created_at=datetime.now(UTC), exit=0, reason="better")

    found = outcome_of(here, replace(ended, state="promoted"))

    assert (found.state, found.reason, found.exit) == ("promoted", "better", 0)


def test_no_evaluation_has_no_metrics() -> None:
    assert metric_values(None) == {}


def test_a_verdict_of_an_older_release_has_spent_nothing_that_is_known(here: RunFolder) -> None:
    here.update(state="promoted", counts=COUNTS)
    here.write("verdict.json", {"decision": "promote", "checks": [CHECK], "votes_needed": 7})

    found = outcome_of(here).verdict

    unknown = dict.fromkeys(("risk", "budget", "expected_gain", "anchor"))
    assert found == {"decision": "promote", "checks": [CHECK]} | unknown
