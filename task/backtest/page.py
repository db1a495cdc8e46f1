"""A backtest as one HTML file: the table, and the mean log-loss so far of each arm as a chart.

The mean so far and not each week's: single weeks of few votes scatter by far more than policies
differ. No script and no request, as in a run's report, with dashes beside the colours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from itertools import accumulate
from typing import Any

from task.charts import Frame, Svg, element, spread

Json = Mapping[str, Any]

COLUMNS = (
    *("policy", "runs", "promoted", "kept by", "log-loss", "AUC", "F1", "excess, mnat", "minutes"),
)
_STYLE = """
:root { color-scheme: light dark; --ink: #1a1a1a; --pale: #8884; }
@media (prefers-color-scheme: dark) { :root { --ink: #eee; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); max-width: 60rem;
  margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; display: block; overflow-x: auto; }
th, td { padding: .3rem .7rem; border-bottom: 1px solid var(--pale); text-align: left; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
svg.plot { width: 100%; } svg text { font-size: 11px; fill: currentColor; }
.grid { stroke: var(--pale); } .curve { fill: none; stroke-width: 2; }
"""
_COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#8c564b", "#17becf", "#7f7f7f")
_DASHES = ("none", "7 3", "2 3", "9 3 2 3")


def page(found: Json) -> str:
    """The whole document."""
    arms = [*found["policies"], *found["references"]]
    said = [f"{found['from'][:10]} to {found['to'][:10]}, {found['looks']} looks.", *found["notes"]]
    body = [
        element("h1", "Backtest"),
        element("p", " ".join(said)),
        _table(found),
        _chart(arms, found["counted_from"]),
        *(_personal(each) for each in found["policies"] if each["personal"]),
    ]
    style = _STYLE + "".join(_kind(number) for number in range(len(arms)))
    head = element("title", "Backtest") + f"<style>{style}</style>"
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width">{head}</head>'
        f"<body>{''.join(body)}</body></html>\n"
    )


def rows(found: Json) -> list[list[str]]:
    """The table's cells, in the order of `COLUMNS`."""
    lines = []
    for each in found["policies"]:
        refused = ", ".join(f"{name} {n}" for name, n in each["refusals"].items()) or "–"
        done = [str(each["runs"]), str(each["promotions"]), refused]
        lines.append([each["name"], *done, *_figures(each), f"{each['task_minutes']:.2f}"])
    trainings = sum(each["name"] == "newest always" for each in found["references"])
    for each in found["references"]:
        of = f" ({', '.join(each['of'])})" if each["of"] and trainings > 1 else ""
        lines.append([each["name"] + of, "", "", "", *_figures(each), ""])
    return lines


def strata(personal: Json) -> list[list[str]]:
    """New and returning groups: votes, log-loss and AUC without and with offsets, the gain."""
    lines = []
    for name in ("new", "returning"):
        each = personal[name]
        gain = f"{_decimal(each['gain'])} ({_decimal(each['low'])} to {_decimal(each['high'])})"
        figures = [
            _decimal(each[how][figure])
            for figure in ("log_loss", "auc")
            for how in ("without", "with")
        ]
        lines.append([name, f"{each['votes']:,}", f"{each['groups']:,}", *figures, gain])
    return lines


STRATA = (
    *("groups", "votes", "number", "log-loss without", "with", "AUC without", "with"),
    "gain, nats (90 %)",
)


def _figures(each: Json) -> list[str]:
    excess = "–" if each["excess"] is None else f"{1000 * each['excess']:.1f}"
    return [*(_decimal(each[name]) for name in ("log_loss", "auc", "f1")), excess]


def _decimal(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def _table(found: Json) -> Svg:
    return _grid(COLUMNS, rows(found), words=(0, 3))


def _personal(each: Json) -> Svg:
    personal = each["personal"]
    ships = "would ship" if personal["would_ship"] else "would not ship"
    says = f"{each['name']}: a person's own offset {ships}. {personal['says']}."
    return Svg(element("p", says) + _grid(STRATA, strata(personal), words=(0,)))


def _grid(columns: Sequence[str], lines: list[list[str]], *, words: tuple[int, ...]) -> Svg:
    head = element("tr", *(element("th", name) for name in columns))
    body = [
        element(
            "tr",
            *(
                element("td", cell, class_="text" if i in words else "number")
                for i, cell in enumerate(line)
            ),
        )
        for line in lines
    ]
    return element("table", head, *body)


def _chart(arms: Sequence[Json], counted_from: str | None) -> Svg:
    curves = [_so_far(arm) for arm in arms]
    known = [value for curve in curves for _, value in curve]
    if not known or counted_from is None:
        return element("p", "No week counts, so there is nothing to draw.")
    last = max(week for curve in curves for week, _ in curve)
    frame = Frame(x=(0.0, last + 1.0), y=spread(known), width=900, height=420)
    parts = frame.axes("looks that count", "mean log-loss so far, nats")
    for number, curve in enumerate(curves):
        parts.append(frame.line(curve, f"arm-{number}"))
        parts.append(_legend(number, arms[number]))
    worded = ", ".join(
        f"{arm['name']} {curve[-1][1]:.4f}"
        for arm, curve in zip(arms, curves, strict=True)
        if curve
    )
    return frame.draw(parts, "Mean log-loss so far", worded)


def _legend(number: int, arm: Json) -> Svg:
    """A stroke and a name, in the upper right."""
    y = 34 + 16 * number
    stroke = element("line", x1=700, x2=728, y1=y - 4, y2=y - 4, class_=f"curve arm-{number}")
    return element("g", stroke, element("text", arm["name"][:28], x=734, y=y))


def _so_far(arm: Json) -> list[tuple[float, float]]:
    """(look that counts, mean log-loss of all votes up to there)."""
    lines = [
        line
        for line in arm["weekly"]
        if line["counted"] and line["votes"] and line["log_loss"] is not None
    ]
    losses = accumulate(line["log_loss"] * line["votes"] for line in lines)
    votes = accumulate(line["votes"] for line in lines)
    return [
        (float(i), loss / count) for i, (loss, count) in enumerate(zip(losses, votes, strict=True))
    ]


def _kind(number: int) -> str:
    colour = _COLOURS[number % len(_COLOURS)]
    dash = _DASHES[number // len(_COLOURS) % len(_DASHES)] if number else "none"
    return escape(f".arm-{number} {{ stroke: {colour}; stroke-dasharray: {dash}; }}\n")
