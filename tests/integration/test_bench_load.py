"""The load that the bench makes: as much as it says, of real requests, and every wait counted."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from bench import load

BODIES = ['{"a": 1}', '{"b": "한글"}']


@contextmanager
def answering(status: int = 200, slow: float = 0.0) -> Iterator[tuple[int, list[str]]]:
    """A server, as (its port, the bodies that it has got)."""
    got: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:  # the library's name
            got.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            time.sleep(slow)
            self.send_response(status)
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_address[1], got
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def loaded(port: int, *, connections: int, seconds: float, rate: float | None) -> dict[str, Any]:
    return load.run(
        port=port,
        path="/recommend",
        bodies=BODIES,
        connections=connections,
        seconds=seconds,
        rate=rate,
        core=None,
    )


def test_a_constant_load_is_so_many_requests_and_each_is_answered_and_whole() -> None:
    with answering() as (port, got):
        found = loaded(port, connections=3, seconds=0.2, rate=200)

    assert found["answers"] == len(got) == 40
    assert sorted(got) == sorted(BODIES * 20)


def test_whoever_waits_for_a_busy_server_is_counted_from_when_the_request_was_due() -> None:
    # Given a server that is ten times slower than it is asked, by one connection
    slow = 0.02
    with answering(slow=slow) as (port, _):
        found = loaded(port, connections=1, seconds=0.04, rate=500)

    # Then the last had to wait for all those before it
    assert found["p99"] > 10 * slow * 1e3
    assert found["p50"] > 5 * slow * 1e3


def test_a_closed_load_asks_again_as_soon_as_it_is_answered_on_open_connections() -> None:
    with answering() as (port, got):
        found = loaded(port, connections=2, seconds=0.2, rate=None)

    assert len(got) >= found["answers"] > 2
    assert len(got) - found["answers"] <= 2  # those that were under way at the end


def test_an_answer_that_is_an_error_ends_the_measurement() -> None:
    with answering(status=503) as (port, _), pytest.raises(RuntimeError, match="must be 200"):
        loaded(port, connections=1, seconds=5, rate=None)
