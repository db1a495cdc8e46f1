"""Each finding about a snapshot, at its bound and beyond it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from common.settings import Settings
from task.snapshot import SCHEMA, Snapshot
from task.validate import Finding, check, stopped

NOW = datetime(2026, 3, 1, tzinfo=UTC)
GOOD = Snapshot(
    path=Path("votes.parquet"),
    cutoff=NOW,
    last_verdict_cutoff=None,
    mode="full",
    base_run_id=None,
    source="0" * 64,
    rows=80,
    read=100,
    rejected={},
    noted={},
    samples=(),
    checked=100,
    checked_rejected=0,
    fingerprint="0" * 64,
    votes=100,
    likes=73,
    new_votes=100,
    new_likes=73,
    late=0,
    splits={"train": 70, "validation": 15, "test": 15},
    unknown_faces=10,
    missing_scores=10,
    missing_times=10,
    score_low=0.0,
    score_high=1.0,
    newest=NOW - timedelta(days=1),
    duplicate_share=0.1,
    busiest_share=0.1,
)


def finding(name: str, snapshot: Snapshot = GOOD, schema: pa.Schema = SCHEMA) -> Finding:
    (found,) = [f for f in check(snapshot, schema, Settings()) if f.name == name]
    return found


def test_good_votes_pass_every_check() -> None:
    findings = check(GOOD, SCHEMA, Settings())

    assert {f.answer for f in findings} == {"ok"}
    assert len({f.name for f in findings}) == len(findings) == 12
    assert not stopped(findings)


def test_no_votes_at_all_are_nothing_to_stop_for() -> None:
    none: dict[str, Any] = dict.fromkeys(
        ["rows", "read", "checked", "votes", "likes", "new_votes", "new_likes"], 0
    )
    none |= dict.fromkeys(["unknown_faces", "missing_scores", "missing_times"], 0)
    empty = replace(GOOD, **none, score_low=None, score_high=None, newest=None)

    assert {f.answer for f in check(empty, SCHEMA, Settings())} == {"ok"}


@pytest.mark.parametrize(
    ("name", "changed", "answer"),
    [
        ("rejected_share", {"checked": 100, "checked_rejected": 20}, "ok"),
        ("rejected_share", {"checked": 100, "checked_rejected": 21}, "stop"),
        ("rejected_share", {"checked": 29, "checked_rejected": 29}, "ok"),  # too few to judge
        ("rejected_share", {"checked": 30, "checked_rejected": 7}, "stop"),
        ("class_balance", {"new_votes": 100, "new_likes": 98}, "ok"),
        ("class_balance", {"new_votes": 100, "new_likes": 99}, "stop"),
        ("class_balance", {"new_votes": 100, "new_likes": 1}, "stop"),
        ("class_balance", {"new_votes": 29, "new_likes": 29}, "ok"),  # too few to judge
        ("class_balance", {"new_votes": 30, "new_likes": 30}, "stop"),
        ("ranges", {"score_high": 1.0001}, "stop"),
        ("ranges", {"score_low": -0.0001}, "stop"),
        ("missing_score_share", {"missing_scores": 50}, "ok"),
        ("missing_score_share", {"missing_scores": 51}, "warn"),
        ("missing_time_share", {"missing_times": 51}, "warn"),
        ("unknown_face_share", {"unknown_faces": 90}, "ok"),
        ("unknown_face_share", {"unknown_faces": 91}, "warn"),
        ("duplicate_share", {"duplicate_share": 0.51}, "warn"),
        ("outliers", {"busiest_share": 0.51}, "warn"),
        ("outliers", {"busiest_share": 1.0, "new_votes": 29, "new_likes": 20}, "ok"),
        ("freshness", {"newest": NOW - timedelta(days=60)}, "ok"),
        ("freshness", {"newest": NOW - timedelta(days=61)}, "warn"),
        ("freshness", {"newest": None}, "warn"),
        ("after_cutoff", {"late": 1}, "warn"),
    ],
)
def test_each_finding_answers_by_its_bound(name: str, changed: dict[str, Any], answer: str) -> None:
    found = finding(name, replace(GOOD, **changed))

    assert found.answer == answer
    assert stopped([found]) == (answer == "stop")


def test_the_bounds_are_the_settings() -> None:
    strict = Settings(
        max_reject_share=0.0,
        min_class_share=0.5,
        max_unknown_share=0.0,
        max_duplicate_share=0.0,
        max_stale_days=1,
    )
    snapshot = replace(GOOD, checked_rejected=1, newest=NOW - timedelta(days=2))

    answers = {f.name: f.answer for f in check(snapshot, SCHEMA, strict) if f.answer != "ok"}

    assert answers == {
        "rejected_share": "stop",
        "class_balance": "stop",
        "unknown_face_share": "warn",
        "duplicate_share": "warn",
        "freshness": "warn",
    }


def test_a_missing_column_and_another_type_stop_the_run() -> None:
    without = SCHEMA.remove(SCHEMA.get_field_index("feedback"))
    other = SCHEMA.set(0, pa.field("analysis_id", pa.string()))

    assert finding("schema", schema=without).answer == "stop"
    assert "feedback" in finding("schema", schema=without).says
    assert finding("types", schema=other).answer == "stop"
    assert "analysis_id" in finding("types", schema=other).says


def test_a_finding_says_the_value_and_the_bound() -> None:
    found = finding("rejected_share", replace(GOOD, checked=200, checked_rejected=50))

    assert (found.value, found.bound) == (0.25, 0.2)
    assert found.says == "50 of 200 cells are no votes"
