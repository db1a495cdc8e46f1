"""What may be wrong with a challenger that is no worse on the whole."""

from __future__ import annotations

import pytest

from task.faults import Faults
from task.harm import Gain


@pytest.mark.parametrize(
    "low, stopped",
    [
        (-0.001, True),  # nothing pays for the answers that turned wrong
        (None, True),
        (0.001, False),  # shown to be better: more turned right
    ],
)
def test_right_answers_may_turn_wrong_where_the_challenger_is_shown_to_be_better(
    low: float | None, stopped: bool
) -> None:
    gain = Gain(
        value=0.01,
        deviation=0.005,
        divergence=0.01,
        votes=1_000,
        groups=1_000,
        effective_groups=1_000.0,
        low=low,
        high=0.02,
        p_worse=0.9,
    )
    faults = Faults(
        slices=(),
        gain=gain,
        slope=1.0,
        bias=0.0,
        p_calibration=None,
        score_ratio=None,
        p_score=None,
        negative_flips=0.2,
        flips_deviation=0.01,
        flips_groups=1_000.0,
        first_places=None,
    )

    found = {each.name: each.shown for each in faults.suspicions(None, 0.1)}

    assert found["negative_flips"] == stopped
    assert not found["log_loss"]
