"""Constant, bounded load on a service of this machine, and what came of each request.

    with load(cloud.service_url, "/ready") as seen:
        ...                          # something happens to the service
    assert seen.failed == []

A few clients ask one request after the other over kept connections, with a pause between two. It
aims at 127.0.0.1 and nowhere else, and stops by itself after so many requests.
"""

from __future__ import annotations

import http.client
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from common.errors import UsageError

HOST = "127.0.0.1"
CLIENTS = 2
PAUSE_SECONDS = 0.01
MOST_REQUESTS = 20_000
ANSWER_SECONDS = 30.0


@dataclass(kw_only=True)
class Seen:
    """What the clients have seen so far."""

    answers: Counter[bytes] = field(default_factory=Counter)
    """Bodies of the answers that were well."""
    failed: list[str] = field(default_factory=list)
    """What was not an answer of 2xx: its status, or the name of the error."""
    stopped: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def requests(self) -> int:
        """How many requests have ended."""
        return self.answers.total() + len(self.failed)

    def add(self, body: bytes | None, failure: str = "") -> None:
        """Another request has ended."""
        with self._lock:
            if body is None:
                self.failed.append(failure)
            else:
                self.answers[body] += 1
            if self.requests >= MOST_REQUESTS:
                self.stopped.set()


@contextmanager
def load(
    url: str, path: str, *, body: bytes | None = None, clients: int = CLIENTS
) -> Iterator[Seen]:
    """Ask for a path, with a body of JSON by POST, until the block ends."""
    address = urlsplit(url)
    if address.hostname != HOST or address.port is None:
        raise UsageError(f"load must aim at {HOST} with a port, got {url!r}: give a local service")
    seen = Seen()
    port = address.port
    threads = [
        threading.Thread(target=_client, args=(seen, port, path, body)) for _ in range(clients)
    ]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        seen.stopped.set()
        for thread in threads:
            thread.join()


def _client(seen: Seen, port: int, path: str, body: bytes | None) -> None:
    connection = http.client.HTTPConnection(HOST, port, timeout=ANSWER_SECONDS)
    method, headers = (
        ("GET", {}) if body is None else ("POST", {"Content-Type": "application/json"})
    )
    while not seen.stopped.wait(PAUSE_SECONDS):
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            seen.add(None, type(error).__name__)
            continue
        well = 200 <= answer.status < 300
        seen.add(text if well else None, str(answer.status))
    connection.close()
