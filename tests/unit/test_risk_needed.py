"""What a look spends, and what prior and evidence say together."""

from __future__ import annotations

from dataclasses import replace

import pytest

from task.harm import LEAST_RISK, Gain, lower_bound, needed, posterior

LOOK, MARGIN = 8e-4, 0.01
GAIN = Gain(
    value=0.001,
    deviation=0.001,
    divergence=0.001,
    votes=2_000,
    groups=2_000,
    effective_groups=2_000.0,
    low=None,
    high=None,
    p_worse=None,
)


def test_a_look_that_needs_little_spends_little_and_never_more_than_it_may() -> None:
    assert needed(GAIN, MARGIN, LOOK) == LEAST_RISK
    assert needed(replace(GAIN, deviation=0.01), MARGIN, LOOK) == LOOK
    some = needed(replace(GAIN, deviation=0.002), MARGIN, LOOK)
    assert LEAST_RISK < some < LOOK


def test_what_a_look_spends_does_not_depend_on_which_model_is_better() -> None:
    worse = replace(GAIN, deviation=0.002, value=-0.02)

    assert needed(worse, MARGIN, LOOK) == needed(replace(worse, value=0.02), MARGIN, LOOK)


def test_a_sound_training_passes_at_the_risk_it_needs() -> None:
    found = replace(GAIN, deviation=0.002)
    low = lower_bound(found, needed(found, MARGIN, LOOK))

    assert low is not None
    assert low > -MARGIN


@pytest.mark.parametrize("value, favoured", [(0.001, True), (0.0, True), (-0.004, False)])
def test_improvement_is_expected_unless_the_votes_speak_against_it(
    value: float, favoured: bool
) -> None:
    found = posterior(replace(GAIN, value=value), MARGIN)

    assert found is not None
    assert (found.expected > 0.0) == favoured


def test_harm_is_feared_more_of_few_people_than_of_many() -> None:
    few = posterior(replace(GAIN, deviation=0.01, divergence=0.01, effective_groups=50.0), MARGIN)
    many = posterior(replace(GAIN, deviation=0.01, divergence=0.01), MARGIN)

    assert few is not None
    assert many is not None
    assert few.harm > many.harm > 0.0


def test_without_evidence_of_the_spread_nothing_is_known() -> None:
    assert posterior(replace(GAIN, deviation=None), MARGIN) is None
    assert lower_bound(replace(GAIN, effective_groups=1.0), LOOK) is None
    same = posterior(replace(GAIN, divergence=0.0), MARGIN)
    assert same is not None
    assert (same.expected, same.harm) == (0.0, 0.0)
