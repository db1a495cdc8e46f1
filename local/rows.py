"""Rows of `analysis_history` as the application has written them over the years.

Clean rows are those of today's application. Ugly ones show every shape that stands in the
production table side by side: three generations of JSON, six spellings of a vote, missing
values, near-duplicate names, broken cells. What is broken is counted, so that a reader's
counts can be held against it. Every column is drawn whole, since benchmarks need millions.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from common.feedback import FACE_SHAPES
from local.analyses import SECOND, Analyses, Bools, Ints, draw
from local.items import ITEMS, PLAIN_REASONS, RANKS, REASONS, spellings
from local.world import World

Row = tuple[Any, ...]
Texts = NDArray[np.object_]
Times = Literal["seconds", "microseconds", "text"]
"""Naive times of whole seconds (MySQL's DATETIME) or of microseconds (its DATETIME(6)); or text,
in ugly rows of several forms (SQLite)."""

CHUNK = 20_000
"""Votes per chunk: memory does not grow with the number of votes."""

LIKES, DISLIKES = ("like", "LIKE", "good"), ("dislike", "DISLIKE", "bad")
UNKNOWN_VOTES = ("love", "Like", "good ", "", "좋아요", "0")
COLOURS = (("봄웜", "가을웜"), ("여름쿨", "겨울쿨"), (None, "뉴트럴"))
"""Personal colours of each tone, in the order of `SKIN_TONES`."""
USERS = ("anonymous", None, " ", "mina-{}", "o'neil\";--{}", "💇user{}")
USER_SHARES = (0.90, 0.02, 0.01, 0.05, 0.01, 0.01)
NAME_SHARES = (0.78, 0.12, 0.03, 0.02, 0.02, 0.03)
"""How often an ugly row spells a name in each of the ways of `spellings`."""
GENERATION_SHARES = (0.55, 0.25, 0.12, 0.08)
"""How often an ugly row has a list of each of `ITEMS`."""
ODD_SCORES = ("87", "250", "NaN", "null", "-0.2")
ODD_SCORE_SHARE = 0.03
NULL_FACE, UNKNOWN_FACE, NULL_COLOUR, TONE_SUFFIX, NO_IMAGE = 0.03, 0.01, 0.03, 0.2, 0.02
NO_TIME, FUTURE_SHARE = 0.015, 0.002
FUTURE = 400 * 86_400 * SECOND
"""How long after the window a wrong clock puts a vote."""

FAULTS = {
    "malformed_json": 0.006,
    "json_number": 0.003,
    "null_list": 0.002,
    "short_list": 0.004,
    "no_name": 0.004,
    "unknown_vote": 0.02,
}
"""Each fault's share of the ugly rows. A row has at most one; each rejects voted cells."""


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """Some rows; how many cells are not NULL, and how many of those a reader must reject.

    `rejected` has the keys of FAULTS. `no_time` and `future` count the cells, rejected ones
    included, without a time of feedback and with one of a wrong clock.
    """

    rows: list[Row]
    cells: int
    rejected: Counter[str]
    no_time: int
    future: int


def make_rows(
    world: World,
    votes: int,
    *,
    styles: int,
    seed: int,
    ugly: bool,
    window: tuple[datetime, datetime],
    times: Times,
) -> Iterator[Chunk]:
    """Rows with exactly `votes` non-NULL feedback cells and feedback_at in (start, end].

    In ugly rows a few have no time of feedback, or one of a wrong clock, FUTURE after `end`.
    `styles` per row: 3 or 5. The values of a row are in the order of `row_columns`.
    """
    sizes = [min(CHUNK, votes - done) for done in range(0, votes, CHUNK)]
    low, high = (round(t.timestamp() * SECOND) for t in window)
    assert low < high, "the window must not be empty"
    edges = [low + (high - low) * i // max(len(sizes), 1) for i in range(len(sizes) + 1)]
    spelled = np.array([spellings(name) for name in world.styles], dtype=object)
    for i, size in enumerate(sizes):
        rng = np.random.default_rng([seed, i])
        analyses = draw(world, size, styles, (edges[i], edges[i + 1]), rng)
        look = _Look(ugly=ugly, times=times, end=high, salt=f"{seed}-{i}")
        yield _Writer(analyses, spelled, rng, look).chunk()


def row_columns(styles: int) -> list[str]:
    """The columns of a row, in order."""
    places = range(1, styles + 1)
    return [
        *("user_id", "image_hash", "face_shape", "personal_color", "recommended_styles"),
        *(f"style_{i}_feedback" for i in places),
        *(f"style_{i}_naver_clicked" for i in places),
        *("opencv_face_ratio", "mediapipe_face_ratio", "feedback_at", "created_at"),
    ]


@dataclass(frozen=True, kw_only=True)
class _Look:
    """What rows look like: `end` is that of the window, `salt` tells chunks' people apart."""

    ugly: bool
    times: Times
    end: int
    salt: str


class _Writer:
    """Writes one chunk of analyses; of what is ugly, clean rows get a share of zero."""

    def __init__(
        self, analyses: Analyses, spelled: Texts, rng: np.random.Generator, look: _Look
    ) -> None:
        self.a, self.spelled, self.rng, self.look = analyses, spelled, rng, look
        self.size = len(analyses.style)
        self.fault = self._pick((1 - sum(FAULTS.values()), *FAULTS.values()), self.size)

    def chunk(self) -> Chunk:
        users, images = self._people()
        voted = self.a.voted.any(axis=1)
        no_time, future = self._some(NO_TIME) & voted, self._some(FUTURE_SHARE) & voted
        feedback_at = self._times(np.where(future, self.look.end + FUTURE, self.a.feedback))
        feedback_at[~voted | no_time] = None
        ratio = np.round(self.rng.normal(1.35, 0.1, self.size), 4)
        columns = [
            *(users, images, self._faces(), self._colours(), self._lists()),
            *self._votes().T.tolist(),
            *(self.rng.random(self.a.style.shape) < 0.05).astype(int).T.tolist(),
            *(ratio.tolist(), [None] * self.size),
            *(feedback_at.tolist(), self._times(self.a.created).tolist()),
        ]
        return Chunk(
            rows=list(zip(*columns, strict=True)),
            cells=int(self.a.voted.sum()),
            rejected=self._rejected(),
            no_time=int(self.a.voted[no_time].sum()),
            future=int(self.a.voted[future & ~no_time].sum()),
        )

    def _some(self, share: float) -> Bools:
        """Ugly rows, each with this probability."""
        return np.asarray(self.rng.random(self.size) < share * self.look.ugly)

    def _pick(self, shares: tuple[float, ...], shape: Any) -> Ints:
        """Codes 0..n-1 with these probabilities; in clean rows always 0."""
        return np.asarray(self.rng.choice(len(shares), shape, p=shares) * self.look.ugly)

    def _is(self, fault: str) -> Bools:
        return np.asarray(self.fault == list(FAULTS).index(fault) + 1)

    def _rejected(self) -> Counter[str]:
        """The cells that each fault makes unusable."""
        voted = self.a.voted
        cells = {
            "malformed_json": voted[self._is("malformed_json")],
            "json_number": voted[self._is("json_number")],
            "null_list": voted[self._is("null_list")],
            "short_list": voted[self._is("short_list"), 1:],
            "no_name": voted[self._is("no_name"), 0],
            "unknown_vote": voted[self._is("unknown_vote")].any(axis=1),
        }
        return Counter({fault: int(lost.sum()) for fault, lost in cells.items() if lost.any()})

    def _people(self) -> tuple[list[str | None], list[str | None]]:
        """User and photo: a person without a name always shows the same photo."""
        person = self.a.person
        kind = self._pick(USER_SHARES, int(person.max()) + 1)[person]
        named = kind >= 3
        tags = [f"{self.look.salt}-{p}" for p in person.tolist()]
        users = [
            text.format(tag) if (text := USERS[k]) else text
            for k, tag in zip(kind.tolist(), tags, strict=True)
        ]
        photos = np.where(named, np.arange(self.size), -1).tolist()
        images = np.array(
            [
                hashlib.sha256(f"{tag}/{photo}".encode()).hexdigest()
                for tag, photo in zip(tags, photos, strict=True)
            ],
            dtype=object,
        )
        images[self._some(NO_IMAGE)] = None
        return users, images.tolist()

    def _faces(self) -> list[str | None]:
        faces = np.array(FACE_SHAPES, dtype=object)[self.a.face]
        faces[self._some(UNKNOWN_FACE)] = "마름모형"
        faces[self._some(NULL_FACE)] = None
        return list(faces)

    def _colours(self) -> list[str | None]:
        which = self.rng.integers(0, 2, self.size)
        colours = np.array(COLOURS, dtype=object)[self.a.tone, which]
        suffixed = self._some(TONE_SUFFIX) & (self.a.tone < 2)
        colours[suffixed] += "톤"
        colours[self._some(NULL_COLOUR)] = None
        return list(colours)

    def _votes(self) -> Texts:
        """The feedback cells, (A, R)."""
        spelling = self._pick((0.6, 0.2, 0.2), self.a.like.shape)
        like, dislike = (np.array(words, dtype=object)[spelling] for words in (LIKES, DISLIKES))
        votes = np.where(self.a.like, like, dislike)
        first = np.argmax(self.a.voted, axis=1)
        strange = np.flatnonzero(self._is("unknown_vote"))
        words = np.array(UNKNOWN_VOTES, dtype=object)
        votes[strange, first[strange]] = words[self.rng.integers(0, len(words), len(strange))]
        votes[~self.a.voted] = None
        return votes

    def _lists(self) -> list[str | None]:
        """`recommended_styles` as JSON text."""
        shape = self.a.style.shape
        generation = self._pick(GENERATION_SHARES, self.size)
        names = self.spelled[self.a.style, self._pick(NAME_SHARES, shape)]
        names[self._is("no_name"), 0] = '" "'
        scale = np.where(generation == 2, 100, 1)[:, None]
        scores = np.array(list(map(str, np.round(self.a.score * scale, 4).ravel().tolist())))
        scores = scores.astype(object).reshape(shape)
        odd = self.rng.random(shape) < ODD_SCORE_SHARE * self.look.ugly
        scores[odd] = self.rng.choice(np.array(ODD_SCORES, dtype=object), int(odd.sum()))
        kinds = len(REASONS) if self.look.ugly else PLAIN_REASONS
        reasons = np.array([json.dumps(r, ensure_ascii=False) for r in REASONS], dtype=object)
        texts = reasons[self.rng.integers(0, kinds, shape)]
        columns = (generation.tolist(), names.tolist(), scores.tolist(), texts.tolist())
        lists = [
            "[" + ", ".join(map(ITEMS[g], n, s, t, RANKS)) + "]"
            for g, n, s, t in zip(*columns, strict=True)
        ]
        return self._broken(np.array(lists, dtype=object))

    def _broken(self, lists: Texts) -> list[str | None]:
        """The faults of whole lists."""
        for row in np.flatnonzero(self._is("malformed_json")):
            lists[row] = lists[row][: len(lists[row]) // 2]
        for row in np.flatnonzero(self._is("short_list")):
            lists[row] = json.dumps(json.loads(lists[row])[:1], ensure_ascii=False)
        lists[self._is("json_number")] = "3"
        lists[self._is("null_list")] = None
        return list(lists)

    def _times(self, micros: Ints) -> Texts:
        """Times as text, as the column takes them."""
        # Drawn in any case: a seed means the same people and votes on every database.
        form = self._pick((0.6, 0.2, 0.1, 0.1), self.size)
        if self.look.times == "seconds":
            return _text(-(-micros // SECOND) * SECOND, "s")
        if self.look.times == "microseconds":
            return _text(micros, "us")
        east = micros + np.where(form == 3, 9 * 3600 * SECOND, 0)
        zones = np.array(["", "+00:00", "Z", "+09:00"], dtype=object)
        return np.asarray(_text(east, "us") + zones[form])


def _text(micros: Ints, unit: Literal["s", "us"]) -> Texts:
    stamps = np.datetime_as_string(micros.astype(np.datetime64(0, "us").dtype), unit=unit)
    return np.array([stamp.replace("T", " ") for stamp in stamps.tolist()], dtype=object)
