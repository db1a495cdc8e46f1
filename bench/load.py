"""A load of HTTP requests on this machine, closed or at a constant rate, with every latency.

One process on one core with a constant number of connections that are kept open: it polls and
never sleeps, because a timer's granularity of a millisecond would be most of what is measured.
At a constant rate a latency counts from when the request was due, so a server that stalls pays
for all who had to wait. It aims at 127.0.0.1 only, and for a stated number of seconds.
"""

from __future__ import annotations

import os
import select
import socket
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import numpy as np

HOST = "127.0.0.1"
GOOD = b"HTTP/1.1 200 "
LENGTH = b"content-length: "
CHUNK = 1 << 16


@dataclass(kw_only=True)
class _Connection:
    socket: socket.socket
    due: float = 0.0
    data: bytearray = field(default_factory=bytearray)


def request(path: str, body: bytes) -> bytes:
    """A POST of a JSON body, as it goes over the wire."""
    head = f"POST {path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def run(
    *,
    port: int,
    path: str,
    bodies: Sequence[str],
    connections: int,
    seconds: float,
    rate: float | None,
    core: int | None,
) -> dict[str, Any]:
    """Requests per second, and the percentiles of the latencies in milliseconds.

    Without a `rate` each connection asks again as soon as it is answered. Raises RuntimeError
    for an answer that is not 200.
    """
    if core is not None:
        os.sched_setaffinity(0, {core})
    requests = [request(path, body.encode()) for body in bodies]
    load = _Load(port, requests, connections)
    try:
        taken = load.constant(rate, seconds) if rate else load.closed(seconds)
    finally:
        load.close()
    waited = np.array(load.latencies) * 1e3
    found = {f"p{q}": float(np.percentile(waited, q)) for q in (50, 95, 99)}
    return {"rate": len(waited) / taken, "answers": len(waited), **found}


class _Load:
    """The connections, and the latencies of all answers so far."""

    def __init__(self, port: int, requests: list[bytes], connections: int) -> None:
        self.latencies: list[float] = []
        self._requests = requests
        self._sent = 0
        self._poll = select.epoll()
        self._idle: deque[_Connection] = deque()
        self._all: dict[int, _Connection] = {}
        for _ in range(connections):
            connected = socket.create_connection((HOST, port))
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connected.setblocking(False)
            self._poll.register(connected, select.EPOLLIN)
            self._all[connected.fileno()] = _Connection(socket=connected)
        self._idle.extend(self._all.values())

    def closed(self, seconds: float) -> float:
        """Every connection always waits for an answer; returns the seconds it took."""
        start = perf_counter()
        while (now := perf_counter()) < start + seconds:
            while self._idle:
                self._send(now)
            self._receive()
        return perf_counter() - start

    def constant(self, rate: float, seconds: float) -> float:
        """One request each 1/rate seconds, whether or not those before are answered."""
        start, due = perf_counter(), 0
        total = int(rate * seconds)
        while len(self.latencies) < total:
            now = perf_counter()
            while due < total and self._idle and start + due / rate <= now:
                self._send(start + due / rate)
                due += 1
            self._receive()
        return perf_counter() - start

    def close(self) -> None:
        self._poll.close()
        for connection in self._all.values():
            connection.socket.close()

    def _send(self, due: float) -> None:
        connection = self._idle.popleft()
        connection.due = due
        connection.socket.send(self._requests[self._sent % len(self._requests)])
        self._sent += 1

    def _receive(self) -> None:
        for number, _ in self._poll.poll(0):
            connection = self._all[number]
            received = connection.socket.recv(CHUNK)
            if not received:
                raise RuntimeError("the server must keep connections open, and closed one")
            connection.data += received
            if _whole(connection.data):
                self.latencies.append(perf_counter() - connection.due)
                connection.data.clear()
                self._idle.append(connection)


def _whole(data: bytearray) -> bool:
    """Whether an answer has come to its end. Raises RuntimeError if it is none that counts."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return False
    if not data.startswith(GOOD):
        raise RuntimeError(f"every answer must be 200, got {bytes(data[:200])!r}")
    at = data.find(LENGTH) + len(LENGTH)
    return len(data) >= end + 4 + int(data[at : data.find(b"\r", at)])
