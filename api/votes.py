"""What was recommended and what people thought of it, on its way to the votes' database.

The drivers wait, so they do it in a few threads of their own, and no more calls are accepted than
those can soon serve. A database that is down costs the recording and never the recommendation;
after a failure the next ones are not even tried for some seconds, so that answers stay fast.

A recommendation's id is `<row>-<token>`. The row is found by its primary key, and the token, which
stands in the row, shows that it was really recommended to whoever votes: no state in this process,
and any other process may take the vote.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import orjson

from api.metrics import Metrics
from api.model import Styled
from api.problems import Problem, ProblemError
from api.schemas import FeedbackRequest, RecommendRequest
from common import feedback
from common.errors import DatabaseError, UsageError
from common.registry.records import check_run_id
from common.votes_writer import VotesWriter

log = logging.getLogger(__name__)

T = TypeVar("T")

THREADS = 4
WAITING = 32
"""Calls that are under way or wait for a thread; more are refused at once."""
RECORD_SECONDS, FEEDBACK_SECONDS = 2.5, 5.0
"""How long a caller waits for each; then the answer says that it did not work."""
REST_SECONDS = 5.0
"""Nothing is recorded for so long after the database has failed."""
UNKNOWN = "unknown"

NEVER_RECOMMENDED = Problem(
    status=404,
    rule="recommendation_id must be one that /recommend gave",
    value="one that it did not give",
    remedy="ask /recommend, and give back the id of its answer",
)
NOT_NOW = Problem(
    status=503,
    rule="the votes' database must take the vote",
    value="it did not",
    remedy="try again soon: the same vote twice is one vote",
)


@dataclass(frozen=True, kw_only=True)
class Kept:
    """What became of the recording: the id to vote by, or why there is none."""

    recommendation_id: str | None = None
    why: str | None = None
    votable: int = 0
    """Positions from 1 on that take votes."""

    def told(self) -> dict[str, Any]:
        """The part of the answer that says so."""
        return {
            "recommendation_id": self.recommendation_id,
            "recorded": self.recommendation_id is not None,
            "why_not_recorded": self.why,
        }


class BusyError(TimeoutError):
    """All places are taken, which says nothing about the database."""


class Votes:
    """Records recommendations and takes votes. Used by one event loop."""

    def __init__(self, writer: VotesWriter, metrics: Metrics) -> None:
        self._writer = writer
        self._metrics = metrics
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="votes")
        self._places = threading.Semaphore(WAITING)
        self._rests_until = 0.0

    async def record(self, asked: RecommendRequest, version: str, styles: Sequence[Styled]) -> Kept:
        """Write down what is shown, if it can be; what became of it."""
        why = _not_to_record(asked, styles)
        if why is None and time.monotonic() < self._rests_until:
            why = "the votes' database failed a moment ago: votes are not taken for some seconds"
        if why is not None:
            return Kept(why=why)
        try:
            kept = await self._call(lambda: self._record(asked, version, styles), RECORD_SECONDS)
        except BusyError:
            return Kept(why="too many ask at once: votes on this answer are not taken")
        except (DatabaseError, TimeoutError) as error:
            self._rests_until = time.monotonic() + REST_SECONDS
            self._failed(error)
            return Kept(why="the votes' database did not take it: votes are not taken")
        self._metrics.shown(version, min(len(styles), kept.votable))
        return kept

    async def take(self, asked: FeedbackRequest) -> bool:
        """Write a vote or a click; whether anything changed. ProblemError when it is refused."""
        try:
            changed, version = await self._call(lambda: self._take(asked), FEEDBACK_SECONDS)
        except (DatabaseError, TimeoutError) as error:
            self._failed(error)
            raise ProblemError(NOT_NOW) from None
        if changed and asked.feedback == "click":
            self._metrics.clicked(version)
        elif changed:
            self._metrics.voted(version, asked.feedback)
        return changed

    def close(self) -> None:
        """Finish what is under way, and let go of the connections."""
        self._pool.shutdown(cancel_futures=True)
        self._writer.close()

    async def _call(self, work: Callable[[], T], seconds: float) -> T:
        """What `work` returns, done in a thread. TimeoutError after so long, or at once if busy."""
        if not self._places.acquire(blocking=False):
            raise BusyError("too many calls wait for the votes' database")
        future: Future[T] = self._pool.submit(work)
        future.add_done_callback(lambda _: self._places.release())
        async with asyncio.timeout(seconds):
            return await asyncio.wrap_future(future)

    def _record(self, asked: RecommendRequest, version: str, styles: Sequence[Styled]) -> Kept:
        token = secrets.token_hex(16)
        items = [_item(rank, style, version, token) for rank, style in enumerate(styles, 1)]
        # Names of our own alone: a caller's text never gets into the table. What they do not
        # know, they read back as the unknown face and the neutral tone, as it was answered.
        row = self._writer.record(
            face_shape=feedback.face_shape(asked.face_shape),
            personal_color=feedback.personal_color(asked.personal_color),
            recommended_styles=orjson.dumps(items).decode(),
        )
        return Kept(recommendation_id=f"{row}-{token}", votable=self._writer.votable())

    def _take(self, asked: FeedbackRequest) -> tuple[bool, str]:
        """Whether anything changed, and the version that had recommended the style."""
        row, _, token = asked.recommendation_id.partition("-")
        items = _shown(self._writer.recommended(int(row)), token)
        # Only whoever has shown the token learns how many positions there are.
        last = min(self._writer.votable(), len(items))
        if asked.position > last:
            raise ProblemError(
                Problem(
                    status=409,
                    rule=f"position must be votable: 1 to {last} of this recommendation",
                    value=str(asked.position),
                    remedy="vote on styles whose `votable` was true",
                )
            )
        version = _version(items[asked.position - 1])
        if asked.feedback == "click":
            return self._writer.click(int(row), asked.position), version
        return self._writer.vote(int(row), asked.position, asked.feedback), version

    def _failed(self, error: Exception) -> None:
        self._metrics.error("database")
        says = str(error) or "it took too long"
        log.warning("the votes' database failed: %s", says)


def records(asked: RecommendRequest) -> bool:
    """Whether the answer is to be written down."""
    return asked.record and asked.personal_color is not None


def _not_to_record(asked: RecommendRequest, styles: Sequence[Styled]) -> str | None:
    """Why an answer is not written down; None if it is to be."""
    if not asked.record:
        return "record is false"
    if asked.personal_color is None:
        return "recording needs personal_color: the votes' table has no skin tone"
    return None if styles else "no style was recommended"


def _item(rank: int, style: Styled, version: str, token: str) -> dict[str, Any]:
    """An item of `recommended_styles` as the application writes it, and two keys more."""
    return {
        "hairstyle_id": None,
        "style_name": style.name,
        "reason": None,
        "source": "ml",
        "score": style.score,
        "rank": rank,
        "model_version": version,
        "recommendation": token,
    }


def _shown(text: bytes | None, token: str) -> list[dict[str, Any]]:
    """The items of a recommendation with this token; ProblemError if there is none.

    No row, a row of the application's own and another token are one and the same answer, so
    that nobody finds out which rows exist.
    """
    try:
        items = orjson.loads(text or b"")
        found = [str(item["recommendation"]) for item in items]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        found = []
    if not found or not hmac.compare_digest(found[0].encode(), token.encode()):
        raise ProblemError(NEVER_RECOMMENDED)
    return list(items)


def _version(item: dict[str, Any]) -> str:
    """The version that recommended an item, as a label of few values."""
    try:
        return check_run_id(str(item.get("model_version")))
    except UsageError:
        return UNKNOWN
