"""A private, real MariaDB server for tests and measurements: TCP on loopback, with TLS.

The data folder is installed once a machine into `.cache/` and copied for each server, which
then starts in well under a second. The server dies with whoever started it, killed or not.
"""

import fcntl
import ipaddress
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pymysql
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from common.credentials import Password
from common.database import Database, connect
from local.parent import dying_with_us

CACHE = Path(__file__).parents[1] / ".cache"
HOST = "127.0.0.1"
READER = "reader"
READER_PASSWORD = "pass word/with %percent & 한글"  # of a throw-away server
SMALL_LOG = "--innodb-log-file-size=4M"
START_SECONDS = 30


@dataclass(frozen=True, kw_only=True)
class Server:
    """A running server; its administrator is root without a password."""

    port: int
    process: subprocess.Popen[bytes]
    ca: Path  # what vouches for the server's certificate
    wrong_ca: Path  # a good authority that does not

    def url(self, database: str, user: str = READER, host: str = HOST) -> str:
        """The address of a database for DATABASE_URL."""
        return f"mysql://{user}@{host}:{self.port}/{database}"

    def admin(self, database: str | None = None) -> "pymysql.Connection[Any]":
        """A connection that may do everything, committing each statement."""
        return pymysql.connect(
            host=HOST,
            port=self.port,
            user="root",
            database=database,
            charset="utf8mb4",
            autocommit=True,
        )

    def execute(self, statement: str, values: Sequence[object] = (), database: str = "") -> None:
        """One statement as the administrator."""
        with self.admin(database or None) as connection, connection.cursor() as cursor:
            cursor.execute(statement, values or None)

    def create(self, database: str, votes: int = 3, index: bool = True) -> None:
        """A database with an empty `analysis_history`, and a user who may only read it."""
        self.execute(f"CREATE DATABASE {database} CHARACTER SET utf8mb4")
        extra = ", INDEX (feedback_at)" if index else ""
        self.execute(f"CREATE TABLE {database}.analysis_history ({columns(votes)}{extra})")
        self.execute(f"CREATE USER IF NOT EXISTS {READER}@'%%' IDENTIFIED BY %s", [READER_PASSWORD])
        self.execute(f"GRANT SELECT ON {database}.analysis_history TO {READER}@'%'")

    def open(
        self,
        database: str,
        *,
        user: str = READER,
        password: str = READER_PASSWORD,
        host: str = HOST,
        ca: Path | None = None,
        timeout: float = 60.0,
    ) -> Database:
        """Open a database for reading, as the program does."""
        url = self.url(database, user, host)
        credential = Password(password)
        return connect(url, credential=credential, ca=ca, statement_timeout_seconds=timeout)

    def stop(self) -> None:
        """Kill the server at once."""
        self.process.kill()
        self.process.wait()


def columns(votes: int = 3) -> str:
    """The columns' definitions, for MySQL and SQLite alike, with `votes` votes a row."""
    own = (
        "id INTEGER PRIMARY KEY",
        "user_id VARCHAR(100) DEFAULT 'anonymous'",
        "image_hash VARCHAR(64)",
        "face_shape VARCHAR(50)",
        "personal_color VARCHAR(50)",
        # Not JSON: that type refuses text that is none, and such text is what we want to have.
        "recommended_styles LONGTEXT",
        "created_at DATETIME(6)",
        "feedback_at DATETIME(6) NULL",
    )
    numbers = range(1, votes + 1)
    voted = (f"style_{i}_feedback VARCHAR(10)" for i in numbers)
    clicked = (f"style_{i}_naver_clicked BOOLEAN" for i in numbers)
    return ", ".join((*own, *voted, *clicked))


@contextmanager
def running(*options: str, tls: bool = True) -> Iterator[Server]:
    """A server of its own with further options of mariadbd; it is gone at the end."""
    template = _template()
    with tempfile.TemporaryDirectory(prefix="mariadb-") as name:
        folder = Path(name)
        shutil.copytree(template, folder / "data")
        certificates = _certificates(folder)
        port = _free_port()
        log = folder / "server.log"
        process = _start(folder, port, log, [*(certificates if tls else ()), *options])
        try:
            _wait(port, process, log)
            yield Server(
                port=port, process=process, ca=folder / "ca.pem", wrong_ca=folder / "wrong.pem"
            )
        finally:
            process.kill()
            process.wait()


def _start(folder: Path, port: int, log: Path, options: Sequence[str]) -> subprocess.Popen[bytes]:
    command = [
        "mariadbd",
        "--no-defaults",
        f"--datadir={folder / 'data'}",
        f"--socket={folder / 's'}",
        # Its own: a server that starts removes all servers' temporary tables in its tmpdir.
        f"--tmpdir={folder}",
        f"--pid-file={folder / 'pid'}",
        f"--bind-address={HOST}",
        f"--port={port}",
        "--character-set-server=utf8mb4",
        "--skip-name-resolve",
        "--innodb-flush-log-at-trx-commit=0",
        SMALL_LOG,
        *_as_root(),
        *options,
    ]
    with log.open("wb") as out:
        return subprocess.Popen(dying_with_us(command), stdout=out, stderr=out)


def _template() -> Path:
    """An installed data folder, made by whoever needs it first."""
    version = subprocess.run(
        ["mariadbd", "--version"], check=True, capture_output=True, text=True
    ).stdout.split()[2]
    CACHE.mkdir(exist_ok=True)
    template = CACHE / f"mariadb-{version}"
    with (CACHE / "mariadb.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not template.exists():
            partial = CACHE / "mariadb.partial"
            shutil.rmtree(partial, ignore_errors=True)
            install = [
                "mariadb-install-db",
                "--no-defaults",
                f"--datadir={partial}",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
                "--skip-name-resolve",
                SMALL_LOG,
                *_as_root(),
            ]
            subprocess.run(install, check=True, capture_output=True)
            partial.rename(template)
    return template


def _as_root() -> list[str]:
    """The server refuses to be root unless told to."""
    return ["--user=root"] if os.geteuid() == 0 else []


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            pymysql.connect(host=HOST, port=port, user="root").close()
        except pymysql.MySQLError:
            time.sleep(0.02)
        else:
            return
    raise RuntimeError(f"mariadbd did not start:\n{log.read_text(errors='replace')}")


def _certificates(folder: Path) -> list[str]:
    """Make two authorities and a server's certificate from the first; mariadbd's options."""
    ca_key = _authority(folder / "ca.pem", "Test authority")
    _authority(folder / "wrong.pem", "Another authority")
    ca = x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes())
    key = ec.generate_private_key(ec.SECP256R1())
    names = [x509.IPAddress(ipaddress.ip_address(HOST))]  # and not localhost
    certificate = (
        _unsigned("Test server", key, ca.subject)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    (folder / "server.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "server.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
    )
    return [f"--ssl-cert={folder / 'server.pem'}", f"--ssl-key={folder / 'server.key'}"]


def _authority(path: Path, name: str) -> ec.EllipticCurvePrivateKey:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        _unsigned(name, key, subject)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return key


def _unsigned(
    name: str, key: ec.EllipticCurvePrivateKey, issuer: x509.Name
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=2))
    )
