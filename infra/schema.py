"""Makes the votes' table and its two users in a new database, from a shell inside its network.

    python3 schema.pyz HOST        # asks for admin's password, and applies infra/schema.sql

The database of an empty account cannot be reached from outside, and from inside there is no way
to the internet, so no client can be installed there. `python -m infra.pack_schema` packs this, its
driver and RDS's authorities into one file that needs nothing but Python. It keeps to Python 3.9,
the oldest that it may meet.
"""

from __future__ import annotations

import argparse
import getpass
import pkgutil
import ssl
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pymysql

CONNECT_SECONDS = 10


def statements(script: str) -> list[str]:
    """The statements of a script: each ends with a `;` at the end of a line."""
    lines = (line for line in script.splitlines() if not line.lstrip().startswith("--"))
    return [text for each in "\n".join(lines).split(";\n") if (text := each.strip(" \n;"))]


def apply(connection: pymysql.Connection[Any], script: str) -> int:
    """Execute every statement of the script in turn; returns how many. Raises MySQLError."""
    found = statements(script)
    with connection.cursor() as cursor:
        for statement in found:
            cursor.execute(statement)
    return len(found)


def main(argv: Sequence[str] | None = None) -> None:
    """Connect, apply, say so; ends the process with 0, or with 1 and the reason."""
    given = _parser().parse_args(argv)
    # Not an option: it would stand in the shell's history.
    asked = f"password of {given.user}: "
    password = getpass.getpass(asked) if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    try:
        with _connect(given, password) as connection:
            done = apply(connection, _packed("infra", "schema.sql"))
    except (pymysql.MySQLError, OSError) as error:
        sys.exit(
            f"the schema must be made at {given.host}, got {error}: check host, password, and "
            "that this shell is in the database's network with the task's security group"
        )
    sys.stdout.write(f"{done} statements: the table is there, and so are its users\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="schema.pyz", description="Make the votes' table.")
    parser.add_argument("host", help="the database's endpoint")
    parser.add_argument("--port", type=int, default=3306)
    parser.add_argument("--user", default="admin", help="who may create users (default: admin)")
    parser.add_argument("--ca", type=Path, help="another authority than Amazon's, as a PEM file")
    return parser


def _connect(given: argparse.Namespace, password: str) -> pymysql.Connection[Any]:
    """A connection to a server that proved who it is."""
    authorities = given.ca.read_text() if given.ca else _packed("common", "rds-ca.pem")
    tls = ssl.create_default_context(cadata=authorities)
    # Newer Pythons also demand extensions that Amazon's own authorities lack.
    tls.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return pymysql.connect(
        host=given.host,
        port=given.port,
        user=given.user,
        password=password,
        charset="utf8mb4",
        connect_timeout=CONNECT_SECONDS,
        ssl=tls,
        autocommit=True,
    )


def _packed(package: str, name: str) -> str:
    """The text of a file beside the code, also inside the packed one."""
    found = pkgutil.get_data(package, name)
    assert found is not None, f"{name} was not packed"
    return found.decode()
