"""The figures that the alarms watch, from runs and history alone."""

from datetime import timedelta
from typing import Any

import pytest

from common.registry.records import HistoryEntry, Run, State
from retrain_trigger.watch import health, refusals_in_a_row
from tests.unit.trigger_samples import (
    NOW,
)


def ran(number: int, state: State, *, days: float = 0, **more: object) -> Run:
    """A run that ended so many days ago; number orders equal times."""
    at = NOW - timedelta(days=days)
    made: dict[str, Any] = {"ended_at": at, **more}
    return Run(run_id=f"m-{number}", created_at=at, state=state, **made)


def test_a_promotion_without_an_end_is_a_success_since_its_beginning() -> None:
    assert health([ran(1, "promoted", days=3, ended_at=None)], [], NOW)["days_since_success"] == 3.0


@pytest.mark.parametrize("state", ["skipped", "rejected", "inconclusive", "approved", "served"])
def test_every_end_of_a_loop_that_works_is_a_success(state: State) -> None:
    runs = [ran(2, "failed", days=1, exit=1), ran(1, state, days=8.25)]

    assert health(runs, [], NOW)["days_since_success"] == 8.25


@pytest.mark.parametrize("state", ["failed", "data_stopped", "rolled_back", "running"])
def test_before_the_first_success_there_is_no_figure_that_could_look_well(state: State) -> None:
    assert "days_since_success" not in health([ran(1, state)], [], NOW)
    assert "days_since_success" not in health([], [], NOW)


@pytest.mark.parametrize(
    ("newest_first", "row"),
    [
        ([], 0),
        (["rejected", "rejected", "promoted", "rejected"], 2),
        (["served", "rejected"], 0),
        # No verdict, and not enough evidence, neither add to a row nor end it.
        (["running", "rejected", "skipped", "inconclusive", "failed", "rejected"], 2),
        (["rejected", "data_stopped", "rejected", "rolled_back", "rejected"], 2),
    ],
)
def test_refusals_in_a_row_are_counted_up_to_the_newest(
    newest_first: list[State], row: int
) -> None:
    assert refusals_in_a_row(ran(n, state) for n, state in enumerate(newest_first)) == row


def test_the_days_changes_back_are_counted_and_promotions_are_not() -> None:
    def change(action: Any, hours: int) -> HistoryEntry:
        at = NOW - timedelta(hours=hours)
        return HistoryEntry(
            serial=hours, version="m-1", previous=None, run_id=None, action=action, at=at, sha="1f"
        )

    history = [change("rollback", 25), change("restore", 23), change("rollback", 2)]

    assert health([], [*history, change("promote", 1)], NOW)["rollbacks"] == 2
