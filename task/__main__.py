"""`python -m task COMMAND`: the process's one way in, and its one boundary for errors.

Every error a person can meet ends as one line with rule, value and remedy and its own exit
status; anything else is a crash of ours, with its traceback in the log, exit 1.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from common import logs
from common.errors import RetrainError
from common.settings import Settings, load
from task import cli
from task.attempt import Interrupt

log = logging.getLogger("task")

SETTINGS_FILE = Path("settings.yaml")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    arguments = cli.parse(sys.argv[1:] if argv is None else argv)
    interrupt = Interrupt()
    interrupt.install()
    try:
        flags = cli.flags_of(arguments)
        settings = load(
            yaml_path=_yaml(arguments.config),
            env_file=Path(arguments.env_file),
            environ=os.environ,
            flags=flags,
        )
        _log(arguments.log_level, settings)
        from task.commands import COMMANDS, Call
        from task.stages import Loop

        loop = Loop(settings=settings, now=lambda: datetime.now(UTC), clock=time.perf_counter)
        call = Call(arguments=arguments, flags=flags, loop=loop, interrupt=interrupt)
        return COMMANDS[arguments.command](call)
    except RetrainError as error:
        return _failed(arguments.json, str(error), error.exit_code)
    except Exception:
        log.exception("unexpected error: this is a bug, please report it")
        return _failed(arguments.json, "unexpected error, see the log", 1)


def _yaml(given: str | None) -> Path | None:
    if given:
        return Path(given)
    return SETTINGS_FILE if SETTINGS_FILE.exists() else None


def _log(level: str, settings: Settings) -> None:
    secrets = [settings.db_password] if settings.db_password else []
    logs.configure(level, log_dir=Path(settings.log_dir), secrets=secrets, stream=sys.stderr)


def _failed(as_json: bool, reason: str, code: int) -> int:
    sys.stderr.write(f"error: {reason}\n")
    if as_json:
        from task.stages import dump

        sys.stdout.write(dump({"state": "failed", "reason": reason, "exit": code}) + "\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
