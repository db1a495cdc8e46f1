"""What may be wrong with a challenger, as the report shows it: the suspicions, and the slices.

The bounds come from `faults`, which holds the challenger to them, so the page cannot name others.
"""

from __future__ import annotations

from typing import Any

from task import charts
from task import report_numbers as numbers
from task.charts import Mark, Svg
from task.faults import CALIBRATION_BIAS, CALIBRATION_SLOPE, SCORE_WORSE
from task.report_evidence import mark, span
from task.report_numbers import Json, part

_NAME = 60  # characters; a style's name is free text of any length


def suspicions(run: Json, evaluation: Json | None) -> dict[str, Any] | None:
    """What was looked at besides the mean, with its bound and its answer; slices stand apart."""
    faults = part(evaluation, "faults")
    tests = (evaluation or {}).get("suspicions") or ()
    if not faults and not tests:
        return None
    by_name = {t.get("name"): t for t in tests if t.get("name") != "slices"}
    flips = part(run, "settings").get("max_negative_flips")
    gained = part(faults, "gain").get("value")
    of_rate = part(evaluation, "base_rate", "gain").get("value")
    ratio = numbers.decimal(faults.get("score_ratio"), 2)
    slope, bias = numbers.decimal(faults.get("slope"), 2), numbers.signed(faults.get("bias"))
    rows = [
        ("log_loss", "Log-loss", f"gain {numbers.nats(gained)}", "0 or more"),
        (
            "calibration",
            "Calibration",
            f"slope {slope}, bias {bias}",
            f"1 ± {CALIBRATION_SLOPE:g}, 0 ± {CALIBRATION_BIAS:g}",
        ),
        ("score", "Squared error of the score", f"{ratio} × the champion's", f"{SCORE_WORSE:g} ×"),
        (
            "negative_flips",
            "Right answers that turned wrong",
            numbers.percent(faults.get("negative_flips")),
            f"at most {numbers.percent(flips, 0)}",
        ),
        (
            "base_rate",
            "The last weeks' like rate",
            f"gain {numbers.nats(of_rate)}",
            "0 or more",
        ),
    ]
    return {
        "rows": [
            {"title": title, "value": value, "bound": bound, **_tested(by_name.get(name))}
            for name, title, value, bound in rows
            if name in by_name or name != "base_rate"
        ],
        "tests": sum(numbers.number(t.get("p")) is not None for t in tests),
        "first_places": faults.get("first_places"),
    }


def _tested(test: Json | None) -> dict[str, str]:
    """The p-value of one test, and its answer after Holm's correction."""
    p = numbers.number((test or {}).get("p"))
    shown = bool((test or {}).get("shown"))
    if test is None or p is None:
        return {"p": numbers.DASH, "answer": "idle", "says": "not tested"}
    answer, says = ("fail", "shown") if shown else ("pass", "not shown")
    return {"p": numbers.plain(p), "answer": answer, "says": says}


def forest(evaluation: Json | None) -> dict[str, Any]:
    """The slices by what they are cut by, each drawn on the scale that all of them share."""
    slices = (evaluation or {}).get("slices") or []
    tests = (evaluation or {}).get("suspicions") or ()
    of_slices = [bool(t.get("shown")) for t in tests if t.get("name") == "slices"]
    shown = of_slices if len(of_slices) == len(slices) else [bool(s.get("worse")) for s in slices]
    gaps = [
        mark("worse" if worse else "gap", s.get("difference"))
        for s, worse in zip(slices, shown, strict=True)
    ]
    drawn = span(gaps, 0.0)
    groups: dict[str, list[dict[str, Any]]] = {}
    for each, gap, worse in zip(slices, gaps, shown, strict=True):
        row = {**each, "name": short(each.get("name")), "worse": worse, "gap": _gap(gap, drawn)}
        groups.setdefault(numbers.spaced(each.get("by")), []).append(row)
    return {
        "groups": groups,
        "worse": [short(s.get("name")) for s, worse in zip(slices, shown, strict=True) if worse],
        "scale": charts.axis(drawn),
    }


def _gap(gap: Mark, drawn: charts.Range) -> Svg:
    label = "Difference in log-loss"
    return charts.intervals([gap], drawn, label, line=0.0, better="lower")


def short(name: object) -> str:
    """A slice's name, cut where nobody reads on; the nameless one is the unknown class."""
    told = str(name or "unknown")
    return told if len(told) <= _NAME else f"{told[: _NAME - 1]}…"
