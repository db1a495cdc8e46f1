"""What the report's templates show, worked out from the run's records.

Everything here is a value: formatted figures, ordered rows and finished charts. The templates
only place them.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from task import charts
from task import report_numbers as numbers
from task import report_words as words
from task.charts import UNIT, Mark, Svg
from task.report_words import Json

_NAME = 60  # characters; a style's name is free text of any length


def view(
    run: Json, training: Json | None, evaluation: Json | None, verdict: Json | None
) -> dict[str, Any]:
    """The names that the templates use, from the same records that `report.render` takes."""
    confidence = _part(run, "settings").get("confidence")
    worth = _part(run, "settings").get("worth_detecting")
    return {
        "run": run,
        "training": training,
        "evaluation": evaluation,
        "verdict": verdict,
        "headline": words.headline(run, evaluation, verdict),
        "because": words.because(run, verdict),
        "absent": words.absent(training, evaluation, verdict),
        "findings": _findings(run),
        "needed": words.needed(verdict, evaluation, worth),
        "interval": f"{numbers.percent(confidence, 0)} interval" if confidence else "interval",
        "checks": _checks(verdict),
        "duel": _duel(verdict),
        "flow": _flow(run),
        "rejected": _counted(run, "rejected_by_reason"),
        "refused": sum(_amounts(run, "counts", "rejected_by_reason").values()),
        "noted": _counted(run, "noted"),
        "metrics": _metrics(evaluation),
        "unit_scale": charts.axis(UNIT),
        "since": _since(evaluation),
        "forest": _forest(evaluation),
        "plots": _plots(evaluation),
        "learning": _learning(training),
        "effects": _effects(training),
        "trust": _trust(training),
        "stages": _stages(run),
    }


def _findings(run: Json) -> list[dict[str, Any]]:
    """What stopped the run first, then the warnings, then the rest."""
    gravity = {"stop": 0, "warn": 1}
    found = sorted(run.get("findings") or (), key=lambda item: gravity.get(item.get("answer"), 2))
    figures = ("value", "bound")
    return [
        item | {key: words.finding_figure(item.get("name"), item.get(key)) for key in figures}
        for item in found
    ]


def _part(record: Json | None, *path: str) -> Json:
    """A nested part of a record, empty where it is missing or null."""
    for name in path:
        record = (record or {}).get(name)
    return record or {}


def _amounts(record: Json | None, *path: str) -> dict[str, float]:
    """A part that maps names to amounts, without those that are null."""
    known = {name: numbers.number(value) for name, value in _part(record, *path).items()}
    return {name: value for name, value in known.items() if value is not None}


def _ranked(amounts: Mapping[str, float]) -> list[tuple[str, float]]:
    """The largest amount first; equal ones by name."""
    return sorted(amounts.items(), key=lambda item: (-item[1], item[0]))


def _counted(run: Json, part: str) -> list[tuple[str, float]]:
    return [(name, amount) for name, amount in _ranked(_amounts(run, "counts", part)) if amount]


@dataclass(frozen=True, kw_only=True)
class CheckView:
    """One check as the page shows it; `bar` is None where there is nothing to draw."""

    name: str
    title: str
    answer: str
    says: str | None
    value: str | None
    bound: str | None
    reach: str | None
    bar: Svg | None
    scale: Svg | None
    change: str | None


def _checks(verdict: Json | None) -> list[CheckView]:
    """What did not pass stands first; otherwise the gate's own order."""
    checks = [_check(check) for check in (verdict or {}).get("checks") or ()]
    return sorted(checks, key=lambda check: _ORDER.get(check.answer, 2))


_ORDER = {"fail": 0, "undecided": 1}


def _check(check: Json) -> CheckView:
    name, answer = numbers.text(check.get("name")), numbers.text(check.get("answer"))
    told = words.check_words(name)
    show = words.shown_as(name)
    low, high = check.get("low"), check.get("high")
    bar, scale = _check_bar(check, told)
    return CheckView(
        name=name,
        title=told.title,
        answer=answer,
        says=check.get("says"),
        value=None if check.get("value") is None else show(check["value"]),
        bound=None if check.get("bound") is None else show(check["bound"]),
        reach=None if low is None or high is None else f"{show(low)} to {show(high)}",
        bar=bar,
        scale=scale,
        change=words.what_would_change(check),
    )


def _check_bar(check: Json, told: words.CheckWords) -> tuple[Svg | None, Svg | None]:
    """The check's value and interval drawn against its bound, and the scale below."""
    mark, bound = _mark(str(check.get("answer")), check), numbers.number(check.get("bound"))
    if mark.value is None or bound is None or told.better is None:
        return None, None
    span = charts.spread([mark.value, mark.low, mark.high, bound])
    label = f"{told.title}: {mark.value:.4g}, bound {bound:.4g}"
    bar = charts.intervals([mark], span, label, line=bound, better=told.better)
    return bar, charts.axis(span)


def _duel(verdict: Json | None) -> dict[str, Any] | None:
    """The first picture: the difference in F1 with its bound in the middle."""
    checks = (verdict or {}).get("checks") or ()
    check: Json = next((c for c in checks if c.get("name") == "f1_improvement"), {})
    mark, bound = _mark(str(check.get("answer")), check), numbers.number(check.get("bound"))
    if mark.value is None or mark.low is None or mark.high is None or bound is None:
        return None
    half = 1.2 * max(abs(mark.low - bound), abs(mark.high - bound), 0.005)
    span = (bound - half, bound + half)
    reach = f"from {numbers.signed(mark.low)} to {numbers.signed(mark.high)}"
    label = f"Difference in F1 {numbers.signed(mark.value)}, {reach}"
    bar = charts.intervals([mark], span, label, line=bound, better="higher")
    return {**check, "bar": bar, "scale": charts.axis(span)}


def _flow(run: Json) -> dict[str, Svg]:
    """Two bars: what became of the votes read, and where the usable ones went."""
    counts = _part(run, "counts")
    rejected = sum(_amounts(run, "counts", "rejected_by_reason").values())
    read = counts.get("read") or 0
    bars = {}
    if read:
        pieces = [("votes", "usable", read - rejected), ("rejected", "rejected", rejected)]
        bars["read"] = charts.stack(pieces, f"Of {read:,} votes read, {rejected:,} were rejected")
    splits = [(name, name, counts.get(name) or 0) for name in ("train", "validation", "test")]
    if any(amount for *_, amount in splits):
        told = ", ".join(f"{name} {amount:,}" for _, name, amount in splits)
        bars["split"] = charts.stack(splits, f"Votes by part: {told}")
    return bars


def _mark(kind: str, interval: Json | None) -> Mark:
    value, low, high = (numbers.number((interval or {}).get(k)) for k in ("value", "low", "high"))
    return Mark(kind=kind, value=value, low=low, high=high)


def _span(marks: Sequence[Mark], *more: float) -> charts.Range:
    known = [number for mark in marks for number in (mark.value, mark.low, mark.high)]
    return charts.spread([*known, *more], pad=0.06)


def _metrics(evaluation: Json | None) -> list[dict[str, Any]]:
    """One row for each metric. Two bars have a scale of their own, one alone stands in 0 to 1."""
    both = {who: _part(evaluation, who) for who in ("challenger", "champion")}
    rows = []
    for key, (name, better, meaning) in words.METRICS.items():
        marks = [_mark(who, metrics[key]) for who, metrics in both.items() if metrics.get(key)]
        if not marks:
            continue
        label = f"{name}, new model and champion with intervals"
        rows.append(
            {
                "name": name,
                "better": better,
                "meaning": meaning,
                "challenger": both["challenger"].get(key),
                "champion": both["champion"].get(key),
                "difference": _part(evaluation, "difference").get(key),
                "bar": charts.intervals(marks, _span(marks) if both["champion"] else UNIT, label),
            }
        )
    return rows


def _since(evaluation: Json | None) -> dict[str, Svg] | None:
    """The difference on the votes after the champion's cutoff alone, against none at all."""
    mark = _mark("gap", _part(evaluation, "since_champion", "difference"))
    if mark.low is None or mark.high is None:
        return None
    span = _span([mark], 0.0)
    label = "Difference in F1 on the votes since the champion was made"
    bar = charts.intervals([mark], span, label, line=0.0, better="higher")
    return {"bar": bar, "scale": charts.axis(span)}


def _forest(evaluation: Json | None) -> dict[str, Any]:
    """The slices by what they are cut by, each drawn on scales that all of them share."""
    slices = (evaluation or {}).get("slices") or []
    levels = [_mark(who, s.get(who)) for s in slices for who in ("challenger", "champion")]
    gaps = [_mark("worse" if s.get("worse") else "gap", s.get("difference")) for s in slices]
    level_span, gap_span = _span(levels), _span(gaps, 0.0)
    groups: dict[str, list[dict[str, Any]]] = {}
    for index, (part, gap) in enumerate(zip(slices, gaps, strict=True)):
        pair = levels[2 * index : 2 * index + (2 if part.get("champion") else 1)]
        row = {
            **part,
            "name": _short(part.get("name")),
            "level": charts.intervals(pair, level_span, "F1 with intervals"),
            "gap": charts.intervals([gap], gap_span, "Difference in F1", line=0.0, better="higher"),
        }
        groups.setdefault(numbers.spaced(part.get("by")), []).append(row)
    return {
        "groups": groups,
        "worse": [_short(part.get("name")) for part in slices if part.get("worse")],
        "paired": any(part.get("difference") for part in slices),
        "level_scale": charts.axis(level_span),
        "gap_scale": charts.axis(gap_span),
    }


def _short(name: object) -> str:
    """A slice's name, cut where nobody reads on; the nameless one is the unknown class."""
    told = str(name or "unknown")
    return told if len(told) <= _NAME else f"{told[: _NAME - 1]}…"


def _plots(evaluation: Json | None) -> dict[str, Svg]:
    """The plots there are numbers for: ROC and calibration."""
    plots: dict[str, Svg] = {}
    curves, bins = _part(evaluation, "roc"), _part(evaluation, "calibration")
    if curves.get("challenger"):
        told = _told("AUC", evaluation, "auc")
        plots["roc"] = charts.roc(curves["challenger"], curves.get("champion"), told)
    if bins.get("challenger"):
        told = _told("Calibration error", evaluation, "calibration_error")
        plots["calibration"] = charts.calibration(bins["challenger"], bins.get("champion"), told)
    return plots


def _learning(training: Json | None) -> dict[str, Any] | None:
    """How the network learned: a plot for each loss, the epoch kept, when the rate was lowered."""
    names = {"validation_loss": "log-loss on validation", "train_loss": "loss in training"}
    epochs = (training or {}).get("curve") or ()
    rows = [row for row in epochs if all(numbers.number(row.get(key)) is not None for key in names)]
    if not rows:
        return None
    best = min(rows, key=lambda row: float(row["validation_loss"]))["epoch"]
    plots = [
        charts.learning_curve(
            [(row["epoch"], row[key]) for row in rows], best, name, f"Over {len(rows)} epochs"
        )
        for key, name in names.items()
    ]
    pairs = itertools.pairwise(rows)
    lowered = [b["epoch"] for a, b in pairs if a.get("learning_rate") != b.get("learning_rate")]
    return {"plots": plots, "best": best, "lowered": lowered}


def _told(name: str, evaluation: Json | None, key: str) -> str:
    values = {who: _part(evaluation, who, key).get("value") for who in ("challenger", "champion")}
    old = "" if values["champion"] is None else f", champion {numbers.decimal(values['champion'])}"
    return f"{name}: new model {numbers.decimal(values['challenger'])}{old}."


def _effects(training: Json | None) -> list[dict[str, Any]]:
    """What taste depends on, the strongest first: share of variance, usual change of the odds."""
    variances = _amounts(training, "variances")
    total = sum(variances.values())
    return [
        {
            "name": name.replace("×", " × "),
            "variance": variance,
            "share": variance / total if total else None,
            "odds": math.exp(math.sqrt(variance)),
            "bar": _part_of(total, name, variance),
        }
        for name, variance in _ranked(variances)
    ]


def _part_of(total: float, name: str, amount: float) -> Svg:
    rest = max(total - amount, 0.0)
    return charts.stack([("votes", name, amount), ("rest", "the others", rest)], name)


def _trust(training: Json | None) -> dict[str, Any] | None:
    """How far the base data are believed, on a scale from nothing (0) to fully (1)."""
    base = _part(training, "base")
    if base.get("trust") is None:
        return None
    reach = {"value": base["trust"], "low": base.get("trust_low"), "high": base.get("trust_high")}
    mark = _mark("challenger", reach)
    span = _span([mark], 0.0, 1.0)
    bar = charts.intervals([mark], span, "Trust in the base data", line=1.0)
    without = numbers.number(base.get("validation_log_loss_without"))
    with_base = numbers.number(base.get("validation_log_loss_with"))
    gain = None if without is None or with_base is None else without - with_base
    return {"bar": bar, "scale": charts.axis(span), "gain": gain}


def _stages(run: Json) -> list[dict[str, Any]]:
    taken = _amounts(run, "seconds_by_stage")
    total = sum(taken.values())
    return [
        {
            "name": name,
            "seconds": value,
            "bar": _part_of(total, name, value),
        }
        for name, value in taken.items()
    ]
