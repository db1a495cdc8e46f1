"""A way to a database server that can be broken in the midst of a conversation."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from local.mariadb import HOST


class Way:
    """Connections to `port` lead to the server until the way is cut."""

    def __init__(self, listener: socket.socket, server_port: int) -> None:
        self.port: int = listener.getsockname()[1]
        self._listener, self._server_port = listener, server_port
        self._ends: list[socket.socket] = []
        self._open = True
        threading.Thread(target=self._serve, daemon=True).start()

    def cut(self) -> None:
        """End every conversation, and refuse new ones after they were accepted."""
        self._open = False
        for end in self._ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _serve(self) -> None:
        with suppress(OSError):  # the listener was closed: the test is over
            while True:
                client, _ = self._listener.accept()
                if not self._open:
                    client.close()
                    continue
                server = socket.create_connection((HOST, self._server_port))
                self._ends += [client, server]
                for pair in ((client, server), (server, client)):
                    threading.Thread(target=_pump, args=pair, daemon=True).start()


@contextmanager
def way_to(server_port: int) -> Iterator[Way]:
    """A way of one's own to the server; it is cut at the end."""
    with socket.create_server((HOST, 0)) as listener:
        way = Way(listener, server_port)
        try:
            yield way
        finally:
            way.cut()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError), source, target:
        while data := source.recv(16_384):
            target.sendall(data)
        target.shutdown(socket.SHUT_RDWR)
