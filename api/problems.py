"""Errors as people and programs get them: problem+json with rule, value and remedy.

RFC 9457's members `type`, `title` and `status`, and three of our own that say the same as every
other error of this system: what must hold, what was found, what to do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import orjson
from pydantic import ValidationError
from starlette.responses import Response

MEDIA_TYPE = "application/problem+json"
CORRECT = "correct the body; /openapi.json says what each field takes, with examples"
MOST_FAULTS = 100
"""Faults of a body that are looked at: to list a hundred thousand would hold everybody up."""
LONGEST_VALUE = 80
"""Characters of a value that are repeated."""


@dataclass(frozen=True, kw_only=True)
class Problem:
    """An answer that is an error. `value` is what was found, never a secret."""

    status: int
    rule: str
    value: str
    remedy: str

    def content(self, request_id: str) -> dict[str, Any]:
        """The members of the JSON object."""
        title = HTTPStatus(self.status).phrase
        return {
            "type": f"urn:hairme:problem:{title.lower().replace(' ', '-')}",
            "title": title,
            "status": self.status,
            "rule": self.rule,
            "value": self.value,
            "remedy": self.remedy,
            "request_id": request_id,
        }

    def response(self, request_id: str, headers: Mapping[str, str] | None = None) -> Response:
        """The whole answer."""
        return Response(
            orjson.dumps(self.content(request_id)),
            status_code=self.status,
            media_type=MEDIA_TYPE,
            headers=dict(headers or {}),
        )


class ProblemError(Exception):
    """Raised where a request cannot be answered as asked; a handler makes the answer of it."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.rule)
        self.problem = problem


def shown(value: object) -> str:
    """A value as an error may repeat it: short, printable, containers by their kind alone."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else f"a list of {len(value)}"
    text = value if isinstance(value, str) else repr(value)
    text = text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 1]}…"
    return ascii(text)[1:-1] if not text.isprintable() else text


MALFORMED = Problem(
    status=400,
    rule="the body must be JSON in UTF-8",
    value="something else",
    remedy="send an object as in the examples of /openapi.json",
)
NOT_JSON = Problem(
    status=415,
    rule="the content type must be application/json",
    value="another one, or none",
    remedy="send the header Content-Type: application/json",
)
STOPPING = Problem(
    status=503,
    rule="a request must be answered before the service stops",
    value="one that was not whole, or not answered, in time",
    remedy="send it again: another process answers",
)
UNEXPECTED = Problem(
    status=500,
    rule="every request must be answered",
    value="an unexpected error",
    remedy="try again; if it stays, report the request_id: the log has the rest",
)


def invalid(error: ValidationError) -> Problem:
    """The problem of what a body has wrong; the first fault in full, the others by number."""
    if error.error_count() > MOST_FAULTS:
        return Problem(
            status=422,
            rule="the body must have the fields of /openapi.json and no others",
            value=f"{error.error_count()} faults",
            remedy=CORRECT,
        )
    faults = error.errors(include_url=False)
    first = faults[0]
    if first["type"] == "json_invalid":
        return MALFORMED
    where = ".".join(shown(part) for part in first["loc"]) or "the body"
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    message = str(first["msg"]).removeprefix("Value error, ")
    return Problem(
        status=422,
        rule=f"{where}: {shown(message[:1].lower() + message[1:])}",
        value=shown(first.get("input")) + more,
        remedy=CORRECT,
    )
