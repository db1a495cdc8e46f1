"""Runs over a table whose changes moved no time, or after a clock that was wrong."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from common.database import VoteCounts
from common.registry.records import Run, judged_total, last_verdict
from tests.unit.place import Place

NOW = datetime(2026, 3, 1, tzinfo=UTC)
AHEAD = timedelta(days=200)


def judged_ahead(place: Place) -> None:
    """A verdict of a run whose clock was ahead; its lease is the newest."""
    at, registry = datetime.now(UTC), place.registry
    run = Run(run_id="m-ahead", created_at=at)
    registry.launch(run, owner="me", lease_seconds=60, now=at)
    lease = registry.claim(run.run_id, task="me", lease_seconds=60, now=at)
    claimed = registry.run(run.run_id) or run
    ended = replace(claimed, state="rejected", exit=0, cutoff=at + AHEAD)
    registry.finish(ended, lease, now=at)


def record(place: Place, run_id: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads((place.work / run_id / "run.json").read_text("utf-8"))
    return found


def test_deleted_votes_leave_the_model_at_the_next_run_and_all_say_so(learned: Place) -> None:
    # Given a snapshot of this very file
    assert learned.task("run", "--full", "--skip-data-check").exit == 0
    learned.execute("DELETE FROM analysis_history WHERE id % 5 = 0")

    answer = learned.task("run", "--run-id", "m-next", "--json")

    assert answer.exit == 0
    run = record(learned, "m-next")
    assert (run["mode"], run["counts"]["reread"], run["counts"]["new_votes"]) == ("full", True, 0)
    assert run["counts"]["votes"] <= run["counts"]["counted"]
    assert run["reconciliation"]["missed"][0].keys() == {
        *("position", "answer", "database", "snapshot")
    }
    (finding,) = [each for each in run["findings"] if each["name"] == "reconciled"]
    assert finding["answer"] == "warn"
    assert "all votes are read again" in answer.err
    assert judged_total(learned.registry.runs()) == run["counts"]["counted"]
    # And then there is nothing new again
    assert learned.json("run", "--dry-run")["reason"].startswith("nothing new: 0 of 1")


def test_a_cutoff_of_the_future_is_refused_and_the_remedy_works(learned: Place) -> None:
    judged_ahead(learned)

    refused = learned.task("run")
    doctor = learned.task("doctor")
    mended = learned.task("run", "--full", "--run-id", "m-mended")
    after = learned.json("run", "--dry-run")

    assert (refused.exit, doctor.exit, mended.exit) == (2, 1, 0)
    assert "run --full" in refused.err
    assert "must not lie ahead of the database's clock" in " ".join(doctor.out.split())
    assert record(learned, "m-mended")["last_verdict_cutoff"] is None
    assert after["reason"].startswith("nothing new: 0 of 1")


def test_a_full_read_passes_over_a_cutoff_of_the_future() -> None:
    # Given a verdict of a clock that was ahead, and a later one by its lease
    wrong = Run(run_id="m-a", created_at=NOW, state="served", fencing=3, cutoff=NOW + AHEAD)
    right = Run(run_id="m-b", created_at=NOW, state="rejected", fencing=4, cutoff=NOW)

    assert last_verdict([wrong, right]) == last_verdict([right, wrong]) == NOW
    assert last_verdict([wrong]) == NOW + AHEAD


def test_a_total_that_moved_is_new() -> None:
    # Given 40 votes that were deleted, or came with times from before the last verdict
    for total in (60, 140):
        votes = VoteCounts(total=total, new=0, before=100)
        assert votes.shortage(min_total=1, min_new=40) is None
        assert votes.shortage(min_total=1, min_new=41) == (
            "nothing new: 40 of 41 votes since the last verdict"
        )
    assert VoteCounts(total=60, new=0).shortage(min_total=1, min_new=1) is not None
    assert VoteCounts(total=60, new=0, before=60).shortage(min_total=1, min_new=1) is not None


def test_a_verdict_of_an_earlier_release_knows_no_total() -> None:
    earlier = Run(run_id="m-a", created_at=NOW, state="served", cutoff=NOW, counts={"votes": 5})

    assert judged_total([earlier]) is None
    assert judged_total([]) is None
