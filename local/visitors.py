"""People who use the service: they ask, look, vote, and go on asking while it is deployed.

Everything goes over HTTP to the one address that people have; nothing here knows of the loop.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener

FACE, COLOUR = "계란형", "봄웜"
"""Those whose taste has changed."""
AT_ONCE = 4
PAUSE_SECONDS = 0.05
"""Between two requests of those who go on asking: about twenty a second."""
PATIENCE = 10.0
MOST = 5_000
"""Requests of one steady stream, at most."""

_DIRECT = build_opener(ProxyHandler({}))


@dataclass(frozen=True, kw_only=True)
class Visitors:
    """People in front of the service at `url`."""

    url: str

    def ask(self, **more: Any) -> dict[str, Any]:
        """One person asks for styles."""
        return self._post("/recommend", {"face_shape": FACE, "personal_color": COLOUR, **more})

    def model(self) -> dict[str, Any]:
        """Which model answers."""
        with _DIRECT.open(f"{self.url}/model", timeout=PATIENCE) as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    def vote(self, people: int, likes: Callable[[str], bool]) -> int:
        """So many people ask, look at what they are shown and vote on it; the number of votes."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return sum(pool.map(lambda _: self._visit(likes), range(people)))

    def _visit(self, likes: Callable[[str], bool]) -> int:
        shown = self.ask()
        votable = [item for item in shown["items"] if item["votable"]]
        for item in votable:
            vote = {"recommendation_id": shown["recommendation_id"], "position": item["rank"]}
            feedback = "like" if likes(item["style"]) else "dislike"
            self._post("/feedback", vote | {"feedback": feedback})
        return len(votable)

    def _post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        headers = {"Content-Type": "application/json"}
        request = Request(self.url + path, json.dumps(body).encode(), headers)
        with _DIRECT.open(request, timeout=PATIENCE) as answer:
            found: dict[str, Any] = json.load(answer)
        return found


@dataclass(kw_only=True)
class Stream:
    """A steady stream of requests: how many were asked, by which version, and how many failed."""

    asked: int = 0
    failed: list[str] = field(default_factory=list)
    versions: list[str] = field(default_factory=list)
    """Each version that answered, in the order of its first answer."""


@contextmanager
def asking(visitors: Visitors) -> Iterator[Stream]:
    """People go on asking, without being recorded, for as long as the `with` lasts."""
    stream, over = Stream(), threading.Event()

    def ask() -> None:
        while not over.wait(PAUSE_SECONDS) and stream.asked < MOST:
            stream.asked += 1
            try:
                version = str(visitors.ask(record=False)["version"])
            except (OSError, HTTPException, ValueError) as error:
                stream.failed.append(f"{type(error).__name__}: {error}")
                continue
            if version not in stream.versions:
                stream.versions.append(version)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    try:
        yield stream
    finally:
        over.set()
        thread.join(PATIENCE)
