"""A year's looks never spend more than its risk, and each of them gets something."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import RegistryError
from common.registry.records import Run, State
from task.risk import LEAST, LOOKS_A_YEAR, YEAR, Budget, budget, describe

START = datetime(2026, 1, 4, 2, tzinfo=UTC)
YEARLY = 0.05


def look_at(at: datetime, risk: Any, number: int = 0, **changed: Any) -> Run:
    values: dict[str, Any] = {"state": "inconclusive", "cutoff": at} | changed
    return Run(run_id=f"m-{number}", created_at=START, evidence={"risk": risk}, **values)


def played(times: list[datetime]) -> list[Run]:
    """Looks at those times, each spending all that it may."""
    runs: list[Run] = []
    for number, at in enumerate(times):
        runs.append(look_at(at, budget(runs, at, YEARLY).look, number))
    return runs


def risks(runs: list[Run]) -> list[float]:
    return [run.evidence["risk"] for run in runs]


def every(days: float, looks: int) -> list[datetime]:
    return [START + timedelta(days=days * number) for number in range(looks)]


# Two years of up to 500 looks each, some of them in bursts.
moments = st.lists(st.floats(0.0, 730.0) | st.floats(100.0, 101.0), max_size=120)
busy = st.integers(300, 500).flatmap(
    lambda looks: st.floats(0.1, 365.0).map(lambda days: [days * n / looks for n in range(looks)])
)


@given(moments | busy)
def test_no_365_days_spend_more_than_the_yearly_risk(days: list[float]) -> None:
    runs = played([START + timedelta(days=day) for day in sorted(days)])

    for last in runs:
        assert last.cutoff is not None
        after = budget(runs, last.cutoff, YEARLY)
        window = [r for r in runs if r.cutoff and last.cutoff - YEAR < r.cutoff <= last.cutoff]
        assert math.fsum(risks(window)) <= YEARLY * (1 + 1e-9)
        assert after.look >= 0.0


def test_each_weekly_look_of_three_years_gets_its_full_share() -> None:
    spent = risks(played(every(7, 156)))

    assert min(spent) == pytest.approx(YEARLY / 62)
    assert max(spent) <= YEARLY / LOOKS_A_YEAR


def test_each_of_100_looks_a_year_gets_about_a_hundredth() -> None:
    spent = risks(played(every(3.65, 300)))

    assert min(spent) > YEARLY / 125


def test_each_of_500_looks_a_year_still_gets_something() -> None:
    spent = risks(played(every(0.73, 1_000)))

    assert min(spent) > YEARLY / 600


def test_looks_by_hand_on_one_day_share_the_reserve_and_the_next_week_recovers() -> None:
    burst = [START + timedelta(minutes=number) for number in range(20)]

    runs = played([*burst, START + timedelta(days=7), START + timedelta(days=180)])

    first, *_, tenth = risks(runs)[:10]
    assert first > 2 * tenth > 0.0
    assert risks(runs)[19] < tenth
    assert risks(runs)[20] > YEARLY / 62 / 9
    assert risks(runs)[21] == pytest.approx(YEARLY / 62)


def test_a_spent_budget_gives_nothing_and_frees_when_it_says() -> None:
    runs = [look_at(START, YEARLY)]

    spent = budget(runs, START, YEARLY)
    assert (spent.spent, spent.look) == (YEARLY, 0.0)
    assert spent.frees_at is not None
    before = budget(runs, spent.frees_at - timedelta(seconds=2), YEARLY)
    freed = budget(runs, spent.frees_at, YEARLY)

    assert before.look == 0.0
    assert before.frees_at == spent.frees_at
    assert freed.frees_at is None
    assert freed.look == pytest.approx(LEAST * YEARLY, rel=0.01)


def test_a_look_of_a_year_ago_is_spent_no_more() -> None:
    runs = [look_at(START, 0.001)]

    assert budget(runs, START + YEAR - timedelta(seconds=1), YEARLY).spent == 0.001
    assert budget(runs, START + YEAR, YEARLY).spent == 0.0


def test_the_order_of_the_runs_does_not_matter() -> None:
    runs = played(every(5, 40))
    now = START + timedelta(days=201)

    assert budget(reversed(runs), now, YEARLY) == budget(runs, now, YEARLY)


@pytest.mark.parametrize(
    ("state", "serial", "counts"),
    [
        ("rejected", None, True),
        ("approved", None, True),
        ("rolled_back", 3, True),
        ("rolling_out", 3, True),  # it serves already
        ("failed", 3, True),  # its version was live before it was taken back
        ("failed", None, False),
        ("data_stopped", None, False),
        ("running", None, False),
    ],
)
def test_a_run_that_judged_or_promoted_has_spent_and_another_has_not(
    state: State, serial: int | None, counts: bool
) -> None:
    found = budget([look_at(START, 0.001, state=state, serial=serial)], START, YEARLY)

    assert found.spent == (0.001 if counts else 0.0)


def test_a_run_from_before_the_budget_has_spent_nothing() -> None:
    older = Run(run_id="m-1", created_at=START, state="served", cutoff=START)

    found = budget([older], START, YEARLY)

    assert found.spent == 0.0
    assert found.look == pytest.approx(YEARLY / 62)


@pytest.mark.parametrize("risk", ["much", None, True, -0.001, 1.5, math.nan, math.inf, [0.1]])
def test_a_recorded_risk_that_is_no_share_is_an_error_and_not_taken_for_nothing(risk: Any) -> None:
    with pytest.raises(RegistryError, match=r"must be a number from 0 to 1, got .*restore it"):
        budget([look_at(START, risk, 7)], START, YEARLY)


@pytest.mark.parametrize(
    ("spent", "frees_at", "says"),
    [
        (0.012, None, "this year 1.2 % of 5 % risked"),
        (0.0, None, "this year 0 % of 5 % risked"),
        (
            0.05,
            START,
            "this year 5 % of 5 % risked: nothing is left for a look before 2026-01-04T02:00:00Z",
        ),
    ],
)
def test_a_budget_is_told_in_a_sentence(spent: float, frees_at: datetime | None, says: str) -> None:
    assert (
        describe(Budget(yearly=0.05, spent=spent, look=0.0, reserve=0.0, frees_at=frees_at)) == says
    )
