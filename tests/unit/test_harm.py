"""The arithmetic behind the gate: a bound on the mean, and a posterior where none has power."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import integrate, stats

from task.harm import BROKEN, LEAST_RISK, SPREAD, Gain, lower_bound, needed, posterior
from tests.compared import a_gain

MARGIN, GROUPS = 0.01, 100.0


def test_the_bound_is_students_by_the_effective_groups() -> None:
    gain = a_gain(0.02, 0.004, groups=50.0)

    expected = 0.02 - stats.t(49).ppf(1 - 0.0008) * 0.004
    assert lower_bound(gain, 0.0008) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    "gain, risk",
    [
        (a_gain(None, None), 0.01),
        (a_gain(0.1, None), 0.01),
        (a_gain(0.1, 0.01, groups=1.9), 0.01),  # one group and a little has no spread
        (a_gain(), 0.0),  # nothing may be spent
        (a_gain(), 0.5),
        (a_gain(), float("nan")),
    ],
)
def test_there_is_no_bound_without_evidence_or_risk(gain: Gain, risk: float) -> None:
    assert lower_bound(gain, risk) is None


def test_the_bound_fails_as_often_as_it_says() -> None:
    # Given 20,000 looks at a true gain of 0, and 400 people each
    rng, risk = np.random.default_rng(5), 0.02
    means = rng.normal(0.0, 1.0, (20_000, 400))
    values, deviations = means.mean(axis=1), means.std(axis=1, ddof=1) / 20.0

    bounds = [
        lower_bound(a_gain(float(value), float(deviation), groups=400.0), risk)
        for value, deviation in zip(values, deviations, strict=True)
    ]

    failed = np.mean([bound is not None and bound > 0.0 for bound in bounds])
    assert failed == pytest.approx(risk, abs=0.004)


def integrated(value: float, deviation: float, k: float) -> tuple[float, float]:
    """Expected gain and probability of harm by plain integration of Bayes' rule."""
    sound = np.sqrt(SPREAD * k / GROUPS)
    spread = 8 * max(sound, k, deviation)
    grid = np.linspace(-k - spread, k + spread, 400_001)
    prior = (1 - BROKEN) * stats.norm.pdf(grid, k, sound)
    prior += BROKEN * stats.norm.pdf(grid, -k, k)
    weight: NDArray[np.float64] = prior * stats.norm.pdf(value, grid, deviation)
    scale = integrate.trapezoid(weight, grid)
    worse = np.where(grid < -MARGIN, weight, 0.0)
    return (
        float(integrate.trapezoid(grid * weight, grid) / scale),
        float(integrate.trapezoid(worse, grid) / scale),
    )


@pytest.mark.parametrize("k", [0.002, 0.02, 0.2])
@pytest.mark.parametrize("value, deviation", [(0.02, 0.03), (-0.05, 0.03), (0.0, 0.005)])
def test_the_posterior_is_bayes_rule_over_the_stated_prior(
    value: float, deviation: float, k: float
) -> None:
    found = posterior(a_gain(value, deviation, divergence=k, groups=GROUPS), MARGIN)

    expected, harm = integrated(value, deviation, k)
    assert found is not None
    assert found.expected == pytest.approx(expected, abs=2e-6)
    assert found.harm == pytest.approx(harm, abs=2e-4)


@pytest.mark.parametrize("gain", [a_gain(None, None), a_gain(0.5, None, groups=1.0)])
def test_evidence_without_a_spread_has_no_posterior(gain: Gain) -> None:
    assert posterior(gain, MARGIN) is None


def test_models_that_answer_alike_gain_nothing_and_harm_nobody() -> None:
    found = posterior(a_gain(0.0, 0.0, divergence=0.0), MARGIN)

    assert found is not None
    assert (found.expected, found.harm) == (0.0, 0.0)


def test_evidence_outweighs_the_prior_as_it_grows() -> None:
    # Given a challenger that is as much worse as the prior thinks it better
    found = [
        posterior(a_gain(-0.02, deviation, divergence=0.02), MARGIN)
        for deviation in (0.1, 0.02, 0.005, 0.001)
    ]

    expected = [each.expected for each in found if each]
    assert expected[0] > 0.0 > expected[-1]
    assert expected == sorted(expected, reverse=True)
    assert expected[-1] == pytest.approx(-0.02, abs=0.001)
    assert [each.harm for each in found if each][-1] == pytest.approx(1.0, abs=1e-6)


def test_evidence_of_no_doubt_is_no_division_by_zero() -> None:
    found = posterior(a_gain(0.03, 0.0, divergence=0.02), MARGIN)

    assert found is not None
    assert found.expected == pytest.approx(0.03)
    assert found.harm == 0.0


def test_a_wider_margin_is_passed_less_often() -> None:
    gain = a_gain(-0.01, 0.02, divergence=0.02)

    harms = [
        found.harm for margin in (0.0, 0.01, 0.05) if (found := posterior(gain, margin)) is not None
    ]

    assert len(harms) == 3
    assert harms == sorted(harms, reverse=True)


def test_the_risk_holds_on_average_over_the_stated_prior() -> None:
    # Given 20,000 trainings as the prior has them, each seen through noise
    rng, k, deviation = np.random.default_rng(3), 0.03, 0.02
    broken = rng.random(20_000) < BROKEN
    true = np.where(
        broken, rng.normal(-k, k, 20_000), rng.normal(k, np.sqrt(SPREAD * k / GROUPS), 20_000)
    )
    seen = true + rng.normal(0.0, deviation, 20_000)

    found = [
        posterior(a_gain(float(v), deviation, divergence=k, groups=GROUPS), MARGIN) for v in seen
    ]

    harm = np.array([each.harm for each in found if each])
    for low, high in ((0.0, 0.01), (0.01, 0.05), (0.05, 0.3), (0.3, 1.0)):
        there = (harm >= low) & (harm < high)
        assert there.sum() > 50
        spread = 4 * np.sqrt(harm[there].mean() / there.sum())
        assert (true[there] < -MARGIN).mean() == pytest.approx(harm[there].mean(), abs=spread)


@pytest.mark.parametrize(
    "divergence, deviation, expected",
    [
        # Φ(2 − (.01 + K) / deviation): what a sound training needs, with power 97.7 %
        (0.01, 0.005, stats.norm.cdf(-2)),
        (0.0, 0.005, stats.norm.cdf(0)),
        (0.01, 0.001, LEAST_RISK),  # sure already: next to nothing
        (0.01, 1.0, 0.6),  # nothing that may be spent would do
        (0.01, 0.0, 0.6),
        (0.01, None, 0.6),
    ],
)
def test_a_look_needs_no_more_risk_than_a_sound_training_does_to_pass(
    divergence: float, deviation: float | None, expected: float
) -> None:
    gain = a_gain(0.01, deviation, divergence=divergence)

    assert needed(gain, MARGIN, 0.6) == pytest.approx(expected)


def test_what_a_look_needs_does_not_depend_on_what_it_sees() -> None:
    # Else the risk would be chosen after the evidence, and the bound would not hold its level
    found = {needed(a_gain(value, 0.005), MARGIN, 0.6) for value in (-0.1, 0.0, 0.1)}

    assert len(found) == 1
