"""Sets up logging: short lines for a person at a terminal, JSON lines for everything else.

    configure("INFO", run_id=run_id, log_dir=Path("logs"), secrets=[password], stream=sys.stderr)
    logging.getLogger(__name__).info("votes read", extra={"votes": 12_000})

Redaction happens in the formatters and not in a filter, because an exception's text is only
known there. The standard `logging` is enough: libraries already speak it.
"""

import json
import logging
import math
import os
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import TextIO
from urllib.parse import quote, quote_plus

Redact = Callable[[str], str]

HIDDEN = "***"
SHORTEST = 3  # characters: to hide less would hide parts of words, and with them what is said
_learned: set[str] = set()  # secrets of this process that were read after the set-up
_NAME = "retraining"  # of our handlers, so that a second set-up replaces the first
_USER_INFO = re.compile(r"(://[^\s:/@]*):\S*@")
# By what they look like and not one by one: a service that logs in by tokens makes a new one each
# time, and a pattern of all that there have ever been would grow until it stops the process.
_SIGNED = re.compile(r"(X-Amz-(?:Signature|Security-Token)(?:=|%3D))(?:(?!%26)[\w%.~+/=-])+", re.I)
_STANDARD = {*vars(logging.makeLogRecord({})), "message", "asctime"}


def configure(
    level: int | str,
    *,
    run_id: str | None = None,
    log_dir: Path | None = None,
    secrets: Iterable[str] = (),
    stream: TextIO,
) -> None:
    """Send all logging of the process to `stream`, and to a file in `log_dir`.

    The stream gets short lines if it is a terminal, else JSON lines. The file is
    `<run_id or date>.jsonl`; a container has none, since its stream is collected. A folder that
    cannot be written is a warning. Calling again replaces what was set up before.
    """
    redact = redactor(secrets)
    # A line that cannot be written must neither stop a run nor be shown unredacted.
    logging.raiseExceptions = False
    as_json = JsonFormatter(redact, run_id)
    shown = logging.StreamHandler(stream)
    shown.setFormatter(LineFormatter(redact) if stream.isatty() else as_json)
    root = logging.getLogger()
    for old in [handler for handler in root.handlers if handler.name == _NAME]:
        root.removeHandler(old)
        old.close()
    root.setLevel(level)
    _add(root, shown)
    if log_dir is None or in_container(os.environ):
        return
    try:
        kept = _open(log_dir, run_id or f"{datetime.now(UTC):%Y-%m-%d}")
    except OSError as exc:
        logging.getLogger(__name__).warning(
            "log_dir must be a folder that can be written, got %s for %s; "
            "nothing is kept in a file until LOG_DIR names another",
            exc.strerror,
            log_dir,
        )
        return
    kept.setFormatter(as_json)
    _add(root, kept)


def configured() -> bool:
    """Whether `configure` has been called, so that there is somewhere to log to."""
    return any(handler.name == _NAME for handler in logging.getLogger().handlers)


def in_container(environ: Mapping[str, str]) -> bool:
    """True on ECS, and where a container engine sets `container`."""
    return bool(environ.get("ECS_CONTAINER_METADATA_URI_V4") or environ.get("container"))


def hide(secret: str) -> None:
    """Have every redactor of this process hide a secret that became known only now.

    For whole passwords, of which a process reads few: none is ever forgotten.
    """
    _learned.add(secret)


def redactor(secrets: Iterable[str]) -> Redact:
    """A function that hides the secrets in a text, and the password of any `user:password@`.

    Also what makes an address that AWS has signed valid: an IAM token of RDS is one.

    A secret is also found percent-encoded (either case) and with the escapes of a Python or
    JSON string, the forms in which URLs and error texts quote it. So is what `hide` was told.
    """
    given = frozenset(secrets)

    def redact(text: str) -> str:
        found = _pattern(given | _learned)
        text = found.sub(HIDDEN, text) if found else text
        text = _SIGNED.sub(rf"\1{HIDDEN}", text)
        return _USER_INFO.sub(rf"\1:{HIDDEN}@", text)

    return redact


@lru_cache(maxsize=8)
def _pattern(secrets: frozenset[str]) -> re.Pattern[str] | None:
    forms = {form for secret in secrets if len(secret) >= SHORTEST for form in _forms(secret)}
    # The longest first: one secret may begin with another.
    ordered = sorted(forms, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, ordered)), re.IGNORECASE) if ordered else None


def _forms(secret: str) -> set[str]:
    quoted = {quote(secret), quote(secret, safe=""), quote_plus(secret)}
    return {secret, *quoted, repr(secret)[1:-1], json.dumps(secret)[1:-1]}


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time (UTC), level, logger, message, run_id and the extra fields."""

    def __init__(self, redact: Redact, run_id: str | None) -> None:
        super().__init__()
        self._redact = redact
        self._run_id = run_id

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line without secrets."""
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        fields: dict[str, object] = {
            "time": moment.replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "run_id": self._run_id,
        }
        fields |= {key: value for key, value in _extra(record).items() if key not in fields}
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return json.dumps(_plain(fields, self._redact), ensure_ascii=False)


class LineFormatter(logging.Formatter):
    """A short line for a person: local time, the level from warnings on, message, extra fields."""

    def __init__(self, redact: Redact) -> None:
        super().__init__()
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        """The record as a line without secrets; an exception's traceback follows it."""
        level = f"{record.levelname.lower()}: " if record.levelno >= logging.WARNING else ""
        extra = "".join(f"  {key}={value}" for key, value in _extra(record).items())
        line = f"{self.formatTime(record, '%H:%M:%S')}  {level}{record.getMessage()}{extra}"
        if record.exc_info:
            line = f"{line}\n{self.formatException(record.exc_info)}"
        return self._redact(line)


def _extra(record: logging.LogRecord) -> dict[str, object]:
    return {key: value for key, value in vars(record).items() if key not in _STANDARD}


def _plain(value: object, redact: Redact) -> object:
    """The value in JSON's own types, every text in it redacted before it is escaped."""
    if isinstance(value, dict):
        return {redact(str(key)): _plain(item, redact) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item, redact) for item in value]
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    return redact(str(value))


def _open(folder: Path, name: str) -> logging.FileHandler:
    folder.mkdir(parents=True, exist_ok=True)
    return logging.FileHandler(folder / f"{name}.jsonl", encoding="utf-8")


def _add(root: logging.Logger, handler: logging.Handler) -> None:
    handler.set_name(_NAME)
    root.addHandler(handler)
