"""The key that callers show to write, if there is to be one."""

from __future__ import annotations

import hmac

from starlette.requests import Request

from api.problems import Problem, ProblemError
from common import logs
from common.credentials import secret_text
from common.errors import UsageError
from common.settings import Settings

HEADER = "X-API-Key"
SHORTEST = 16
"""Characters: a shorter key can be guessed, and what hides it from the logs would hide words."""


def read(settings: Settings) -> bytes | None:
    """The key that the settings name, hidden from all logs from now on; None: anybody may write.

    Raises UsageError when the secret that holds it cannot be read, or is empty: an open door
    must not be what comes of a key that was lost.
    """
    key = settings.api_key
    if settings.api_key_secret_arn:
        key = secret_text(settings.api_key_secret_arn, "API_KEY_SECRET_ARN", "the key", UsageError)
        key = key.strip()
        if not key:
            raise UsageError(
                "the secret in API_KEY_SECRET_ARN must be the key itself as text, got none: "
                "store it so"
            )
    if key is None:
        return None
    if len(key) < SHORTEST or not (key.isascii() and key.isprintable()) or key != key.strip():
        raise UsageError(
            f"the API's key must be at least {SHORTEST} printable characters of ASCII, without "
            f"blanks around them, got {len(key)} characters: make one with "
            "`python -c 'import secrets; print(secrets.token_urlsafe(32))'`"
        )
    logs.hide(key)
    return key.encode()


def check(request: Request, key: bytes | None) -> None:
    """Raise ProblemError unless the request shows the key, where there is one."""
    if key is None:
        return
    given = request.headers.get(HEADER)
    # In constant time, so that nobody finds the key byte by byte.
    if given is None or not hmac.compare_digest(given.encode("latin-1"), key):
        raise ProblemError(
            Problem(
                status=401,
                rule=f"whoever writes must show the key in {HEADER}",
                value="another key" if given else "no key",
                remedy="ask whoever runs the service for it; reading needs none",
            )
        )
