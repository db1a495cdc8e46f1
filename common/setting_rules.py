"""What a setting may be, and the one check that every value passes, whatever set it.

The rules are plain metadata beside the fields of `common.settings.Settings`, so the page
docs/settings.md and every error text come from the same place. A validation library would do
the same, but the Lambda that shares this module has little beyond the standard library.
"""

import dataclasses
import difflib
import math
import re
from collections.abc import Iterable, Mapping

from common.errors import UsageError

PAGE = "docs/settings.md"
_QUOTES = "\"'`“”‘’"
_SURELY = 0.85  # of a former name: a letter or two may differ
_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")
_KINDS = {bool: "true or false", int: "a whole number", float: "a finite number", str: "text"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rule:
    """What one setting means and which values it takes.

    `at_least` and `at_most` include the bound itself, `above` and `below` do not; `why` is the
    reason for the bounds. A secret is never shown; an address is never shown either, since
    people put passwords into URLs.
    """

    section: str
    kind: type
    optional: bool
    says: str
    unit: str = ""
    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None
    below: float | None = None
    choices: tuple[str, ...] = ()
    why: str = ""
    secret: bool = False

    @property
    def hidden(self) -> bool:
        """True if no error text may show the value."""
        return self.secret or self.section == "addresses"


def checked(name: str, rule: Rule, value: object, *, origin: str = "") -> object:
    """The value in the setting's own type; text is read as that type.

    origin: " (in settings.yaml)" or the like, for the error text.
    Raises UsageError: wrong type, not finite, out of range, not a choice, a password in a URL.
    """
    if rule.optional and (value is None or value == ""):
        return None
    if rule.secret and isinstance(value, str):
        value = trimmed(value)
    typed = _typed(rule.kind, value)
    if typed is None:
        got = _kind_of(value) if rule.hidden else shown(value)
        raise UsageError(f"{name} must be {_KINDS[rule.kind]}, got {got}{origin}; see {PAGE}")
    if isinstance(typed, str):
        _check_text(name, rule, typed, origin)
    else:
        _check_bounds(name, rule, float(typed), value, origin)
    return typed


def trimmed(secret: str) -> str:
    """A secret without the line break that a file or `echo` put at its end; blanks may be its."""
    return secret.rstrip("\r\n")


def _typed(kind: type, value: object) -> bool | int | float | str | None:
    """The value as the kind, None if it cannot be one. True is no number, 1.0 no whole number."""
    if kind is str:
        return value if isinstance(value, str) else None
    if kind is bool:
        return _as_bool(value)
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if kind is int and isinstance(value, float):
        return None
    try:
        number = int(value) if kind is int else float(value)
        return number if math.isfinite(number) else None
    except (ValueError, OverflowError):
        return None


def _as_bool(value: object) -> bool | None:
    if isinstance(value, bool):
        return value
    word = value.strip().lower() if isinstance(value, str) else ""
    return True if word in _TRUE else False if word in _FALSE else None


def _check_bounds(name: str, rule: Rule, number: float, value: object, origin: str) -> None:
    broken = [
        f"{words} {bound}"
        for words, bound, holds in (
            ("at least", rule.at_least, rule.at_least is None or number >= rule.at_least),
            ("above", rule.above, rule.above is None or number > rule.above),
            ("at most", rule.at_most, rule.at_most is None or number <= rule.at_most),
            ("below", rule.below, rule.below is None or number < rule.below),
        )
        if not holds
    ]
    if broken:
        why = f": {rule.why}" if rule.why else f"; see {PAGE}"
        raise UsageError(f"{name} must be {broken[0]}, got {shown(value)}{why}{origin}")


def _check_text(name: str, rule: Rule, text: str, origin: str) -> None:
    if rule.choices and text not in rule.choices:
        raise UsageError(
            f"{name} must be one of {', '.join(rule.choices)}, got {shown(text)}{origin}; "
            f"{suggestion(text, rule.choices)}"
        )
    if not text.strip():
        raise UsageError(f"{name} must not be empty{origin}; give a value or leave the name out")
    if not rule.secret and any(ord(character) < 32 for character in text):
        raise UsageError(
            f"{name} must be one line of text, got a control character{origin}; "
            "remove line breaks and invisible characters"
        )
    if name.endswith("_url"):
        _check_copied(name, text, origin)
    if name.endswith("_url") and _holds_password(text):
        raise UsageError(
            f"{name} must not hold a password: addresses are logged and shared{origin}; remove "
            "what stands between the user name and the host, and set DB_PASSWORD instead"
        )


def _check_copied(name: str, text: str, origin: str) -> None:
    """Refuse what copying adds to an address; not echoed, it may bear a password."""
    found = [
        says
        for says, is_so in (
            ("quotes around it", text[0] in _QUOTES or text[-1] in _QUOTES),
            ("blanks around it", text != text.strip()),
            ("a blank in it", not _is_file(text) and bool(re.search(r"://.*\s", text))),
            ("a slash at its end", name == "database_url" and text.endswith("/")),
        )
        if is_so
    ]
    if found:
        raise UsageError(
            f"{name} must be an address and nothing else, got {found[0]}{origin}; remove it (in "
            "an address a blank is %20)"
        )


def _is_file(address: str) -> bool:
    scheme, separator, _ = address.lower().partition("://")
    return bool(separator) and scheme in ("sqlite", "file")


def _holds_password(address: str) -> bool:
    """True for `user:password@host`, or a password among the query's parameters.

    Read by hand: urlsplit takes a `/` or `#` in a password for the end of the host.
    """
    if _is_file(address):
        return False
    scheme, _, rest = address.lower().partition("://")
    rest = rest or scheme
    user = rest.rpartition("@")[0]
    keys = {pair.partition("=")[0] for pair in rest.partition("?")[2].split("&")}
    return ":" in user or bool(keys & {"password", "passwd", "pwd"})


def suggestion(
    name: object, known: Iterable[str], older: Mapping[str, str | None] | None = None
) -> str:
    """ "did you mean batch_size?", or to remove it when nothing known comes near.

    older: names of before → those of today, which come first: by its letters alone min_feedback
    is nearer to min_new_feedback than to min_feedback_count, which it was.
    """
    former = difflib.get_close_matches(str(name), list(older or ()), n=1, cutoff=_SURELY)
    near = [(older or {})[old] for old in former] or difflib.get_close_matches(
        str(name), list(known), n=1
    )
    return f"did you mean {near[0]}?" if near and near[0] else "remove it"


def shown(value: object) -> str:
    """A value as an error text may show it: short, and containers by their kind alone."""
    text = repr(value) if isinstance(value, str | int | float) else _kind_of(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def _kind_of(value: object) -> str:
    names = {dict: "a mapping", list: "a list", str: "text", type(None): "nothing"}
    return names.get(type(value), f"a value of type {type(value).__name__}")
