"""Each finding about a snapshot, at its bound and beyond it."""

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
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
    counted=100,
    ids=80,
    repeated=0,
    untimed=0,
    missed=(),
    differs=(),
)


EARLIER = replace(GOOD, votes=10_000, likes=7_300)
"""To which new votes are added."""


def new(votes: int, likes: int) -> dict[str, Any]:
    """What new votes change in `EARLIER`."""
    return {
        "votes": EARLIER.votes + votes,
        "likes": EARLIER.likes + likes,
        "new_votes": votes,
        "new_likes": likes,
    }


def finding(name: str, snapshot: Snapshot = GOOD, schema: pa.Schema = SCHEMA) -> Finding:
    (found,) = [f for f in check(snapshot, schema, Settings()) if f.name == name]
    return found


def test_good_votes_pass_every_check() -> None:
    findings = check(GOOD, SCHEMA, Settings())

    assert {f.answer for f in findings} == {"ok"}
    assert len({f.name for f in findings}) == len(findings) == 14
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
        min_class_share=1.0,
        max_unknown_share=0.0,
        max_duplicate_share=0.0,
        max_stale_days=1,
    )
    snapshot = replace(EARLIER, **new(100, 50), checked_rejected=1, newest=NOW - timedelta(days=2))

    answers = {f.name: f.answer for f in check(snapshot, SCHEMA, strict) if f.answer != "ok"}

    assert answers == {
        "rejected_share": "stop",
        "class_balance": "stop",
        "unknown_face_share": "warn",
        "duplicate_share": "warn",
        "freshness": "warn",
    }


@pytest.mark.parametrize(
    ("votes", "likes", "answer"),
    [
        (29, 29, "ok"),  # too few to judge
        (30, 30, "stop"),  # one answer for everything
        (30, 0, "stop"),
        (30, 1, "ok"),
        (10_000, 1, "ok"),  # rare, and nobody knows what is usual
    ],
)
def test_first_votes_stop_only_when_one_answer_is_absent_altogether(
    votes: int, likes: int, answer: str
) -> None:
    first = replace(GOOD, votes=votes, likes=likes, new_votes=votes, new_likes=likes)

    assert finding("class_balance", first).answer == answer


@pytest.mark.parametrize(
    ("usual", "votes", "likes", "answer"),
    [
        # A bug upstream that writes one answer for everything, be it ever so few votes.
        (0.73, 60, 60, "stop"),
        (0.73, 60, 0, "stop"),
        (0.50, 30, 0, "stop"),
        (0.11, 200, 0, "stop"),
        # One that lets a few of the other answer through.
        (0.73, 5_000, 4_990, "stop"),
        # Honest and rare.
        (0.03, 40, 1, "ok"),
        (0.03, 40, 0, "ok"),
        (0.03, 310, 0, "ok"),
        (0.003, 1_000, 0, "ok"),
        # Honest and moving: from nearly half to a fiftieth, and back.
        (0.46, 310, 6, "ok"),
        (0.46, 100_000, 2_000, "ok"),
        (0.02, 310, 143, "ok"),
        (0.02, 100_000, 46_000, "ok"),
        # A missing answer that never was usual.
        (0.0, 1_000, 0, "ok"),
        (1.0, 1_000, 1_000, "ok"),
        (1.0, 1_000, 0, "stop"),
    ],
)
def test_new_votes_stop_when_an_answer_has_gone_that_was_usual(
    usual: float, votes: int, likes: int, answer: str
) -> None:
    earlier = replace(GOOD, votes=10_000 + votes, likes=round(10_000 * usual) + likes)

    found = finding("class_balance", replace(earlier, new_votes=votes, new_likes=likes))

    assert found.answer == answer


def test_honest_weeks_whose_like_rate_moves_between_2_and_46_percent_never_stop() -> None:
    rng = np.random.default_rng(1)
    for weekly in (310, 3_000, 30_000):
        votes = likes = 0
        for week in range(130):
            rate = 0.24 + 0.22 * math.sin(week / 7)
            liked = int(rng.binomial(weekly, rate))
            votes, likes = votes + weekly, likes + liked
            snapshot = replace(GOOD, votes=votes, likes=likes, new_votes=weekly, new_likes=liked)

            assert finding("class_balance", snapshot).answer == "ok", (weekly, week)


def test_a_rare_answer_at_its_usual_rate_is_stopped_less_than_once_in_a_thousand_looks() -> None:
    rng = np.random.default_rng(2)
    for weekly in (30, 60, 300, 3_000):
        found = [
            finding(
                "class_balance",
                replace(
                    GOOD, votes=5_000 + weekly, likes=150 + likes, new_votes=weekly, new_likes=likes
                ),
            )
            for likes in rng.binomial(weekly, 0.03, 1_000).tolist()
        ]

        assert not stopped(found), weekly


def test_a_class_balance_says_the_rarer_share_and_its_bound() -> None:
    found = finding("class_balance", replace(EARLIER, **new(1_000, 999)))

    assert found.value == 0.001
    assert found.bound == pytest.approx(0.27 * 0.04)
    assert found.says == "999 of 1,000 new votes are likes, 7,300 of 10,000 earlier ones"


def test_no_share_of_0_ever_stops_for_the_balance() -> None:
    off = Settings(min_class_share=0.0)
    for snapshot in (replace(GOOD, likes=100, new_likes=100), replace(EARLIER, **new(900, 0))):
        (found,) = [f for f in check(snapshot, SCHEMA, off) if f.name == "class_balance"]
        assert found.answer == "ok"


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
