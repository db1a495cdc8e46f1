"""A check of the gate as a value: one question, its answer, and the figures behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Answer = Literal["pass", "fail", "undecided"]


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


def check_of(
    name: str, answer: Answer, value: float | None, bound: float | None, says: str
) -> Check:
    """A check without an interval."""
    return Check(name=name, answer=answer, value=value, bound=bound, low=None, high=None, says=says)


def signed(value: float | None) -> str:
    """A difference in words."""
    return "unknown" if value is None else f"{value:+.4f}"


def plain(value: float | None) -> str:
    """A value in words."""
    return "unknown" if value is None else f"{value:.4f}"


def share(value: float | None) -> str:
    """A probability in per cent."""
    if value is None:
        return "unknown"
    digits = 2 if value >= 1e-4 or value == 0.0 else 4
    return f"{value:.{digits}%}".replace("%", " %")
