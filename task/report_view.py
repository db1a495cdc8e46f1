"""What the report's templates show, worked out from the run's records.

Everything here is a value: formatted figures, ordered rows and finished charts. The templates
only place them.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from task import charts
from task import report_evidence as evidence
from task import report_faults as faults
from task import report_numbers as numbers
from task import report_words as words
from task.charts import UNIT, Svg
from task.report_checks import CheckWords, check_words, what_would_change
from task.report_evidence import mark, span
from task.report_numbers import Json, amounts, part


def view(
    run: Json, training: Json | None, evaluation: Json | None, verdict: Json | None
) -> dict[str, Any]:
    """The names that the templates use, from the same records that `report.render` takes."""
    confidence = part(run, "settings").get("confidence")
    return {
        "run": run,
        "training": training,
        "evaluation": evaluation,
        "verdict": verdict,
        "headline": words.headline(run, evaluation, verdict),
        "because": words.because(run, verdict),
        "absent": words.absent(training, evaluation, verdict),
        "findings": _findings(run),
        "settles": words.settles(verdict),
        "interval": f"{numbers.percent(confidence, 0)} interval" if confidence else "interval",
        "checks": _checks(verdict),
        "judged": evidence.judged(run, training, evaluation),
        "gain": evidence.gain(run, evaluation, verdict),
        "f1": evidence.f1(evaluation),
        "earlier": evidence.earlier_gate(run, evaluation),
        "proof": evidence.proof(evaluation),
        "anchor": evidence.anchor(evaluation, verdict),
        "refit": evidence.refit(evaluation),
        "references": evidence.references(evaluation),
        "suspicions": faults.suspicions(run, evaluation),
        "forest": faults.forest(evaluation),
        "flow": _flow(run),
        "rejected": _counted(run, "rejected_by_reason"),
        "refused": sum(amounts(run, "counts", "rejected_by_reason").values()),
        "noted": _counted(run, "noted"),
        "metrics": _metrics(evaluation),
        "unit_scale": charts.axis(UNIT),
        "since": _since(evaluation),
        "plots": _plots(evaluation),
        "learning": _learning(training),
        "settled": _settled(training),
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


def _ranked(amounts: Mapping[str, float]) -> list[tuple[str, float]]:
    """The largest amount first; equal ones by name."""
    return sorted(amounts.items(), key=lambda item: (-item[1], item[0]))


def _counted(run: Json, what: str) -> list[tuple[str, float]]:
    return [(name, amount) for name, amount in _ranked(amounts(run, "counts", what)) if amount]


@dataclass(frozen=True, kw_only=True)
class CheckView:
    """One check as the page shows it; `bar` is None where there is nothing to draw."""

    name: str
    title: str
    answer: str
    says: str | None
    measures: str
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
    told = check_words(check)
    bar, scale = _check_bar(check, told)
    return CheckView(
        name=numbers.text(check.get("name")),
        title=told.title,
        answer=numbers.text(check.get("answer")),
        says=check.get("says"),
        measures=told.measures,
        value=None if check.get("value") is None else told.show(check["value"]),
        bound=None if check.get("bound") is None else told.show(check["bound"]),
        reach=numbers.reach(check.get("low"), check.get("high"), told.show),
        bar=bar,
        scale=scale,
        change=what_would_change(check),
    )


def _check_bar(check: Json, told: CheckWords) -> tuple[Svg | None, Svg | None]:
    """The check's value and interval drawn against its bound, and the scale below."""
    found, bound = mark(str(check.get("answer")), check), numbers.number(check.get("bound"))
    if found.value is None or bound is None or told.better is None:
        return None, None
    drawn = charts.spread([found.value, found.low, found.high, bound])
    label = f"{told.title}: {found.value:.4g}, bound {bound:.4g}"
    bar = charts.intervals([found], drawn, label, line=bound, better=told.better)
    return bar, charts.axis(drawn)


def _flow(run: Json) -> Svg | None:
    """What became of the votes read."""
    read = numbers.number(part(run, "counts").get("read"))
    if not read:
        return None
    rejected = sum(amounts(run, "counts", "rejected_by_reason").values())
    pieces = [("votes", "usable", read - rejected), ("rejected", "rejected", rejected)]
    return charts.stack(pieces, f"Of {read:,.0f} votes read, {rejected:,.0f} were rejected")


def _metrics(evaluation: Json | None) -> list[dict[str, Any]]:
    """One row for each metric. Two bars have a scale of their own, one alone stands in 0 to 1."""
    both = {who: part(evaluation, who) for who in ("challenger", "champion")}
    rows = []
    for key, (name, better, meaning) in words.METRICS.items():
        marks = [mark(who, metrics[key]) for who, metrics in both.items() if metrics.get(key)]
        if not marks:
            continue
        label = f"{name}, new model and champion with intervals"
        rows.append(
            {
                "name": name,
                "main": key in words.MAIN_METRICS,
                "better": better,
                "meaning": meaning,
                "challenger": both["challenger"].get(key),
                "champion": both["champion"].get(key),
                "difference": part(evaluation, "difference").get(key),
                "bar": charts.intervals(marks, span(marks) if both["champion"] else UNIT, label),
            }
        )
    return rows


def _since(evaluation: Json | None) -> dict[str, Any] | None:
    """The gain on the votes after the champion's cutoff alone, against none at all."""
    found = part(evaluation, "since_champion", "gain")
    drawn = mark("gap", found)
    if drawn.low is None or drawn.high is None:
        return None
    scale = span([drawn], 0.0)
    label = "Gain in log-loss on the votes since the champion was made"
    bar = charts.intervals([drawn], scale, label, line=0.0, better="higher")
    reach = numbers.reach(drawn.low, drawn.high, numbers.nats)
    return {"bar": bar, "scale": charts.axis(scale), "reach": reach}


def _plots(evaluation: Json | None) -> dict[str, Svg]:
    """The plots there are numbers for: ROC and calibration."""
    plots: dict[str, Svg] = {}
    curves, bins = part(evaluation, "roc"), part(evaluation, "calibration")
    if curves.get("challenger"):
        told = _told("AUC", evaluation, "auc")
        plots["roc"] = charts.roc(curves["challenger"], curves.get("champion"), told)
    if bins.get("challenger"):
        told = _told("Calibration error", evaluation, "calibration_error")
        plots["calibration"] = charts.calibration(bins["challenger"], bins.get("champion"), told)
    return plots


def _learning(training: Json | None) -> dict[str, Any] | None:
    """How the network learned: a plot for each loss, the epoch kept, when the rate was lowered."""
    names = {"validation_loss": "log-loss on the fold held out", "train_loss": "loss in training"}
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
    values = {who: part(evaluation, who, key).get("value") for who in ("challenger", "champion")}
    old = "" if values["champion"] is None else f", champion {numbers.decimal(values['champion'])}"
    return f"{name}: new model {numbers.decimal(values['challenger'])}{old}."


def _effects(training: Json | None) -> list[dict[str, Any]]:
    """What taste depends on, the strongest first: share of variance, usual change of the odds.

    Nothing where the fit is not known to have settled: its variances are then too large by
    unequal factors, and a share of them would be an artefact.
    """
    if not _settled(training):
        return []
    variances = amounts(training, "variances")
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


def _settled(training: Json | None) -> bool:
    """Whether the crossed effects, whose variances are shown, have settled."""
    for line in (training or {}).get("candidates") or ():
        if line.get("name") == "hierarchical":
            return line.get("settled") is True
    return (training or {}).get("settled") is True


def _part_of(total: float, name: str, amount: float) -> Svg:
    rest = max(total - amount, 0.0)
    return charts.stack([("votes", name, amount), ("rest", "the others", rest)], name)


def _trust(training: Json | None) -> dict[str, Any] | None:
    """How far the base data are believed, on a scale from nothing (0) to fully (1)."""
    base = part(training, "base")
    if numbers.number(base.get("trust")) is None:
        return None
    ends = {"value": base["trust"], "low": base.get("trust_low"), "high": base.get("trust_high")}
    found = mark("challenger", ends)
    drawn = span([found], 0.0, 1.0)
    bar = charts.intervals([found], drawn, "Trust in the base data", line=1.0)
    without = numbers.number(base.get("log_loss_without"))
    with_base = numbers.number(base.get("log_loss_with"))
    gained = None if without is None or with_base is None else without - with_base
    return {"bar": bar, "scale": charts.axis(drawn), "gain": gained}


def _stages(run: Json) -> list[dict[str, Any]]:
    taken = amounts(run, "seconds_by_stage")
    total = sum(taken.values())
    return [
        {
            "name": name,
            "seconds": value,
            "bar": _part_of(total, name, value),
        }
        for name, value in taken.items()
    ]
