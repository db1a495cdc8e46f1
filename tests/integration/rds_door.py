"""A door before the test server that asks for the password as RDS does for an IAM user.

RDS answers such a log-in with `mysql_clear_password`: send me the token itself. MariaDB has no
plugin that would, so the door speaks the first packets of the protocol, writes down what it is
given, and connects whoever it lets in to the real server behind it, byte by byte.
"""

import select
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import pymysql
from pymysql.constants import CLIENT

from local.mariadb import HOST, Server

OFFERS = (
    CLIENT.LONG_PASSWORD
    | CLIENT.LONG_FLAG
    | CLIENT.CONNECT_WITH_DB
    | CLIENT.PROTOCOL_41
    | CLIENT.TRANSACTIONS
    | CLIENT.SECURE_CONNECTION
    | CLIENT.MULTI_RESULTS
    | CLIENT.PLUGIN_AUTH
    | CLIENT.PLUGIN_AUTH_LENENC_CLIENT_DATA
)
SSL_REQUEST_BYTES = 32
SALT = b"01234567", b"890123456789\0"
OK = b"\x00\x00\x00\x02\x00\x00\x00"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One answer to the door's question."""

    user: str
    password: str
    over_tls: bool


@dataclass(kw_only=True)
class Door:
    """What came to the door: all bytes outside TLS, and each password."""

    port: int
    outside_tls: bytes = b""
    asked: list[Asked] = field(default_factory=list)
    visits: int = 0


@contextmanager
def door(
    server: Server,
    admits: Callable[[Asked], bool],
    *,
    tls: bool = True,
    asks: bytes = b"mysql_clear_password\0",
) -> Iterator[Door]:
    """A door on a port of its own; `admits` decides, `asks` is the plugin and what it says."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    folder = server.ca.parent
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    with socket.create_server((HOST, 0)) as listener:
        made = Door(port=listener.getsockname()[1])

        def serve() -> None:
            with suppress(OSError):  # the listener was closed: the test is over
                while True:
                    client, _ = listener.accept()
                    made.visits += 1
                    with suppress(OSError), client:  # whoever leaves in mid-sentence
                        _receive(client, context if tls else None, made, server, admits, asks)

        threading.Thread(target=serve, daemon=True).start()
        yield made


def _receive(
    client: socket.socket,
    context: ssl.SSLContext | None,
    made: Door,
    server: Server,
    admits: Callable[[Asked], bool],
    asks: bytes,
) -> None:
    _send(client, 0, _greeting(tls=context is not None))
    first = _packet(client)
    made.outside_tls += first
    if context is None:
        return _question(client, 2, first, made, server, admits, asks)
    if len(first) != SSL_REQUEST_BYTES:
        return None  # it did not want TLS
    with context.wrap_socket(client, server_side=True) as inside:
        return _question(inside, 3, _packet(inside), made, server, admits, asks)


def _question(
    client: socket.socket,
    number: int,
    response: bytes,
    made: Door,
    server: Server,
    admits: Callable[[Asked], bool],
    asks: bytes,
) -> None:
    user, database = _names(response)
    _send(client, number, b"\xfe" + asks)
    given = _packet(client)
    over_tls = isinstance(client, ssl.SSLSocket)
    if not over_tls:
        made.outside_tls += given
    one = Asked(user=user, password=given.rstrip(b"\0").decode(), over_tls=over_tls)
    made.asked.append(one)
    if not admits(one):
        _send(client, number + 2, b"\xff" + struct.pack("<H", 1045) + b"#28000Access denied")
        return
    _send(client, number + 2, OK)
    behind = pymysql.connect(
        host=HOST, port=server.port, user="root", database=database, ssl_disabled=True
    )
    with behind:
        _relay(client, vars(behind)["_sock"])


def _relay(client: socket.socket, server: socket.socket) -> None:
    """Bytes both ways in one thread, since a TLS socket is not for two."""
    others = {client: server, server: client}
    while True:
        for source in select.select([client, server], [], [])[0]:
            data = source.recv(1 << 16)
            if not data:
                return
            others[source].sendall(data)


def _greeting(*, tls: bool) -> bytes:
    offers = OFFERS | (CLIENT.SSL if tls else 0)
    return b"".join(
        (
            b"\x0a8.0.36\0" + struct.pack("<I", 1) + SALT[0] + b"\0",
            struct.pack("<HBHHB", offers & 0xFFFF, 45, 2, offers >> 16, 21),
            b"\0" * 10 + SALT[1] + b"mysql_native_password\0",
        )
    )


def _names(response: bytes) -> tuple[str, str]:
    """The user and the database in a client's first packet."""
    user, _, rest = response[SSL_REQUEST_BYTES:].partition(b"\0")
    database = rest[1 + rest[0] :].partition(b"\0")[0]  # behind a scrambled password
    return user.decode(), database.decode()


def _packet(source: socket.socket) -> bytes:
    head = _exactly(source, 4)
    return _exactly(source, int.from_bytes(head[:3], "little"))


def _exactly(source: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        data = source.recv(size - len(found))
        if not data:
            raise ConnectionError("left in mid-packet")
        found += data
    return found


def _send(target: socket.socket, number: int, payload: bytes) -> None:
    target.sendall(len(payload).to_bytes(3, "little") + bytes([number]) + payload)
