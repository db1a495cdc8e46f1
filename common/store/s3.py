"""A model store in an S3 bucket: one object per key, under a prefix.

S3 shows an object whole or not at all, also while it is replaced. What it does not do is tell
that an object was altered since it was put: each carries the sha256 of its content as metadata,
and what is read must have it.

    store = S3Store(client("s3"), "hairme-models", "loop")
    store.create("models/m-1/manifest.json", b"{}")
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from botocore.exceptions import (
    ClientError,
    IncompleteReadError,
    ReadTimeoutError,
    ResponseStreamingError,
)

from common.aws_errors import as_error, code
from common.backoff import attempts
from common.errors import AlreadyExistsError, MissingError, StoreError
from common.store.files import Source, opened, write_whole
from common.store.keys import check_key, check_prefix, is_key

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

T = TypeVar("T")

SHA = "sha256"
"""The name of the metadata that holds the hex digest of an object's content."""
CONFLICT_SECONDS = 10.0
"""How long a creation is tried again while S3 has another request for the same key at work."""
DOWNLOADS = 3
"""How often a download is begun: a connection that breaks in its midst is not the object's."""

_BROKEN = (IncompleteReadError, ReadTimeoutError, ResponseStreamingError)


class S3Store:
    """Objects in `bucket` whose keys begin with `prefix` and a `/`, or all without a prefix.

    A key is as in every store. Whatever goes wrong with S3 or with a local file is a
    `StoreError`; a bucket that is not there is an error and never an empty store.
    """

    def __init__(self, client: S3Client, bucket: str, prefix: str = "") -> None:
        self._client, self._bucket = client, bucket
        self._root = f"{prefix}/" if prefix else ""

    def put(self, key: str, source: bytes | Path) -> None:
        """Write the object, or replace it, from bytes or from a file, which may be large."""
        from boto3.s3.transfer import TransferConfig

        name = self._name(key)
        with self._as_store_errors("write", key), opened(source) as data:
            digest = hashlib.file_digest(data, "sha256").hexdigest()
            data.seek(0)
            # One part after the other: memory for one, and a signal reaches the thread that sends.
            self._client.upload_fileobj(
                data,
                self._bucket,
                name,
                ExtraArgs={"Metadata": {SHA: digest}},
                Config=TransferConfig(use_threads=False),
            )

    def create(self, key: str, data: bytes) -> None:
        """Write an object that must not be there yet; an equal one is left as it is.

        Raises `AlreadyExistsError` if there is one with other content, which stays. Of several
        who create at once, one wins.
        """
        name = self._name(key)
        for _ in attempts(CONFLICT_SECONDS):
            with self._as_store_errors("create", key):
                if self._created(name, data):
                    return
            if self._is_there(key, data):
                return
        raise StoreError(
            f"an object of the store is created by one at a time, got conflicts on {key} for "
            f"{CONFLICT_SECONDS:g} s: run again"
        )

    def read(self, key: str) -> bytes:
        """The object's bytes. Raises `MissingError` if there is none."""
        return self._download(key, lambda data: data.read())

    def fetch(self, key: str, path: Path) -> None:
        """Copy the object to the file `path`, whole or not at all, in a folder that exists.

        Raises `MissingError` if there is no such object.
        """
        self._download(key, lambda data: write_whole(path.absolute(), data))

    def exists(self, key: str) -> bool:
        """Whether there is such an object."""
        name = self._name(key)
        with self._as_store_errors("look for", key):
            # HeadObject answers alike for a missing object and a missing bucket.
            found = self._client.list_objects_v2(Bucket=self._bucket, Prefix=name, MaxKeys=1)
        return any(each["Key"] == name for each in found.get("Contents", []))

    def keys(self, prefix: str = "") -> list[str]:
        """The keys that begin with `prefix`, sorted. Unfinished objects are not among them."""
        start = self._root + check_prefix(prefix)
        with self._as_store_errors("list", prefix):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=start
            )
            names = [each["Key"] for page in pages for each in page.get("Contents", [])]
        return sorted(key for name in names if is_key(key := name.removeprefix(self._root)))

    def delete(self, key: str) -> None:
        """Remove the object; one that is not there is no error."""
        name = self._name(key)
        with self._as_store_errors("delete", key):
            self._client.delete_object(Bucket=self._bucket, Key=name)

    def is_versioned(self) -> bool:
        """Whether the bucket keeps what an object was before it was replaced or deleted."""
        with as_error(StoreError, "the bucket must tell whether it is versioned", "STORE_URL"):
            answer = self._client.get_bucket_versioning(Bucket=self._bucket)
        return answer.get("Status") == "Enabled"

    def _name(self, key: str) -> str:
        return self._root + check_key(key)

    def _created(self, name: str, data: bytes) -> bool:
        """Whether this call, or one of its repetitions that went unheard, wrote the object."""
        try:
            self._client.put_object(
                Bucket=self._bucket,
                Key=name,
                Body=data,
                Metadata={SHA: hashlib.sha256(data).hexdigest()},
                IfNoneMatch="*",
            )
        except ClientError as error:
            if code(error) in ("PreconditionFailed", "ConditionalRequestConflict"):
                return False
            raise
        return True

    def _is_there(self, key: str, data: bytes) -> bool:
        """Whether an equal object is there; `AlreadyExistsError` for one with other content."""
        try:
            there = self.read(key)
        except MissingError:
            return False  # whoever was first has not finished, or has removed it again
        if there != data:
            raise AlreadyExistsError(
                f"an object of the store is created once, but {key} is there with other content: "
                "use another version, or remove it if it is damaged"
            )
        return True

    def _download(self, key: str, use: Callable[[Source], T]) -> T:
        """What `use` makes of the object's content; called anew if the connection breaks."""
        name = self._name(key)
        with self._as_store_errors("read", key):
            for _ in range(DOWNLOADS - 1):
                try:
                    return self._used(name, key, use)
                except _BROKEN:
                    continue
            return self._used(name, key, use)

    def _used(self, name: str, key: str, use: Callable[[Source], T]) -> T:
        try:
            answer = self._client.get_object(Bucket=self._bucket, Key=name)
        except self._client.exceptions.NoSuchKey as error:
            raise MissingError(
                f"the object must be in the store, but {key} is not: check its name and STORE_URL"
            ) from error
        with closing(answer["Body"]) as body:
            return use(_Whole(body, key, answer["ContentLength"], answer["Metadata"].get(SHA)))

    @contextmanager
    def _as_store_errors(self, what: str, key: str) -> Iterator[None]:
        trying = f"on trying to {what} {key!r}"
        rule = f"the store's bucket must be readable and writable, {trying}"
        with as_error(StoreError, rule, "STORE_URL"):
            try:
                yield
            except OSError as error:
                raise StoreError(
                    "the local file must be readable, or its disk writable with room, got "
                    f"{error.strerror or error} {trying}: mend it, then run again"
                ) from error


class _Whole:
    """A download that ends with an error unless all of it came, and as it was put."""

    def __init__(self, body: Source, key: str, size: int, digest: str | None) -> None:
        self._body, self._key, self._left = body, key, size
        self._digest, self._sha = digest, hashlib.sha256()

    def read(self, size: int = -1, /) -> bytes:
        """Up to `size` bytes, all if negative. Raises `StoreError` at the end of a bad one."""
        data = self._body.read() if size < 0 else self._body.read(size)
        self._sha.update(data)
        self._left -= len(data)
        if size < 0 or not data:
            self._check()
        return data

    def _check(self) -> None:
        if self._left or self._digest not in (None, self._sha.hexdigest()):
            raise StoreError(
                f"an object must come back as it was put, but {self._key} is altered or cut "
                "short: restore an older version of it, or make it anew"
            )
