"""`python -m api --port 8080`: one process that serves, by the same settings as the loop.

It listens at once and loads meanwhile, so that `/health` and `/ready` can tell the two apart. On
SIGTERM it takes no new connections, answers what it has begun, and ends with status 0. In a
container `--host 0.0.0.0` lets others in; by default only this machine can ask.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from common import logs
from common.console import steady
from common.errors import RetrainError, UsageError
from common.settings import Settings, load

log = logging.getLogger("api")

SETTINGS_FILE = Path("settings.yaml")
ENV_FILE = ".env"


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until told to stop; returns the exit status."""
    arguments = _parser().parse_args(argv)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    redact = logs.redactor([os.environ.get("DB_PASSWORD", ""), os.environ.get("API_KEY", "")])
    try:
        settings = load(
            yaml_path=_yaml(arguments.config),
            env_file=_env(arguments.env_file),
            environ=os.environ,
            flags={},
        )
        _log(arguments.log_level, settings)
        from api.server import serve

        serve(settings, arguments.host, arguments.port)
    except RetrainError as error:
        sys.stderr.write(f"error: {redact(str(error))}\n")
        return error.exit_code
    except Exception:
        log.exception("unexpected error: this is a bug, please report it")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m api", description="Serve the active version.")
    parser.add_argument("--port", type=_port, required=True, help="0 takes a free one")
    parser.add_argument(
        "--host", type=_host, default="127.0.0.1", help="default: 127.0.0.1, this machine only"
    )
    parser.add_argument("--config", metavar="FILE", help="settings file (default: settings.yaml)")
    parser.add_argument("--env-file", metavar="FILE", default=ENV_FILE, help="default: .env")
    levels = ("DEBUG", "INFO", "WARNING", "ERROR")
    parser.add_argument("--log-level", default="INFO", choices=levels, help="default: INFO")
    return parser


def _host(text: str) -> str:
    if not text.strip():  # to a socket it would mean every network
        raise argparse.ArgumentTypeError("must not be empty; 0.0.0.0 lets other machines in")
    return text


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) > 65_535:
        raise argparse.ArgumentTypeError("must be 0 to 65535")
    return int(text)


def _yaml(given: str | None) -> Path | None:
    if given:
        return Path(given)
    return SETTINGS_FILE if SETTINGS_FILE.exists() else None


def _env(given: str) -> Path:
    """The `.env` file, which may be missing; one that was named may not."""
    path = Path(given)
    if given != ENV_FILE and not path.exists():
        raise UsageError(f"--env-file must name a file that is there, got {given}: correct it")
    return path


def _log(level: str, settings: Settings) -> None:
    secrets = [secret for secret in (settings.db_password, settings.api_key) if secret]
    # No file: a service has no end at which one would be closed, and whoever starts it keeps its
    # stream.
    logs.configure(level, secrets=secrets, stream=sys.stderr)
    for name in ("uvicorn", "uvicorn.error"):
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLogger().level))


def _stop(_number: int, _frame: FrameType | None) -> None:
    # Before the server listens to signals and after it has drained: there is nothing to wait for.
    raise SystemExit(0)


if __name__ == "__main__":
    steady()
    sys.exit(main())
