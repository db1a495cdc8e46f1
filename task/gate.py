"""The gate: may this challenger serve? A policy over an evaluation, and nothing else.

The rule of `gate: harm`, the default: a challenger is promoted where improvement is to be expected
and harm is not to be feared. Harm is a true log-loss worse than the champion's, or than that of
the best version of the last year, by more than `tolerated_loss`; it may happen in `yearly_risk` of
years, and each look spends some of that. Waiting until a challenger is *shown* to be better was
measured to serve people worse than no gate at all (docs/decisions/2026-11-30-do-no-harm.md); it is
`gate: superiority`, in log-loss, and `gate: f1`, in F1.

Each check answers pass, fail or undecided. Any fail rejects, else any undecided is inconclusive,
else the challenger is promoted. Missing evidence and ties keep the champion. A first model has
nobody to beat but a constant and the base data.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from task.checks import Answer, Check, check_of, plain, share, signed
from task.evaluate import Against, Difference, Evaluation
from task.harm import ENOUGH, Gain, Posterior, lower_bound, needed, posterior
from task.intervals import Interval
from task.refit import MOST, MOST_OF_A_STYLE
from task.risk import Budget, describe

Decision = Literal["promote", "reject", "inconclusive"]


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What a promotion needs; see the settings of the same names."""

    gate: str = "harm"
    tolerated_loss: float = 0.01
    min_improvement: float = 0.0
    min_test_groups: int = 30
    min_accuracy: float = 0.0
    min_precision: float = 0.0
    min_recall: float = 0.0
    min_f1: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The decision with its reason.

    `risk` is what this look spent of the year's, `budget` what the year has risked so far, with
    it. `expected_gain` is the gain after shrinkage, in nats per vote, and `anchor` the version that
    the next challengers must not fall behind either, if this one is promoted.
    """

    decision: Decision
    reason: str
    checks: tuple[Check, ...]
    risk: float
    budget: str
    expected_gain: float | None
    anchor: str | None


def decide(
    evaluation: Evaluation, policy: Policy, *, budget: Budget, self_test: str | None = None
) -> Verdict:
    """Decide. `self_test` is None when it passed, else what went wrong."""
    checks = [_self_test(self_test), _refit(evaluation), *_floors(evaluation, policy)]
    checks.append(_enough(int(evaluation.judged["groups"]), policy.min_test_groups))
    difference = evaluation.difference
    if difference is None:
        checks += [_reference(each) for each in evaluation.references]
        decision = _decision(checks)
        return Verdict(
            decision=decision,
            reason=_first_reason(decision, checks),
            checks=tuple(checks),
            risk=0.0,
            budget=describe(budget),
            expected_gain=None,
            anchor=None,
        )
    found = posterior(difference.gain, policy.tolerated_loss)
    rules, risk = _rules(evaluation, difference, policy, budget, found)
    checks = [*rules, *checks, *_suspicions(evaluation), _differ(difference)]
    decision = _decision(checks)
    if risk.on_promotion_only and decision != "promote":
        risk = _Risk(spent=0.0)
    spent = Budget(
        yearly=budget.yearly,
        spent=budget.spent + risk.spent,
        look=budget.look,
        reserve=budget.reserve,
        frees_at=budget.frees_at,
    )
    return Verdict(
        decision=decision,
        reason=_reason(decision, checks),
        checks=tuple(checks),
        risk=risk.spent,
        budget=describe(spent),
        expected_gain=found.expected if found else None,
        anchor=_next_anchor(evaluation, difference),
    )


@dataclass(frozen=True, kw_only=True)
class _Risk:
    """What a look spends; a known probability of harm only where it leads to a promotion."""

    spent: float
    on_promotion_only: bool = False


def _rules(
    evaluation: Evaluation,
    difference: Difference,
    policy: Policy,
    budget: Budget,
    found: Posterior | None,
) -> tuple[list[Check], _Risk]:
    """The checks that the configured gate adds, and what the look spends."""
    if policy.gate == "superiority":
        return [_superior(difference.gain)], _Risk(spent=0.0)
    if policy.gate == "f1":
        return [_f1_interval(difference, policy.min_improvement)], _Risk(spent=0.0)
    harm, risk = _harm("no_harm", "the champion", difference.gain, policy, budget)
    checks = [harm, _expected(difference.gain, found)]
    if evaluation.anchor is not None:
        name = f"{evaluation.anchor.name}, which no version since was shown to beat,"
        checks.append(_harm("no_harm_since", name, evaluation.anchor.gain, policy, budget)[0])
    if policy.min_improvement > 0.0:
        checks.append(_f1_value(difference, policy.min_improvement))
    return checks, risk


def _harm(
    check: str, other: str, gain: Gain, policy: Policy, budget: Budget
) -> tuple[Check, _Risk]:
    """Is harm beyond the margin ruled out, at what this look may spend?"""
    margin = policy.tolerated_loss
    if budget.frees_at is not None:
        says = f"a look must have some of the yearly risk left to spend: {describe(budget)}"
        return check_of(check, "undecided", None, -margin, says), _Risk(spent=0.0)
    if gain.groups >= ENOUGH:
        risk = needed(gain, margin, budget.look)
        low = lower_bound(gain, risk)
        answer: Answer = "pass" if low is not None and low > -margin else "undecided"
        says = (
            f"the gain over {other} is {signed(gain.value)} nats a vote and at least "
            f"{signed(low)}, at a risk of {share(risk)}; {-margin:+.4f} at least is needed"
        )
        return check_of(check, answer, low, -margin, says), _Risk(spent=risk)
    found, most = posterior(gain, margin), budget.look
    harm = None if found is None else found.harm
    answer = "pass" if harm is not None and harm <= most else "undecided"
    says = (
        f"{gain.groups:,} people or photos are fewer than {ENOUGH}, so a posterior "
        f"decides: being worse than {other} by over {margin:.3f} nats a vote has a probability of "
        f"{share(harm)}; at most {share(most)} may be spent"
    )
    return check_of(check, answer, harm, most, says), _Risk(
        spent=harm or 0.0, on_promotion_only=True
    )


def _expected(gain: Gain, found: Posterior | None) -> Check:
    expected = None if found is None else found.expected
    answer: Answer = "pass" if expected is not None and expected > 0.0 else "undecided"
    says = (
        f"the log-loss is expected to fall by {signed(expected)} nats a vote after shrinkage "
        f"(on these votes {signed(gain.value)})"
    )
    return Check(
        name="expected_gain",
        answer=answer,
        value=expected,
        bound=0.0,
        low=gain.low,
        high=gain.high,
        says=says,
    )


def _superior(gain: Gain) -> Check:
    answer: Answer = "undecided"
    if gain.low is not None and gain.high is not None:
        answer = "pass" if gain.low > 0.0 else "fail" if gain.high < 0.0 else "undecided"
    return Check(
        name="superiority",
        answer=answer,
        value=gain.value,
        bound=0.0,
        low=gain.low,
        high=gain.high,
        says=f"the gain is {signed(gain.value)} nats a vote, between {signed(gain.low)} and "
        f"{signed(gain.high)}; all of that must be above 0",
    )


def _f1_interval(difference: Difference, bound: float) -> Check:
    f1 = difference.f1
    answer: Answer = "undecided"
    if difference.disagreements and f1.low is not None and f1.high is not None:
        answer = "pass" if f1.low > bound else "fail" if f1.high < bound else "undecided"
    return Check(
        name="f1_improvement",
        answer=answer,
        value=f1.value,
        bound=bound,
        low=f1.low,
        high=f1.high,
        says=f"F1 {signed(f1.value)} against the champion, between {signed(f1.low)} and "
        f"{signed(f1.high)}; all of that must be above {bound:+.3f}",
    )


def _f1_value(difference: Difference, bound: float) -> Check:
    f1 = difference.f1
    passed = f1.value is not None and f1.value >= bound
    return Check(
        name="f1_improvement",
        answer="pass" if passed else "undecided",
        value=f1.value,
        bound=bound,
        low=f1.low,
        high=f1.high,
        says=f"F1 {signed(f1.value)} against the champion; min_improvement asks for {bound:+.3f}",
    )


def _reference(reference: Against) -> Check:
    """A first model must beat what needs no model, on groups that it has not seen."""
    gain = reference.gain
    answer: Answer = "undecided"
    if gain.value is not None:
        if gain.value > 0.0:
            answer = "pass"
        elif gain.p_worse is not None and gain.p_worse < 0.05:
            answer = "fail"
    return Check(
        name=f"better_than_{'base' if 'base' in reference.name else 'constant'}",
        answer=answer,
        value=gain.value,
        bound=0.0,
        low=gain.low,
        high=gain.high,
        says=f"the gain over {reference.name} is {signed(gain.value)} nats a vote on groups held "
        "out; it must be above 0",
    )


def _decision(checks: list[Check]) -> Decision:
    answers = {check.answer for check in checks}
    if "fail" in answers:
        return "reject"
    return "inconclusive" if "undecided" in answers else "promote"


def _self_test(problem: str | None) -> Check:
    says = problem or "the files read back from disk give the recorded answers"
    return check_of("self_test", "fail" if problem else "pass", None, None, says)


def _refit(evaluation: Evaluation) -> Check:
    found = evaluation.refit
    says = (
        f"the model that ships is {found.overall:.2f} times as far from its folds' mean as the "
        f"farthest fold (at most {MOST:.0f}), {found.worst_style:.2f} times on the worst style (at "
        f"most {MOST_OF_A_STYLE:.0f}); squared"
    )
    return check_of("refit", "pass" if found.alike else "fail", found.overall, 1.0, says)


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
        says=f"{name} {plain(found.value)}; the floor is {bound:.3f}",
    )


def _enough(groups: int, bound: int) -> Check:
    says = f"{groups:,} people or photos held out; {bound:,} are the least to judge on"
    answer: Answer = "pass" if groups >= bound else "undecided"
    return check_of("min_test_groups", answer, float(groups), float(bound), says)


def _suspicions(evaluation: Evaluation) -> list[Check]:
    """One check a kind of fault: fails when Holm's procedure over all of them shows one."""
    names = list(dict.fromkeys(each.name for each in evaluation.suspicions))
    tested = sum(each.p is not None for each in evaluation.suspicions)
    checks = []
    for name in names:
        of = [each for each in evaluation.suspicions if each.name == name]
        shown = [each.says for each in of if each.shown]
        lowest = min((each.p for each in of if each.p is not None), default=None)
        says = (
            f"shown to be worse: {', '.join(shown)}"
            if shown
            else f"not shown to be worse (one of {tested} tests that are held to 5 % together)"
        )
        checks.append(check_of(name, "fail" if shown else "pass", lowest, 0.05, says))
    return checks


def _differ(difference: Difference) -> Check:
    """Equality never promotes: a table that answers as the champion's does is no improvement."""
    answer: Answer = "pass" if difference.changed else "undecided"
    says = (
        f"{difference.changed:,} votes get another like probability than from the champion, "
        f"{difference.disagreements:,} another answer"
    )
    return check_of("answers_differ", answer, float(difference.changed), 0.0, says)


def _next_anchor(evaluation: Evaluation, difference: Difference) -> str | None:
    """The oldest version that the challenger is not shown to be better than; None if it beats all.

    Not merely expected: that much every promotion is, by luck too, and losses within the margin
    would add up from one lucky promotion to the next.
    """
    older = [] if evaluation.anchor is None else [evaluation.anchor]
    if evaluation.champion_version is not None:
        older.append(Against(name=evaluation.champion_version, gain=difference.gain))
    return next((each.name for each in older if not _beaten(each.gain)), None)


def _beaten(gain: Gain) -> bool:
    return gain.low is not None and gain.low > 0.0


def _reason(decision: Decision, checks: list[Check]) -> str:
    if decision == "reject":
        return "; ".join(f"{c.name}: {c.says}" for c in checks if c.answer == "fail")
    if decision == "promote":
        rules = ("no_harm", "expected_gain", "superiority", "f1_improvement")
        return "; ".join(c.says for c in checks if c.name in rules)
    open_ones = [c for c in checks if c.answer == "undecided"]
    said = "; ".join(f"{c.name}: {c.says}" for c in open_ones)
    return f"{said}; {_would_change({c.name for c in open_ones})}"


def _would_change(open_ones: set[str]) -> str:
    """What would change an inconclusive verdict, in words."""
    if "answers_differ" in open_ones:
        return "votes that move the model would change this"
    if open_ones & {"no_harm", "no_harm_since", "min_test_groups", "superiority"}:
        return "votes of more people narrow this down, and the next run looks again"
    return "the next run looks again, with the votes that have come by then"


def _first_reason(decision: Decision, checks: list[Check]) -> str:
    if decision == "promote":
        beaten = [c.says for c in checks if c.name.startswith("better_than")]
        return "; ".join(["first model: it passed its self-test and the floors", *beaten])
    return _reason(decision, checks)
