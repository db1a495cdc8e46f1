"""Analyses of photos and the votes on them, drawn from a world as numbers.

One person comes once or several times with the same photo; each time some different styles
are recommended, and often one to three of them get a vote. Column by column with NumPy, since
benchmarks need millions of analyses. How they look as rows of a table is the business of
`local.rows`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from local.world import World

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

VOTED_SHARE = 0.8
"""The share of analyses with at least one vote."""
PATTERNS = ((1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (1, 0, 1), (0, 1, 1), (1, 1, 1))
PATTERN_SHARES = (0.40, 0.10, 0.08, 0.17, 0.08, 0.02, 0.15)
"""Which of the recommended styles got votes: half of all votes go to the first."""

SECOND = 1_000_000
"""Times are microseconds since 1970, UTC."""
MEAN_DELAY = 600 * SECOND
"""From the analysis to the last vote on it."""
LATE_SHARE, LATEST = 0.03, 30 * 86_400 * SECOND
"""Some vote much later: any time up to LATEST."""


@dataclass(frozen=True, kw_only=True)
class Analyses:
    """A analyses with R recommended styles each, as codes, in the order of `created`."""

    person: Ints  # (A,)
    face: Ints  # (A,)
    tone: Ints  # (A,)
    created: Ints  # (A,)
    feedback: Ints  # (A,), meaningless where nothing was voted
    style: Ints  # (A, R)
    voted: Bools  # (A, R)
    like: Bools  # (A, R)
    score: NDArray[np.float64]  # (A, R), in 0..1


def draw(
    world: World, votes: int, styles: int, window: tuple[int, int], rng: np.random.Generator
) -> Analyses:
    """Analyses with `votes` votes in all, cast in the window (low, high].

    `styles` recommended styles each, 3 or 5; the world needs at least as many.
    """
    voted = _voted(votes, styles, rng)
    count = len(voted)
    people = world.people(count, rng)
    person = np.repeat(np.arange(len(people.visits)), people.visits)
    face, tone = people.face[person], people.tone[person]
    style = _different_styles(world, count, styles, rng)
    like, score = world.votes_on(face[:, None], tone[:, None], style, rng)
    created, feedback = _times(count, window, rng)
    return Analyses(
        person=person,
        face=face,
        tone=tone,
        created=created,
        feedback=feedback,
        style=style,
        voted=voted,
        like=like,
        score=score,
    )


def _voted(votes: int, styles: int, rng: np.random.Generator) -> Bools:
    """Who voted on what: exactly `votes` true cells, and rows without any in between."""
    chosen = np.array(PATTERNS, dtype=bool)[rng.choice(len(PATTERNS), votes, p=PATTERN_SHARES)]
    chosen = chosen[: np.searchsorted(np.cumsum(chosen.sum(axis=1)), votes) + 1]
    flat = chosen.ravel()
    flat[np.flatnonzero(flat)[votes:]] = False
    full = np.zeros((len(chosen), styles), dtype=bool)
    for place in range(3):
        # Of five styles, the fourth and fifth take half of the second's and third's votes.
        moved = (rng.random(len(chosen)) < 0.5) & (styles == 5) & (place > 0)
        full[np.arange(len(chosen)), place + 2 * moved] = chosen[:, place]
    rows = np.zeros((round(len(chosen) / VOTED_SHARE), styles), dtype=bool)
    rows[np.sort(rng.permutation(len(rows))[: len(chosen)])] = full
    return rows


def _different_styles(world: World, count: int, styles: int, rng: np.random.Generator) -> Ints:
    """(count, styles) codes by the styles' share, all different within a row."""
    drawn = rng.choice(len(world.styles), (count, styles), p=world.style_share)
    while True:
        ordered = np.sort(drawn, axis=1)
        again = np.flatnonzero((ordered[:, 1:] == ordered[:, :-1]).any(axis=1))
        if not len(again):
            return np.asarray(drawn)
        drawn[again] = rng.choice(len(world.styles), (len(again), styles), p=world.style_share)


def _times(count: int, window: tuple[int, int], rng: np.random.Generator) -> tuple[Ints, Ints]:
    """When each analysis was made and when its last vote was cast, ordered by the former."""
    feedback = rng.integers(window[0] + 1, window[1] + 1, count)
    late = rng.random(count) < LATE_SHARE
    delay = np.where(late, rng.random(count) * LATEST, rng.exponential(MEAN_DELAY, count))
    created = feedback - delay.astype(np.int64) - SECOND
    order = np.argsort(created, kind="stable")
    return created[order], feedback[order]
