"""The load balancer sends each request once, to whoever is there."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest

from local.cloud import balancer_server
from local.cloud.balancer import Balancer
from local.cloud.task_process import free_port

HOST = "127.0.0.1"


@pytest.fixture
def balancer() -> Iterator[Balancer]:
    """One without targets."""
    made = balancer_server.start()
    yield made
    made.reset()
    made.stop()


@contextmanager
def target(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[tuple[int, list[str]]]:
    """A server that answers so; its port, and the requests that have reached it."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def forward(self) -> None:
            asked.append(f"{self.command} {self.path}")
            answer(self)

        do_GET = do_HEAD = do_POST = forward  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer((HOST, 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server.server_port, asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def echo(handler: BaseHTTPRequestHandler) -> None:
    """The body and the headers that came, in an answer of 201."""
    body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
    handler.send_response(201)
    handler.send_header("X-Seen", handler.headers.get("X-Mine", "none"))
    handler.send_header("X-From", handler.headers.get("X-Forwarded-For", "none"))
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(b"" if handler.command == "HEAD" else body)


def break_off(handler: BaseHTTPRequestHandler) -> None:
    """No answer: the connection ends."""
    handler.connection.shutdown(socket.SHUT_RDWR)


def ask(
    balancer: Balancer,
    method: str = "GET",
    path: str = "/",
    *,
    body: bytes = b"",
    headers: dict[str, str] | None = None,
) -> tuple[int, bytes, dict[str, str]]:
    """Status, body and headers of what the balancer answers."""
    connection = http.client.HTTPConnection(HOST, urlsplit(balancer.url).port, timeout=10)
    connection.request(method, path, body or None, headers or {})
    answer = connection.getresponse()
    found = answer.status, answer.read(), dict(answer.getheaders())
    connection.close()
    return found


def test_requests_go_round_the_targets_and_answers_come_back_whole(balancer: Balancer) -> None:
    with target(echo) as (first, one), target(echo) as (second, two):
        balancer.register(first)
        balancer.register(second)

        mine = {"X-Mine": "m"}
        answers = [ask(balancer, "POST", body=b"x" * n, headers=mine) for n in range(4)]

    assert [(status, len(body)) for status, body, _ in answers] == [(201, n) for n in range(4)]
    assert {(h["X-Seen"], h["X-From"]) for _, _, h in answers} == {("m", HOST)}
    assert (len(one), len(two)) == (2, 2)
    assert (balancer.counts.requests, balancer.counts.failed) == (4, 0)


def test_connections_are_kept_on_both_sides(balancer: Balancer) -> None:
    peers: set[object] = set()

    def note(handler: BaseHTTPRequestHandler) -> None:
        peers.add(handler.client_address)
        echo(handler)

    with target(note) as (port, asked):
        balancer.register(port)
        connection = http.client.HTTPConnection(HOST, urlsplit(balancer.url).port, timeout=10)
        connection.connect()
        own = connection.sock.getsockname()
        for method in ("GET", "HEAD", "GET"):
            connection.request(method, "/")
            connection.getresponse().read()
        assert connection.sock.getsockname() == own
        connection.close()
        balancer.reset()

    assert asked == ["GET /", "HEAD /", "GET /"]
    assert len(peers) == 1


def test_a_target_that_cannot_be_reached_is_passed_over(balancer: Balancer) -> None:
    with target(echo) as (port, asked):
        balancer.register(free_port())
        balancer.register(port)

        statuses = [ask(balancer, "POST")[0] for _ in range(4)]

    assert statuses == [201] * 4
    assert len(asked) == 4


def test_a_request_that_was_sent_is_never_sent_again(balancer: Balancer) -> None:
    with target(break_off) as (bad, to_bad), target(break_off) as (other, to_other):
        balancer.register(bad)
        balancer.register(other)

        status, _, _ = ask(balancer)

    assert status == 502
    assert len(to_bad) + len(to_other) == 1
    assert balancer.counts.by_balancer == {502: 1}


def test_without_targets_503_and_with_none_that_can_be_reached_502(balancer: Balancer) -> None:
    without = ask(balancer)[0]
    balancer.register(free_port())

    assert (without, ask(balancer)[0]) == (503, 502)
    assert (balancer.counts.failed, balancer.counts.by_target) == (2, {})


@pytest.mark.parametrize(
    "headers, status",
    [
        ({"Content-Length": "many"}, 400),
        ({"Content-Length": str(2**40)}, 413),
        ({"Transfer-Encoding": "chunked"}, 411),
    ],
)
def test_a_body_of_no_known_or_too_great_length_is_refused(
    balancer: Balancer, headers: dict[str, str], status: int
) -> None:
    assert ask(balancer, "POST", headers=headers)[0] == status


def test_draining_waits_for_what_is_under_way_and_lets_nothing_new_through(
    balancer: Balancer,
) -> None:
    asked, go_on, drained = threading.Event(), threading.Event(), threading.Event()

    def slow(handler: BaseHTTPRequestHandler) -> None:
        asked.set()
        go_on.wait(10)
        echo(handler)

    statuses: list[int] = []
    with target(slow) as (port, requests):
        balancer.register(port)
        client = threading.Thread(target=lambda: statuses.append(ask(balancer)[0]))
        client.start()
        assert asked.wait(10)

        def drain() -> None:
            balancer.drain(port, 10)
            drained.set()

        draining = threading.Thread(target=drain)
        draining.start()
        while balancer.ports:
            time.sleep(0.001)

        refused = ask(balancer)[0]
        was_drained = drained.is_set()
        go_on.set()
        client.join()
        draining.join()

    assert (refused, was_drained, statuses) == (503, False, [201])
    assert len(requests) == 1
