"""People who use a service at a constant rate, whatever happens to it, and what they got.

    with traffic(cloud.service_url) as seen:
        ...
    assert seen.failed == []

An open loop: a request begins when its time has come, whether or not those before have been
answered, so that a service that stands still is not spared. (`local.load` waits for each answer,
and asks as much as it can.) It aims at 127.0.0.1 and nowhere else, and ends by itself.
"""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from common.errors import UsageError

HOST = "127.0.0.1"
PER_SECOND = 20
MOST_REQUESTS = 6_000
UNDER_WAY = 16
"""Requests at once; more than that wait for their turn, which only a service that hangs causes."""
ANSWER_SECONDS = 30.0
PERSON = {"face_shape": "계란형", "skin_tone": "웜톤"}
ASKED: tuple[tuple[str, str, object], ...] = (
    ("POST", "/recommend", {**PERSON, "record": False}),
    ("POST", "/predict", {**PERSON, "hairstyle": "댄디컷"}),
    ("GET", "/model", None),
)


@dataclass(kw_only=True)
class Seen:
    """What people got so far."""

    versions: Counter[str] = field(default_factory=Counter)
    """Answers by the version that gave them."""
    failed: list[str] = field(default_factory=list)
    """What was no answer of 2xx: when it began (seconds), what it was, and status or error."""
    stopped: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def requests(self) -> int:
        """How many have ended."""
        return self.versions.total() + len(self.failed)

    def add(self, version: str, failure: str) -> None:
        """Another request has ended."""
        with self._lock:
            if failure:
                self.failed.append(failure)
            else:
                self.versions[version] += 1

    def wait_for(self, more: int) -> None:
        """Until so many more have ended."""
        wanted, deadline = self.requests + more, time.monotonic() + ANSWER_SECONDS
        while self.requests < wanted:
            assert time.monotonic() < deadline, f"{self.requests} of {wanted} requests have ended"
            time.sleep(0.01)


@contextmanager
def traffic(url: str) -> Iterator[Seen]:
    """Ask `PER_SECOND` times a second until the block ends."""
    address = urlsplit(url)
    if address.hostname != HOST or address.port is None:
        raise UsageError(f"traffic must aim at {HOST} with a port, got {url!r}: name a local one")
    seen = Seen()
    with ThreadPoolExecutor(UNDER_WAY) as people:
        clock = threading.Thread(target=_tick, args=(seen, people, address.port))
        clock.start()
        try:
            yield seen
        finally:
            seen.stopped.set()
            clock.join()


def _tick(seen: Seen, people: ThreadPoolExecutor, port: int) -> None:
    begun = time.monotonic()
    for number in range(MOST_REQUESTS):
        if seen.stopped.wait(max(0.0, begun + number / PER_SECOND - time.monotonic())):
            return
        people.submit(_ask, seen, port, number, time.monotonic() - begun)


def _ask(seen: Seen, port: int, number: int, at: float) -> None:
    method, path, body = ASKED[number % len(ASKED)]
    headers = {} if body is None else {"Content-Type": "application/json"}
    connection = http.client.HTTPConnection(HOST, port, timeout=ANSWER_SECONDS)
    try:
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        text, failure = answer.read(), "" if answer.status == 200 else str(answer.status)
        version = "" if failure else str(json.loads(text)["version"])
    except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
        version, failure = "", type(error).__name__
    finally:
        connection.close()
    seen.add(version, failure and f"{at:.2f} s: {method} {path}: {failure}")
