"""A load balancer on 127.0.0.1: one address for a service, whichever of its tasks answer.

    balancer = balancer_server.start()
    balancer.register(40001)
    ...
    balancer.drain(40001)      # no new requests to it; returns when none is under way

Requests go round the registered targets, over connections that are kept on both sides. Like an
ALB it never sends a request twice: only when no connection could be made, and so nothing was
sent, is the next target asked. It answers 503 without targets, 502 when a target broke off or
none could be reached, 504 when one does not answer in time. How it is reached itself stands in
`balancer_server.py`.
"""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from select import select

HOST = "127.0.0.1"
CONNECT_SECONDS, ANSWER_SECONDS = 1.0, 60.0
KEPT_SECONDS = 2.0
"""An idle connection to a target is used again for so long: servers close theirs after five."""
_HOP_BY_HOP = {
    "connection",
    "content-length",
    "expect",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
}

Headers = Sequence[tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class Message:
    """A request or an answer, whole."""

    headers: Headers
    body: bytes
    status: int = 0


class Target:
    """One process behind the balancer, with the connections to it that are idle."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.under_way = 0
        self._idle: list[tuple[float, http.client.HTTPConnection]] = []

    def connection(self) -> http.client.HTTPConnection:
        """A connection that was kept, or a new one; OSError when there can be none."""
        while self._idle:
            with suppress(IndexError):  # another thread was quicker
                since, kept = self._idle.pop()
                fresh = time.monotonic() - since < KEPT_SECONDS
                if fresh and kept.sock and not select([kept.sock], [], [], 0)[0]:
                    return kept
                kept.close()
        made = http.client.HTTPConnection(HOST, self.port, timeout=CONNECT_SECONDS)
        made.connect()
        made.sock.settimeout(ANSWER_SECONDS)
        return made

    def keep(self, connection: http.client.HTTPConnection) -> None:
        """Keep a connection on which an answer has ended."""
        if connection.sock is not None:
            self._idle.append((time.monotonic(), connection))

    def close(self) -> None:
        """Close what is idle."""
        while self._idle:
            self._idle.pop()[1].close()


@dataclass(kw_only=True)
class Counts:
    """What has passed since the last reset."""

    requests: int = 0
    by_target: dict[int, int] = field(default_factory=dict)
    """Answers of targets by status."""
    by_balancer: dict[int, int] = field(default_factory=dict)
    """Answers of the balancer itself by status."""

    @property
    def failed(self) -> int:
        """Answers of 500 and above, whoever gave them."""
        both = [*self.by_target.items(), *self.by_balancer.items()]
        return sum(times for status, times in both if status >= 500)


class Balancer:
    """The targets of one service, and the address where they are reached."""

    def __init__(self) -> None:
        self._targets: list[Target] = []
        self._next = 0
        self._changed = threading.Condition()
        self.counts = Counts()
        self.url = ""
        """Where it listens; `balancer_server.start` makes it listen."""
        self.stop: Callable[[], None] = lambda: None
        """Listen no more."""

    @property
    def ports(self) -> list[int]:
        """Where the registered targets listen."""
        with self._changed:
            return [target.port for target in self._targets]

    def register(self, port: int) -> None:
        """From now on a target gets requests."""
        with self._changed:
            self._targets.append(Target(port))

    def drain(self, port: int, seconds: float) -> None:
        """Give a target no new requests, and wait for those under way, at most so long."""
        with self._changed:
            found = [target for target in self._targets if target.port == port]
            self._targets = [target for target in self._targets if target.port != port]
            self._changed.wait_for(lambda: not any(each.under_way for each in found), seconds)
        for target in found:
            target.close()

    def reset(self) -> None:
        """No targets, and nothing counted."""
        with self._changed:
            gone, self._targets, self.counts = self._targets, [], Counts()
        for target in gone:
            target.close()

    def answer(self, method: str, path: str, request: Message) -> Message:
        """What a target answers, or the balancer in its place."""
        answer = self._from_targets(method, path, request)
        if answer is None:
            some = HTTPStatus.BAD_GATEWAY if self.ports else HTTPStatus.SERVICE_UNAVAILABLE
            return self.own(some)
        return answer

    def own(self, status: HTTPStatus) -> Message:
        """An answer of the balancer itself."""
        self.count(status.value, by_target=False)
        body = f"{status.value} {status.phrase}\n".encode()
        return Message(status=status.value, headers=[("Content-Type", "text/plain")], body=body)

    def count(self, status: int, *, by_target: bool) -> None:
        """Count an answer."""
        with self._changed:
            self.counts.requests += 1
            table = self.counts.by_target if by_target else self.counts.by_balancer
            table[status] = table.get(status, 0) + 1

    def _from_targets(self, method: str, path: str, request: Message) -> Message | None:
        """The answer of the first target that can be reached; None if there is none."""
        tried: set[int] = set()
        while (target := self._chosen(tried)) is not None:
            tried.add(target.port)
            with self._under_way(target):
                try:
                    connection = target.connection()
                except OSError:
                    continue
                return self._exchanged(target, connection, method, path, request)
        return None

    def _exchanged(
        self,
        target: Target,
        connection: http.client.HTTPConnection,
        method: str,
        path: str,
        request: Message,
    ) -> Message:
        """Send the request, once, and read the answer."""
        try:
            answer = _sent(connection, method, path, request)
        except TimeoutError:
            status = HTTPStatus.GATEWAY_TIMEOUT
        except (OSError, http.client.HTTPException):
            status = HTTPStatus.BAD_GATEWAY
        except ValueError:  # a header that HTTP does not allow
            status = HTTPStatus.BAD_REQUEST
        else:
            target.keep(connection)
            self.count(answer.status, by_target=True)
            return answer
        connection.close()
        return self.own(status)

    def _chosen(self, tried: set[int]) -> Target | None:
        """The next target in turn, which then has a request under way."""
        with self._changed:
            left = [target for target in self._targets if target.port not in tried]
            if not left:
                return None
            self._next += 1
            target = left[self._next % len(left)]
            target.under_way += 1
            return target

    @contextmanager
    def _under_way(self, target: Target) -> Iterator[None]:
        try:
            yield
        finally:
            with self._changed:
                target.under_way -= 1
                self._changed.notify_all()


def _sent(
    connection: http.client.HTTPConnection, method: str, path: str, request: Message
) -> Message:
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    for name, value in request.headers:
        connection.putheader(name, value)
    connection.endheaders(request.body or None)
    answer = connection.getresponse()
    body = answer.read()
    return Message(status=answer.status, headers=passed_on(answer.getheaders()), body=body)


def passed_on(headers: Headers) -> Headers:
    """The headers that are not about one connection alone."""
    return [(name, value) for name, value in headers if name.lower() not in _HOP_BY_HOP]
