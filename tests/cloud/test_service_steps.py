"""What a rolling deployment does next, as a table of cases."""

from __future__ import annotations

import pytest

from local.cloud.service_steps import Counted, failures_allowed, to_start, to_stop

NONE = Counted()


@pytest.mark.parametrize(
    "desired, primary, older, leaving, starts",
    [
        (2, NONE, [], 0, 2),  # a first deployment
        (2, NONE, [Counted(healthy=2)], 0, 2),  # at most twice as many live
        (2, Counted(pending=1), [Counted(healthy=2)], 0, 1),
        (2, NONE, [Counted(healthy=2)], 1, 1),  # one that has not gone yet takes a place
        (1, NONE, [Counted(healthy=4)], 0, 0),  # no room before the old ones go
        (2, Counted(healthy=3), [], 0, 0),
        (0, NONE, [Counted(healthy=2)], 0, 0),
    ],
)
def test_new_tasks_start_as_far_as_there_is_room(
    desired: int, primary: Counted, older: list[Counted], leaving: int, starts: int
) -> None:
    assert to_start(desired, primary, older, leaving) == starts


@pytest.mark.parametrize(
    "desired, primary, older, stops",
    [
        (2, Counted(pending=2), [Counted(healthy=2)], [0]),  # nothing goes before another serves
        (2, Counted(healthy=1, pending=1), [Counted(healthy=2)], [1]),
        (2, Counted(healthy=2), [Counted(healthy=2)], [2]),
        (2, Counted(healthy=1), [Counted(healthy=1), Counted(healthy=2)], [1, 1]),
        (2, NONE, [Counted(healthy=1)], [0]),  # fewer than desired: none is spare
        (0, NONE, [Counted(healthy=2)], [2]),
    ],
)
def test_an_old_task_goes_for_each_that_is_healthy_beyond_the_desired_count(
    desired: int, primary: Counted, older: list[Counted], stops: list[int]
) -> None:
    assert to_stop(desired, primary, older) == stops


@pytest.mark.parametrize("desired, allowed", [(0, 3), (1, 3), (6, 3), (7, 4), (10, 5), (999, 200)])
def test_half_of_the_desired_count_may_fail_and_three_at_least(desired: int, allowed: int) -> None:
    assert failures_allowed(desired) == allowed
