"""Worlds whose tastes are known, so that a prediction can be held against the truth.

A world says how likely each kind of person is to like each style. Votes are drawn from it, a
model learns from the votes, and its excess log-loss over the best possible prediction follows
exactly, without a test set. Not real votes: there nobody knows the best possible prediction,
and not one fixed kind of taste: a model that is right about one structure only would shine.

F = 5 faces, T = 3 tones, S = styles; tables have the shape (F, T, S) in the order of
`FACE_SHAPES`, `SKIN_TONES` and `World.styles`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from common.feedback import FACE_SHAPES, SKIN_TONES
from task.base_rules import STYLES, chances

Table = NDArray[np.float64]
Kind = Literal["low-rank", "rules", "random"]
KINDS: tuple[Kind, ...] = ("low-rank", "rules", "random")

LIKE_RATE = 0.73
"""The share of likes over all votes of a world."""
SPREAD = 1.0
"""Standard deviation of the log-odds over a world's cells, unless told otherwise."""
RANK = 3
"""Hidden directions of taste in a low-rank world."""
TRAITS = 8
"""Traits a style may have in a world of rules, each with probability 0.3."""
VOTES_PER_PERSON = 2.0
"""Mean of a geometric distribution: half of the people vote once."""
SCORE_NOISE = 0.08
"""Standard deviation of the application's own score around its mean."""


@dataclass(frozen=True, kw_only=True)
class Votes:
    """N votes as codes, each of shape (N,). A group (person) has one face and one tone."""

    group: NDArray[np.int64]
    face: NDArray[np.int64]
    tone: NDArray[np.int64]
    style: NDArray[np.int64]
    like: NDArray[np.bool_]
    score: Table


@dataclass(frozen=True, kw_only=True)
class People:
    """P people, each of shape (P,): codes of face and tone, and how often each comes."""

    face: NDArray[np.int64]
    tone: NDArray[np.int64]
    visits: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class World:
    """Tastes and who votes on what; the shares sum to 1 and are independent of each other."""

    styles: tuple[str, ...]
    log_odds: Table
    face_share: Table
    tone_share: Table
    style_share: Table

    @property
    def p_like(self) -> Table:
        """The chance of a like, (F, T, S)."""
        return _sigmoid(self.log_odds)

    @property
    def cell_share(self) -> Table:
        """The share of each cell among all votes, (F, T, S)."""
        return self.face_share[:, None, None] * self.tone_share[:, None] * self.style_share

    def excess_log_loss(self, predicted: Table) -> float:
        """How much worse than the truth `predicted` (F, T, S) does, in nats per vote; exact."""
        p, q = self.p_like, np.clip(predicted, 1e-12, 1 - 1e-12)
        worse = p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))
        return float((self.cell_share * worse).sum())

    def mean_score(self) -> Table:
        """The application's mean score of each cell, (F, T, S): it knows tastes only roughly."""
        return 0.35 + 0.5 * self.p_like

    def people(self, visits: int, rng: np.random.Generator) -> People:
        """People with `visits` visits in all; the last one's are cut to fit."""
        each = rng.geometric(1 / VOTES_PER_PERSON, visits)
        total = np.cumsum(each)
        count = int(np.searchsorted(total, visits)) + 1 if visits else 0
        each = each[:count]
        if count:
            each[-1] -= total[count - 1] - visits
        face = rng.choice(len(self.face_share), count, p=self.face_share)
        tone = rng.choice(len(self.tone_share), count, p=self.tone_share)
        return People(face=face, tone=tone, visits=each)

    def sample(self, votes: int, seed: int) -> Votes:
        """Draw votes; a person votes a geometric number of times, on styles by their share."""
        rng = np.random.default_rng(seed)
        people = self.people(votes, rng)
        group = np.repeat(np.arange(len(people.visits)), people.visits)
        face, tone = people.face[group], people.tone[group]
        style = rng.choice(len(self.styles), votes, p=self.style_share)
        like, score = self.votes_on(face, tone, style, rng)
        return Votes(group=group, face=face, tone=tone, style=style, like=like, score=score)

    def votes_on(
        self,
        face: NDArray[np.int64],
        tone: NDArray[np.int64],
        style: NDArray[np.int64],
        rng: np.random.Generator,
    ) -> tuple[NDArray[np.bool_], Table]:
        """Likes and scores (0..1) drawn for codes of any equal shape."""
        like = rng.random(style.shape) < self.p_like[face, tone, style]
        mean = self.mean_score()[face, tone, style]
        score = np.clip(mean + rng.normal(0.0, SCORE_NOISE, style.shape), 0.0, 1.0)
        return like, np.round(score, 4)

    def with_changed_tastes(self, *, share: float = 0.5, strength: float = 3.0, seed: int) -> World:
        """A world in which every face turns against what it liked, on `share` of the styles.

        On the chosen styles a face's log-odds move by `strength` (towards like where it was
        below the middle, else towards dislike). The like-rate stays.
        """
        rng = np.random.default_rng(seed)
        chosen = rng.permutation(len(self.styles)) < round(share * len(self.styles))
        by_face = self.log_odds.mean(axis=1, keepdims=True)
        turned = np.where(by_face > np.median(by_face), -strength, strength)
        return _at_like_rate(replace(self, log_odds=self.log_odds + chosen * turned))

    def resembling_base(self, weight: float) -> World:
        """A world whose tastes correlate with the base data's rules by about `weight` (0..1).

        Styles that the rules do not know keep their own tastes.
        """
        known = [i for i, name in enumerate(self.styles) if name in STYLES]
        at = [list(STYLES).index(self.styles[i]) for i in known]
        odds = self.log_odds.copy()
        rules = _standard(np.log(chances() / (1 - chances()))[:, :, at])
        own = _standard(odds[:, :, known])
        mixed = weight * rules + np.sqrt(1 - weight**2) * own
        odds[:, :, known] = odds.mean() + SPREAD * mixed
        return _at_like_rate(replace(self, log_odds=odds))


def make_world(
    kind: Kind,
    *,
    styles: int = 40,
    seed: int,
    skewed: bool = False,
    spread: float = SPREAD,
    like_rate: float = LIKE_RATE,
) -> World:
    """A world of one kind of taste structure.

    `skewed` gives one face 86 % of all votes, as in production; otherwise faces are equally
    frequent. Tones are equally frequent; styles are of unequal popularity. `spread` is the
    standard deviation of the log-odds: how decided people are; `like_rate` is the share of likes.
    """
    rng = np.random.default_rng([KINDS.index(kind), seed])
    tastes = {"low-rank": _low_rank, "rules": _rules, "random": _random_effects}[kind]
    faces = len(FACE_SHAPES)
    popularity = rng.permutation(1 / (10.0 + np.arange(styles)))
    world = World(
        styles=style_names(styles),
        log_odds=spread * _standard(tastes(faces, len(SKIN_TONES), styles, rng)),
        face_share=np.array([0.86] + [0.035] * 4) if skewed else np.full(faces, 1 / faces),
        tone_share=np.full(len(SKIN_TONES), 1 / len(SKIN_TONES)),
        style_share=popularity / popularity.sum(),
    )
    return _at_like_rate(world, like_rate)


def style_names(count: int) -> tuple[str, ...]:
    """`count` different names: the base data's styles first, then numbered variants of them."""
    names = list(STYLES)
    full = (f"{names[i % len(names)]} {i // len(names) + 1}호" for i in range(len(names), count))
    return (*names[:count], *full)


def _low_rank(faces: int, tones: int, styles: int, rng: np.random.Generator) -> Table:
    """Hidden directions of taste shared by faces and styles, and by tones and styles."""
    style = rng.normal(size=(styles, RANK))
    by_face = rng.normal(size=(faces, RANK)) @ style.T
    by_tone = rng.normal(size=(tones, RANK)) @ style.T
    return by_face[:, None, :] + 0.6 * by_tone[None, :, :] + rng.normal(size=styles)


def _rules(faces: int, tones: int, styles: int, rng: np.random.Generator) -> Table:
    """Styles have traits; a face, a tone, or both together like or dislike a trait."""
    traits = (rng.random((styles, TRAITS)) < 0.3).astype(np.float64)
    by_face = rng.choice([-1.0, 0.0, 1.0], (faces, TRAITS)) @ traits.T
    by_tone = 0.5 * rng.choice([-1.0, 0.0, 1.0], (tones, TRAITS)) @ traits.T
    rare = rng.random((faces, tones, TRAITS)) < 0.1
    by_both = (rare * rng.choice([-1.0, 1.0], rare.shape)) @ traits.T
    return np.asarray(by_face[:, None, :] + by_tone[None, :, :] + by_both)


def _random_effects(faces: int, tones: int, styles: int, rng: np.random.Generator) -> Table:
    """An independent random effect for each level of each of the seven groupings."""
    shapes = {
        (faces, 1, 1): 0.2,
        (1, tones, 1): 0.1,
        (1, 1, styles): 0.7,
        (faces, tones, 1): 0.1,
        (faces, 1, styles): 0.5,
        (1, tones, styles): 0.3,
        (faces, tones, styles): 0.2,
    }
    effects = [rng.normal(0.0, spread, shape) for shape, spread in shapes.items()]
    return np.asarray(sum(effects[1:], effects[0]))


def _at_like_rate(world: World, like_rate: float = LIKE_RATE) -> World:
    """Shift all log-odds alike until the share of likes over all votes is `like_rate`."""
    low, high = -20.0, 20.0
    share = world.cell_share
    for _ in range(60):
        middle = (low + high) / 2
        rate = float((share * _sigmoid(world.log_odds + middle)).sum())
        low, high = (middle, high) if rate < like_rate else (low, middle)
    return replace(world, log_odds=world.log_odds + low)


def _standard(table: Table) -> Table:
    return np.asarray((table - table.mean()) / table.std())


def _sigmoid(x: Table) -> Table:
    return np.asarray(1 / (1 + np.exp(-x)))
