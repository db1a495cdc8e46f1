"""The report's evidence: what was judged, the gain against its margin, what else is known of it.

Values for the templates, like `report_view`; the bounds come from the modules that hold the
challenger to them, so the page cannot name others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from task import charts
from task import report_numbers as numbers
from task.charts import Mark
from task.eprocess import PROOF
from task.refit import MOST, MOST_OF_A_STYLE
from task.report_numbers import Json, part

_RULES = {"log_loss", "no_harm", "no_harm_since", "expected_gain", "superiority"}
_RULES |= {"better_than_constant", "better_than_base"}


def mark(kind: str, interval: Json | None) -> Mark:
    """An interval of a record as the charts draw it."""
    value, low, high = (numbers.number((interval or {}).get(k)) for k in ("value", "low", "high"))
    return Mark(kind=kind, value=value, low=low, high=high)


def span(marks: Sequence[Mark], *more: float, pad: float = 0.06) -> charts.Range:
    """A range that holds the marks with their intervals, and `more`."""
    known = [number for each in marks for number in (each.value, each.low, each.high)]
    return charts.spread([*known, *more], pad=pad)


def judged(run: Json, training: Json | None, evaluation: Json | None) -> dict[str, Any] | None:
    """Which votes judged whom: a row for each way, and those that could not judge both."""
    counts = numbers.amounts(evaluation, "judged")
    votes = counts.get("votes")
    if votes is None:
        return None
    known = numbers.number((training or {}).get("votes") or part(run, "counts").get("votes"))
    ways = [(kind, says, counts.get(key, 0.0)) for kind, key, says in _WAYS]
    if (evaluation or {}).get("champion_version") is None:
        ways = [("folds", "each by a model that was fitted without them", votes)]
    ways.append(("neither", _NEITHER, max((known or votes) - votes, 0.0)))
    rows = [row for row in ways if row[2]]
    told = ", ".join(f"{amount:,.0f} {says}" for _, says, amount in rows)
    bar = charts.stack(rows, f"Votes by what they could judge: {told}") if rows else None
    return {**counts, "known": known, "rows": rows, "bar": bar}


_WAYS = (
    ("after", "after_cutoff", "after the champion's cutoff: it is judged as published"),
    ("folds", "out_of_fold", "before it, by folds: both by models fitted without them"),
    ("fixed", "fixed_split", "on the fixed split of an older version: its test side"),
)
_NEITHER = "could not judge both, and were left out"


def gain(run: Json, evaluation: Json | None, verdict: Json | None) -> dict[str, Any] | None:
    """The first picture: the gain in log-loss against no change and the margin of the gate.

    A first model has no champion: its gain is that over the hardest reference, and has no margin.
    """
    found, over = part(evaluation, "difference", "gain"), None
    if not found:
        found, over = _over_hardest(evaluation)
    measured = mark(_answer(verdict), found)
    if measured.value is None:
        return None
    settings = part(run, "settings")
    margin = numbers.number(settings.get("tolerated_loss"))
    without = margin is None or over or settings.get("gate", "harm") != "harm"
    margin = None if without or margin is None else -margin
    expected = Mark(kind="expected", value=numbers.number((verdict or {}).get("expected_gain")))
    marks = [measured] if expected.value is None else [measured, expected]
    reach = numbers.reach(measured.low, measured.high, numbers.nats)
    drawn = span(marks, 0.0, margin or 0.0, pad=0.45)
    label = f"Gain {numbers.nats(measured.value)} nats a vote" + (f", {reach}" if reach else "")
    bar = charts.gains(marks, drawn, label, margin=margin)
    return {
        **found,
        "over": over,
        "reach": reach,
        "margin": margin,
        "expected": expected.value,
        "bar": bar,
        "scale": charts.axis(drawn),
    }


def _over_hardest(evaluation: Json | None) -> tuple[Json, str | None]:
    """The smallest gain over a reference, with the reference's name."""
    found = [
        (value, part(each, "gain"), numbers.text(each.get("name")))
        for each in (evaluation or {}).get("references") or ()
        if (value := numbers.number(part(each, "gain").get("value"))) is not None
    ]
    return min(found, key=lambda each: each[0])[1:] if found else ({}, None)


def _answer(verdict: Json | None) -> str:
    """The gravest answer among the checks that look at the gain."""
    checks = (verdict or {}).get("checks") or ()
    answers = {c.get("answer") for c in checks if c.get("name") in _RULES}
    return next((a for a in ("fail", "undecided", "pass") if a in answers), "gap")


def f1(evaluation: Json | None) -> dict[str, Any] | None:
    """The second picture: the difference in F1 against none."""
    found = part(evaluation, "difference", "f1")
    measured = mark("gap", found)
    if measured.value is None:
        return None
    drawn = span([measured], 0.0, pad=0.3)
    reach = numbers.reach(measured.low, measured.high)
    label = f"Difference in F1 {numbers.signed(measured.value)}" + (f", {reach}" if reach else "")
    bar = charts.intervals([measured], drawn, label, line=0.0, better="higher")
    return {**found, "reach": reach, "bar": bar, "scale": charts.axis(drawn)}


def earlier_gate(run: Json, evaluation: Json | None) -> str | None:
    """What the gate of before would have asked, and whether this challenger would have passed."""
    settings, found = part(run, "settings"), mark("gap", part(evaluation, "difference", "f1"))
    if found.low is None or found.high is None or settings.get("gate") == "f1":
        return None
    bound = numbers.number(settings.get("min_improvement")) or 0.0
    confidence = numbers.number(settings.get("confidence"))
    level = "" if confidence is None else f" at {numbers.percent((1 - confidence) / 2, 0)}"
    would = "it would have passed" if found.low > bound else "it would not have passed yet"
    if found.high < bound:
        would = "it would have been rejected"
    return (
        f"The earlier gate asked that F1 be shown to be better{level}: the difference is "
        f"{numbers.signed(found.value)} ({numbers.reach(found.low, found.high)}), so {would}."
    )


def proof(evaluation: Json | None) -> str | None:
    """Whether the version that serves is proved better than the one it replaced."""
    found = part(evaluation, "proof")
    if not found:
        return None
    e, people = numbers.number(found.get("e_value")), numbers.number(found.get("groups"))
    serves = f"The version that serves, {numbers.text(found.get('champion'))},"
    replaced = f"the version it replaced, {numbers.text(found.get('replaced'))}"
    if not people:
        return f"{serves} is not proved better than {replaced}: nobody has voted since both."
    told = f"e\u00a0=\u00a0{numbers.plain(_rounded(e))} on {numbers.count(people)} people"
    if not found.get("proved"):
        told += f"; e\u00a0≥\u00a0{PROOF:g} proves it"
        return f"{serves} is not proved better yet than {replaced}: {told}."
    reach = numbers.reach(found.get("low"), found.get("high"))
    told += f"; gain {numbers.signed(found.get('gain'))}" + (f" ({reach})" if reach else "")
    return f"{serves} is proved better than {replaced}: {told}."


def _rounded(e: float | None) -> float | None:
    return None if e is None else float(f"{e:.2g}") if e < 100 else float(round(e))


def anchor(evaluation: Json | None, verdict: Json | None) -> str | None:
    """The best comparable version of the last year, and whether it stays what is compared with."""
    found, stays = part(evaluation, "anchor"), (verdict or {}).get("anchor")
    if not found:
        return None
    gained = part(found, "gain")
    reach = numbers.reach(gained.get("low"), gained.get("high"), numbers.nats)
    told = f"The best comparable version of the last year is {numbers.text(found.get('name'))}: "
    told += f"the gain over it is {numbers.nats(gained.get('value'))} nats a vote"
    told += f" ({reach})." if reach else "."
    if stays:
        told += " It stays the anchor: the next challengers must not fall behind it either."
    return told


def refit(evaluation: Json | None) -> str | None:
    """How far what ships lies from what was judged."""
    found = part(evaluation, "refit")
    if numbers.number(found.get("overall")) is None:
        return None
    answers = "answers" if found.get("alike") else "does not answer"
    overall, worst = (numbers.decimal(found.get(k), 2) for k in ("overall", "worst_style"))
    return (
        f"It {answers} like the models of its folds: {overall} times the farthest one's squared "
        f"distance from their mean (at most {MOST:g}), {worst} times on the worst style (at most "
        f"{MOST_OF_A_STYLE:g})."
    )


def references(evaluation: Json | None) -> list[dict[str, Any]]:
    """What needs no model, and what the challenger gains over it."""
    every = [*((evaluation or {}).get("references") or ()), (evaluation or {}).get("base_rate")]
    return [
        {
            "name": each.get("name"),
            "gain": numbers.nats(part(each, "gain").get("value")),
            "reach": numbers.reach(
                part(each, "gain").get("low"), part(each, "gain").get("high"), numbers.nats
            ),
            "votes": part(each, "gain").get("votes"),
        }
        for each in every
        if each
    ]
