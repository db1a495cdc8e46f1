"""The report's charts: small hand-made SVG, drawn by pure functions of plain numbers.

Why not matplotlib: it costs a second of import in every run, its pictures look foreign in a
page that follows the reader's font, width and dark mode, and their text is hard to reach for
a screen reader. These charts take their colours from the page's style sheet by class name,
carry a `title` and a `desc`, and the same numbers always give the same bytes.

Two families. Bars (`intervals`, `gains`, `axis`, `stack`) place everything in per cent, so they
stretch with the page and their strokes do not. Plots (`roc`, `calibration`,
`learning_curve`) have a fixed shape and scale as a whole.

The challenger is a solid line and a filled dot, the champion a dashed line and a hollow dot:
nobody needs to tell colours apart.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

Range = tuple[float, float]
Point = tuple[float, float]


class Svg(str):
    """Finished markup: templates insert it as it is, every other string they escape."""

    __slots__ = ()

    def __html__(self) -> str:
        return str(self)


def element(tag: str, *children: str, **attributes: object) -> Svg:
    """One element; text children and attribute values are escaped. `class_` means `class`."""
    names = ((name.rstrip("_").replace("_", "-"), value) for name, value in attributes.items())
    opening = "".join(f' {name}="{_attribute(value)}"' for name, value in names)
    inner = "".join(child if isinstance(child, Svg) else escape(child) for child in children)
    return Svg(f"<{tag}{opening}>{inner}</{tag}>")


def _attribute(value: object) -> str:
    return f"{value:.2f}" if isinstance(value, float) else escape(str(value))


def tick_label(value: float) -> str:
    """A short number with a real minus sign: 0.25, −0.01, 200."""
    return f"{value:,.6g}".replace("-", "−")


def spread(values: Iterable[float | None], pad: float = 0.12) -> Range:
    """The range that holds all the values that are numbers, with `pad` of it on both sides."""
    known = [value for value in values if value is not None and math.isfinite(value)]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    margin = (high - low) * pad or max(abs(high) * pad, 0.01)
    return low - margin, high + margin


def ticks(span: Range, count: int = 4) -> list[float]:
    """About `count` round numbers (1, 2 or 5 times a power of ten) inside the range.

    From a count of 3 on there is always one: a step is at most 2.5 times the range's part.
    """
    raw = (span[1] - span[0]) / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * nice for nice in (1, 2, 5, 10) if power * nice >= raw * 0.999)
    first, last = math.ceil(span[0] / step - 1e-9), math.floor(span[1] / step + 1e-9)
    return [round(index * step, 10) for index in range(first, last + 1)]


# --- bars: everything in per cent of the width ------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Mark:
    """One line of an interval bar: a point and, if known, the interval around it."""

    kind: str  # a class of the style sheet: challenger, champion, pass, fail, undecided
    value: float | None
    low: float | None = None
    high: float | None = None


def _percent(value: float, span: Range) -> str:
    share = (value - span[0]) / (span[1] - span[0])
    return f"{min(max(share, 0.0), 1.0) * 100:.2f}%"


def _mark(mark: Mark, middle: int, span: Range) -> Svg:
    parts: list[str] = []
    if mark.low is not None and mark.high is not None:
        ends = {"x1": _percent(mark.low, span), "x2": _percent(mark.high, span)}
        parts.append(element("line", y1=middle, y2=middle, class_="reach", **ends))
    if mark.value is not None:
        at = _percent(mark.value, span)
        parts.append(element("circle", cx=at, cy=middle, r=4.5, class_="dot"))
    return element("g", *parts, class_=mark.kind)


def intervals(
    marks: Sequence[Mark],
    span: Range,
    label: str,
    *,
    line: float | None = None,
    better: str | None = None,
) -> Svg:
    """Points with their intervals, one below the other, against a vertical `line`.

    `better` ("higher" or "lower") tints the side of the line where a value should lie.
    """
    height = 10 + 14 * len(marks)
    parts: list[str] = [element("title", label)]
    if line is not None:
        at = _percent(line, span)
        width = f"{100 - float(at[:-1]):.2f}%"
        side = {"higher": (at, width), "lower": ("0%", at)}.get(better or "")
        if side:
            x, width = side
            parts.append(element("rect", x=x, width=width, y=0, height=height, class_="shade"))
        parts.append(element("line", x1=at, x2=at, y1=0, y2=height, class_="bound"))
    parts += [_mark(mark, 12 + 14 * row, span) for row, mark in enumerate(marks)]
    return element("svg", *parts, class_="bars", role="img", width="100%", height=height)


def gains(marks: Sequence[Mark], span: Range, label: str, *, margin: float | None) -> Svg:
    """Gains with their intervals against two named lines: no change at 0, and the `margin` below.

    What lies right of the margin, or of 0 without one, is tinted. The names stand on the outer
    sides of their lines, so that they never meet.
    """
    height = 26 + 18 * len(marks)
    bound = 0.0 if margin is None else margin
    at, zero = _percent(bound, span), _percent(0.0, span)
    width = f"{100 - float(at[:-1]):.2f}%"
    parts: list[str] = [element("title", label)]
    parts.append(element("rect", x=at, width=width, y=18, height=height - 18, class_="shade"))
    if margin is not None:
        parts.append(element("line", x1=at, x2=at, y1=4, y2=height, class_="bound"))
        name = f"margin {tick_label(margin)}"
        parts.append(element("text", name, x=at, dx=-5, y=12, text_anchor="end"))
    parts.append(element("line", x1=zero, x2=zero, y1=4, y2=height, class_="zero"))
    parts.append(element("text", "no change", x=zero, dx=5, y=12))
    parts += [_mark(mark, 32 + 18 * row, span) for row, mark in enumerate(marks)]
    return element("svg", *parts, class_="bars", role="img", width="100%", height=height)


def axis(span: Range) -> Svg:
    """The scale of a column of interval bars; hidden from screen readers, the cells have it."""
    parts: list[str] = []
    for tick in ticks(span):
        at = _percent(tick, span)
        share = float(at[:-1])
        anchor = "start" if share < 6 else "end" if share > 94 else "middle"
        parts.append(element("line", x1=at, x2=at, y1=0, y2=4, class_="tick"))
        parts.append(element("text", tick_label(tick), x=at, y=15, text_anchor=anchor))
    return element("svg", *parts, class_="axis", aria_hidden="true", width="100%", height=18)


def stack(parts: Sequence[tuple[str, str, float]], label: str) -> Svg:
    """One bar cut in (kind, name, amount) pieces; each says its name and share when pointed at."""
    total = sum(amount for _, _, amount in parts)
    drawn: list[str] = [element("title", label)]
    before = 0.0
    for kind, name, amount in parts:
        share = amount / total * 100 if total else 0.0
        title = element("title", f"{name}: {share:.1f} %")
        place = {"x": f"{before:.2f}%", "width": f"{share:.2f}%", "class_": f"piece {kind}"}
        drawn.append(element("rect", title, y=0, height=22, **place))
        before += share
    return element("svg", *drawn, class_="stack", role="img", width="100%", height=22)


# --- plots: a fixed shape that scales as a whole ----------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Frame:
    """Maps data to pixels of a plot; `foot` pixels stay free under the x axis."""

    x: Range
    y: Range
    width: int = 360
    height: int = 320
    foot: int = 40

    def across(self, x: float) -> float:
        """Pixels from the left."""
        return 40 + (x - self.x[0]) / (self.x[1] - self.x[0]) * (self.width - 52)

    def down(self, y: float) -> float:
        """Pixels from the top."""
        bottom = self.height - self.foot
        return bottom - (y - self.y[0]) / (self.y[1] - self.y[0]) * (bottom - 26)

    def line(self, points: Sequence[Point], kind: str) -> Svg:
        """A line through the points, without those that fall on the pixel of the one before."""
        pixels = (f"{self.across(x):.1f},{self.down(y):.1f}" for x, y in points)
        return element("polyline", points=" ".join(dict.fromkeys(pixels)), class_=f"curve {kind}")

    def rule(self, start: Point, end: Point, kind: str) -> Svg:
        """A straight line from one point of the data to another."""
        x1, y1, x2, y2 = (*self._pixel(start), *self._pixel(end))
        return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=kind)

    def dot(self, point: Point, radius: float, title: str) -> Svg:
        """A dot that says `title` when pointed at."""
        x, y = self._pixel(point)
        return element("circle", element("title", title), cx=x, cy=y, r=radius, class_="dot")

    def axes(self, x_name: str, y_name: str) -> list[Svg]:
        """Grid lines, numbers and both names; the y name stands on top, to be read level."""
        drawn = [element("text", y_name, x=0, y=12, class_="name")]
        base = self.height - self.foot
        for tick in ticks(self.y, 5):
            drawn.append(self.rule((self.x[0], tick), (self.x[1], tick), "grid"))
            y = self.down(tick) + 4
            drawn.append(element("text", tick_label(tick), x=34, y=y, text_anchor="end"))
        for tick in ticks(self.x, 5):
            x = self.across(tick)
            label = tick_label(tick)
            drawn.append(element("text", label, x=x, y=base + 16, text_anchor="middle"))
        end = {"x": self.width - 12, "y": base + 34, "text_anchor": "end", "class_": "name"}
        return [*drawn, element("text", x_name, **end)]

    def draw(self, parts: Sequence[str], title: str, desc: str) -> Svg:
        """The finished plot with its name and what it shows in words."""
        said = (element("title", title), element("desc", desc))
        box = f"0 0 {self.width} {self.height}"
        return element("svg", *said, *parts, class_="plot", role="img", viewBox=box)

    def _pixel(self, point: Point) -> Point:
        return self.across(point[0]), self.down(point[1])


UNIT: Range = (0.0, 1.0)


def roc(challenger: Sequence[Point], champion: Sequence[Point] | None, desc: str) -> Svg:
    """Both ROC curves over (false, true) positive rates; the diagonal is tossing a coin."""
    frame = Frame(x=UNIT, y=UNIT)
    parts = frame.axes("disliked styles called liked", "liked styles found")
    parts.append(frame.rule((0, 0), (1, 1), "chance"))
    if champion:
        parts.append(frame.line(champion, "champion"))
    parts.append(frame.line(challenger, "challenger"))
    return frame.draw(parts, "ROC curve", desc)


def calibration(
    challenger: Sequence[Mapping[str, Any]],
    champion: Sequence[Mapping[str, Any]] | None,
    desc: str,
) -> Svg:
    """Predicted against observed share of likes by bin; strips below count each bin's votes."""
    lines = {"champion": champion or (), "challenger": challenger}
    frame = Frame(x=UNIT, y=UNIT, height=368, foot=88)
    parts = frame.axes("predicted chance of a like", "share really liked")
    parts.append(frame.rule((0, 0), (1, 1), "chance"))
    most = max((item["votes"] for bins in lines.values() for item in bins), default=0)
    for kind, bins in lines.items():
        seen = [item for item in bins if item["observed"] is not None]
        drawn = [frame.line([(item["predicted"], item["observed"]) for item in seen], kind)]
        drawn += [part for item in seen for part in _bin(frame, item)]
        drawn += [_strip(frame, kind, item, most) for item in seen]
        parts.append(element("g", *drawn, class_=kind))
    return frame.draw(parts, "Calibration", desc)


def _bin(frame: Frame, item: Mapping[str, Any]) -> list[Svg]:
    x, y, votes = item["predicted"], item["observed"], item["votes"]
    title = f"predicted {x:.3f}, observed {y:.3f}, {votes:,} votes"
    whisker = [] if item["low"] is None else [_whisker(frame, x, item["low"], item["high"])]
    return [*whisker, frame.dot((x, y), 3.5, title)]


def _whisker(frame: Frame, x: float, low: float, high: float) -> Svg:
    return frame.rule((x, low), (x, high), "whisker")


def _strip(frame: Frame, kind: str, item: Mapping[str, Any], most: int) -> Svg:
    """A bar for the bin's votes: the challenger's stand up, the champion's hang down."""
    tall = 18 * item["votes"] / most if most else 0.0
    middle = float(frame.height - 20)
    top = middle - tall if kind == "challenger" else middle + 1
    x = frame.across(item["predicted"]) - 4
    return element("rect", x=x, y=top, width=8, height=tall, class_="count")


def learning_curve(points: Sequence[Point], best: float, name: str, desc: str) -> Svg:
    """One loss over the epochs, (epoch, loss) by (epoch, loss); a line marks the `best` epoch.

    One loss a plot: that of training weighs votes and scores, that held out is the log-loss of
    the votes, and a scale for both would flatten each.
    """
    first, last = points[0][0], points[-1][0]
    frame = Frame(x=(first, max(last, first + 1)), y=spread(y for _, y in points), height=260)
    parts = frame.axes("epoch", name)
    parts.append(frame.rule((best, frame.y[0]), (best, frame.y[1]), "best"))
    parts.append(frame.line(points, "challenger"))
    kept = [point for point in points if point[0] == best]
    dots = [frame.dot(point, 4.0, f"epoch {point[0]:g}: {point[1]:.4f}") for point in kept]
    return frame.draw([*parts, element("g", *dots, class_="challenger")], name, desc)
