"""Evaluations for tests of the gate: a challenger that passes everything, and what differs."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from task.evaluate import Against, Difference, Evaluation
from task.faults import Suspicion
from task.gate import Policy, Verdict, decide
from task.harm import Gain
from task.intervals import Interval
from task.refit import Refit
from task.risk import Budget
from tests.compared import a_gain, suspicion

METRICS = ("accuracy", "precision", "recall", "f1")
STANDARD = Policy()
FREES = datetime(2026, 12, 6, 2, tzinfo=UTC)
BUDGET = Budget(yearly=0.05, spent=0.012, look=0.0008, reserve=0.0072, frees_at=None)
SPENT = Budget(yearly=0.05, spent=0.05, look=0.0, reserve=0.0, frees_at=FREES)
ALIKE = Refit(overall=0.1, worst_style=0.5)
FAULTS = ("log_loss", "calibration", "score", "negative_flips", "slices")


def interval(value: float | None, low: float | None = None, high: float | None = None) -> Interval:
    return Interval(value=value, low=low, high=high, n=200)


def difference(
    gain: Gain | None = None,
    *,
    f1: Interval | None = None,
    disagreements: int = 30,
    changed: int = 90,
) -> Difference:
    return Difference(
        f1=f1 or interval(0.04, 0.01, 0.07),
        log_loss=interval(-0.01, -0.014, -0.006),
        gain=gain or a_gain(),
        disagreements=disagreements,
        changed=changed,
    )


def evaluation(
    versus: Difference | None,
    *,
    groups: int = 1_000,
    anchor: Gain | None = None,
    references: tuple[Against, ...] = (),
    suspicions: tuple[Suspicion, ...] | None = None,
    **changes: Any,
) -> Evaluation:
    figures = {name: interval(0.8) for name in METRICS}
    found = Evaluation(
        judged={"votes": 2 * groups, "groups": groups, "effective_groups": groups, "likes": groups},
        champion_version="m-a" if versus else None,
        challenger=figures,
        champion=figures if versus else None,
        threshold={"challenger": 0.5, "champion": 0.5 if versus else None},
        difference=versus,
        since_champion=None,
        anchor=Against(name="m-0", gain=anchor) if anchor else None,
        references=references,
        base_rate=None,
        slices=(),
        faults=None,
        suspicions=tuple(suspicion(name, False) for name in FAULTS)
        if suspicions is None
        else suspicions,
        refit=ALIKE,
        confusion={},
        roc={},
        calibration={},
    )
    return replace(found, **changes)


def decided(
    found: Evaluation, policy: Policy = STANDARD, budget: Budget = BUDGET, **given: Any
) -> Verdict:
    return decide(found, policy, budget=budget, **given)


def of(gain: Gain, policy: Policy = STANDARD, budget: Budget = BUDGET) -> Verdict:
    """The verdict on a challenger of this gain, all else being well."""
    return decided(evaluation(difference(gain)), policy, budget)


def answers(verdict: Verdict) -> dict[str, str]:
    return {check.name: check.answer for check in verdict.checks}


def says(verdict: Verdict, name: str) -> str:
    return next(check.says for check in verdict.checks if check.name == name)


def references(constant: Gain, base: Gain | None = None) -> tuple[Against, ...]:
    found = (Against(name="a constant", gain=constant),)
    return found if base is None else (*found, Against(name="the base data alone", gain=base))
