"""From the lines of all years to the table and the bars of `bench years`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

from bench.figure import Round, Target
from bench.years_cells import MARGIN, Cell

Floats = NDArray[np.float64]
COLUMNS = (
    "cell, arm",
    "years",
    "excess",
    "÷ newest",
    "after change",
    "÷ oracle",
    "promoted",
    "harm",
    "true loss",
    "wait",
)
ONE_SIDED = 1.645
MOST_HARM, MOST_HARM_SHOWN = 0.05, 0.08
FEWEST_YEARS, FEWEST_PLANTED = 20, 200
SHIFT = 0.25
"""The largest bias of cross-fitted gains, as a share of the margin."""


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """Of two means over the same years, with its paired standard error (delta method)."""

    value: float
    error: float

    @property
    def least(self) -> float:
        """What the ratio is at least, at 95 %: a bar is met unless it is shown to be missed."""
        return self.value - ONE_SIDED * self.error

    def __str__(self) -> str:
        return f"{self.value:.3f} ± {self.error:.3f}"


def ratio(above: Floats, below: Floats) -> Ratio:
    """Σ above ÷ Σ below over years (N,); no error from a single year."""
    value = float(above.mean() / below.mean())
    rest = above - value * below
    spread = float(rest.std(ddof=1)) if len(rest) > 1 else 0.0
    return Ratio(value=value, error=spread / float(below.mean()) / float(np.sqrt(len(rest))))


def upper(successes: int, trials: int) -> float:
    """The one-sided 95 % upper bound of a share (Clopper and Pearson 1934)."""
    return 1.0 if successes == trials else float(beta.ppf(0.95, successes + 1, trials - successes))


def lines(cell: Cell, rounds: Sequence[Round]) -> Iterator[tuple[str, ...]]:
    """A line for each arm of a cell."""
    for arm in dict.fromkeys(entry["arm"] for entry in rounds):
        some = _of(rounds, arm)
        name = f"{cell.name}, {arm}"
        promoted = f"{_values(some, 'promotions').mean():.1f}"
        lost = f"{1e3 * _values(some, 'lost').mean():+.1f}"
        if "excess" not in some[0]:
            years = _harmed(cell, some)
            harm = f"{years / len(some):.1%} ≤ {upper(years, len(some)):.1%}"
            yield name, str(len(some)), "", "", "", "", promoted, harm, lost, ""
            continue
        harm = f"{(_values(some, 'harmful') > 0).mean():.0%}"
        after = bool(cell.redraw)
        waits = [entry["wait"] for entry in some if entry["wait"] is not None]
        waited = f"{np.median(waits):.0f}" if waits else "never"
        yield (
            name,
            str(len(some)),
            f"{1e3 * _values(some, 'excess').mean():.2f}",
            str(_against(rounds, arm, "newest", "excess")),
            f"{1e3 * _values(some, 'excess_after').mean():.2f}" if after else "",
            str(_against(rounds, arm, "oracle", "excess_after" if after else "excess")),
            promoted,
            harm,
            lost,
            waited if after else "",
        )


def targets(cell: Cell, rounds: Sequence[Round]) -> Iterator[Target]:
    """The bars of a cell."""
    if cell.kind in ("trained", "sabotage"):
        yield from _trained(cell, rounds)
    else:
        yield _planted(cell, rounds)


def _trained(cell: Cell, rounds: Sequence[Round]) -> Iterator[Target]:
    gate = _of(rounds, "gate")
    few = None if len(gate) >= FEWEST_YEARS else f"{len(gate)} years are too few"
    if cell.kind == "sabotage":
        other, key, bound = "skips broken", "excess", 1.05
    elif cell.redraw:
        other, key, bound = "oracle", "excess_after", 1.15 if cell.votes_a_week < 60 else 1.10
    else:
        middle = 60 <= cell.votes_a_week <= 500
        other, key, bound = "newest", "excess", 1.05 if middle else 1.10
    found = _against(rounds, "gate", other, key)
    says = f"{cell.name}: gate ÷ {other}{' after the change' if cell.redraw else ''}, {found}"
    yield Target(says=says, value=found.least, bound=bound, at_most=True, too_small=few)
    harmed = int((_values(gate, "harmful") > 0).sum())
    yield Target(
        says=f"{cell.name}: share of years with harm beyond the margin",
        value=harmed / len(gate),
        bound=MOST_HARM,
        at_most=True,
        too_small=few,
    )
    bias = [entry["bias"][0] for entry in gate if entry.get("bias")]
    if bias and cell.redraw:
        yield Target(
            says=f"{cell.name}: cross-fitted gain less the coming week's, size, nats",
            value=abs(float(np.mean(bias))),
            bound=SHIFT * MARGIN,
            at_most=True,
            too_small=few,
        )


def _planted(cell: Cell, rounds: Sequence[Round]) -> Target:
    some = _of(rounds, "gate")
    few = None if len(some) >= FEWEST_PLANTED else f"{len(some)} years are too few"
    harmed = _harmed(cell, some)
    if cell.kind == "compounding":
        says = f"{cell.name}: true loss of a year's promotions, largest, nats"
        value, bound = float(_values(some, "lost").max()), 2 * MARGIN
    elif cell.kind == "margin":
        says = f"{cell.name}: upper 95 % bound of the share of years that promote"
        value, bound = upper(harmed, len(some)), MOST_HARM_SHOWN
    else:
        says, value, bound = f"{cell.name}: share called proved better", harmed / len(some), 0.05
    return Target(says=says, value=value, bound=bound, at_most=True, too_small=few)


def _harmed(cell: Cell, some: Sequence[Round]) -> int:
    """The years in which what must not happen happened."""
    if cell.kind == "equal":
        return sum(bool(entry["proved"]) for entry in some)
    if cell.kind == "compounding":
        return int((_values(some, "lost") >= 2 * MARGIN).sum())
    return int((_values(some, "promotions") > 0).sum())


def _against(rounds: Sequence[Round], arm: str, other: str, key: str) -> Ratio:
    ours, theirs = ({e["seed"]: e[key] for e in _of(rounds, name)} for name in (arm, other))
    seeds = sorted(set(ours) & set(theirs))
    return ratio(np.array([ours[s] for s in seeds]), np.array([theirs[s] for s in seeds]))


def _of(rounds: Sequence[Round], arm: str) -> list[Round]:
    return [entry for entry in rounds if entry["arm"] == arm]


def _values(some: Sequence[Round], key: str) -> Floats:
    return np.array([entry[key] for entry in some], dtype=np.float64)
