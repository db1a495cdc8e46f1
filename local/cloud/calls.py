"""Which AWS call an HTTP request is, who makes it and with what; and the record of all calls.

A JSON line a call: {number, principal, service, operation, parameters, status, error, fault}.
The principal is the access key id, and the emulation gives each role its logical id as that.
An S3 request that the table below does not know keeps its method and query as its operation:
a reader of the record stumbles over it instead of passing it over.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote

SETTING_UP = "setup"
"""The access key of whoever makes the stack's resources; its calls are no part of the stack's."""

_CREDENTIAL = re.compile(r"Credential=([^/,]+)/\d+/[^/]*/([^/]+)/aws4_request")
_INVOKE = re.compile(r"/2015-03-31/functions/([^/]+)/invocations")
_QUESTIONS = {"x-id"}  # names of the client's own, which say nothing to the service

# (method, "bucket" or "key", the query's telling word) → operation
S3_OPERATIONS: Mapping[tuple[str, str, str], str] = {
    ("GET", "", ""): "ListBuckets",
    ("PUT", "bucket", ""): "CreateBucket",
    ("HEAD", "bucket", ""): "HeadBucket",
    ("DELETE", "bucket", ""): "DeleteBucket",
    ("GET", "bucket", ""): "ListObjects",
    ("GET", "bucket", "list-type"): "ListObjectsV2",
    ("GET", "bucket", "location"): "GetBucketLocation",
    ("GET", "bucket", "versioning"): "GetBucketVersioning",
    ("PUT", "bucket", "versioning"): "PutBucketVersioning",
    ("GET", "bucket", "versions"): "ListObjectVersions",
    ("POST", "bucket", "delete"): "DeleteObjects",
    ("GET", "key", ""): "GetObject",
    ("HEAD", "key", ""): "HeadObject",
    ("PUT", "key", ""): "PutObject",
    ("DELETE", "key", ""): "DeleteObject",
    ("PUT", "key", "partNumber"): "UploadPart",
    ("POST", "key", "uploads"): "CreateMultipartUpload",
    ("POST", "key", "uploadId"): "CompleteMultipartUpload",
    ("DELETE", "key", "uploadId"): "AbortMultipartUpload",
}
_TELLING = {word for _, _, word in S3_OPERATIONS if word}


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call of an AWS operation."""

    principal: str
    service: str
    operation: str
    parameters: Mapping[str, Any]

    def mentions(self, text: str) -> bool:
        """Whether the text occurs in the parameters."""
        return text in json.dumps(self.parameters)


def identify(environ: Mapping[str, Any], body: bytes) -> Call:
    """The call that a WSGI request is."""
    signed = _CREDENTIAL.search(str(environ.get("HTTP_AUTHORIZATION", "")))
    principal, service = signed.groups() if signed else ("anonymous", "s3")
    operation, parameters = _operation(service, environ, body)
    return Call(principal=principal, service=service, operation=operation, parameters=parameters)


def _operation(service: str, environ: Mapping[str, Any], body: bytes) -> tuple[str, dict[str, Any]]:
    if target := environ.get("HTTP_X_AMZ_TARGET"):
        return str(target).rpartition(".")[2], json.loads(body or b"{}")
    path = str(environ["PATH_INFO"])
    if service == "lambda" and (found := _INVOKE.fullmatch(path)):
        kind = environ.get("HTTP_X_AMZ_INVOCATION_TYPE", "RequestResponse")
        return "Invoke", {"FunctionName": unquote(found[1]), "InvocationType": kind}
    if service == "s3":
        return _s3(environ)
    form = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
    return form.pop("Action", f"{environ['REQUEST_METHOD']} {path}"), form


def _s3(environ: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    query = dict(parse_qsl(str(environ.get("QUERY_STRING", "")), keep_blank_values=True))
    bucket, _, key = str(environ["PATH_INFO"]).lstrip("/").partition("/")
    # WSGI hands a path on as if its bytes were Latin-1.
    key = key.encode("latin-1", "replace").decode("utf-8", "replace")
    method, level = str(environ["REQUEST_METHOD"]), "key" if key else "bucket" if bucket else ""
    words = [word for word in query if word in _TELLING]
    unknown = f"{method} {level}?{'&'.join(sorted(query.keys() - _QUESTIONS))}"
    operation = S3_OPERATIONS.get((method, level, words[0] if words else ""), unknown)
    if operation == "PutObject" and "HTTP_X_AMZ_COPY_SOURCE" in environ:
        operation = "CopyObject"
    given = {"Bucket": bucket, "Key": key, "Prefix": query.get("prefix", "")}
    conditions = {
        "IfMatch": environ.get("HTTP_IF_MATCH", ""),
        "IfNoneMatch": environ.get("HTTP_IF_NONE_MATCH", ""),
    }
    return operation, {name: value for name, value in (given | conditions).items() if value}


class Recorder:
    """Appends each call to a file, as it is answered."""

    def __init__(self, file: Path) -> None:
        self._file, self._lock, self._number = file, threading.Lock(), 0
        file.touch()

    def add(self, call: Call, *, status: int, error: str, fault: str) -> None:
        """Record one call; status 0: it got no answer."""
        if call.principal == SETTING_UP:
            return
        with self._lock:
            self._number += 1
            line = {
                "number": self._number,
                "principal": call.principal,
                "service": call.service,
                "operation": call.operation,
                "parameters": call.parameters,
                "status": status,
                "error": error,
                "fault": fault,
            }
            with self._file.open("a", encoding="utf-8") as out:
                out.write(json.dumps(line, default=str) + "\n")
