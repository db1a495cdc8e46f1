"""Which types of column the reader can take, said before anything is counted or read.

A type that serves only sometimes loses votes in silence: a DATE cannot say what came after the
last cutoff on its day, and texts with offsets do not sort by time. So such a table is refused
with the statement that mends it. An SQLite column may hold anything whatever its declaration
says; there each value is judged when it is read, and only a declared number is refused.
"""

from collections.abc import Mapping
from typing import Literal

from common.errors import UsageError

Kind = Literal["mysql", "sqlite"]

INTEGERS = frozenset({"tinyint", "smallint", "mediumint", "int", "integer", "bigint"})
NUMBERS = INTEGERS | {"decimal", "numeric", "float", "double", "real", "bit"}
TIMES = frozenset({"datetime", "timestamp"})
_REMEDIES = {
    "date": "a date alone does not say which votes came after the last cutoff: "
    "MODIFY feedback_at DATETIME(6) and let the application write the time of day",
    "number": "a number does not say its unit: add a DATETIME(6), fill it with "
    "FROM_UNIXTIME(feedback_at) or FROM_UNIXTIME(feedback_at / 1000) in UTC, and give it this name",
    "other": "its values do not sort by time: add a DATETIME(6), fill it with the times in UTC, "
    "and give it this name",
}


def check_types(types: Mapping[str, str], kind: Kind, where: str) -> None:
    """Raise UsageError if `id` or `feedback_at` is of a type that cannot serve."""
    of_id, of_time = types["id"], types["feedback_at"]
    if kind == "mysql" and of_id not in INTEGERS:
        raise UsageError(
            f"the column id in {where} must be a whole number (INT or BIGINT), got "
            f"{of_id.upper()}: make it a number that the database gives, or keep that key "
            "under another name"
        )
    serves = of_time in TIMES if kind == "mysql" else not _is_number(of_time)
    if not serves:
        family = of_time if of_time == "date" else "number" if _is_number(of_time) else "other"
        needed = "DATETIME or TIMESTAMP" if kind == "mysql" else "a text such as 2026-01-31 12:00"
        raise UsageError(
            f"the column feedback_at in {where} must be {needed}, got {of_time.upper()}: "
            f"{_REMEDIES[family]}"
        )


def _is_number(declared: str) -> bool:
    word = declared.split("(")[0].strip()
    return word in NUMBERS or "int" in word or "real" in word
