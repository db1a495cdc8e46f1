"""The emulated AWS in a process of its own: `python -m local.cloud --folder .demo/cloud`.

It prints one line of JSON with its URL when it is ready, and ends when its standard input does:
whoever started it is then gone. What happens in it is written into the folder: `calls.jsonl`,
a log for each function, a folder for each task.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from common.errors import RetrainError
from local.cloud.bundle import unpacked
from local.cloud.calls import Recorder
from local.cloud.health import Pace
from local.cloud.parts import Options, assemble
from local.cloud.processes import kill_all
from local.cloud.server import Application, listening
from local.cloud.setup import Resources
from local.cloud.stack import ROOT, Rehearsal, Stack
from local.cloud.template import Template
from local.parent import die_with_parent


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until standard input ends."""
    arguments = _parsed(argv)
    die_with_parent()
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]  # they are about a real account
    try:
        url = _start(arguments)
    except RetrainError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    sys.stdout.write(json.dumps({"url": url, "pid": os.getpid()}) + "\n")
    sys.stdout.flush()
    while os.read(sys.stdin.fileno(), 4096):
        pass
    kill_all()
    return 0


def _start(arguments: argparse.Namespace) -> str:
    folder: Path = arguments.folder.resolve()
    folder.mkdir(parents=True)
    given = json.loads(arguments.parameters)
    stack = Stack(template=Template.load(arguments.template, parameters=given))
    application = Application(Recorder(folder / "calls.jsonl"))
    _, url = listening(application)
    resources = Resources(stack=stack, url=url)
    resources.create()
    application.parts = parts = assemble(
        stack,
        Rehearsal(variables=json.loads(arguments.variables)),
        resources,
        folder=folder,
        bundle=arguments.bundle or unpacked(folder / "bundle"),
        url=url,
        options=Options(
            stop_seconds=arguments.stop_seconds,
            retry_seconds=arguments.retry_seconds,
            pace=Pace(**json.loads(arguments.pace)),
            desired=arguments.desired,
        ),
    )
    parts.services.begin()
    return url


def _parsed(argv: Sequence[str] | None) -> argparse.Namespace:
    defaults = Options()
    parser = argparse.ArgumentParser(prog="python -m local.cloud", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--folder", type=Path, required=True, help="a new folder")
    parser.add_argument(
        "--template",
        type=Path,
        default=ROOT / "infra" / "template.json",
        help="the stack (default: infra/template.json)",
    )
    parser.add_argument("--parameters", default="{}", help="of the template, as JSON")
    parser.add_argument("--bundle", type=Path, help="an unpacked bundle (default: it is built)")
    parser.add_argument(
        "--variables", default="{}", help="what replaces the template's environment, as JSON"
    )
    parser.add_argument(
        "--stop-seconds",
        type=float,
        default=defaults.stop_seconds,
        help="at most so long between SIGTERM and SIGKILL",
    )
    parser.add_argument(
        "--retry-seconds",
        type=float,
        default=defaults.retry_seconds,
        help="pause before an asynchronous event is tried again",
    )
    parser.add_argument("--pace", default="{}", help="of services, as JSON (local/cloud/health.py)")
    parser.add_argument(
        "--desired", type=int, help="tasks of each service at the start (default: the template's)"
    )
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
