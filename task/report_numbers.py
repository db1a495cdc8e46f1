"""Numbers as the report writes them: a real minus sign, grouped thousands, a dash for nothing.

Every function takes whatever a record holds (null, NaN or a missing part included) and gives
text, so that no template has to ask first.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

Json = Mapping[str, Any]

DASH = "–"
MINUS = "−"


def number(value: object) -> float | None:
    """The value as a finite number, else None (null, missing, NaN, a text)."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return value


def part(record: Json | None, *path: str) -> Json:
    """A nested part of a record, empty where it is missing or null."""
    for name in path:
        record = (record or {}).get(name)
    return record or {}


def amounts(record: Json | None, *path: str) -> dict[str, float]:
    """A part that maps names to amounts, without those that are null."""
    known = {name: number(value) for name, value in part(record, *path).items()}
    return {name: value for name, value in known.items() if value is not None}


def decimal(value: object, digits: int = 3) -> str:
    """0.71234 → "0.712"; what is not a number → a dash."""
    known = number(value)
    return DASH if known is None else f"{known:.{digits}f}".replace("-", MINUS)


def signed(value: object, digits: int = 3) -> str:
    """A difference, always with its sign: "+0.031", "−0.004"."""
    known = number(value)
    if known is None or round(known, digits) == 0:
        return decimal(None if known is None else 0.0, digits)  # zero has no sign
    return f"{known:+.{digits}f}".replace("-", MINUS)


def nats(value: object) -> str:
    """A gain in log-loss per vote, to four digits with its sign: "+0.0124"."""
    return signed(value, 4)


def reach(low: object, high: object, show: Callable[[object], str] = signed) -> str | None:
    """An interval: "+0.012 to +0.050"; None where an end is missing."""
    known = number(low) is not None and number(high) is not None
    return f"{show(low)} to {show(high)}" if known else None


def percent(value: object, digits: int = 1) -> str:
    """A share: 0.9653 → "96.5 %", with a space that does not break."""
    known = number(value)
    return DASH if known is None else f"{known * 100:.{digits}f}\u00a0%".replace("-", MINUS)


def count(value: object) -> str:
    """12000 → "12,000"."""
    known = number(value)
    return DASH if known is None else f"{known:,.0f}".replace("-", MINUS)


def text(value: object) -> str:
    """The value as it came; a dash for nothing."""
    return DASH if value is None or not str(value) else str(value)


def plain(value: object) -> str:
    """A finding's or a check's value of any kind: counts grouped, others to four digits."""
    known = number(value)
    if known is None:
        return text(value)
    if float(known).is_integer() and (isinstance(known, int) or abs(known) >= 1000):
        return count(known)
    if 0 < abs(known) < 0.001:
        return "< 0.001" if known > 0 else f"> {MINUS}0.001"
    return f"{known:.4g}".replace("-", MINUS)


def seconds(value: object) -> str:
    """0.42 → "0.42 s", 65 → "1 min 5 s"."""
    known = number(value)
    if known is None:
        return DASH
    if known < 60:
        return f"{known:.2f} s" if known < 10 else f"{known:.1f} s"
    minutes, rest = divmod(round(known), 60)
    return f"{minutes} min {rest} s"


def moment(value: object) -> str:
    """An ISO time in UTC as "22 November 2026, 02:00 UTC"; anything else as it came."""
    try:
        at = datetime.fromisoformat(str(value))
    except ValueError:
        return text(value)
    at = at.astimezone(UTC) if at.tzinfo else at
    return f"{at.day} {_MONTHS[at.month - 1]} {at.year}, {at:%H:%M} UTC"


_MONTHS = (  # not strftime's %B, which follows the machine's language
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


def spaced(name: object) -> str:
    """A key as words: "min_test_groups" → "min test groups"."""
    return text(name).replace("_", " ")


def sentence(text: object) -> str:
    """A remark as a sentence: a capital at its start, a full stop at its end."""
    words = str(text or "").strip()
    return words[:1].upper() + words[1:] + ("" if words.endswith((".", "!", "?")) else ".")
