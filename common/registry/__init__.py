"""Runs, the lease, the active version and its history: one place that decides who may act.

`REGISTRY_URL` says where: `sqlite:///registry.sqlite` is a file beside the current folder,
`sqlite:////var/lib/retrain/registry.sqlite` (four slashes) one with an absolute path,
`dynamodb://hairme-registry` a table.
"""

from __future__ import annotations

import re
from pathlib import Path

from common.errors import UsageError
from common.registry.registry import Registry
from common.registry.sqlite import SqliteTable

__all__ = ["Registry", "open_registry"]

_TABLE = re.compile(r"[A-Za-z0-9_.-]{3,255}")


def open_registry(url: str) -> Registry:
    """The registry at `url`. Nothing is read or made yet.

    Raises `UsageError` for an address of another kind, and for a table's when AWS's environment
    is incomplete.
    """
    scheme, _, rest = url.partition("://")
    if scheme == "dynamodb":
        return _in_table(rest)
    path = rest.removeprefix("/")
    if scheme != "sqlite" or path == rest or not path or "?" in path:
        # Only the scheme is repeated: an address of another kind may bear a password.
        raise UsageError(
            "REGISTRY_URL must be sqlite:///FILE or dynamodb://TABLE without options, got one of "
            f"the kind {scheme[:20]!r}: name the file of the registry, which the first run makes, "
            "or the table"
        )
    return Registry(SqliteTable(Path(path)))


def _in_table(name: str) -> Registry:
    if not _TABLE.fullmatch(name):
        raise UsageError(
            "REGISTRY_URL must be dynamodb://TABLE without options or credentials, the table's "
            "name 3 to 255 letters, digits and '_.-': correct it"
        )
    # Only here, or every local command would wait for AWS's library.
    from common.aws import client
    from common.aws_errors import as_error
    from common.registry.dynamodb import DynamoTable

    with as_error(UsageError, "REGISTRY_URL needs AWS's usual environment", "REGISTRY_URL"):
        return Registry(DynamoTable(client("dynamodb"), name))
