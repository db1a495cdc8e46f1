"""Which encoding a file has that is not UTF-8, as far as its bytes tell."""

from __future__ import annotations

import re

_KOREAN = re.compile("[가-힣]")
_MARKS = ((b"\xff\xfe", "UTF-16"), (b"\xfe\xff", "UTF-16"))
_SOURCE = {"UTF-16": "Excel's Unicode text", "cp949": "a CSV of Korean Excel"}


def likely(sample: bytes) -> str | None:
    """ "cp949 (a CSV of Korean Excel)" for bytes that are so; None when they are UTF-8 or unclear.

    sample: whole lines, since half a letter is no letter.
    """
    for mark, name in _MARKS:
        if sample.startswith(mark):
            return f"{name} ({_SOURCE[name]})"
    try:
        sample.decode()
    except UnicodeDecodeError:
        return _not_utf8(sample)
    return None


def _not_utf8(sample: bytes) -> str | None:
    try:
        text = sample.decode("cp949")
    except UnicodeDecodeError:
        return None
    return f"cp949 ({_SOURCE['cp949']})" if _KOREAN.search(text) else None


def advice(sample: bytes) -> str:
    """What to do about it, for the end of an error."""
    found = likely(sample)
    seems = f"it seems to be {found}: " if found else ""
    return f"{seems}save the file again as CSV UTF-8"
