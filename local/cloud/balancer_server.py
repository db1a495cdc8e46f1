"""How clients reach a load balancer: HTTP/1.1 on a port of 127.0.0.1, connections being kept.

A body is read before it is passed on: 411 without a length, 413 beyond what one may be long.
Threads and not an event loop: there are a handful of connections, and the rest of the emulation
is made of threads.
"""

from __future__ import annotations

import socketserver
import threading
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler

from local.cloud.balancer import HOST, Balancer, Message, passed_on

IDLE_SECONDS = 60.0
MOST_CLIENTS = 256
LARGEST_BODY = 16 * 1024 * 1024  # bytes


def start() -> Balancer:
    """A balancer without targets that listens from now on."""
    made = Balancer()
    server = _Server(made)
    made.stop = server.stop
    made.url = f"http://{HOST}:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    return made


class _Handler(BaseHTTPRequestHandler):
    """One connection of a client."""

    protocol_version = "HTTP/1.1"
    timeout = IDLE_SECONDS
    disable_nagle_algorithm = True
    wbufsize = 64 * 1024  # head and body in one packet
    server: _Server

    def forward(self) -> None:
        """Pass a request on, and its answer back."""
        refused, size = self._refused()
        if refused is not None:
            self.close_connection = True
            return self._give(self.server.balancer.own(refused))
        body = self.rfile.read(size)
        client, port = self.client_address[0], str(self.server.server_address[1])
        headers = [*passed_on(self.headers.items()), ("X-Forwarded-For", client)]
        headers += [("X-Forwarded-Proto", "http"), ("X-Forwarded-Port", port)]
        if size or self.command in ("POST", "PUT", "PATCH"):
            headers.append(("Content-Length", str(size)))
        request = Message(headers=headers, body=body)
        return self._give(self.server.balancer.answer(self.command, self.path, request))

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = forward  # noqa: N815

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
        """Nothing: what passes is counted."""

    def _refused(self) -> tuple[HTTPStatus | None, int]:
        """Why a request is not passed on, if so; and the length of its body."""
        if "transfer-encoding" in self.headers:
            return HTTPStatus.LENGTH_REQUIRED, 0
        text = self.headers.get("content-length", "0")
        if not (text.isascii() and text.isdigit()):
            return HTTPStatus.BAD_REQUEST, 0
        size = int(text[:20])
        return (HTTPStatus.REQUEST_ENTITY_TOO_LARGE if size > LARGEST_BODY else None), size

    def _give(self, answer: Message) -> None:
        self.send_response_only(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        has_body = answer.status >= 200 and answer.status not in (204, 304)
        if has_body:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if has_body and self.command != "HEAD":
            self.wfile.write(answer.body)


class _Server(socketserver.ThreadingTCPServer):
    """Accepts clients, no more than so many at once."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, balancer: Balancer) -> None:
        self.balancer = balancer
        self._places = threading.BoundedSemaphore(MOST_CLIENTS)
        super().__init__((HOST, 0), _Handler)

    def stop(self) -> None:
        """Listen no more."""
        self.shutdown()
        self.server_close()

    def process_request_thread(self, *given: object) -> None:
        """Serve one client on its thread."""
        with self._places, suppress(ConnectionError):
            super().process_request_thread(*given)  # type: ignore[arg-type]

    def handle_error(self, *_: object) -> None:
        """Nothing: a client that breaks off is no news."""
