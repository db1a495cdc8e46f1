"""Whether the version that serves is proved better than the one it replaced, at any time.

Two fixed versions, scored as published on votes that came after both. Each person bets once, by
the votes of the first run in which they appear; wealth is staked on "the champion is better" and
grows if it is. Not a test at each run: fifty-two looks a year at 5 % find "better" in half of
the years in which nothing differs. The wealth may be looked at after every run for ever.

**The observation** of a person is X = mean of their paired loss differences / bound, in [−1, 1].
**The null** is that the champion is not better on average: at every time the sum, over the
people so far, of the expected X given all people before is at most 0. A person counts once
however many votes they give. People who come back add nothing, because their second visit is
foreseeable from the first: betting on each of their runs, equal versions were proved different
in 10 % of years. Tastes may drift and either may lead for a while under this null.

**The wealth** is a mean over fixed bets λ of Π (1 + λ X). As Π (1 + λ E X) ≤ exp(λ Σ E X) ≤ 1
under the null, it is at most a nonnegative martingale that starts at 1, so that it ever reaches
20 with a chance of at most 5 % (Ville 1939). Its next stake is the wealth-weighted mean of the
λ, known before the vote and at most 1/2 (Cover's universal portfolio; Waudby-Smith and Ramdas
2024, Estimating means of bounded random variables by betting; Choe and Ramdas 2024, Comparing
sequential forecasters). A product does not depend on the order of people within a run.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.errors import RegistryError
from task.intervals import Interval

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

BETS = tuple(0.5**k for k in range(1, 9))
"""The stakes λ, from half of the wealth to 1/256, each with an eighth of the wealth at first."""
PROOF = 20.0
"""The e-value from which on "better" is proved: reached by chance in 5 % of all pairs, ever."""
TIGHTEST_AT = 500
"""The people at which the confidence sequence is as narrow as its kind can be."""


@dataclass(frozen=True, kw_only=True)
class State:
    """The bets so far on one pair of versions. Times are µs since 1970, UTC."""

    champion: str
    replaced: str
    since: int
    """Votes up to here are not bet on: both versions must have been fitted by then."""
    cutoff: int
    """Votes up to here have been bet on."""
    votes: int = 0
    """Votes bet on."""
    groups: int = 0
    """People bet on, each once."""
    total: float = 0.0
    """The sum over people of their mean difference, in nats."""
    squares: float = 0.0
    """The sum of its squares."""
    log_wealth: tuple[float, ...] = (0.0,) * len(BETS)
    """The logarithm of Π (1 + λ X), for each of `BETS`."""


def begin(champion: str, replaced: str, cutoff: int) -> State:
    """No bets yet. cutoff: the later one of the two versions' own."""
    if champion == replaced:
        raise ValueError(f"champion and replaced must differ, got {champion} twice")
    return State(champion=champion, replaced=replaced, since=cutoff, cutoff=cutoff)


def resumed(state: State | None, champion: str, replaced: str, cutoff: int) -> State:
    """The stored state if it is of this very pair, else a new one: no pair inherits wealth."""
    if state and (state.champion, state.replaced) == (champion, replaced):
        return state
    return begin(champion, replaced, cutoff)


def update(
    state: State,
    difference: Floats,
    group: Ints,
    feedback_at: Ints,
    *,
    bound: float,
    cutoff: int,
) -> State:
    """Bet on the people whose first vote since the pair began is in (state.cutoff, cutoff].

    difference (N,): loss of replaced − loss of champion, in nats; positive: champion better.
    group (N,), feedback_at (N,): whose vote it is, and when it was given. Give all votes after
    `state.since`, earlier runs' too: they tell who has been bet on, and are not bet on again.
    bound: the largest |difference| in the two score tables, whatever the votes.
    """
    if cutoff < state.cutoff:
        raise ValueError(
            f"cutoff must be at least the state's, {state.cutoff}, got {cutoff}: "
            "votes up to there have been bet on"
        )
    if not (math.isfinite(bound) and bound >= 0):
        raise ValueError(f"bound must be a finite number from 0, got {bound}")
    earlier = (feedback_at > state.since) & (feedback_at <= state.cutoff)
    new = (feedback_at > state.cutoff) & (feedback_at <= cutoff)
    new &= ~np.isin(group, np.unique(group[earlier]))
    if not new.any():
        return replace(state, cutoff=cutoff)
    means = _means(difference[new], group[new])
    if not float(np.abs(difference[new]).max()) <= bound * (1 + 1e-9):
        raise ValueError(
            f"every |difference| must be at most bound, {bound}: take it from the score tables"
        )
    x = np.clip(means / bound, -1.0, 1.0) if bound else means
    return replace(
        state,
        cutoff=cutoff,
        votes=state.votes + int(new.sum()),
        groups=state.groups + len(x),
        total=state.total + math.fsum(means),
        squares=state.squares + math.fsum(means**2),
        log_wealth=tuple(
            wealth + math.fsum(np.log1p(bet * x))
            for bet, wealth in zip(BETS, state.log_wealth, strict=True)
        ),
    )


def largest_difference(champion: Floats, replaced: Floats) -> float:
    """The bound of two like-probability tables of equal shape, in nats, over both labels."""
    like = np.abs(np.log(champion) - np.log(replaced))
    dislike = np.abs(np.log1p(-champion) - np.log1p(-replaced))
    return float(max(like.max(), dislike.max()))


def log_e_value(state: State) -> float:
    """The logarithm of the wealth, which started at 1: cannot overflow."""
    top = max(state.log_wealth)
    return top + math.log(sum(math.exp(one - top) for one in state.log_wealth) / len(BETS))


def e_value(state: State) -> float:
    """The wealth; the largest float where it is beyond."""
    return math.exp(min(log_e_value(state), 709.0))


def proved(state: State) -> bool:
    """Whether the champion is proved better than the version it replaced, at 5 % over all time."""
    return log_e_value(state) >= math.log(PROOF)


def confidence_sequence(state: State, confidence: float = 0.95) -> Interval:
    """The mean difference, each person counting once, with ends that hold at all times at once.

    Asymptotic (Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas 2024, after Robbins' normal
    mixture): it assumes that people's means have a finite variance that settles, and it is
    approximate for the first few dozen people. `proved` assumes neither, so the two may differ.
    """
    n = state.groups
    if n == 0:
        return Interval(value=None, low=None, high=None, n=0)
    mean = state.total / n
    if n < 2:
        return Interval(value=mean, low=None, high=None, n=n)
    variance = max(state.squares - n * mean**2, 0.0) / (n - 1)
    tail = -2 * math.log(1 - confidence)
    at = n * (tail + math.log(tail) + 1) / TIGHTEST_AT
    half = math.sqrt(variance * (at + 1) / (n * at) * (math.log(at + 1) + tail))
    return Interval(value=mean, low=mean - half, high=mean + half, n=n)


def to_json(state: State) -> dict[str, Any]:
    """The state as the registry holds it."""
    return asdict(state) | {"log_wealth": list(state.log_wealth)}


def from_json(found: Any) -> State:
    """The state again; RegistryError where it cannot be one."""
    kinds: dict[str, type] = {"champion": str, "replaced": str, "total": float, "squares": float}
    kinds |= dict.fromkeys(("since", "cutoff", "votes", "groups"), int)
    if not isinstance(found, dict) or set(found) != {*kinds, "log_wealth"}:
        raise _malformed("it has not exactly the keys of this release")
    wealth = found["log_wealth"]
    for name, kind in kinds.items():
        if not _is(found[name], kind):
            raise _malformed(f"{name} must be a {kind.__name__}, got {found[name]!r}")
    if not isinstance(wealth, list) or len(wealth) != len(BETS):
        raise _malformed(f"log_wealth must be {len(BETS)} numbers, got {wealth!r}")
    if not all(_is(one, float) for one in wealth):
        raise _malformed(f"log_wealth must be numbers, got {wealth!r}")
    state = State(**{**found, "log_wealth": tuple(map(float, wealth))})
    if min(state.votes - state.groups, state.groups, state.squares) < 0:
        raise _malformed(f"{state.votes} votes of {state.groups} people cannot be")
    if state.cutoff < state.since or state.champion == state.replaced:
        raise _malformed("its versions or its times contradict each other")
    return state


def _means(difference: Floats, group: Ints) -> Floats:
    """Each person's mean difference (G,), summed in an order that the input's does not change."""
    order = np.lexsort((difference, group))
    values, labels = difference[order], group[order]
    starts = np.flatnonzero(np.r_[True, labels[1:] != labels[:-1]])
    return np.asarray(np.add.reduceat(values, starts) / np.diff(np.r_[starts, len(labels)]))


def _is(value: object, kind: type) -> bool:
    if isinstance(value, bool):
        return False
    if kind is float:
        return isinstance(value, int | float) and math.isfinite(value)
    return isinstance(value, kind)


def _malformed(why: str) -> RegistryError:
    return RegistryError(
        f"the registry's proof of the champion is damaged: {why}. Delete it, and it begins anew"
    )
