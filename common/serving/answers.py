"""What an API answers: the model it serves, its health, its errors, its predictions.

    Api("http://10.0.1.17:8080").model()  →  Model(version="m-…", sha="…", …)

The standard library's client, since the functions carry nothing else, and without a proxy: these
are addresses of the same network. Whatever goes wrong is a `ServingError`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.request import OpenerDirector, ProxyHandler, Request, build_opener

from common.errors import ServingError, UnreachableError

SECONDS = 10.0  # for one answer
LONGEST = 16 << 20
"""Bytes of an answer: a whole batch has about 200 kB."""
BATCH = 1_000
"""Items that an API takes in one request."""
_ERRORS = re.compile(
    r'^hairme_errors_total\{kind="unexpected"\} (\d+(?:\.\d+)?(?:e\+\d\d)?)$', re.MULTILINE
)
_NO_API = "it is no API of this release; deploy it, or set verify to health"


@dataclass(frozen=True, kw_only=True)
class Model:
    """What an API says of the model that it serves."""

    version: str | None
    sha: str | None
    refused: bool
    """Whether it has read the active version and must not serve it."""
    why: str
    active: str | None
    """The version that the registry named when it last looked."""
    since: str = ""
    """When this process began to answer with it."""


@dataclass(frozen=True)
class Api:
    """One API, by its address."""

    url: str

    def __str__(self) -> str:
        return self.url

    def model(self) -> Model:
        """The model that it answers with."""
        found = self._json("/model")
        active = found.get("active")
        return Model(
            version=_text(found, "version"),
            sha=_text(found, "sha"),
            refused=bool(found.get("refused")),
            why=_text(found, "why") or "",
            active=_text(active, "version") if isinstance(active, dict) else None,
            since=_text(found, "since") or "",
        )

    def check_health(self) -> None:
        """Raise ServingError unless it says that it is well."""
        self._asked("/health")

    def errors(self) -> int:
        """How many requests it failed to answer since it began, by its own count."""
        counts = _ERRORS.findall(self._asked("/metrics").decode("utf-8", "replace"))
        if len(counts) != 1:
            # Not 0: who counts nothing would never be seen to fail.
            raise ServingError(
                f"{self}/metrics must have hairme_errors_total of kind unexpected once, got it "
                f"{len(counts)} times: {_NO_API}"
            )
        return int(float(counts[0]))

    def predict(self, items: Sequence[Mapping[str, str]]) -> list[Mapping[str, Any]]:
        """Its answers to at most `BATCH` items of face_shape, skin_tone and hairstyle."""
        found = self._json("/predict/batch", {"items": list(items)}).get("items")
        given = found if isinstance(found, list) else []
        answers: list[Mapping[str, Any]] = [each for each in given if isinstance(each, dict)]
        if not len(answers) == len(given) == len(items):
            raise ServingError(
                f"{self} must answer {len(items)} items with as many objects, got something else: "
                f"{_NO_API}"
            )
        return answers

    def _json(self, path: str, body: object = None) -> dict[str, Any]:
        try:
            found = json.loads(self._asked(path, body))
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise ServingError(
                f"{self}{path} must answer with a JSON object, got something else: {_NO_API}"
            )
        return found

    def _asked(self, path: str, body: object = None) -> bytes:
        # Not in ASCII: Korean would be twice as long, and a batch perhaps too large.
        data = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        headers = {"Content-Type": "application/json"} if data else {}
        request = Request(self.url + path, data=data, headers=headers)
        try:
            with _opener().open(request, timeout=SECONDS) as answer:
                found: bytes = answer.read(LONGEST)
        except HTTPError as error:
            error.close()  # it is the answer, too
            raise ServingError(f"{self}{path} must answer 200, got {error.code}") from error
        except (OSError, HTTPException) as error:
            raise UnreachableError(
                f"{self}{path} must answer within {SECONDS:g} s, got {type(error).__name__} "
                f"({str(error)[:80]})"
            ) from error
        return found


def _text(found: Mapping[str, Any], name: str) -> str | None:
    value = found.get(name)
    return None if value is None else str(value)


def _opener() -> OpenerDirector:
    return build_opener(ProxyHandler({}))
