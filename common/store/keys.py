"""Which names an object of a store may have: the same wherever it is kept."""

import re

from common.errors import UsageError

NAME = r"[A-Za-z0-9_][A-Za-z0-9._-]*"
_KEY = re.compile(rf"{NAME}(/{NAME})*")
_PREFIX = re.compile(rf"({NAME}/)*({NAME})?")


def is_key(text: str) -> bool:
    """Whether it is names of letters, digits and `._-`, none beginning with `.` or `-`."""
    return _KEY.fullmatch(text) is not None


def check_key(key: str) -> str:
    """The key itself, else `UsageError`: no key leads out of the store or to a hidden file."""
    if not is_key(key):
        raise _wrong(key)
    return key


def check_prefix(prefix: str) -> str:
    """The beginning of a key itself, empty included, else `UsageError`."""
    if not _PREFIX.fullmatch(prefix):
        raise _wrong(prefix)
    return prefix


def _wrong(key: str) -> UsageError:
    return UsageError(
        "a key must be names of letters, digits and '._-' with '/' between them, none beginning "
        f"with '.' or '-', got {key[:80]!r}: correct it"
    )
