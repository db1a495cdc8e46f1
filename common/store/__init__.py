"""Where model versions and what a run leaves behind are kept, as objects with keys.

`STORE_URL` says where: `file:///var/lib/retrain/store` is a folder, `file:///C:/store` one on
Windows, `s3://hairme-models/loop` the objects of a bucket below a prefix.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import unquote

from common.errors import UsageError
from common.store.directory import DirectoryStore
from common.store.keys import NAME

if TYPE_CHECKING:
    from common.store.s3 import S3Store

Store: TypeAlias = "DirectoryStore | S3Store"

_BUCKET = re.compile(
    rf"(?P<bucket>[a-z0-9][a-z0-9.-]{{1,61}}[a-z0-9])(/(?P<prefix>{NAME}(/{NAME})*))?/?"
)


def open_store(url: str) -> Store:
    """The store at `url`. Nothing is read or made yet.

    Raises `UsageError` for an address of another kind, for a folder that is not absolute, and
    for a bucket's when AWS's environment is incomplete.
    """
    scheme, _, rest = url.partition("://")
    if scheme == "s3":
        return _in_bucket(rest)
    path = unquote(rest)
    if scheme != "file" or not path.startswith("/") or not path.strip("/") or "?" in rest:
        # Only the scheme is repeated: an address of another kind may bear a password.
        raise UsageError(
            "STORE_URL must be file:///ABSOLUTE/FOLDER or s3://BUCKET/PREFIX without options, got "
            f"one of the kind {scheme[:20]!r}: name the folder of the store, which the first "
            "write makes, or the bucket"
        )
    return DirectoryStore(Path(folder_of(path, PurePath)))


def folder_of(path: str, flavour: type[PurePath]) -> PurePath:
    """The folder that an address's path names: before a drive the slash is the address's own."""
    without = flavour(path.removeprefix("/"))
    return without if without.drive else flavour(path)


def _in_bucket(rest: str) -> S3Store:
    found = _BUCKET.fullmatch(rest)
    if found is None:
        raise UsageError(
            "STORE_URL must be s3://BUCKET or s3://BUCKET/PREFIX without options or credentials, "
            "the bucket in lower case and the prefix of letters, digits and '._-' with '/' "
            "between: correct it"
        )
    # Only here, or every local command would wait for AWS's library.
    from common.aws import client
    from common.aws_errors import as_error
    from common.store.s3 import S3Store

    with as_error(UsageError, "STORE_URL needs AWS's usual environment", "STORE_URL"):
        return S3Store(client("s3"), found["bucket"], found["prefix"] or "")
