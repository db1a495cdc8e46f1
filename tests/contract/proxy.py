"""A way to the emulated AWS on which requests and answers are refused, cut or altered.

    proxy.fail("TransactWriteItems", refuse(400, "ThrottlingException"), pass_on)

The faults befall the requests of one operation in their order; the last one stays. Everything
is as on a network: real sockets, the client's own repetitions, and a server behind it that may
have done what was asked though its answer never came.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from email.message import Message
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlsplit

Headers = list[tuple[str, str]]
HOP = {"connection", "expect", "host", "content-length", "transfer-encoding"}


class Exchange(BaseHTTPRequestHandler):
    """One request, which a fault answers, passes on or cuts off."""

    protocol_version = "HTTP/1.1"
    server: Proxy

    def handle_one(self) -> None:
        self.close_connection = True
        self.operation = operation(self.command, self.path, self.headers)
        self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.take(self.operation)(self)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = handle_one  # noqa: N815

    def forwarded(self) -> tuple[int, Headers, bytes]:
        """The emulation's answer to the request."""
        upstream = HTTPConnection(self.server.upstream, timeout=60)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP}
        try:
            upstream.request(self.command, self.path, self.body, headers)
            answer = upstream.getresponse()
            kept = [each for each in answer.getheaders() if each[0].lower() not in HOP]
            size = answer.getheader("Content-Length", "0")
            return answer.status, [*kept, ("Content-Length", size)], answer.read()
        finally:
            upstream.close()

    def answer(self, status: int, headers: Headers, body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def cut(self) -> None:
        """Close the connection as a network does that breaks."""
        self.connection.shutdown(socket.SHUT_RDWR)


Fault = Callable[[Exchange], None]


class Proxy(ThreadingHTTPServer):
    """Listens on a port of its own, and passes on what no fault is set for."""

    daemon_threads = True

    def __init__(self, upstream: str) -> None:
        super().__init__(("127.0.0.1", 0), Exchange)
        self.upstream = urlsplit(upstream).netloc
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.seen: list[str] = []
        self._faults: dict[str, list[Fault]] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Proxy:
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None = None,
        _error: BaseException | None = None,
        _trace: TracebackType | None = None,
    ) -> None:
        self.shutdown()
        self.server_close()

    def fail(self, operation: str, *faults: Fault) -> None:
        """Let the next requests of the operation meet these, and all later ones the last."""
        self._faults[operation] = list(faults)

    def take(self, operation: str) -> Fault:
        """What is to befall this request."""
        with self._lock:
            self.seen.append(operation)
            left = self._faults.get(operation, [pass_on])
            return left.pop(0) if len(left) > 1 else left[0]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no matter here."""


def operation(method: str, path: str, headers: Message) -> str:
    """The name of the operation, as far as the tests tell them apart."""
    target = headers.get("X-Amz-Target")
    if target:
        return target.rpartition(".")[2]
    query = parse_qs(urlsplit(path).query, keep_blank_values=True)
    if "list-type" in query:
        return "ListObjectsV2"
    if method == "POST":
        return "CreateMultipartUpload" if "uploads" in query else "CompleteMultipartUpload"
    if method == "PUT" and "partNumber" in query:
        return "UploadPart"
    if method == "DELETE" and "uploadId" in query:
        return "AbortMultipartUpload"
    by_method = {"GET": "GetObject", "PUT": "PutObject", "DELETE": "DeleteObject"}
    return by_method.get(method, "HeadBucket")


# --- faults


def pass_on(exchange: Exchange) -> None:
    """No fault."""
    exchange.answer(*exchange.forwarded())


def cut_before(exchange: Exchange) -> None:
    """The connection breaks before the request arrives."""
    exchange.cut()


def cut_after(exchange: Exchange) -> None:
    """What was asked is done, but the answer is lost."""
    exchange.forwarded()
    exchange.cut()


def cut_within(exchange: Exchange) -> None:
    """The connection breaks in the midst of the answer."""
    status, headers, body = exchange.forwarded()
    exchange.answer(status, headers, body[: len(body) // 2])
    exchange.cut()


def altered(exchange: Exchange) -> None:
    """One bit of the answer is another on the way."""
    status, headers, body = exchange.forwarded()
    exchange.answer(status, headers, bytes([body[0] ^ 1]) + body[1:])


def refuse(status: int, code: str) -> Fault:
    """AWS's own refusal, in the form of the service that was asked."""

    def refused(exchange: Exchange) -> None:
        if exchange.headers.get("X-Amz-Target"):
            fault: dict[str, Any] = {"__type": f"com.amazonaws#{code}", "message": f"said {code}"}
            body = json.dumps(fault).encode()
        else:
            body = f"<Error><Code>{code}</Code><Message>said {code}</Message></Error>".encode()
        exchange.answer(status, [("Content-Length", str(len(body)))], body)

    return refused


def cancel(*codes: str) -> Fault:
    """A transaction that DynamoDB cancelled, for a reason each of its items gave."""

    def cancelled(exchange: Exchange) -> None:
        reasons = [{"Code": code} for code in codes]
        fault = {"__type": "com.amazonaws#TransactionCanceledException", "Message": "cancelled"}
        body = json.dumps(fault | {"CancellationReasons": reasons}).encode()
        exchange.answer(400, [("Content-Length", str(len(body)))], body)

    return cancelled


def meanwhile(action: Callable[[], object]) -> Fault:
    """Something else happens between what the request was made of and its arrival."""

    def happens(exchange: Exchange) -> None:
        action()
        pass_on(exchange)

    return happens
