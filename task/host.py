"""Who carries out a run: a task of ECS, or a process on some machine.

ECS tells a container who it is at an address on the machine itself, which answers without
credentials. Asked once, when the process starts: the lease, the run's evidence and the registry
name the task by it, and whoever hears that a task stopped finds its run.
"""

from __future__ import annotations

import json
import logging
import os
import re
import socket
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, build_opener

from common.errors import RetrainError

log = logging.getLogger(__name__)

METADATA = "ECS_CONTAINER_METADATA_URI_V4"
SECONDS = 2.0  # for one answer
PAUSES = (0.2, 0.5)  # seconds between three tries
_TASK_ARN = re.compile(r"arn:[a-z0-9-]+:ecs:[a-z0-9-]+:\d+:task/[A-Za-z0-9_/-]*?([A-Za-z0-9_-]+)")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class Host:
    """`task` names the process in the lease; the rest is known on ECS, or in its image, only."""

    task: str
    task_arn: str | None = None
    image_digest: str | None = None
    revision: str | None = None
    """The code's revision, if the image says it."""


def here() -> Host:
    """This process, on a machine of which nothing else is known."""
    return Host(task=f"{socket.gethostname()}-{os.getpid()}")


def read(environ: Mapping[str, str]) -> Host:
    """This process, by what its environment says. RetrainError: ECS does not say who it is."""
    revision = environ.get("CODE_REVISION") or None
    address = environ.get(METADATA)
    if not address:
        return Host(task=here().task, revision=revision)
    arn = str(_document(f"{address}/task").get("TaskARN"))
    named = _TASK_ARN.fullmatch(arn)
    if not named:
        raise RetrainError(
            f"ECS must name the task at {METADATA}, got a TaskARN of {arn[:80]!r}: without it "
            "nobody could tell whose run this is; start the task again"
        )
    digest = str(_document(address).get("ImageID"))
    if not _DIGEST.fullmatch(digest):
        log.warning("the image's digest is not recorded: ECS names none, but %.80r", digest)
    return Host(
        task=named[1],
        task_arn=arn,
        image_digest=digest if _DIGEST.fullmatch(digest) else None,
        revision=revision,
    )


def revision(host: Host) -> str | None:
    """The code's revision: from the image, else from git, else unknown."""
    if host.revision:
        return host.revision
    root = Path(__file__).resolve().parent.parent
    command = ["git", "-C", str(root), "rev-parse", "--short=12", "HEAD"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return found.stdout.strip()


def _document(url: str) -> dict[str, Any]:
    """A document of the metadata endpoint, which now and then is late to answer."""
    for pause in PAUSES:
        try:
            return _asked(url)
        except RetrainError as error:
            log.info("%s", error)
        time.sleep(pause)
    return _asked(url)


def _asked(url: str) -> dict[str, Any]:
    # A proxy for the rest of the world would ask another machine.
    direct = build_opener(ProxyHandler({}))
    try:
        with direct.open(url, timeout=SECONDS) as answer:
            found = json.load(answer)
    except (OSError, HTTPException, ValueError) as error:
        if isinstance(error, HTTPError):
            error.close()  # it is the answer, too
        raise RetrainError(
            f"ECS must say at {METADATA} which task this is, got {type(error).__name__} "
            f"({str(error)[:80]}): start the task again; outside ECS unset the variable"
        ) from error
    if not isinstance(found, dict):
        raise RetrainError(
            f"ECS must answer {METADATA} with a JSON object, got a {type(found).__name__}: start "
            "the task again; outside ECS unset the variable"
        )
    return found
