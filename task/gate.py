"""The gate: is the challenger better? A policy over an evaluation, and nothing else.

Each check answers pass, fail or undecided. Any fail rejects, else any undecided is
inconclusive, else the challenger is promoted. Equality never promotes, missing evidence and
ties keep the champion. A first model has nobody to beat: it needs its self-test and the
configured floors.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from common.feedback import TEST_SHARE
from task.evaluate import WORSE_LEVEL, Difference, Evaluation
from task.intervals import Interval

Answer = Literal["pass", "fail", "undecided"]
Decision = Literal["promote", "reject", "inconclusive"]

_POWER = 1.645 + 0.842
"""Normal quantiles of a 5 % one-sided test with 80 % power."""


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What "better" means; see the settings of the same names."""

    min_improvement: float = 0.0
    min_test_votes: int = 30
    worth_detecting: float = 0.01
    min_accuracy: float = 0.0
    min_precision: float = 0.0
    min_recall: float = 0.0
    min_f1: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Check:
    """One question, its answer, and the figures it was answered from."""

    name: str
    answer: Answer
    value: float | None
    bound: float | None
    low: float | None
    high: float | None
    says: str


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The decision with its reason. `votes_needed`: how many more votes in all, or None."""

    decision: Decision
    reason: str
    checks: tuple[Check, ...]
    votes_needed: int | None


def decide(
    evaluation: Evaluation, policy: Policy, *, real_votes: int, self_test: str | None = None
) -> Verdict:
    """Decide. `self_test` is None when it passed, else what went wrong."""
    checks = [_self_test(self_test), *_floors(evaluation, policy)]
    needed = None
    difference = evaluation.difference
    if difference is not None:
        checks = [_improvement(evaluation.test["votes"], difference, policy), *checks]
        checks += [
            _majority(evaluation),
            _enough(evaluation.test["votes"], policy.min_test_votes),
            _slices(evaluation),
            _log_loss(difference),
            _differ(difference),
        ]
        needed = votes_needed(evaluation, policy.worth_detecting, real_votes)
    decision = _decision(checks)
    return Verdict(
        decision=decision,
        reason=_reason(decision, checks, evaluation, needed),
        checks=tuple(checks),
        votes_needed=needed,
    )


def votes_needed(evaluation: Evaluation, worth_detecting: float, real_votes: int) -> int | None:
    """How many more votes, in all, would resolve a difference worth detecting.

    With 80 % power at the observed disagreement; 0 reads "it would have shown by now". None
    when the answers never differ, or without test votes.
    """
    difference, m = evaluation.difference, evaluation.test["votes"]
    if difference is None or m == 0 or difference.disagreements == 0:
        return None
    deviation = difference.f1_deviation
    if deviation == 0.0 or m < 30:
        deviation = math.sqrt((difference.disagreements + 0.5) / (m + 1) / m)
    test_votes = m * (_POWER * deviation / worth_detecting) ** 2
    return max(0, math.ceil(test_votes / TEST_SHARE) - real_votes)


def _decision(checks: list[Check]) -> Decision:
    answers = {check.answer for check in checks}
    if "fail" in answers:
        return "reject"
    return "inconclusive" if "undecided" in answers else "promote"


def _improvement(votes: int, difference: Difference, policy: Policy) -> Check:
    """Undecided, whatever the interval, on too few votes or if all answers are identical."""
    f1, bound = difference.f1, policy.min_improvement
    answer: Answer = "undecided"
    comparable = votes >= policy.min_test_votes and difference.disagreements > 0
    if comparable and f1.low is not None and f1.high is not None:
        if f1.low > bound:
            answer = "pass"
        elif f1.high < bound:
            answer = "fail"
    return Check(
        name="f1_improvement",
        answer=answer,
        value=f1.value,
        bound=bound,
        low=f1.low,
        high=f1.high,
        says=f"F1 {_signed(f1.value)} against the champion, between {_signed(f1.low)} and "
        f"{_signed(f1.high)}; all of that must be above {bound:+.3f}",
    )


def _self_test(problem: str | None) -> Check:
    return Check(
        name="self_test",
        answer="fail" if problem else "pass",
        value=None,
        bound=None,
        low=None,
        high=None,
        says=problem or "the files read back from disk give the recorded answers",
    )


def _floors(evaluation: Evaluation, policy: Policy) -> list[Check]:
    floors = {
        "accuracy": policy.min_accuracy,
        "precision": policy.min_precision,
        "recall": policy.min_recall,
        "f1": policy.min_f1,
    }
    return [_floor(name, evaluation.challenger[name], bound) for name, bound in floors.items()]


def _floor(name: str, found: Interval, bound: float) -> Check:
    answer: Answer = "pass"
    if bound > 0.0:
        answer = "undecided" if found.value is None else "pass"
        if found.value is not None and found.value < bound:
            answer = "fail"
    return Check(
        name=f"floor_{name}",
        answer=answer,
        value=found.value,
        bound=bound,
        low=found.low,
        high=found.high,
        says=f"{name} {_plain(found.value)}; the floor is {bound:.3f}",
    )


def _majority(evaluation: Evaluation) -> Check:
    found, bound = evaluation.challenger["f1"], evaluation.majority["f1"]
    answer: Answer = "undecided"
    if found.value is not None and bound is not None:
        answer = "pass" if found.value > bound else "fail"
    return Check(
        name="majority_class",
        answer=answer,
        value=found.value,
        bound=bound,
        low=found.low,
        high=found.high,
        says=f"F1 {_plain(found.value)}; always giving the commoner answer has {_plain(bound)}",
    )


def _enough(votes: int, bound: int) -> Check:
    return Check(
        name="min_test_votes",
        answer="pass" if votes >= bound else "undecided",
        value=float(votes),
        bound=float(bound),
        low=None,
        high=None,
        says=f"{votes:,} unseen votes; {bound:,} are the least to judge on",
    )


def _slices(evaluation: Evaluation) -> Check:
    worse = [f"{s.name or 'unknown'} ({s.by})" for s in evaluation.slices if s.worse]
    tested = [s.p_worse for s in evaluation.slices if s.p_worse is not None]
    return Check(
        name="slices",
        answer="fail" if worse else "pass",
        value=float(len(worse)),
        bound=0.0,
        low=None,
        high=None,
        says=f"shown to be worse for {', '.join(worse)}"
        if worse
        else f"none of {len(tested)} slices is shown to be worse",
    )


def _log_loss(difference: Difference) -> Check:
    found, p = difference.log_loss, difference.log_loss_p_worse
    worse = p is not None and p < WORSE_LEVEL
    return Check(
        name="log_loss",
        answer="fail" if worse else "pass",
        value=found.value,
        bound=0.0,
        low=found.low,
        high=found.high,
        says=f"log-loss {_signed(found.value)} against the champion: "
        f"{'shown to be worse' if worse else 'not shown to be worse'}",
    )


def _differ(difference: Difference) -> Check:
    count = difference.disagreements
    return Check(
        name="answers_differ",
        answer="pass" if count else "undecided",
        value=float(count),
        bound=0.0,
        low=None,
        high=None,
        says=f"{count:,} unseen votes are answered differently by the two",
    )


def _reason(
    decision: Decision, checks: list[Check], evaluation: Evaluation, needed: int | None
) -> str:
    if evaluation.difference is None and decision == "promote":
        return "first model: it passed its self-test and the floors"
    if decision == "reject":
        return "; ".join(f"{c.name}: {c.says}" for c in checks if c.answer == "fail")
    if decision == "promote":
        return checks[0].says
    open_ones = "; ".join(f"{c.name}: {c.says}" for c in checks if c.answer == "undecided")
    return "; ".join(filter(None, [open_ones, _missing(needed, evaluation)]))


def _missing(needed: int | None, evaluation: Evaluation) -> str | None:
    """The missing evidence, in words; None when nobody was compared."""
    if evaluation.difference is None or not evaluation.test["votes"]:
        return None
    if needed is None:
        return "the two never differ, so no number of votes like these would tell them apart"
    if needed == 0:
        return "a difference worth having would have shown by now"
    return f"about {needed:,} more votes would show a difference worth having"


def _signed(value: float | None) -> str:
    return "unknown" if value is None else f"{value:+.4f}"


def _plain(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.4f}"
