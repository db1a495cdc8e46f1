"""Simulated years of votes whose truth is known, and the ways in which a training can go wrong.

A stream holds all votes in the order they came, as arrays, and the world of each week: the excess
log-loss of any table in any week is exact, with no test votes. Everything follows from the seed.

F = 5 faces, T = 3 tones, S = styles; tables are (F, T, S) as in `local.world`. N = votes.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from local.world import KINDS, LIKE_RATE, Kind, World, make_world

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Groups = Literal["single", "heavy"]

VOTES_A_WEEK = (10, 60, 500, 10_000)
LIKE_RATES = (0.73, 0.5, 0.95)
STYLES = 60
WEEKS = 52
REDRAWN_IN = 26
"""The week of the year, from 0, in which tastes change."""
REDRAWN = 0.3
"""The share of styles whose tastes are drawn anew."""
TAIL, MOST_VOTES, LARGEST_SHARE = 1.2, 800, 0.1
"""Heavy groups: Pareto's index, and the most votes and the largest share of all votes of one."""
NOISE = 0.6
"""Standard deviation of a broken table's noise, in logits."""
FLIPPED = 0.1
"""The share of training labels that a broken training flips."""
START = 1_735_689_600_000_000
"""Where week 0 begins: 2025-01-01, in microseconds since 1970, UTC."""
WEEK = 7 * 86_400 * 1_000_000
"""Microseconds."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What kind of year; `weeks` are counted after `warm_up` weeks without a decision."""

    seed: int
    votes_a_week: int
    weeks: int = WEEKS
    warm_up: int = 0
    like_rate: float = LIKE_RATE
    groups: Groups = "single"
    redraw: float = 0.0
    """The share of styles drawn anew in week `warm_up + REDRAWN_IN`; 0: tastes stay."""
    styles: int = STYLES

    def __post_init__(self) -> None:
        """Refuse what cannot be drawn."""
        if min(self.votes_a_week, self.weeks, self.styles) < 1 or self.warm_up < 0:
            raise ValueError(f"a plan needs a vote, a week and a style at least, got {self}")
        if not 0 <= self.redraw <= 1:
            raise ValueError(f"redraw must be a share between 0 and 1, got {self.redraw}")
        if not 0 < self.like_rate < 1:
            raise ValueError(f"like_rate must be between 0 and 1, got {self.like_rate}")

    @property
    def kind(self) -> Kind:
        """The kind of tastes; the three take turns over the seeds."""
        return KINDS[self.seed % len(KINDS)]

    @property
    def all_weeks(self) -> int:
        return self.warm_up + self.weeks

    @property
    def change(self) -> int:
        """The first week of the new tastes, from 0; the number of weeks if there is none."""
        return self.warm_up + REDRAWN_IN if self.redraw else self.all_weeks


@dataclass(frozen=True, kw_only=True)
class Stream:
    """N votes in the order of time, each array (N,), with the worlds they were drawn from."""

    plan: Plan
    before: World
    after: World
    group: Ints
    """The person: one face and one tone; no other stream's seed has the same numbers."""
    face: Ints
    tone: Ints
    style: Ints
    like: Bools
    score: Floats
    week: Ints
    """From 0, warm-up weeks included."""

    def world(self, week: int) -> World:
        """The truth of a week."""
        return self.before if week < self.plan.change else self.after

    def excess(self, table: Floats, week: int) -> float:
        """How much worse than the truth a table of like chances does that week; exact, in nats."""
        return self.world(week).excess_log_loss(table)

    def where(self, mask: Bools) -> Stream:
        """Some of the votes, in their order."""
        arrays = (one.name for one in fields(self) if one.name not in {"plan", "before", "after"})
        return replace(self, **{name: getattr(self, name)[mask] for name in arrays})

    def until(self, week: int) -> Stream:
        """The votes before a week: what a training at its beginning may know."""
        return self.where(self.week < week)

    def of(self, week: int) -> Stream:
        """The votes of one week."""
        return self.where(self.week == week)

    def feedback_at(self) -> Ints:
        """When each vote of the whole stream came, in microseconds UTC: evenly over its week."""
        count = np.bincount(self.week)
        place = np.arange(len(self.week)) - (np.cumsum(count) - count)[self.week]
        return np.asarray(START + self.week * WEEK + place * WEEK // count[self.week])


def make_stream(plan: Plan) -> Stream:
    """Draw a year. The same people and styles come whatever the tastes, given a seed."""
    rng = np.random.default_rng([plan.seed, 77])
    before, after = _worlds(plan)
    votes = plan.votes_a_week * plan.all_weeks
    person = _people(plan.groups, votes, rng)
    people = int(person.max()) + 1
    face = rng.choice(len(before.face_share), people, p=before.face_share)[person]
    tone = rng.choice(len(before.tone_share), people, p=before.tone_share)[person]
    style = rng.choice(plan.styles, votes, p=before.style_share)
    week = np.repeat(np.arange(plan.all_weeks), plan.votes_a_week)
    # Both worlds decide by the same random numbers, so that years with and without a change pair.
    (old_like, old_score), (new_like, new_score) = (
        world.votes_on(face, tone, style, np.random.default_rng([plan.seed, 78]))
        for world in (before, after)
    )
    old = week < plan.change
    return Stream(
        plan=plan,
        before=before,
        after=after,
        group=(plan.seed << 32) + person,
        face=face,
        tone=tone,
        style=style,
        like=np.where(old, old_like, new_like),
        score=np.where(old, old_score, new_score),
        week=week,
    )


def noisy(table: Floats, seed: int, *, spread: float = NOISE) -> Floats:
    """A table (F, T, S) of chances with normal noise on its logits."""
    noise = np.random.default_rng([seed, 1]).normal(0.0, spread, table.shape)
    return np.asarray(1 / (1 + np.exp(-(np.log(table / (1 - table)) + noise))))


def flipped(like: Bools, seed: int, *, share: float = FLIPPED) -> Bools:
    """Training labels (N,) of which a share, chosen at random, say the opposite."""
    chosen = np.random.default_rng([seed, 2]).permutation(len(like)) < round(share * len(like))
    return np.asarray(like ^ chosen)


def swapped(table: Floats, seed: int) -> Floats:
    """A table (F, T, S) in which two styles, chosen at random, answer for each other."""
    one, other = np.random.default_rng([seed, 3]).choice(table.shape[2], 2, replace=False)
    found = table.copy()
    found[:, :, [one, other]] = table[:, :, [other, one]]
    return found


def stale(stream: Stream, week: int, *, by: int) -> Stream:
    """What a training at the beginning of a week knows from a snapshot `by` weeks too old."""
    if by < 1:
        raise ValueError(f"by must be at least 1 week, got {by}: 0 is a fresh snapshot")
    return stream.until(week - by)


def _worlds(plan: Plan) -> tuple[World, World]:
    """The truth before and after the change; styles that are not drawn anew stay as they are."""
    before, fresh = (
        make_world(plan.kind, styles=plan.styles, seed=seed, like_rate=plan.like_rate)
        for seed in (plan.seed, plan.seed + 1_000_003)
    )
    order = np.random.default_rng([plan.seed, 4]).permutation(plan.styles)
    chosen = order < round(plan.redraw * plan.styles)
    return before, replace(before, log_odds=np.where(chosen, fresh.log_odds, before.log_odds))


def _people(groups: Groups, votes: int, rng: np.random.Generator) -> Ints:
    """Whose each vote is, (N,), numbered from 0 in no order. Heavy ones return over the weeks."""
    if groups == "single":
        return np.arange(votes)
    most = max(1, min(MOST_VOTES, int(LARGEST_SHARE * votes)))
    sizes = np.minimum((1 - rng.random(votes)) ** (-1 / TAIL), most).astype(np.int64)
    person = np.repeat(np.arange(votes), sizes)[:votes]
    return rng.permutation(person)
