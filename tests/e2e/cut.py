"""A way to a database server on which the server dies in the midst of an answer."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from local.mariadb import HOST, Server


@contextmanager
def cut_off_after(size: int, server: Server) -> Iterator[int]:
    """A port that leads to the server and kills it once it has answered with `size` bytes."""
    with socket.create_server((HOST, 0)) as listener:
        budget = _Budget(size, server)
        threading.Thread(target=_serve, args=(listener, budget), daemon=True).start()
        yield listener.getsockname()[1]


class _Budget:
    """How much the server may still say."""

    def __init__(self, size: int, server: Server) -> None:
        self.left, self.server = size, server

    def spend(self, size: int) -> bool:
        """Whether it may go on; at the end of the budget the server is killed."""
        self.left -= size
        if self.left < 0:
            self.server.stop()
        return self.left >= 0


def _serve(listener: socket.socket, budget: _Budget) -> None:
    with suppress(OSError):  # the listener was closed: the test is over
        while True:
            client, _ = listener.accept()
            server = socket.create_connection((HOST, budget.server.port))
            for pair in ((client, server, None), (server, client, budget)):
                threading.Thread(target=_pump, args=pair, daemon=True).start()


def _pump(source: socket.socket, target: socket.socket, budget: _Budget | None) -> None:
    with suppress(OSError), source, target:
        while data := source.recv(16_384):
            if budget is not None and not budget.spend(len(data)):
                break
            target.sendall(data)
        for end in (source, target):
            end.shutdown(socket.SHUT_RDWR)  # closing alone would not wake the other thread
