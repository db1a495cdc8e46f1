"""What a request passes: its id, the limit of its body, its count, its line in the log.

It also calls the function of the request's route. All our paths are fixed, so one look into a
dictionary finds it; the framework, which describes the routes, would take longer to look for it
than most answers take. What is no route is left to the framework to refuse.

Plain ASGI and not the framework's middleware class, which would wrap each request in tasks and
streams of its own. It is also the process's boundary for errors of a request: whatever is not
handled before becomes a 500 with an id that the log has too.
"""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.metrics import Metrics
from api.problems import STOPPING, UNEXPECTED, Problem, ProblemError
from api.request_log import Write, through_logging

log = logging.getLogger(__name__)

Handler = Callable[[Request], Awaitable[Response]]

MAX_BODY = 1 << 20
"""Bytes of a body at most: a batch of a thousand items with long names fits."""
OTHER = "other"
PROBES = frozenset({"/health", "/ready"})
"""Asked several times a minute, by machines: a line for each that went well would bury the rest."""
CLIENT_LEFT = 499
"""Counted where nobody waited for the answer."""
TOO_LARGE = Problem(
    status=413,
    rule=f"a body must be at most {MAX_BODY} bytes",
    value="a larger one",
    remedy="send it in several requests",
)

_GIVEN_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_ALWAYS = [(b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")]


class Edge:
    """The outermost layer of the application.

    routes: the paths that are told apart.
    handlers: by method and path.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        metrics: Metrics,
        routes: Collection[str],
        handlers: Mapping[tuple[str, str], Handler],
        write: Write = through_logging,
    ) -> None:
        self._app = app
        self._write = write
        self._metrics = metrics
        self._routes = frozenset(routes)
        self._handlers = dict(handlers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begin = time.perf_counter()
        request_id, length = _given(scope)
        asked = scope["method"]
        # A copy: the server looks into its own, sees that HEAD was asked and sends no body.
        scope = {**scope, "request_id": request_id, "method": "GET" if asked == "HEAD" else asked}
        answer = _Answer(send, request_id)
        try:
            if scope["method"] == "POST":
                scope["body"] = await _whole(receive, length)
            handler = self._handlers.get((scope["method"], scope["path"]))
            found = self._app if handler is None else await handler(Request(scope))
            await found(scope, receive, answer.send)
        except ProblemError as error:
            # The connection stays open: closed with a body unread, it would be reset, and the
            # answer lost with it. The server drops what still comes.
            await error.problem.response(request_id)(scope, receive, answer.send)
        except asyncio.CancelledError:
            # The process was told to stop, and has waited as long as it may.
            if answer.status == CLIENT_LEFT:
                await STOPPING.response(request_id)(scope, receive, answer.send)
        except Exception:
            self._metrics.error("unexpected")
            log.exception("unexpected error", extra={"request_id": request_id})
            if answer.status == CLIENT_LEFT:
                await UNEXPECTED.response(request_id)(scope, receive, answer.send)
        finally:
            self._note(scope, asked, answer.status, time.perf_counter() - begin)

    def _note(self, scope: Scope, method: str, status: int, seconds: float) -> None:
        path = scope["path"]
        route = path if path in self._routes else OTHER
        self._metrics.request(route, status, seconds)
        if route in PROBES and status == HTTPStatus.OK:
            return
        self._write(
            {
                "request_id": scope["request_id"],
                "method": method,
                "route": route,
                "status": status,
                "ms": round(seconds * 1000, 3),
                "version": scope.get("version"),
            }
        )


@dataclass
class _Answer:
    """Passes an answer on with the headers that all have, and keeps its status."""

    _send: Send
    request_id: str
    status: int = CLIENT_LEFT

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            own = (b"x-request-id", self.request_id.encode())
            message["headers"] = [*message["headers"], *_ALWAYS, own]
        await self._send(message)


def _given(scope: Scope) -> tuple[str, int]:
    """The request's id, given or new, and the length that its body is said to have."""
    request_id, length = b"", 0
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            request_id = value
        elif name == b"content-length" and value.isdigit():
            length = int(value[:20])
    if _GIVEN_ID.fullmatch(request_id):
        return request_id.decode(), length
    return secrets.token_hex(8), length


async def _whole(receive: Receive, length: int) -> bytes:
    """The body, read to its end; ProblemError if it is too large.

    Counted as it comes: a body in chunks does not say how long it will be.
    """
    body, more = b"", True
    if length > MAX_BODY:
        raise ProblemError(TOO_LARGE)
    while more:
        message = await receive()
        if message["type"] != "http.request":
            break  # whoever asked has gone
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > MAX_BODY:
            raise ProblemError(TOO_LARGE)
    return body
