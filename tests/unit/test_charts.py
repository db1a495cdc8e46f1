"""The charts put numbers where they belong, and never draw what is not there."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from task import charts
from task.charts import Mark


def parsed(svg: str) -> ElementTree.Element:
    """The chart as a tree; fails if it is not well-formed."""
    return ElementTree.fromstring(svg)


def by_class(svg: str, name: str) -> list[ElementTree.Element]:
    return [e for e in parsed(svg).iter() if name in (e.get("class") or "").split()]


def points(svg: str, kind: str) -> list[tuple[float, float]]:
    (line,) = [e for e in by_class(svg, kind) if e.tag == "polyline"]
    pairs = [pair.split(",") for pair in (line.get("points") or "").split()]
    return [(float(x), float(y)) for x, y in pairs]


def test_text_and_attributes_are_escaped_but_finished_markup_is_not_escaped_twice() -> None:
    inner = charts.element("b", "a < b")

    outer = charts.element("p", inner, "<i>", class_='x" onload="evil')

    assert outer == '<p class="x&quot; onload=&quot;evil"><b>a &lt; b</b>&lt;i&gt;</p>'
    assert outer.__html__() == outer


def test_a_value_stands_at_its_share_of_the_span() -> None:
    mark = Mark(kind="pass", value=0.25, low=0.1, high=0.5)

    svg = charts.intervals([mark], (0.0, 1.0), "F1", line=0.2)

    (dot,) = by_class(svg, "dot")
    (reach,) = by_class(svg, "reach")
    (bound,) = by_class(svg, "bound")
    assert dot.get("cx") == "25.00%"
    assert (reach.get("x1"), reach.get("x2")) == ("10.00%", "50.00%")
    assert bound.get("x1") == bound.get("x2") == "20.00%"
    assert parsed(svg).findtext("title") == "F1"


def test_what_lies_outside_the_span_is_drawn_at_its_edge() -> None:
    svg = charts.intervals([Mark(kind="gap", value=2.0, low=-1.0, high=3.0)], (0.0, 1.0), "x")

    (dot,), (reach,) = by_class(svg, "dot"), by_class(svg, "reach")
    assert dot.get("cx") == "100.00%"
    assert (reach.get("x1"), reach.get("x2")) == ("0.00%", "100.00%")


@pytest.mark.parametrize(
    ("better", "place"),
    [
        ("higher", ("40.00%", "60.00%")),  # right of the line
        ("lower", ("0%", "40.00%")),  # left of it
        (None, None),  # no side is better
    ],
)
def test_the_better_side_of_the_line_is_tinted(
    better: str | None, place: tuple[str, str] | None
) -> None:
    svg = charts.intervals([], (0.0, 1.0), "x", line=0.4, better=better)

    shades = [(e.get("x"), e.get("width")) for e in by_class(svg, "shade")]
    assert shades == ([place] if place else [])


def test_an_unknown_value_draws_neither_dot_nor_interval() -> None:
    svg = charts.intervals([Mark(kind="challenger", value=None)], (0.0, 1.0), "x")

    assert by_class(svg, "dot") == []
    assert by_class(svg, "reach") == []


def test_gains_are_drawn_against_no_change_and_the_margin_below_it() -> None:
    mark = Mark(kind="pass", value=0.01, low=0.0, high=0.02)
    expected = Mark(kind="expected", value=0.005)

    svg = charts.gains([mark, expected], (-0.02, 0.03), "Gain", margin=-0.01)

    (bound,), (zero,), (shade,) = (by_class(svg, name) for name in ("bound", "zero", "shade"))
    assert bound.get("x1") == bound.get("x2") == shade.get("x") == "20.00%"
    assert shade.get("width") == "80.00%"
    assert zero.get("x1") == zero.get("x2") == "40.00%"
    assert [dot.get("cx") for dot in by_class(svg, "dot")] == ["60.00%", "50.00%"]
    texts = {e.text: e for e in parsed(svg).iter("text")}
    assert texts["margin −0.01"].get("text-anchor") == "end"  # on the outer side of its line
    assert texts["no change"].get("text-anchor") is None


def test_gains_without_a_margin_are_drawn_against_no_change_alone() -> None:
    svg = charts.gains([Mark(kind="gap", value=0.01)], (-0.02, 0.03), "Gain", margin=None)

    assert by_class(svg, "bound") == []
    assert [e.get("x") for e in by_class(svg, "shade")] == ["40.00%"]


def test_the_scale_of_a_column_of_bars_is_hidden_from_screen_readers() -> None:
    tree = parsed(charts.axis((-0.1, 0.1)))

    assert tree.get("aria-hidden") == "true"
    assert [e.text for e in tree.iter("text")] == ["−0.1", "−0.05", "0", "0.05", "0.1"]


@settings(max_examples=60)
@given(low=st.floats(-1e5, 1e5), width=st.floats(1e-4, 1e5), count=st.integers(3, 6))
def test_ticks_are_few_rising_and_inside_the_span(low: float, width: float, count: int) -> None:
    span = (low, low + width)

    found = charts.ticks(span, count)

    slack = width * 1e-6
    assert found == sorted(set(found))
    assert 1 <= len(found) <= count + 1
    assert all(span[0] - slack <= tick <= span[1] + slack for tick in found)


@pytest.mark.parametrize(
    "values",
    [
        [],  # nothing known
        [None, math.nan, math.inf],  # nothing that is a number
        [0.0],  # one point at zero
        [0.7, 0.7],  # no width
        [-3.0, 12.0],
    ],
)
def test_a_spread_has_room_on_both_sides_of_whatever_is_known(values: list[float | None]) -> None:
    low, high = charts.spread(values)

    known = [value for value in values if value is not None and math.isfinite(value)]
    assert low < high
    assert all(low < value < high for value in known)


def test_the_pieces_of_a_bar_follow_each_other_and_fill_it() -> None:
    svg = charts.stack([("after", "after", 70), ("folds", "fo<lds", 30)], "parts")

    first, second = by_class(svg, "piece")
    assert (first.get("x"), first.get("width")) == ("0.00%", "70.00%")
    assert (second.get("x"), second.get("width")) == ("70.00%", "30.00%")
    assert second.findtext("title") == "fo<lds: 30.0 %"


def test_a_bar_of_nothing_has_no_width() -> None:
    (piece,) = by_class(charts.stack([("votes", "votes", 0)], "none"), "piece")

    assert piece.get("width") == "0.00%"


def test_a_roc_curve_runs_from_the_lower_left_to_the_upper_right() -> None:
    svg = charts.roc([(0, 0), (0.1, 0.8), (1, 1)], None, "AUC 0.85")

    start, middle, end = points(svg, "challenger")
    (chance,) = by_class(svg, "chance")
    assert start == (float(chance.get("x1") or 0), float(chance.get("y1") or 0))
    assert end == (float(chance.get("x2") or 0), float(chance.get("y2") or 0))
    assert middle[1] < (start[1] + end[1]) / 2  # high up: many likes found, few mistakes
    assert by_class(svg, "champion") == []
    assert parsed(svg).findtext("desc") == "AUC 0.85"


def test_points_on_the_same_pixel_are_drawn_once() -> None:
    many = [(i / 100_000, i / 100_000) for i in range(100_001)]

    line = points(charts.roc(many, many, "x"), "challenger")

    assert len(line) < 7000
    assert len(line) == len(set(line))


def bins(*votes: int | None) -> list[dict[str, float | int | None]]:
    return [
        {"predicted": 0.2 * i, "observed": None if n is None else 0.5, "votes": n or 0}
        | {"low": 0.4, "high": 0.6}
        for i, n in enumerate(votes)
    ]


def test_a_calibration_bin_shows_its_votes_as_height_and_in_words() -> None:
    svg = charts.calibration(bins(100, 50), bins(25), "x")

    heights = [float(bar.get("height") or 0) for bar in by_class(svg, "count")]
    quarter, full, half = heights  # the champion is drawn first, below the challenger
    assert (half / full, quarter / full) == pytest.approx((0.5, 0.25), abs=0.01)
    assert "observed 0.500, 100 votes" in svg


def test_an_empty_calibration_bin_is_left_out() -> None:
    svg = charts.calibration(bins(10, None, 30), None, "x")

    assert len(by_class(svg, "dot")) == 2
    assert len(by_class(svg, "whisker")) == 2


def test_the_learning_curve_marks_the_epoch_whose_weights_were_kept() -> None:
    losses = [(1, 0.9), (2, 0.6), (3, 0.5), (4, 0.7)]

    svg = charts.learning_curve(losses, 3, "log-loss", "x")

    (dot,) = by_class(svg, "dot")
    assert dot.findtext("title") == "epoch 3: 0.5000"
    lowest = max(points(svg, "challenger"), key=lambda point: point[1])
    assert float(dot.get("cx") or 0) == pytest.approx(lowest[0], abs=0.06)


def test_a_curve_of_one_epoch_can_be_drawn() -> None:
    svg = charts.learning_curve([(1, 0.9)], 1, "log-loss", "x")

    assert len(points(svg, "challenger")) == 1
    assert not re.search(r"nan|inf", svg)
