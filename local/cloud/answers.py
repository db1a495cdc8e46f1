"""Answers to AWS calls as HTTP: results and errors, each in its service's own protocol."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any
from uuid import uuid4
from xml.sax.saxutils import escape

XML = "application/xml"
JSON = "application/x-amz-json-1.1"
DYNAMODB_JSON = "application/x-amz-json-1.0"
_JSON_SERVICES = {"dynamodb", "ecs", "events", "lambda", "logs", "secretsmanager", "sqs"}


class AwsError(Exception):
    """An error as AWS answers it; `more` are further fields of its body."""

    def __init__(
        self,
        code: str,
        message: str,
        status: int = 400,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.status, self.more = code, message, status, more or {}


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One HTTP answer; `whole` is False when the connection ends before the body does."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    error: str = ""
    """The code of an error, for the record."""
    whole: bool = field(default=True)

    @property
    def line(self) -> str:
        """The status as WSGI wants it."""
        return f"{self.status} {HTTPStatus(self.status).phrase}"

    def cut(self, size: int) -> Answer:
        """Announce the whole body and send its beginning only."""
        return replace(self, body=self.body[:size], whole=False)

    def with_body(self, body: bytes) -> Answer:
        """Another body of the same length, without the checksum of the one that was."""
        kept = [(name, text) for name, text in self.headers if "checksum" not in name.lower()]
        return replace(self, body=body, headers=tuple(kept))


def success(value: Any, *, status: int = 200, kind: str = JSON) -> Answer:
    """A result in JSON."""
    return _answer(status, kind, json.dumps(value, default=str).encode())


def failure(service: str, error: AwsError) -> Answer:
    """An error in the service's protocol."""
    if service in _JSON_SERVICES:
        body = {"__type": error.code, "message": error.message, "Message": error.message}
        kind = DYNAMODB_JSON if service == "dynamodb" else JSON
        made = success(body | dict(error.more), status=error.status, kind=kind)
        named = (*made.headers, ("x-amzn-ErrorType", error.code))
        return replace(made, headers=named, error=error.code)
    inner = f"<Code>{escape(error.code)}</Code><Message>{escape(error.message)}</Message>"
    text = f"<Error>{inner}</Error>"
    if service != "s3":
        text = f"<ErrorResponse>{text}</ErrorResponse>"
    made = _answer(error.status, XML, f'<?xml version="1.0"?>{text}'.encode())
    return replace(made, error=error.code)


def _answer(status: int, kind: str, body: bytes) -> Answer:
    headers = (
        ("Content-Type", kind),
        ("Content-Length", str(len(body))),
        ("x-amzn-RequestId", str(uuid4())),
    )
    return Answer(status=status, headers=headers, body=body)
