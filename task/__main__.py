"""`python -m task COMMAND`: the process's one way in, and its one boundary for errors.

Every error a person can meet ends as one line with rule, value and remedy and its own exit
status; anything else is a crash of ours, with its traceback in the log, exit 1.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from common import logs
from common.console import steady
from common.errors import RetrainError, UsageError
from common.registry.records import check_run_id
from common.setting_rules import trimmed
from common.settings import Settings, load
from task import cli, host
from task.interrupt import SIGNALS, Interrupt, Stop

log = logging.getLogger("task")

SETTINGS_FILE = Path("settings.yaml")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    arguments = cli.parse(sys.argv[1:] if argv is None else argv)
    interrupt = Interrupt()
    interrupt.install()
    redact = logs.redactor(_secrets(os.environ.get("DB_PASSWORD")))
    settings: Settings | None = None
    notes: list[str] = []
    try:
        flags = cli.flags_of(arguments)
        settings = load(
            yaml_path=_yaml(arguments.config),
            env_file=_env(arguments.env_file),
            environ=os.environ,
            flags=flags,
            warn=notes.append,
        )
        redact = logs.redactor(_secrets(settings.db_password))
        run_id = _run_id(arguments)
        _log(arguments.log_level, settings, run_id)
        for note in notes:  # logging itself needed the settings
            log.warning("%s", note)
        from task.commands import COMMANDS, Call
        from task.stages import Loop

        loop = Loop(
            settings=settings,
            now=lambda: datetime.now(UTC),
            clock=time.perf_counter,
            host=host.read(os.environ),
            bar=_bar,
        )
        call = Call(arguments=arguments, flags=flags, loop=loop, interrupt=interrupt)
        return COMMANDS[arguments.command](call)
    except Stop as stop:
        return _failed(arguments, settings, str(stop.error), stop.error.exit_code)
    except RetrainError as error:
        return _failed(arguments, settings, redact(str(error)), error.exit_code)
    except Exception:
        log.exception("unexpected error: this is a bug, please report it")
        return _failed(arguments, settings, "unexpected error, see the log", 1)
    finally:
        interrupt.rest()


def _yaml(given: str | None) -> Path | None:
    if given:
        return Path(given)
    return SETTINGS_FILE if SETTINGS_FILE.exists() else None


def _env(given: str) -> Path:
    """The `.env` file, which may be missing; one that was named may not."""
    path = Path(given)
    if given != cli.ENV_FILE and not path.exists():
        raise UsageError(f"--env-file must name a file that is there, got {given}: correct it")
    return path


def _run_id(arguments: argparse.Namespace) -> str | None:
    """The run that a command is about; a new run by hand is named after the time."""
    if getattr(arguments, "launched", False) and arguments.run_id is None:
        raise UsageError(
            "--launched must come with --run-id, got none: name the run that was launched, or "
            "leave --launched out to launch one"
        )
    if arguments.command == "run" and arguments.run_id is None:
        arguments.run_id = new_run_id(datetime.now(UTC))
    if arguments.command == "export" and arguments.run is None:
        arguments.run = new_run_id(datetime.now(UTC))
    found = getattr(arguments, "run_id", None) or getattr(arguments, "run", None)
    return check_run_id(found) if found else None


def new_run_id(now: datetime) -> str:
    """The id of a run by hand: its time in milliseconds."""
    return f"m-{now:%Y%m%dT%H%M%S}{now.microsecond // 1000:03d}Z"


def _log(level: str, settings: Settings, run_id: str | None) -> None:
    logs.configure(
        level,
        run_id=run_id,
        log_dir=Path(settings.log_dir),
        secrets=_secrets(settings.db_password),
        stream=sys.stderr,
    )


def _secrets(password: str | None) -> list[str]:
    return [trimmed(password)] if password else []


def _bar(title: str, total: int | None) -> AbstractContextManager[Callable[[int], None] | None]:
    """A progress bar where somebody watches; rich is not even loaded elsewhere."""
    if not sys.stderr.isatty():
        return nullcontext()
    from task.show import bar

    return bar(title, total)


def _failed(
    arguments: argparse.Namespace, settings: Settings | None, reason: str, code: int
) -> int:
    """Say why in one line and, for a machine, in the shape of a run's outcome."""
    if logs.configured():
        log.log(logging.ERROR if code else logging.WARNING, "%s", reason)
    else:  # the settings are wrong, and with them where to log
        sys.stderr.write(f"error: {reason}\n")
    if arguments.json:
        from task.outcome import failure
        from task.stages import dump

        run_id = getattr(arguments, "run_id", None) or getattr(arguments, "run", None)
        outcome = failure(settings.work_dir if settings else None, run_id, reason, code)
        sys.stdout.write(dump(asdict(outcome)) + "\n")
    return code


if __name__ == "__main__":
    steady()
    status = main()
    # What is done is done: while the interpreter shuts down, a signal would change the status.
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    sys.exit(status)
